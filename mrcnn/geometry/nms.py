"""Non-maximum suppression: of boxes that overlap, keep the one with the best score."""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_number, as_numbers, as_whole
from mrcnn.geometry.boxes import (
    as_boxes,
    box_areas,
    compute_overlaps_tensor,
    pairs_iou,
)


def non_max_suppression(
    boxes, scores, threshold: float, class_ids=None, max_output: int | None = None
) -> np.ndarray:
    """Returns the indices of the boxes that no better box overlaps too much.

    A box is dropped if its IoU with a kept box is greater than `threshold`. Of equal
    scores the first box is the better one.

    Args:
        boxes: [N, (y1, x1, y2, x2)], any frame.
        scores: [N].
        threshold: largest IoU (ratio, 0..1) that two kept boxes may have.
        class_ids: [N] or None. If given, boxes suppress only boxes of their own class.
        max_output: stop after this many boxes. None: no limit.

    Returns:
        int32 [k], indices into `boxes`, by falling score.

    Raises:
        ValueError: if the lengths disagree.

    >>> boxes = [[0, 0, 10, 10], [0, 0, 10, 9], [20, 20, 30, 30]]
    >>> non_max_suppression(boxes, [0.5, 0.9, 0.7], 0.5).tolist()
    [1, 2]
    """
    where = "non_max_suppression"
    boxes = as_boxes(boxes, f"{where}(boxes)")
    scores = as_numbers(scores, f"{where}(scores)", np.float64)
    threshold = as_number(threshold, f"{where}(threshold)")
    if max_output is not None:
        max_output = as_whole(max_output, f"{where}(max_output)", low=0)
    if class_ids is None:
        class_ids = np.zeros(boxes.shape[:1])
    class_ids = as_numbers(class_ids, f"{where}(class_ids)")
    if not (boxes.ndim == 2 and boxes.shape[:1] == scores.shape == class_ids.shape):
        raise ValueError(
            f"non_max_suppression(boxes, scores, class_ids): shapes {boxes.shape}, "
            f"{scores.shape} and {class_ids.shape} disagree; one score and one class "
            f"id are needed for each of the [N, 4] boxes."
        )
    areas = box_areas(boxes)
    remaining = np.argsort(-scores, kind="stable")
    keep: list[int] = []
    while len(remaining) and (max_output is None or len(keep) < max_output):
        best, remaining = remaining[0], remaining[1:]
        keep.append(best)
        iou = pairs_iou(boxes[best], boxes[remaining], areas[best], areas[remaining])
        suppressed = (iou > threshold) & (class_ids[remaining] == class_ids[best])
        remaining = remaining[~suppressed]
    return np.array(keep, dtype=np.int32)


def non_max_suppression_tensor(
    boxes, scores, max_output, threshold: float, class_ids=None
):
    """Tensor twin of `non_max_suppression`, for one image.

    Without class ids this is TensorFlow's kernel. With class ids the IoU matrix [N, N]
    is set to 0 between classes, which is exact: no offset is added to coordinates.

    Args:
        boxes: float32 [N, (y1, x1, y2, x2)], any frame.
        scores: float32 [N].
        max_output: int, most boxes to keep.
        threshold: largest IoU (ratio, 0..1) that two kept boxes may have.
        class_ids: int [N] or None.

    Returns:
        int32 [k], indices into `boxes`, by falling score.
    """
    import tensorflow as tf

    boxes = tf.cast(boxes, tf.float32)
    scores = tf.cast(scores, tf.float32)
    if class_ids is None:
        return tf.image.non_max_suppression(boxes, scores, max_output, threshold)
    same_class = tf.equal(class_ids[:, tf.newaxis], class_ids[tf.newaxis, :])
    overlaps = compute_overlaps_tensor(boxes, boxes) * tf.cast(same_class, tf.float32)
    return tf.image.non_max_suppression_overlaps(
        overlaps, scores, max_output, overlap_threshold=threshold
    )
