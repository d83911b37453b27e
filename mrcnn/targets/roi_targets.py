"""Targets of the heads for a sample of the proposals.

The sampling is a sort by random priorities, so that the NumPy function and its tensor
twin, given the same priorities, choose the same RoIs.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.geometry.boxes import (
    box_refinement,
    box_refinement_tensor,
    compute_overlaps,
    compute_overlaps_tensor,
)
from mrcnn.targets.box_matching import CROWD_IOU

# A mask target is 1 where the resampled mask reaches this value (probability).
MASK_THRESHOLD = 0.5


class RoiTargets(NamedTuple):
    """Sampled RoIs and their targets: positives, then negatives, then padding.

    Attributes:
        rois: float32 [..., T, (y1, x1, y2, x2)], norm, zero rows are padding.
        class_ids: int32 [..., T], 0 = background, -1 = padding.
        deltas: float32 [..., T, (dy, dx, log dh, log dw)] / std dev, zero unless
            positive.
        masks: float32 [..., T, mh, mw], 0 or 1, box frame of the RoI, zero unless
            positive.
    """

    rois: Any
    class_ids: Any
    deltas: Any
    masks: Any


def max_positives(num_rois: int, positive_ratio: float) -> int:
    """Returns how many of `num_rois` may be positive, at least 1."""
    return max(1, int(num_rois * positive_ratio))


def roi_targets(
    proposals: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_boxes: np.ndarray,
    gt_masks: np.ndarray,
    *,
    num_rois: int,
    positive_ratio: float,
    mask_shape: Sequence[int],
    use_mini_mask: bool,
    bbox_std_dev: Sequence[float],
    positive_iou: float = 0.5,
    priority: np.ndarray | None = None,
    rng: np.random.Generator | None = None,
) -> RoiTargets:
    """Returns the sampled RoIs of one image and their targets.

    Fast R-CNN (arXiv:1504.08083) sec. 2.3: a fixed share of RoIs with IoU >= 0.5 to
    an object, the rest background. Mask R-CNN (arXiv:1703.06870) sec. 3: the mask
    target is the intersection of a RoI and its gt mask.

    Deviation: the boxes of the gt objects join the proposals (as in Detectron), and
    background has no lower bound on IoU. RoIs over a crowd are not background.

    Args:
        proposals: float32 [R, (y1, x1, y2, x2)], norm, zero rows are padding.
        gt_class_ids: int [G], 0 = padding, negative = crowd.
        gt_boxes: float32 [G, (y1, x1, y2, x2)], norm.
        gt_masks: bool [h, w, G], box frame of the gt box when `use_mini_mask`, else of
            the image.
        num_rois: T, number of rows returned.
        positive_ratio: at most this share of T is positive.
        mask_shape: (mh, mw) of the mask targets.
        use_mini_mask: see `gt_masks`.
        bbox_std_dev: the deltas are divided by these four numbers.
        positive_iou: ratio from which a RoI is positive.
        priority: float32 [R + G], proposals then gt boxes; smallest are chosen first.
        rng: source of `priority` when it is None.

    Returns:
        RoiTargets(rois, class_ids, deltas, masks).

    Raises:
        ValueError: neither `priority` nor `rng` was given.
    """
    if priority is None:
        if rng is None:
            raise ValueError(
                "roi_targets(priority=None, rng=None): nothing to draw the sample "
                "from; give one of them."
            )
        priority = rng.random(len(proposals) + len(gt_boxes), dtype=np.float32)
    gt_boxes = np.asarray(gt_boxes, np.float32)
    is_object, is_crowd = gt_class_ids > 0, gt_class_ids < 0

    # 1. Candidates: proposals and objects. Rows without an area are no candidates.
    candidates = np.concatenate(
        [np.asarray(proposals, np.float32), gt_boxes * is_object[:, None]]
    )
    is_real = (candidates[:, 2:] > candidates[:, :2]).all(axis=1)

    # 2. Positive or negative, by the highest IoU.
    overlaps = compute_overlaps(candidates, gt_boxes)
    object_iou = np.where(is_object, overlaps, -1.0)
    best_iou = object_iou.max(axis=1, initial=-1.0)
    crowd_iou = np.where(is_crowd, overlaps, 0.0).max(axis=1, initial=0.0)
    is_positive = is_real & (best_iou >= positive_iou)
    is_negative = is_real & (best_iou < positive_iou) & (crowd_iou <= CROWD_IOU)

    # 3. Sample by priority.
    limit = max_positives(num_rois, positive_ratio)
    positive_ix = _smallest(priority, is_positive, limit)
    negative_ix = _smallest(priority, is_negative, num_rois - len(positive_ix))
    num_positive = len(positive_ix)
    num_sampled = num_positive + len(negative_ix)

    # 4. Targets.
    rois = np.zeros((num_rois, 4), np.float32)
    rois[:num_sampled] = candidates[np.concatenate([positive_ix, negative_ix])]
    class_ids = np.full(num_rois, -1, np.int32)
    class_ids[num_positive:num_sampled] = 0
    deltas = np.zeros((num_rois, 4), np.float32)
    masks = np.zeros((num_rois, *mask_shape), np.float32)
    if num_positive:
        gt_ix = object_iou[positive_ix].argmax(axis=1)
        positive_rois, boxes = rois[:num_positive], gt_boxes[gt_ix]
        class_ids[:num_positive] = gt_class_ids[gt_ix]
        deltas[:num_positive] = box_refinement(positive_rois, boxes)
        deltas /= np.asarray(bbox_std_dev, np.float32)
        crops = _in_box_frame(positive_rois, boxes) if use_mini_mask else positive_rois
        resampled = resample_masks(gt_masks, crops, gt_ix, mask_shape)
        masks[:num_positive] = resampled >= MASK_THRESHOLD
    return RoiTargets(rois, class_ids, deltas, masks)


def roi_targets_tensor(
    proposals,
    gt_class_ids,
    gt_boxes,
    gt_masks,
    *,
    num_rois: int,
    positive_ratio: float,
    mask_shape: Sequence[int],
    use_mini_mask: bool,
    bbox_std_dev: Sequence[float],
    positive_iou: float = 0.5,
    seed=None,
    priority=None,
) -> RoiTargets:
    """Returns the sampled RoIs of a batch and their targets: twin of `roi_targets`.

    No gradient flows through it.

    Args:
        proposals: float32 [B, R, (y1, x1, y2, x2)], norm, zero rows are padding.
        gt_class_ids: int32 [B, G], 0 = padding, negative = crowd; G is at least 1.
        gt_boxes: float32 [B, G, (y1, x1, y2, x2)], norm.
        gt_masks: bool [B, h, w, G], as in `roi_targets`.
        num_rois: T, number of rows an image.
        positive_ratio: at most this share of T is positive.
        mask_shape: (mh, mw) of the mask targets.
        use_mini_mask: True when `gt_masks` are in the box frame.
        bbox_std_dev: the deltas are divided by these four numbers.
        positive_iou: ratio from which a RoI is positive.
        seed: int [2], source of `priority` when it is None.
        priority: float32 [B, R + G], proposals then gt boxes.

    Returns:
        RoiTargets(rois, class_ids, deltas, masks) with a leading batch axis.

    Raises:
        ValueError: neither `priority` nor `seed` was given.
    """
    import tensorflow as tf

    if priority is None:
        if seed is None:
            raise ValueError(
                "roi_targets_tensor(priority=None, seed=None): nothing to draw the "
                "sample from; give one of them."
            )
        count = tf.shape(proposals)[1] + tf.shape(gt_boxes)[1]
        priority = tf.random.stateless_uniform([tf.shape(proposals)[0], count], seed)
    limit = max_positives(num_rois, positive_ratio)
    mask_shape = [int(side) for side in mask_shape]
    std_dev = tf.constant(bbox_std_dev, tf.float32)

    # No branch depends on a tensor: AutoGraph would only hide these lines.
    @tf.autograph.experimental.do_not_convert
    def one_image(image):
        proposals, gt_class_ids, gt_boxes, gt_masks, priority = image
        is_object, is_crowd = gt_class_ids > 0, gt_class_ids < 0

        # 1. Candidates.
        object_boxes = tf.where(is_object[:, None], gt_boxes, 0.0)
        candidates = tf.concat([proposals, object_boxes], axis=0)
        is_real = tf.reduce_all(candidates[:, 2:] > candidates[:, :2], axis=1)

        # 2. Positive or negative.
        overlaps = compute_overlaps_tensor(candidates, gt_boxes)
        object_iou = tf.where(is_object, overlaps, -1.0)
        best_iou = tf.reduce_max(object_iou, axis=1)
        crowd_iou = tf.reduce_max(tf.where(is_crowd, overlaps, 0.0), axis=1)
        is_positive = is_real & (best_iou >= positive_iou)
        is_negative = is_real & (best_iou < positive_iou) & (crowd_iou <= CROWD_IOU)

        # 3. Sample by priority.
        positive_ix = _smallest_tensor(priority, is_positive, limit)
        num_positive = tf.shape(positive_ix)[0]
        negative_ix = _smallest_tensor(priority, is_negative, num_rois - num_positive)
        num_negative = tf.shape(negative_ix)[0]

        # 4. Targets.
        rois = tf.gather(candidates, tf.concat([positive_ix, negative_ix], axis=0))
        positive_rois = rois[:num_positive]
        gt_ix = tf.argmax(
            tf.gather(object_iou, positive_ix), axis=1, output_type=tf.int32
        )
        boxes = tf.gather(gt_boxes, gt_ix)
        class_ids = tf.concat(
            [tf.gather(gt_class_ids, gt_ix), tf.zeros([num_negative], tf.int32)], axis=0
        )
        deltas = box_refinement_tensor(positive_rois, boxes) / std_dev
        # uint8 is the smallest type that crop_and_resize takes; box_indices spares a
        # copy of the masks for each RoI.
        resampled = tf.image.crop_and_resize(
            tf.transpose(gt_masks, [2, 0, 1])[..., None],
            _in_box_frame(positive_rois, boxes) if use_mini_mask else positive_rois,
            gt_ix,
            mask_shape,
        )[..., 0]
        masks = tf.cast(resampled >= MASK_THRESHOLD, tf.float32)
        return RoiTargets(
            _pad_rows(rois, num_rois),
            _pad_rows(class_ids, num_rois, value=-1),
            _pad_rows(deltas, num_rois),
            _pad_rows(masks, num_rois),
        )

    spec = tf.TensorSpec
    return tf.map_fn(
        one_image,
        (
            tf.stop_gradient(tf.cast(proposals, tf.float32)),
            tf.cast(gt_class_ids, tf.int32),
            tf.stop_gradient(tf.cast(gt_boxes, tf.float32)),
            tf.cast(gt_masks, tf.uint8),
            tf.cast(priority, tf.float32),
        ),
        fn_output_signature=RoiTargets(
            spec([num_rois, 4], tf.float32),
            spec([num_rois], tf.int32),
            spec([num_rois, 4], tf.float32),
            spec([num_rois, *mask_shape], tf.float32),
        ),
    )


def resample_masks(
    masks: np.ndarray, boxes: np.ndarray, mask_ix: np.ndarray, shape: Sequence[int]
) -> np.ndarray:
    """Returns boxes cut out of masks, bilinear: twin of `tf.image.crop_and_resize`.

    Args:
        masks: bool [h, w, G].
        boxes: float32 [N, (y1, x1, y2, x2)], relative to the mask: 0 is the centre of
            its first pixel, 1 of its last.
        mask_ix: int [N], which mask each box cuts.
        shape: (mh, mw), both corners of a box are sampled.

    Returns:
        float32 [N, mh, mw], 0 outside the mask.
    """
    ys = _sample_positions(boxes[:, 0], boxes[:, 2], masks.shape[0], shape[0])
    xs = _sample_positions(boxes[:, 1], boxes[:, 3], masks.shape[1], shape[1])
    y0, y1, y_lerp, y_inside = _neighbors(ys, masks.shape[0])
    x0, x1, x_lerp, x_inside = _neighbors(xs, masks.shape[1])

    planes = np.moveaxis(masks, 2, 0).astype(np.float32)
    ix = mask_ix[:, None, None]

    def row(y):
        left = planes[ix, y[:, :, None], x0[:, None, :]]
        right = planes[ix, y[:, :, None], x1[:, None, :]]
        return left + (right - left) * x_lerp[:, None, :]

    top, bottom = row(y0), row(y1)
    value = top + (bottom - top) * y_lerp[:, :, None]
    return np.where(y_inside[:, :, None] & x_inside[:, None, :], value, np.float32(0))


def _sample_positions(start, end, size: int, count: int) -> np.ndarray:
    """Returns float32 [N, count], positions in mask pixels from start to end."""
    last = np.float32(size - 1)
    if count == 1:
        return (np.float32(0.5) * (start + end) * last)[:, None]
    step = (end - start) * last / np.float32(count - 1)
    return (start * last)[:, None] + np.arange(count, dtype=np.float32) * step[:, None]


def _neighbors(positions: np.ndarray, size: int):
    """Returns the pixels before and after, the weight of the latter, and inside."""
    is_inside = (positions >= 0) & (positions <= size - 1)
    positions = np.where(is_inside, positions, np.float32(0))
    before = np.floor(positions).astype(np.int64)
    after = np.ceil(positions).astype(np.int64)
    return before, after, positions - before.astype(np.float32), is_inside


def _in_box_frame(rois, boxes):
    """Returns RoIs [N, 4] relative to their boxes [N, 4]; NumPy or tensor."""
    y1, x1 = boxes[:, 0:1], boxes[:, 1:2]
    height, width = boxes[:, 2:3] - y1, boxes[:, 3:4] - x1
    columns = [
        (rois[:, 0:1] - y1) / height,
        (rois[:, 1:2] - x1) / width,
        (rois[:, 2:3] - y1) / height,
        (rois[:, 3:4] - x1) / width,
    ]
    if isinstance(rois, np.ndarray):
        return np.concatenate(columns, axis=1)
    import tensorflow as tf

    return tf.concat(columns, axis=1)


def _smallest(priority: np.ndarray, is_candidate: np.ndarray, limit: int) -> np.ndarray:
    """Returns the indices of at most `limit` candidates, smallest priority first."""
    count = min(int(is_candidate.sum()), limit)
    order = np.argsort(np.where(is_candidate, priority, np.inf), kind="stable")
    return order[:count]


def _smallest_tensor(priority, is_candidate, limit):
    """Returns int32 [k]: twin of `_smallest`."""
    import tensorflow as tf

    count = tf.minimum(tf.reduce_sum(tf.cast(is_candidate, tf.int32)), limit)
    order = tf.argsort(tf.where(is_candidate, priority, np.inf), stable=True)
    return order[:count]


def _pad_rows(x, num_rows: int, value=0):
    """Returns a tensor [n, ...] filled up to `num_rows` rows."""
    import tensorflow as tf

    missing = num_rows - tf.shape(x)[0]
    return tf.pad(
        x, [[0, missing]] + [[0, 0]] * (len(x.shape) - 1), constant_values=value
    )
