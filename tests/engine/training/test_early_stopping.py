"""EarlyStopping that restores weights: files agree with the memory, resume obeys."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.engine import MaskRCNN
from tests.engine.tiny import (
    Spy,
    assert_same_weights,
    changed,
    make_trainer,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")


class Worse(keras.callbacks.Callback):
    """Each epoch looks worse than the one before."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_loss"] = float(epoch)


def stopping(**kwargs):
    kwargs = {"patience": 2, "restore_best_weights": True, **kwargs}
    return [Worse(), keras.callbacks.EarlyStopping("val_loss", mode="min", **kwargs)]


def run(folder, callbacks, epochs=6, resume=False, **values):
    trainer = make_trainer(folder, STEPS_PER_EPOCH=1, **values)
    history = train(trainer, epochs=epochs, custom_callbacks=callbacks, resume=resume)
    return trainer, history


@pytest.mark.parametrize("keep", [None, 1])
def test_last_is_what_is_in_memory(tmp_path, caplog, keep):
    trainer, history = run(tmp_path, stopping(), KEEP_CHECKPOINTS=keep)
    assert history.epoch == [0, 1, 2] and trainer.epoch == 3
    other = MaskRCNN("training", trainer.config, tmp_path)
    other.load_weights("last")
    assert other.epoch == 3 and trainer.find_last().endswith("_0003.h5")
    memory = weights_of(trainer.keras_model)
    assert_same_weights(memory, weights_of(other.keras_model))
    assert "restore_best_weights" in caplog.text
    if keep is None:  # the best was the first
        other.load_weights(trainer.find_last().replace("_0003", "_0001"))
        assert_same_weights(memory, weights_of(other.keras_model))
        other.load_weights(trainer.find_last().replace("_0003", "_0002"))
        assert changed(memory, weights_of(other.keras_model))


def test_a_run_that_ends_by_itself_agrees_too(tmp_path):
    trainer, _ = run(tmp_path, stopping(patience=9), epochs=2)
    other = MaskRCNN("training", trainer.config, tmp_path)
    other.load_weights("last")
    assert_same_weights(weights_of(trainer.keras_model), weights_of(other.keras_model))


def test_a_stopped_run_is_finished_for_resume_and_says_so(tmp_path, caplog):
    first, _ = run(tmp_path, stopping())
    again, history = run(tmp_path, stopping(), resume=True)
    assert history.epoch == [] and again.epoch == 3
    assert "stopped this run after epoch 3 of 6" in caplog.text
    assert_same_weights(weights_of(first.keras_model), weights_of(again.keras_model))
    # A further stage, or more epochs, train on, and that is told.
    _, history = run(tmp_path, [], epochs=7, resume=True)
    assert history.epoch == [3, 4, 5, 6]
    assert "trained on to epoch 7" in caplog.text


def test_a_run_stopped_by_something_else_is_resumed(tmp_path):
    class Budget(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            self.model.stop_training = True

    _, history = run(tmp_path, [Budget()], epochs=3)
    assert history.epoch == [0]
    assert run(tmp_path, [], epochs=3, resume=True)[1].epoch == [1, 2]


def test_without_restored_weights_no_file_is_written_anew(tmp_path, caplog):
    trainer, _ = run(tmp_path, [*stopping(restore_best_weights=False), Spy()])
    assert trainer.epoch == 3 and "put back" not in caplog.text
    other = MaskRCNN("training", trainer.config, tmp_path)
    other.load_weights("last")
    np.testing.assert_equal(
        weights_of(trainer.keras_model), weights_of(other.keras_model)
    )
