"""Trains the tiny network in a process of its own, and kills that process on demand.

    python -m tests.slow.resume_worker FOLDER NOTES [--kill PLACE] [--stages]

Resumes what is in FOLDER. Writes one line of JSON an epoch to NOTES.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
from pathlib import Path

import keras
import numpy as np

from mrcnn.model import MaskRCNN
from tests.engine.tiny import Spy, TinyConfig, TinyDataset, weights_of

EPOCHS = 6
KILLED_EPOCH = 3  # the fourth
PLACES = ("step", "checkpoint", "write")


class SlowConfig(TinyConfig):
    STEPS_PER_EPOCH = 4
    LEARNING_RATE_SCHEDULE = "cosine"
    LEARNING_RATE_WARMUP_STEPS = 6
    KEEP_CHECKPOINTS = 1


class Notes(keras.callbacks.Callback):
    """Notes losses, rate, steps and the state of optimizer and weights."""

    def __init__(self, path):
        super().__init__()
        self.path = path

    def on_epoch_end(self, epoch, logs=None):
        optimizer = self.model.optimizer
        note = {
            "epoch": epoch,
            "losses": {name: float(value) for name, value in logs.items()},
            "rate": float(optimizer.learning_rate),
            "steps": int(optimizer.iterations),
            "momentum": _size(v.numpy() for v in optimizer.variables[2:]),
            "weights": _size(weights_of(self.model).values()),
        }
        with self.path.open("a") as file:
            file.write(json.dumps(note) + "\n")


def _size(arrays) -> float:
    return float(sum(np.abs(array).sum(dtype=np.float64) for array in arrays))


def kill():
    os.kill(os.getpid(), signal.SIGKILL)


def kill_before_rename():
    """Dies with the fourth checkpoint written under its temporary name."""
    replace = os.replace

    def replace_or_die(source, target):
        if Path(target).name == f"mask_rcnn_tiny_{KILLED_EPOCH + 1:04d}.h5":
            kill()
        replace(source, target)

    os.replace = replace_or_die


def main(argv=None):
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--kill", choices=PLACES)
    parser.add_argument("--stages", action="store_true", help="heads to 2, then all")
    args = parser.parse_args(argv)
    at = {
        "step": {("batch", KILLED_EPOCH, 2): kill},
        "checkpoint": {("epoch end", KILLED_EPOCH, None): kill},
    }.get(args.kill, {})
    if args.kill == "write":
        kill_before_rename()
    model = MaskRCNN("training", SlowConfig(), args.folder)
    stages = [(2, "heads")] if args.stages else []
    for epochs, layers in [*stages, (EPOCHS, "all")]:
        model.train(
            TinyDataset(),
            TinyDataset(3, first=20),
            learning_rate=0.05,
            epochs=epochs,
            layers=layers,
            custom_callbacks=[Spy(at=at), Notes(args.notes)],
            resume=True,
            workers=2,
            verbose=0,
        )


if __name__ == "__main__":
    main()
