"""How well the anchors of a pyramid fit boxes, without making all anchors."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.anchors import anchor_sizes
from mrcnn.geometry.boxes import as_boxes


class AnchorFit(NamedTuple):
    """The best anchor of each box.

    Attributes:
        iou: float32 [N], its IoU with the box, ratio; 0 when no anchor touches it.
        level: int [N], its level, 0 for the finest.
        size_ix: int [N], which of `anchor_sizes` of that level it is.
    """

    iou: np.ndarray
    level: np.ndarray
    size_ix: np.ndarray


def fit_anchors(
    boxes_px,
    feature_shapes,
    *,
    scales: Sequence,
    ratios: Sequence[float],
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
) -> AnchorFit:
    """Returns the best of all anchors of the pyramid for each box.

    The IoU with an anchor of a given size falls with the distance of the centers, in
    each direction for itself; so of each size only the anchor whose center is nearest
    needs a look. Law: `iou` is the largest in the box's column of
    `compute_overlaps(generate_pyramid_anchors(...), boxes)`.

    Args:
        boxes_px: [N, (y1, x1, y2, x2)], px.
        feature_shapes: int [L, (height, width)] of the feature maps; or [N, L, 2],
            where boxes come from images of several sizes.
        scales: for each level a number, or a sequence of several, px.
        ratios: width / height.
        feature_strides: [L], px of the image for one cell of the map.
        anchor_stride: cells between two anchors.

    Returns:
        AnchorFit.
    """
    boxes = as_boxes(boxes_px, "fit_anchors(boxes_px)").astype(np.float64)
    low, high = boxes[:, np.newaxis, :2], boxes[:, np.newaxis, 2:]
    areas = np.prod(high - low, axis=-1)
    grid = np.broadcast_to(feature_shapes, (len(boxes), len(scales), 2))
    best = np.full(len(boxes), -1.0)
    level_of, size_of = np.zeros((2, len(boxes)), np.int64)
    for level, (scale, stride) in enumerate(zip(scales, feature_strides, strict=True)):
        step = stride * anchor_stride
        last = -(-grid[:, level] // anchor_stride) - 1
        centers = (boxes[:, :2] + boxes[:, 2:]) / 2
        nearest = np.clip(np.rint(centers / step), 0, last) * step
        sizes = anchor_sizes(scale, ratios)
        offsets = sizes / 2
        sides = np.minimum(high, nearest[:, np.newaxis] + offsets)
        sides -= np.maximum(low, nearest[:, np.newaxis] - offsets)
        shared = np.prod(np.maximum(sides, 0), axis=-1)
        ious = shared / (areas + np.prod(sizes, axis=-1) - shared)
        ix = ious.argmax(axis=1)
        iou = ious[np.arange(len(boxes)), ix]
        better = iou > best
        best[better], level_of[better] = iou[better], level
        size_of[better] = ix[better]
    return AnchorFit(np.maximum(best, 0).astype(np.float32), level_of, size_of)
