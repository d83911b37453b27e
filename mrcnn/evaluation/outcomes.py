"""Which detections of one image take which objects, and what is left over."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import compress
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.overlaps import by_score, match_in_order
from mrcnn.geometry.arguments import as_list, as_number, as_numbers
from mrcnn.geometry.crops import Crop, crop_overlaps, shared_areas

UNMATCHED = -1
"""Mark of a detection without an object, and of an object without a detection."""

IGNORED = -2
"""Mark of a detection that lies on a crowd: neither right nor wrong (COCO's rule)."""


class Outcomes(NamedTuple):
    """Objects found and missed, detections right and wrong, of one image.

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


def match_crops(
    overlaps: np.ndarray,
    pred: Sequence[Crop],
    pred_class_ids: np.ndarray,
    gt: Sequence[Crop],
    gt_class_ids: np.ndarray,
    iou_threshold: float,
) -> np.ndarray:
    """Returns the object that each detection takes, in the order of the rows.

    COCO's rule: each takes, of the free objects of its class, the one that it overlaps
    the most, if that is at least `iou_threshold`.

    Args:
        overlaps: float32 [N, G], IoU of detections and objects.
        pred: N detections, the surest first.
        pred_class_ids: int [N].
        gt: G objects.
        gt_class_ids: int [G], negative is a crowd, which no detection can take.
        iou_threshold: ratio.

    Returns:
        int [N], row of the object; UNMATCHED for none, or IGNORED for a detection of
        which at least `iou_threshold` lies on one crowd of its class.
    """
    is_crowd = gt_class_ids < 0
    same_class = pred_class_ids[:, None] == np.abs(gt_class_ids)
    matches = match_in_order(overlaps, same_class & ~is_crowd, iou_threshold)
    areas = np.array([[max(crop.area, 1)] for crop in pred]).reshape(-1, 1)
    shares = shared_areas(pred, [*compress(gt, is_crowd)]) / areas
    is_on = same_class[:, is_crowd] & (shares >= iou_threshold)
    matches[(matches == UNMATCHED) & is_on.any(axis=1)] = IGNORED
    return matches


def find_outcomes(
    gt: Sequence[Crop],
    gt_class_ids: np.ndarray,
    pred: Sequence[Crop],
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> Outcomes:
    """Returns what was found, missed and detected wrongly, as `compute_matches` does.

    Args:
        gt: G objects; those without a pixel are padding.
        gt_class_ids: int [G], negative is a crowd.
        pred: N detections; those without a pixel are padding.
        pred_class_ids: int [N].
        pred_scores: float [N], probability.
        iou_threshold: least IoU of a match, ratio.
        score_threshold: detections below it are unsure, probability.
    """
    where = "find_outcomes"
    gt, pred = as_list(gt, f"{where}(gt)"), as_list(pred, f"{where}(pred)")
    for name, crops in (("gt", gt), ("pred", pred)):
        if not all(isinstance(crop, Crop) for crop in crops):
            raise TypeError(f"{where}({name}): Crops are needed, see crop_masks.")
    gt_class_ids = _column(gt_class_ids, len(gt), f"{where}(gt_class_ids)")
    pred_class_ids = _column(pred_class_ids, len(pred), f"{where}(pred_class_ids)")
    scores = _column(pred_scores, len(pred), f"{where}(pred_scores)")
    iou_threshold = as_number(iou_threshold, f"{where}(iou_threshold)")
    score_threshold = as_number(score_threshold, f"{where}(score_threshold)")
    # Class 0 takes part in nothing.
    gt_class_ids = np.where([crop.area > 0 for crop in gt], gt_class_ids, 0)
    order = [i for i in by_score(scores).tolist() if pred[i].area]
    sure = [i for i in order if scores[i] >= score_threshold]
    overlaps = crop_overlaps(pred, gt)
    matches = match_crops(
        overlaps[sure],
        [pred[i] for i in sure],
        pred_class_ids[sure],
        gt,
        gt_class_ids,
        iou_threshold,
    ).tolist()
    pairs = list(zip(sure, matches, strict=True))
    objects = np.flatnonzero(gt_class_ids > 0).tolist()
    return Outcomes(
        found=[(i, j) for i, j in pairs if j >= 0],
        missed=[j for j in objects if j not in matches],
        false=[i for i, j in pairs if j == UNMATCHED],
        ignored=[i for i, j in pairs if j == IGNORED],
        crowds=np.flatnonzero(gt_class_ids < 0).tolist(),
        unsure=[i for i in order if i not in sure],
        overlaps=overlaps,
    )


def _column(values, count: int, where: str) -> np.ndarray:
    """Returns one number for each object: [count]."""
    values = as_numbers(values, where).reshape(-1)
    if len(values) != count:
        raise ValueError(f"{where}: {len(values)} for {count} masks; give one a mask.")
    return values
