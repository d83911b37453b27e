"""Saves and restores what continues a training besides the weights.

That is the state of the optimizer (step count, momentum, learning rate), which a
`.weights.h5` of Keras 3 may hold; and, in the `training_state_{epoch:04d}.h5` beside a
checkpoint, also the states of the random generators and how far the run had come.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Mapping
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.data import atomic_file
from mrcnn.engine.layer_groups import is_seed
from mrcnn.engine.weights.checkpoints import state_path
from mrcnn.engine.weights.weight_files import DAMAGED

# The place of an optimizer in a `.weights.h5`.
_GROUP = "optimizer/vars"


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
        with h5py.File(path, "r") as file:
            stored = _arrays(file.get(_GROUP, {}))
    except DAMAGED as error:
        fault = f"it is damaged ({error})"
    else:
        if not stored:
            return
        build(model)
        wanted = {str(i): v for i, v in enumerate(model.optimizer.variables)}
        if _fits(stored, wanted):
            model.optimizer.load_own_variables(stored)
            return
        fault = (
            f"{len(stored)} variables in the file, {len(wanted)} of this "
            f"{type(model.optimizer).__name__}, or of other shapes"
        )
    warnings.warn(
        f"load_weights(filepath={str(path)!r}): the weights are loaded, the state of "
        f"the optimizer is not: {fault}. It keeps its own. To continue, compile as "
        "before, with the same layers trainable.",
        stacklevel=stacklevel,
    )


def save_state(model: keras.Model, run_dir, state: RunState) -> None:
    """Writes what, with the checkpoint of the same epoch, continues the run exactly.

    Only the newest state is kept: it is as large as the weights that train.

    Args:
        model: a compiled model.
        run_dir: the folder of the run.
        state: how far the run has come.
    """
    path = state_path(run_dir, state.epoch)
    with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs.update(state._asdict(), optimizer=type(model.optimizer).__name__)
        for group, variables in _state_variables(model).items():
            for key, variable in variables.items():
                file[f"{group}/{key}"] = np.asarray(variable)
    for old in Path(run_dir).glob("training_state_*.h5"):
        if re.fullmatch(r"training_state_\d{4,}\.h5", old.name) and old != path:
            old.unlink(missing_ok=True)


def read_run_state(path: str | os.PathLike) -> RunState:
    """Returns how far the run of a training state file had come."""
    with h5py.File(path, "r") as file:
        # Runs of before have no `stopped`.
        known = [k for k in RunState._fields if k in file.attrs or k != "stopped"]
        return RunState(**{k: np.asarray(file.attrs[k]).item() for k in known})


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
    with h5py.File(path, "r") as file:
        values = {group: _arrays(file.get(group, {})) for group in groups}
        written_by = str(file.attrs["optimizer"])
    is_same_kind = not with_optimizer or written_by == kind
    for group, wanted in groups.items():
        if not (is_same_kind and _fits(values[group], wanted)):
            raise ValueError(
                f"train(resume=True): {path} was written by {written_by} with "
                f"{len(values[group])} {group} variables, this run has {kind} with "
                f"{len(wanted)}; resume with the same optimizer, layers and BACKBONE, "
                "or start with resume=False."
            )
    for group, wanted in groups.items():
        for key, variable in wanted.items():
            variable.assign(values[group][key])


def _arrays(group: Mapping) -> dict[str, np.ndarray]:
    return {key: np.asarray(item) for key, item in group.items()}


def _fits(stored: Mapping, wanted: Mapping) -> bool:
    """Returns whether arrays have the names and shapes of variables."""
    return {key: array.shape for key, array in stored.items()} == {
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
