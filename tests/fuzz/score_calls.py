"""The functions of `mrcnn.evaluation` and `mrcnn.data`, with right arguments."""

from __future__ import annotations

import functools

import numpy as np

from mrcnn import data, evaluation, utils
from mrcnn.geometry import masks
from tests.data.photos import Photos, config_of
from tests.fuzz.array_calls import HEIGHT, WIDTH, a_mask
from tests.fuzz.calls import Call, call_case

RECORD_READERS = ("evaluate_detections", "voc_evaluate", "dsb_evaluate")
RECORD_READERS += ("confusion_matrix",)


def a_config(**settings):
    return config_of(RPN_ANCHOR_SCALES=(8, 16, 32, 64, 128), **settings)


def records() -> list[dict]:
    mask, scores = a_mask(), np.array([0.9, 0.8, 0.7])
    boxes, ids = utils.extract_bboxes(mask), np.array([1, 2, 1])
    record = {"image_id": 1, "height": HEIGHT, "width": WIDTH}
    record |= {"gt_class_ids": ids, "gt_boxes": boxes, "gt_masks": mask}
    return [record | {"rois": boxes, "class_ids": ids, "scores": scores, "masks": mask}]


@functools.cache
def score_calls() -> dict[str, Call]:
    mask, rows, dataset = a_mask(), records(), Photos()
    crops, ids = masks.crop_masks(mask), np.array([1, 2, 1])
    scores, config = np.array([0.9, 0.8, 0.7]), a_config()
    truth = {"gt": crops, "gt_class_ids": ids}
    found = {"pred": crops, "pred_class_ids": ids, "pred_scores": scores}
    rings = [[3, 3, 20, 4, 9, 20]]
    image = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
    size = {"height": HEIGHT, "width": WIDTH}
    detections = [{"rois": rows[0]["rois"], "class_ids": ids, "scores": scores}]
    detections[0]["masks"] = mask
    gt = {
        "images": [{"id": 1, **size}],
        "categories": [{"id": 1, "name": "leaf"}],
        "annotations": [{"id": 1, "image_id": 1, "category_id": 1, "iscrowd": 0}],
    }
    gt["annotations"][0] |= {"bbox": [3, 3, 9, 9], "segmentation": rings, "area": 90}
    results = [{"image_id": 1, "category_id": 1, "bbox": [3, 3, 9, 9], "score": 0.5}]
    lists = {
        evaluation.find_outcomes: {**truth, **found, "iou_threshold": 0.5},
        evaluation.evaluate_detections: {"records": rows, "max_detections": 100},
        evaluation.coco_metrics: {"ground_truth": gt, "results": results},
        evaluation.voc_ap: {"recall": scores[::-1], "precision": scores},
        evaluation.voc_evaluate: {"records": rows, "iou": 0.5, "kind": "bbox"},
        evaluation.dsb_evaluate: {"records": rows, "score_threshold": 0.5},
        evaluation.confusion_matrix: {"records": rows, "num_classes": 3, "iou": 0.5},
        evaluation.rank: {"scores": scores, "is_right": ids > 1, "num_objects": 3},
        evaluation.masks_to_rles: {"masks": mask},
        evaluation.to_rle: {"segmentation": rings, **size},
        evaluation.to_coco_ground_truth: gt,
        evaluation.truth_record: {
            **{"dataset": dataset, "image_id": 1, "height": 150, "width": 210}
        },
        data.polygon_mask: {
            "regions": [
                {
                    "name": "polygon",
                    "all_points_x": [1, 9, 9],
                    "all_points_y": [1, 1, 9],
                }
            ],
            **size,
        },
        data.load_image_gt: {"dataset": dataset, "config": config, "image_id": 1},
        data.feature_shapes: {"config": config, "image_shape": (128, 128, 3)},
        data.pixel_anchors: {"config": config, "image_shape": (128, 128, 3)},
        data.to_coco: {"dataset": dataset, "image_ids": [1, 2], "segmentation": "rle"},
        data.detections_to_coco: {"results": detections, "image_ids": [1]},
        data.anchor_report: {"dataset": dataset, "config": config},
        data.augment: {
            **{"image": image, "mask": mask, "class_ids": ids},
            **{"augmentation": _mirror, "rng": np.random.default_rng(0)},
        },
        data.match_subset: {"names": ["train", "val"], "subset": "val"},
        draw_polygons: {"rings": rings},
        draw_polyline: {"points": rings[0], "line_width": 2.0},
        draw_rectangle: {"y1": 1, "x1": 2, "y2": 9, "x2": 9.5},
        draw_ellipse: {"cy": 9, "cx": 9, "ry": 4.5, "rx": 3, "angle": 0.3},
        draw_rle: {"counts": [10, 20, HEIGHT * WIDTH - 30]},
        add_to_dataset: {
            "source": "a",
            "class_id": 1,
            "class_name": "leaf",
            "image_id": "i",
            "path": "a.png",
        },
    }
    also = {
        "draw_polygons": ("Polygons",),
        "draw_polyline": ("Polyline",),
        "draw_rectangle": ("Rectangle",),
        "draw_ellipse": ("Ellipse",),
        "draw_rle": ("Rle", "read_counts("),
        "add_to_dataset": ("add_class(", "add_image(", "prepare(", "load_mask("),
        "coco_metrics": ("coco_evaluation(", "to_coco_ground_truth(", "to_rle("),
        "pixel_anchors": ("feature_shapes(", "anchor_values("),
        "truth_record": ("load_mask(", "image_size(", "drawn_objects("),
        "anchor_report": ("feature_shapes(", "anchor_values("),
        "load_image_gt": ("(image id ", "load_image(", "load_mask(", "plan_resize("),
        # Of one record, its image is what has to be named.
        **dict.fromkeys(RECORD_READERS, ("record(", "record_overlaps(")),
    }
    return {
        function.__name__: Call(function, arguments, also.get(function.__name__, ()))
        for function, arguments in lists.items()
    }


def _mirror(image, mask, rng):
    return image[:, ::-1], mask[:, ::-1]


def draw_polygons(rings):
    return data.Polygons.from_xy(rings).crop(HEIGHT, WIDTH)


def draw_polyline(points, line_width):
    return data.Polyline.from_xy(points, line_width).crop(HEIGHT, WIDTH)


def draw_rectangle(y1, x1, y2, x2):
    return data.Rectangle(y1, x1, y2, x2).crop(HEIGHT, WIDTH)


def draw_ellipse(cy, cx, ry, rx, angle):
    return data.Ellipse(cy, cx, ry, rx, angle).crop(HEIGHT, WIDTH)


def draw_rle(counts):
    return data.Rle(counts).crop(HEIGHT, WIDTH)


def add_to_dataset(source, class_id, class_name, image_id, path):
    dataset = data.Dataset()
    dataset.add_class(source, class_id, class_name)
    dataset.add_image(source, image_id, path)
    dataset.prepare()
    dataset.image_reference(0)
    return dataset.load_mask(0)


KINDS = {"scores": functools.partial(call_case, calls=score_calls)}
