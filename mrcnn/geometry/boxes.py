"""Boxes: areas, overlaps, deltas and clipping, in NumPy and as tensors.

A box is (y1, x1, y2, x2). Nothing here depends on the frame: the same functions serve
px boxes (half open: y2 and x2 lie outside) and norm boxes, as long as all boxes of one
call are in one frame. Every `<name>_tensor` computes what `<name>` computes, for any
leading batch axes.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_number, as_numbers

# Smallest side that deltas are measured against. A box one pixel high has height 0 in
# the norm frame; the next larger one has 1 / (image side - 1), far above this.
MIN_BOX_SIDE = 1e-4

# The network learns deltas divided by these (py-faster-rcnn, BBOX_NORMALIZE_STDS).
DELTA_STD_DEV = (0.1, 0.1, 0.2, 0.2)


def as_boxes(boxes, where: str, dtype=np.float32) -> np.ndarray:
    """Returns `boxes` as a float array [..., 4]; an empty list becomes [0, 4].

    Args:
        boxes: array-like [..., (y1, x1, y2, x2)], any frame.
        where: "function(argument)", named in the error.
        dtype: of the result.

    Raises:
        TypeError: they are no numbers.
        ValueError: if the last axis does not hold 4 numbers.
    """
    boxes = as_numbers(boxes, where, dtype)
    if boxes.shape == (0,):
        return boxes.reshape(0, 4)
    if boxes.ndim == 0 or boxes.shape[-1] != 4:
        raise ValueError(
            f"{where}: boxes need 4 numbers (y1, x1, y2, x2) on the last axis; "
            f"received shape {boxes.shape}. Pass [..., 4]."
        )
    return boxes


def check_fit(where: str, one: np.ndarray, other: np.ndarray) -> None:
    """Raises ValueError unless two arrays can be computed with each other.

    Args:
        where: "function(arguments)", named in the error.
        one: of any shape.
        other: of a shape that broadcasts with it.
    """
    pairs = zip(one.shape[::-1], other.shape[::-1], strict=False)
    if any(a != b and 1 not in (a, b) for a, b in pairs):
        raise ValueError(
            f"{where}: shapes {one.shape} and {other.shape} do not fit together; pass "
            "as many of one as of the other."
        )


def box_areas(boxes) -> np.ndarray:
    """Returns the areas of boxes; a box turned inside out has area 0.

    Args:
        boxes: [..., (y1, x1, y2, x2)], any frame.

    Returns:
        float32 [...], in squared units of the frame.

    >>> box_areas([[0, 0, 10, 20], [5, 5, 5, 9]]).tolist()
    [200.0, 0.0]
    """
    boxes = as_boxes(boxes, "box_areas(boxes)")
    heights = np.maximum(boxes[..., 2] - boxes[..., 0], 0)
    widths = np.maximum(boxes[..., 3] - boxes[..., 1], 0)
    return heights * widths


def compute_iou(box, boxes, box_area, boxes_area) -> np.ndarray:
    """Returns the intersection over union of one box with many.

    The areas are passed in because callers compare the same boxes many times.

    Args:
        box: [(y1, x1, y2, x2)], any frame.
        boxes: [N, (y1, x1, y2, x2)], same frame.
        box_area: area of `box`.
        boxes_area: [N], areas of `boxes`.

    Returns:
        float32 [N], 0..1; 0 where both boxes are empty.

    >>> compute_iou([0, 0, 10, 10], [[0, 0, 5, 10]], 100, [50]).tolist()
    [0.5]
    """
    box = as_boxes(box, "compute_iou(box)")
    boxes = as_boxes(boxes, "compute_iou(boxes)")
    boxes_area = as_numbers(boxes_area, "compute_iou(boxes_area)", np.float32)
    if boxes_area.shape != boxes.shape[:-1]:
        raise ValueError(
            f"compute_iou(boxes_area): shape {boxes_area.shape} does not fit boxes "
            f"{boxes.shape}; pass one area for each box."
        )
    if box.shape != (4,):
        raise ValueError(
            f"compute_iou(box): one box (y1, x1, y2, x2) is needed; received shape "
            f"{box.shape}. Use compute_overlaps for several."
        )
    box_area = np.float32(as_number(box_area, "compute_iou(box_area)"))
    return pairs_iou(box, boxes, box_area, boxes_area)


def pairs_iou(boxes1, boxes2, areas1, areas2) -> np.ndarray:
    """Returns the IoU of float32 boxes that broadcast; nothing is checked.

    In place, as the arrays can be large.
    """
    heights = np.minimum(boxes1[..., 2], boxes2[..., 2])
    heights -= np.maximum(boxes1[..., 0], boxes2[..., 0])
    widths = np.minimum(boxes1[..., 3], boxes2[..., 3])
    widths -= np.maximum(boxes1[..., 1], boxes2[..., 1])
    intersection = np.maximum(heights, 0, out=heights)
    intersection *= np.maximum(widths, 0, out=widths)
    union = np.subtract(areas1 + areas2, intersection, out=widths)
    return np.divide(
        intersection, union, out=np.zeros_like(intersection), where=union > 0
    )


def compute_overlaps(boxes1, boxes2) -> np.ndarray:
    """Returns the IoU of every box of one set with every box of another.

    Args:
        boxes1: [..., N, (y1, x1, y2, x2)], any frame.
        boxes2: [..., M, (y1, x1, y2, x2)], same frame.

    Returns:
        float32 [..., N, M], 0..1.

    >>> compute_overlaps([[0, 0, 10, 10]], [[0, 0, 10, 10], [0, 0, 5, 10]]).tolist()
    [[1.0, 0.5]]
    """
    boxes1 = as_boxes(boxes1, "compute_overlaps(boxes1)")
    boxes2 = as_boxes(boxes2, "compute_overlaps(boxes2)")
    for name, boxes in (("boxes1", boxes1), ("boxes2", boxes2)):
        if boxes.ndim < 2:
            raise ValueError(
                f"compute_overlaps({name}): boxes [N, 4] are needed; received shape "
                f"{boxes.shape}. One box goes in as box[None]."
            )
    boxes1, boxes2 = boxes1[..., :, None, :], boxes2[..., None, :, :]
    check_fit("compute_overlaps(boxes1, boxes2)", boxes1, boxes2)
    return pairs_iou(boxes1, boxes2, box_areas(boxes1), box_areas(boxes2))


def compute_overlaps_tensor(boxes1, boxes2):
    """Tensor twin of `compute_overlaps`: float32 [..., N, 4], [..., M, 4] -> IoU."""
    import tensorflow as tf

    boxes1 = tf.cast(boxes1, tf.float32)[..., :, tf.newaxis, :]
    boxes2 = tf.cast(boxes2, tf.float32)[..., tf.newaxis, :, :]
    top_left = tf.maximum(boxes1[..., :2], boxes2[..., :2])
    bottom_right = tf.minimum(boxes1[..., 2:], boxes2[..., 2:])
    intersection = tf.reduce_prod(tf.maximum(bottom_right - top_left, 0.0), axis=-1)
    areas1 = tf.reduce_prod(tf.maximum(boxes1[..., 2:] - boxes1[..., :2], 0.0), axis=-1)
    areas2 = tf.reduce_prod(tf.maximum(boxes2[..., 2:] - boxes2[..., :2], 0.0), axis=-1)
    return tf.math.divide_no_nan(intersection, areas1 + areas2 - intersection)


def box_refinement(box, gt_box) -> np.ndarray:
    """Returns the deltas that move boxes onto their ground truth ("encode").

    R-CNN (arXiv:1311.2524) appendix C: the shift of the center in units of the box,
    and the logarithm of the change of size. Law, for sides above MIN_BOX_SIDE:
    `apply_box_deltas(box, box_refinement(box, gt_box)) == gt_box`.
    Sides below MIN_BOX_SIDE count as MIN_BOX_SIDE, so deltas are always finite.

    Args:
        box: [..., (y1, x1, y2, x2)], any frame.
        gt_box: [..., (y1, x1, y2, x2)], same frame.

    Returns:
        float32 [..., (dy, dx, log dh, log dw)].

    >>> box_refinement([[0, 0, 10, 10]], [[5, 0, 15, 10]]).tolist()
    [[0.5, 0.0, 0.0, 0.0]]
    """
    box = as_boxes(box, "box_refinement(box)")
    gt_box = as_boxes(gt_box, "box_refinement(gt_box)")
    check_fit("box_refinement(box, gt_box)", box, gt_box)
    size = np.maximum(box[..., 2:] - box[..., :2], np.float32(MIN_BOX_SIDE))
    gt_size = np.maximum(gt_box[..., 2:] - gt_box[..., :2], np.float32(MIN_BOX_SIDE))
    center = 0.5 * (box[..., :2] + box[..., 2:])
    gt_center = 0.5 * (gt_box[..., :2] + gt_box[..., 2:])
    return np.concatenate(
        [(gt_center - center) / size, np.log(gt_size / size)], axis=-1
    )


def box_refinement_tensor(box, gt_box):
    """Tensor twin of `box_refinement`: float32 [..., 4], [..., 4] -> deltas."""
    import tensorflow as tf

    box = tf.cast(box, tf.float32)
    gt_box = tf.cast(gt_box, tf.float32)
    size = tf.maximum(box[..., 2:] - box[..., :2], MIN_BOX_SIDE)
    gt_size = tf.maximum(gt_box[..., 2:] - gt_box[..., :2], MIN_BOX_SIDE)
    center = 0.5 * (box[..., :2] + box[..., 2:])
    gt_center = 0.5 * (gt_box[..., :2] + gt_box[..., 2:])
    return tf.concat(
        [(gt_center - center) / size, tf.math.log(gt_size / size)], axis=-1
    )


def apply_box_deltas(boxes, deltas) -> np.ndarray:
    """Returns boxes moved and resized by deltas ("decode").

    Inverse of `box_refinement`; deltas must be multiplied by the standard deviations
    of the config before. As in the old package log dh and log dw have no limit, so
    sides may become infinite; `clip_boxes_tensor` brings them back.

    Args:
        boxes: [..., (y1, x1, y2, x2)], any frame.
        deltas: [..., (dy, dx, log dh, log dw)].

    Returns:
        float32 [..., (y1, x1, y2, x2)], same frame, not clipped.

    >>> apply_box_deltas([[0, 0, 10, 10]], [[0.5, 0, 0, 0]]).tolist()
    [[5.0, 0.0, 15.0, 10.0]]
    """
    boxes = as_boxes(boxes, "apply_box_deltas(boxes)")
    deltas = as_boxes(deltas, "apply_box_deltas(deltas)")
    check_fit("apply_box_deltas(boxes, deltas)", boxes, deltas)
    size = boxes[..., 2:] - boxes[..., :2]
    center = boxes[..., :2] + 0.5 * size + deltas[..., :2] * size
    with np.errstate(over="ignore"):
        half = 0.5 * size * np.exp(deltas[..., 2:])
    return np.concatenate([center - half, center + half], axis=-1)


def apply_box_deltas_tensor(boxes, deltas):
    """Tensor twin of `apply_box_deltas`: float32 [..., 4], [..., 4] -> boxes."""
    import tensorflow as tf

    boxes = tf.cast(boxes, tf.float32)
    deltas = tf.cast(deltas, tf.float32)
    size = boxes[..., 2:] - boxes[..., :2]
    center = boxes[..., :2] + 0.5 * size + deltas[..., :2] * size
    half = 0.5 * size * tf.exp(deltas[..., 2:])
    return tf.concat([center - half, center + half], axis=-1)


def clip_boxes_tensor(boxes, window):
    """Returns boxes cut to a window; those outside become empty boxes on its rim.

    Args:
        boxes: [..., (y1, x1, y2, x2)], any frame.
        window: [..., (y1, x1, y2, x2)], same frame, broadcasts, for example [B, 1, 4].

    Returns:
        float32 [..., (y1, x1, y2, x2)].
    """
    import tensorflow as tf

    boxes = tf.cast(boxes, tf.float32)
    window = tf.cast(window, tf.float32)
    low = tf.concat([window[..., :2], window[..., :2]], axis=-1)
    high = tf.concat([window[..., 2:], window[..., 2:]], axis=-1)
    return tf.maximum(tf.minimum(boxes, high), low)


def trim_zeros(x) -> np.ndarray:
    """Returns the rows that are not all zero: the real rows of a padded array.

    Args:
        x: [N, M], any dtype.

    Returns:
        [n, M], the same dtype.

    Raises:
        ValueError: if `x` has not two axes.

    >>> trim_zeros(np.array([[0, 0, 3, 4], [0, 0, 0, 0]])).tolist()
    [[0, 0, 3, 4]]
    """
    x = as_numbers(x, "trim_zeros(x)")
    if x.ndim != 2:
        raise ValueError(
            f"trim_zeros(x): rows are dropped from a [N, M] array; received shape "
            f"{x.shape}. Trim one image at a time."
        )
    return x[np.any(x != 0, axis=1)]


def trim_zeros_tensor(boxes):
    """Tensor twin of `trim_zeros`: [N, M] -> rows [n, M], mask bool [N]."""
    import tensorflow as tf

    mask = tf.reduce_any(tf.not_equal(boxes, 0), axis=1)
    return tf.boolean_mask(boxes, mask), mask
