"""Which classes a model confuses."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from mrcnn.evaluation.overlaps import by_score, match_in_order, record_overlaps
from mrcnn.evaluation.records import ImageRecord, compact_all, occurring_class_ids
from mrcnn.geometry.arguments import as_number, as_whole

MAX_CLASSES = 10_000  # a larger matrix takes gigabytes


def confusion_matrix(
    records: Iterable[dict | ImageRecord],
    num_classes: int | None = None,
    iou: float = 0.5,
    score: float = 0.5,
    kind: str = "bbox",
) -> np.ndarray:
    """Returns counts of (true class, detected class): int64 [C, C].

    Detections of at least `score` choose from the surest down. First each takes the
    object of its own class that it overlaps the most, so that a wrong label never
    takes an object from a right one; then those that got none take, of the objects
    left, the one they overlap the most, whatever its class. Row 0 counts detections
    without an object, column 0 objects without a detection; [0, 0] is 0. A detection
    without an object of which at least `iou` lies on a crowd isn't counted, nor is a
    crowd, nor an object that VOC calls difficult.

    Args:
        records: as `mrcnn.evaluation.records.compact` describes.
        num_classes: C, with the background; None is 1 + the highest class id.
        iou: least IoU of a pair, ratio.
        score: least probability.
        kind: "bbox" or "segm", what overlaps.

    Returns:
        Rows are true classes, columns detected ones.

    Raises:
        ValueError: a class id that isn't below num_classes, an image id twice, or no
            masks to compare.
    """
    records = compact_all(records, "confusion_matrix")
    highest = max(occurring_class_ids(records), default=0)
    iou = as_number(iou, "confusion_matrix(iou)")
    score = as_number(score, "confusion_matrix(score)")
    if num_classes is None:
        num_classes = highest + 1
    num_classes = as_whole(num_classes, "confusion_matrix(num_classes)", 1, MAX_CLASSES)
    if highest >= num_classes:
        raise ValueError(
            f"confusion_matrix(num_classes={num_classes}): there is a class id "
            f"{highest}; count all classes and the background."
        )
    matrix = np.zeros((num_classes, num_classes), np.int64)
    for record in records:
        true, detected = _pairs(record, record_overlaps(record, kind), iou, score)
        np.add.at(matrix, (true, detected), 1)
    return matrix


def _pairs(record, overlaps, iou, score):
    """Returns (true class ids, detected class ids) of one image, 0 for none."""
    rows = by_score(record.scores)
    rows = rows[record.scores[rows] >= score]
    overlaps, class_ids = overlaps[rows], record.class_ids[rows]
    is_object = ~record.gt_is_crowd
    same_class = class_ids[:, None] == record.gt_class_ids
    matches = match_in_order(overlaps, same_class & is_object, iou)
    left, free = matches < 0, is_object.copy()
    free[matches[~left]] = False
    matches[left] = match_in_order(overlaps[left], free, iou)
    free[matches[matches >= 0]] = False

    # Row -1, of those that match nothing, is background.
    true = np.append(record.gt_class_ids, 0)[matches]
    to_difficult = np.append(record.gt_is_difficult, False)[matches]
    on_crowd = (overlaps[:, record.gt_is_crowd] >= iou).any(axis=1)
    counted = ~to_difficult & ~((matches < 0) & on_crowd)
    missed = record.gt_class_ids[free & ~record.gt_is_difficult]
    return (
        np.concatenate([true[counted], missed]),
        np.concatenate([class_ids[counted], np.zeros(len(missed), np.int64)]),
    )
