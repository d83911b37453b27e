"""The old `*_graph` functions: tensors in, tensors out, and batch_slice."""

from __future__ import annotations

from collections.abc import Callable, Sequence

from mrcnn.geometry.boxes import (
    apply_box_deltas_tensor,
    box_refinement_tensor,
    clip_boxes_tensor,
    compute_overlaps_tensor,
    trim_zeros_tensor,
)
from mrcnn.geometry.coordinates import denorm_boxes_tensor, norm_boxes_tensor
from mrcnn.geometry.image_meta import parse_image_meta_tensor


def apply_box_deltas_graph(boxes, deltas):
    """Returns boxes moved by deltas, see `geometry.boxes.apply_box_deltas`.

    Args:
        boxes: float32 [..., (y1, x1, y2, x2)], any frame.
        deltas: float32 [..., (dy, dx, log dh, log dw)], multiplied by the standard
            deviations.
    """
    return apply_box_deltas_tensor(boxes, deltas)


def clip_boxes_graph(boxes, window):
    """Returns boxes cut to a window: float32 [..., 4], one frame, window [4]."""
    return clip_boxes_tensor(boxes, window)


def overlaps_graph(boxes1, boxes2):
    """Returns the IoU of all pairs: float32 [N, 4], [M, 4] -> [N, M], 0..1."""
    return compute_overlaps_tensor(boxes1, boxes2)


def box_refinement_graph(box, gt_box):
    """Returns the deltas from boxes to gt boxes: float32 [N, 4], [N, 4] -> [N, 4]."""
    return box_refinement_tensor(box, gt_box)


def norm_boxes_graph(boxes, shape):
    """Returns float32 boxes [..., 4] in norm, of px boxes on an image (H, W)."""
    return norm_boxes_tensor(boxes, shape)


def denorm_boxes_graph(boxes, shape):
    """Returns int32 boxes [..., 4] in px, of norm boxes on an image (H, W)."""
    return denorm_boxes_tensor(boxes, shape)


def parse_image_meta_graph(meta) -> dict:
    """Returns the parts of image_meta [B, 12 + C] by name, in its own dtype.

    See `geometry.image_meta.parse_image_meta`.
    """
    return parse_image_meta_tensor(meta)


def log2_graph(x):
    """Returns the logarithm of a float tensor to the base of 2."""
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    return tf.math.log(x) / tf.math.log(tf.constant(2, x.dtype))


def trim_zeros_graph(boxes, name: str | None = "trim_zeros"):
    """Returns the rows that are not all zero, and which rows these are.

    Args:
        boxes: [N, 4]; rows of zeros are padding.
        name: of the first tensor.

    Returns:
        boxes [n, 4] and mask bool [N].
    """
    import tensorflow as tf

    rows, mask = trim_zeros_tensor(tf.convert_to_tensor(boxes))
    return tf.identity(rows, name=name), mask


def batch_pack_graph(x, counts, num_rows: int):
    """Returns the first rows of each image, joined: [sum(counts), ...].

    Args:
        x: [B, N, ...].
        counts: int [B], rows of each image.
        num_rows: B.
    """
    import tensorflow as tf

    return tf.concat([x[i, : counts[i]] for i in range(num_rows)], axis=0)


def batch_slice(
    inputs, graph_fn: Callable, batch_size: int, names: Sequence | None = None
):
    """Returns a function's results on each image, stacked along a new first axis.

    For functions that know one image only. Works eagerly and while tracing; the images
    are unrolled, so `tf.map_fn` is the better choice for new code.

    Args:
        inputs: a tensor [B, ...], or a list of them.
        graph_fn: takes one image's part of each and returns a tensor, or a list or
            tuple of tensors, of the same shapes for every image.
        batch_size: B.
        names: names of the results, or None.

    Returns:
        A tensor, or a list of tensors where graph_fn returned several.

    Raises:
        ValueError: the inputs do not hold `batch_size` images, or `names` has another
            length than the results.
        tf.errors.InvalidArgumentError: the same, found while a traced function runs.
    """
    import tensorflow as tf

    if not isinstance(inputs, list | tuple):
        inputs = [inputs]
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    checks = []
    for ix, x in enumerate(inputs):
        if x.shape[0] is None:
            message = f"batch_slice(inputs[{ix}], batch_size={batch_size}):"
            checks.append(
                tf.debugging.assert_equal(tf.shape(x)[0], batch_size, message)
            )
        elif x.shape[0] != batch_size:
            raise ValueError(
                f"batch_slice(inputs, batch_size={batch_size}): inputs[{ix}] holds "
                f"{x.shape[0]} images; pass the number of images in the batch."
            )
    with tf.control_dependencies([check for check in checks if check is not None]):
        inputs = [tf.identity(x) for x in inputs]

    rows = []
    for i in range(batch_size):
        row = graph_fn(*(x[i] for x in inputs))
        rows.append(row if isinstance(row, list | tuple) else [row])
    columns = list(zip(*rows, strict=True))
    names = [None] * len(columns) if names is None else names
    if len(names) != len(columns):
        raise ValueError(
            f"batch_slice(names={list(names)}): graph_fn returned {len(columns)} "
            "tensors; give one name each, or None."
        )
    result = [
        tf.stack(column, axis=0, name=name)
        for column, name in zip(columns, names, strict=True)
    ]
    return result[0] if len(result) == 1 else result
