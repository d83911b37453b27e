"""The five losses: functions of targets and predictions, and a layer for each.

Each loss is a mean over what counts, 0 when nothing does, and has finite gradients
then. Nothing is gathered by a computed index on the way back, so every gradient is
deterministic.
"""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.nn.base import Float32Layer

# Probabilities stay this far from 0 and 1, so that logarithms are finite.
EPSILON = 1e-7


def smooth_l1_loss(y_true, y_pred):
    """Returns the smooth L1 loss of each element, float32.

    Fast R-CNN (arXiv:1504.08083) eq. 3: 0.5 d^2 where |d| < 1, else |d| - 0.5.
    """
    diff = tf.abs(tf.cast(y_true, tf.float32) - tf.cast(y_pred, tf.float32))
    return tf.where(diff < 1.0, 0.5 * tf.square(diff), diff - 0.5)


def rpn_class_loss(rpn_match, rpn_class_logits):
    """Returns the mean cross entropy of the sampled anchors, float32 [].

    Faster R-CNN (arXiv:1506.01497) eq. 1, first term.

    Args:
        rpn_match: int32 [B, A] or [B, A, 1], 1 object, -1 background, 0 not sampled.
        rpn_class_logits: [B, A, (background, object)].
    """
    match = _flat_match(rpn_match)
    loss = _cross_entropy(tf.cast(match == 1, tf.int32), rpn_class_logits)
    return _mean_where(loss, match != 0)


def rpn_bbox_loss(target_deltas, rpn_match, rpn_deltas):
    """Returns the mean smooth L1 loss of the positive anchors' deltas, float32 [].

    Faster R-CNN (arXiv:1506.01497) eq. 1, second term, but averaged over the positives
    and the four numbers.

    Args:
        target_deltas: float32 [B, N, 4], row i belongs to the image's i-th positive
            anchor; the rest is padding.
        rpn_match: int32 [B, A] or [B, A, 1], 1 object.
        rpn_deltas: [B, A, 4].
    """
    is_positive = _flat_match(rpn_match) == 1
    # Each positive anchor looks up its row of the packed targets.
    row = tf.cumsum(tf.cast(is_positive, tf.int32), axis=1) - 1
    num_rows = tf.shape(target_deltas)[1]
    is_positive &= row < num_rows
    row = tf.clip_by_value(row, 0, num_rows - 1)
    targets = tf.gather(tf.cast(target_deltas, tf.float32), row, batch_dims=1)
    return _mean_where(smooth_l1_loss(targets, rpn_deltas), is_positive)


def mrcnn_class_loss(target_class_ids, pred_class_logits, active_class_ids):
    """Returns the mean cross entropy of the rois' classes, float32 [].

    A roi carries no loss when the class it is taken for is not one of the data set its
    image comes from: that data set cannot say that the prediction is wrong.

    Args:
        target_class_ids: int32 [B, T], 0 = background, -1 = padding without loss.
        pred_class_logits: [B, T, C].
        active_class_ids: [B, C], 1 for classes of the image's data set, else 0.
    """
    target_class_ids = tf.cast(target_class_ids, tf.int32)
    pred_class_logits = tf.cast(pred_class_logits, tf.float32)
    loss = _cross_entropy(tf.maximum(target_class_ids, 0), pred_class_logits)
    predicted = tf.argmax(pred_class_logits, axis=-1, output_type=tf.int32)
    is_active = tf.gather(tf.cast(active_class_ids, tf.int32), predicted, batch_dims=1)
    return _mean_where(loss, (target_class_ids >= 0) & (is_active > 0))


def mrcnn_bbox_loss(target_bbox, target_class_ids, pred_bbox):
    """Returns the mean smooth L1 loss of the positive rois' deltas, float32 [].

    Only the deltas of the target class count: Fast R-CNN (arXiv:1504.08083) eq. 2.

    Args:
        target_bbox: float32 [B, T, 4].
        target_class_ids: int32 [B, T], positive above 0.
        pred_bbox: [B, T, C, 4].
    """
    predicted = _of_class(pred_bbox, target_class_ids, axis=2)
    is_positive = tf.cast(target_class_ids, tf.int32) > 0
    return _mean_where(smooth_l1_loss(target_bbox, predicted), is_positive)


