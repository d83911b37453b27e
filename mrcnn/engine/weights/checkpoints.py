"""Names, discovery and pruning of checkpoints, and the state that resumes a run.

A run writes `{model_dir}/{name}{YYYYmmddTHHMM}/mask_rcnn_{name}_{epoch:04d}.h5`, and
beside the newest one `training_state_{epoch:04d}.h5`: the optimizer's variables (step
count, momentum, learning rate) and the states of the random generators.
"""

from __future__ import annotations

import datetime
import os
import re
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.data import atomic_file
from mrcnn.engine.layer_groups import is_seed
from mrcnn.engine.weights import optimizer_state

_STAMP = r"(\d{8}T\d{4})"
_STATE = re.compile(r"training_state_(\d{4,})\.h5")


class RunState(NamedTuple):
    """Where a run stood when its state was written.

    Attributes:
        epoch: epochs done.
        initial_epoch: the epoch at which the `train()` call began.
        epochs: its argument of that name, the epoch at which it ends.
        layers: its argument of that name.
        learning_rate: its argument of that name; NaN for a schedule or an optimizer.
    """

    epoch: int
    initial_epoch: int
    epochs: int
    layers: str
    learning_rate: float

    @property
    def is_finished(self) -> bool:
        """Tells whether the call had reached its last epoch."""
        return self.epoch >= self.epochs


def new_run_dir(model_dir, name: str, now: datetime.datetime | None = None) -> Path:
    """Returns `{model_dir}/{name}{stamp}`, the folder of a run that starts now.

    The stamp has no seconds: where an earlier run of this minute has left checkpoints,
    the next free minute is taken.
    """
    now = now or datetime.datetime.now()
    while True:
        run_dir = Path(model_dir) / f"{name.lower()}{now:%Y%m%dT%H%M}"
        if not list_checkpoints(run_dir, name):
            return run_dir
        now += datetime.timedelta(minutes=1)


def checkpoint_path(run_dir, name: str, epoch: int) -> Path:
    """Returns the path of the checkpoint written after `epoch` epochs (1, 2, ...)."""
    return Path(run_dir) / f"mask_rcnn_{name.lower()}_{epoch:04d}.h5"


def parse_checkpoint(path, name: str) -> tuple[Path, int] | None:
    """Returns (run folder, epoch) of a checkpoint of the configuration `name`.

    None for any other path: a run of another configuration is not continued, its
    folder stays as it is.
    """
    path = Path(path)
    epoch = _epoch_of(path, name)
    folder = rf"{re.escape(name.lower())}{_STAMP}"
    if epoch is None or re.fullmatch(folder, path.parent.name) is None:
        return None
    return path.parent, epoch


def list_checkpoints(run_dir, name: str) -> list[Path]:
    """Returns the checkpoints of a configuration in a run folder, by epoch."""
    found = (p for p in Path(run_dir).glob("mask_rcnn_*.h5"))
    epochs = {p: _epoch_of(p, name) for p in found}
    return sorted((p for p in epochs if epochs[p] is not None), key=epochs.get)


def _epoch_of(path: Path, name: str) -> int | None:
    found = re.fullmatch(
        rf"mask_rcnn_{re.escape(name.lower())}_(\d{{4,}})\.h5", path.name
    )
    return None if found is None else int(found[1])


def list_runs(model_dir, name: str) -> list[Path]:
    """Returns the run folders of a configuration, oldest first."""
    pattern = re.compile(rf"{re.escape(name.lower())}{_STAMP}")
    folders = (p for p in Path(model_dir).glob("*") if p.is_dir())
    return sorted(p for p in folders if pattern.fullmatch(p.name))


def find_last(model_dir, name: str) -> Path:
    """Returns the newest checkpoint of the newest run that has one.

    Raises:
        FileNotFoundError: there is none.
    """
    for run_dir in reversed(list_runs(model_dir, name)):
        if checkpoints := list_checkpoints(run_dir, name):
            return checkpoints[-1]
    raise FileNotFoundError(
        f"find_last(model_dir={str(model_dir)!r}): no checkpoint of {name!r} there; "
        "train first, or pass the folder the training wrote to."
    )


