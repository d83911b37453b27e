"""TimeBudget: a Keras callback that ends a training by the clock."""

from __future__ import annotations

import math
import time

import keras


class TimeBudget(keras.callbacks.Callback):
    """Ends a training by the clock, its learning rate then fallen to 0 (half a cosine).

    For `custom_callbacks`, with a constant learning rate and more `epochs` than there
    is time for. Prints a line at the end of each epoch; the last one may be cut short.
    """

    def __init__(self, minutes: float):
        """Takes the minutes from the first step to the last; more than 0."""
        super().__init__()
        if not minutes > 0:
            raise ValueError(f"TimeBudget(minutes={minutes}): must be more than 0.")
        self.minutes = minutes

    def on_train_begin(self, logs=None):
        """Starts the clock."""
        self.start = time.monotonic()
        self.base = float(self.model.optimizer.learning_rate)

    def on_train_batch_end(self, batch, logs=None):
        """Sets the learning rate for the time that has passed, or stops."""
        self.used = min(1.0, (time.monotonic() - self.start) / (60 * self.minutes))
        rate = self.base * 0.5 * (1 + math.cos(math.pi * self.used))
        self.model.optimizer.learning_rate = rate
        self.model.stop_training = self.used >= 1

    def on_epoch_end(self, epoch, logs=None):
        """Prints how far it is."""
        minutes = self.used * self.minutes
        steps = int(self.model.optimizer.iterations)
        print(f"{minutes:5.1f} min, {steps} steps, loss {logs['loss']:.3f}", flush=True)
