"""RoIPool, the operator before RoIAlign: two roundings and a maximum.

Frame "map": cells of a feature map, cell i covers [i, i + 1); map = px / stride.
"""

from __future__ import annotations

import tensorflow as tf

# Far outside of any map, and small enough for whole numbers of 32 bits.
MAX_CELL = 1e6


def roi_pool_bins(boxes_map, pool_shape) -> tuple[tf.Tensor, tf.Tensor]:
    """Returns the cells that RoIPool gives to each bin, after its two roundings.

    Source: Fast R-CNN (1504.08083) sec. 2.1. First the corners are rounded down to
    whole cells (a box keeps one cell at least): a side of 20.78 cells keeps 20. Then
    bin i of p takes the cells floor(i * side / p) to ceil((i + 1) * side / p); bins may
    overlap.

    Deviation: Mask R-CNN (1703.06870) sec. 3 rounds the corners to the nearest cell,
    [x / 16]. Rounded down, what is read lies half a cell further up and to the left on
    average, and up to a whole cell beside the box instead of half a one.

    Args:
        boxes_map: float32 [N, (y1, x1, y2, x2)], cells.
        pool_shape: (rows, columns), bins.

    Returns:
        Bins along y, int32 [N, rows, (start, end)], and along x, int32 [N, columns,
        (start, end)]: cells, half open, not clipped to the map.
    """
    cells = tf.cast(tf.floor(boxes_map), tf.int32)
    bins = []
    for axis, count in enumerate(pool_shape):
        start = cells[:, axis, None]
        side = tf.maximum(cells[:, axis + 2, None] - start, 1)
        ix = tf.range(count)[None]
        # -(-a // b) is the ceiling of a / b, exact in integers.
        ends = start - (-(ix + 1) * side) // count
        bins.append(tf.stack([start + ix * side // count, ends], axis=-1))
    return bins[0], bins[1]


def roi_pool(feature, boxes_map, batch_ix, pool_shape) -> tf.Tensor:
    """Returns RoIPool (Fast R-CNN 1504.08083 sec. 2.1): the maximum of each bin.

    For comparison with `roi_align`; see `roi_pool_bins` for what its roundings lose. A
    bin without a cell on the map is 0.

    Args:
        feature: float32 [B, h, w, channels].
        boxes_map: float32 [N, (y1, x1, y2, x2)], cells.
        batch_ix: int32 [N], the image of each box.
        pool_shape: (height, width) of the result, bins.

    Returns:
        float32 [N, height, width, channels].
    """
    feature = tf.convert_to_tensor(feature)
    boxes_map = tf.cast(boxes_map, tf.float32)
    batch_ix = tf.cast(batch_ix, tf.int32)
    shape = tf.shape(feature)
    height, width, channels = shape[1], shape[2], shape[3]
    # In float: a wild box must not overflow the cast to cells.
    boxes_map = tf.clip_by_value(boxes_map, -MAX_CELL, MAX_CELL)
    bins_y, bins_x = roi_pool_bins(boxes_map, pool_shape)
    bins_y = tf.clip_by_value(bins_y, 0, height)
    bins_x = tf.clip_by_value(bins_x, 0, width)
    y1, y2 = bins_y[:, :, None, 0], bins_y[:, :, None, 1]  # [N, rows, 1]
    x1, x2 = bins_x[:, None, :, 0], bins_x[:, None, :, 1]  # [N, 1, columns]
    bin_width = tf.maximum(x2 - x1, 1)
    num_cells = (y2 - y1) * (x2 - x1)  # [N, rows, columns]

    # Every bin visits its own cells one by one, all bins at once, and remembers where
    # its maximum is. The gradient goes to that cell only, so the search needs none.
    cells = tf.reshape(tf.stop_gradient(feature), [-1, channels])
    row_of_image = batch_ix[:, None, None] * height

    def visit(step, best, best_cell):
        y, x = y1 + step // bin_width, x1 + step % bin_width
        cell = (row_of_image + tf.minimum(y, height - 1)) * width
        cell += tf.minimum(x, width - 1)
        value = tf.gather(cells, cell)
        better = (value > best) & (step < num_cells)[..., None]
        best_cell = tf.where(better, cell[..., None], best_cell)
        return step + 1, tf.where(better, value, best), best_cell

    pooled_shape = [tf.shape(boxes_map)[0], *pool_shape, channels]
    any_shape = tf.TensorShape([None, *pool_shape, None])
    num_steps = tf.reduce_max(tf.pad(tf.reshape(num_cells, [-1]), [[0, 1]]))
    _, _, best_cell = tf.while_loop(
        lambda step, *_: step < num_steps,
        visit,
        (0, tf.fill(pooled_shape, feature.dtype.min), tf.zeros(pooled_shape, tf.int32)),
        shape_invariants=(tf.TensorShape([]), any_shape, any_shape),
    )
    index = tf.cast(best_cell, tf.int64) * tf.cast(channels, tf.int64)
    index += tf.range(tf.cast(channels, tf.int64))
    values = tf.gather(tf.reshape(feature, [-1]), index)
    return tf.where((num_cells > 0)[..., None], values, 0.0)
