"""Annotations of the VGG Image Annotator (VIA 1 and 2): read, and drawn as masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROUND_SHAPES = ("circle", "ellipse")
SHAPES = ("polygon", "rect", *ROUND_SHAPES)
# px; pycocotools walks along the outline, and its integers end at 4e8.
MAX_COORDINATE = 1e6


def read_via(source: str | Path | Mapping) -> list[dict]:
    """Returns the images of a VIA file with their regions, in the file's order.

    VIA 1 keeps regions in a dict, VIA 2 in a list, and project files of VIA 2 wrap all
    in `_via_img_metadata`; the result is the same for the three. Images that carry no
    region are in it, with an empty list.

    Args:
        source: path of a json file, or its parsed content.

    Returns:
        A list of dict with
            filename: str;
            width, height: int, px, only where the file attributes tell them;
            regions: list of dict(shape=shape attributes, attributes=region attributes).

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of VIA 1 or 2.
    """
    where = "read_via(...)" if isinstance(source, Mapping) else f"read_via({source!s})"
    content = source if isinstance(source, Mapping) else _read_json(source)
    content = content.get("_via_img_metadata", content)
    images = []
    for key, entry in content.items():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            raise ValueError(
                f"{where}: entry {key!r} has no 'filename', so this is no annotation "
                "export of VIA 1 or 2; export it from VIA with 'Annotations > Export "
                "Annotations (as json)'."
            )
        regions = entry.get("regions") or []
        if isinstance(regions, Mapping):
            regions = regions.values()
        image = {
            "filename": entry["filename"],
            "regions": [
                {
                    "shape": dict(region["shape_attributes"]),
                    "attributes": dict(region.get("region_attributes") or {}),
                }
                for region in regions
            ],
        }
        file_attributes = entry.get("file_attributes") or {}
        for side in ("width", "height"):
            if str(file_attributes.get(side, "")).isdecimal():
                image[side] = int(file_attributes[side])
        images.append(image)
    return images


def polygon_mask(regions: Sequence[Mapping], height: int, width: int) -> np.ndarray:
    """Returns one mask a region; parts outside the image are cut off.

    A region has the pixels whose centers lie in it; pixel (0, 0) covers 0 to 1, so the
    polygon around a rect is that rect. Polygons are drawn by pycocotools, on its grid
    of a fifth of a pixel: masks are those that COCO makes of the same points.

    Annotators click on and beyond the border (x == width); such vertices are legal. A
    polygon of less than three points has no pixel.

    Args:
        regions: `regions` of `read_via`, or plain shape attributes. Known shapes:
            polygon, rect, circle, ellipse (theta in radians, clockwise).
        height: of the image, px.
        width: of the image, px.

    Returns:
        bool [height, width, N], orig frame.

    Raises:
        ValueError: a region has no area (point, polyline), lacks a coordinate, or lies
            beyond a million px.
    """
    # Instance axis first while drawing: every mask is then one block of memory.
    masks = np.zeros([len(regions), height, width], dtype=bool)
    for i, region in enumerate(regions):
        shape = region.get("shape", region)
        name = shape.get("name")
        try:
            if name == "polygon":
                _draw_polygon(masks[i], shape)
            elif name == "rect":
                _draw_rect(masks[i], shape)
            elif name in ROUND_SHAPES:
                _draw_ellipse(masks[i], shape)
            else:
                raise ValueError(
                    f"polygon_mask(): region {i} is a {name!r}, which has no area; "
                    f"known shapes are {', '.join(SHAPES)}."
                )
        except KeyError as error:
            raise ValueError(
                f"polygon_mask(): region {i}, a {name}, lacks {error}; the file was "
                "not written by VIA, or is damaged."
            ) from error
    return masks.transpose(1, 2, 0)


def _read_json(path) -> Mapping:
    """Parses a json file into the dict that VIA files are."""
    if not Path(path).is_file():
        raise FileNotFoundError(f"read_via({path!s}): there is no such file.")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(f"read_via({path!s}): no valid json ({error}).") from error
    if not isinstance(content, Mapping):
        raise ValueError(
            f"read_via({path!s}): holds a {type(content).__name__}, not the dict of "
            "images that VIA writes."
        )
    return content


def _draw_polygon(mask: np.ndarray, shape: Mapping) -> None:
    """Fills a polygon by the even-odd rule, with the rasterizer of COCO."""
    from pycocotools import mask as coco_mask

    x = np.asarray(shape["all_points_x"], dtype=np.float64)
    y = np.asarray(shape["all_points_y"], dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(
            f"polygon_mask(): a polygon has {x.size} x and {y.size} y coordinates; "
            "the file is damaged."
        )
    if not np.all(np.abs([x, y]) <= MAX_COORDINATE):
        raise ValueError(
            f"polygon_mask(): a polygon has coordinates from {min(x.min(), y.min()):g} "
            f"to {max(x.max(), y.max()):g} px; the file is damaged."
        )
    if len(x) < 3:
        return
    # Its own box only: most of a photograph is not this polygon.
    x1, x2 = np.clip([x.min(), np.ceil(x.max())], 0, mask.shape[1]).astype(int).tolist()
    y1, y2 = np.clip([y.min(), np.ceil(y.max())], 0, mask.shape[0]).astype(int).tolist()
    if x1 < x2 and y1 < y2:
        points = np.stack([x - x1, y - y1], axis=1).ravel().tolist()
        rles = coco_mask.frPyObjects([points], y2 - y1, x2 - x1)
        mask[y1:y2, x1:x2] = coco_mask.decode(rles)[..., 0]


def _draw_rect(mask: np.ndarray, shape: Mapping) -> None:
    """Fills a rectangle, half open: x + width is outside."""
    y1, x1 = round(shape["y"]), round(shape["x"])
    y2, x2 = round(shape["y"] + shape["height"]), round(shape["x"] + shape["width"])
    mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True


def _draw_ellipse(mask: np.ndarray, shape: Mapping) -> None:
    """Fills an ellipse; a circle is one."""
    from skimage.draw import ellipse

    is_circle = shape["name"] == "circle"
    radius_x, radius_y = (shape["r" if is_circle else key] for key in ("rx", "ry"))
    if radius_x <= 0 or radius_y <= 0:
        return
    # scikit-image has pixel centers at whole numbers, and turns the other way.
    rows, columns = ellipse(
        shape["cy"] - 0.5,
        shape["cx"] - 0.5,
        radius_y,
        radius_x,
        shape=mask.shape,
        rotation=-float(shape.get("theta", 0.0)),
    )
    mask[rows, columns] = True