def find_resumable(model_dir, name: str) -> tuple[Path, Path] | None:
    """Returns (checkpoint, its training state) of the newest run, None without both.

    Only the newest run counts: one that was killed in its first epoch starts anew,
    whatever runs came before it.
    """
    for run_dir in list_runs(model_dir, name)[-1:]:
        for checkpoint in reversed(list_checkpoints(run_dir, name)):
            state = state_path(run_dir, _epoch_of(checkpoint, name))
            if state.is_file():
                return checkpoint, state
    return None


def prune_checkpoints(run_dir, name: str, keep: int | None) -> None:
    """Deletes all but the `keep` checkpoints written last; None keeps all."""
    if keep is None:
        return
    written = sorted(
        list_checkpoints(run_dir, name), key=lambda path: path.stat().st_mtime_ns
    )
    for path in written[: -max(int(keep), 1)]:
        path.unlink(missing_ok=True)


def remove_leftovers(run_dir) -> None:
    """Deletes the temporary files of a run that was killed while it wrote."""
    for path in Path(run_dir).glob(".*.h5.*.tmp"):
        path.unlink(missing_ok=True)


def state_path(run_dir, epoch: int) -> Path:
    """Returns the path of the training state that goes with an epoch's checkpoint."""
    return Path(run_dir) / f"training_state_{epoch:04d}.h5"


def save_state(model: keras.Model, run_dir, state: RunState) -> None:
    """Writes what, with the checkpoint of the same epoch, continues the run exactly.

    Only the newest state is kept: it is as large as the weights that train.
    """
    path = state_path(run_dir, state.epoch)
    with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        for key, value in state._asdict().items():
            file.attrs[key] = value
        file.attrs["optimizer"] = type(model.optimizer).__name__
        for group, variables in _state_variables(model).items():
            for key, variable in variables.items():
                file.create_dataset(f"{group}/{key}", data=np.asarray(variable))
    for old in Path(run_dir).glob("training_state_*.h5"):
        if _STATE.fullmatch(old.name) and old != path:
            old.unlink(missing_ok=True)


def read_run_state(path: str | os.PathLike) -> RunState:
    """Returns where the run of a training state file stood."""
    with h5py.File(path, "r") as file:
        return RunState(
            epoch=int(file.attrs["epoch"]),
            initial_epoch=int(file.attrs["initial_epoch"]),
            epochs=int(file.attrs["epochs"]),
            layers=str(file.attrs["layers"]),
            learning_rate=float(file.attrs["learning_rate"]),
        )


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
    groups = _state_variables(model)
    if not with_optimizer:
        del groups["optimizer"]
    with h5py.File(path, "r") as file:
        values = {
            group: {key: np.asarray(file[group][key]) for key in file.get(group, ())}
            for group in groups
        }
        kind = str(file.attrs["optimizer"])
    is_same_kind = not with_optimizer or kind == type(model.optimizer).__name__
    for group, variables in groups.items():
        stored = {key: value.shape for key, value in values[group].items()}
        wanted = {key: tuple(v.shape) for key, v in variables.items()}
        if stored != wanted or not is_same_kind:
            raise ValueError(
                f"train(resume=True): {path} was written by {kind} with "
                f"{len(stored)} {group} variables, this run has "
                f"{type(model.optimizer).__name__} with {len(wanted)}; resume with the "
                "same optimizer, layers and BACKBONE, or start with resume=False."
            )
    for group, variables in groups.items():
        for key, variable in variables.items():
            variable.assign(values[group][key])


def _state_variables(model: keras.Model) -> dict[str, dict[str, keras.Variable]]:
    """Returns the variables of a state file by group and by name in the group."""
    optimizer_state.build(model)
    seeds = [v for v in model.non_trainable_variables if is_seed(v)]
    return {
        "optimizer": {f"{i:04d}": v for i, v in enumerate(model.optimizer.variables)},
        "seeds": {f"{i:04d}": v for i, v in enumerate(seeds)},
    }
