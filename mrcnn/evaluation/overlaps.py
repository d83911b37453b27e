"""Overlaps of detections and objects of one image, and greedy matching by them."""

from __future__ import annotations

import numpy as np

from mrcnn.evaluation.coco_format import boxes_to_xywh
from mrcnn.evaluation.records import ImageRecord, check_kinds


def record_overlaps(record: ImageRecord, kind: str) -> np.ndarray:
    """Returns the IoU of each detection with each object: float64 [N, G].

    For a crowd it is the part of the detection that lies on it (COCO's rule).

    Args:
        record: an ImageRecord.
        kind: "bbox" or "segm".

    Raises:
        ValueError: another kind, or "segm" and there are no masks.
    """
    from pycocotools import mask as mask_utils

    check_kinds(f"record_overlaps(kind={kind!r})", (kind,), (record,))
    shape = len(record.class_ids), len(record.gt_class_ids)
    if 0 in shape:
        return np.zeros(shape)
    if kind == "bbox":
        found, truth = boxes_to_xywh(record.boxes), boxes_to_xywh(record.gt_boxes)
    else:
        found, truth = record.rles, record.gt_rles
    crowds = record.gt_is_crowd.astype(np.uint8).tolist()
    return np.asarray(mask_utils.iou(found, truth, crowds)).reshape(shape)


def by_score(scores: np.ndarray) -> np.ndarray:
    """Returns the rows by falling scores, ties as they come: int64 [N]."""
    return np.argsort(-np.asarray(scores, np.float64), kind="stable")


def match_in_order(overlaps: np.ndarray, allowed: np.ndarray, iou: float) -> np.ndarray:
    """Returns the object that each detection takes, row after row: int64 [N].

    Each takes, of the free objects that it is allowed to take, the one that it overlaps
    the most, if that is at least `iou`; -1 is none.

    Args:
        overlaps: float [N, G], IoU.
        allowed: bool [N, G].
        iou: ratio.

    Example:
        >>> overlaps = np.array([[0.9, 0.6], [0.8, 0.1]])
        >>> match_in_order(overlaps, np.ones([2, 2], bool), 0.5).tolist()
        [0, -1]
    """
    matches = np.full(len(overlaps), -1)
    # As a Python float: IoUs of float32 are compared in float32, where 7 / 10 is 0.7.
    candidates = allowed & (overlaps >= float(iou))
    for i in np.flatnonzero(candidates.any(axis=1)):
        if candidates[i].any():
            matches[i] = np.argmax(np.where(candidates[i], overlaps[i], -1))
            candidates[:, matches[i]] = False
    return matches
