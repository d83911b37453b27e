"""Checks what a user's Dataset returns, before it is used."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

import numpy as np

from mrcnn.data.objects import Objects, mask_objects
from mrcnn.data.outlines.shapes import MaskCountError, MaskSizeError


def check_prepared(dataset, where: str) -> None:
    """Raises ValueError unless `prepare()` of a data set was called.

    Args:
        dataset: a Dataset.
        where: names the function that needs it, in the error.
    """
    if not hasattr(dataset, "num_classes"):
        raise ValueError(
            f"{where}: the data set is not prepared; call dataset.prepare() after "
            "adding classes and images."
        )


def sources_without_classes(dataset) -> dict[str, int]:
    """Returns the number of images of each source that has images and no class.

    In training no class counts for such an image: whatever objects it has, the class
    head learns nothing from it.
    """
    owners = {info["source"] for info in dataset.class_info[1:]}
    counts = Counter(info["source"] for info in dataset.image_info)
    return {source: n for source, n in counts.items() if source not in owners}


def check_sources(dataset, where: str) -> None:
    """Raises ValueError for images of a source that has no class.

    Args:
        dataset: a prepared Dataset.
        where: names the function that needs it, in the error.
    """
    wrong = sources_without_classes(dataset)
    if wrong:
        counts = ", ".join(f"{n} of {source!r}" for source, n in wrong.items())
        known = dict.fromkeys(info["source"] for info in dataset.class_info[1:])
        raise ValueError(
            f"{where}: images of a source without any class: {counts}; the classes are "
            f"of {', '.join(map(repr, known))}. Nothing would be learned from them: "
            "add_image() and add_class() must name the same source."
        )


def check_has_objects(dataset, where: str) -> None:
    """Raises ValueError for a data set without any object to learn from.

    Images are looked at in a random order until one has an object: mostly the first.
    Annotations are not drawn for that.

    Args:
        dataset: a prepared Dataset.
        where: names the function that needs it, in the error.
    """
    annotated = getattr(dataset, "objects_source", "") == "drawn_objects"
    crowds, failed = 0, []
    for image_id in np.random.default_rng(0).permutation(dataset.image_ids).tolist():
        # An image that fails is told when it is trained; here others are asked.
        try:
            if annotated:
                pairs = dataset.inside_annotations(image_id)
                is_crowd = [a.is_crowd for a, class_id in pairs if class_id is not None]
            else:
                objects, _ = load_objects(dataset, image_id)
                ids = np.ravel(np.asarray(objects.class_ids)).tolist()
                pairs = zip(objects.crops, ids, strict=False)
                is_crowd = [class_id < 0 for crop, class_id in pairs if crop.mask.size]
        except Exception as error:
            failed.append(f"image id {image_id}: {type(error).__name__}: {error}")
            continue
        if not all(is_crowd):
            return
        crowds += len(is_crowd)
    found = f"only {crowds} crowds (iscrowd)" if crowds else "no object"
    failures = f", {len(failed)} of which fail ({failed[0]})" if failed else ""
    raise ValueError(
        f"{where}: {found} in {len(dataset.image_ids)} images{failures}: there is "
        f"nothing to learn. The classes are {', '.join(dataset.class_names[1:])}: "
        "compare names and ids with those in the annotations, look at iscrowd, and at "
        "what load_mask returns; print(dataset.validate()) shows more."
    )


def load_objects(dataset, image_id: int) -> tuple[Objects, str]:
    """Returns the unchecked objects of an image, and the call that gave them as text.

    Args:
        dataset: a Dataset; or an object that only acts like one: its `load_mask`
            counts; or one that hands on what it lacks to a Dataset.
        image_id: inside id.

    Raises:
        TypeError, MaskSizeError: `load_mask` returned no masks [H, W, N].
        Exception: what the method raised that gives the objects.
    """
    kind = type(dataset)
    if hasattr(kind, "load_mask") and not hasattr(kind, "objects"):
        where = f"load_mask(image_id={image_id})"
        return mask_objects(*dataset.load_mask(image_id), where), where
    where = f"{dataset.objects_source}(image_id={image_id})"
    return dataset.objects(image_id), where


def checked_image(image, config, image_id: int) -> np.ndarray:
    """Returns the image as [H, W, channels], with as many channels as config says.

    Args:
        image: what `load_image` returned, [H, W] or [H, W, channels].
        config: a Config.
        image_id: for the text of an error.

    Raises:
        ValueError: it has another shape.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., np.newaxis]
    channels = config.IMAGE_CHANNEL_COUNT
    if image.ndim != 3 or 0 in image.shape or image.shape[-1] != channels:
        raise ValueError(
            f"load_image(image_id={image_id}): must return [H, W, {channels}] "
            f"(config.IMAGE_CHANNEL_COUNT = {channels}); received {image.dtype} "
            f"{image.shape}. Override load_image, or change IMAGE_CHANNEL_COUNT and "
            "MEAN_PIXEL."
        )
    return image


