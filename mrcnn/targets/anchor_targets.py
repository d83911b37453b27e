"""Targets of the RPN for the anchors of one image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.boxes import DELTA_STD_DEV, box_refinement
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.targets.box_matching import AnchorGroups, match_boxes


class AnchorTargets(NamedTuple):
    """Targets of the RPN for one image.

    Attributes:
        match: int32 [A], 1 object, -1 background, 0 carries no loss.
        deltas: float32 [num_samples, (dy, dx, log dh, log dw)] / std dev. Row i belongs
            to the i-th positive anchor in anchor order; the rest is zero.
    """

    match: np.ndarray
    deltas: np.ndarray


def anchor_targets(
    anchors_px: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes_px: np.ndarray,
    image_shape: Sequence[int],
    *,
    rng: np.random.Generator,
    num_samples: int = 256,
    bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    groups: AnchorGroups | None = None,
) -> AnchorTargets:
    """Returns which anchors are sampled for the RPN losses and their deltas.

    Faster R-CNN (arXiv:1506.01497) sec. 3.1.3: `num_samples` anchors an image, at most
    half of them positive, the rest filled with negatives.

    IoU is measured in px. Deltas are encoded in the norm frame, in which the proposals
    are decoded, so that `decode(anchor, delta)` gives the gt box exactly.

    Args:
        anchors_px: float [A, (y1, x1, y2, x2)], px.
        gt_class_ids: int [G], negative = crowd, 0 = padding.
        gt_boxes_px: [G, (y1, x1, y2, x2)], px.
        image_shape: (height, width, ...) of the padded model image, px.
        rng: source of the random choice among too many candidates.
        num_samples: anchors that carry loss.
        bbox_std_dev: the deltas are divided by these four numbers.
        positive_iou: ratio from which an anchor is positive.
        negative_iou: ratio below which an anchor is negative.
        groups: `box_matching.group_anchors(anchors_px)`, where the same anchors are
            used for many images.

    Returns:
        AnchorTargets(match, deltas).
    """
    is_object = gt_class_ids > 0
    object_boxes_px = gt_boxes_px[is_object]
    match, gt_ix = match_boxes(
        anchors_px,
        object_boxes_px,
        positive_iou,
        negative_iou,
        gt_boxes_px[gt_class_ids < 0],
        groups=groups,
    )

    _keep_random(match, 1, num_samples // 2, rng)
    positive_ix = np.flatnonzero(match == 1)
    _keep_random(match, -1, num_samples - len(positive_ix), rng)

    deltas = np.zeros((num_samples, 4), np.float32)
    if len(positive_ix):
        shape = image_shape[:2]
        anchors_norm = norm_boxes(anchors_px[positive_ix], shape)
        gt_norm = norm_boxes(object_boxes_px[gt_ix[positive_ix]], shape)
        deltas[: len(positive_ix)] = box_refinement(anchors_norm, gt_norm)
        deltas /= np.asarray(bbox_std_dev, np.float32)
    return AnchorTargets(match, deltas)


def _keep_random(
    match: np.ndarray, label: int, count: int, rng: np.random.Generator
) -> None:
    """Makes all but `count` random anchors with this label neutral (in place)."""
    candidates = np.flatnonzero(match == label)
    surplus = len(candidates) - count
    if surplus > 0:
        match[rng.choice(candidates, surplus, replace=False)] = 0
