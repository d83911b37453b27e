"""Curves of precision over recall."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.coco import CocoEvaluation
from mrcnn.evaluation.overlaps import by_score
from mrcnn.geometry.arguments import as_numbers, as_whole


class Curve(NamedTuple):
    """Precision, recall and score of a ranking, cut after each detection.

    Attributes:
        precision: float64 [n], ratio.
        recall: float64 [n], ratio, never falling.
        scores: float64 [n], probability, never rising.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray


def rank(scores: np.ndarray, is_right: np.ndarray, num_objects: int) -> Curve:
    """Returns the curve of detections from the surest to the least sure.

    precision = right / all, recall = right / objects, after each detection. It isn't
    smoothed; the measures that smooth it (COCO, VOC) do that themselves.

    Args:
        scores: float [n], probability, in any order.
        is_right: bool [n]; with a score of NaN a detection is ranked last, and wrong.
        num_objects: objects to find. 0 gives a recall of nan.

    Example:
        >>> curve = rank(np.array([0.5, 0.9]), np.array([True, False]), 2)
        >>> curve.precision.tolist(), curve.recall.tolist()
        ([0.0, 0.5], [0.0, 0.5])
    """
    scores = as_numbers(scores, "rank(scores)", np.float64).reshape(-1)
    is_right = as_numbers(is_right, "rank(is_right)", bool).reshape(-1)
    num_objects = as_whole(num_objects, "rank(num_objects)", low=0)
    if len(scores) != len(is_right):
        raise ValueError(
            f"rank(scores, is_right): {len(scores)} and {len(is_right)} values; give "
            "one of each a detection."
        )
    order = by_score(scores)
    is_right = is_right & ~np.isnan(scores)
    right = np.cumsum(is_right[order])
    precision = right / np.arange(1, len(order) + 1)
    recall = right / num_objects if num_objects else np.full(len(order), np.nan)
    return Curve(precision, recall, scores[order])


def precision_recall_curve(
    evaluation: CocoEvaluation, class_id: int | None = None, iou: float = 0.5
) -> Curve:
    """Returns COCO's curve at its 101 recalls; its mean precision is the AP.

    Args:
        evaluation: of `coco_evaluation`.
        class_id: one class; None is the mean over the classes that have objects, as in
            COCO's AP (scores are then the mean, too).
        iou: one of 0.50, 0.55 ... 0.95.

    Returns:
        Curve(precision, recall, scores), each float64 [101]; precision is the best at
        this recall or a higher one, and 0 beyond the highest recall reached. All nan
        for a class without objects.

    Raises:
        ValueError: no such IoU or class in the evaluation.
    """
    t = int(np.argmin(np.abs(evaluation.ious - iou)))
    if abs(evaluation.ious[t] - iou) > 1e-6:
        raise ValueError(
            f"precision_recall_curve(iou={iou}): COCO measures at 0.50, 0.55 ... 0.95."
        )
    if class_id is None:
        has_objects = ~np.isnan(evaluation.precision[t, 0])
        if not has_objects.any():
            nothing = np.full(len(evaluation.recalls), np.nan)
            return Curve(nothing, evaluation.recalls.copy(), nothing.copy())
        columns = np.flatnonzero(has_objects)
    elif class_id in evaluation.class_ids:
        columns = [evaluation.class_ids.index(class_id)]
    else:
        raise ValueError(
            f"precision_recall_curve(class_id={class_id}): not evaluated; those are "
            f"{list(evaluation.class_ids)}."
        )
    return Curve(
        evaluation.precision[t][:, columns].mean(axis=1),
        evaluation.recalls.copy(),
        evaluation.scores[t][:, columns].mean(axis=1),
    )
