"""Targets of RoIs in px, one row a class: in the shape of the heads' outputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.boxes import as_boxes, box_refinement, compute_overlaps
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.targets.roi_targets import roi_targets


class ClassTargets(NamedTuple):
    """Sampled RoIs and their targets: positives, then negatives, then padding.

    Attributes:
        rois: [T, (y1, x1, y2, x2)], px, dtype of the proposals, zero rows are padding.
        class_ids: int32 [T], 0 = background or padding.
        deltas: float32 [T, C, (dy, dx, log dh, log dw)] / std dev, zero but for the
            class of a positive RoI.
        masks: float32 [T, mh, mw, C], 0 or 1, box frame of the RoI, zero but for the
            class of a positive RoI.
    """

    rois: np.ndarray
    class_ids: np.ndarray
    deltas: np.ndarray
    masks: np.ndarray


def class_targets(
    proposals_px: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes_px: np.ndarray,
    gt_masks: np.ndarray,
    *,
    num_classes: int,
    use_mini_mask: bool,
    bbox_std_dev: Sequence[float],
    rng: np.random.Generator,
    **sampling,
) -> ClassTargets:
    """Returns the RoIs that `roi_targets` samples from px, and their targets a class.

    Sampling and masks are those of `roi_targets`. Deltas are encoded in px. Law:
    `apply_box_deltas(rois, deltas[i, class] * std_dev)` is the gt box.

    Args:
        proposals_px: number [R, (y1, x1, y2, x2)], px, zero rows are padding.
        gt_class_ids: int [G], 0 = padding, negative = crowd.
        gt_boxes_px: number [G, (y1, x1, y2, x2)], px.
        gt_masks: bool [h, w, G], box frame of the gt box when `use_mini_mask`, else of
            the image.
        num_classes: C, with the background.
        use_mini_mask: see `gt_masks`.
        bbox_std_dev: the deltas are divided by these four numbers.
        rng: source of the sampling.
        **sampling: num_rois, positive_ratio, mask_shape and positive_iou of
            `roi_targets`.

    Returns:
        ClassTargets(rois, class_ids, deltas, masks).
    """
    proposals_px = np.asarray(proposals_px).reshape(-1, 4)
    gt_boxes_px = as_boxes(gt_boxes_px, "class_targets(gt_boxes_px)")
    gt_class_ids = np.asarray(gt_class_ids)
    gt_masks = np.asarray(gt_masks)
    # Mini masks do not have the size of the image, and nothing below depends on it:
    # overlaps and boxes relative to boxes stay the same when an axis is scaled. In an
    # image of 2 x 2 px a unit of norm is one pixel.
    shape = (2, 2) if use_mini_mask else gt_masks.shape[:2]
    gt_boxes = norm_boxes(gt_boxes_px, shape)
    sampled = roi_targets(
        norm_boxes(proposals_px, shape),
        gt_class_ids,
        gt_boxes,
        gt_masks,
        use_mini_mask=use_mini_mask,
        bbox_std_dev=bbox_std_dev,
        rng=rng,
        **sampling,
    )
    is_positive = sampled.class_ids > 0
    class_ids = np.maximum(sampled.class_ids, 0)
    rois = _to_px(sampled.rois, shape, proposals_px.dtype)
    rois[sampled.class_ids < 0] = 0

    positive_ix = np.flatnonzero(is_positive)
    own_class = class_ids[positive_ix]
    deltas = np.zeros((len(rois), num_classes, 4), np.float32)
    masks = np.zeros((*sampled.masks.shape, num_classes), np.float32)
    if len(positive_ix):
        # The object that `roi_targets` has matched each positive RoI with.
        overlaps = compute_overlaps(sampled.rois[positive_ix], gt_boxes)
        gt_ix = np.where(gt_class_ids > 0, overlaps, -1.0).argmax(axis=1)
        deltas[positive_ix, own_class] = box_refinement(
            rois[positive_ix], gt_boxes_px[gt_ix]
        ) / np.asarray(bbox_std_dev, np.float32)
        masks[positive_ix, :, :, own_class] = sampled.masks[positive_ix]
    return ClassTargets(rois, class_ids, deltas, masks)


def _to_px(boxes_norm: np.ndarray, shape: Sequence[int], dtype) -> np.ndarray:
    """Returns boxes in px; rounded where whole numbers are asked for only."""
    sides = np.maximum(np.array(shape) - 1, 1)
    boxes_px = boxes_norm * np.tile(sides, 2) + [0, 0, 1, 1]
    if np.issubdtype(dtype, np.integer):
        boxes_px = np.rint(boxes_px)
    return boxes_px.astype(dtype)
