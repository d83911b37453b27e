"""LabelMe: one json file an image, with outlines drawn by hand."""

from __future__ import annotations

import base64
import io
import os
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import Required, TypedDict

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.find_images import find_images
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.files.image_files import read_image
from mrcnn.data.files.mask_reader import read_pages
from mrcnn.data.files.mask_values import object_mask
from mrcnn.data.files.open_images import (
    UPRIGHT,
    ImageTooLargeError,
    open_image,
    orientation_of,
    turn,
    turned_size,
)
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.fields import Flag, Name, Number, Side, check_fields, check_size
from mrcnn.data.formats.json_kinds import is_labelme, read_json
from mrcnn.data.formats.layouts import Format, Layout, Part, images_in, some_names
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.compound import join_shapes
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.shapes import (
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
    Shape,
)

SOURCE = "labelme"
LINES = ("line", "linestrip")
POINTS = ("point", "points")
# LabelMe's own converters number these labels -1 and 0: they are no objects.
NO_OBJECTS = ("__ignore__", "_background_")


class _Content(TypedDict, total=False):
    """A json of LabelMe. Its shapes are checked one by one."""

    shapes: Required[list[Any]]
    imagePath: str | None
    imageData: str | None
    imageHeight: Side | None
    imageWidth: Side | None


class _LabelMeShape(TypedDict, total=False):
    label: Required[Name]
    points: Required[list[tuple[Number, Number]]]
    shape_type: str | None
    group_id: int | str | None
    flags: dict[str, Flag] | None
    description: Any
    mask: str | None


CONTENT, SHAPE = TypeAdapter(_Content), TypeAdapter(_LabelMeShape)


