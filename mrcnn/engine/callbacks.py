"""What runs between the steps of a training: data order, checkpoints, state."""

from __future__ import annotations

import keras

from mrcnn.engine.checkpoints import (
    RunState,
    checkpoint_path,
    prune_checkpoints,
    save_state,
)
from mrcnn.engine.weights import save_weights


class BatchSource(keras.utils.PyDataset):
    """Gives Keras the batches of one epoch from a PooledLoader."""

    def __init__(self, loader, steps: int, epoch: int = 0):
        super().__init__(workers=1, use_multiprocessing=False)
        self.loader = loader
        self.steps = steps
        self.epoch = epoch
        self.error = None

    def __len__(self):
        """Returns the number of batches in an epoch."""
        return self.steps

    def __getitem__(self, index):
        """Returns the inputs of batch `index` of the present epoch, by name.

        Keras wraps what is raised here in an error of its own; the original is kept
        in `self.error`.
        """
        try:
            return self.loader.get(self.epoch, index)
        except BaseException as error:
            self.error = error
            raise


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

    def __init__(self, mrcnn, run_dir, name: str, keep: int | None):
        super().__init__()
        self.mrcnn, self.run_dir, self.name, self.keep = mrcnn, run_dir, name, keep

    def on_epoch_end(self, epoch, logs=None):
        """Writes the checkpoint of `epoch + 1` epochs and removes the oldest."""
        save_weights(self.model, checkpoint_path(self.run_dir, self.name, epoch + 1))
        prune_checkpoints(self.run_dir, self.keep)
        self.mrcnn.epoch = epoch + 1


class StateWriter(keras.callbacks.Callback):
    """Writes the training state after each epoch, after custom callbacks ran."""

    def __init__(self, run_dir, state: RunState):
        super().__init__()
        self.run_dir, self.state = run_dir, state

    def on_epoch_end(self, epoch, logs=None):
        """Writes the state that goes with the checkpoint just written."""
        save_state(self.model, self.run_dir, self.state._replace(epoch=epoch + 1))
