"""Masks in whatever form they come, as the pixels inside of their boxes.

A picture needs no more of a mask than its box: painting and comparing hundreds of
instances then costs their areas, not the image's area times their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np


class Crop(NamedTuple):
    """The part of a mask inside its box and the image.

    Attributes:
        top: px, row of the image of its first row.
        left: px, column of the image of its first column.
        mask: bool [h, w].
    """

    top: int
    left: int
    mask: np.ndarray

    @property
    def box(self) -> tuple[int, int, int, int]:
        """(y1, x1, y2, x2), px."""
        height, width = self.mask.shape
        return self.top, self.left, self.top + height, self.left + width

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.mask))

    def of(self, image: np.ndarray) -> np.ndarray:
        """The view of an image [H, W, ...] that this crop covers: [h, w, ...]."""
        height, width = self.mask.shape
        return image[self.top : self.top + height, self.left : self.left + width]


def mask_crops(
    masks: Any, boxes: np.ndarray, image_shape: tuple[int, ...], where: str
) -> list[Crop]:
    """Each mask inside its box, from any form that `MaskRCNN.detect` returns.

    Args:
        masks: "full": bool or number [H, W, N]; "crop": N arrays bool [y2 - y1,
            x2 - x1]; "rle": N COCO run-length dicts, compressed or not; or None: the
            whole boxes.
        boxes: [N, (y1, x1, y2, x2)], px; parts outside the image are cut off.
        image_shape: (H, W, ...), px.
        where: name of the function that was called, for errors.

    Returns:
        N crops; those of boxes outside the image have no pixel.

    Raises:
        ValueError: masks that don't fit the boxes or the image.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    shape = tuple(int(side) for side in image_shape[:2])
    if masks is None:
        return [_cut(None, box, shape) for box in boxes]
    if isinstance(masks, list | tuple):
        return _crops_of_list(masks, boxes, shape, where)
    masks = np.asarray(masks)
    # The masks of an image without objects come in any size.
    if masks.shape != (*shape, len(boxes)) and (len(boxes) or masks.size):
        raise ValueError(
            f"{where}(masks): shape {masks.shape}, expected bool [H, W, N] = "
            f"{(*shape, len(boxes))}; expand mini masks to the image, and give masks "
            "of all boxes."
        )
    return [_cut(masks[..., i], box, shape) for i, box in enumerate(boxes)]


def as_crop(mask: np.ndarray) -> Crop:
    """The tight crop of a mask, bool [H, W]; without a pixel for an empty one."""
    mask = np.asarray(mask) != 0
    rows, columns = np.flatnonzero(mask.any(1)), np.flatnonzero(mask.any(0))
    if len(rows) == 0:
        return Crop(0, 0, np.zeros((0, 0), bool))
    top, left = int(rows[0]), int(columns[0])
    return Crop(top, left, mask[top : rows[-1] + 1, left : columns[-1] + 1])


def aligned(crop: Crop, other: Crop) -> np.ndarray:
    """The pixels of another mask in the frame of a crop: bool [h, w].

    Args:
        crop: what gives the frame.
        other: a mask of the same image.
    """
    height, width = crop.mask.shape
    frame = np.zeros((height, width), bool)
    y, x = other.top - crop.top, other.left - crop.left
    y1, x1 = max(y, 0), max(x, 0)
    y2 = min(y + other.mask.shape[0], height)
    x2 = min(x + other.mask.shape[1], width)
    if y1 < y2 and x1 < x2:
        frame[y1:y2, x1:x2] = other.mask[y1 - y : y2 - y, x1 - x : x2 - x]
    return frame


def crop_overlaps(crops1: Sequence[Crop], crops2: Sequence[Crop]) -> np.ndarray:
    """IoU of each of some masks with each of others: float32 [N, M], 0 for no pixel.

    Args:
        crops1: N masks of one image.
        crops2: M masks of it.
    """
    areas1, areas2 = (
        np.array([np.count_nonzero(crop.mask) for crop in crops], np.float64)
        for crops in (crops1, crops2)
    )
    shared = np.zeros((len(crops1), len(crops2)))
    boxes1, boxes2 = _crop_boxes(crops1), _crop_boxes(crops2)
    low = np.maximum(boxes1[:, None, :2], boxes2[None, :, :2])
    high = np.minimum(boxes1[:, None, 2:], boxes2[None, :, 2:])
    for i, j in np.argwhere(np.all(low < high, axis=2)):
        common = crops1[i].mask & aligned(crops1[i], crops2[j])
        shared[i, j] = np.count_nonzero(common)
    unions = areas1[:, None] + areas2 - shared
    return (shared / np.maximum(unions, 1)).astype(np.float32)


def _crop_boxes(crops):
    """Boxes int [N, (y1, x1, y2, x2)] of crops."""
    rows = [
        (c.top, c.left, c.top + c.mask.shape[0], c.left + c.mask.shape[1])
        for c in crops
    ]
    return np.reshape(rows, (-1, 4)).astype(int)


def _crops_of_list(masks, boxes, shape, where):
    """Crops of a list of run lengths, or of masks in the size of their boxes."""
    if len(masks) != len(boxes):
        raise ValueError(
            f"{where}(masks): a list of {len(masks)} for {len(boxes)} boxes; give one "
            "a box."
        )
    crops = []
    for i, (mask, box) in enumerate(zip(masks, boxes, strict=True)):
        if isinstance(mask, dict):
            crops.append(_cut(_decode(mask, shape, f"{where}(masks[{i}])"), box, shape))
            continue
        mask, (y1, x1, y2, x2) = np.asarray(mask), np.rint(box).astype(int).tolist()
        if mask.shape != (max(y2 - y1, 0), max(x2 - x1, 0)):
            raise ValueError(
                f"{where}(masks[{i}]): shape {mask.shape} in a list, expected the size "
                f"of its box {(y2 - y1, x2 - x1)}; give masks as detect() does, in one "
                "array [H, W, N], cut to their boxes, or as run lengths."
            )
        inside = mask[
            max(-y1, 0) : max(shape[0] - y1, 0), max(-x1, 0) : max(shape[1] - x1, 0)
        ]
        crops.append(Crop(max(y1, 0), max(x1, 0), inside != 0))
    return crops


def _cut(mask, box, shape):
    """The part of a mask [H, W], or of the whole image, inside a box."""
    y1, x1 = np.clip(np.floor(box[:2]), 0, shape).astype(int).tolist()
    y2, x2 = np.clip(np.ceil(box[2:]), 0, shape).astype(int).tolist()
    if mask is None:
        return Crop(y1, x1, np.ones((max(y2 - y1, 0), max(x2 - x1, 0)), bool))
    return Crop(y1, x1, mask[y1:y2, x1:x2] != 0)


def _decode(rle, shape, where):
    """The mask [H, W] of COCO's run lengths."""
    from pycocotools import mask as mask_utils

    if tuple(rle.get("size", ())) != shape or "counts" not in rle:
        raise ValueError(
            f"{where}: run lengths of size {rle.get('size')}, expected counts for the "
            f"image {list(shape)}; detect in the same image that is shown."
        )
    if isinstance(rle["counts"], list):
        rle = mask_utils.frPyObjects(rle, *shape)
    return mask_utils.decode(rle)
