"""Shapes of the VGG Image Annotator (VIA 1, 2, 3) as outlines, and its data set."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import NotRequired, TypedDict

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.find_images import find_images
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.fields import Number, check_fields
from mrcnn.data.formats.json_kinds import json_kind
from mrcnn.data.formats.layouts import Format, file_layout
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.formats.via.via_classes import class_of, find_attribute, via_class_names
from mrcnn.data.formats.via.via_files import read_via
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.shapes import (
    DEFAULT_LINE_WIDTH,
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Shape,
)
from mrcnn.geometry.crops import stack_crops

SHAPES = ("polygon", "rect", "circle", "ellipse")


class _Points(TypedDict):
    all_points_x: list[Number]
    all_points_y: list[Number]


class _Rect(TypedDict):
    x: Number
    y: Number
    width: Number
    height: Number


class _Circle(TypedDict):
    cx: Number
    cy: Number
    r: Number


class _Ellipse(TypedDict):
    cx: Number
    cy: Number
    rx: Number
    ry: Number
    theta: NotRequired[Number]


FIELDS = {
    "polygon": TypeAdapter(_Points),
    "polyline": TypeAdapter(_Points),
    "rect": TypeAdapter(_Rect),
    "circle": TypeAdapter(_Circle),
    "ellipse": TypeAdapter(_Ellipse),
}


def via_shape(shape: Mapping, line_width: float = DEFAULT_LINE_WIDTH) -> Shape | None:
    """Returns the outline that VIA's shape attributes describe; None for a point.

    Pixel (0, 0) covers 0 to 1: the polygon around a rect is that rect. Annotators
    click on and beyond the border (x == width); such vertices are legal.

    Args:
        shape: shape attributes: polygon, polyline, rect, circle, ellipse (theta in
            radians, clockwise), point.
        line_width: px, with which a polyline is drawn.

    Raises:
        ValueError: another shape, one that lacks a coordinate or has one that is no
            number, or one that lies beyond a million px.
    """
    name = shape.get("name")
    if name == "point":
        return None
    if not isinstance(name, str) or name not in FIELDS:
        raise ValueError(
            f"a {name!r}: known shapes are {', '.join(SHAPES)}, polyline and point."
        )
    shape = check_fields(FIELDS[name], dict(shape), f"a {name}")
    if name == "polygon":
        return Polygons.from_xy([_points(shape, name)])
    if name == "polyline":
        return Polyline.from_xy(_points(shape, name), line_width)
    if name == "rect":
        y, x = shape["y"], shape["x"]
        return Rectangle(y, x, y + shape["height"], x + shape["width"])
    if name == "circle":
        return Ellipse(shape["cy"], shape["cx"], shape["r"], shape["r"])
    center, radii = (shape["cy"], shape["cx"]), (shape["ry"], shape["rx"])
    return Ellipse(*center, *radii, shape.get("theta", 0.0))


def polygon_mask(regions: Sequence[Mapping], height: int, width: int) -> np.ndarray:
    """Returns one mask a region; parts outside the image are cut off.

    A region has the pixels whose centers lie in it. Polygons are drawn by pycocotools,
    on its grid of a fifth of a pixel: masks are those that COCO makes of the same
    points. A polygon of less than three points has no pixel.

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
    crops = []
    for i, region in enumerate(regions):
        shape = region.get("shape", region)
        if shape.get("name") not in SHAPES:
            raise ValueError(
                f"polygon_mask(): region {i} is a {shape.get('name')!r}, which has no "
                f"area; known shapes are {', '.join(SHAPES)}."
            )
        try:
            crops.append(via_shape(shape).crop(height, width))
        except ValueError as error:
            raise ValueError(f"polygon_mask(): region {i}, {error}") from error
    return stack_crops(crops, (height, width))


