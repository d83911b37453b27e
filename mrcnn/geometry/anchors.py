"""Anchors: the boxes that the RPN refines, a set for each position of each level.

Order: levels, rows, columns, ratios, scales. The RPN heads are flattened in the same
order, so weights depend on it. Anchors are centered on `index * stride` (no half pixel
offset), as the old package did; they are px boxes and may reach over the border.

Their sides are no whole numbers, so they are float64, as in the old package: only norm
boxes are rounded to float32, once. The weights then meet the bits they were trained
with, and a rounding that `crop_and_resize` is sensitive to falls as it did there.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import (
    MAX_SIDE,
    as_list,
    as_number,
    as_numbers,
    as_sides,
)


def _level_scales(scales, function: str) -> np.ndarray:
    """Returns the anchor sides of one level (px) as an array [s]."""
    return np.atleast_1d(as_numbers(scales, f"{function}(scales)", np.float64))


def anchor_sizes(scales, ratios) -> np.ndarray:
    """Returns the anchor shapes of one position.

    All ratios of a scale have the same area, scale * scale.

    Args:
        scales: side of the square anchor in px: a number, or several.
        ratios: width / height of the anchors: a number, or several.

    Returns:
        float64 [len(ratios) * len(scales), (height, width)], ratio by ratio.

    Raises:
        ValueError: if a scale or a ratio is not positive, or there is none.

    >>> anchor_sizes(32, [0.25, 1, 4]).tolist()
    [[64.0, 16.0], [32.0, 32.0], [16.0, 64.0]]
    """
    scales = _level_scales(scales, "anchor_sizes")
    ratios = np.atleast_1d(as_numbers(ratios, "anchor_sizes(ratios)", np.float64))
    for name, values in (("scales", scales), ("ratios", ratios)):
        if values.ndim != 1 or values.size == 0 or not np.all(values > 0):
            raise ValueError(
                f"anchor_sizes({name}={values.tolist()}): positive numbers are needed."
            )
    roots = np.sqrt(ratios)[:, None]
    heights, widths = scales / roots, scales * roots
    return np.stack([heights.ravel(), widths.ravel()], axis=1)


def _offsets(scales, ratios) -> np.ndarray:
    """Returns float64 [k, 4]: the anchors of the position (0, 0)."""
    half = 0.5 * anchor_sizes(scales, ratios)
    return np.concatenate([-half, half], axis=1)


def generate_anchors(
    scales, ratios, shape, feature_stride, anchor_stride
) -> np.ndarray:
    """Returns the anchors of one pyramid level.

    Args:
        scales: side of the square anchor in px: a number, or several.
        ratios: width / height of the anchors.
        shape: (height, width) of the feature map.
        feature_stride: px of the image for one cell of the map.
        anchor_stride: 1: anchors at every cell; 2: at every second; and so on.

    Returns:
        float64 [rows * columns * ratios * scales, (y1, x1, y2, x2)], px.

    >>> generate_anchors(32, [1], (1, 2), 16, 1).tolist()
    [[-16.0, -16.0, 16.0, 16.0], [-16.0, 0.0, 16.0, 32.0]]
    """
    height, width = as_sides(shape, "generate_anchors(shape)", least=0)
    where = "generate_anchors"
    feature_stride = as_number(
        feature_stride, f"{where}(feature_stride)", high=MAX_SIDE
    )
    anchor_stride = as_number(anchor_stride, f"{where}(anchor_stride)", high=MAX_SIDE)
    if anchor_stride < 1 or feature_stride <= 0:
        raise ValueError(
            f"generate_anchors(feature_stride={feature_stride}, "
            f"anchor_stride={anchor_stride}): strides must be positive."
        )
    rows = np.arange(0, height, anchor_stride) * feature_stride
    columns = np.arange(0, width, anchor_stride) * feature_stride
    y, x = np.meshgrid(rows, columns, indexing="ij")
    centers = np.stack([y, x, y, x], axis=-1).astype(np.float64)
    return (centers[:, :, None, :] + _offsets(scales, ratios)).reshape(-1, 4)


def _check_levels(function: str, scales, feature_shapes, feature_strides) -> None:
    """Raises ValueError unless there is one scale, one shape and one stride a level."""
    counts = len(scales), len(feature_shapes), len(feature_strides)
    if len(set(counts)) != 1:
        raise ValueError(
            f"{function}(scales, feature_shapes, feature_strides): {counts[0]} scales, "
            f"{counts[1]} shapes and {counts[2]} strides; give one of each a level."
        )
    if counts[0] == 0:
        raise ValueError(f"{function}(scales={scales}): at least one level is needed.")


def generate_pyramid_anchors(
    scales, ratios, feature_shapes, feature_strides, anchor_stride
) -> np.ndarray:
    """Returns the anchors of all pyramid levels, finest level first.

    Args:
        scales: for each level a number, or a sequence of several.
        ratios: width / height, the same on all levels.
        feature_shapes: [L, (height, width)] of the feature maps.
        feature_strides: [L], px of the image for one cell of the map.
        anchor_stride: cells between two anchors.

    Returns:
        float64 [A, (y1, x1, y2, x2)], px.

    >>> generate_pyramid_anchors([8, 16], [1], [(4, 4), (2, 2)], [4, 8], 1).shape
    (20, 4)
    """
    function = "generate_pyramid_anchors"
    scales = as_list(scales, f"{function}(scales)")
    feature_shapes = as_list(feature_shapes, f"{function}(feature_shapes)")
    feature_strides = as_list(feature_strides, f"{function}(feature_strides)")
    _check_levels(function, scales, feature_shapes, feature_strides)
    levels = zip(scales, feature_shapes, feature_strides, strict=True)
    return np.concatenate(
        [
            generate_anchors(scale, ratios, shape, stride, anchor_stride)
            for scale, shape, stride in levels
        ]
    )


def pyramid_anchors_tensor(
    scales, ratios, feature_shapes, feature_strides, anchor_stride
):
    """Tensor twin of `generate_pyramid_anchors`, for maps of dynamic size.

    Args:
        scales: for each level a number, or a sequence of several (Python numbers).
        ratios: width / height (Python numbers).
        feature_shapes: list of [2] tensors or tuples, or a tensor [L, 2].
        feature_strides: [L], Python numbers.
        anchor_stride: Python int.

    Returns:
        float64 [A, (y1, x1, y2, x2)], px.
    """
    import tensorflow as tf

    function = "pyramid_anchors_tensor"
    if tf.is_tensor(feature_shapes):
        feature_shapes = tf.unstack(feature_shapes)
    _check_levels(function, scales, feature_shapes, feature_strides)
    anchors = []
    for scale, shape, stride in zip(
        scales, feature_shapes, feature_strides, strict=True
    ):
        rows = tf.range(0, shape[0], anchor_stride)
        columns = tf.range(0, shape[1], anchor_stride)
        y, x = tf.meshgrid(rows, columns, indexing="ij")
        centers = tf.cast(tf.stack([y, x, y, x], axis=-1), tf.float64) * float(stride)
        offsets = tf.constant(_offsets(scale, ratios))
        anchors.append(tf.reshape(centers[:, :, tf.newaxis, :] + offsets, [-1, 4]))
    return tf.concat(anchors, axis=0)


def anchors_per_location(scales, ratios) -> int:
    """Returns how many anchors every cell has; all levels must agree.

    One RPN serves all levels, so its output has the same number of channels on each.

    Args:
        scales: for each level a number, or a sequence of several.
        ratios: width / height.

    Returns:
        ratios * scales a level.

    Raises:
        ValueError: if levels have different numbers of scales.

    >>> anchors_per_location([32, 64, 128], [0.5, 1, 2])
    3
    >>> anchors_per_location([(32, 45), (64, 90)], [0.5, 1, 2])
    6
    """
    scales = as_list(scales, "anchors_per_location(scales)")
    ratios = as_numbers(ratios, "anchors_per_location(ratios)")
    counts = [len(_level_scales(level, "anchors_per_location")) for level in scales]
    if len(set(counts)) != 1:
        raise ValueError(
            f"anchors_per_location(scales={scales}): levels have {counts} scales; give "
            f"every level the same number of scales, and at least one level."
        )
    return counts[0] * len(np.atleast_1d(ratios))
