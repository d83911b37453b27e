"""Saves and restores what continues a training besides the weights.

That is the state of the optimizer (step count, momentum, learning rate), which a
`.weights.h5` of Keras 3 may hold; and, in the `training_state_{epoch:04d}.h5` beside a
checkpoint, also the states of the random generators and how far the run had come.
"""

from __future__ import annotations

import os
import warnings
import zlib
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.engine.layer_groups import is_seed
from mrcnn.engine.weights.checkpoints import state_path
from mrcnn.engine.weights.hdf5_files import (
    DAMAGED,
    UnreadableError,
    byte_limit,
    check_sizes,
    open_hdf5,
    read_tensor,
    write_hdf5,
    write_tensor,
)

# The place of an optimizer in a `.weights.h5`.
_GROUP = "optimizer/vars"
# The attribute of a training state with the crc32 of the others.
_CHECKSUM = "checksum"


class RunState(NamedTuple):
    """How far a run had come when its state was written.

    Attributes:
        epoch: epochs done.
        initial_epoch: the epoch at which the `train()` call began.
        epochs: its argument of that name, the epoch at which it ends.
        layers: its argument of that name.
        learning_rate: its argument of that name; NaN for a schedule or an optimizer.
        stopped: whether an EarlyStopping ended it before `epochs`.
    """

    epoch: int
    initial_epoch: int
    epochs: int
    layers: str
    learning_rate: float
    stopped: bool = False

    @property
    def is_finished(self) -> bool:
        """Whether the call had reached its last epoch, or was stopped early."""
        return self.stopped or self.epoch >= self.epochs


def build(model: keras.Model) -> None:
    """Makes the variables of a compiled model's optimizer, if it has none yet.

    Some optimizers, as keras.optimizers.LossScaleOptimizer, would make new ones each
    time, and lose the values of the old.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
        # As Keras does before the first step: a user's own may not set it.
        model.optimizer.built = True


def restore(model: keras.Model, path: str | os.PathLike, stacklevel: int = 2) -> None:
    """Gives a compiled model the state of its optimizer from a weight file.

    Momentum, step count and learning rate. A file without a state changes nothing; one
    that doesn't fit (another optimizer, other layers that train) doesn't either, and
    is warned of.

    Args:
        model: a compiled model.
        path: a weight file in any layout.
        stacklevel: that of the warning; 2 is the caller.
    """
    if not h5py.is_hdf5(path):
        return
    try:
        with open_hdf5(path) as file:
            stored = file.get(_GROUP, {})
            if not len(stored):
                return
            build(model)
            wanted = {str(i): v for i, v in enumerate(model.optimizer.variables)}
            fits = _fits(stored, wanted)
            values = _arrays(stored) if fits else {}
            fault = (
                f"{len(stored)} variables in the file, {len(wanted)} of this "
                f"{type(model.optimizer).__name__}, or of other shapes"
            )
    except (UnreadableError, *DAMAGED) as error:
        fault = f"it is damaged ({error})"
    else:
        if fits:
            model.optimizer.load_own_variables(values)
            return
    warnings.warn(
        f"load_weights(filepath={str(path)!r}): the weights are loaded, the state of "
        f"the optimizer is not: {fault}. It keeps its own. To continue, compile as "
        "before, with the same layers trainable.",
        stacklevel=stacklevel,
    )


def save_state(model: keras.Model, run_dir, state: RunState) -> None:
    """Writes what, with the checkpoint of the same epoch, continues the run exactly.

    Args:
        model: a compiled model.
        run_dir: the folder of the run.
        state: how far the run has come.

    Raises:
        OSError: it could not be written.
    """
    path = state_path(run_dir, state.epoch)
    with write_hdf5(path, f"train(), epoch {state.epoch}") as file:
        file.attrs.update(state._asdict(), optimizer=type(model.optimizer).__name__)
        file.attrs[_CHECKSUM] = _checksum(_run_state(file))
        for group, variables in _state_variables(model).items():
            for key, variable in variables.items():
                write_tensor(file.require_group(group), key, np.asarray(variable))


def read_run_state(path: str | os.PathLike) -> RunState:
    """Returns how far the run of a training state file had come."""
    with open_hdf5(path) as file:
        return _run_state(file)


def _run_state(file: h5py.File) -> RunState:
    # Runs of before have no `stopped`.
    known = [k for k in RunState._fields if k in file.attrs or k != "stopped"]
    return RunState(**{k: np.asarray(file.attrs[k]).item() for k in known})


def _checksum(state: RunState) -> np.uint32:
    return np.uint32(zlib.crc32(repr(tuple(state)).encode()))


def find_damage(path: str | os.PathLike) -> str | None:
    """Returns what is wrong with a training state file, or None for a whole one.

    A file that was cut off, or of which a part was lost when the power failed. Those
    of the first versions have no checksums, and are known by their structure only.
    """
    try:
        with open_hdf5(path) as file:
            state = _run_state(file)
            written = file.attrs.get(_CHECKSUM, _checksum(state))
            if state_path(".", state.epoch).name != Path(path).name:
                return f"it says to be of epoch {state.epoch}"
            if written != _checksum(state):
                return "it is not what was written"
            datasets = {
                f"{group}/{key}": item
                for group in ("optimizer", "seeds")
                for key, item in file.get(group, {}).items()
            }
            check_sizes(datasets.items(), byte_limit(path))
            for name, dataset in datasets.items():
                read_tensor(name, dataset)
    except (UnreadableError, *DAMAGED) as error:
        return str(error)
    return None


def restore_state(
    model: keras.Model, path: str | os.PathLike, with_optimizer: bool = True
) -> None:
    """Loads the random generators and the optimizer of a compiled model.

    Args:
        model: a compiled model; unchanged when an error is raised.
        path: a training state file.
        with_optimizer: False leaves the optimizer as it is.

    Raises:
        ValueError: the state belongs to another optimizer or other trainable layers.
    """
    groups, kind = _state_variables(model), type(model.optimizer).__name__
    if not with_optimizer:
        del groups["optimizer"]
    with open_hdf5(path) as file:
        written_by = str(file.attrs["optimizer"])
        stored = {group: file.get(group, {}) for group in groups}
        is_same_kind = not with_optimizer or written_by == kind
        for group, wanted in groups.items():
            if not (is_same_kind and _fits(stored[group], wanted)):
                raise ValueError(
                    f"train(resume=True): {path} was written by {written_by} with "
                    f"{len(stored[group])} {group} variables, this run has {kind} with "
                    f"{len(wanted)}; resume with the same optimizer, layers and "
                    "BACKBONE, or start with resume=False."
                )
        values = {group: _arrays(item) for group, item in stored.items()}
    for group, wanted in groups.items():
        for key, variable in wanted.items():
            variable.assign(values[group][key])


def _arrays(group: Mapping) -> dict[str, np.ndarray]:
    return {key: read_tensor(key, item) for key, item in group.items()}


def _fits(stored: Mapping, wanted: Mapping) -> bool:
    """Returns whether datasets have the names and shapes of variables."""
    return {key: item.shape for key, item in stored.items()} == {
        key: tuple(variable.shape) for key, variable in wanted.items()
    }


def _state_variables(model: keras.Model) -> dict[str, dict[str, keras.Variable]]:
    """Returns the variables of a state file by group and by name in the group."""
    build(model)
    seeds = [v for v in model.non_trainable_variables if is_seed(v)]
    groups = {"optimizer": model.optimizer.variables, "seeds": seeds}
    return {
        group: {f"{i:04d}": v for i, v in enumerate(variables)}
        for group, variables in groups.items()
    }
