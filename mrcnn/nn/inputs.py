"""Layers that read the network's inputs: boxes in px, image_meta."""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.geometry.coordinates import norm_boxes_tensor
from mrcnn.geometry.image_meta import META_SIZE, parse_image_meta_tensor
from mrcnn.nn.base import Float32Layer


@keras.saving.register_keras_serializable("mrcnn")
class NormalizeBoxes(Float32Layer):
    """Maps boxes from px to norm with the height and width of the image batch."""

    def call(self, inputs):
        """Returns the boxes in norm.

        Args:
            inputs: boxes, a number type [B, N, (y1, x1, y2, x2)], px; and the images
                they lie on, [B, H, W, channels].

        Returns:
            float32 [B, N, 4], norm. A row of zeros (padding) stays a row of zeros.
        """
        boxes_px, images = inputs
        boxes_px = tf.cast(boxes_px, tf.float32)
        boxes_norm = norm_boxes_tensor(boxes_px, tf.shape(images)[1:3])
        is_box = tf.reduce_any(boxes_px != 0, axis=-1, keepdims=True)
        return tf.where(is_box, boxes_norm, 0.0)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the boxes."""
        return tuple(input_shape[0])


@keras.saving.register_keras_serializable("mrcnn")
class ActiveClassIds(Float32Layer):
    """Cuts the flags of the classes an image's source labels out of image_meta."""

    def call(self, image_meta):
        """Returns float32 [B, C], 1 = labelled, of image_meta float32 [B, 12 + C]."""
        flags = parse_image_meta_tensor(image_meta)["active_class_ids"]
        return tf.cast(flags, tf.float32)

    def compute_output_shape(self, input_shape):
        """Returns (B, C)."""
        return (input_shape[0], input_shape[1] - META_SIZE)
