"""Layers that choose the RoIs of a head, and bring them into its shape.

No convolution needs to know that its inputs are RoIs: they are folded into the batch
before it and unfolded after it. `keras.layers.TimeDistributed` would loop over them.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.nn.base import Float32Layer


def fold_rois(x) -> tf.Tensor:
    """Returns [B, R, ...] as [B * R, ...]."""
    shape = tf.shape(x)
    folded = tf.reshape(x, tf.concat([[shape[0] * shape[1]], shape[2:]], axis=0))
    folded.set_shape([None, *x.shape[2:]])
    return folded


def unfold_rois(folded, like) -> tf.Tensor:
    """Returns [B * R, ...] as [B, R, ...], B and R being those of `like`."""
    shape = tf.concat([tf.shape(like)[:2], tf.shape(folded)[1:]], axis=0)
    unfolded = tf.reshape(folded, shape)
    unfolded.set_shape([*like.shape[:2], *folded.shape[1:]])
    return unfolded


@keras.saving.register_keras_serializable("mrcnn")
class FoldRois(keras.layers.Layer):
    """Folds RoIs into the batch: [B, R, ...] -> [B * R, ...]. Undone by UnfoldRois."""

    def call(self, inputs):
        """Returns the inputs with their first two axes joined."""
        return fold_rois(inputs)

    def compute_output_shape(self, input_shape):
        """Returns (B * R, ...)."""
        batch, count, *rest = input_shape
        is_known = batch is not None and count is not None
        return (batch * count if is_known else None, *rest)


@keras.saving.register_keras_serializable("mrcnn")
class UnfoldRois(keras.layers.Layer):
    """Unfolds RoIs: [B * R, ...] -> [B, R, ...], with B and R of another tensor."""

    def call(self, inputs):
        """Returns the unfolded tensor.

        Args:
            inputs: the folded tensor [B * R, ...]; and any tensor [B, R, ...], read
                for its shape only.
        """
        folded, like = inputs
        return unfold_rois(folded, like)

    def compute_output_shape(self, input_shape):
        """Returns (B, R, ...)."""
        folded_shape, like_shape = input_shape
        return (*like_shape[:2], *folded_shape[1:])


@keras.saving.register_keras_serializable("mrcnn")
class PositiveRois(Float32Layer):
    """Picks the RoIs of the whole batch that show an object.

    The mask head is trained on these only: the others carry no mask loss (Mask R-CNN
    1703.06870 sec. 3.1). A batch without any yields one row of zeros of class 0, so
    that no layer meets an empty batch.
    """

    def call(self, inputs):
        """Returns rois, batch_ix, class_ids and masks of the N positive RoIs.

        Args:
            inputs: rois float32 [B, T, (y1, x1, y2, x2)], norm; class_ids int32
                [B, T], positive for an object; masks float32 [B, T, h, w], box.

        Returns:
            rois float32 [1, N, 4]; batch_ix int32 [1, N], the image of each; class_ids
            int32 [1, N]; masks float32 [1, N, h, w]. N >= 1.
        """
        rois, class_ids, masks = inputs
        where = tf.where(class_ids > 0)
        num_missing = tf.cast(tf.shape(where)[0] == 0, tf.int32)

        def pad(rows):
            """Appends one row of zeros when there are none; adds the batch axis."""
            rest = [[0, 0]] * (len(rows.shape) - 1)
            return tf.pad(rows, [[0, num_missing], *rest])[None]

        return (
            tf.stop_gradient(tf.cast(pad(tf.gather_nd(rois, where)), tf.float32)),
            tf.cast(pad(where[:, 0]), tf.int32),
            tf.cast(pad(tf.gather_nd(class_ids, where)), tf.int32),
            tf.stop_gradient(tf.cast(pad(tf.gather_nd(masks, where)), tf.float32)),
        )

    def compute_output_shape(self, input_shape):
        """Returns the shapes of rois, batch_ix, class_ids, masks; N is unknown."""
        _, _, masks_shape = input_shape
        return (1, None, 4), (1, None), (1, None), (1, None, *masks_shape[2:])

    def compute_output_spec(self, inputs):
        """Returns shapes with dtypes: two of the outputs are whole numbers."""
        shapes = self.compute_output_shape([x.shape for x in inputs])
        dtypes = ("float32", "int32", "int32", "float32")
        return tuple(
            keras.KerasTensor(shape, dtype=dtype)
            for shape, dtype in zip(shapes, dtypes, strict=True)
        )


@keras.saving.register_keras_serializable("mrcnn")
class TrimRois(Float32Layer):
    """Boxes of the detections, without the rows that are padding in every image."""

    def call(self, inputs):
        """Returns the boxes, float32 [B, k, 4], norm.

        Args:
            inputs: detections float32 [B, D, (y1, x1, y2, x2, class_id, score)], norm,
                zero rows (padding) last.

        Returns:
            The first k rows; k = the largest number of detections in an image of the
            batch, at least 1.
        """
        counts = tf.math.count_nonzero(inputs[..., 4] > 0, axis=1, dtype=tf.int32)
        k = tf.maximum(tf.reduce_max(counts), 1)
        return tf.cast(tf.stop_gradient(inputs[:, :k, :4]), tf.float32)

    def compute_output_shape(self, input_shape):
        """Returns (B, k, 4); k is unknown."""
        return (input_shape[0], None, 4)


@keras.saving.register_keras_serializable("mrcnn")
class PadRois(Float32Layer):
    """Appends zero rows: [B, k, ...] -> [B, count, ...]. Undoes TrimRois.

    Args:
        count: rows of the result, k or more.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    ARGUMENTS = ("count",)

    def __init__(self, count: int, **kwargs):
        super().__init__(**kwargs)
        self.count = int(count)

    def call(self, inputs):
        """Returns the padded inputs."""
        missing = self.count - tf.shape(inputs)[1]
        rest = [[0, 0]] * (len(inputs.shape) - 2)
        inputs = tf.cast(inputs, self.compute_dtype)
        padded = tf.pad(inputs, [[0, 0], [0, missing], *rest])
        padded.set_shape([None, self.count, *inputs.shape[2:]])
        return padded

    def compute_output_shape(self, input_shape):
        """Returns (B, count, ...)."""
        return (input_shape[0], self.count, *input_shape[2:])
