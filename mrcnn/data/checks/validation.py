"""Checks before training: what is wrong with the images and objects of a data set."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mrcnn.config import Config
from mrcnn.data.checks.anchor_fit import fit_anchors
from mrcnn.data.checks.image_problems import check_image, path_of
from mrcnn.data.checks.model_objects import model_objects
from mrcnn.data.checks.object_problems import FoundObject, find_objects
from mrcnn.data.checks.odd_masks import odd_masks, scattered_objects, told_scattered
from mrcnn.data.checks.validation_report import Problem, ValidationReport
from mrcnn.data.feature_maps import anchor_values, feature_shapes
from mrcnn.data.load_checks import check_prepared, sources_without_classes
from mrcnn.data.objects import Objects
from mrcnn.geometry.box_masks import minimize_crop
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.crops import Crop, crop_boxes, crop_iou

# Mask IoU from which two objects of an image are one object annotated twice.
DUPLICATE_IOU = 0.95
# Mask IoU of an object and its mini mask, enlarged again to the size of its box. The
# outlines of COCO, VOC and the balloons stay above 0.7; lines one pixel wide fall to 0.
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

    An exception of the data set does not stop it, but becomes a line of the report.

    Args:
        dataset: a prepared Dataset of any kind.
        config: a Config; None leaves out what depends on one: objects lost when the
            image is resized, boxes that no anchor fits, too many objects. Mini masks
            are then tried at the size of the file.
        image_ids: inside ids of the images to check; None for all.
        against: another prepared Dataset that must not hold the same images, such as
            the validation set of a training set.
        read_images: False looks at the headers of files only: much faster, but
            damaged images, and copies of one image in two files, are not found.
        verbose: 1 shows a progress bar.

    Returns:
        ValidationReport.

    Raises:
        ValueError: a data set is not prepared, an image id does not exist, or
            `against` is to be compared without reading images.
    """
    ids = _checked_ids(dataset, image_ids)
    if against is not None:
        check_prepared(against, "validate(against=...)")
        if not read_images:
            raise ValueError(
                "validate(against=..., read_images=False): images are compared by "
                "their pixels; leave read_images=True."
            )
    problems = []
    if config is not None and config.NUM_CLASSES != dataset.num_classes:
        text = (
            f"the data set has {dataset.num_classes} classes with the background, "
            f"config.NUM_CLASSES is {config.NUM_CLASSES}"
        )
        problems.append(Problem("number of classes", None, None, None, text))
    for source, count in sources_without_classes(dataset).items():
        text = f"{count} images are of the source {source!r}, which has no class"
        problems.append(Problem("source without classes", None, None, None, text))
    digests: dict[int, bytes] = {}
    class_counts: Counter = Counter()
    num_objects = num_crowds = num_checked = 0
    scattered: list[Problem] = []
    for image_id in tqdm(ids, desc="validate", unit="image", disable=not verbose):
        image = check_image(dataset, config, image_id, read_images)
        if image.digest is not None:
            digests[image_id] = image.digest
        found, size, object_problems = find_objects(dataset, image)
        problems += [*image.problems, *object_problems, *duplicate_objects(found)]
        num_objects += len(found)
        class_counts.update(item.class_id for item in found)
        num_crowds += sum(item.is_crowd for item in found)
        shape = image.shape or size
        if shape is None or size not in (None, shape):
            continue
        # Objects of one pixel are a problem of their own.
        found = [item for item in found if item.crop.area > 1 and not item.is_crowd]
        odd = list(odd_masks(found, shape))
        problems += odd
        # The rings of a soft edge are scattered too, which tells nothing new.
        if not any(problem.kind == "nested rings" for problem in odd):
            num_checked += len(found)
            scattered += scattered_objects(found)
        problems += mask_problems(found, shape, config)
        if config is not None and len(found) > config.MAX_GT_INSTANCES:
            text = f"has {len(found)} objects, MAX_GT_INSTANCES is "
            text += f"{config.MAX_GT_INSTANCES}"
            problems.append(image.problem("many objects", text))
    problems += told_scattered(scattered, num_checked)
    if image_ids is None and num_objects == num_crowds:
        text = f"{len(ids)} images have no object" if ids else "there is no image"
        if num_crowds:
            text = f"all {num_crowds} objects are crowds (iscrowd)"
        problems.append(Problem("nothing to learn", None, None, None, text))
    for class_id, name in enumerate(dataset.class_names[1:], 1):
        if not class_counts[class_id]:
            text = f"class {class_id} ({name}) has no object"
            problems.append(Problem("unused class", None, None, None, text))
    problems += _similar_classes(dataset.class_names)
    problems += _duplicate_images(dataset, ids, digests)
    if against is not None:
        problems += _leaks(dataset, digests, against, config, verbose)
    return ValidationReport(problems, len(ids), num_objects)


