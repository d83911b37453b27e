"""What can be wrong with the objects of one image."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mrcnn.data.checks.image_problems import (
    Picture,
    describe,
    path_of,
    read_header,
    told_size,
)
from mrcnn.data.checks.validation_report import Problem
from mrcnn.data.files.image_files import TURNED_ORIENTATIONS
from mrcnn.data.image_gt import has_own_masks
from mrcnn.data.load_checks import checked_crops, checked_objects
from mrcnn.data.object_crops import ObjectCrops, crop_masks
from mrcnn.data.outlines.shape_extents import shape_extent
from mrcnn.data.outlines.shapes import Crop, Shape

# px that an outline may lie outside: tools round, and click on the far border.
BORDER_TOLERANCE = 1.0
# How shapes word that they were made for another size of their image.
SIZE_SIGNS = (
    "masks must have the size of their image",
    "the mask belongs to another size",
    "mask and image do not belong together",
)


class FoundObject(NamedTuple):
    """One object that could be loaded.

    Attributes:
        instance: its place in what `load_mask` or `load_annotations` returned.
        class_id: inside id, positive; None when it is wrong.
        is_crowd: True for a crowd.
        crop: its box and the mask there; without pixels it has none.
        shape: its outline; None when `load_mask` gave pixels.
        path: of the file of its mask; None when it has none of its own.
    """

    instance: int
    class_id: int | None
    is_crowd: bool
    crop: Crop
    shape: Shape | None
    path: str | None


class Objects(NamedTuple):
    """The objects of an image.

    Attributes:
        found: list of FoundObject.
        size: (height, width) that they were drawn for; None when nothing tells.
        is_complete: False when some could not be loaded.
        problems: list of Problem.
    """

    found: list[FoundObject]
    size: tuple[int, int] | None
    is_complete: bool
    problems: list[Problem]


def load_objects(dataset, image_id: int, picture: Picture) -> Objects:
    """Loads the objects of an image one by one, and returns what is wrong with them.

    Annotations are drawn each by itself, so that a damaged one does not hide others.
    A `load_mask` or `load_object_crops` of the user's own counts instead of them.

    Args:
        dataset: a prepared Dataset.
        image_id: inside id.
        picture: what `check_picture` returned of the image.
    """
    if getattr(dataset, "draws_annotations", False):
        objects = _from_annotations(dataset, image_id, picture)
    elif has_own_masks(dataset):
        objects = _from_masks(dataset, image_id, picture)
    else:
        objects = _from_crops(dataset, image_id, picture)
    problems = list(objects.problems)
    path = path_of(dataset, image_id)
    told = told_size(dataset.image_info[image_id])
    if None not in (picture.shape, objects.size) and picture.shape != objects.size:
        text = f"masks are {objects.size} in height and width, the picture is "
        text += f"{picture.shape}"
        problems.append(
            _size_problem(text, objects.size, image_id, path, picture.shape)
        )
    elif told is not None and not _has_size(path, picture.shape, told):
        text = f"add_image was told {told}, the picture is {picture.shape}"
        problems.append(Problem("image size", image_id, path, None, text))
    for item in objects.found:
        problems += _pixel_problems(item, image_id, item.path or path, objects.size)
    return objects._replace(problems=problems)


def _has_size(path: str | None, shape, told) -> bool:
    """True unless a picture has another size than `add_image` was told.

    The file counts, where there is one: a data set may shrink what it loads.
    """
    header = read_header(path)
    if header is None:
        return shape in (None, told)
    turned = header.orientation in TURNED_ORIENTATIONS
    return told == header.shape or (turned and told == header.shape[::-1])


def _from_annotations(dataset, image_id: int, picture: Picture) -> Objects:
    """The objects of an AnnotatedDataset."""
    path = path_of(dataset, image_id)
    info = dataset.image_info[image_id]
    source = info["source"]
    try:
        annotations = dataset.load_annotations(image_id)
    except Exception as error:  # a user's load_annotations may raise anything
        file = info.get("label_path") or info.get("annotation_file") or path
        return _nothing(_load_problem(error, image_id, file, None))
    try:
        size = dataset.image_size(image_id)
    except Exception as error:
        # Said already of a picture that cannot be read.
        problems = [_load_problem(error, image_id, path, None)]
        return Objects([], None, False, [] if picture.shape is None else problems)
    found, problems, unknown, files = [], [], [], {}
    for i, annotation in enumerate(annotations):
        class_id = dataset.class_from_source_map.get(f"{source}.{annotation.class_id}")
        file = getattr(annotation.shape, "path", None)
        file = None if file is None else str(file)
        if class_id is None:
            unknown.append((i, annotation.class_id))
            continue
        try:
            crop = Crop(*annotation.shape.crop(*size, files))
        except Exception as error:
            problems.append(_load_problem(error, image_id, file or path, i))
            continue
        shape, is_crowd = annotation.shape, annotation.is_crowd
        found.append(FoundObject(i, class_id, is_crowd, crop, shape, file))
    is_complete = not problems
    problems += [
        Problem(
            "unknown class",
            image_id,
            path,
            i,
            f"class id {class_id!r} of source {source!r} is none of the data set's",
        )
        for i, class_id in unknown
    ]
    return Objects(found, size, is_complete, problems)


def _from_masks(dataset, image_id: int, picture: Picture) -> Objects:
    """The objects that a data set's `load_mask` returns."""
    path = path_of(dataset, image_id)
    try:
        masks, class_ids = dataset.load_mask(image_id)
        masks, class_ids = np.asarray(masks), np.asarray(class_ids)
    except Exception as error:  # a user's load_mask may raise anything
        return _nothing(_load_problem(error, image_id, path, None))
    # Masks alone are checked at first: class ids are looked at one by one.
    ones = np.ones(masks.shape[-1:], np.int32)
    blank = np.broadcast_to(np.uint8(0), picture.shape or masks.shape[:2])
    try:
        masks, _ = checked_objects(masks, ones, blank, dataset, image_id)
    except TypeError as error:
        return _nothing(_load_problem(error, image_id, path, None))
    except ValueError as error:
        size = tuple(masks.shape[:2])
        return _nothing(
            _size_problem(describe(error), size, image_id, path, picture.shape)
        )
    size = tuple(masks.shape[:2])
    if class_ids.shape != ones.shape:
        text = f"{len(ones)} masks came with class ids of the shape {class_ids.shape}"
        return _nothing(Problem("object count", image_id, path, None, text))
    if not len(ones):
        return Objects([], None, True, [])
    objects = crop_masks(masks, np.zeros_like(ones))._replace(class_ids=class_ids)
    return _with_class_ids(dataset, objects, image_id, size)


