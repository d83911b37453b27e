"""What runs between the steps of a training: data order, checkpoints, state."""

from __future__ import annotations

import math
import time

import keras
import tensorflow as tf

from mrcnn.engine.weights.checkpoints import checkpoint_path, prune_checkpoints
from mrcnn.engine.weights.model_weights import save_weights
from mrcnn.engine.weights.optimizer_state import RunState, save_state


class BatchSource:
    """Gives Keras the batches of the present epoch, in order, from a PooledLoader.

    Not a `keras.utils.PyDataset`: `fit` takes the first two batches of one for the
    shapes of all, and shuffles.
    """

    def __init__(self, loader, steps: int, epoch: int = 0):
        self.loader = loader
        self.steps = steps
        self.epoch = epoch
        self.error: BaseException | None = None

    def dataset(self, model: keras.Model) -> tf.data.Dataset:
        """Returns what `fit` reads: one epoch, the inputs of the model by name."""
        signature = {t.name: tf.TensorSpec(t.shape, t.dtype) for t in model.inputs}
        dataset = tf.data.Dataset.from_generator(
            self._batches, output_signature=signature
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        return dataset.prefetch(1)

    def _batches(self):
        """Yields the batches of the epoch that is on when the first one is wanted.

        TensorFlow wraps what is raised here in an error of its own; the original is
        kept in `self.error`.
        """
        epoch = self.epoch
        for index in range(self.steps):
            try:
                batch = self.loader.get(epoch, index)
            except BaseException as error:
                self.error = error
                raise
            yield batch


class EpochTracker(keras.callbacks.Callback):
    """Tells the training data which epoch it is, and knows which batch is on."""

    def __init__(self, train_source: BatchSource, val_source: BatchSource | None):
        super().__init__()
        self.train_source = train_source
        self.val_source = val_source
        self.source, self.batch = train_source, 0

    def on_epoch_begin(self, epoch, logs=None):
        """Moves the training data to this epoch."""
        self.train_source.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        """Remembers the batch."""
        self.source, self.batch = self.train_source, batch

    def on_test_batch_begin(self, batch, logs=None):
        """Remembers the batch."""
        if self.val_source is not None:
            self.source, self.batch = self.val_source, batch


class CheckpointWriter(keras.callbacks.Callback):
    """Writes the weights after each epoch, before custom callbacks run."""

    def __init__(self, mrcnn, run_dir, name: str):
        super().__init__()
        self.mrcnn, self.run_dir, self.name = mrcnn, run_dir, name

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of `epoch + 1` epochs."""
        save_weights(self.model, checkpoint_path(self.run_dir, self.name, epoch + 1))
        self.mrcnn.epoch = epoch + 1


class StateWriter(keras.callbacks.Callback):
    """Writes the training state after each epoch, after custom callbacks ran.

    Old checkpoints go only then: until the new state is there, a run that is killed
    resumes from the checkpoint before.
    """

    def __init__(self, run_dir, name: str, state: RunState, keep: int | None):
        super().__init__()
        self.run_dir, self.name, self.state, self.keep = run_dir, name, state, keep

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state of the checkpoint just written, removes old checkpoints."""
        save_state(self.model, self.run_dir, self.state._replace(epoch=epoch + 1))
        prune_checkpoints(self.run_dir, self.name, self.keep)


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
