"""Names and finds the checkpoints of a run, and deletes old ones.

A run writes `{model_dir}/{name}{YYYYmmddTHHMM}/mask_rcnn_{name}_{epoch:04d}.h5`, and
beside the two newest of them `training_state_{epoch:04d}.h5`, see `optimizer_state`.
Which run is newer, and which checkpoint, is told by these names alone: times of files
are lost when they are copied, and wrong after the clock was. Nothing here needs
TensorFlow.
"""

from __future__ import annotations

import datetime
import re
from pathlib import Path

from mrcnn.config_checks import name_problem
from mrcnn.engine.weights.run_config import CONFIG_FILE

LOCK_FILE = ".training.lock"
"""Its name in the folder of a run that is being trained; see `training.run_folder`."""
# Of the newest checkpoints, those that a run can be resumed from: the newest, and the
# one before in case that the newest is damaged.
_RESUMABLE = 2
_MINUTE = datetime.timedelta(minutes=1)

# A name, and the stamp of a run or the epoch of a checkpoint.
_RUN = re.compile(r"(.+)(\d{8}T\d{4})")
_CHECKPOINT = re.compile(r"mask_rcnn_(.+)_(\d{4,})\.h5")
_STATE = re.compile(r"training_state_(\d{4,})\.h5")


def _second_part(pattern: re.Pattern, text: str, name: str | None) -> str | None:
    """Returns what follows a configuration's name; None where another name stands."""
    found = pattern.fullmatch(text)
    if found and (name is None or found[1] == name.lower()):
        return found[2]
    return None


def new_run_dir(model_dir, name: str, now: datetime.datetime | None = None) -> Path:
    """Returns `{model_dir}/{name}{stamp}`, the folder of a run that starts now.

    The stamp has no seconds, and clocks are set back. Where a run of this name has
    begun in this minute or, it seems, later, the minute after it is taken: what begins
    later has the later stamp.

    Raises:
        ValueError: the name can't be one of a folder in `model_dir`.
    """
    if problem := name_problem(name):
        raise ValueError(f"NAME={name!r}: {problem}.")
    now = (now or datetime.datetime.now()).replace(second=0, microsecond=0)
    for run_dir in reversed(list_runs(model_dir)):
        stamp = _begin(run_dir)
        if stamp is None or not is_begun(run_dir):
            continue
        if stamp < now:
            break
        is_same = _second_part(_RUN, run_dir.name, name) is not None
        now = max(now, stamp + _MINUTE if is_same else stamp)
    return Path(model_dir) / f"{name.lower()}{now:%Y%m%dT%H%M}"


def _begin(run_dir: Path) -> datetime.datetime | None:
    """Returns when a run began; None for digits that are no time."""
    try:
        stamp = datetime.datetime.strptime(run_dir.name[-13:], "%Y%m%dT%H%M")
    except ValueError:
        return None
    # There are no minutes after the last of that year.
    return stamp if stamp.year < datetime.MAXYEAR else None


def is_run_dir(path, model_dir, name: str) -> bool:
    """Returns whether a folder has the place and name that `new_run_dir` gives."""
    path = Path(path).resolve()
    is_there = path.parent == Path(model_dir).resolve()
    return is_there and _second_part(_RUN, path.name, name) is not None


def has_results(run_dir) -> bool:
    """Returns whether a training has written to a folder."""
    run_dir = Path(run_dir)
    return (run_dir / CONFIG_FILE).exists() or bool(list_checkpoints(run_dir))


def is_begun(run_dir) -> bool:
    """Returns whether a training has written to a folder, or is about to."""
    return (Path(run_dir) / LOCK_FILE).exists() or has_results(run_dir)


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
    paths = Path(model_dir).glob("*")
    stamps = {path: _second_part(_RUN, path.name, name) for path in paths}
    return sorted(
        # Only of these: there may be a hundred thousand other files.
        (path for path in stamps if stamps[path] and path.is_dir()),
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


def resumable_pairs(run_dir, name: str) -> list[tuple[Path, Path]]:
    """Returns (checkpoint, its training state) of a run's epochs, the newest first."""
    checkpoints = reversed(list_checkpoints(run_dir, name))
    pairs = ((path, state_path(*parse_checkpoint(path, name))) for path in checkpoints)
    return [(path, state) for path, state in pairs if state.is_file()]


def prune_checkpoints(run_dir, name: str, keep: int | None, epoch: int) -> None:
    """Deletes what a run needs no more after an epoch.

    Checkpoints but for the `keep` newest, and training states but for those of the two
    newest of these. After a return to an earlier epoch, those of later epochs belong to
    what was given up: they are the oldest, and can't be resumed from.

    Args:
        run_dir: the folder of the run.
        name: NAME of the configuration.
        keep: None keeps all checkpoints.
        epoch: the epoch whose checkpoint and state were just written.
    """

    def age(path: Path) -> tuple[bool, int]:
        number = int(_second_part(_CHECKPOINT, path.name, name))
        return number <= epoch, number

    kept = sorted(list_checkpoints(run_dir, name), key=age)
    if keep is not None:
        old = kept[: -max(int(keep), 1)]
        kept = kept[len(old) :]
        for path in old:
            path.unlink(missing_ok=True)
    epochs = [number for is_before, number in map(age, kept) if is_before]
    for path in Path(run_dir).glob("training_state_*.h5"):
        found = _STATE.fullmatch(path.name)
        if found and int(found[1]) not in epochs[-_RESUMABLE:]:
            path.unlink(missing_ok=True)


def remove_leftovers(run_dir) -> None:
    """Deletes the temporary files of a run that was killed while it wrote.

    Only for the training that has locked the folder: nobody else writes these.
    """
    for pattern in (".*.h5.*.tmp", ".*.json.*.tmp"):
        for path in Path(run_dir).glob(pattern):
            path.unlink(missing_ok=True)
