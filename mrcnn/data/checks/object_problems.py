"""Finds what is wrong with the objects of one image."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import NamedTuple

import numpy as np

from mrcnn.data.checks.image_problems import CheckedImage, describe
from mrcnn.data.checks.validation_report import Problem
from mrcnn.data.load_checks import check_objects, checked_class_ids, load_objects
from mrcnn.data.outlines.shapes import MaskCountError, MaskSizeError, Shape
from mrcnn.evaluation.coco_format import area_differs, box_differs, is_area_of_box
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.crops import Crop

# px that an outline may lie outside: tools round, and click on the far border.
BORDER_TOLERANCE = 1.0


class FoundObject(NamedTuple):
    """One object that could be loaded.

    Attributes:
        image: CheckedImage that it lies in.
        instance: its place in what `load_mask` or `load_annotations` returned.
        class_id: inside id, positive; 0 when it is wrong.
        is_crowd: True for a crowd.
        crop: its box and the mask there.
        shape: its outline; None when the data set gave pixels.
        stated: what the annotation says of itself beside its outline.
    """

    image: CheckedImage
    instance: int
    class_id: int
    is_crowd: bool
    crop: Crop
    shape: Shape | None = None
    stated: Mapping = MappingProxyType({})

    def problem(self, kind: str, text: str) -> Problem:
        """Returns a Problem of this object."""
        found = self.image.problem(kind, text, self.instance)
        return found._replace(path=_file_of(self.shape) or self.image.path)


# IoU of a mask and its box in VOC's xml file; those of 115 real ones are above 0.3.
MIN_VOC_IOU = 0.1
# The objects of an image; (height, width) that they were drawn for, None when it is
# not known; and what is wrong with them.
Findings = tuple[list[FoundObject], tuple[int, int] | None, list[Problem]]


def find_objects(dataset, image: CheckedImage) -> Findings:
    """Returns the objects of an image, and what is wrong with them.

    Annotations are drawn one by one, so that a damaged one does not hide others. Where
    the user's class has its own `load_mask` or `load_object_crops`, that is used.

    Args:
        dataset: a prepared Dataset.
        image: what `check_image` returned.
    """
    is_drawn = dataset.objects_source == "drawn_objects"
    load = _from_annotations if is_drawn else _from_objects
    found, size, problems = load(dataset, image)
    is_complete = all(problem.kind == "unknown class" for problem in problems)
    if is_complete and not found and (size or image.shape):
        problems.append(image.problem("no objects", "has no object"))
    if None not in (image.shape, size) and image.shape != size:
        text = f"masks are {size} in height and width, the image is {image.shape}"
        problems.append(_size_problem(text, size, image))
    elif image.given is not None and not _has_given_size(image):
        text = f"add_image was given {image.given}, the image is {image.shape}"
        problems.append(image.problem("image size", text))
    for item in found:
        problems += [item.problem(*each) for each in _pixel_problems(item, size)]
        problems += [item.problem(*each) for each in _stated_problems(item)]
    return found, size, problems


def _file_of(shape: Shape | None) -> str | None:
    """Returns the path of the file that has a mask; None if it has none of its own."""
    path = getattr(shape, "path", None)
    return None if path is None else str(path)


def _has_given_size(image: CheckedImage) -> bool:
    """True unless an image has another size than `add_image` was given.

    The file counts, where there is one: a data set may shrink what it loads.
    """
    if image.header is None:
        return image.shape in (None, image.given)
    stored, is_turned = image.header.shape, image.header.is_turned
    return image.given == stored or (is_turned and image.given == stored[::-1])


def _from_annotations(dataset, image: CheckedImage) -> Findings:
    """Returns the objects of a data set that draws its annotations."""
    info = dataset.image_info[image.image_id]
    try:
        annotations = dataset.draw_annotations(image.image_id)
    except Exception as error:  # a user's load_annotations may raise anything
        file = info.get("label_path") or info.get("annotation_file")
        return [], None, [_load_problem(error, image, file)]
    try:
        size = dataset.image_size(image.image_id)
    except Exception as error:
        # An image that cannot be read is a problem already.
        problems = [_load_problem(error, image)] if image.shape else []
        return [], None, problems
    found, problems = [], []
    for i, (annotation, class_id, crop, error) in enumerate(annotations):
        shape, is_crowd = annotation.shape, annotation.is_crowd
        if error is not None:
            problems.append(_load_problem(error, image, _file_of(shape), i))
        elif class_id is None:
            text = f"class id {annotation.class_id!r} of source {info['source']!r} is "
            text += "none of the data set's"
            problems.append(image.problem("unknown class", text, i))
        else:
            item = FoundObject(image, i, class_id, is_crowd, crop, shape)
            found.append(item._replace(stated=annotation.extra))
    return found, size, problems


def _from_objects(dataset, image: CheckedImage) -> Findings:
    """Returns the objects that a data set gives as pixels."""
    size = None
    try:
        objects, where = load_objects(dataset, image.image_id)
        size = objects.size
        # Class ids are looked at one by one.
        check_objects(objects, image.shape, where)
    except MaskSizeError as error:
        return [], None, [_size_problem(describe(error), size, image)]
    except Exception as error:  # a user's method may raise anything
        return [], None, [_load_problem(error, image)]
    found, problems = [], []
    class_ids = np.asarray(objects.class_ids).tolist()
    for i, (crop, raw_id) in enumerate(zip(objects.crops, class_ids, strict=True)):
        try:
            class_id = int(checked_class_ids(np.array([raw_id]), dataset, where)[0])
        except (TypeError, ValueError):
            class_id = 0
            text = f"class id {raw_id!r} is outside 1..{dataset.num_classes - 1}"
            problems.append(image.problem("class id", text, i))
        found.append(FoundObject(image, i, abs(class_id), class_id < 0, crop))
    return found, size or image.shape, problems


def _load_problem(
    error: Exception, image: CheckedImage, file=None, instance: int | None = None
) -> Problem:
    """Returns the problem of objects that cannot be read or drawn.

    Args:
        error: what was raised.
        image: CheckedImage.
        file: that the objects are in; None for the file of the image.
        instance: of the object; None for all of the image.
    """
    kind = "unreadable masks"
    if isinstance(error, FileNotFoundError):
        kind, file = "missing file", error.filename or file
    elif isinstance(error, MaskSizeError):
        kind = "mask size"
    elif isinstance(error, MaskCountError):
        kind = "object count"
    problem = image.problem(kind, describe(error), instance)
    return problem._replace(path=file or image.path)


def _size_problem(text: str, size, image: CheckedImage) -> Problem:
    """Returns the problem of masks that are drawn for another size of their image."""
    header = image.header
    if header and header.is_turned and image.shape and size == image.shape[::-1]:
        text += f"; its file has an EXIF note to turn it ({header.orientation})"
        return image.problem("exif rotation", text)
    return image.problem("mask size", text)


def _pixel_problems(item: FoundObject, size) -> Iterator[tuple[str, str]]:
    """Yields (kind, text) of what is wrong with an object's place and pixels."""
    extent = None if item.shape is None else item.shape.extent()
    pixels = item.crop.area
    is_outside = False
    if extent is not None:
        y1, x1, y2, x2 = extent
        height, width = size
        over = max(-y1, -x1, y2 - height, x2 - width)
        is_outside = y2 <= 0 or x2 <= 0 or y1 >= height or x1 >= width
        if is_outside and not pixels:
            sides = ", ".join(f"{side:g}" for side in np.round(extent, 1))
            yield "outside image", f"lies at ({sides}), image is {size}"
        elif over > BORDER_TOLERANCE:
            yield "beyond border", f"reaches {over:.1f} px over the border of {size}"
    if not pixels and not is_outside:
        yield "empty object", "has no pixel"
    elif pixels == 1:
        y, x = item.crop.box[:2]
        yield "one-pixel object", f"is the pixel ({y}, {x}) alone"