def mrcnn_mask_loss(target_masks, target_class_ids, pred_masks):
    """Returns the mean binary cross entropy of the positive rois' masks, float32 [].

    Only the mask of the target class counts: Mask R-CNN (arXiv:1703.06870) sec. 3.

    Args:
        target_masks: float32 [B, N, h, w], 0 or 1.
        target_class_ids: int32 [B, N], positive above 0.
        pred_masks: [B, N, h, w, C], probability.
    """
    target = tf.cast(target_masks, tf.float32)
    probs = _of_class(pred_masks, target_class_ids, axis=4)
    probs = tf.clip_by_value(probs, EPSILON, 1.0 - EPSILON)
    loss = -(target * tf.math.log(probs) + (1.0 - target) * tf.math.log(1.0 - probs))
    return _mean_where(loss, tf.cast(target_class_ids, tf.int32) > 0)


def _flat_match(rpn_match):
    """Returns int32 [B, A] from [B, A] or [B, A, 1]."""
    match = tf.cast(rpn_match, tf.int32)
    return tf.squeeze(match, axis=-1) if len(match.shape) == 3 else match


def _cross_entropy(class_ids, logits):
    """Returns float32 [...], cross entropy of logits [..., C] with class ids [...]."""
    return tf.nn.sparse_softmax_cross_entropy_with_logits(
        labels=class_ids, logits=tf.cast(logits, tf.float32)
    )


def _of_class(values, class_ids, axis: int):
    """Returns float32 `values` of each roi's class: the class axis is gone.

    Args:
        values: [B, T, ...] with C classes on `axis`.
        class_ids: int [B, T]; rows below 0 give zeros.
        axis: of the classes.
    """
    values = tf.cast(values, tf.float32)
    is_class = tf.one_hot(
        class_ids, tf.shape(values)[axis], on_value=True, off_value=False, dtype=tf.bool
    )
    for other in range(2, len(values.shape)):
        if other != axis:
            is_class = tf.expand_dims(is_class, other)
    return tf.reduce_sum(tf.where(is_class, values, 0.0), axis=axis)


def _mean_where(values, is_counted):
    """Returns the mean over the rows [B, N] that count of values [B, N, ...], or 0."""
    for _ in range(len(values.shape) - 2):
        is_counted = tf.expand_dims(is_counted, -1)
    is_counted = tf.broadcast_to(is_counted, tf.shape(values))
    total = tf.reduce_sum(tf.where(is_counted, values, 0.0))
    count = tf.reduce_sum(tf.cast(is_counted, tf.float32))
    return total / tf.maximum(count, 1.0)


class _LossLayer(Float32Layer):
    """A loss function as a layer: a list of tensors in, a float32 scalar out."""

    def call(self, inputs):
        """Returns the loss, float32 []."""
        return type(self).loss(*inputs)

    def compute_output_shape(self, input_shape):
        """Returns ()."""
        return ()


@keras.saving.register_keras_serializable("mrcnn")
class RpnClassLoss(_LossLayer):
    """`rpn_class_loss` of [rpn_match, logits]."""

    loss = staticmethod(rpn_class_loss)


@keras.saving.register_keras_serializable("mrcnn")
class RpnBboxLoss(_LossLayer):
    """`rpn_bbox_loss` of [target_deltas, rpn_match, rpn_deltas]."""

    loss = staticmethod(rpn_bbox_loss)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnClassLoss(_LossLayer):
    """`mrcnn_class_loss` of [target_class_ids, logits, active_class_ids]."""

    loss = staticmethod(mrcnn_class_loss)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnBboxLoss(_LossLayer):
    """`mrcnn_bbox_loss` of [target_deltas, target_class_ids, deltas]."""

    loss = staticmethod(mrcnn_bbox_loss)


@keras.saving.register_keras_serializable("mrcnn")
class MrcnnMaskLoss(_LossLayer):
    """`mrcnn_mask_loss` of [target_masks, target_class_ids, masks]."""

    loss = staticmethod(mrcnn_mask_loss)
