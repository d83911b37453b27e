"""Writes the files of an epoch, and dies or finds the disk full at a chosen moment.

    python -m tests.faults.pairs FOLDER MOMENTS

Copies FOLDER/start, a run of two whole epochs, once for each moment, and writes the
third epoch there in a process of its own. One process imports Keras, the others are
copies of it.
"""

from __future__ import annotations

import itertools
import os
import resource
import shutil
import signal
import sys
import time
import types
from pathlib import Path

import keras
import numpy as np

from mrcnn.engine.training.callbacks import CheckpointWriter, StateWriter
from mrcnn.engine.weights.model_weights import model_tensors
from mrcnn.engine.weights.optimizer_state import RunState

NAME = "cells"
RUN = f"{NAME}20310405T1200"
STATE = RunState(2, 0, 9, "all", 0.1)
DELAYS = 16
FULL = 8


def make_model(value=0.0):
    """Returns a compiled model, all whose weights are `value`."""
    x = keras.Input([64])
    layers = [keras.layers.Dense(64, name=f"dense_{i}") for i in range(4)]
    y = x
    for layer in layers:
        y = layer(y)
    model = keras.Model(x, y)
    model.compile(optimizer=keras.optimizers.SGD(0.1, momentum=0.9))
    model.optimizer.build(model.trainable_variables)
    give(model, value)
    return model


def give(model, value):
    for variable in (*model_tensors(model).values(), *model.optimizer.momentums):
        variable.assign(np.full(variable.shape, value))


def write_epoch(model, run_dir, epoch, keep=2):
    """Writes what a training writes at the end of an epoch."""
    for callback in (
        CheckpointWriter(types.SimpleNamespace(), run_dir, NAME),
        StateWriter(run_dir, NAME, STATE, keep),
    ):
        callback.set_model(model)
        callback.on_epoch_end(epoch - 1)


def start(model, folder):
    """Makes the run of two epochs."""
    run_dir = folder / "start" / RUN
    for epoch in (1, 2):
        give(model, epoch)
        write_epoch(model, run_dir, epoch)
    give(model, 3)


def _at_call(number, action):
    """Calls `action` at the call of that number, of any function in Python or C."""
    numbers = itertools.count()

    def count(frame, event, argument):
        if event in ("call", "c_call") and next(numbers) == number:
            action()

    sys.setprofile(count)
    return numbers


def _kill():
    os.kill(os.getpid(), signal.SIGKILL)


def _in_a_copy(function, *args):
    """Runs a function in a copy of this process; returns its number."""
    sys.stdout.flush()
    if (child := os.fork()) == 0:
        try:
            function(*args)
        except BaseException as error:
            print(f"{type(error).__name__}: {error}", flush=True)
        os._exit(0)
    return child


def _count(model, run_dir, path):
    numbers = _at_call(-1, None)
    write_epoch(model, run_dir, 3)
    sys.setprofile(None)
    path.write_text(str(next(numbers)))


def _die_at(model, run_dir, number):
    _at_call(number, _kill)
    write_epoch(model, run_dir, 3)


def _go_on(model, run_dir):
    for epoch in itertools.count(3):
        write_epoch(model, run_dir, epoch)


def _fill_disk(model, run_dir, size):
    """Writes with files limited to a size, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, size))
    write_epoch(model, run_dir, 3)


def main():
    folder, moments = Path(sys.argv[1]), int(sys.argv[2])
    model = make_model()
    start(model, folder)

    def run(name):
        shutil.copytree(folder / "start", folder / name)
        return folder / name / RUN

    os.waitpid(_in_a_copy(_count, model, run("count"), folder / "calls"), 0)
    calls = int((folder / "calls").read_text())
    print(f"{calls} calls")
    for moment in range(moments):
        number = calls * moment // moments
        os.waitpid(_in_a_copy(_die_at, model, run(f"kill{moment:02d}"), number), 0)
    rng = np.random.default_rng(3)
    for moment in range(DELAYS):
        child = _in_a_copy(_go_on, model, run(f"late{moment:02d}"))
        time.sleep(rng.uniform(0, 0.3))
        os.kill(child, signal.SIGKILL)
        os.waitpid(child, 0)
    largest = max(path.stat().st_size for path in (folder / "start" / RUN).iterdir())
    for moment in range(FULL):
        run_dir = run(f"full{moment:02d}")
        size = largest * moment // FULL
        os.waitpid(_in_a_copy(_fill_disk, model, run_dir, size), 0)


if __name__ == "__main__":
    main()
