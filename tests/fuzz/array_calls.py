"""The functions of `mrcnn.utils` and `mrcnn.geometry`, with right arguments."""

from __future__ import annotations

import functools

import numpy as np

from mrcnn import utils
from mrcnn.geometry import anchors, boxes, coordinates, images, masks
from mrcnn.geometry.image_meta import compose_image_meta, parse_image_meta
from mrcnn.geometry.resize_plan import plan_resize
from tests.fuzz.calls import Call, call_case

HEIGHT, WIDTH = 24, 30


def a_mask(count: int = 3) -> np.ndarray:
    mask = np.zeros([HEIGHT, WIDTH, count], bool)
    for i in range(count):
        mask[2 + 5 * i : 12 + 5 * i, 3 + 4 * i : 20 + i, i] = True
    return mask


@functools.cache
def array_calls() -> dict[str, Call]:
    mask = a_mask()
    box = utils.extract_bboxes(mask).astype(np.float32)
    areas, shape = boxes.box_areas(box), (HEIGHT, WIDTH)
    image = np.random.default_rng(0).integers(0, 255, [HEIGHT, WIDTH, 3], np.uint8)
    ids, scores = np.array([1, 2, 1]), np.array([0.9, 0.8, 0.7])
    mini = np.random.default_rng(0).random([14, 14, 3]) > 0.4
    padding = [(2, 3), (4, 5), (0, 0)]
    truth = {"gt_boxes": box, "gt_class_ids": ids, "gt_masks": mask}
    pred = {"pred_boxes": box, "pred_class_ids": ids, "pred_scores": scores}
    match = {**truth, **pred, "pred_masks": mask}
    single = {
        **{"gt_box": box, "gt_class_id": ids, "gt_mask": mask},
        **{"pred_box": box, "pred_class_id": ids, "pred_score": scores},
        "pred_mask": mask,
    }
    sizes = {"min_dim": 32, "max_dim": 64, "min_scale": 1.5, "mode": "square"}
    levels = {"feature_shapes": [(4, 5), (2, 3)], "feature_strides": [4, 8]}
    meta = {
        **{"image_id": 3, "original_image_shape": (9, 8, 3), "scale": 1.0},
        **{"image_shape": (64, 64, 3), "window": (0, 0, 64, 64)},
        "active_class_ids": np.array([1, 1]),
    }
    rows = compose_image_meta(**meta)[None]
    lists = {
        utils.extract_bboxes: {"mask": mask},
        utils.compute_iou: {
            **{"box": box[0], "boxes": box},
            **{"box_area": float(areas[0]), "boxes_area": areas},
        },
        utils.compute_overlaps: {"boxes1": box, "boxes2": box[:2]},
        utils.compute_overlaps_masks: {"masks1": mask, "masks2": mask[..., :2]},
        utils.non_max_suppression: {"boxes": box, "scores": scores, "threshold": 0.5},
        utils.apply_box_deltas: {"boxes": box, "deltas": box / 100},
        utils.box_refinement: {"box": box, "gt_box": box + 1},
        utils.resize_image: {"image": image, **sizes},
        utils.resize_mask: {"mask": mask, "scale": 2.0, "padding": padding},
        utils.minimize_mask: {"bbox": box, "mask": mask, "mini_shape": (14, 14)},
        utils.expand_mask: {"bbox": box, "mini_mask": mini, "image_shape": shape},
        utils.unmold_mask: {
            "mask": mini[..., 0].astype(np.float32),
            **{"bbox": box[0].astype(int), "image_shape": shape},
        },
        utils.generate_anchors: {
            **{"scales": [8, 16], "ratios": [0.5, 1, 2], "shape": (4, 5)},
            **{"feature_stride": 4, "anchor_stride": 1},
        },
        utils.generate_pyramid_anchors: {
            **{"scales": [8, 16], "ratios": [0.5, 1], "anchor_stride": 1, **levels}
        },
        utils.trim_zeros: {"x": np.concatenate([box, box * 0])},
        utils.compute_matches: {**match, "iou_threshold": 0.5, "score_threshold": 0.1},
        utils.compute_ap: {**match, "iou_threshold": 0.5},
        utils.compute_ap_range: {**single, "iou_thresholds": [0.5, 0.7]},
        utils.compute_recall: {"pred_boxes": box, "gt_boxes": box, "iou": 0.5},
        utils.norm_boxes: {"boxes": box, "shape": shape},
        utils.denorm_boxes: {"boxes": box / 30, "shape": shape},
        utils.resize: {"image": image, "output_shape": (20, 40), "order": 1},
        boxes.box_areas: {"boxes": box},
        coordinates.norm_to_orig: {
            **{"boxes": box / 64, "window": (0, 0, 32, 64), "image_shape": (64, 64)},
            "original_shape": shape,
        },
        masks.crop_masks: {"masks": mask},
        images.subtract_mean: {"images": image, "mean_pixel": [1.0, 2.0, 3.0]},
        images.add_mean: {"images": image / 2, "mean_pixel": [1.0, 2.0, 3.0]},
        anchors.anchor_sizes: {"scales": [8, 16], "ratios": [0.5, 1]},
        anchors.anchors_per_location: {"scales": [8, 16], "ratios": [0.5, 1]},
        plan_resize: {"shape": shape, **sizes},
        compose_image_meta: meta,
        parse_image_meta: {"meta": rows},
    }
    # The range of a list of whole numbers is another than that of uint8.
    painted = {"resize": ("image",)}
    also = {
        "resize_image": ("plan_resize(", "resize("),
        "generate_pyramid_anchors": ("generate_anchors(", "anchor_sizes("),
        "generate_anchors": ("anchor_sizes(",),
        "norm_to_orig": ("norm_boxes(", "denorm_boxes("),
        "compute_ap": ("compute_matches(",),
        "compute_ap_range": ("compute_ap(", "compute_matches("),
    }
    return {
        (name := function.__name__): Call(
            function, arguments, also.get(name, ()), painted.get(name, ())
        )
        for function, arguments in lists.items()
    }


KINDS = {"arrays": functools.partial(call_case, calls=array_calls)}
