"""Annotations of the VGG Image Annotator (VIA 1 and 2): read, and drawn as masks."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

ROUND_SHAPES = ("circle", "ellipse")
SHAPES = ("polygon", "rect", *ROUND_SHAPES)


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

    Annotators click on and beyond the border (x == width); such vertices are legal.

    Args:
        regions: `regions` of `read_via`, or plain shape attributes. Known shapes:
            polygon, rect, circle, ellipse (theta in radians, clockwise).
        height: of the image, px.
        width: of the image, px.

    Returns:
        bool [height, width, N], orig frame.

    Raises:
        ValueError: a region has no area (point, polyline) or lacks a coordinate.
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
    """Fills a polygon by the even-odd rule, a hundred times faster than skimage.

    A pixel belongs to it when its corner (x, y) lies inside; of the outline, left and
    top count and right and bottom do not, so that a polygon around a rect is that rect.
    """
    x1 = np.asarray(shape["all_points_x"], dtype=np.float64)
    y1 = np.asarray(shape["all_points_y"], dtype=np.float64)
    if x1.shape != y1.shape or x1.ndim != 1:
        raise ValueError(
            f"polygon_mask(): a polygon has {x1.size} x and {y1.size} y coordinates; "
            "the file is damaged."
        )
    if not x1.size:
        return
    x2, y2 = np.roll(x1, -1), np.roll(y1, -1)
    top, bottom = np.clip(np.ceil([y1.min(), y1.max()]).astype(int), 0, mask.shape[0])
    left, right = np.clip(np.ceil([x1.min(), x1.max()]).astype(int), 0, mask.shape[1])
    rows = np.arange(top, bottom)[:, np.newaxis]
    # 1. Where the edges cross the rows: horizontal edges never do.
    row, edge = np.nonzero((y1 <= rows) != (y2 <= rows))
    slope = (x2 - x1)[edge] / (y2 - y1)[edge]
    crossing_x = x1[edge] + (rows[row, 0] - y1[edge]) * slope
    # 2. Every crossing flips all that is right of it (one more column takes those
    #    beyond the border); adding bytes may wrap, odd stays odd.
    column = np.clip(np.ceil(crossing_x).astype(int), left, right) - left
    flips = np.zeros([bottom - top, right - left + 1], dtype=np.uint8)
    np.add.at(flips, (row, column), 1)
    inside = np.cumsum(flips[:, :-1], axis=1, dtype=np.uint8) & 1
    mask[top:bottom, left:right] = inside


def _draw_rect(mask: np.ndarray, shape: Mapping) -> None:
    """Fills a rectangle, half open: x + width is outside."""
    y1, x1 = round(shape["y"]), round(shape["x"])
    y2, x2 = round(shape["y"] + shape["height"]), round(shape["x"] + shape["width"])
    mask[max(y1, 0) : max(y2, 0), max(x1, 0) : max(x2, 0)] = True


def _draw_ellipse(mask: np.ndarray, shape: Mapping) -> None:
    """Fills the pixels whose centers lie in an ellipse; a circle is one."""
    radius_x = shape["r"] if shape["name"] == "circle" else shape["rx"]
    radius_y = shape["r"] if shape["name"] == "circle" else shape["ry"]
    if radius_x <= 0 or radius_y <= 0:
        return
    theta = float(shape.get("theta", 0.0))
    x = np.arange(mask.shape[1]) - shape["cx"]
    y = (np.arange(mask.shape[0]) - shape["cy"])[:, np.newaxis]
    along = (x * np.cos(theta) + y * np.sin(theta)) / radius_x
    across = (y * np.cos(theta) - x * np.sin(theta)) / radius_y
    mask[along**2 + across**2 <= 1] = True
