"""Objects that only the images of SegmentationObject show, and their classes."""

from __future__ import annotations

import warnings
from pathlib import Path

import numpy as np

from mrcnn.data.files.mask_reader import read_pages
from mrcnn.data.files.mask_values import page_colors, voc_colors
from mrcnn.data.files.text_files import read_text
from mrcnn.data.formats.layouts import images_in
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.damaged import Damaged
from mrcnn.data.outlines.mask_files import LabelValue, read_labels
from mrcnn.data.outlines.shapes import check_mask_size

# The VOC2012 development kit, sec. 1: the order of its class table.
VOC_CLASSES = (
    *("aeroplane", "bicycle", "bird", "boat", "bottle", "bus", "car", "cat", "chair"),
    *("cow", "diningtable", "dog", "horse", "motorbike", "person", "pottedplant"),
    *("sheep", "sofa", "train", "tvmonitor"),
)
VOID = 255  # outline and unlabeled pixels of a SegmentationObject image
LABEL_MAP = "labelmap.txt"  # CVAT and datumaro: the color of each class
ONLY_CLASS = "object"  # where nothing says which classes there are
Color = tuple[int, int, int]


def is_voc_folder(folder: Path) -> bool:
    """Returns True for a folder with xml files, or with images and object masks."""
    return any((folder / "Annotations").glob("*.xml")) or is_mask_folder(folder)


def is_mask_folder(folder: Path) -> bool:
    """Returns True for a folder of VOC without xml files, as CVAT can export it."""
    return not any((folder / "Annotations").glob("*.xml")) and all(
        images_in(folder / name) for name in ("SegmentationObject", "JPEGImages")
    )


def mask_class_names(folder: Path) -> set[str]:
    """Returns the classes of a folder without xml files."""
    names = set(_class_colors(folder).values())
    is_clear = len(names) == 1 or images_in(folder / "SegmentationClass")
    return names if is_clear else {ONLY_CLASS}


def unlisted_objects(path: Path, num_listed: int, class_ids: dict) -> list[Annotation]:
    """Returns the objects that a label image has, but not the xml file.

    Args:
        path: the label image.
        num_listed: objects in the xml file.
        class_ids: id of each class name.
    """
    try:
        labels = read_labels(path)
    except (OSError, ValueError) as error:
        # The objects of the xml file raise when they are drawn; else nothing would.
        damaged = Annotation(Damaged(str(error)), None)
        return [] if num_listed else [damaged]
    values = [v for v in np.unique(labels).tolist() if v > num_listed and v != VOID]
    annotations = []
    for value, name in zip(values, _classes_of(path, labels, values), strict=True):
        if name is None:
            warnings.warn(
                f"load_voc(): object {value} of {str(path)!r} is not in the xml file, "
                "and SegmentationClass does not show its class; it is left out.",
                stacklevel=3,
            )
        elif name in class_ids:
            shape = LabelValue(str(path), value)
            annotations.append(Annotation(shape, class_ids[name]))
    return annotations


def _classes_of(path: Path, labels: np.ndarray, values: list[int]) -> list[str | None]:
    """Returns the class that most pixels of each object have in SegmentationClass."""
    if not values:
        return []
    folder = path.parent.parent
    class_path = folder / "SegmentationClass" / path.name
    if not class_path.is_file():
        names = mask_class_names(folder) if is_mask_folder(folder) else set()
        return [names.pop() if len(names) == 1 else None] * len(values)
    names = _class_colors(folder)
    try:
        colors = page_colors(read_pages(class_path)[0])
        check_mask_size(colors.shape, *labels.shape, str(class_path))
    except (OSError, ValueError):
        return [None] * len(values)
    found = []
    for value in values:
        pixels, counts = np.unique(colors[labels == value], axis=0, return_counts=True)
        votes = {
            names[tuple(color)]: count
            for color, count in zip(pixels.tolist(), counts.tolist(), strict=True)
            if tuple(color) in names
        }
        found.append(max(votes, key=votes.get) if votes else None)
    return found


def _class_colors(folder: Path) -> dict[Color, str]:
    """Returns the class of each color: those of labelmap.txt, else those of VOC.

    A line is `name:red,green,blue:parts:actions`; without a color it has the one of
    VOC's palette at its place. Black is the background.
    """
    palette = [tuple(color) for color in voc_colors().tolist()]
    if not (folder / LABEL_MAP).is_file():
        return dict(zip(palette[1:], VOC_CLASSES, strict=False))
    path = folder / LABEL_MAP
    lines = read_text(path, f"load_voc(): {str(path)!r}").splitlines()
    lines = [line for line in lines if line.strip() and not line.startswith("#")]
    classes = {}
    for place, line in enumerate(lines):
        name, color, *_ = (*line.split(":"), "")
        try:
            rgb = tuple(map(int, color.split(","))) if color else palette[place]
        except (IndexError, ValueError):
            rgb = ()
        if not name or len(rgb) != 3:
            raise ValueError(
                f"load_voc(): {str(path)!r}: {line!r} is not "
                "name:red,green,blue::; correct that line."
            )
        classes[rgb] = name.strip()
    return {rgb: name for rgb, name in classes.items() if any(rgb)}
