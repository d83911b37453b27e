"""What training writes of each epoch, and that it can be drawn."""

from __future__ import annotations

import types

import keras
import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.engine.training.callbacks import HistoryWriter
from mrcnn.viz.history import read_history
from tests.engine.tiny import make_trainer, train


def writer(tmp_path, rate=0.5):
    """A HistoryWriter of a model that is nothing but an optimizer."""
    callback = HistoryWriter(tmp_path)
    callback.set_model(types.SimpleNamespace(optimizer=keras.optimizers.SGD(rate)))
    return callback


def test_an_epoch_leaves_its_numbers_rate_and_seconds(tmp_path):
    callback = writer(tmp_path)
    callback.on_epoch_begin(4)
    callback.on_epoch_end(4, {"loss": np.float32(1.5), "val_loss": 2})
    history = read_history(tmp_path)
    assert history["epoch"].tolist() == [5]  # Keras counts from 0
    assert history["loss"][0] == 1.5 and history["val_loss"][0] == 2
    assert history["learning_rate"][0] == 0.5
    assert 0 <= history["seconds"][0] < 60


def test_a_schedule_leaves_its_present_rate(tmp_path):
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([10], [0.5, 0.25])
    callback = writer(tmp_path, schedule)
    callback.model.optimizer.iterations.assign(20)
    callback.on_epoch_begin(0)
    callback.on_epoch_end(0, {})
    assert read_history(tmp_path)["learning_rate"][0] == pytest.approx(0.25)


def test_what_is_no_number_is_left_out(tmp_path):
    callback = writer(tmp_path)
    callback.on_epoch_begin(0)
    logs = {"loss": 1.0, "confusion": np.zeros((2, 2)), "note": "good", "x": None}
    callback.on_epoch_end(0, logs)
    names = set(read_history(tmp_path))
    assert names == {"epoch", "loss", "learning_rate", "seconds"}


def test_a_run_leaves_what_fit_returns_of_it(run):
    history = read_history(run.trainer.log_dir)
    assert history["epoch"].tolist() == [1, 2]
    for name, values in run.history.history.items():
        np.testing.assert_allclose(history[name], values)


def test_stages_of_one_run_are_one_history(tmp_path, eager):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    losses = [
        *train(trainer, layers="heads").history["loss"],
        *train(trainer, epochs=3, layers="all").history["loss"],
    ]
    np.testing.assert_allclose(read_history(trainer.log_dir)["loss"], losses)
    visualize.plot_training(trainer.log_dir, save_path=tmp_path / "curves.png")
    assert (tmp_path / "curves.png").exists()


class Measure(keras.callbacks.Callback):
    """Adds a number to the logs, as EvaluationCallback does."""

    def on_epoch_end(self, epoch, logs=None):
        logs["val_segm_AP"] = 0.25


def test_numbers_of_custom_callbacks_are_kept(tmp_path, eager):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    train(trainer, custom_callbacks=[Measure()])
    assert read_history(trainer.log_dir)["val_segm_AP"].tolist() == [0.25]
