"""Names and finds the checkpoints of a run, and deletes old ones.

A run writes `{model_dir}/{name}{YYYYmmddTHHMM}/mask_rcnn_{name}_{epoch:04d}.h5`, and
beside the newest one `training_state_{epoch:04d}.h5`, see `optimizer_state`. Nothing
here needs TensorFlow.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

# A name, and the stamp of a run or the epoch of a checkpoint.
_RUN = re.compile(r"(.+)(\d{8}T\d{4})")
_CHECKPOINT = re.compile(r"mask_rcnn_(.+)_(\d{4,})\.h5")


def _second_part(pattern: re.Pattern, text: str, name: str | None) -> str | None:
    """Returns what follows a configuration's name; None where another name stands."""
    found = pattern.fullmatch(text)
    if found and (name is None or found[1] == name.lower()):
        return found[2]
    return None


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


def state_path(run_dir, epoch: int) -> Path:
    """Returns the path of the training state that goes with an epoch's checkpoint."""
    return Path(run_dir) / f"training_state_{epoch:04d}.h5"


def parse_checkpoint(path, name: str) -> tuple[Path, int] | None:
    """Returns (run folder, epoch) of a checkpoint of the configuration `name`.

    None for any other path: a run of another configuration is not continued, its
    folder stays as it is.
    """
    path = Path(path)
    epoch = _second_part(_CHECKPOINT, path.name, name)
    if epoch is None or _second_part(_RUN, path.parent.name, name) is None:
        return None
    return path.parent, int(epoch)


def list_checkpoints(run_dir, name: str | None = None) -> list[Path]:
    """Returns the checkpoints in a run folder by epoch; None: of any configuration."""
    paths = Path(run_dir).glob("mask_rcnn_*.h5")
    epochs = {path: _second_part(_CHECKPOINT, path.name, name) for path in paths}
    return sorted(filter(epochs.get, epochs), key=lambda path: int(epochs[path]))


def list_runs(model_dir, name: str | None = None) -> list[Path]:
    """Returns the run folders, oldest first; None: of any configuration."""
    folders = (path for path in Path(model_dir).glob("*") if path.is_dir())
    stamps = {path: _second_part(_RUN, path.name, name) for path in folders}
    return sorted(
        filter(stamps.get, stamps),
        # Runs of two configurations may have begun in one minute.
        key=lambda path: (stamps[path], path.stat().st_mtime_ns),
    )


def find_last(model_dir, name: str | None = None) -> Path:
    """Returns the newest checkpoint of the newest run that has one.

    Args:
        model_dir: folder of the runs.
        name: NAME of their configuration; None for any.

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
            state = state_path(*parse_checkpoint(checkpoint, name))
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
