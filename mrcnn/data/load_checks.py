"""Checks of what a user's Dataset returns, before anything is made of it."""

from __future__ import annotations

import numpy as np

from mrcnn.data.object_crops import ObjectCrops


def checked_image(image, config, image_id: int) -> np.ndarray:
    """Returns the image as [H, W, channels] with the channels that config tells.

    Args:
        image: what `load_image` gave, [H, W] or [H, W, channels].
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
    mask, class_ids, image: np.ndarray, dataset, image_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `load_mask` gave, bool [H, W, N] and int32 [N], or raises.

    Args:
        mask: masks, bool or numbers.
        class_ids: one a mask.
        image: [H, W, ...], that the masks have to fit.
        dataset: a prepared Dataset, for the number of its classes.
        image_id: for the text of an error.

    Raises:
        ValueError, TypeError: image, masks or class ids do not fit each other.
    """
    mask = np.asarray(mask)
    class_ids = np.asarray(class_ids)
    height, width = image.shape[:2]
    where = f"load_mask(image_id={image_id})"
    if mask.dtype == object or mask.dtype.kind not in "buif":
        raise TypeError(
            f"{where}: masks must be one bool array [H, W, N]; received "
            f"{mask.dtype} {mask.shape}. Use np.stack(list_of_masks, axis=-1)."
        )
    if mask.ndim != 3 or (mask.shape[:2] != (height, width) and mask.shape[-1]):
        raise ValueError(
            f"{where}: masks must be bool [H, W, N] matching the image "
            f"({height}, {width}); received {mask.dtype} {mask.shape}. "
            f"{_shape_remedy(mask.shape, height, width)}"
        )
    if class_ids.shape != (mask.shape[-1],):
        raise ValueError(
            f"{where}: {mask.shape[-1]} masks came with class ids of the shape "
            f"{class_ids.shape}; return one class id a mask."
        )
    class_ids = checked_class_ids(class_ids, dataset, where)
    return mask.astype(bool, copy=False), class_ids


def checked_crops(
    objects: ObjectCrops, image: np.ndarray, dataset, image_id: int
) -> ObjectCrops:
    """Returns what `load_object_crops` gave, class ids as int32, or raises.

    Args:
        objects: ObjectCrops, or a tuple of the same.
        image: [H, W, ...], that the objects have to fit.
        dataset: a prepared Dataset, for its classes and, where it knows them, the
            sides that its annotations were made for.
        image_id: for the text of an error.

    Raises:
        ValueError, TypeError: image, boxes, masks or class ids do not fit each other.
    """
    height, width = image.shape[:2]
    where = f"load_object_crops(image_id={image_id})"
    boxes, masks, class_ids = objects
    boxes, class_ids = np.asarray(boxes), np.asarray(class_ids)
    count = len(masks)
    if boxes.shape != (count, 4) or class_ids.shape != (count,):
        raise ValueError(
            f"{where}: {count} masks came with boxes of the shape {boxes.shape} and "
            f"class ids of the shape {class_ids.shape}; return boxes [N, 4], N masks "
            "and class ids [N]."
        )
    if boxes.dtype.kind not in "iu":
        raise TypeError(f"{where}: boxes must be int32; received {boxes.dtype}.")
    size = dataset.image_size(image_id) if hasattr(dataset, "image_size") else None
    if count and size is not None and tuple(size) != (height, width):
        raise ValueError(
            f"{where}: masks must match the image ({height}, {width}); they are drawn "
            f"for {tuple(size)}. {_shape_remedy((*size, count), height, width)}"
        )
    for box, mask in zip(boxes.tolist(), masks, strict=True):
        y1, x1, y2, x2 = box
        inside = 0 <= y1 <= y2 <= height and 0 <= x1 <= x2 <= width
        if not inside or mask.shape != (y2 - y1, x2 - x1) or mask.dtype != bool:
            raise ValueError(
                f"{where}: every mask must be bool and fill its box, within the image "
                f"({height}, {width}); received {mask.dtype} {mask.shape} for the box "
                f"{box}."
            )
    return ObjectCrops(boxes, list(masks), checked_class_ids(class_ids, dataset, where))


def checked_class_ids(class_ids: np.ndarray, dataset, where: str) -> np.ndarray:
    """Returns class ids as int32 if the data set has such classes, or raises.

    Args:
        class_ids: [N], negative for a crowd.
        dataset: a prepared Dataset, for the number of its classes.
        where: for the text of an error.

    Raises:
        ValueError, TypeError: there is no such class, or they are no integers.
    """
    if class_ids.size and class_ids.dtype.kind not in "uib":
        whole = class_ids.dtype.kind == "f" and np.all(class_ids == class_ids // 1)
        if not whole:
            raise TypeError(
                f"{where}: class ids must be integers; received {class_ids.dtype}. "
                "Use self.class_names.index(name)."
            )
    class_ids = class_ids.astype(np.int32)
    # Negative ids are crowds of the class -id.
    wrong = (class_ids == 0) | (np.abs(class_ids) >= dataset.num_classes)
    if wrong.any():
        raise ValueError(
            f"{where}: class ids {sorted(set(class_ids[wrong].tolist()))} are outside "
            f"1..{dataset.num_classes - 1} (0 is the background). prepare() numbers "
            "classes anew: return self.map_source_class_id('source.id') or "
            "self.class_names.index(name), not the ids given to add_class()."
        )
    return class_ids


def _shape_remedy(shape: tuple, height: int, width: int) -> str:
    """Returns what to do about masks of a wrong shape."""
    if shape == (height, width):
        return "Return mask[..., np.newaxis] for a single object."
    if len(shape) == 3 and shape[1:] == (height, width):
        return "They are [N, H, W]: return mask.transpose(1, 2, 0)."
    if len(shape) == 3 and shape[:2] == (width, height):
        return "They are transposed: return mask.transpose(1, 0, 2)."
    return (
        "If the file was turned by its EXIF note, give width and height to "
        "add_image(); if it was resized, draw the masks for its real size."
    )
