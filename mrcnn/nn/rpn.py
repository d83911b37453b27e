"""Region proposal network: scores and box deltas for every anchor of every level."""

from __future__ import annotations

from collections.abc import Sequence

import keras
import tensorflow as tf
from keras import layers

from mrcnn.geometry.anchors import anchors_per_location, pyramid_anchors_tensor
from mrcnn.geometry.coordinates import norm_boxes_tensor
from mrcnn.nn.base import Float32Layer


def build_rpn_model(
    anchor_stride: int,
    anchors_per_location: int,
    depth: int,
    channels: int = 512,
) -> keras.Model:
    """Returns the model "rpn_model", shared by all levels.

    Source: Faster R-CNN (1506.01497) sec. 3.1; shared over levels as FPN (1612.03144)
    sec. 4.1. Files of old weights store its layers by position: the order in which
    they are made here must not change.

    Args:
        anchor_stride: cells from one anchor position to the next.
        anchors_per_location: anchors at one position.
        depth: channels of the feature maps.
        channels: channels of the shared convolution.

    Returns:
        A model [B, h, w, depth] -> logits float32 [B, a, 2] of (background, object),
        probs float32 [B, a, 2], deltas float32 [B, a, (dy, dx, log dh, log dw)] in
        units of RPN_BBOX_STD_DEV; a = positions x anchors_per_location, row by row.
    """
    feature_map = keras.Input(
        [None, None, depth],
        dtype=keras.config.dtype_policy().compute_dtype,
        name="input_rpn_feature_map",
    )
    outputs = rpn_layers(feature_map, anchors_per_location, anchor_stride, channels)
    return keras.Model(feature_map, outputs, name="rpn_model")


def rpn_layers(
    feature_map, anchors_per_location: int, anchor_stride: int, channels: int = 512
) -> list:
    """Returns [logits, probs, deltas] of one feature map, see `build_rpn_model`.

    Args:
        feature_map: [B, h, w, depth].
        anchors_per_location: anchors at one position.
        anchor_stride: cells from one anchor position to the next.
        channels: channels of the shared convolution.
    """
    shared = layers.Conv2D(
        channels,
        3,
        strides=anchor_stride,
        padding="same",
        activation="relu",
        name="rpn_conv_shared",
    )(feature_map)
    x = layers.Conv2D(2 * anchors_per_location, 1, name="rpn_class_raw")(shared)
    logits = layers.Reshape((-1, 2), dtype="float32", name="rpn_class_rows")(x)
    probs = layers.Activation("softmax", dtype="float32", name="rpn_class_xxx")(logits)
    x = layers.Conv2D(4 * anchors_per_location, 1, name="rpn_bbox_pred")(shared)
    deltas = layers.Reshape((-1, 4), dtype="float32", name="rpn_bbox_rows")(x)
    return [logits, probs, deltas]


def apply_rpn(rpn_model: keras.Model, feature_maps: Sequence) -> list:
    """Returns [logits, probs, deltas] of all levels, joined in the order of the maps.

    Args:
        rpn_model: see `build_rpn_model`.
        feature_maps: P2..P6, the order of the anchors.

    Returns:
        float32 [B, A, 2], [B, A, 2], [B, A, 4], from the layers rpn_class_logits,
        rpn_class and rpn_bbox.
    """
    levels = [rpn_model(feature_map) for feature_map in feature_maps]
    names = ("rpn_class_logits", "rpn_class", "rpn_bbox")
    return [
        layers.Concatenate(axis=1, dtype="float32", name=name)(list(parts))
        for name, parts in zip(names, zip(*levels, strict=True), strict=True)
    ]


@keras.saving.register_keras_serializable("mrcnn")
class Anchors(Float32Layer):
    """The anchors of a batch of images, computed from the shapes in the graph.

    So the model needs no anchors as an input and runs on images of any size.

    Args:
        scales: sides of square anchors, px; a number or a sequence a level.
        ratios: width / height.
        strides: px a cell, one a level.
        anchor_stride: cells from one anchor position to the next.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    ARGUMENTS = ("scales", "ratios", "strides", "anchor_stride")

    def __init__(self, *, scales, ratios, strides, anchor_stride=1, **kwargs):
        super().__init__(**kwargs)
        self.scales = [_to_list(level_scales) for level_scales in scales]
        self.ratios = [float(ratio) for ratio in ratios]
        self.strides = [int(stride) for stride in strides]
        self.anchor_stride = int(anchor_stride)

    def call(self, inputs):
        """Returns the anchors, float32 [B, A, (y1, x1, y2, x2)], norm, not clipped.

        Args:
            inputs: images [B, H, W, channels], then one feature map a level.
        """
        image, *feature_maps = inputs
        anchors_px = pyramid_anchors_tensor(
            self.scales,
            self.ratios,
            [tf.shape(feature_map)[1:3] for feature_map in feature_maps],
            self.strides,
            self.anchor_stride,
        )
        shape = tf.shape(image)
        anchors = norm_boxes_tensor(anchors_px, shape[1:3])
        return tf.tile(anchors[None], [shape[0], 1, 1])

    def compute_output_shape(self, input_shape):
        """Returns (B, A, 4)."""
        image_shape, *map_shapes = input_shape
        count = 0
        for _, height, width, *_ in map_shapes:
            if height is None or width is None:
                return (image_shape[0], None, 4)
            positions = -(-height // self.anchor_stride) * -(
                -width // self.anchor_stride
            )
            count += positions * anchors_per_location(self.scales, self.ratios)
        return (image_shape[0], count, 4)


def _to_list(scales):
    """Returns numbers for JSON: a float, or a list of floats."""
    try:
        return [float(scale) for scale in scales]
    except TypeError:
        return float(scales)
