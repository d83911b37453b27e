"""Files of the VGG Image Annotator, versions 1, 2 and 3, read into one form."""

from __future__ import annotations

import math
import warnings
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pydantic import TypeAdapter
from typing_extensions import Required, TypedDict

from mrcnn.data.formats.fields import (
    MAX_SIDE,
    Flag,
    Name,
    Number,
    Whole,
    check_fields,
    check_size,
)
from mrcnn.data.formats.json_kinds import VIA3_KEYS, read_json

# VIA 3 keeps numbers for names: of shapes (_via_metadata.js), of kinds of files
# (_via_file.js), of the ways to enter an attribute (_via_attribute.js).
VIA3_SHAPES = (
    *("point", "rect", "circle", "ellipse", "line", "polyline", "polygon"),
    *("extreme rect", "extreme circle"),
)
VIA3_IMAGE = 2
VIA3_CHECKBOX = 2


class _Image(TypedDict, total=False):
    """An image of VIA 1 and 2. Its regions are checked one by one."""

    filename: Required[Name]
    regions: list[Any] | dict[str, Any] | None
    file_attributes: dict[str, Any] | None


class _Region(TypedDict, total=False):
    """A region of VIA 1 and 2; `via_dataset` checks the attributes of its shape."""

    shape_attributes: Required[dict[str, Any]]
    region_attributes: dict[str, Any] | None


class _Via3File(TypedDict, total=False):
    fname: Required[Name]
    type: Whole


class _Via3View(TypedDict, total=False):
    fid_list: list[int | str]


class _Via3Metadata(TypedDict, total=False):
    """A region of VIA 3; xy and av are checked one by one."""

    vid: Required[int | str]
    xy: Any
    av: Any


class _Via3Attribute(TypedDict, total=False):
    aname: Name
    type: Whole
    options: dict[str, str] | None


class _Via3Order(TypedDict, total=False):
    vid_list: list[int | str] | None


class _Via3(TypedDict, total=False):
    """A project of VIA 3."""

    file: Required[dict[str, _Via3File]]
    view: Required[dict[str, _Via3View]]
    metadata: Required[dict[str, _Via3Metadata]]
    attribute: dict[str, _Via3Attribute] | None
    project: _Via3Order | None


class _Via3Values(TypedDict):
    xy: list[Number]
    av: dict[str, Any] | None


IMAGE, REGION = TypeAdapter(_Image), TypeAdapter(_Region)
CHECKBOX = TypeAdapter(dict[str, Flag])
VIA3, VIA3_VALUES = TypeAdapter(_Via3), TypeAdapter(_Via3Values)


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
                named as VIA 2 does; a damaged region has `damage` too: what is wrong.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of VIA, or an entry other than a region is
            damaged.
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
        return list(_via3_images(check_fields(VIA3, content, where), where))
    content = content.get("_via_img_metadata", content)
    if not isinstance(content, Mapping):
        raise ValueError(
            f"{where}: '_via_img_metadata' is a {type(content).__name__}, not the dict "
            "of images that VIA writes; save the project again."
        )
    images = []
    for key, entry in content.items():
        if not isinstance(entry, Mapping) or "filename" not in entry:
            raise ValueError(
                f"{where}: entry {key!r} has no 'filename', so this is no annotation "
                "export of VIA 1 or 2, nor a project of VIA 3; export it from VIA with "
                "'Annotations > Export Annotations (as json)'."
            )
        entry = check_fields(IMAGE, entry, f"{where}: entry {key!r}")
        regions = entry.get("regions") or []
        if isinstance(regions, Mapping):
            regions = regions.values()
        image = {"filename": entry["filename"], "regions": [*map(_region, regions)]}
        file_attributes = entry.get("file_attributes") or {}
        for side in ("width", "height"):
            text = str(file_attributes.get(side, ""))
            # Anything else is an attribute of the user's that has this name.
            if text.isdecimal() and 0 < int(text[:9]) <= MAX_SIDE:
                image[side] = int(text)
        check_size(image.get("height"), image.get("width"), f"{where}: entry {key!r}")
        images.append(image)
    return images


