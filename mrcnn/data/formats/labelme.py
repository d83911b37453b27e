"""LabelMe: one json file a picture, with outlines drawn by hand."""

from __future__ import annotations

import base64
import io
import json
import warnings
from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.class_names import choose_names, register_classes
from mrcnn.data.outlines.annotation import (
    Annotation,
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
)
from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.damaged import Damaged, warn_damaged

SOURCE = "labelme"
LINES = ("line", "linestrip")
POINTS = ("point", "points")


class LabelMeDataset(AnnotatedDataset):
    """Pictures with a LabelMe json each; classes are the labels, sorted."""

    def load_labelme(
        self,
        folder: str | Path,
        subset: str | None = None,
        classes: Sequence[str] | None = None,
        line_width: float = 3.0,
    ) -> None:
        """Adds the picture of every LabelMe json of a folder.

        Polygons, rectangles, circles, lines, linestrips and masks become objects;
        shapes of one label and one `group_id` become one object. Points have no
        area and are left out, with a warning. `Annotation.extra` holds the shape's
        `flags`, `description` and `group_id` where they are set. A json without shapes
        is a picture without objects. A damaged outline is warned of and kept:
        `validate` lists all of them, and `load_mask` raises.

        A picture that is not where `imagePath` says (relative to the json) is looked
        for beside the json under the same name, then taken from `imageData`.

        Args:
            folder: holds the json files, or the folder `subset` that does.
            subset: name of a folder in `folder`. Class ids are then those of all
                folders in `folder`, so that subsets agree.
            classes: names in the order of their ids; shapes of others are left out.
            line_width: width in px that lines are drawn with.

        Raises:
            FileNotFoundError: there is no such folder, or no LabelMe json in it.
            ValueError: a file is no json, a shape has no label or no points, or no
                picture belongs to a file.
        """
        where = f"load_labelme(folder={str(folder)!r}, subset={subset!r})"
        home = Path(folder) / (subset or "")
        if not home.is_dir():
            raise FileNotFoundError(f"{where}: there is no folder {str(home)!r}.")
        contents = {}
        for path in list_files(home, ".json"):
            content = _read_json(path)
            if is_labelme(content):
                contents[path] = content
        if not contents:
            raise FileNotFoundError(
                f"{where}: {str(home)!r} has no json file with LabelMe's 'shapes' and "
                "'imagePath'; pass the folder that holds one json a picture."
            )
        labels = set().union(*(_labels(*item) for item in contents.items()))
        if subset is not None and classes is None:
            labels |= _labels_below(Path(folder), skip=home)
        class_ids = register_classes(self, SOURCE, choose_names(labels, classes, where))
        num_points, damaged = 0, []
        for path, content in contents.items():
            picture = _find_picture(path, content)
            height, width = _size(path, content, picture)
            shapes = [s for s in content["shapes"] if s["label"] in class_ids]
            areas = [s for s in shapes if s.get("shape_type") not in POINTS]
            num_points += len(shapes) - len(areas)
            annotations = _annotations(
                areas, class_ids, height, width, line_width, f"{where}: {path.name}"
            )
            damaged += [
                annotation.shape
                for annotation in annotations
                if isinstance(annotation.shape, Damaged)
            ]
            self.add_image(
                SOURCE,
                path.stem if subset is None else f"{subset}/{path.stem}",
                str(picture),
                height=height,
                width=width,
                annotations=annotations,
                annotation_file=str(path),
            )
        if num_points:
            warnings.warn(
                f"{where}: {num_points} points have no area and are left out.",
                stacklevel=2,
            )
        warn_damaged(damaged)

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the picture, from the json where no file is left: uint8 [H, W, 3]."""
        info = self.image_info[image_id]
        if info["source"] != SOURCE or Path(info["path"]).is_file():
            return super().load_image(image_id)
        content = _read_json(Path(info["annotation_file"]))
        with _embedded(content) as picture:
            return np.array(picture.convert("RGB"), dtype=np.uint8)


def is_labelme(content) -> bool:
    """True for the parsed content of a LabelMe json."""
    return (
        isinstance(content, Mapping)
        and isinstance(content.get("shapes"), list)
        and bool({"imagePath", "imageData"} & set(content))
    )


def _annotations(
    shapes, class_ids, height, width, line_width, where
) -> list[Annotation]:
    """One annotation an object: a shape, or all shapes of a label and group."""
    groups: dict = {}
    for i, shape in enumerate(shapes):
        group = shape.get("group_id")
        key = ("single", i) if group is None else (shape["label"], group)
        groups.setdefault(key, []).append(shape)
    annotations = []
    for parts in groups.values():
        try:
            shape = _join([_shape(part, height, width, line_width) for part in parts])
        except (OSError, TypeError, ValueError) as error:
            shape = Damaged(f"{where}: {error}")
        extra = {
            key: parts[0][key]
            for key in ("group_id", "flags", "description")
            if parts[0].get(key) not in (None, {}, "")
        }
        annotations.append(Annotation(shape, class_ids[parts[0]["label"]], extra=extra))
    return annotations


def _join(shapes: list):
    """One shape of several."""
    if len(shapes) == 1:
        return shapes[0]
    if all(isinstance(shape, Polygons) for shape in shapes):
        return Polygons([ring for shape in shapes for ring in shape.rings])
    return Compound(tuple(shapes))


def _shape(shape: Mapping, height: int, width: int, line_width: float):
    """The geometry of one LabelMe shape."""
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
        (cx, cy), on_circle = points[0], points[1]
        radius = float(np.hypot(*(on_circle - points[0])))
        return Ellipse(cy, cx, radius, radius)
    if kind == "mask":
        if not shape.get("mask"):
            raise ValueError(f"a mask {shape['label']!r} has no picture in 'mask'.")
        return _bitmap(shape["mask"], points, height, width)
    raise ValueError(
        f"shape_type {kind!r} of a {shape['label']!r} is unknown; known are polygon, "
        "rectangle, circle, mask, line, linestrip, point, points."
    )


def _bitmap(encoded: str, points: np.ndarray, height: int, width: int) -> Rle:
    """The RLE of a mask shape: a png whose first pixel lies at the first corner."""
    from pycocotools import mask as coco_mask

    with Image.open(io.BytesIO(base64.b64decode(encoded))) as picture:
        part = np.asarray(picture) != 0
    x1, y1 = np.rint(points.min(axis=0)).astype(int).tolist()
    full = np.zeros([height, width], dtype=np.uint8, order="F")
    target = full[max(y1, 0) : y1 + part.shape[0], max(x1, 0) : x1 + part.shape[1]]
    part = part[max(-y1, 0) :, max(-x1, 0) :]
    target[...] = part[: target.shape[0], : target.shape[1]]
    return Rle(coco_mask.encode(full)["counts"], (height, width))


def _labels_below(folder: Path, skip: Path) -> set[str]:
    """Labels of the other folders beside a subset."""
    labels = set()
    for home in list_folders(folder):
        for path in list_files(home, ".json") if home != skip else ():
            content = _read_json(path)
            if is_labelme(content):
                labels |= _labels(path, content)
    return labels


def _labels(path: Path, content: Mapping) -> set[str]:
    """Labels of the shapes of a json."""
    for i, shape in enumerate(content["shapes"]):
        if not isinstance(shape.get("label"), str) or "points" not in shape:
            raise ValueError(
                f"load_labelme(): shape {i} of {str(path)!r} lacks its 'label' or its "
                "'points'; the file was not written by LabelMe, or is damaged."
            )
    return {shape["label"] for shape in content["shapes"]}


def _find_picture(path: Path, content: Mapping) -> Path:
    """The picture of a json; where it should be if there is none."""
    # LabelMe on Windows writes backslashes.
    name = str(content.get("imagePath") or "").replace("\\", "/")
    beside = path.parent / (Path(name).name or f"{path.stem}.jpg")
    for candidate in (path.parent / name, beside):
        if candidate.is_file():
            return candidate
    if not content.get("imageData"):
        raise ValueError(
            f"load_labelme(): {str(path)!r} has no imageData, and its picture "
            f"{str(path.parent / name)!r} is missing; restore the picture, or remove "
            "the json."
        )
    return beside


def _size(path: Path, content: Mapping, picture: Path) -> tuple[int, int]:
    """Height and width that the shapes were drawn on."""
    size = content.get("imageHeight"), content.get("imageWidth")
    if all(size):
        return int(size[0]), int(size[1])
    with Image.open(picture) if picture.is_file() else _embedded(content) as opened:
        return opened.height, opened.width


def _embedded(content: Mapping) -> Image.Image:
    """The picture inside a json."""
    return Image.open(io.BytesIO(base64.b64decode(content["imageData"])))


def _read_json(path: Path):
    """Parses a json file."""
    try:
        return json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(
            f"load_labelme(): {str(path)!r} is no valid json ({error}); repair or "
            "remove it."
        ) from error