def duplicate_objects(found: list[FoundObject]) -> Iterator[Problem]:
    """Yields the objects whose pixels are those of an earlier one, crowds left out."""
    found = [item for item in found if not item.is_crowd and item.crop.area]
    boxes = crop_boxes([item.crop for item in found]).astype(np.float32)
    areas = np.array([item.crop.area for item in found], np.float64)
    # No two masks are more alike than their areas.
    smaller, larger = (f.outer(areas, areas) for f in (np.minimum, np.maximum))
    near = smaller >= DUPLICATE_IOU * larger
    near = np.triu(near & (compute_overlaps(boxes, boxes) > 0), k=1)
    for first, second in np.argwhere(near).tolist():
        one, other = found[first], found[second]
        iou = crop_iou(one.crop, other.crop)
        if iou >= DUPLICATE_IOU:
            text = f"has the pixels of object {one.instance} (IoU {iou:.2f})"
            if one.class_id != other.class_id:
                text += f", of another class ({other.class_id} and {one.class_id})"
            yield other.problem("duplicate object", text)


def mask_problems(found: list[FoundObject], shape, config) -> Iterator[Problem]:
    """Yields the objects that suffer from resizing, from mini masks or from anchors.

    Args:
        found: objects of an image, of two pixels or more, no crowds.
        shape: (height, width) of the image, orig.
        config: a Config, or None.
    """
    seen = [(item, item.crop) for item in found]
    if config is not None:
        objects = Objects([item.crop for item in found], np.zeros(len(found), np.int32))
        objects = model_objects(objects, shape, config)
        seen = list(zip(found, objects.crops, strict=True))
        for item, crop in seen:
            if not crop.area:
                text = f"has no pixel left when the image is resized to {objects.size}"
                yield item.problem("lost object", text)
        seen = [(item, crop) for item, crop in seen if crop.area]
        yield from _anchor_problems(seen, objects.size, config)
    settings = Config if config is None else config
    if not settings.USE_MINI_MASK:
        return
    mini_shape = tuple(int(side) for side in settings.MINI_MASK_SHAPE)
    for item, crop in seen:
        mini = minimize_crop(crop.mask, mini_shape)
        iou = crop_iou(Crop(crop.box, minimize_crop(mini, crop.mask.shape)), crop)
        if iou < MIN_MINI_IOU:
            text = f"of {crop.area} px, a mini mask of {mini_shape} shows it with IoU "
            text += f"{iou:.2f}" + ("" if mini.any() else ": nothing of it")
            yield item.problem("thin object", text)


def _anchor_problems(
    seen: list[tuple[FoundObject, Crop]], model_shape, config
) -> Iterator[Problem]:
    """Yields the objects whose best anchor would be background for any other."""
    if not seen:
        return
    fit = fit_anchors(
        crop_boxes([crop for _, crop in seen]),
        feature_shapes(config, model_shape),
        **anchor_values(config),
    )
    smallest = float(np.min(np.hstack([np.ravel(s) for s in config.RPN_ANCHOR_SCALES])))
    for i in np.flatnonzero(fit.iou < config.RPN_NEGATIVE_IOU).tolist():
        item, crop = seen[i]
        height, width = crop.mask.shape
        kind = "small box" if height * width < smallest**2 else "unmatched box"
        text = (
            f"is {height} x {width} px (height x width) in the model image; the best "
            f"anchor has IoU {fit.iou[i]:.2f}"
        )
        yield item.problem(kind, text)


def _similar_classes(names: list[str]) -> Iterator[Problem]:
    """Yields the classes whose name another one has, but for blanks and case."""
    first: dict = {}
    for class_id, name in enumerate(names):
        plain = " ".join(name.replace("_", " ").casefold().split())
        other = first.setdefault(plain, class_id)
        if other != class_id:
            text = f"classes {other} and {class_id} are named {names[other]!r} and "
            yield Problem("similar classes", None, None, None, f"{text}{name!r}")


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
        content = digests.get(image_id) or path and str(Path(path).absolute())
        if content is None:
            continue
        first = by_content.setdefault(content, image_id)
        if first != image_id:
            text = f"is the same image as {first} ({path_of(dataset, first)})"
            yield Problem("duplicate image", image_id, path, None, text)


def _leaks(dataset, digests: dict, against, config, verbose: int) -> Iterator[Problem]:
    """Yields the images that the other data set has too."""
    first_of = {digest: image_id for image_id, digest in reversed(digests.items())}
    others = against.image_ids.tolist()
    for other_id in tqdm(others, desc="against", unit="image", disable=not verbose):
        other = check_image(against, config, other_id, read_images=True)
        if other.digest is None:
            text = f"image {other_id} of against=...: {other.problems[0].text}"
            yield Problem("unreadable image", None, other.path, None, text)
        elif other.digest in first_of:
            image_id = first_of[other.digest]
            text = f"is also image {other_id} ({other.path}) of the other data set"
            path = path_of(dataset, image_id)
            yield Problem("leaked image", image_id, path, None, text)


def _checked_ids(dataset, image_ids: Iterable[int] | None) -> list[int]:
    """Returns the images to check, or raises for those that do not exist."""
    check_prepared(dataset, "validate()")
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
