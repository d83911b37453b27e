"""The folder of a run: of one training at a time, resumed from its newest whole pair.

A lock file says which process trains there. The system itself holds the lock, and gives
it back however the process ends: a killed training blocks nothing.
"""

from __future__ import annotations

import contextlib
import datetime
import errno
import functools
import os
import socket
import time
import warnings
from collections.abc import Callable
from pathlib import Path

try:
    import fcntl
except ModuleNotFoundError:  # Windows
    fcntl = None
    import msvcrt

import keras

from mrcnn.engine.weights import checkpoints
from mrcnn.engine.weights.optimizer_state import find_damage
from mrcnn.engine.weights.weight_files import WeightFileError
from mrcnn.engine.weights.weight_loading import load_file

# Workers of a killed training notice it after the image that they load, and hold the
# lock until then.
_PATIENCE_SECONDS = 5.0
# What the system says of a lock that somebody has.
_TAKEN = (errno.EAGAIN, errno.EACCES, errno.EDEADLK)
# Windows lets nobody read what is locked: a byte far behind the text is.
_LOCKED_BYTE = 1 << 20


class RunLockedError(OSError):
    """The folder of a run is being written to by another training."""


class RunLocks:
    """The folders that a call of `train` may write to; free again at its end."""

    def __init__(self):
        self._files: dict[Path, int] = {}

    def __enter__(self):
        return self

    def __exit__(self, *error):
        while self._files:
            _unlock(*self._files.popitem())

    def take(self, run_dir: Path, patience: float = _PATIENCE_SECONDS) -> None:
        """Makes a folder if need be, and locks it for this process.

        Args:
            run_dir: the folder of a run; nothing happens if it is locked already.
            patience: seconds to wait for another process.

        Raises:
            RunLockedError: another training has it.
        """
        path = Path(run_dir).resolve() / checkpoints.LOCK_FILE
        if path in self._files:
            return
        path.parent.mkdir(parents=True, exist_ok=True)
        end = time.monotonic() + patience
        while (descriptor := _lock(path)) is None:
            if time.monotonic() >= end:
                raise RunLockedError(
                    f"train(): {run_dir} is being trained by {_owner(path)}. Wait for "
                    "its end, or end it; or train with resume=False, as a new run."
                )
            time.sleep(0.1)
        self._files[path] = descriptor

    def give_back(self, run_dir: Path) -> None:
        """Unlocks a folder."""
        path = Path(run_dir).resolve() / checkpoints.LOCK_FILE
        _unlock(path, self._files.pop(path))


def _lock(path: Path) -> int | None:
    """Returns the open lock file, locked and with our name; None if another has it."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT, 0o666)
        try:
            if fcntl is not None:
                fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
            else:
                os.lseek(descriptor, _LOCKED_BYTE, os.SEEK_SET)
                msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
        except OSError as error:
            if error.errno in _TAKEN:
                os.close(descriptor)
                return None
            warnings.warn(
                f"train(): {path.parent} can't be locked ({error}), as on some network "
                "drives; take care that no other training writes to it.",
                stacklevel=2,
            )
        # Its owner may have deleted the file between our opening and our locking it.
        if _is_same_file(path, descriptor):
            break
        os.close(descriptor)
    now = datetime.datetime.now().isoformat(" ", "minutes")
    text = f"process {os.getpid()} on {socket.gethostname()} since {now}"
    os.ftruncate(descriptor, 0)
    os.lseek(descriptor, 0, os.SEEK_SET)
    os.write(descriptor, text.encode())
    return descriptor


def _is_same_file(path: Path, descriptor: int) -> bool:
    with contextlib.suppress(FileNotFoundError):
        return os.path.samestat(os.stat(path), os.fstat(descriptor))
    return False


def _unlock(path: Path, descriptor: int) -> None:
    # Windows deletes no open file: there it stays, unlocked.
    with contextlib.suppress(OSError):
        os.unlink(path)
    os.close(descriptor)


def _owner(path: Path) -> str:
    with contextlib.suppress(OSError):
        if text := path.read_bytes()[:200].decode("utf-8", "replace").strip():
            return text
    return "another process"


def locks_runs(train: Callable) -> Callable:
    """Makes a method that trains give back what it has locked, also after an error."""

    @functools.wraps(train)
    def locking(self, *args, **kwargs):
        with RunLocks() as self.run_locks:
            return train(self, *args, **kwargs)

    return locking


def begin_run(mrcnn) -> Path:
    """Returns `log_dir` of a MaskRCNN, made and locked.

    A run that isn't continued has a folder of its own: where another training was
    faster, `log_dir` becomes the next free one.

    Raises:
        RunLockedError: the run is to be continued, and another training does that.
    """
    place = mrcnn.model_dir, mrcnn.config.NAME
    while True:
        run_dir = Path(mrcnn.log_dir)
        if (
            mrcnn.epoch > 0
            or run_dir == mrcnn.begun_run
            # The user has chosen it.
            or not checkpoints.is_run_dir(run_dir, *place)
        ):
            mrcnn.run_locks.take(run_dir)
            break
        with contextlib.suppress(RunLockedError):
            mrcnn.run_locks.take(run_dir, patience=0)
            if not checkpoints.has_results(run_dir):
                break
            mrcnn.run_locks.give_back(run_dir)
        mrcnn.set_log_dir()
        if Path(mrcnn.log_dir) == run_dir:  # a subclass has only this one
            mrcnn.run_locks.take(run_dir)
            break
        warnings.warn(
            f"train(): another training has begun {run_dir}; this one goes to "
            f"{mrcnn.log_dir}.",
            stacklevel=4,
        )
    mrcnn.begun_run = run_dir
    return run_dir


def load_newest_pair(
    model: keras.Model, run_dir: Path, name: str
) -> tuple[Path, Path] | None:
    """Loads the newest epoch of a run of which checkpoint and state are whole.

    Args:
        model: a Keras model.
        run_dir: the folder of the run.
        name: NAME of the configuration.

    Returns:
        (checkpoint, training state); None for a run without a complete epoch.

    Raises:
        ValueError: all pairs are damaged, or the checkpoint doesn't fit the model.
    """
    faults = []
    for checkpoint, state in checkpoints.resumable_pairs(run_dir, name):
        if fault := find_damage(state):
            fault = f"{state} is damaged: {fault}."
        else:
            try:
                load_file(model, checkpoint)
            except WeightFileError as error:
                fault = str(error)
            else:
                return checkpoint, state
        faults.append(fault)
        warnings.warn(
            f"train(resume=True): {fault} Going back to the epoch before.",
            stacklevel=5,
        )
    if faults:
        raise ValueError(
            f"train(resume=True): no epoch of {run_dir} can be resumed. "
            f"{' '.join(faults)} Load the newest checkpoint there that is whole by "
            "load_weights(), which starts with a new optimizer, or begin a new run "
            "with resume=False."
        )
    if left := checkpoints.list_checkpoints(run_dir, name):
        warnings.warn(
            f"train(resume=True): {left[-1]} has no training_state_*.h5 beside it, so "
            "a new run begins, from the weights that the model has now. To go on from "
            "that checkpoint, load_weights() it and train without resume.",
            stacklevel=5,
        )
    return None
