"""Frames: px (model image), norm (0..1) and orig (image file).

norm = (px - [0, 0, 1, 1]) / [H-1, W-1, H-1, W-1]. The old weights were trained with
this rule: the last *pixel* of a box, y2 - 1, is what becomes 1 at the border.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_sides
from mrcnn.geometry.boxes import as_boxes


def _scale_and_shift(shape, where: str) -> tuple[np.ndarray, np.ndarray]:
    """Returns float64 [4], [4] with px = norm * scale + shift."""
    height, width = as_sides(shape, where)
    # A side of one pixel has no extent: divide by 1 instead of 0.
    scale = np.maximum([height - 1, width - 1, height - 1, width - 1], 1.0)
    return scale, np.array([0.0, 0.0, 1.0, 1.0])


def norm_boxes(boxes, shape) -> np.ndarray:
    """Returns px boxes in the norm frame.

    Law: `denorm_boxes(norm_boxes(b, shape), shape) == b` for whole-numbered boxes.

    Args:
        boxes: [..., (y1, x1, y2, x2)], px.
        shape: (height, width, ...) of the image that the pixels belong to.

    Returns:
        float32 [..., (y1, x1, y2, x2)], norm.

    >>> norm_boxes([[0, 0, 101, 51]], (101, 201)).tolist()
    [[0.0, 0.0, 1.0, 0.25]]
    """
    scale, shift = _scale_and_shift(shape, "norm_boxes(shape)")
    boxes = as_boxes(boxes, "norm_boxes(boxes)", np.float64)
    return ((boxes - shift) / scale).astype(np.float32)


def denorm_boxes(boxes, shape) -> np.ndarray:
    """Returns norm boxes in whole pixels (rounded half to even).

    Args:
        boxes: [..., (y1, x1, y2, x2)], norm.
        shape: (height, width, ...) of the image to measure in.

    Returns:
        int32 [..., (y1, x1, y2, x2)], px.

    >>> denorm_boxes([[0, 0, 1, 0.25]], (101, 201)).tolist()
    [[0, 0, 101, 51]]
    """
    scale, shift = _scale_and_shift(shape, "denorm_boxes(shape)")
    boxes = as_boxes(boxes, "denorm_boxes(boxes)")
    return np.around(boxes * scale + shift).astype(np.int32)


def _scale_and_shift_tensor(shape):
    """Tensor twin of `_scale_and_shift`: float64 [4], [4]."""
    import tensorflow as tf

    sides = tf.maximum(tf.cast(shape, tf.float64)[:2] - 1.0, 1.0)
    shift = tf.constant([0.0, 0.0, 1.0, 1.0], tf.float64)
    return tf.concat([sides, sides], axis=0), shift


def norm_boxes_tensor(boxes, shape):
    """Tensor twin of `norm_boxes`: [..., 4] px, `shape` [2] or more -> float32."""
    import tensorflow as tf

    scale, shift = _scale_and_shift_tensor(shape)
    # float64 as in NumPy: a box is rounded once, to the same bits.
    return tf.cast((tf.cast(boxes, tf.float64) - shift) / scale, tf.float32)


def denorm_boxes_tensor(boxes, shape):
    """Tensor twin of `denorm_boxes`: [..., 4] norm, `shape` [2] or more -> int32."""
    import tensorflow as tf

    # float64 as in NumPy: values near one half round to the same pixel.
    scale, shift = _scale_and_shift_tensor(shape)
    boxes = tf.cast(tf.cast(boxes, tf.float32), tf.float64)
    return tf.cast(tf.round(boxes * scale + shift), tf.int32)


def norm_to_orig(boxes, window, image_shape, original_shape) -> np.ndarray:
    """Returns norm boxes of the model image in pixels of its image file.

    The window is the part of the padded model image that shows the file's image. Boxes
    become relative to it, and then pixels of the original image.

    Args:
        boxes: [..., (y1, x1, y2, x2)], norm, of the model image.
        window: [(y1, x1, y2, x2)], px, of the model image.
        image_shape: (height, width, ...) of the model image.
        original_shape: (height, width, ...) of the file's image.

    Returns:
        int32 [..., (y1, x1, y2, x2)], orig, not clipped.

    >>> norm_to_orig([[0, 0, 1, 1]], [0, 0, 512, 512], (512, 512), (200, 300)).tolist()
    [[0, 0, 200, 300]]
    """
    boxes = as_boxes(boxes, "norm_to_orig(boxes)")
    window = norm_boxes(window, image_shape).astype(np.float64)
    origin = np.concatenate([window[:2], window[:2]])
    extent = window[2:] - window[:2]
    # A window of one pixel has no extent in the norm frame.
    extent = np.where(extent > 0, extent, 1.0)
    relative = (boxes - origin) / np.concatenate([extent, extent])
    return denorm_boxes(relative, original_shape)
