"""Callbacks of a training: order of the data, checkpoints, state, history."""

from __future__ import annotations

import logging
import time

import keras
import numpy as np
import tensorflow as tf

from mrcnn.data import FailureLog
from mrcnn.engine.weights.checkpoints import checkpoint_path, prune_checkpoints
from mrcnn.engine.weights.model_weights import model_tensors, save_weights
from mrcnn.engine.weights.optimizer_state import RunState, save_state
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.viz.history import append_epoch

logger = logging.getLogger("mrcnn")


class BatchSource:
    """Gives Keras the batches of the present epoch, in order, from a PooledLoader.

    Not a `keras.utils.PyDataset`: `fit` takes the first two batches of one for the
    shapes of all, and shuffles.
    """

    def __init__(self, loader, epoch: int = 0, failures: FailureLog | None = None):
        self.loader = loader
        self.steps = len(loader.generator)
        self.epoch = epoch
        self.error: BaseException | None = None
        # What the images of the data set that can't be loaded are told to.
        self.failures = failures
        # The images of the batches of this epoch, where others took their places.
        self._image_ids: dict[int, list[int]] = {}

    def dataset(self, model: keras.Model) -> tf.data.Dataset:
        """Returns what `fit` reads: one epoch, the inputs of the model by name."""
        signature = {t.name: tf.TensorSpec(t.shape, t.dtype) for t in model.inputs}
        dataset = tf.data.Dataset.from_generator(
            self._batches, output_signature=signature
        )
        dataset = dataset.apply(tf.data.experimental.assert_cardinality(self.steps))
        return dataset.prefetch(1)

    def _batches(self):
        """Yields the batches of the epoch that is present when the first is asked for.

        TensorFlow wraps what is raised here in an error of its own; the original is
        kept in `self.error`.
        """
        epoch = self.epoch
        self._image_ids = {}
        for index in range(self.steps):
            try:
                batch = self.loader.get(epoch, index)
                if batch.failures:
                    self._image_ids[index] = batch.image_ids
                    if self.failures is not None:
                        self.failures.add(batch.failures)
            except BaseException as error:
                self.error = error
                raise
            yield dict(batch)

    def image_labels(self, index: int) -> str:
        """Returns the images of a batch of this epoch as errors name them."""
        generator = self.loader.generator
        return generator.image_labels(self.epoch, index, self._image_ids.get(index))


class EpochTracker(keras.callbacks.Callback):
    """Sets the epoch of the training data, and remembers the present batch."""

    def __init__(
        self, train_source: BatchSource, val_source: BatchSource | None = None
    ):
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
        """Writes the state of the checkpoint just written, removes what is old."""
        self.state = self.state._replace(epoch=epoch + 1)
        save_state(self.model, self.run_dir, self.state)
        prune_checkpoints(self.run_dir, self.name, self.keep, epoch + 1)

    def finish(self, stopped: bool) -> None:
        """Makes the files of the last epoch agree with what is in memory in the end.

        EarlyStopping(restore_best_weights=True) puts earlier weights back after the
        last checkpoint was written.

        Args:
            stopped: whether an EarlyStopping has ended the run.
        """
        path = checkpoint_path(self.run_dir, self.name, self.state.epoch)
        if not path.is_file():
            return
        if stopped:
            self.state = self.state._replace(stopped=True)
            save_state(self.model, self.run_dir, self.state)
        stored, tensors = read_weights(path, self.model), model_tensors(self.model)
        if all(
            name in stored and np.array_equal(stored[name], np.asarray(value))
            for name, value in tensors.items()
        ):
            return
        save_weights(self.model, path)
        logger.warning(
            "train(): a callback has put back other weights than those after the last "
            "epoch, as EarlyStopping(restore_best_weights=True) does: %s holds what is "
            "in memory now, so load_weights('last') gives it.",
            path,
        )


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
        numbers = dict(logs or {})
        numbers["learning_rate"] = float(self.model.optimizer.learning_rate)
        numbers["seconds"] = round(time.monotonic() - self.start, 3)
        append_epoch(self.run_dir, epoch + 1, numbers)