def _from_crops(dataset, image_id: int, picture: Picture) -> Objects:
    """The objects that a data set's own `load_object_crops` returns."""
    path = path_of(dataset, image_id)
    try:
        objects = ObjectCrops(*dataset.load_object_crops(image_id))
        class_ids = np.asarray(objects.class_ids)
        if picture.shape is not None:
            blank = np.broadcast_to(np.uint8(0), picture.shape)
            # Class ids are looked at one by one.
            ones = objects._replace(class_ids=np.ones(class_ids.shape, np.int32))
            objects = checked_crops(ones, blank, dataset, image_id)
    except Exception as error:  # a user's load_object_crops may raise anything
        return _nothing(_load_problem(error, image_id, path, None))
    objects = objects._replace(class_ids=class_ids)
    return _with_class_ids(dataset, objects, image_id, picture.shape)


def _with_class_ids(dataset, objects: ObjectCrops, image_id: int, size) -> Objects:
    """The objects of crops with class ids as they came."""
    path = path_of(dataset, image_id)
    found, problems = [], []
    for i, (box, mask, raw_id) in enumerate(
        zip(objects.boxes, objects.masks, objects.class_ids.tolist(), strict=True)
    ):
        class_id = _inside_id(raw_id, dataset.num_classes)
        if class_id is None:
            text = f"class id {raw_id!r} is outside 1..{dataset.num_classes - 1}"
            problems.append(Problem("class id", image_id, path, i, text))
        is_crowd = class_id is not None and raw_id < 0
        found.append(FoundObject(i, class_id, is_crowd, Crop(box, mask), None, None))
    return Objects(found, size, True, problems)


def _nothing(problem: Problem) -> Objects:
    """No object, because of a problem."""
    return Objects([], None, False, [problem])


def _inside_id(raw_id, num_classes: int) -> int | None:
    """A class id without the sign of a crowd, None if there is no such class."""
    try:
        class_id = abs(int(raw_id))
    except (TypeError, ValueError, OverflowError):
        return None
    is_class = class_id == abs(raw_id) and 0 < class_id < num_classes
    return class_id if is_class else None


def _load_problem(error: Exception, image_id: int, path, instance) -> Problem:
    """The problem of an annotation that cannot be read or drawn."""
    kind = "unreadable masks"
    if isinstance(error, FileNotFoundError):
        kind, path = "missing file", error.filename or path
    elif isinstance(error, ValueError) and any(s in str(error) for s in SIZE_SIGNS):
        kind = "mask size"
    return Problem(kind, image_id, path, instance, describe(error))


def _size_problem(text: str, size, image_id: int, path, picture_size) -> Problem:
    """The problem of masks that are drawn for another size than the picture has."""
    header = read_header(path)
    transposed = picture_size is not None and size == picture_size[::-1]
    if transposed and header and header.orientation in TURNED_ORIENTATIONS:
        text += f"; its file has an EXIF note to turn it ({header.orientation})"
        return Problem("exif rotation", image_id, path, None, text)
    return Problem("mask size", image_id, path, None, text)


def _pixel_problems(item: FoundObject, image_id, path, size) -> Iterator[Problem]:
    """Yields what is wrong with where an object lies and how many pixels it has."""
    kind = text = None
    extent = None if item.shape is None else shape_extent(item.shape)
    pixels = int(np.count_nonzero(item.crop.mask))
    if extent is not None and size is not None:
        y1, x1, y2, x2 = extent
        height, width = size
        over = max(-y1, -x1, y2 - height, x2 - width)
        if not pixels and (y2 <= 0 or x2 <= 0 or y1 >= height or x1 >= width):
            kind, text = "outside image", f"lies at {_numbers(extent)}, image is {size}"
        elif over > BORDER_TOLERANCE:
            text = f"reaches {over:.1f} px over the border of {size}"
            yield Problem("beyond border", image_id, path, item.instance, text)
    if kind is None and not pixels:
        kind, text = "empty object", "has no pixel"
    elif kind is None and pixels == 1:
        y, x = item.crop.box[:2].tolist()
        kind, text = "one-pixel object", f"is the pixel ({y}, {x}) alone"
    if kind is not None:
        yield Problem(kind, image_id, path, item.instance, text)


def _numbers(extent) -> str:
    """Coordinates as text."""
    return "(" + ", ".join(f"{side:g}" for side in np.round(extent, 1)) + ")"
