"""Objects as the small pictures inside of their boxes."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data.outlines.shapes import tight_crop
from mrcnn.geometry.box_masks import minimize_crop
from mrcnn.geometry.masks import extract_bboxes, nearest_mask_pixels


class ObjectCrops(NamedTuple):
    """The objects of an image, each inside its tight box alone.

    Attributes:
        boxes: int32 [N, (y1, x1, y2, x2)], orig, half-open; zeros without a pixel.
        masks: N arrays bool [y2 - y1, x2 - x1]; [0, 0] without a pixel.
        class_ids: int32 [N], inside ids from 1; negative for a crowd.
    """

    boxes: np.ndarray
    masks: list[np.ndarray]
    class_ids: np.ndarray


def crop_masks(masks, class_ids) -> ObjectCrops:
    """Returns the objects of a stack of masks.

    Args:
        masks: bool or number [H, W, N]; a pixel belongs to the object unless it is 0.
        class_ids: [N].

    Raises:
        ValueError: `masks` is not [H, W, N], or class ids are no whole numbers, or
            more or fewer.
    """
    boxes = extract_bboxes(masks)
    masks, given_ids = np.asarray(masks), np.asarray(class_ids)
    class_ids = given_ids.astype(np.int32)
    if class_ids.shape != (len(boxes),) or np.any(class_ids != given_ids):
        raise ValueError(
            f"crop_masks(class_ids={given_ids.tolist()}): {len(boxes)} masks were "
            "given; give one class id, a whole number, with each."
        )
    crops = [
        np.ascontiguousarray(masks[y1:y2, x1:x2, i] != 0)
        for i, (y1, x1, y2, x2) in enumerate(boxes.tolist())
    ]
    return ObjectCrops(boxes, crops, class_ids)


def paste_crops(objects: ObjectCrops, shape: Sequence[int]) -> np.ndarray:
    """Returns the full masks of objects: bool [height, width, N].

    Law: `crop_masks(paste_crops(objects, shape), objects.class_ids)` is `objects`.

    Args:
        objects: ObjectCrops.
        shape: (height, width, ...) of the image that their boxes lie in.
    """
    masks = np.zeros([*shape[:2], len(objects.boxes)], dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(objects.boxes.tolist()):
        masks[y1:y2, x1:x2, i] = objects.masks[i]
    return masks


def resize_crops(
    objects: ObjectCrops, shape: Sequence[int], scale: float, padding, crop=None
) -> ObjectCrops:
    """Returns objects resized as `resize_image` resized their image.

    Law: put into zeros, they are `resize_mask` of the full masks, bit for bit. An
    object may lose its last pixel.

    Args:
        objects: ObjectCrops, orig.
        shape: (height, width, ...) of the image, orig.
        scale: as returned by `resize_image`.
        padding: as returned by `resize_image`: [(top, bottom), (left, right), ...].
        crop: as returned by `resize_image`: (y, x, height, width) or None.

    Returns:
        ObjectCrops, px, tight.
    """
    rows, columns = nearest_mask_pixels(shape, scale, crop)
    top, left = padding[0][0], padding[1][0]
    crops = []
    for (y1, x1, y2, x2), mask in zip(
        objects.boxes.tolist(), objects.masks, strict=True
    ):
        # Rows and columns ascend: those of a box are neighbors.
        first_row, end_row = np.searchsorted(rows, (y1, y2))
        first_column, end_column = np.searchsorted(columns, (x1, x2))
        resized = mask.take(rows[first_row:end_row] - y1, axis=0)
        resized = resized.take(columns[first_column:end_column] - x1, axis=1)
        crops.append(tight_crop(resized, top + first_row, left + first_column))
    boxes = np.array([each.box for each in crops], np.int32).reshape(-1, 4)
    return ObjectCrops(boxes, [each.mask for each in crops], objects.class_ids)


def seen_objects(objects: ObjectCrops) -> ObjectCrops:
    """Returns the objects that have a pixel, in their order."""
    seen = np.flatnonzero(objects.boxes[:, 2] > objects.boxes[:, 0])
    return ObjectCrops(
        objects.boxes[seen], [objects.masks[i] for i in seen], objects.class_ids[seen]
    )


def mini_masks(objects: ObjectCrops, mini_shape: Sequence[int]) -> np.ndarray:
    """Returns the mini masks of objects: bool [height, width, N], box frame.

    Law: they are `minimize_mask` of the full masks, bit for bit.

    Args:
        objects: ObjectCrops, none without a pixel.
        mini_shape: (height, width) of the mini masks.
    """
    shape = (int(mini_shape[0]), int(mini_shape[1]))
    masks = np.zeros([*shape, len(objects.masks)], dtype=bool)
    for i, mask in enumerate(objects.masks):
        masks[..., i] = minimize_crop(mask, shape)
    return masks
