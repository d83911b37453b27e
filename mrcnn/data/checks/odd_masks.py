"""Finds masks that are read as they are stored, but probably show something else."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import cv2
import numpy as np

from mrcnn.data.checks.object_problems import FoundObject
from mrcnn.data.checks.validation_report import Problem
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.crops import Crop, crop_boxes, part_in

# A background that was taken for an object has so much of the image and its border ...
BACKGROUND_AREA, BACKGROUND_BORDER = 0.5, 0.75
# ... or, where objects lie on the border, so much of the image.
NEARLY_ALL = 0.9
# Parts of an object count that have this share of its largest part; they lie apart when
# the gap is this share of the smaller one's side. In COCO and VOC, where objects hide
# others, less than one object of twenty has two such parts, or three of any distance.
PART_SHARE, GAP_SHARE, FAR_PARTS, MANY_PARTS = 0.1, 0.5, 2, 3
# Share of scattered objects from which a data set is told of them.
SCATTERED_SHARE = 0.2
# Objects that lie in one another, or thin ones around the same place: cell, nucleus and
# nucleolus are three.
MIN_RINGS, RING_IOU, MIN_RING_AREA = 4, 0.5, 4


def odd_masks(found: Sequence[FoundObject], shape) -> Iterator[Problem]:
    """Yields objects that may be the background, and images with a mask's soft edges.

    Args:
        found: objects of an image, no crowds, each with a pixel.
        shape: (height, width) of the image, orig.
    """
    for item in found:
        # Nobody draws the background by an outline; a large thing, many do.
        is_drawn = item.shape is not None and item.shape.extent() is not None
        if not is_drawn and _is_background(item.crop, shape):
            share = item.crop.area / (shape[0] * shape[1])
            text = (
                f"covers {100 * share:.0f} % of the image and touches all four borders"
            )
            yield item.problem("turned-over mask", text)
    crops = [item.crop for item in found if item.crop.area >= MIN_RING_AREA]
    rings = 0
    if len(crops) >= MIN_RINGS:
        rings = max(_nesting(crops), _thin_rings(crops))
    if rings >= MIN_RINGS:
        text = f"has {rings} objects that lie around one another like rings"
        yield found[0].image.problem("nested rings", text)


def scattered_objects(found: Sequence[FoundObject]) -> Iterator[Problem]:
    """Yields the objects that have several parts with much room between them.

    Args:
        found: objects of an image, no crowds, each with a pixel.
    """
    for item in found:
        parts = _parts(item.crop.mask)
        far = _far_parts(parts)
        if far >= FAR_PARTS or len(parts) >= MANY_PARTS:
            yield item.problem("scattered object", f"has {len(parts)} parts")


def told_scattered(problems: Sequence[Problem], num_objects: int) -> list[Problem]:
    """Returns the scattered objects of a data set, [] if they are the exception.

    Args:
        problems: of `scattered_objects`.
        num_objects: that were looked at.
    """
    return list(problems) if len(problems) >= SCATTERED_SHARE * num_objects else []


def _is_background(crop: Crop, shape) -> bool:
    """Returns True for an object on all four borders that fills most of an image."""
    height, width = shape
    if crop.box != (0, 0, height, width):
        return False
    mask, share = crop.mask, crop.area / (height * width)
    border = np.concatenate([mask[0], mask[-1], mask[:, 0], mask[:, -1]]).mean()
    return share >= NEARLY_ALL or (
        share >= BACKGROUND_AREA and border >= BACKGROUND_BORDER
    )


def _parts(mask: np.ndarray) -> np.ndarray:
    """Returns (x, y, width, height, area) of each large connected part, px [n, 5]."""
    _, _, stats, _ = cv2.connectedComponentsWithStats(mask.astype(np.uint8))
    stats = stats[1:]  # 0 is what is not of the object
    return stats[stats[:, 4] >= PART_SHARE * stats[:, 4].max()]


def _far_parts(parts: np.ndarray) -> int:
    """Returns how many parts lie apart from all others."""
    x, y, width, height, area = parts.T
    gap_x = np.maximum(x[:, None] - (x + width)[None], 0)
    gap_y = np.maximum(y[:, None] - (y + height)[None], 0)
    gap = np.maximum(np.maximum(gap_x, gap_x.T), np.maximum(gap_y, gap_y.T))
    side = np.sqrt(np.minimum(area[:, None], area[None]))
    is_far = (gap >= GAP_SHARE * side) | np.eye(len(parts), dtype=bool)
    return int(is_far.all(axis=1).sum())


def _thin_rings(crops: Sequence[Crop]) -> int:
    """Returns how many objects are lines around one place, if that is most of them."""
    square = np.ones([3, 3], np.uint8)
    outside = {"borderType": cv2.BORDER_CONSTANT, "borderValue": 0}
    thin = [
        crop
        for crop in crops
        if not cv2.erode(crop.mask.astype(np.uint8), square, **outside).any()
    ]
    if len(thin) < MIN_RINGS or 2 * len(thin) < len(crops):
        return 0
    boxes = crop_boxes(thin).astype(np.float32)
    overlaps = compute_overlaps(boxes, boxes) - np.eye(len(boxes))
    return int((overlaps.max(axis=1) >= RING_IOU).sum())


def _nesting(crops: Sequence[Crop]) -> int:
    """Returns how many objects lie in one another, each in a hole of the last."""
    crops = sorted(crops, key=lambda crop: -crop.mask.size)
    boxes = crop_boxes(crops)
    is_inside = (boxes[:, None, :2] > boxes[None, :, :2]).all(axis=2)
    is_inside &= (boxes[:, None, 2:] < boxes[None, :, 2:]).all(axis=2)
    depths, holes = [], {}
    for i, crop in enumerate(crops):
        depth = 1
        for outer in np.flatnonzero(is_inside[i]).tolist():
            if outer not in holes:
                holes[outer] = Crop(crops[outer].box, _holes(crops[outer].mask))
            if (
                depths[outer] >= depth
                and part_in(holes[outer], crop.box)[crop.mask].all()
            ):
                depth = depths[outer] + 1
        depths.append(depth)
    return max(depths)


def _holes(mask: np.ndarray) -> np.ndarray:
    """Returns the pixels that an object encloses: bool [h, w]."""
    free = np.pad(~mask, 1, constant_values=True).astype(np.uint8)
    _, numbers = cv2.connectedComponents(free, connectivity=4)
    is_outside = numbers == numbers[0, 0]
    return (~is_outside & (free > 0))[1:-1, 1:-1]
