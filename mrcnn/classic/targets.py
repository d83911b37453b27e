"""The targets of one image with the arguments of the old package."""

from __future__ import annotations

import numpy as np

from mrcnn.engine import target_values
from mrcnn.targets.anchor_targets import anchor_targets
from mrcnn.targets.class_targets import class_targets
from mrcnn.targets.random_rois import random_rois


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
    return tuple(
        anchor_targets(
            np.asarray(anchors),
            np.asarray(gt_class_ids),
            np.asarray(gt_boxes),
            image_shape,
            num_samples=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
            bbox_std_dev=config.RPN_BBOX_STD_DEV,
            positive_iou=config.RPN_POSITIVE_IOU,
            negative_iou=config.RPN_NEGATIVE_IOU,
            rng=np.random.default_rng(rng),
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
    gt_masks = np.asarray(gt_masks)
    _check_kind_of_masks(gt_masks, np.asarray(gt_boxes), config)
    return tuple(
        class_targets(
            rpn_rois,
            gt_class_ids,
            gt_boxes,
            gt_masks,
            num_classes=config.NUM_CLASSES,
            **target_values(config),
            rng=np.random.default_rng(rng),
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
    is_box = np.asarray(gt_class_ids) != 0
    return random_rois(
        image_shape,
        count,
        np.asarray(gt_boxes).reshape(-1, 4)[is_box],
        rng=np.random.default_rng(rng),
    )


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
