"""Which objects of an image were found and missed, which detections made up."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.viz.mask_forms import Crop, aligned, crop_overlaps


class Fates(NamedTuple):
    """What became of the objects and the detections of one image.

    Attributes:
        found: (detection, object) of each match, the surest detection first.
        missed: objects that no detection took.
        false: detections that took no object, the surest first.
        ignored: detections that lie on a crowd, the surest first.
        crowds: objects that are crowds.
        unsure: detections below the score threshold; they take part in nothing.
        overlaps: float32 [N, G], IoU of detections and objects.
    """

    found: list[tuple[int, int]]
    missed: list[int]
    false: list[int]
    ignored: list[int]
    crowds: list[int]
    unsure: list[int]
    overlaps: np.ndarray


def find_fates(
    gt: Sequence[Crop],
    gt_class_ids: np.ndarray,
    pred: Sequence[Crop],
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Fates:
    """What became of all, by the rule of `mrcnn.utils.compute_matches`.

    Args:
        gt: G masks; those without a pixel are padding.
        gt_class_ids: int [G], negative is a crowd.
        pred: N masks; those without a pixel are padding.
        pred_class_ids: int [N].
        pred_scores: float [N], probability.
        iou_threshold: least IoU of a match, ratio.
        score_threshold: detections below it are unsure, probability.
    """
    gt_class_ids, scores = np.asarray(gt_class_ids), np.asarray(pred_scores)
    iou_threshold = float(iou_threshold)  # to be compared in float32, as there
    has_pixels = np.array([crop.mask.any() for crop in gt], bool)
    overlaps = crop_overlaps(pred, gt)
    free = (gt_class_ids > 0) & has_pixels
    crowds = np.flatnonzero((gt_class_ids < 0) & has_pixels).tolist()
    found, false, ignored, unsure = [], [], [], []
    for i in np.argsort(-scores, kind="stable").tolist():
        if not pred[i].mask.any():
            continue
        class_id = int(pred_class_ids[i])
        candidates = free & (gt_class_ids == class_id) & (overlaps[i] >= iou_threshold)
        if scores[i] < score_threshold:
            unsure.append(i)
        elif candidates.any():
            j = int(np.argmax(np.where(candidates, overlaps[i], -1)))
            free[j] = False
            found.append((i, j))
        else:
            own = [gt[j] for j in crowds if gt_class_ids[j] == -class_id]
            is_on_crowd = _covered(pred[i], own) >= iou_threshold
            (ignored if is_on_crowd else false).append(i)
    missed = np.flatnonzero(free).tolist()
    return Fates(found, missed, false, ignored, crowds, unsure, overlaps)


def _covered(crop, crowds):
    """The part of a mask that the fullest of the crowds covers."""
    shared = [np.count_nonzero(aligned(crop, crowd) & crop.mask) for crowd in crowds]
    return max(shared, default=0) / np.count_nonzero(crop.mask)
