"""The targets of one image with the arguments of the old package."""

from __future__ import annotations

import numpy as np

from mrcnn.engine import target_values
from mrcnn.geometry.arguments import (
    as_numbers,
    as_rng,
    as_sides,
    as_whole,
    check_attributes,
)
from mrcnn.geometry.box_masks import as_masks
from mrcnn.geometry.boxes import as_boxes
from mrcnn.targets.anchor_targets import anchor_targets
from mrcnn.targets.class_targets import class_targets
from mrcnn.targets.random_rois import random_rois

MAX_ROIS = 1_000_000


def build_rpn_targets(
    image_shape,
    anchors: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    config,
    *,
    rng: np.random.Generator | int | None = None,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what the RPN should have said, see `targets.anchor_targets`.

    Args:
        image_shape: (H, W, ...) of the molded image, px.
        anchors: float [A, (y1, x1, y2, x2)], px.
        gt_class_ids: int [G], 0 = padding, negative = crowd.
        gt_boxes: [G, (y1, x1, y2, x2)], px.
        config: a Config.
        rng: generator or seed of the sampling; None draws a new one.

    Returns:
        rpn_match int32 [A], 1 object, -1 background, 0 neither; rpn_bbox float32
        [RPN_TRAIN_ANCHORS_PER_IMAGE, (dy, dx, log dh, log dw)] / RPN_BBOX_STD_DEV.
    """
    function = "build_rpn_targets"
    gt_class_ids, gt_boxes = _truth(gt_class_ids, gt_boxes, function)
    names = ("RPN_TRAIN_ANCHORS_PER_IMAGE", "RPN_BBOX_STD_DEV", "RPN_POSITIVE_IOU")
    check_attributes(config, f"{function}(config)", *names)
    return tuple(
        anchor_targets(
            as_boxes(anchors, f"{function}(anchors)", dtype=None),
            gt_class_ids,
            gt_boxes,
            as_sides(image_shape, f"{function}(image_shape)"),
            num_samples=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
            bbox_std_dev=config.RPN_BBOX_STD_DEV,
            positive_iou=config.RPN_POSITIVE_IOU,
            negative_iou=config.RPN_NEGATIVE_IOU,
            rng=as_rng(rng, f"{function}(rng)"),
        )
    )


def build_detection_targets(
    rpn_rois: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    gt_masks: np.ndarray,
    config,
    *,
    rng: np.random.Generator | int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns what the heads should have said, see `targets.class_targets`.

    Args:
        rpn_rois: number [R, (y1, x1, y2, x2)], px, zero rows are padding.
        gt_class_ids: int [G], 0 = padding, negative = crowd.
        gt_boxes: number [G, (y1, x1, y2, x2)], px.
        gt_masks: bool [h, w, G], box frame with USE_MINI_MASK, else of the image.
        config: a Config.
        rng: generator or seed of the sampling; None draws a new one.

    Returns:
        rois [T, 4], px; class_ids int32 [T], 0 for background and padding; bboxes
        float32 [T, C, 4] / BBOX_STD_DEV and masks float32 [T, mh, mw, C], zero but
        for the class of the RoI. T = TRAIN_ROIS_PER_IMAGE, C = NUM_CLASSES.

    Raises:
        ValueError: the masks are not of the kind that USE_MINI_MASK says.
    """
    function = "build_detection_targets"
    names = ("NUM_CLASSES", "USE_MINI_MASK", "MINI_MASK_SHAPE", "BBOX_STD_DEV")
    check_attributes(config, f"{function}(config)", *names)
    rpn_rois = as_boxes(rpn_rois, f"{function}(rpn_rois)", dtype=None).reshape(-1, 4)
    gt_class_ids, gt_boxes = _truth(gt_class_ids, gt_boxes, function)
    gt_masks = as_masks(gt_masks, f"{function}(gt_masks)")
    if gt_masks.shape[2] != len(gt_class_ids):
        raise ValueError(
            f"{function}(gt_masks): {gt_masks.shape[2]} masks for {len(gt_class_ids)} "
            "class ids; give one a class id, stacked as [h, w, G]."
        )
    _check_kind_of_masks(gt_masks, gt_boxes, config)
    return tuple(
        class_targets(
            rpn_rois,
            gt_class_ids,
            gt_boxes,
            gt_masks,
            num_classes=config.NUM_CLASSES,
            **target_values(config),
            rng=as_rng(rng, f"{function}(rng)"),
        )
    )


def generate_random_rois(
    image_shape,
    count: int,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    *,
    rng: np.random.Generator | int | None = None,
) -> np.ndarray:
    """Returns int32 [count, (y1, x1, y2, x2)], px: RoIs as if an RPN had found them.

    Args:
        image_shape: (H, W, ...) of the molded image, px.
        count: number of RoIs.
        gt_class_ids: int [G]; rows with 0 are padding.
        gt_boxes: int [G, (y1, x1, y2, x2)], px.
        rng: generator or seed; None draws a new one.
    """
    function = "generate_random_rois"
    gt_class_ids, gt_boxes = _truth(gt_class_ids, gt_boxes, function)
    return random_rois(
        as_sides(image_shape, f"{function}(image_shape)"),
        as_whole(count, f"{function}(count)", 0, MAX_ROIS),
        gt_boxes[gt_class_ids != 0],
        rng=as_rng(rng, f"{function}(rng)"),
    )


def _truth(gt_class_ids, gt_boxes, function: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns class ids [G] and boxes [G, 4] as arrays, or raises."""
    gt_class_ids = as_numbers(gt_class_ids, f"{function}(gt_class_ids)").reshape(-1)
    gt_boxes = as_boxes(gt_boxes, f"{function}(gt_boxes)", dtype=None).reshape(-1, 4)
    if len(gt_class_ids) != len(gt_boxes) or not np.isfinite(gt_boxes).all():
        raise ValueError(
            f"{function}(gt_class_ids, gt_boxes): {len(gt_class_ids)} class ids for "
            f"{len(gt_boxes)} boxes, or a box that is infinite or NaN; give one class "
            "id a box."
        )
    return gt_class_ids, gt_boxes


def _check_kind_of_masks(gt_masks, gt_boxes, config) -> None:
    """Raises where full masks are given for mini masks, or the other way round."""
    if not gt_masks.shape[-1]:
        return
    shape = gt_masks.shape[:2]
    if config.USE_MINI_MASK:
        is_right = shape == tuple(config.MINI_MASK_SHAPE)
    else:
        ends = gt_boxes.reshape(-1, 4)[:, 2:].max(axis=0, initial=0)
        is_right = all(ends <= shape)
    if not is_right:
        raise ValueError(
            f"build_detection_targets(gt_masks {gt_masks.shape}): config.USE_MINI_MASK "
            f"is {config.USE_MINI_MASK}, and these are masks of the other kind; call "
            "load_image_gt(..., use_mini_mask=config.USE_MINI_MASK)."
        )
