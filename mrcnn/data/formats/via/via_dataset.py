"""Annotations of the VGG Image Annotator (VIA 1, 2, 3) as masks and as a data set."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_folders
from mrcnn.data.formats.class_names import choose_names, register_classes
from mrcnn.data.formats.via.via_classes import (
    class_of,
    find_attribute,
    via_class_names,
    via_files_in,
)
from mrcnn.data.formats.via.via_files import read_via
from mrcnn.data.outlines.annotation import (
    Annotation,
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Shape,
)
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.shapes import DEFAULT_LINE_WIDTH, paste

__all__ = ["ViaDataset", "polygon_mask", "read_via", "via_shape"]

ROUND_SHAPES = ("circle", "ellipse")
SHAPES = ("polygon", "rect", *ROUND_SHAPES)


def via_shape(shape: Mapping, line_width: float = DEFAULT_LINE_WIDTH) -> Shape | None:
    """Returns the outline that VIA's shape attributes describe; None of a point.

    Pixel (0, 0) covers 0 to 1: the polygon around a rect is that rect. Annotators
    click on and beyond the border (x == width); such vertices are legal.

    Args:
        shape: shape attributes: polygon, polyline, rect, circle, ellipse (theta in
            radians, clockwise), point.
        line_width: px, with which a polyline is drawn.

    Raises:
        ValueError: another shape, one that lacks a coordinate, or one that lies beyond
            a million px.
    """
    name = shape.get("name")
    try:
        if name == "polygon":
            return Polygons.from_xy([_points(shape)])
        if name == "polyline":
            return Polyline.from_xy(_points(shape), line_width)
        if name == "rect":
            y, x = shape["y"], shape["x"]
            return Rectangle(y, x, y + shape["height"], x + shape["width"])
        if name in ROUND_SHAPES:
            keys = ("r", "r") if name == "circle" else ("ry", "rx")
            radius_y, radius_x = (shape[key] for key in keys)
            theta = float(shape.get("theta", 0.0))
            return Ellipse(shape["cy"], shape["cx"], radius_y, radius_x, theta)
    except KeyError as error:
        raise ValueError(
            f"a {name}, lacks {error}; the file was not written by VIA, or is damaged."
        ) from error
    if name == "point":
        return None
    raise ValueError(
        f"a {name!r}: known shapes are {', '.join(SHAPES)}, polyline and point."
    )


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
    # Instance axis first while drawing: every mask is then one block of memory.
    masks = np.zeros([len(regions), height, width], dtype=bool)
    for i, region in enumerate(regions):
        shape = region.get("shape", region)
        if shape.get("name") not in SHAPES:
            raise ValueError(
                f"polygon_mask(): region {i} is a {shape.get('name')!r}, which has no "
                f"area; known shapes are {', '.join(SHAPES)}."
            )
        try:
            paste(masks[i], via_shape(shape).crop(height, width))
        except ValueError as error:
            raise ValueError(f"polygon_mask(): region {i}, {error}") from error
    return masks.transpose(1, 2, 0)


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
            class_name: of the one class, where no attribute tells it.
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
        all_names = {name for name in found if name}
        if subset is not None and classes is None:
            folders = [f for f in list_folders(path) if f != file.parent]
            others = [other for f in folders for other in via_files_in(f)]
            all_names |= via_class_names(others, class_attribute, class_name)
        if not regions and not all_names and classes is None:
            all_names = {class_name}
        names = choose_names(all_names, classes, where)
        ids = register_classes(self, source, names)
        damaged = []
        for image in images:
            annotations = []
            for i, region in enumerate(image["regions"]):
                name = class_of(region, attribute, class_name)
                if name not in names:
                    continue
                try:
                    shape = via_shape(region["shape"], line_width)
                except (TypeError, ValueError) as error:
                    shape = Damaged(
                        f"{where}: region {i} of {image['filename']!r}, {error}"
                    )
                    damaged.append(shape)
                if shape is not None:
                    extra = {"attributes": region["attributes"]}
                    annotations.append(Annotation(shape, ids[name], extra=extra))
            self.add_image(
                source,
                image["filename"],
                _image_path(folder, image["filename"]),
                width=image.get("width"),
                height=image.get("height"),
                annotations=annotations,
            )
        _warn_left_out(regions, found, attribute, where)
        warn_damaged(damaged)

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
    found = via_files_in(path)
    if not found:
        raise FileNotFoundError(
            f"find_via_file({str(path)!r}): no such file, or a folder without a json "
            "file of VIA."
        )
    if len(found) > 1:
        raise ValueError(
            f"find_via_file({str(path)!r}): several VIA files, "
            f"{', '.join(file.name for file in found)}; name the one to read."
        )
    return found[0]


def _points(shape: Mapping) -> np.ndarray:
    """Returns the points [N, (x, y)] of a polygon or polyline."""
    x = np.asarray(shape["all_points_x"], dtype=np.float64)
    y = np.asarray(shape["all_points_y"], dtype=np.float64)
    if x.shape != y.shape or x.ndim != 1:
        raise ValueError(
            f"a {shape['name']} with {x.size} x and {y.size} y coordinates; the file "
            "is damaged."
        )
    return np.stack([x, y], axis=1)


def _image_path(folder: Path, name: str) -> str:
    """Returns where an image is: at its address, below the folder, or in it."""
    if name.startswith(("http://", "https://")):
        return name
    beside = folder / Path(name).name
    return str(
        beside if beside.is_file() and not (folder / name).is_file() else folder / name
    )


def _warn_left_out(regions, found, attribute, where: str) -> None:
    """Tells of regions that are no objects: of no class, or points."""
    points = sum(region["shape"].get("name") == "point" for region in regions)
    if points:
        warnings.warn(
            f"{where}: {points} points are left out; a point has no area.", stacklevel=3
        )
    if nameless := sum(not name for name in found):
        warnings.warn(
            f"{where}: {nameless} of {len(found)} regions have no (single) "
            f"{attribute!r} and are left out; the network will learn that they are "
            "background.",
            stacklevel=3,
        )
