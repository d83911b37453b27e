"""How good the detections are, in NumPy and pycocotools.

    result = evaluate(model, dataset)
    result["segm"]["AP"], print(result.table()), result.to_json("scores.json")

`coco` computes COCO's figures with pycocotools, `voc` those of Pascal VOC, `dsb2018`
the score of the Data Science Bowl 2018, `confusion` which class was taken for which;
`records` says what they all read. `matches` pairs detections with objects and computes
AP and recall of one image, for looking into it.
"""

from __future__ import annotations

from mrcnn.evaluation.coco import (
    METRICS,
    CocoEvaluation,
    coco_evaluation,
    coco_metrics,
    evaluate_detections,
    format_metrics,
)
from mrcnn.evaluation.coco_format import masks_to_rles, to_coco_ground_truth
from mrcnn.evaluation.confusion import confusion_matrix
from mrcnn.evaluation.curves import Curve, precision_recall_curve, rank
from mrcnn.evaluation.dataset_records import dataset_records, truth_record
from mrcnn.evaluation.dsb2018 import DsbEvaluation, dsb_evaluate, dsb_score
from mrcnn.evaluation.evaluator import evaluate, score_cut
from mrcnn.evaluation.matches import (
    compute_ap,
    compute_ap_range,
    compute_matches,
    compute_recall,
)
from mrcnn.evaluation.records import ImageRecord, compact
from mrcnn.evaluation.report import EvaluationResult
from mrcnn.evaluation.voc import VocEvaluation, voc_ap, voc_evaluate

__all__ = [
    "METRICS",
    "CocoEvaluation",
    "Curve",
    "DsbEvaluation",
    "EvaluationResult",
    "ImageRecord",
    "VocEvaluation",
    "coco_evaluation",
    "coco_metrics",
    "compact",
    "compute_ap",
    "compute_ap_range",
    "compute_matches",
    "compute_recall",
    "confusion_matrix",
    "dataset_records",
    "dsb_evaluate",
    "dsb_score",
    "evaluate",
    "evaluate_detections",
    "format_metrics",
    "masks_to_rles",
    "precision_recall_curve",
    "rank",
    "score_cut",
    "to_coco_ground_truth",
    "truth_record",
    "voc_ap",
    "voc_evaluate",
]
