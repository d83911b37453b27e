"""Pascal VOC's average precision, of boxes or masks.

Source: Everingham et al., The Pascal Visual Object Classes (VOC) Challenge, IJCV 2010,
sec. 4.2, and the development kits: 11 points until 2009, the whole area since 2010.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.coco import mean_of_known
from mrcnn.evaluation.curves import Curve, rank
from mrcnn.evaluation.overlaps import by_score, record_overlaps
from mrcnn.evaluation.records import ImageRecord, compact_all, occurring_class_ids
from mrcnn.geometry.arguments import as_list, as_number, as_numbers, as_whole


class VocEvaluation(NamedTuple):
    """VOC's numbers.

    Attributes:
        mean_ap: mean over the classes that have objects, ratio; nan if none has.
        ap: class id -> ratio; nan for a class without objects to find.
        curves: class id -> its Curve.
        num_objects: class id -> objects to find, difficult ones and crowds left out.
    """

    mean_ap: float
    ap: dict[int, float]
    curves: dict[int, Curve]
    num_objects: dict[int, int]


def voc_ap(
    recall: np.ndarray, precision: np.ndarray, use_07_metric: bool = False
) -> float:
    """Returns the average precision of a curve, as VOC defines it: ratio.

    The area under the envelope (each precision replaced by the best at this recall or
    a higher one); or, as until 2009, the envelope's mean at the recalls 0, 0.1 ... 1.

    Args:
        recall: float [n], ratio, never falling, as `curves.rank` gives it.
        precision: float [n], ratio.
        use_07_metric: True for the 11 points of VOC 2007.

    Returns:
        The AP; 0.0 of an empty curve; nan where the recall is nan (no objects).

    Raises:
        ValueError: the two differ in length, or the recall falls.

    Example:
        >>> recall, precision = np.array([0.5, 1.0]), np.array([1.0, 0.5])
        >>> voc_ap(recall, precision)
        0.75
        >>> round(voc_ap(recall, precision, use_07_metric=True), 4)
        0.7727
    """
    recall = as_numbers(recall, "voc_ap(recall)", np.float64).reshape(-1)
    precision = as_numbers(precision, "voc_ap(precision)", np.float64).reshape(-1)
    if len(recall) != len(precision):
        raise ValueError(
            f"voc_ap(recall, precision): {len(recall)} and {len(precision)} values; "
            "give one precision a recall."
        )
    if np.isnan(recall).any():
        return math.nan
    if (np.diff(recall) < 0).any():
        raise ValueError(
            "voc_ap(recall): it falls; rank the detections by falling score first."
        )
    if use_07_metric:
        # 0.3 of a list of tenths isn't 3 / 10 in floating point: compare with a grain.
        points = np.linspace(0, 1, 11) - 1e-9
        best = [np.max(precision[recall >= point], initial=0.0) for point in points]
        return float(np.mean(best))
    envelope = np.maximum.accumulate(precision[::-1])[::-1]
    return float(np.sum(np.diff(recall, prepend=0.0) * envelope))


def voc_evaluate(
    records: Iterable[dict | ImageRecord],
    iou: float = 0.5,
    kind: str = "bbox",
    use_07_metric: bool = False,
    class_ids: Iterable[int] | None = None,
) -> VocEvaluation:
    """Returns VOC's AP of each class and their mean.

    The detections of a class are ranked over all images. Each goes to the object of
    its class that it overlaps the most: right if that is at least `iou` and no surer
    detection has the same object, else wrong (a second one is wrong even where another
    object is free: that is how VOC differs from COCO). Objects marked difficult are
    not to be found, and detections that go to them are left out. Crowds, which VOC
    doesn't have, are taken so too: a detection that reaches no object, and of which at
    least `iou` lies on a crowd of its class, is left out.

    Args:
        records: as `mrcnn.evaluation.records.compact` describes; `gt_difficult` marks
            the difficult ones.
        iou: ratio.
        kind: "bbox", or "segm" for masks (as Hariharan et al., ECCV 2014, measure).
        use_07_metric: True for the 11 points of VOC 2007.
        class_ids: the classes; None for those that occur.

    Raises:
        ValueError: an image id twice, or no masks to compare.
    """
    records = compact_all(records, "voc_evaluate")
    if class_ids is None:
        class_ids = occurring_class_ids(records)
    where = "voc_evaluate"
    iou = as_number(iou, f"{where}(iou)")
    class_ids = as_list(class_ids, f"{where}(class_ids)")
    class_ids = sorted({as_whole(i, f"{where}(class_ids)") for i in class_ids})
    rows: dict[int, list[tuple[float, bool]]] = {i: [] for i in class_ids}
    num_objects = dict.fromkeys(class_ids, 0)
    for record in records:
        overlaps = record_overlaps(record, kind)
        for class_id in class_ids:
            objects = np.flatnonzero(record.gt_class_ids == class_id)
            found = np.flatnonzero(record.class_ids == class_id)
            ignored = record.gt_is_difficult[objects] | record.gt_is_crowd[objects]
            num_objects[class_id] += int(np.sum(~ignored))
            rows[class_id] += _judge(record, overlaps, found, objects, iou)
    curves, ap = {}, {}
    for class_id, judged in rows.items():
        scores, is_right = np.array(judged).reshape(-1, 2).T
        curve = rank(scores, is_right, num_objects[class_id])
        curves[class_id], ap[class_id] = curve, math.nan
        if num_objects[class_id]:
            ap[class_id] = voc_ap(curve.recall, curve.precision, use_07_metric)
    mean_ap = mean_of_known(np.array(list(ap.values())))
    return VocEvaluation(mean_ap, ap, curves, num_objects)


def _judge(record, overlaps, found, objects, iou):
    """Returns (score, is right) of the detections of one class that count."""
    judged = []
    crowds = objects[record.gt_is_crowd[objects]]
    objects = objects[~record.gt_is_crowd[objects]]
    taken: set[int] = set()
    for i in found[by_score(record.scores[found])]:
        best = objects[np.argmax(overlaps[i, objects])] if len(objects) else -1
        if best >= 0 and overlaps[i, best] >= iou:
            if record.gt_is_difficult[best]:
                continue
            judged.append((record.scores[i], best not in taken))
            taken.add(best)
        elif not (overlaps[i, crowds] >= iou).any():
            judged.append((record.scores[i], False))
    return judged
