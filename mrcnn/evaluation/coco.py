"""COCO's average precision for boxes and masks, computed by pycocotools.

Scores must come uncut: AP integrates over the whole ranking, so what a detector leaves
out for its low score is missing at the end of the curve. `mrcnn.evaluation.evaluate`
sees to that; those who collect detections themselves lower DETECTION_MIN_CONFIDENCE.
"""

from __future__ import annotations

import contextlib
import io
import math
import warnings
from collections.abc import Iterable, Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.evaluation.coco_format import (
    rle_areas,
    to_coco_ground_truth,
    to_rle,
    xywh_box,
)
from mrcnn.evaluation.records import (
    KINDS,
    TITLES,
    check_kinds,
    coco_rows,
    compact_all,
    occurring_class_ids,
)
from mrcnn.geometry.arguments import as_number, as_rows

METRICS = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)
"""Names of pycocotools' twelve numbers, in its order.

With another `max_detections` than COCO's, AR100 is the AR at that number. Its name
stays: what reads the numbers needn't know.
"""

CLASS_METRICS = ("AP", "AP50", "AP75", "APs", "APm", "APl", "AR100")
"""Names of the numbers that `CocoEvaluation.per_class` has for each class."""

MAX_DETECTIONS = 100
"""Of a class and image; COCO's numbers leave out what comes after."""

_SIZES = {"s": 1, "m": 2, "l": 3}  # pycocotools' order of area ranges; 0 is all
_IOUS = {"AP50": 0, "AP75": 5}  # of 0.50, 0.55 ... 0.95


class CocoEvaluation(NamedTuple):
    """COCO's numbers and curves for one kind of overlap.

    Attributes:
        metrics: the twelve numbers by the names of METRICS, ratios; nan where there is
            no object to measure with.
        class_ids: the K classes, rising.
        per_class: class id -> numbers by the names of CLASS_METRICS, nan as above.
        ious: float64 [T], the thresholds 0.50, 0.55 ... 0.95.
        recalls: float64 [R], the points 0, 0.01 ... 1 of the curves.
        precision: float64 [T, R, K], best precision at this recall or a higher one,
            the `max_detections` surest of an image; nan for classes without objects.
        scores: float64 [T, R, K], score that a detection needs at this recall; 0 where
            the recall isn't reached, nan as above.
        max_detections: how many of a class and image, the surest, were looked at.
    """

    metrics: dict[str, float]
    class_ids: tuple[int, ...]
    per_class: dict[int, dict[str, float]]
    ious: np.ndarray
    recalls: np.ndarray
    precision: np.ndarray
    scores: np.ndarray
    max_detections: int = MAX_DETECTIONS