class ViaDataset(AnnotatedDataset):
    """Images annotated with VIA 1, 2 or 3.

    dataset = ViaDataset()
    dataset.load_via("balloon", "train", class_name="balloon")
    dataset.prepare()
    """

    def load_via(
        self,
        path: str | Path,
        subset: str | None = None,
        class_attribute: str | None = None,
        classes: Sequence[str] | None = None,
        *,
        class_name: str = "object",
        image_dir: str | Path | None = None,
        line_width: float = DEFAULT_LINE_WIDTH,
        source: str = "via",
    ) -> None:
        """Adds the images of a VIA file, also those without a region.

        A damaged region is warned of and kept: `validate` lists all of them, and
        `load_mask` raises.

        Args:
            path: the json file, or a folder that holds it and the images.
            subset: a folder within `path`. Class ids are then those of the VIA files
                of all folders in `path`, so that subsets agree.
            class_attribute: region attribute that names the class. None: the only one
                that holds texts (or whole numbers, where none holds texts), or the one
                of them with a usual name (class, label, category, name, object, type);
                without any, all objects are of one class.
            classes: names of the classes to load, in the order of their ids; None for
                all, by the alphabet. Objects of other classes are left out.
            class_name: of the one class, where no attribute names it.
            image_dir: where the images are; None: beside the file.
            line_width: px, with which polylines are drawn. Points are left out, with a
                warning.
            source: name for `add_class` and `add_image`.

        Raises:
            FileNotFoundError: there is no such file or folder, or no VIA file in it.
            ValueError: there are several, or several attributes that may name the
                class.
        """
        file = find_via_file(Path(path) if subset is None else Path(path) / subset)
        where = f"load_via({str(file)!r})"
        images = read_via(file)
        folder = file.parent if image_dir is None else Path(image_dir)
        regions = [region for image in images for region in image["regions"]]
        attribute = find_attribute(regions, class_attribute, where)
        found = [class_of(region, attribute, class_name) for region in regions]
        names = set(found) - {""}
        if subset is not None and classes is None:
            folders = [f for f in list_folders(path) if f != file.parent]
            others = [other for f in folders for other in _via_files_in(f)]
            names |= via_class_names(others, class_attribute, class_name)
        if not regions and classes is None:
            names = names or {class_name}
        ids = register_classes(self, source, names, where, classes)
        outlines = []
        names = [image["filename"] for image in images]
        paths = find_images(folder, names, where)
        for image, path in zip(images, paths, strict=True):
            annotations = []
            for i, region in enumerate(image["regions"]):
                name = class_of(region, attribute, class_name)
                which = f"{where}: region {i} of {image['filename']!r}, "
                if damage := region.get("damage"):
                    # Without a class that can be read it may be of any.
                    if name and name not in ids:
                        continue
                    outlines.append(Damaged(which + damage))
                elif name not in ids or region["shape"].get("name") == "point":
                    continue
                else:
                    args = region["shape"], line_width
                    outlines.append(outline_or_damaged(which, via_shape, *args))
                extra = {"attributes": region["attributes"]}
                annotation = Annotation(outlines[-1], ids.get(name), extra=extra)
                annotations.append(annotation)
            self.add_image(
                source,
                image["filename"],
                path,
                width=image.get("width"),
                height=image.get("height"),
                exif="viewer",  # a browser has turned it
                annotations=annotations,
            )
        points = sum(region["shape"].get("name") == "point" for region in regions)
        warn_left_out(where, points, "points are left out; a point has no area.")
        lost = [
            region
            for region, name in zip(regions, found, strict=True)
            if not name and "damage" not in region
        ]
        text = f"of {len(found)} regions have no (single) {attribute!r} and are left "
        text += "out; the network will learn that they are background."
        warn_left_out(where, len(lost), text)
        warn_damaged([shape for shape in outlines if isinstance(shape, Damaged)])

    def image_reference(self, image_id: int) -> str:
        """Returns the path of the image."""
        return str(self.image_info[image_id]["path"])


def find_via_file(path: str | Path) -> Path:
    """Returns the VIA file that a path is, or the only one in a folder.

    Raises:
        FileNotFoundError: there is none.
        ValueError: there are several.
    """
    path = Path(path)
    if path.is_file():
        return path
    found = _via_files_in(path) if path.is_dir() else []
    where = f"find_via_file({str(path)!r})"
    if not found:
        raise FileNotFoundError(
            f"{where}: no such file, or a folder without a json file of VIA."
        )
    if len(found) > 1:
        names = ", ".join(file.name for file in found)
        raise ValueError(f"{where}: several VIA files, {names}; name the one to read.")
    return found[0]


def _via_files_in(folder: Path) -> list[Path]:
    """Returns the VIA files in a folder, sorted."""
    return [f for f in list_files(folder, ".json") if json_kind(f) == "via"]


def _points(shape: Mapping, name: str) -> np.ndarray:
    """Returns the points [N, (x, y)] of a polygon or polyline."""
    x, y = shape["all_points_x"], shape["all_points_y"]
    if len(x) != len(y):
        raise ValueError(
            f"a {name} with {len(x)} x and {len(y)} y coordinates; the file is damaged."
        )
    return np.stack([x, y], axis=1)


def _load(dataset: ViaDataset, file: Path, subset: str, **kwargs) -> None:
    """Adds the images of a file."""
    dataset.load_via(file, **kwargs)


def _classes_of_all(
    files, where, class_attribute=None, classes=None, class_name="object", **kwargs
) -> dict:
    """Returns the classes of all files, if they are not given."""
    if classes is not None:
        return {}
    names = via_class_names(files, class_attribute, class_name)
    return {"classes": sorted(names)} if names else {}


FORMAT = Format(
    name="via",
    title="VIA json",
    signs="a json export or project of the VGG Image Annotator, here or in a folder "
    "per subset",
    dataset=ViaDataset,
    find=file_layout,
    load=_load,
    classes_of_all=_classes_of_all,
)
