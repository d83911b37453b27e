"""How good the detections are, in NumPy and pycocotools.

    result = evaluate(model, dataset)
    result["segm"]["AP"], print(result.table()), result.to_json("scores.json")

`coco` computes COCO's figures with pycocotools, `voc` those of Pascal VOC, `dsb2018`
the score of the Data Science Bowl 2018, `confusion` which class was taken for which;
`records` describes what they all read. `matches` pairs detections with objects and
computes AP and recall of one image, for looking into it; `outcomes` lists which
objects of an image were found and missed.
"""

from __future__ import annotations

import lazy_loader

__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "coco": [
            "METRICS",
            "CocoEvaluation",
            "coco_evaluation",
            "coco_metrics",
            "evaluate_detections",
            "format_metrics",
        ],
        "coco_format": ["masks_to_rles", "to_coco_ground_truth", "to_rle"],
        "confusion": ["confusion_matrix"],
        "curves": ["Curve", "precision_recall_curve", "rank"],
        "dataset_records": ["dataset_records", "load_image_for", "truth_record"],
        "dsb2018": ["DsbEvaluation", "dsb_evaluate"],
        "evaluator": ["evaluate", "score_cut"],
        "matches": [
            "compute_ap",
            "compute_ap_range",
            "compute_matches",
            "compute_recall",
        ],
        "outcomes": ["Outcomes", "find_outcomes"],
        "records": ["ImageRecord", "compact"],
        "report": ["EvaluationResult"],
        "voc": ["VocEvaluation", "voc_ap", "voc_evaluate"],
    },
)
