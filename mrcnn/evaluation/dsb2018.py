"""The score of the Data Science Bowl 2018, a competition in finding nuclei.

Source: the competition's page, Evaluation: at each IoU t of 0.50, 0.55 ... 0.95,
TP(t) / (TP(t) + FP(t) + FN(t)); the mean over t, then over images. Classes don't count.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from mrcnn.evaluation.overlaps import record_overlaps
from mrcnn.evaluation.records import ImageRecord, compact_all
from mrcnn.geometry.arguments import as_number

THRESHOLDS = tuple(round(0.5 + 0.05 * i, 2) for i in range(10))
"""The IoUs of the score. An overlap has to be greater, by the competition's rule."""


class DsbEvaluation(NamedTuple):
    """The score of the Data Science Bowl 2018, and what it consists of.

    Attributes:
        score: mean over images, ratio; nan without images.
        per_image: image id -> its score.
        per_threshold: IoU -> mean over images of TP / (TP + FP + FN).
    """

    score: float
    per_image: dict[Any, float]
    per_threshold: dict[float, float]


def dsb_evaluate(
    records: Iterable[dict | ImageRecord],
    score_threshold: float = 0.5,
    kind: str = "segm",
) -> DsbEvaluation:
    """Returns the score of the Data Science Bowl 2018 for a set of images.

    Pairs are made from the greatest IoU down, each object and each detection once:
    where objects don't overlap there is one way only. Crowds are no objects, and a
    detection that finds none is no mistake if more than half of it lies on a crowd.

    Args:
        records: as `mrcnn.evaluation.records.compact` describes.
        score_threshold: detections below this probability are left out; the measure
            has no ranking.
        kind: "segm", or "bbox" to compare boxes.

    Raises:
        ValueError: an image id twice, or no masks to compare.

    Example:
        >>> mask = np.ones([4, 4, 1], bool)
        >>> half = mask.copy()
        >>> half[:1] = False  # IoU 0.75: greater than 0.50, 0.55, 0.60, 0.65, 0.70
        >>> image = {"image_id": 1, "height": 4, "width": 4}
        >>> truth = {"gt_masks": mask, "gt_class_ids": [1]}
        >>> found = {"masks": half, "rois": [1, 0, 4, 4], "class_ids": [1]}
        >>> dsb_evaluate([{**image, **truth, **found, "scores": [0.9]}]).score
        0.5
    """
    per_image, rows = {}, []
    score_threshold = as_number(score_threshold, "dsb_evaluate(score_threshold)")
    for record in compact_all(records, "dsb_evaluate"):
        overlaps = record_overlaps(record, kind)[record.scores >= score_threshold]
        on_crowd = (overlaps[:, record.gt_is_crowd] > 0.5).any(axis=1)
        rows.append(_precisions(overlaps[:, ~record.gt_is_crowd], on_crowd))
        per_image[record.image_id] = float(np.mean(rows[-1]))
    means = np.mean(rows, axis=0) if rows else np.full(len(THRESHOLDS), math.nan)
    return DsbEvaluation(
        float(np.mean(means)),
        per_image,
        dict(zip(THRESHOLDS, means.tolist(), strict=True)),
    )


def _precisions(overlaps: np.ndarray, on_crowd: np.ndarray) -> list[float]:
    """Returns TP / (TP + FP + FN) at each threshold.

    Args:
        overlaps: float [N, G], IoU.
        on_crowd: bool [N], detections that aren't false when they find nothing.
    """
    num_found, num_objects = overlaps.shape
    pairs = np.argwhere(overlaps > THRESHOLDS[0])
    order = np.argsort(-overlaps[tuple(pairs.T)], kind="stable")
    best = np.zeros(num_found)  # IoU with the object that each detection has
    used = np.zeros(num_objects, bool)
    for i, j in pairs[order].tolist():
        if not best[i] and not used[j]:
            best[i], used[j] = overlaps[i, j], True
    values = []
    for threshold in THRESHOLDS:
        is_right = best > threshold
        right, false = int(is_right.sum()), int((~is_right & ~on_crowd).sum())
        judged = num_objects + false  # TP + FN, and FP
        values.append(right / judged if judged else 1.0)
    return values