def checked_objects(
    dataset, image_id: int, shape: Sequence[int] | None = None
) -> Objects:
    """Returns the objects of an image after checking that they fit it.

    Args:
        dataset: a prepared Dataset.
        image_id: inside id.
        shape: (height, width, ...) of the image, px; None takes the size that the
            objects were drawn for.

    Returns:
        Objects, class ids as int32.

    Raises:
        MaskSizeError: the objects were drawn for another size of the image.
        ValueError, TypeError: crops or class ids do not fit image or data set.
    """
    objects, where = load_objects(dataset, image_id)
    check_objects(objects, shape, where)
    class_ids = checked_class_ids(np.asarray(objects.class_ids), dataset, where)
    return objects._replace(class_ids=class_ids)


def check_objects(objects: Objects, shape: Sequence[int] | None, where: str) -> None:
    """Raises unless objects fit their image and have a class id each.

    Args:
        objects: Objects.
        shape: (height, width, ...) of the image, px; None: not known.
        where: names the method that gave the objects, in an error.

    Raises:
        MaskSizeError: they were drawn for another size of the image.
        MaskCountError: there are more or fewer class ids.
        ValueError: a crop does not fill its box, or the box leaves the image.
    """
    count = len(objects.crops)
    height, width = (shape or objects.size or (np.inf, np.inf))[:2]
    if count and tuple(objects.size or (height, width)) != (height, width):
        given = (*objects.size, count)
        raise MaskSizeError(
            f"{where}: masks must be bool [H, W, N] matching the image ({height}, "
            f"{width}); received {given}. {_size_remedy(given, height, width)}"
        )
    if np.shape(objects.class_ids) != (count,):
        raise MaskCountError(
            f"{where}: {count} masks came with class ids of the shape "
            f"{np.shape(objects.class_ids)}; return one class id a mask."
        )
    for box, mask in objects.crops:
        y1, x1, y2, x2 = box
        inside = 0 <= y1 <= y2 <= height and 0 <= x1 <= x2 <= width
        is_whole = all(isinstance(side, int | np.integer) for side in box)
        is_mask = mask.shape == (y2 - y1, x2 - x1) and mask.dtype == bool
        if not (inside and is_whole and is_mask):
            raise ValueError(
                f"{where}: every mask must be bool and fill its box, whole numbers "
                f"within the image ({height}, {width}); received {mask.dtype} "
                f"{mask.shape} for the box {box}."
            )


def checked_class_ids(class_ids: np.ndarray, dataset, where: str) -> np.ndarray:
    """Returns class ids as int32 if the data set has such classes, or raises.

    Args:
        class_ids: [N], negative for a crowd.
        dataset: a prepared Dataset, for the number of its classes.
        where: for the text of an error.

    Raises:
        ValueError, TypeError: there is no such class, or they are no integers.
    """
    check_prepared(dataset, where)
    kind = class_ids.dtype.kind
    is_whole = kind in "uib" or (kind == "f" and np.all(class_ids == class_ids // 1))
    if class_ids.size and not is_whole:
        raise TypeError(
            f"{where}: class ids must be integers; received {class_ids.dtype}. "
            "Use self.class_names.index(name)."
        )
    # Negative ids are crowds of the class -id.
    wrong = (class_ids == 0) | (np.abs(class_ids.astype(float)) >= dataset.num_classes)
    if wrong.any():
        raise ValueError(
            f"{where}: class ids {sorted(set(class_ids[wrong].tolist()))} are outside "
            f"1..{dataset.num_classes - 1} (0 is the background). prepare() numbers "
            "classes anew: return self.map_source_class_id('source.id') or "
            "self.class_names.index(name), not the ids given to add_class()."
        )
    return class_ids.astype(np.int32)


def _size_remedy(shape: tuple, height: int, width: int) -> str:
    """Returns what to do about masks [H, W, N] of a wrong shape."""
    if shape[1:] == (height, width):
        return "They are [N, H, W]: return mask.transpose(1, 2, 0)."
    if shape[:2] == (width, height):
        return "They are transposed: return mask.transpose(1, 0, 2)."
    return (
        "If the file was turned by its EXIF note, give width and height to "
        "add_image(); if it was resized, draw the masks for its real size."
    )
