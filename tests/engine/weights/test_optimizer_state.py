"""The state of a training: written beside a checkpoint, restored, refused."""

from __future__ import annotations

import math
import shutil

import h5py
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


@pytest.fixture(scope="module")
def state_file(tmp_path_factory):
    folder = tmp_path_factory.mktemp("state")
    model = compiled_model(keras.optimizers.SGD(0.1, momentum=0.9))
    optimizer_state.save_state(model, folder, STATE)
    return state_path(folder, 3)


def test_a_whole_state_file_has_no_damage(state_file):
    assert optimizer_state.find_damage(state_file) is None


@pytest.mark.parametrize("part", [0, 0.01, 0.5, 0.99])
def test_a_truncated_state_is_damaged(state_file, tmp_path, part):
    content = state_file.read_bytes()
    path = tmp_path / state_file.name
    path.write_bytes(content[: int(part * len(content))])
    assert optimizer_state.find_damage(path)


def test_a_state_that_the_disk_has_lost_a_part_of_is_damaged(state_file, tmp_path):
    content = state_file.read_bytes()
    path = tmp_path / state_file.name
    path.write_bytes(bytes(len(content)))
    assert optimizer_state.find_damage(path)
    with h5py.File(state_file) as file:
        largest = max(file["optimizer"].values(), key=lambda dataset: dataset.size)
        start, size = largest.id.get_offset(), largest.id.get_storage_size()
    # One momentum is 1 instead of 0.
    damaged = bytearray(content)
    damaged[start + size // 2] = 1
    path.write_bytes(damaged)
    assert "checksum differs" in optimizer_state.find_damage(path)


def test_a_state_of_another_epoch_is_damaged(state_file, tmp_path):
    shutil.copy(state_file, tmp_path / "training_state_0004.h5")
    damage = optimizer_state.find_damage(tmp_path / "training_state_0004.h5")
    assert "epoch 3" in damage
    shutil.copy(state_file, tmp_path / state_file.name)
    with h5py.File(tmp_path / state_file.name, "a") as file:
        file.attrs["initial_epoch"] = 2
    assert optimizer_state.find_damage(tmp_path / state_file.name)


def test_a_state_of_the_first_versions_is_whole(state_file, tmp_path):
    path = shutil.copy(state_file, tmp_path)
    with h5py.File(path, "a") as file:
        del file.attrs["checksum"]
        for dataset in file["optimizer"].values():
            del dataset.attrs["checksum"]
    assert optimizer_state.find_damage(path) is None


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
