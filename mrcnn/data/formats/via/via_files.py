"""Files of the VGG Image Annotator, versions 1, 2 and 3, read into one form."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from mrcnn.data.formats.json_kinds import VIA3_KEYS, read_json

# VIA 3 keeps numbers for names: of shapes (_via_metadata.js), of kinds of files
# (_via_file.js), of the ways to enter an attribute (_via_attribute.js).
VIA3_SHAPES = (
    *("point", "rect", "circle", "ellipse", "line", "polyline", "polygon"),
    *("extreme rect", "extreme circle"),
)
VIA3_IMAGE = 2
VIA3_CHECKBOX = 2


def read_via(source: str | Path | Mapping) -> list[dict]:
    """Returns the images of a VIA file with their regions, in the file's order.

    VIA 1 keeps regions in a dict, VIA 2 in a list, and project files of VIA 2 wrap all
    in `_via_img_metadata`; VIA 3 keeps files, views and regions in tables of their
    own. The result is the same for all of them. Images that carry no region are in it,
    with an empty list.

    Args:
        source: path of a json file, or its parsed content.

    Returns:
        A list of dict with
            filename: str;
            width, height: int, px, only where the file attributes have them;
            regions: list of dict(shape=shape attributes, attributes=region attributes),
                named as VIA 2 does.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of VIA.
    """
    where, content = "read_via(...)", source
    if not isinstance(source, Mapping):
        where = f"read_via({str(source)!r})"
        content = read_json(source, "read_via")
        if not isinstance(content, Mapping):
            raise ValueError(
                f"{where}: holds a {type(content).__name__}, not the dict of images "
                "that VIA writes."
            )
    if VIA3_KEYS <= content.keys():
        return list(_via3_images(content, where))
    content = content.get("_via_img_metadata", content)
    images = []
    for key, entry in content.items():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            raise ValueError(
                f"{where}: entry {key!r} has no 'filename', so this is no annotation "
                "export of VIA 1 or 2, nor a project of VIA 3; export it from VIA with "
                "'Annotations > Export Annotations (as json)'."
            )
        regions = entry.get("regions") or []
        if isinstance(regions, Mapping):
            regions = regions.values()
        image = {"filename": entry["filename"], "regions": []}
        for region in regions:
            shape = dict(region["shape_attributes"])
            attributes = dict(region.get("region_attributes") or {})
            image["regions"].append({"shape": shape, "attributes": attributes})
        file_attributes = entry.get("file_attributes") or {}
        for side in ("width", "height"):
            if str(file_attributes.get(side, "")).isdecimal():
                image[side] = int(file_attributes[side])
        images.append(image)
    return images


def _via3_images(content: Mapping, where: str) -> Iterator[dict]:
    """Yields the images of a VIA 3 project, in the order it shows them."""
    attributes = content.get("attribute") or {}
    regions: dict[str, list[dict]] = {}
    for key, metadata in content["metadata"].items():
        if metadata.get("xy"):  # without, it is of the whole file
            shape = _via3_shape(metadata["xy"], f"{where}: region {key!r}")
            named = _via3_attributes(metadata.get("av") or {}, attributes)
            of_view = regions.setdefault(str(metadata["vid"]), [])
            of_view.append({"shape": shape, "attributes": named})
    views = {str(key): view for key, view in content["view"].items()}
    shown = (content.get("project") or {}).get("vid_list") or ()
    lost = sorted(regions.keys() - views.keys())
    if lost:
        raise ValueError(
            f"{where}: there are regions of the views {lost}, which the project does "
            "not have; the file is damaged."
        )
    for vid in dict.fromkeys([*map(str, shown), *views]):
        file_ids = views[vid].get("fid_list", ()) if vid in views else ()
        if len(file_ids) != 1:
            if vid in regions:
                raise ValueError(
                    f"{where}: view {vid!r} shows {len(file_ids)} files, so it is not "
                    "known of which its regions are; annotate one image a view."
                )
            continue
        file = content["file"][str(file_ids[0])]
        if file.get("type", VIA3_IMAGE) != VIA3_IMAGE:
            warnings.warn(
                f"{where}: {file['fname']!r} is no image; it is left out.", stacklevel=3
            )
            continue
        yield {"filename": file["fname"], "regions": regions.get(vid, [])}


def _via3_shape(xy: Sequence[float], where: str) -> dict:
    """Returns the shape attributes that VIA 2 would write for VIA 3's list."""
    number, *values = xy
    if number not in range(1, len(VIA3_SHAPES) + 1):
        raise ValueError(
            f"{where} has the shape number {number!r}; known are 1 to "
            f"{len(VIA3_SHAPES)}."
        )
    name = VIA3_SHAPES[number - 1]
    keys = {
        "point": ("cx", "cy"),
        "rect": ("x", "y", "width", "height"),
        "circle": ("cx", "cy", "r"),
        "ellipse": ("cx", "cy", "rx", "ry"),
    }.get(name)
    if keys is not None:
        # A missing one is found when the shape is drawn.
        return {"name": name, **dict(zip(keys, values, strict=False))}
    x, y = values[0::2], values[1::2]
    if name == "extreme rect":
        left, top = min(x), min(y)
        sides = {"width": max(x) - left, "height": max(y) - top}
        return {"name": "rect", "x": left, "y": top, **sides}
    if name == "extreme circle":
        return {"name": "circle", **_circle_through(x, y, where)}
    kind = "polygon" if name == "polygon" else "polyline"
    return {"name": kind, "all_points_x": x, "all_points_y": y}


def _circle_through(x: Sequence[float], y: Sequence[float], where: str) -> dict:
    """Returns center and radius of the circle through three points."""
    if len(x) != 3 or len(y) != 3:
        raise ValueError(f"{where}: a circle through {len(x)} points, not 3.")
    # Relative to the first point, the center solves two equations.
    bx, by, cx, cy = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    area = 2 * (bx * cy - by * cx)
    if area == 0:
        raise ValueError(f"{where}: the three points of a circle lie on one line.")
    b, c = bx * bx + by * by, cx * cx + cy * cy
    dx, dy = (cy * b - by * c) / area, (bx * c - cx * b) / area
    return {"cx": x[0] + dx, "cy": y[0] + dy, "r": math.hypot(dx, dy)}


def _via3_attributes(values: Mapping, attributes: Mapping) -> dict:
    """Returns the attributes of a region by name, options as the texts shown."""
    named = {}
    for key, value in values.items():
        attribute = attributes.get(str(key), {})
        options = attribute.get("options") or {}
        if attribute.get("type") == VIA3_CHECKBOX and isinstance(value, str):
            chosen = [part for part in value.split(",") if part]
            value = {options.get(part, part): True for part in chosen}
        elif isinstance(value, str):
            value = options.get(value, value)
        named[attribute.get("aname", str(key))] = value
    return named
