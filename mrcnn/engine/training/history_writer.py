"""Writes the numbers of each epoch into the folder of the run."""

from __future__ import annotations

import time

import keras
import numpy as np

from mrcnn.viz.history import append_epoch


class HistoryWriter(keras.callbacks.Callback):
    """Adds a line to history.jsonl after each epoch; `plot_training` draws it.

    To the logs of Keras it adds the learning rate of the epoch's last step and the
    seconds that the epoch took.
    """

    def __init__(self, run_dir):
        """Takes the folder of the run."""
        super().__init__()
        self.run_dir = run_dir

    def on_epoch_begin(self, epoch, logs=None):
        """Starts the clock of the epoch."""
        self.start = time.monotonic()

    def on_epoch_end(self, epoch, logs=None):
        """Writes the numbers of the epoch."""
        # Custom callbacks may put anything into the logs.
        numbers = {
            name: float(value)
            for name, value in (logs or {}).items()
            if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub"
        }
        numbers["learning_rate"] = float(self.model.optimizer.learning_rate)
        numbers["seconds"] = round(time.monotonic() - self.start, 3)
        append_epoch(self.run_dir, epoch + 1, numbers)
