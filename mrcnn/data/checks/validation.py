"""Checks before training: what is wrong with the images and objects of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np

from mrcnn.config import Config
from mrcnn.data.checks.anchor_fit import fit_anchors
from mrcnn.data.checks.image_problems import (
    check_picture,
    describe,
    path_of,
    pixel_digest,
)
from mrcnn.data.checks.model_objects import model_objects
from mrcnn.data.checks.object_problems import FoundObject, load_objects
from mrcnn.data.checks.validation_report import Problem, ValidationReport
from mrcnn.data.generator import feature_shapes
from mrcnn.data.object_crops import ObjectCrops
from mrcnn.data.outlines.shapes import Crop
from mrcnn.geometry.box_masks import minimize_crop
from mrcnn.geometry.boxes import compute_overlaps

# Mask IoU from which two objects of an image are one object annotated twice.
DUPLICATE_IOU = 0.95
# Mask IoU of an object with what its mini mask, blown up again, shows of it. The
# outlines of COCO, VOC and the balloons stay above 0.7; lines of a pixel fall to 0.
MIN_MINI_IOU = 0.5


def validate_dataset(
    dataset,
    config=None,
    image_ids: Iterable[int] | None = None,
    *,
    against=None,
    read_images: bool = True,
    verbose: int = 0,
) -> ValidationReport:
    """Returns what is wrong with a data set; `Dataset.validate` calls it.

    Nothing that the data set raises stops it: it becomes a line of the report.

    Args:
        dataset: a prepared Dataset of any kind.
        config: a Config; None leaves out what depends on one: objects lost when the
            image is resized, boxes that no anchor fits, too many objects. Mini masks
            are then tried at the size of the file.
        image_ids: inside ids of the images to check; None for all.
        against: another prepared Dataset that must not hold the same pictures, such as
            the validation set of a training set.
        read_images: False looks at the headers of files alone: much faster, but
            damaged pictures, and copies of one picture in two files, stay unseen.
        verbose: 1 shows a progress bar.

    Returns:
        ValidationReport.

    Raises:
        ValueError: a data set is not prepared, an image id does not exist, or
            `against` is to be compared without reading pictures.
    """
    ids = _checked_ids(dataset, image_ids)
    if against is not None:
        _checked_ids(against, None)
        if not read_images:
            raise ValueError(
                "validate(against=..., read_images=False): pictures are compared by "
                "their pixels; leave read_images=True."
            )
    problems = list(_class_problems(dataset, config))
    digests: dict[int, bytes] = {}
    class_counts = np.zeros([dataset.num_classes], np.int64)
    num_objects = 0
    for image_id in _with_progress(ids, verbose, "validate"):
        picture = check_picture(dataset, config, image_id, read_images)
        if picture.digest is not None:
            digests[image_id] = picture.digest
        objects = load_objects(dataset, image_id, picture)
        problems += [*picture.problems, *objects.problems]
        num_objects += len(objects.found)
        for item in objects.found:
            if item.class_id is not None:
                class_counts[item.class_id] += 1
        path = path_of(dataset, image_id)
        if objects.is_complete and not objects.found:
            problems.append(
                Problem("no objects", image_id, path, None, "has no object")
            )
        problems += duplicate_objects(objects.found, image_id, path)
        shape = picture.shape or objects.size
        if shape is not None and objects.size in (None, shape):
            found = objects.found
            problems += mask_problems(found, shape, config, image_id, path)
    problems += _unused_classes(dataset, class_counts)
    problems += _duplicate_images(dataset, ids, digests)
    if against is not None:
        problems += _leaks(dataset, digests, against, verbose)
    return ValidationReport.of(problems, len(ids), num_objects)


def duplicate_objects(
    found: list[FoundObject], image_id: int, path: str | None
) -> Iterator[Problem]:
    """Yields the objects whose pixels are those of an earlier one; crowds apart."""
    found = [o for o in found if not o.is_crowd and o.crop.mask.any()]
    boxes = np.array([o.crop.box for o in found], np.float32).reshape(-1, 4)
    areas = np.array([np.count_nonzero(o.crop.mask) for o in found], np.float64)
    # No two masks are more alike than their areas.
    smaller, larger = (f.outer(areas, areas) for f in (np.minimum, np.maximum))
    near = smaller >= DUPLICATE_IOU * larger
    near = np.triu(near & (compute_overlaps(boxes, boxes) > 0), k=1)
    for first, second in np.argwhere(near).tolist():
        one, other = found[first], found[second]
        iou = _crop_iou(one.crop, other.crop)
        if iou >= DUPLICATE_IOU:
            text = f"has the pixels of object {one.instance} (IoU {iou:.2f})"
            if one.class_id != other.class_id:
                text += f", of another class ({other.class_id} and {one.class_id})"
            where = other.path or path
            yield Problem("duplicate object", image_id, where, other.instance, text)


def mask_problems(
    found: list[FoundObject], shape, config, image_id: int, path: str | None
) -> Iterator[Problem]:
    """Yields the objects that resizing, mini masks or anchors do not serve.

    Crowds are none of them; objects of one pixel are a fault by themselves.

    Args:
        found: objects of an image.
        shape: (height, width) of the image, orig.
        config: a Config, or None.
        image_id: inside id.
        path: of the image.
    """
    pixels = [np.count_nonzero(item.crop.mask) for item in found]
    found = [o for o, n in zip(found, pixels, strict=True) if n > 1 and not o.is_crowd]
    if not found:
        return
    use_mini, mini_shape = Config.USE_MINI_MASK, Config.MINI_MASK_SHAPE
    seen = [(item, item.crop) for item in found]
    if config is not None:
        use_mini, mini_shape = config.USE_MINI_MASK, config.MINI_MASK_SHAPE
        objects, model_shape = model_objects(_as_object_crops(found), shape, config)
        seen = []
        for item, *crop in zip(found, objects.boxes, objects.masks, strict=True):
            if crop[1].size:
                seen.append((item, Crop(*crop)))
                continue
            text = f"has no pixel left when the image is resized to {model_shape}"
            where = item.path or path
            yield Problem("lost object", image_id, where, item.instance, text)
        if len(found) > config.MAX_GT_INSTANCES:
            text = f"has {len(found)} objects, MAX_GT_INSTANCES is "
            text += f"{config.MAX_GT_INSTANCES}"
            yield Problem("many objects", image_id, path, None, text)
        yield from _anchor_problems(seen, model_shape, config, image_id, path)
    if not use_mini:
        return
    mini_shape = tuple(int(side) for side in mini_shape)
    for item, crop in seen:
        mini = minimize_crop(crop.mask, mini_shape)
        shown = minimize_crop(mini, crop.mask.shape)
        iou = np.count_nonzero(shown & crop.mask) / np.count_nonzero(shown | crop.mask)
        if iou < MIN_MINI_IOU:
            text = (
                f"of {np.count_nonzero(crop.mask)} px, a mini mask of {mini_shape} "
                f"shows it with IoU {iou:.2f}"
            )
            text += "" if mini.any() else ": nothing of it"
            where = item.path or path
            yield Problem("thin object", image_id, where, item.instance, text)


def _as_object_crops(found: list[FoundObject]) -> ObjectCrops:
    """Returns the objects of an image together."""
    return ObjectCrops(
        np.array([item.crop.box for item in found], np.int32).reshape(-1, 4),
        [item.crop.mask for item in found],
        np.array([item.class_id or 0 for item in found], np.int32),
    )


def _anchor_problems(seen, model_shape, config, image_id, path) -> Iterator[Problem]:
    """Yields the objects whose best anchor would be background for any other."""
    if not seen:
        return
    boxes = np.array([crop.box for _, crop in seen])
    fit = fit_anchors(
        boxes,
        feature_shapes(config, model_shape),
        scales=config.RPN_ANCHOR_SCALES,
        ratios=config.RPN_ANCHOR_RATIOS,
        feature_strides=config.BACKBONE_STRIDES,
        anchor_stride=config.RPN_ANCHOR_STRIDE,
    )
    smallest = float(np.min(np.hstack([np.ravel(s) for s in config.RPN_ANCHOR_SCALES])))
    for i in np.flatnonzero(fit.iou < config.RPN_NEGATIVE_IOU).tolist():
        item, crop = seen[i]
        height, width = (crop.box[2:] - crop.box[:2]).tolist()
        kind = "small box" if height * width < smallest**2 else "unmatched box"
        text = (
            f"is {height} x {width} px (height x width) in the model image; the best "
            f"anchor has IoU {fit.iou[i]:.2f}"
        )
        yield Problem(kind, image_id, item.path or path, item.instance, text)


def _crop_iou(one: Crop, other: Crop) -> float:
    """The IoU of two objects, from their crops."""
    y1, x1 = np.maximum(one.box[:2], other.box[:2]).tolist()
    y2, x2 = np.minimum(one.box[2:], other.box[2:]).tolist()

    def part(crop):
        top, left = crop.box[:2].tolist()
        return crop.mask[y1 - top : y2 - top, x1 - left : x2 - left]

    shared = int(np.count_nonzero(part(one) & part(other)))
    union = np.count_nonzero(one.mask) + np.count_nonzero(other.mask) - shared
    return shared / union


def _class_problems(dataset, config) -> Iterator[Problem]:
    """Yields what config and data set disagree on."""
    if config is not None and config.NUM_CLASSES != dataset.num_classes:
        text = (
            f"the data set has {dataset.num_classes} classes with the background, "
            f"config.NUM_CLASSES is {config.NUM_CLASSES}"
        )
        yield Problem("number of classes", None, None, None, text)


def _unused_classes(dataset, class_counts: np.ndarray) -> Iterator[Problem]:
    """Yields the classes that no object of the checked images has."""
    for class_id in range(1, dataset.num_classes):
        if not class_counts[class_id]:
            text = f"class {class_id} ({dataset.class_names[class_id]}) has no object"
            yield Problem("unused class", None, None, None, text)


def _duplicate_images(dataset, ids: list[int], digests: dict) -> Iterator[Problem]:
    """Yields the images whose id, pixels or file an earlier one has."""
    by_id: dict = {}
    by_content: dict = {}
    for image_id in ids:
        info, path = dataset.image_info[image_id], path_of(dataset, image_id)
        key = (info["source"], str(info["id"]))
        first = by_id.setdefault(key, image_id)
        if first != image_id:
            text = f"has the id {info['id']!r} of image {first}"
            yield Problem("duplicate id", image_id, path, None, text)
        content = digests.get(image_id)
        if content is None:
            if path is None:
                continue
            content = str(Path(path).absolute())
        first = by_content.setdefault(content, image_id)
        if first != image_id:
            text = f"is the picture of image {first} ({path_of(dataset, first)})"
            yield Problem("duplicate image", image_id, path, None, text)


def _leaks(dataset, digests: dict, against, verbose: int) -> Iterator[Problem]:
    """Yields the images that the other data set has too."""
    first_of = {digest: image_id for image_id, digest in reversed(digests.items())}
    for other_id in _with_progress(against.image_ids.tolist(), verbose, "against"):
        other_path = path_of(against, other_id)
        try:
            digest = pixel_digest(np.asarray(against.load_image(other_id)))
        except Exception as error:  # as in check_picture
            text = f"image {other_id} of against=...: {describe(error)}"
            yield Problem("unreadable image", None, other_path, None, text)
            continue
        image_id = first_of.get(digest)
        if image_id is not None:
            text = f"is also image {other_id} ({other_path}) of the other data set"
            path = path_of(dataset, image_id)
            yield Problem("leaked image", image_id, path, None, text)


def _checked_ids(dataset, image_ids: Iterable[int] | None) -> list[int]:
    """Returns the images to check, or raises for those that do not exist."""
    if not hasattr(dataset, "num_classes"):
        raise ValueError(
            "validate(): the data set is not prepared; call prepare() after adding "
            "classes and images."
        )
    known = dataset.image_ids.tolist()
    if image_ids is None:
        return known
    ids = [int(image_id) for image_id in image_ids]
    wrong = sorted(set(ids) - set(known))
    if wrong:
        raise ValueError(
            f"validate(image_ids={wrong}): no such images; the data set has the inside "
            f"ids 0 to {len(known) - 1}."
        )
    return list(dict.fromkeys(ids))


def _with_progress(items: list, verbose: int, what: str):
    """Returns the items, behind a progress bar if asked."""
    if not verbose:
        return items
    from tqdm import tqdm

    return tqdm(items, desc=what, unit="image")