def coco_evaluation(
    ground_truth: dict[str, list[dict]],
    results: Sequence[dict],
    iou_type: str = "bbox",
    max_detections: int = MAX_DETECTIONS,
) -> CocoEvaluation:
    """Returns COCO's evaluation of results; prints nothing and changes no input.

    Args:
        ground_truth: a COCO dict with images, categories, annotations; the contents
            of an annotation file, or `to_coco_ground_truth`. Every image and category
            listed is evaluated.
        results: dicts with image_id, category_id, score and bbox (x, y, width, height)
            or segmentation (RLE), COCO's result format.
        iou_type: "bbox" or "segm", the overlap that counts.
        max_detections: of a class and image, the surest; the others are left out. 100
            is COCO's number, and that of all published APs. Where images hold more
            objects of a class, it keeps the recall below 1.

    Returns:
        The numbers, those of each class, and the curves. Small, medium and large are
        separated by the area of the annotation and by the area of the detected box
        ("bbox") or mask ("segm").

    Raises:
        ValueError: another iou_type, no whole number of detections, or results of
            images that aren't listed.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    check_kinds(f"coco_evaluation(iou_type={iou_type!r})", (iou_type,))
    check_limit("coco_evaluation", max_detections)
    where = "coco_evaluation"
    names = ("images", "categories", "annotations")
    (ground_truth,) = as_rows([ground_truth], f"{where}(ground_truth)", *names)
    truth_dict = to_coco_ground_truth(*(ground_truth[name] for name in names))
    shape = "bbox" if iou_type == "bbox" else "segmentation"
    keys = ("image_id", "category_id", "score", shape)
    results = as_rows(results, f"{where}(results)", *keys)
    images = {image["id"]: image for image in truth_dict["images"]}
    unknown = {result["image_id"] for result in results} - images.keys()
    if unknown:
        raise ValueError(
            f"coco_evaluation(results): {len(unknown)} image ids aren't in the ground "
            f"truth, {sorted(unknown, key=str)[0]!r} for one; evaluate results with "
            "the annotations of their own images."
        )
    results = _without_nan(results, iou_type)
    truth, found = COCO(), COCO()
    truth.dataset = truth_dict
    found.dataset = truth.dataset | {"annotations": _loaded(results, iou_type, images)}
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, iou_type)
        # Those of AR1 and AR10, and of all else.
        limits = [min(limit, int(max_detections)) for limit in (1, 10)]
        evaluation.params.maxDets = [*limits, int(max_detections)]
        evaluation.evaluate()
        evaluation.accumulate()
    return _read(evaluation)


def coco_metrics(
    ground_truth: dict[str, list[dict]],
    results: Sequence[dict],
    iou_type: str = "bbox",
    max_detections: int = MAX_DETECTIONS,
) -> dict[str, float]:
    """Returns COCO's twelve numbers for a list of results; see `coco_evaluation`.

    Returns:
        AP (mean over IoU 0.50:0.95), AP50, AP75, APs, APm, APl (small, medium and
        large objects), AR1, AR10, AR100 (at most so many detections an image; the last
        is at `max_detections`), ARs, ARm, ARl: ratios; nan where there is no object to
        measure with.
    """
    found = coco_evaluation(ground_truth, results, iou_type, max_detections)
    return found.metrics


def evaluate_detections(
    records: Iterable[dict], max_detections: int = MAX_DETECTIONS
) -> dict[str, dict[str, float]]:
    """Returns COCO's numbers for boxes and masks, from detections beside their truth.

    Records are read one at a time and kept as run lengths, so a generator over a large
    data set fits into memory.

    Args:
        records: a dict an image, as `mrcnn.evaluation.records.compact` describes.
        max_detections: of a class and image, see `coco_evaluation`.

    Returns:
        dict(bbox=..., segm=...) with the dicts of `coco_metrics`; "segm" is missing
        when a record holds no masks.

    Raises:
        ValueError: an image id twice, or counts that differ within a record.
    """
    check_limit("evaluate_detections", max_detections)
    kept = compact_all(records, "evaluate_detections")
    kinds = KINDS if all(record.has_masks for record in kept) else KINDS[:1]
    found = evaluate_records(kept, kinds, max_detections=max_detections)
    return {kind: evaluation.metrics for kind, evaluation in found.items()}


def evaluate_records(
    records, kinds=KINDS, class_ids=None, max_detections=MAX_DETECTIONS
) -> dict[str, CocoEvaluation]:
    """Returns COCO's evaluation by kind of overlap, of a list of ImageRecords.

    Args:
        records: ImageRecords.
        kinds: of "bbox" and "segm".
        class_ids: the classes to list; None for those that occur.
        max_detections: of a class and image, see `coco_evaluation`.

    Raises:
        ValueError: "segm" is asked for, and a record has no masks.
    """
    check_kinds(f"evaluate_records(kinds={tuple(kinds)})", kinds, records)
    images, annotations, results = coco_rows(records)
    if class_ids is None:
        class_ids = occurring_class_ids(records)
    truth = {
        "images": images,
        "categories": [{"id": int(i), "name": str(i)} for i in sorted(class_ids)],
        "annotations": annotations,
    }
    return {
        kind: coco_evaluation(truth, results, kind, max_detections) for kind in kinds
    }


def format_metrics(metrics: dict[str, dict[str, float]]) -> str:
    """Returns AP, AP50 and AP75 of `evaluate_detections` as a small table to print.

    Example:
        >>> print(format_metrics({"bbox": {"AP": 0.5, "AP50": 0.75, "AP75": 0.25}}))
                AP     AP50   AP75
        boxes   0.500  0.750  0.250
    """
    lines = ["        AP     AP50   AP75"]
    for kind, name in TITLES.items():
        if kind in metrics:
            row = (f"{metrics[kind][key]:.3f}" for key in METRICS[:3])
            lines.append(f"{name}   {'  '.join(row)}")
    return "\n".join(lines)


def check_limit(function: str, max_detections: int) -> None:
    """Raises ValueError unless the limit of detections is a whole number above 0."""
    if not (isinstance(max_detections, int | np.integer) and max_detections >= 1):
        raise ValueError(
            f"{function}(max_detections={max_detections!r}): a whole number, 1 or "
            "more; 100 is COCO's."
        )


def _without_nan(results, iou_type):
    """Returns the results whose score, and box if it counts, are numbers.

    pycocotools takes the others for hits: its comparisons with nan are all false.
    """
    fields = ("score", "bbox") if iou_type == "bbox" else ("score",)
    kept = [r for r in results if all(np.isfinite(r[field]).all() for field in fields)]
    if len(kept) < len(results):
        warnings.warn(
            f"coco_evaluation(results): {len(results) - len(kept)} of {len(results)} "
            f"have NaN or infinity in {' or '.join(fields)} and are left out, as no "
            "hits; check the weights of the model.",
            stacklevel=3,
        )
    return kept


def _loaded(results, iou_type, images):
    """Returns results as pycocotools keeps them, judged by boxes or by masks alone."""
    if iou_type == "bbox":
        where = "coco_evaluation(results): bbox"
        field, shapes = "bbox", [xywh_box(row["bbox"], where) for row in results]
        areas = [width * height for *_, width, height in shapes]
    else:
        field, shapes = "segmentation", []
        for result in results:
            image = images[result["image_id"]]
            size = image["height"], image["width"]
            shapes.append(to_rle(result["segmentation"], *size))
        areas = rle_areas(shapes).tolist()
    common = ("image_id", "category_id", "score")
    rows = zip(results, shapes, areas, strict=True)
    for result in results:
        as_number(result["score"], "coco_evaluation(results): score")
    return [
        {key: result[key] for key in common}
        | {field: shape, "area": area, "id": number, "iscrowd": 0}
        for number, (result, shape, area) in enumerate(rows, start=1)
    ]


def _read(evaluation) -> CocoEvaluation:
    """Returns what a COCOeval has accumulated, with nan for what it marks by -1."""
    # [T, R, K, area, detections] and [T, K, area, detections]; -1 is "no object".
    precision, recall, scores = (
        np.where(evaluation.eval[name] < 0, np.nan, evaluation.eval[name])
        for name in ("precision", "recall", "scores")
    )
    precision = precision[..., -1]
    class_ids = tuple(int(i) for i in evaluation.params.catIds)
    per_class = {}
    for k, class_id in enumerate(class_ids):
        numbers = _numbers(precision[:, :, [k]], recall[:, [k]])
        per_class[class_id] = {name: numbers[name] for name in CLASS_METRICS}
    return CocoEvaluation(
        _numbers(precision, recall),
        class_ids,
        per_class,
        np.asarray(evaluation.params.iouThrs),
        np.asarray(evaluation.params.recThrs),
        precision[..., 0],
        scores[..., 0, -1],
        evaluation.params.maxDets[-1],
    )


def _numbers(precision: np.ndarray, recall: np.ndarray) -> dict[str, float]:
    """Returns the twelve numbers by the names of METRICS.

    pycocotools' own summary has no AP of other than 100 detections.

    Args:
        precision: float64 [T, R, K, area].
        recall: float64 [T, K, area, detections], of 1, 10 and all that count.
    """
    numbers = {"AP": precision[..., 0]}
    numbers |= {name: precision[[t], ..., 0] for name, t in _IOUS.items()}
    numbers |= {f"AP{name}": precision[..., a] for name, a in _SIZES.items()}
    limits = ("AR1", "AR10", "AR100")
    numbers |= {name: recall[..., 0, m] for m, name in enumerate(limits)}
    numbers |= {f"AR{name}": recall[..., a, -1] for name, a in _SIZES.items()}
    return {name: mean_of_known(numbers[name]) for name in METRICS}


def mean_of_known(values: np.ndarray) -> float:
    """Returns the mean of the values that aren't nan; nan when all are."""
    there = values[~np.isnan(values)]
    return float(there.mean()) if len(there) else math.nan
