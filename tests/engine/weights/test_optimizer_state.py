"""The state of a training: written beside a checkpoint, restored, refused."""

from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from mrcnn.engine.graph import build_model
from mrcnn.engine.layer_groups import set_trainable
from mrcnn.engine.weights import optimizer_state
from mrcnn.engine.weights.checkpoints import state_path
from mrcnn.engine.weights.optimizer_state import RunState
from tests.engine.tiny import StubConfig

STATE = RunState(epoch=3, initial_epoch=1, epochs=9, layers="all", learning_rate=0.5)


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def compiled_model(optimizer, layers="all"):
    model = build_model("training", StubConfig())
    set_trainable(model, layers)
    model.compile(optimizer=optimizer)
    return model


def numbers(model):
    """Returns the optimizer's variables and the random seeds, all as arrays."""
    groups = optimizer_state._state_variables(model)
    return [np.asarray(v) for group in groups.values() for v in group.values()]


def test_state_round_trips_with_optimizer_and_seeds(tmp_path):
    model = compiled_model(keras.optimizers.Adam(0.25))
    seeds = optimizer_state._state_variables(model)["seeds"]
    assert len(seeds) == 1  # of the sampling of RoIs
    for variable in seeds.values():
        variable.assign([7, 8])
    for i, variable in enumerate(model.optimizer.variables):
        variable.assign(np.full(variable.shape, i + 1))
    optimizer_state.save_state(model, tmp_path, STATE)
    path = state_path(tmp_path, 3)
    assert names_in(tmp_path) == ["training_state_0003.h5"]
    assert optimizer_state.read_run_state(path) == STATE

    other = compiled_model(keras.optimizers.Adam(0.1))
    optimizer_state.restore_state(other, path)
    assert len(numbers(other)) > 10
    for value, expected in zip(numbers(other), numbers(model), strict=True):
        np.testing.assert_array_equal(value, expected)


class OwnMomentum(keras.optimizers.SGD):
    """A user's own optimizer, which makes its variables whenever it is built."""

    def build(self, variables):
        self.built = False
        super().build(variables)


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.LossScaleOptimizer(keras.optimizers.SGD(0.1, 0.9)),
        lambda: OwnMomentum(0.1, momentum=0.9),
    ],
)
def test_optimizers_that_build_anew_each_time_keep_what_was_restored(tmp_path, make):
    model = compiled_model(make())
    for epoch in (2, 3):
        optimizer_state.save_state(model, tmp_path, STATE._replace(epoch=epoch))
    for variable in model.optimizer.variables:
        variable.assign(np.full(variable.shape, 3))
    optimizer_state.save_state(model, tmp_path, STATE)
    count = len(model.optimizer.variables)

    other = compiled_model(make())
    optimizer_state.restore_state(other, state_path(tmp_path, 3))
    optimizer_state.build(other)  # as `train` does before the first step
    assert len(other.optimizer.variables) == count
    inner = getattr(other.optimizer, "inner_optimizer", other.optimizer)
    for momentum in inner.momentums:
        assert np.all(np.asarray(momentum) == 3)
    optimizer_state.save_state(other, tmp_path, STATE)


def test_only_the_newest_state_is_kept(tmp_path):
    model = compiled_model(keras.optimizers.SGD(0.1))
    for epoch in (1, 2):
        optimizer_state.save_state(model, tmp_path, STATE._replace(epoch=epoch))
    assert names_in(tmp_path) == ["training_state_0002.h5"]


def test_a_rate_that_is_no_number_round_trips(tmp_path):
    model = compiled_model(keras.optimizers.SGD(0.1))
    optimizer_state.save_state(model, tmp_path, STATE._replace(learning_rate=math.nan))
    state = optimizer_state.read_run_state(state_path(tmp_path, 3))
    assert math.isnan(state.learning_rate)


@pytest.mark.parametrize(
    ("optimizer", "layers"),
    [(keras.optimizers.Adam, "all"), (keras.optimizers.SGD, "rpn_class_raw")],
)
def test_a_state_of_another_training_is_an_error(tmp_path, optimizer, layers):
    model = compiled_model(keras.optimizers.SGD(0.1, momentum=0.9))
    optimizer_state.save_state(model, tmp_path, STATE)
    other = compiled_model(optimizer(0.1), layers)
    before = numbers(other)
    with pytest.raises(ValueError, match=r"training_state_0003.*was written by SGD"):
        optimizer_state.restore_state(other, state_path(tmp_path, 3))
    for value, expected in zip(numbers(other), before, strict=True):
        np.testing.assert_array_equal(value, expected)


def test_a_call_is_finished_at_its_last_epoch():
    assert not STATE.is_finished
    assert STATE._replace(epoch=9).is_finished
