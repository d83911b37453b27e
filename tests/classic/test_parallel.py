"""ParallelModel stands in for its inner model, and says so."""

from __future__ import annotations

import copy

import keras
import numpy as np
import pytest

from mrcnn.parallel_model import ParallelModel


@pytest.fixture
def inner():
    inputs = keras.Input([3], name="x")
    return keras.Model(inputs, keras.layers.Dense(2, name="dense")(inputs))


@pytest.fixture
def parallel(inner):
    with pytest.warns(UserWarning, match="one device"):
        return ParallelModel(inner, 2)


def test_it_predicts_and_trains_as_the_inner_model(parallel, inner):
    x = np.ones((4, 3), np.float32)
    np.testing.assert_array_equal(parallel(x), inner(x))
    before = inner.get_weights()[0]
    parallel.compile(optimizer=keras.optimizers.SGD(0.1), loss="mse")
    parallel.fit(x, np.zeros((4, 2)), verbose=0)
    assert (inner.get_weights()[0] != before).any()
    np.testing.assert_array_equal(
        parallel.predict(x, verbose=0), inner.predict(x, verbose=0)
    )


def test_it_saves_and_loads_the_inner_model(parallel, inner, tmp_path):
    path = str(tmp_path / "x.weights.h5")
    parallel.save_weights(path)
    saved = inner.get_weights()
    inner.set_weights([w + 1 for w in saved])
    parallel.load_weights(path)
    for weight, expected in zip(inner.get_weights(), saved, strict=True):
        np.testing.assert_array_equal(weight, expected)


def test_its_attributes_are_those_of_the_inner_model(parallel, inner, capsys):
    assert parallel.inner_model is inner
    assert parallel.get_layer("dense") is inner.get_layer("dense")
    assert parallel.make_parallel() == inner.outputs
    parallel.trainable = False
    assert inner.trainable is False
    parallel.summary()
    assert "dense" in capsys.readouterr().out
    assert isinstance(keras.Model(parallel.inputs, parallel.outputs), keras.Model)


def test_it_can_be_copied(parallel, inner):
    assert copy.copy(parallel).inner_model is inner


def test_a_count_below_one_is_refused(inner):
    with pytest.raises(ValueError, match="gpu_count=0"):
        ParallelModel(inner, 0)
