"""One object in its box: the part of a mask inside a box, and arithmetic on it.

A mask of a small object is nearly all zeros. Everything here works on the pixels inside
the box, and gives what the same step gives on masks of the whole image.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

Box = tuple[int, int, int, int]


class Crop(NamedTuple):
    """One object in its box.

    Attributes:
        box: (y1, x1, y2, x2), whole px of the image, half-open; zeros without a pixel.
        mask: bool [y2 - y1, x2 - x1]: which pixels in the box are of the object.
    """

    box: Box
    mask: np.ndarray

    @property
    def area(self) -> int:
        """Pixels of the object."""
        return int(np.count_nonzero(self.mask))

    def of(self, image: np.ndarray) -> np.ndarray:
        """Returns the view of an image [H, W, ...] that the box covers: [h, w, ...]."""
        y1, x1, y2, x2 = self.box
        return image[y1:y2, x1:x2]


def no_crop() -> Crop:
    """Returns the crop of an object without a pixel: box of zeros, mask [0, 0]."""
    return Crop((0, 0, 0, 0), np.zeros([0, 0], bool))


def tight_crop(mask: np.ndarray, y1: int = 0, x1: int = 0) -> Crop:
    """Returns the crop of a mask, its box as small as can be.

    Args:
        mask: bool [h, w], a part of the image or all of it.
        y1: row of the image at which `mask` begins, px.
        x1: column of the image at which `mask` begins, px.

    >>> tight_crop(np.array([[0, 0, 0], [0, 1, 1]], bool), y1=10).box
    (11, 1, 12, 3)
    """
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return no_crop()
    columns = np.flatnonzero(mask.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    box = (y1 + top, x1 + left, y1 + bottom, x1 + right)
    return Crop(box, mask[top:bottom, left:right])


def stack_crops(crops: Sequence[Crop], shape: Sequence[int]) -> np.ndarray:
    """Returns the masks of crops in the size of an image: bool [height, width, N].

    Law: `stack_crops(crop_masks(masks), masks.shape)` is `masks`, see `geometry.masks`.
    What of a crop lies outside of the image is left out.

    Args:
        crops: N of them.
        shape: (height, width, ...) of the image, px.
    """
    # Objects first while drawing: every mask is then one block of memory.
    masks = np.zeros([len(crops), *shape[:2]], bool)
    for mask, crop in zip(masks, crops, strict=True):
        paste(mask, crop)
    return masks.transpose(1, 2, 0)


def crop_boxes(crops: Sequence[Crop]) -> np.ndarray:
    """Returns the boxes of crops: int32 [N, (y1, x1, y2, x2)]."""
    return np.array([crop.box for crop in crops], np.int32).reshape(-1, 4)


def paste(mask: np.ndarray, crop: Crop) -> None:
    """Writes a crop into a mask [H, W] of its image, as far as both overlap.

    The pixels of the box are replaced, also by zeros.
    """
    y1, x1, y2, x2 = _intersection(crop.box, (0, 0, *mask.shape))
    mask[y1:y2, x1:x2] = part_in(crop, (y1, x1, y2, x2))


def part_in(crop: Crop, box: Box) -> np.ndarray:
    """Returns the pixels of a crop in a box that lies within its own: bool [h, w]."""
    y1, x1, y2, x2 = box
    top, left = crop.box[:2]
    return crop.mask[y1 - top : y2 - top, x1 - left : x2 - left]


def aligned(crop: Crop, other: Crop) -> np.ndarray:
    """Returns the pixels of another object in the box of a crop: bool [h, w]."""
    frame = np.zeros(crop.mask.shape, bool)
    y1, x1, y2, x2 = box = _intersection(crop.box, other.box)
    top, left = crop.box[:2]
    frame[y1 - top : y2 - top, x1 - left : x2 - left] = part_in(other, box)
    return frame


def join_crops(crops: Sequence[Crop]) -> Crop:
    """Returns the tight crop of all pixels that any of some crops has."""
    crops = [crop for crop in crops if crop.mask.size]
    if not crops:
        return no_crop()
    boxes = crop_boxes(crops)
    (y1, x1), (y2, x2) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    mask = np.zeros([y2 - y1, x2 - x1], bool)
    for crop, (top, left, bottom, right) in zip(crops, boxes, strict=True):
        mask[top - y1 : bottom - y1, left - x1 : right - x1] |= crop.mask
    return tight_crop(mask, int(y1), int(x1))


def shared_area(one: Crop, other: Crop) -> int:
    """Returns how many pixels two objects share."""
    box = _intersection(one.box, other.box)
    return int(np.count_nonzero(part_in(one, box) & part_in(other, box)))


def crop_iou(one: Crop, other: Crop) -> float:
    """Returns the intersection over union of two objects, 0..1; 0 without a pixel."""
    shared = shared_area(one, other)
    return shared / max(one.area + other.area - shared, 1)


def crop_overlaps(crops1: Sequence[Crop], crops2: Sequence[Crop]) -> np.ndarray:
    """Returns the IoU of each of some objects with each of others: float32 [N, M].

    Law: equal to `compute_overlaps_masks` of their masks in the size of the image.
    """
    shared = shared_areas(crops1, crops2)
    areas1, areas2 = (np.array([c.area for c in each]) for each in (crops1, crops2))
    unions = areas1.reshape(-1, 1) + areas2 - shared
    return (shared / np.maximum(unions, 1)).astype(np.float32)


def shared_areas(crops1: Sequence[Crop], crops2: Sequence[Crop]) -> np.ndarray:
    """Returns how many pixels each of some objects shares with each of others.

    Returns:
        float64 [N, M], px.
    """
    shared = np.zeros((len(crops1), len(crops2)))
    boxes1, boxes2 = crop_boxes(crops1)[:, None], crop_boxes(crops2)[None]
    low = np.maximum(boxes1[..., :2], boxes2[..., :2])
    high = np.minimum(boxes1[..., 2:], boxes2[..., 2:])
    # Few of many objects meet: only their pixels are looked at.
    for i, j in np.argwhere(np.all(low < high, axis=2)).tolist():
        shared[i, j] = shared_area(crops1[i], crops2[j])
    return shared


def covered(crop: Crop, others: Sequence[Crop]) -> float:
    """Returns the part of an object that lies on others taken together, 0..1.

    An object without a pixel is not covered: 0.
    """
    free = crop.mask.copy()
    top, left = crop.box[:2]
    for other in others:
        y1, x1, y2, x2 = box = _intersection(crop.box, other.box)
        free[y1 - top : y2 - top, x1 - left : x2 - left] &= ~part_in(other, box)
    return 1 - np.count_nonzero(free) / crop.area if crop.area else 0.0


def _intersection(box: Box, other: Box) -> Box:
    """Returns what two boxes share; zeros if that is nothing."""
    y1, x1 = max(box[0], other[0]), max(box[1], other[1])
    y2, x2 = min(box[2], other[2]), min(box[3], other[3])
    if y1 >= y2 or x1 >= x2:
        return (0, 0, 0, 0)
    return (y1, x1, y2, x2)
