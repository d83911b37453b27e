"""Which anchors are object, which are background, and which stay out of the loss."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

# An anchor that shares more than this ratio (IoU) with a crowd is never background.
CROWD_IOU = 0.001


class AnchorMatch(NamedTuple):
    """Verdict on every anchor.

    Attributes:
        match: int32 [A], 1 object, -1 background, 0 neutral.
        gt_ix: int32 [A], the gt with the highest IoU (0 where there is none).
    """

    match: np.ndarray
    gt_ix: np.ndarray


def match_anchors(
    overlaps: np.ndarray,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    crowd_overlaps: np.ndarray | None = None,
) -> AnchorMatch:
    """Returns the label and the best gt of every anchor.

    Faster R-CNN (arXiv:1506.01497) sec. 3.1.2: an anchor is positive when its IoU with
    any gt reaches `positive_iou`, or when no anchor overlaps some gt more than it does;
    it is negative when it is not positive and its highest IoU is below `negative_iou`.
    Anchors over a crowd are neutral instead of negative: nobody knows what is there.

    An anchor that is positive only because it is the best one of a gt still regresses
    towards the gt it overlaps most, its `gt_ix`.

    Args:
        overlaps: float [A, G], IoU of anchors with gt boxes that are no crowds; G may
            be 0.
        positive_iou: ratio from which an anchor is positive.
        negative_iou: ratio below which an anchor is negative.
        crowd_overlaps: float [A, K], IoU of anchors with crowd boxes, or None.

    Returns:
        AnchorMatch(match, gt_ix).
    """
    num_anchors, num_gt = overlaps.shape
    if num_gt:
        gt_ix = overlaps.argmax(axis=1)
        best_iou = overlaps[np.arange(num_anchors), gt_ix]
    else:
        gt_ix = np.zeros(num_anchors, np.int32)
        best_iou = np.zeros(num_anchors, np.float32)

    is_negative = best_iou < negative_iou
    if crowd_overlaps is not None and crowd_overlaps.shape[1]:
        is_negative &= crowd_overlaps.max(axis=1) <= CROWD_IOU

    is_positive = best_iou >= positive_iou
    if num_gt and num_anchors:
        # Every gt gets its best anchors, ties included; a gt that no anchor touches
        # gets none (all anchors would be its "best").
        iou_of_gt = overlaps.max(axis=0)
        is_best = (overlaps == iou_of_gt) & (iou_of_gt > 0)
        is_positive |= is_best.any(axis=1)

    match = np.zeros(num_anchors, np.int32)
    match[is_negative] = -1
    match[is_positive] = 1
    return AnchorMatch(match, gt_ix.astype(np.int32))
