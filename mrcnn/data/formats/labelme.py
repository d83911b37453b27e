"""LabelMe: one json file an image, with outlines drawn by hand."""

from __future__ import annotations

import base64
import io
import tempfile
from collections import Counter, defaultdict
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.files.image_files import read_image
from mrcnn.data.files.mask_reader import read_pages
from mrcnn.data.files.mask_values import object_mask
from mrcnn.data.files.open_images import (
    UPRIGHT,
    open_image,
    orientation_of,
    turn,
    turned_size,
)
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.json_kinds import is_labelme, read_json
from mrcnn.data.formats.layouts import Format, Layout, Part
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.shapes import (
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
    Shape,
)
from mrcnn.geometry.crops import Crop, paste

SOURCE = "labelme"
LINES = ("line", "linestrip")
POINTS = ("point", "points")


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
        is an image without objects. A damaged outline is warned of and kept:
        `validate` lists all of them, and `load_mask` raises.

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
            ValueError: a file is no json, a shape has no label or no points, or no
                image belongs to a file.
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
        class_ids = register_classes(self, SOURCE, labels, where, classes)
        num_points, outlines = 0, []
        for path, content in contents.items():
            image = _find_image(path, content)
            height, width = _size(content, image)
            shapes = [s for s in content["shapes"] if s["label"] in class_ids]
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
        warn_left_out(where, num_points, "points have no area and are left out.")
        warn_damaged([shape for shape in outlines if isinstance(shape, Damaged)])

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the image, from the json where no file is left: uint8 [H, W, 3]."""
        info = self.image_info[image_id]
        if info["source"] != SOURCE or Path(info["path"]).is_file():
            return super().load_image(image_id)
        file = info["annotation_file"]
        try:
            return _embedded(read_json(file, "load_image"), self.image_range)
        except (OSError, ValueError) as error:
            raise type(error)(
                f"load_image(image_id={image_id}): imageData of {str(file)!r}: {error}"
            ) from error


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
        annotations.append(Annotation(shape, class_ids[first["label"]], extra=extra))
    return annotations


def _join(parts: list[Mapping], height: int, width: int, line_width: float) -> Shape:
    """Returns the outline of an object of one or several LabelMe shapes."""
    shapes = [_shape(part, height, width, line_width) for part in parts]
    if len(shapes) == 1:
        return shapes[0]
    if all(isinstance(shape, Polygons) for shape in shapes):
        return Polygons([ring for shape in shapes for ring in shape.rings])
    return Compound(tuple(shapes))


def _shape(shape: Mapping, height: int, width: int, line_width: float) -> Shape:
    """Returns the outline that a LabelMe shape describes."""
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


def _bitmap(encoded: str, points: np.ndarray, height: int, width: int) -> Rle:
    """Returns the outline of a mask shape: a png with its first pixel at a corner."""
    from pycocotools import mask as coco_mask

    pages = read_pages("mask", io.BytesIO(base64.b64decode(encoded)))
    part = object_mask(pages[0])
    x1, y1 = np.rint(points.min(axis=0)).astype(int).tolist()
    full = np.zeros([height, width], dtype=np.uint8, order="F")
    paste(full, Crop((y1, x1, y1 + part.shape[0], x1 + part.shape[1]), part))
    return Rle(coco_mask.encode(full)["counts"], (height, width))


def _read_files(folder: Path) -> dict[Path, Mapping]:
    """Returns the content of each LabelMe json in a folder."""
    files = list_files(folder, ".json")
    contents = {path: read_json(path, "load_labelme") for path in files}
    return {path: found for path, found in contents.items() if is_labelme(found)}


def _labels(contents: Mapping[Path, Mapping]) -> set[str]:
    """Returns the labels of all shapes of some json files."""
    labels = set()
    for path, content in contents.items():
        for i, shape in enumerate(content["shapes"]):
            if not isinstance(shape.get("label"), str) or "points" not in shape:
                raise ValueError(
                    f"load_labelme(): shape {i} of {str(path)!r} lacks its 'label' or "
                    "its 'points'; the file was not written by LabelMe, or is damaged."
                )
            labels.add(shape["label"])
    return labels


def _find_image(path: Path, content: Mapping) -> Path:
    """Returns the image file of a json; where it should be if the json holds it."""
    # LabelMe on Windows writes backslashes.
    name = str(content.get("imagePath") or "").replace("\\", "/")
    meant = path.parent / name
    beside = path.parent / (Path(name).name or f"{path.stem}.jpg")
    found = meant if meant.is_file() else beside
    if not found.is_file() and not content.get("imageData"):
        raise ValueError(
            f"load_labelme(): {str(path)!r} has no imageData, and its image "
            f"{str(meant)!r} is missing; restore the image, or remove the json."
        )
    return found


def _size(content: Mapping, image: Path) -> tuple[int, int]:
    """Returns height and width that the shapes were drawn on, px."""
    size = content.get("imageHeight"), content.get("imageWidth")
    if all(size):
        return int(size[0]), int(size[1])
    if not image.is_file():
        return _embedded(content).shape[:2]
    with open_image(image, None) as opened:
        size = (opened.height, opened.width)
        return turned_size(orientation_of(opened), size, exif=_exif(image, content))


def _exif(image: Path, content: Mapping) -> str:
    """Returns how an image is turned that the shapes of a json were drawn on.

    LabelMe turns a file by its EXIF note, but shows `imageData` as it is.
    """
    if not image.is_file() or not content.get("imageData"):
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


def _embedded(content: Mapping, image_range=None) -> np.ndarray:
    """Returns the image inside a json, as stored: uint8 [H, W, 3]."""
    with tempfile.TemporaryDirectory() as folder:
        file = Path(folder) / "imageData"
        file.write_bytes(base64.b64decode(content["imageData"]))
        return read_image(file, exif="ignore", image_range=image_range)


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