def _stated_problems(item: FoundObject) -> Iterator[tuple[str, str]]:
    """Yields (kind, text) of COCO's bbox and area where they are not the outline's."""
    bbox, area = item.stated.get("bbox"), item.stated.get("area")
    y1, x1, y2, x2 = item.crop.box
    if bbox is not None and box_differs(bbox, item.crop, item.shape):
        sides = ", ".join(f"{side:g}" for side in bbox)
        text = f"bbox is ({sides}); x, y, width and height of the outline are "
        text += f"({x1}, {y1}, {x2 - x1}, {y2 - y1})"
        yield "box and outline disagree", text
    box = item.stated.get("box")  # of VOC: y1, x1, y2, x2
    if box is not None and item.crop.area:
        pair = (np.array([each], np.float32) for each in (box, item.crop.box))
        if compute_overlaps(*pair)[0, 0] < MIN_VOC_IOU:
            sides = ", ".join(f"{side:g}" for side in box)
            text = f"its box is ({sides}), its mask lies at ({y1}, {x1}, {y2}, {x2})"
            yield "box beside the mask", text
    # A crowd's area is that of the objects in it, however it is outlined.
    if area is None or (item.is_crowd and area > 0):
        return
    text = f"area is {area:g}, the outline has {item.crop.area} px"
    if area_differs(area, item.crop, item.shape):
        yield "area is not that of the outline", text
    elif is_area_of_box(area, item.crop):
        yield "area is that of the box", text
