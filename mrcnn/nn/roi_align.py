"""RoI features: a small, fixed-size map for each box, from the level that suits it.

Operators on one feature map (`roi_crop`, `roi_align`; `roi_pool` has its own file) and
the layer that chooses the level (`PyramidROIAlign`). Frame "map": cells of a feature
map, cell i covers [i, i + 1); map = px / stride.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.geometry.image_meta import parse_image_meta_tensor
from mrcnn.nn.base import ConfiguredLayer, check_choice
from mrcnn.nn.roi_pool import roi_pool

CHOICES = {
    "roi_op": ("crop", "align", "pool"),
    "reduce": ("average", "max"),
    "level_rounding": ("round", "floor"),
}
MIN_LEVEL, MAX_LEVEL = 2, 5
# FPN (1612.03144) sec. 4.2: a box of the area of an ImageNet image belongs to P4.
CANONICAL_SIDE_PX, CANONICAL_LEVEL = 224.0, 4
# In norm, where an image ends at 1: far outside of anything a box can mean.
MAX_COORDINATE = 1e3


def boxes_to_map(boxes_px, stride: float):
    """Returns boxes in map units, unrounded.

    Args:
        boxes_px: number [..., (y1, x1, y2, x2)], px, half open; array or tensor.
        stride: px a cell.

    >>> import numpy as np
    >>> boxes_to_map(np.array([33.0, 65.0, 150.0, 200.0]), 16)
    array([ 2.0625,  4.0625,  9.375 , 12.5   ])
    """
    return boxes_px / stride


def boxes_norm_to_map(boxes_norm, image_shape, stride: float) -> tf.Tensor:
    """Returns float32 boxes in map units from boxes in norm.

    Args:
        boxes_norm: float [..., (y1, x1, y2, x2)], norm.
        image_shape: (height, width), px.
        stride: px a cell.
    """
    height = tf.cast(image_shape[0], tf.float32)
    width = tf.cast(image_shape[1], tf.float32)
    scale = tf.stack([height, width, height, width]) - 1.0
    shift = tf.constant([0.0, 0.0, 1.0, 1.0])
    return boxes_to_map(tf.cast(boxes_norm, tf.float32) * scale + shift, stride)


def bin_sizes(boxes_map, pool_shape):
    """Returns [..., (height, width)] of one bin, cells, for boxes [..., 4] in map.

    >>> import numpy as np
    >>> bin_sizes(np.array([2.0625, 4.0625, 9.375, 12.5]), (2, 2))
    array([3.65625, 4.21875])
    """
    return (boxes_map[..., 2:] - boxes_map[..., :2]) / pool_shape


def roi_levels(boxes_norm, image_shape, rounding: str = "round") -> tf.Tensor:
    """Returns the pyramid level, int32 [...], that each box takes its features from.

    Source: FPN (1612.03144) eq. 1: level 4 + floor(log2(sqrt(area) / 224 px)).
    Deviation: rounding="round" (the default, and the old package) goes to the nearest
    level, ties to the even one. Area is measured with the sides in norm.

    Args:
        boxes_norm: float [..., (y1, x1, y2, x2)], norm; an empty box gets level 2.
        image_shape: (height, width), px.
        rounding: "round" or "floor".
    """
    boxes_norm = tf.cast(boxes_norm, tf.float32)
    y1, x1, y2, x2 = tf.unstack(boxes_norm, axis=-1)
    image_area = tf.cast(image_shape[0] * image_shape[1], tf.float32)
    canonical = CANONICAL_SIDE_PX / tf.sqrt(image_area)
    side = tf.sqrt((y2 - y1) * (x2 - x1)) / canonical
    # No NaN (inverted box) or infinity (log 0) may reach the cast to a level.
    side = tf.where(side > 1e-6, tf.minimum(side, 1e6), 1e-6)
    octave = tf.math.log(side) / tf.math.log(2.0)
    octave = tf.round(octave) if rounding == "round" else tf.floor(octave)
    level = tf.cast(octave, tf.int32) + CANONICAL_LEVEL
    return tf.clip_by_value(level, MIN_LEVEL, MAX_LEVEL)


def roi_crop(feature, boxes_norm, batch_ix, pool_shape) -> tf.Tensor:
    """Returns one bilinear sample a bin, the first and last on the corners of the box.

    Deviation: what the old package calls RoIAlign, and its weights were trained with;
    it aligns corners, takes one sample where Mask R-CNN takes four, and is 0 outside
    the map. For the operator of the paper see `roi_align`.

    Args:
        feature: float32 [B, h, w, channels].
        boxes_norm: float32 [N, (y1, x1, y2, x2)], norm.
        batch_ix: int32 [N], the image of each box.
        pool_shape: (height, width) of the result.

    Returns:
        float32 [N, height, width, channels].
    """
    return tf.image.crop_and_resize(feature, boxes_norm, batch_ix, pool_shape)


def roi_align(
    feature,
    boxes_map,
    batch_ix,
    pool_shape,
    sampling_ratio: int = 2,
    reduce: str = "average",
) -> tf.Tensor:
    """Returns RoIAlign (Mask R-CNN 1703.06870 sec. 3): no coordinate is rounded.

    Each bin holds sampling_ratio x sampling_ratio regularly spaced bilinear samples;
    cell i has its value at i + 0.5 (half-pixel aligned). Samples up to half a cell
    outside the map take the value of the edge, those beyond are 0.

    How: `crop_and_resize` reads a regular grid whose first and last points are the
    corners of its box, so it is given the box from the first sample to the last. It
    has no half cell outside of the map; a border that repeats the edge adds one.

    Args:
        feature: float32 [B, h, w, channels].
        boxes_map: float32 [N, (y1, x1, y2, x2)], cells.
        batch_ix: int32 [N], the image of each box.
        pool_shape: (height, width) of the result, bins.
        sampling_ratio: samples along one side of a bin, 1 or more.
        reduce: "average" or "max" of the samples of a bin.

    Returns:
        float32 [N, height, width, channels].
    """
    boxes_map = tf.cast(boxes_map, tf.float32)
    rows, columns = pool_shape
    grid = (rows * sampling_ratio, columns * sampling_ratio)
    grid_shape = tf.constant(grid, tf.float32)
    map_shape = tf.cast(tf.shape(feature)[1:3], tf.float32)

    # 1. The first and the last sample of each side: half a step inside the box.
    #    Sample centres count from the centre of cell 0, hence 0.5; the border adds 1.
    start, end = boxes_map[:, :2] + 0.5, boxes_map[:, 2:] + 0.5
    half_step = 0.5 * (end - start) / grid_shape
    # 2. In the units of crop_and_resize, where 1 is the last cell of the wider map.
    samples = tf.concat([start + half_step, end - half_step], axis=-1)
    boxes = samples / tf.tile(map_shape + 1.0, [2])
    # 3. Sample, then reduce each bin.
    bordered = tf.pad(feature, [[0, 0], [1, 1], [1, 1], [0, 0]], "SYMMETRIC")
    values = tf.image.crop_and_resize(bordered, boxes, batch_ix, grid)
    if sampling_ratio == 1:
        return values
    pool = tf.nn.max_pool2d if reduce == "max" else tf.nn.avg_pool2d
    return pool(values, sampling_ratio, sampling_ratio, "VALID")


@keras.saving.register_keras_serializable("mrcnn")
class PyramidROIAlign(ConfiguredLayer):
    """Features of each RoI, from the pyramid level that its size asks for.

    Source: FPN (1612.03144) sec. 4.2. Each level pools its own boxes at once; a
    gather then restores the order of the boxes. Gradients go to the feature maps and
    not to the boxes. Coordinates are float32 under every policy; features leave in
    the compute dtype.

    Args:
        pool_shape: (height, width) of the result, bins.
        roi_op: "crop", "align" or "pool"; see the functions of this module.
        sampling_ratio: of "align".
        reduce: of "align", "average" or "max".
        level_rounding: "round" or "floor"; see `roi_levels`.
        strides: px a cell of P2, P3, P4, P5.
        **kwargs: arguments of `keras.layers.Layer`.

    Raises:
        ValueError: an argument has an impossible value.
    """

    ARGUMENTS = (
        "pool_shape",
        "roi_op",
        "sampling_ratio",
        "reduce",
        "level_rounding",
        "strides",
    )

    def __init__(
        self,
        pool_shape,
        *,
        roi_op: str = "crop",
        sampling_ratio: int = 2,
        reduce: str = "average",
        level_rounding: str = "round",
        strides=(4, 8, 16, 32),
        **kwargs,
    ):
        super().__init__(**kwargs)
        self.supports_jit = False  # crop_and_resize has no XLA kernel
        self.pool_shape = tuple(int(side) for side in pool_shape)
        self.roi_op, self.reduce = roi_op, reduce
        self.level_rounding = level_rounding
        self.sampling_ratio = int(sampling_ratio)
        self.strides = tuple(strides)
        for name, choices in CHOICES.items():
            check_choice("PyramidROIAlign", name, getattr(self, name), choices)
        if len(self.pool_shape) != 2 or min(self.pool_shape) < 1:
            raise ValueError(
                f"PyramidROIAlign(pool_shape={pool_shape}): needs (height, width), "
                "both at least 1."
            )
        if self.sampling_ratio < 1:
            raise ValueError(
                f"PyramidROIAlign(sampling_ratio={sampling_ratio}): a bin needs a "
                "sample; pass 1 or more (the paper takes 2)."
            )
        if len(self.strides) != MAX_LEVEL - MIN_LEVEL + 1:
            raise ValueError(
                f"PyramidROIAlign(strides={strides}): needs the four strides of P2..P5."
            )

    def call(self, inputs, batch_ix=None):
        """Returns the features, compute dtype [B, R, height, width, channels].

        Args:
            inputs: boxes [B, R, (y1, x1, y2, x2)], norm; image_meta [B, 12 + C];
                P2, P3, P4, P5 [B, h, w, channels].
            batch_ix: int32 [1, N]; boxes are [1, N, 4] then and box i lies on image
                batch_ix[0, i]. Without it row b of the boxes lies on image b.
        """
        boxes, image_meta, *feature_maps = inputs
        boxes = tf.stop_gradient(tf.cast(boxes, tf.float32))
        leading = tf.shape(boxes)[:2]
        if batch_ix is None:
            batch_ix = tf.repeat(tf.range(leading[0]), leading[1])
        batch_ix = tf.reshape(tf.cast(batch_ix, tf.int32), [-1])
        boxes = tf.reshape(boxes, [-1, 4])
        # Kernels index memory by these numbers: a network that has diverged must end
        # in a loss that is not finite, not in a crash.
        boxes = tf.where(tf.math.is_finite(boxes), boxes, 0.0)
        boxes = tf.clip_by_value(boxes, -MAX_COORDINATE, MAX_COORDINATE)
        image_shape = parse_image_meta_tensor(image_meta)["image_shape"][0]

        levels = roi_levels(boxes, image_shape, self.level_rounding)
        pooled, order = [], []
        for ix, feature in enumerate(feature_maps):
            here = tf.where(levels == MIN_LEVEL + ix)[:, 0]
            order.append(here)
            pooled.append(
                self._pool(
                    tf.cast(feature, tf.float32),
                    tf.gather(boxes, here),
                    tf.gather(batch_ix, here),
                    image_shape,
                    self.strides[ix],
                )
            )
        # Row k of the joined rows is box order[k]; the inverse puts them back.
        inverse = tf.argsort(tf.concat(order, axis=0))
        features = tf.gather(tf.concat(pooled, axis=0), inverse)
        shape = [*self.pool_shape, feature_maps[0].shape[-1]]
        features = tf.reshape(features, tf.concat([leading, shape], axis=0))
        return tf.cast(features, self.compute_dtype)

    def _pool(self, feature, boxes_norm, batch_ix, image_shape, stride):
        """Applies the layer's operator to one level."""
        if self.roi_op == "crop":
            return roi_crop(feature, boxes_norm, batch_ix, self.pool_shape)
        boxes_map = boxes_norm_to_map(boxes_norm, image_shape, stride)
        if self.roi_op == "pool":
            return roi_pool(feature, boxes_map, batch_ix, self.pool_shape)
        return roi_align(
            feature,
            boxes_map,
            batch_ix,
            self.pool_shape,
            self.sampling_ratio,
            self.reduce,
        )

    def compute_output_shape(self, inputs_shape, batch_ix_shape=None):
        """Returns (B, R, height, width, channels)."""
        boxes_shape, channels = inputs_shape[0], inputs_shape[2][-1]
        return (*boxes_shape[:2], *self.pool_shape, channels)
