"""The old losses on the arrays of old scripts: zero padding, class ids as floats."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.model import (
    mrcnn_bbox_loss_graph,
    mrcnn_class_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_graph,
    rpn_class_loss_graph,
    smooth_l1_loss,
)

LOG2 = np.log(2.0)


def test_smooth_l1_loss_is_quadratic_below_one():
    values = smooth_l1_loss(tf.constant([0.0, 0, 0]), tf.constant([0.5, -1.0, 3.0]))
    np.testing.assert_allclose(values, [0.125, 0.5, 2.5])


def test_rpn_class_loss_counts_sampled_anchors_only():
    match = np.array([[[1], [-1], [0]]], np.int32)
    logits = np.array([[[0, 0], [0, 0], [50, -50]]], np.float32)  # last: not sampled
    assert float(rpn_class_loss_graph(match, logits)) == pytest.approx(LOG2)


def test_rpn_bbox_loss_packs_targets_by_image_whatever_the_config_says():
    config = Config()
    config.IMAGES_PER_GPU = 7  # the batch holds two
    match = np.array([[[0], [1], [-1]], [[1], [0], [1]]], np.int32)
    predicted = np.zeros((2, 3, 4), np.float32)
    predicted[0, 0] = predicted[1, 1] = 99  # no positives
    target = np.zeros((2, 5, 4), np.float32)
    target[0, 0] = 2.0  # anchor 1 of image 0: |d| - 0.5
    target[1, 1] = 1.0  # anchor 2 of image 1: 0.5
    loss = rpn_bbox_loss_graph(config, target, match, predicted)
    assert float(loss) == pytest.approx((1.5 + 0.0 + 0.5) / 3)


def test_class_loss_counts_zero_padding_as_background():
    ids = np.array([[1.0, 0.0]], np.float32)  # floats, as Keras inputs made them
    logits = np.array([[[0, 0, 0], [0, 0, 0]]], np.float32)
    loss = mrcnn_class_loss_graph(ids, logits, np.ones((1, 3), np.float32))
    assert float(loss) == pytest.approx(np.log(3.0))
    padded = mrcnn_class_loss_graph(ids - [[0, 1]], logits, np.ones((1, 3)))
    assert float(padded) == pytest.approx(np.log(3.0))


def test_class_loss_leaves_out_predictions_of_classes_of_another_source():
    ids = np.array([[0, 0]], np.int32)
    logits = np.array([[[0, 0, -9], [0, 0, 9]]], np.float32)  # second: class 2
    active = np.array([[1, 1, 0]], np.float32)
    loss = mrcnn_class_loss_graph(ids, logits, active)
    assert float(loss) == pytest.approx(LOG2, rel=1e-3)
    nothing_left = mrcnn_class_loss_graph(ids[:, 1:], logits[:, 1:], active)
    assert float(nothing_left) == 0.0


def test_bbox_loss_looks_at_the_deltas_of_the_target_class():
    target = np.ones((1, 2, 4), np.float32)
    predicted = np.full((1, 2, 3, 4), 77, np.float32)
    predicted[0, 0, 2] = 3.0  # |2| - 0.5; the second row is background
    loss = mrcnn_bbox_loss_graph(target, np.array([[2, 0]]), predicted)
    assert float(loss) == pytest.approx(1.5)


def test_mask_loss_looks_at_the_mask_of_the_target_class():
    target = np.ones((1, 2, 4, 4), np.float32)
    predicted = np.zeros((1, 2, 4, 4, 3), np.float32)
    predicted[0, 0, ..., 1] = 0.5
    loss = mrcnn_mask_loss_graph(target, np.array([[1, 0]]), predicted)
    assert float(loss) == pytest.approx(LOG2)


def test_losses_without_anything_positive_are_zero():
    assert float(mrcnn_bbox_loss_graph(np.ones((1, 1, 4)), [[0]], np.ones((1, 1, 2, 4))
    )) == 0.0  # fmt: skip
    none = mrcnn_mask_loss_graph(np.ones((1, 1, 2, 2)), [[0]], np.ones((1, 1, 2, 2, 2)))
    assert float(none) == 0.0


def test_losses_stand_in_lambda_layers_as_they_used_to():
    match = keras.Input([None, 1], dtype="int32")
    logits = keras.Input([None, 2])
    loss = keras.layers.Lambda(
        lambda x: rpn_class_loss_graph(*x), output_shape=(), name="rpn_class_loss"
    )([match, logits])
    model = keras.Model([match, logits], loss)
    inputs = [np.array([[[1], [0]]], np.int32), np.zeros((1, 2, 2), np.float32)]
    assert float(model(inputs)) == pytest.approx(LOG2)