def _region(raw: Any) -> dict:
    """Returns a region of VIA 1 and 2, with its `damage` where there is any."""
    attributes = raw.get("region_attributes") if isinstance(raw, Mapping) else None
    is_read = isinstance(attributes, Mapping)
    region = {"shape": {}, "attributes": dict(attributes) if is_read else {}}
    try:
        raw = check_fields(REGION, raw, "damaged")
        region["shape"] = raw["shape_attributes"]
        for name, value in region["attributes"].items():
            if isinstance(value, Mapping):
                which = f"damaged: region_attributes.{name}"
                region["attributes"][name] = check_fields(CHECKBOX, value, which)
    except ValueError as error:
        region["damage"] = str(error)
    return region


def _via3_images(content: Mapping, where: str) -> Iterator[dict]:
    """Yields the images of a VIA 3 project, in the order it shows them."""
    attributes = content.get("attribute") or {}
    regions: dict[str, list[dict]] = {}
    for metadata in content["metadata"].values():
        if metadata.get("xy"):  # without, it is of the whole file
            of_view = regions.setdefault(str(metadata["vid"]), [])
            of_view.append(_via3_region(metadata, attributes))
    views = content["view"]
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
        file = content["file"].get(str(file_ids[0]))
        if file is None:
            raise ValueError(
                f"{where}: view {vid!r} shows the file {file_ids[0]!r}, which the "
                "project does not have; the file is damaged: add it or remove the view."
            )
        if file.get("type", VIA3_IMAGE) != VIA3_IMAGE:
            warnings.warn(
                f"{where}: {file['fname']!r} is no image; it is left out.", stacklevel=3
            )
            continue
        yield {"filename": file["fname"], "regions": regions.get(vid, [])}


def _via3_region(metadata: Mapping, attributes: Mapping) -> dict:
    """Returns a region of VIA 3, with its `damage` where there is any."""
    region: dict = {"shape": {}, "attributes": {}}
    try:
        if isinstance(metadata.get("av"), Mapping):
            region["attributes"] = _via3_attributes(metadata["av"], attributes)
        values = {"xy": metadata["xy"], "av": metadata.get("av")}
        values = check_fields(VIA3_VALUES, values, "damaged")
        region["shape"] = _via3_shape(values["xy"])
    except ValueError as error:
        region["damage"] = str(error)
    return region


def _via3_shape(xy: Sequence[float]) -> dict:
    """Returns the shape attributes that VIA 2 would write for VIA 3's list."""
    number, *values = xy
    if number not in range(1, len(VIA3_SHAPES) + 1):
        raise ValueError(
            f"damaged: has the shape number {number:g}; known are 1 to "
            f"{len(VIA3_SHAPES)}."
        )
    name = VIA3_SHAPES[int(number) - 1]
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
    if len(x) != len(y) or not x:
        raise ValueError(
            f"damaged: a {name} of {len(values)} numbers, which are no pairs of x and "
            "y."
        )
    if name == "extreme rect":
        left, top = min(x), min(y)
        sides = {"width": max(x) - left, "height": max(y) - top}
        return {"name": "rect", "x": left, "y": top, **sides}
    if name == "extreme circle":
        return {"name": "circle", **_circle_through(x, y)}
    kind = "polygon" if name == "polygon" else "polyline"
    return {"name": kind, "all_points_x": x, "all_points_y": y}


def _circle_through(x: Sequence[float], y: Sequence[float]) -> dict:
    """Returns center and radius of the circle through three points."""
    if len(x) != 3:
        raise ValueError(f"damaged: a circle through {len(x)} points, not 3.")
    # Relative to the first point, the center solves two equations.
    bx, by, cx, cy = x[1] - x[0], y[1] - y[0], x[2] - x[0], y[2] - y[0]
    area = 2 * (bx * cy - by * cx)
    if area == 0:
        raise ValueError("damaged: the three points of a circle lie on one line.")
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
