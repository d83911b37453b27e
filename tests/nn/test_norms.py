"""BatchNorm obeys TRAIN_BN wherever it stands; GroupNorm is group normalization."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.nn.norms import BatchNorm, GroupNorm, kernel_initializer, make_norm
from tests.nn.layer_check import check_layer, dtype_policy


def group_norm_numpy(x, groups, epsilon=1e-3):
    """1803.08494 eq. 1, 2 and 7, one sample and one group after the other."""
    out = np.empty(x.shape, np.float64)
    per_group = x.shape[-1] // groups
    for n in range(x.shape[0]):
        for g in range(groups):
            part = x[n, ..., g * per_group : (g + 1) * per_group].astype(np.float64)
            out[n, ..., g * per_group : (g + 1) * per_group] = (
                part - part.mean()
            ) / np.sqrt(part.var() + epsilon)
    return out


def fit_one_step(train_bn, nested=False):
    """Fits a functional model with one BatchNorm; returns it and its weights before."""
    norm = BatchNorm(train_bn=train_bn, name="bn")
    image = keras.Input([4, 4, 3])
    if nested:
        inner = keras.Input([4, 4, 3])
        x = keras.Model(inner, norm(inner))(image)
    else:
        x = norm(image)
    model = keras.Model(image, keras.layers.Flatten()(x))
    model.compile(keras.optimizers.SGD(0.1), "mse")
    before = [w.numpy() for w in norm.weights]
    rng = np.random.default_rng(0)
    x = rng.normal(3, 2, (4, 4, 4, 3)).astype(np.float32)
    model.fit(x, np.ones((4, 48), np.float32), verbose=0)
    return norm, before


@pytest.mark.parametrize("nested", [False, True])
def test_batch_norm_false_keeps_its_statistics_during_fit(nested):
    # Keras 3 overrides layer(x, training=False) in a functional model during fit.
    norm, before = fit_one_step(train_bn=False, nested=nested)
    gamma, beta, mean, variance = (w.numpy() for w in norm.weights)
    np.testing.assert_array_equal(mean, before[2])
    np.testing.assert_array_equal(variance, before[3])
    # As the old package: the affine part is still trained.
    assert not np.allclose(gamma, before[0])
    assert not np.allclose(beta, before[1])


@pytest.mark.parametrize("train_bn", [None, True])
def test_batch_norm_none_and_true_learn_statistics_during_fit(train_bn):
    norm, before = fit_one_step(train_bn=train_bn)
    assert not np.allclose(norm.moving_mean.numpy(), before[2])


def test_batch_norm_frozen_layer_stays_frozen():
    norm = BatchNorm(train_bn=True, trainable=False)
    x = np.random.default_rng(0).normal(3, 2, (4, 4, 4, 3)).astype(np.float32)
    norm(x, training=True)
    np.testing.assert_array_equal(norm.moving_mean.numpy(), np.zeros(3))


@pytest.mark.parametrize(
    ("train_bn", "training", "uses_batch"),
    [
        (None, False, False),
        (None, True, True),
        (False, True, False),
        (True, False, True),
    ],
)
def test_batch_norm_mode(train_bn, training, uses_batch):
    x = np.random.default_rng(0).normal(3, 2, (8, 4, 4, 3)).astype(np.float32)
    out = BatchNorm(train_bn=train_bn)(x, training=training).numpy()
    # Stored statistics are mean 0, variance 1 in a new layer.
    expected = (x - x.mean((0, 1, 2))) / np.sqrt(x.var((0, 1, 2)) + 1e-3)
    np.testing.assert_allclose(
        out, expected if uses_batch else x / np.sqrt(1.001), rtol=1e-3, atol=1e-4
    )


@pytest.mark.parametrize("train_bn", [None, False, True])
@pytest.mark.parametrize("how", ["call", "predict", "evaluate", "function"])
def test_batch_norm_keeps_its_weights_outside_training(train_bn, how):
    norm = BatchNorm(train_bn=train_bn)
    image = keras.Input([4, 4, 3])
    model = keras.Model(image, norm(image))
    model.compile(loss="mse")
    before = [w.numpy() for w in norm.weights]
    x = np.random.default_rng(0).normal(3, 2, (4, 4, 4, 3)).astype(np.float32)
    {
        "call": lambda: (model(x), model(x, training=False), norm(x)),
        "predict": lambda: model.predict(x, verbose=0),
        "evaluate": lambda: model.evaluate(x, x, verbose=0),
        "function": lambda: tf.function(lambda: model(x, training=False))(),
    }[how]()
    for was, weight in zip(before, norm.weights, strict=True):
        np.testing.assert_array_equal(weight.numpy(), was)


def test_batch_norm_frozen_uses_stored_statistics():
    x = np.random.default_rng(0).normal(3, 2, (4, 4, 4, 3)).astype(np.float32)
    norm = BatchNorm(train_bn=True, trainable=False)
    np.testing.assert_allclose(norm(x, training=True), x / np.sqrt(1.001), rtol=1e-5)


@pytest.mark.parametrize("train_bn", [None, False, True])
def test_batch_norm_passes_the_layer_check(train_bn):
    x = np.random.default_rng(0).normal(size=(3, 4, 6, 5)).astype(np.float32)
    check_layer(BatchNorm(train_bn=train_bn, epsilon=1e-3), x)


@pytest.mark.parametrize(
    ("channels", "groups", "used"),
    [
        (256, 32, 32),
        (64, 32, 16),  # a quarter of the channels
        (32, 32, 8),
        (64, 8, 8),
        (20, 32, 5),
        (36, 8, 6),  # 8 and 7 do not divide 36
        (3, 32, 1),
        (1, 32, 1),
    ],
)
def test_group_norm_fits_its_groups_to_the_channels(channels, groups, used):
    layer = GroupNorm(groups=groups)
    layer.build((None, 4, 4, channels))
    assert layer.used_groups == used
    assert layer.get_config()["groups"] == groups


@pytest.mark.parametrize(
    "shape", [(3, 5, 7, 16), (1, 1, 1, 16), (2, 4, 16), (4, 16), (0, 5, 7, 16)]
)
def test_group_norm_equals_the_formula(shape):
    x = np.random.default_rng(0).normal(5, 3, shape).astype(np.float32)
    out = check_layer(GroupNorm(groups=4), x)[0]
    np.testing.assert_allclose(out, group_norm_numpy(x, 4), rtol=1e-4, atol=1e-5)


def test_group_norm_applies_gamma_and_beta_by_channel():
    x = np.random.default_rng(0).normal(size=(2, 3, 3, 8)).astype(np.float32)
    layer = GroupNorm(groups=2)
    layer.build(x.shape)
    gamma, beta = np.arange(1, 9, dtype=np.float32), np.arange(8, dtype=np.float32)
    layer.set_weights([gamma, beta])
    expected = group_norm_numpy(x, 2) * gamma + beta
    np.testing.assert_allclose(layer(x), expected, rtol=1e-4, atol=1e-4)


def test_group_norm_of_an_image_ignores_the_rest_of_the_batch():
    x = np.random.default_rng(0).normal(size=(3, 6, 6, 8)).astype(np.float32)
    layer = GroupNorm(groups=2)
    np.testing.assert_allclose(
        layer(x)[1], layer(x[1:2], training=True)[0], rtol=1e-5, atol=1e-6
    )


def test_group_norm_takes_its_moments_in_float32_under_bfloat16():
    # In bfloat16 300 + noise has steps of 2: its own moments would be useless.
    x = np.random.default_rng(0).normal(300, 4, (2, 16, 16, 8)).astype(np.float32)
    x = tf.cast(x, tf.bfloat16)
    with dtype_policy("mixed_bfloat16"):
        out = GroupNorm(groups=2)(x)
    assert out.dtype == tf.bfloat16
    expected = group_norm_numpy(tf.cast(x, tf.float32).numpy(), 2)
    np.testing.assert_allclose(tf.cast(out, tf.float32), expected, atol=0.02)


def test_make_norm_passes_its_arguments_on():
    batch = make_norm("batch", "bn", train_bn=False)
    assert isinstance(batch, BatchNorm)
    assert (batch.name, batch.train_bn, batch.epsilon) == ("bn", False, 1e-3)
    group = make_norm("group", "gn", groups=8)
    assert isinstance(group, GroupNorm)
    assert (group.name, group.groups, group.epsilon) == ("gn", 8, 1e-3)


def test_kernel_initializer_is_keras_own_unless_training_from_scratch():
    assert kernel_initializer("batch") == "glorot_uniform"
    assert kernel_initializer("group") == "he_normal"


def test_impossible_arguments_are_named():
    with pytest.raises(ValueError, match="kind='layer'.*batch, group"):
        make_norm("layer", "x")
    with pytest.raises(ValueError, match="groups=0"):
        GroupNorm(groups=0)