class LabelMeDataset(AnnotatedDataset):
    """Images with a LabelMe json each; classes are the labels, sorted."""

    def load_labelme(
        self,
        folder: str | Path,
        subset: str | None = None,
        classes: Sequence[str] | None = None,
        line_width: float = 3.0,
    ) -> None:
        """Adds the image of every LabelMe json of a folder.

        Polygons, rectangles, circles, lines, linestrips and masks become objects;
        shapes of one label and one `group_id` become one object. Points have no
        area and are left out, with a warning. `Annotation.extra` holds the shape's
        `flags`, `description` and `group_id` where they are set. A json without shapes
        is an image without objects. Labels that are no objects to LabelMe's own
        converters (`__ignore__`, `_background_`) are left out, with a warning. A
        damaged outline, or a json that cannot be read beside its image, is warned of
        and kept: `validate` lists all of them, and `load_mask` raises.

        An image that is not where `imagePath` says (relative to the json) is looked
        for beside the json under the same name, then taken from `imageData`. LabelMe
        turns images by their EXIF note, and so are they read, unless the size in the
        json or `imageData` shows that its shapes were drawn on the image as stored.

        Args:
            folder: holds the json files, or the folder `subset` that does.
            subset: name of a folder in `folder`. Class ids are then those of all
                folders in `folder`, so that subsets agree.
            classes: names in the order of their ids; shapes of others are left out.
            line_width: width in px that lines are drawn with.

        Raises:
            FileNotFoundError: there is no such folder, or no LabelMe json in it.
            ValueError: no image belongs to a file.
        """
        where = f"load_labelme(folder={str(folder)!r}, subset={subset!r})"
        home = Path(folder) / (subset or "")
        if not home.is_dir():
            raise FileNotFoundError(f"{where}: there is no folder {str(home)!r}.")
        contents = _read_files(home)
        if not contents:
            raise FileNotFoundError(
                f"{where}: {str(home)!r} has no json file with LabelMe's 'shapes' and "
                "'imagePath'; pass the folder that holds one json an image."
            )
        labels = _labels(contents)
        if subset is not None and classes is None:
            for other in list_folders(folder):
                labels |= _labels(_read_files(other)) if other != home else set()
        if classes is None:
            labels -= set(NO_OBJECTS)
        class_ids = register_classes(self, SOURCE, labels, where, classes)
        num_points, num_ignored, outlines = 0, 0, []
        for path, image in zip(contents, _find_images(contents, where), strict=True):
            content = contents[path]
            height, width = _size(content, image)
            num_ignored += sum(
                shape["label"] in NO_OBJECTS and shape["label"] not in class_ids
                for shape in content["shapes"]
            )
            # A damaged shape without a label may be of any class.
            shapes = [s for s in content["shapes"] if s["label"] in {*class_ids, None}]
            areas = [s for s in shapes if s.get("shape_type") not in POINTS]
            num_points += len(shapes) - len(areas)
            annotations = _annotations(
                areas, class_ids, height, width, line_width, f"{where}: {path.name}: "
            )
            outlines += [annotation.shape for annotation in annotations]
            self.add_image(
                SOURCE,
                path.stem if subset is None else f"{subset}/{path.stem}",
                str(image),
                height=height,
                width=width,
                exif=_exif(image, content),
                annotations=annotations,
                annotation_file=str(path),
            )
        text = f"shapes are labelled {' or '.join(NO_OBJECTS)} and are left out, as "
        text += "LabelMe's own converters do; name them in classes= to keep them."
        warn_left_out(where, num_ignored, text)
        warn_left_out(where, num_points, "points have no area and are left out.")
        warn_damaged([shape for shape in outlines if isinstance(shape, Damaged)])

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the image, from the json where no file is left: uint8 [H, W, 3]."""
        info = self.image_info[image_id]
        if info["source"] != SOURCE or os.path.isfile(info["path"]):
            return super().load_image(image_id)
        file = info["annotation_file"]
        where = f"load_image(image_id={image_id}): imageData of {file!r}"
        return _embedded(read_json(file, "load_image"), where, self.image_range)


def _annotations(
    shapes, class_ids, height, width, line_width, where
) -> list[Annotation]:
    """Returns one annotation an object: a shape, or all shapes of a label and group."""
    groups = defaultdict(list)
    for i, shape in enumerate(shapes):
        group = shape.get("group_id")
        groups[i if group is None else (shape["label"], group)].append(shape)
    annotations = []
    for parts in groups.values():
        first = parts[0]
        shape = outline_or_damaged(where, _join, parts, height, width, line_width)
        keys = ("group_id", "flags", "description")
        extra = {k: first[k] for k in keys if first.get(k) not in (None, {}, "")}
        class_id = class_ids.get(first["label"])
        annotations.append(Annotation(shape, class_id, extra=extra))
    return annotations


def _join(parts: list[Mapping], height: int, width: int, line_width: float) -> Shape:
    """Returns the outline of an object of one or several LabelMe shapes."""
    return join_shapes([_shape(part, height, width, line_width) for part in parts])


def _shape(shape: Mapping, height, width, line_width: float) -> Shape:
    """Returns the outline that a LabelMe shape describes."""
    if "damage" in shape:
        raise ValueError(shape["damage"])
    kind = shape.get("shape_type") or "polygon"
    points = np.asarray(shape["points"], dtype=np.float64).reshape([-1, 2])
    if kind == "polygon":
        return Polygons.from_xy([points])
    if kind in LINES:
        return Polyline.from_xy(points, line_width)
    if len(points) < 2:
        raise ValueError(
            f"a {kind} {shape['label']!r} has {len(points)} points, not 2."
        )
    if kind == "rectangle":
        (x1, y1), (x2, y2) = points.min(axis=0), points.max(axis=0)
        return Rectangle(y1, x1, y2, x2)
    if kind == "circle":
        cx, cy = points[0]
        radius = float(np.hypot(*(points[1] - points[0])))
        return Ellipse(cy, cx, radius, radius)
    if kind == "mask":
        if not shape.get("mask"):
            raise ValueError(f"a mask {shape['label']!r} has no image in 'mask'.")
        return _bitmap(shape["mask"], points, height, width)
    raise ValueError(
        f"shape_type {kind!r} of a {shape['label']!r} is unknown; known are polygon, "
        "rectangle, circle, mask, line, linestrip, point, points."
    )


def _bitmap(encoded: str, points: np.ndarray, height, width) -> Rle:
    """Returns the outline of a mask shape: a png with its first pixel at a corner."""
    if height is None:
        raise ValueError("a mask of an image whose size is not known.")
    pages = read_pages("mask", io.BytesIO(base64.b64decode(encoded)))
    part = object_mask(pages[0])
    # A rectangle refuses what lies beyond any image.
    y1, x1 = map(round, Rectangle(*points.min(axis=0)[::-1], 0, 0).extent()[:2])
    return Rle.from_part(part, y1, x1, height, width)


def _read_files(folder: Path) -> dict[Path, Mapping]:
    """Returns the content of each LabelMe json in a folder, its shapes checked.

    A shape that is damaged has `damage`, what is wrong with it, and may lack a label.
    A file that is damaged has one such shape, if its image lies beside it and another
    file can be read.
    """
    contents, foreign, damage = {}, [], []
    images = {path.stem: path for path in reversed(images_in(folder))}
    for path in list_files(folder, ".json"):
        try:
            content = read_json(path, "load_labelme")
            if not is_labelme(content):
                foreign += [path] if path.stem in images else []
                continue
            where = f"load_labelme({str(path)!r})"
            content = check_fields(CONTENT, content, where)
            check_size(content.get("imageHeight"), content.get("imageWidth"), where)
        except ValueError as error:
            if path.stem not in images:
                raise
            image = images[path.stem]
            damage.append(error)
            shapes = [{"label": None, "damage": str(error)}]
            contents[path] = {"imagePath": image.name, "shapes": shapes}
        else:
            shapes = [_checked(*pair) for pair in enumerate(content["shapes"])]
            contents[path] = content | {"shapes": shapes}
    if damage and len(damage) == len(contents):
        raise damage[0]
    text = f"json files beside an image are not LabelMe's, {some_names(foreign)}, and "
    text += "are left out with their images; restore them, or move them away."
    warn_left_out(f"load_labelme({str(folder)!r})", len(foreign), text)
    return contents


def _checked(i: int, shape: Any) -> dict:
    """Returns shape i of a json with numbers as such, or with what is wrong with it."""
    try:
        return check_fields(SHAPE, shape, f"shape {i}")
    except ValueError as error:
        label = shape.get("label") if isinstance(shape, Mapping) else None
        is_read = isinstance(label, str) and label
        return {"label": label if is_read else None, "damage": str(error)}


def _labels(contents: Mapping[Path, Mapping]) -> set[str]:
    """Returns the labels of all shapes of some json files."""
    shapes = [shape for content in contents.values() for shape in content["shapes"]]
    return {shape["label"] for shape in shapes} - {None}


def _find_images(contents: Mapping[Path, Mapping], where: str) -> list[Path]:
    """Returns the image file of each json; where it should be if the json holds it."""
    found = []
    for path, content in contents.items():
        # LabelMe on Windows writes backslashes.
        name = str(content.get("imagePath") or "").replace("\\", "/")
        meant = path.parent / name
        beside = path.parent / (Path(name).name or f"{path.stem}.jpg")
        image = meant if os.path.isfile(meant) else beside
        if not os.path.isfile(image):
            image = Path(find_images(path.parent, [name or beside.name], where)[0])
        if not os.path.isfile(image) and not content.get("imageData"):
            raise ValueError(
                f"load_labelme(): {str(path)!r} has no imageData, and its image "
                f"{str(meant)!r} is missing; restore the image, or remove the json."
            )
        found.append(image if os.path.isfile(image) else beside)
    return found


def _size(content: Mapping, image: Path) -> tuple[int | None, int | None]:
    """Returns height and width that the shapes were drawn on, px; None: not known."""
    size = content.get("imageHeight"), content.get("imageWidth")
    if all(size):
        return size
    try:
        if not os.path.isfile(image):
            return _embedded(content).shape[:2]
        with open_image(image, None) as opened:
            size = (opened.height, opened.width)
            return turned_size(orientation_of(opened), size, exif=_exif(image, content))
    except (OSError, ValueError):
        # `validate` lists an image that cannot be read.
        return None, None


def _exif(image: Path, content: Mapping) -> str:
    """Returns how an image is turned that the shapes of a json were drawn on.

    LabelMe turns a file by its EXIF note, but shows `imageData` as it is.
    """
    if not os.path.isfile(image) or not content.get("imageData"):
        return "viewer"
    try:
        with open_image(image) as opened:
            orientation = orientation_of(opened)
        if orientation == UPRIGHT:
            return "viewer"
        stored, shown = read_image(image, exif="ignore"), _embedded(content)
    except (OSError, ValueError):  # validate and load_image say what is damaged
        return "viewer"
    differences = [
        np.abs(np.subtract(one, shown, dtype=np.int16)).mean()
        if one.shape == shown.shape
        else np.inf
        for one in (stored, turn(stored, orientation))
    ]
    if differences[0] == differences[1]:
        return "viewer"
    return "ignore" if differences[0] < differences[1] else "apply"


def _embedded(content: Mapping, where="imageData", image_range=None) -> np.ndarray:
    """Returns the image inside a json, as stored: uint8 [H, W, 3]."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "imageData"
        try:
            file.write_bytes(base64.b64decode(content.get("imageData") or ""))
            return read_image(file, exif="ignore", image_range=image_range)
        except ImageTooLargeError:
            raise
        except (OSError, ValueError) as error:
            raise OSError(f"{where} is no image, restore it: {error}") from error


def _find(folder: Path, files: Sequence[Path]) -> Layout:
    """Returns the layout of a folder with LabelMe files in it or right below it."""
    counts = Counter(path.parent for path in files)
    parts = [
        Part(home.name if home != folder else ".", home, f"{count} json files")
        for home, count in counts.items()
    ]
    return Layout(parts, f"{len(files)} json files")


FORMAT = Format(
    name=SOURCE,
    title="LabelMe",
    signs="one json an image with 'shapes' and 'imagePath', here or in a folder per "
    "subset",
    dataset=LabelMeDataset,
    find=_find,
    load=LabelMeDataset.load_labelme,
    holds_images=True,
)
