"""Evaluating while training: the right weights, in the logs, and nothing disturbed."""

from __future__ import annotations

import contextlib
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.engine.training.evaluation_callback import copy_weights
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.evaluation import evaluate, score_cut
from mrcnn.model import EvaluationCallback
from tests.engine import tiny

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__:DeprecationWarning", "ignore:.*conditioned on metric"
)

AP = "val_segm_AP"


@pytest.fixture
def low_cut(detector):
    """The detector, which detects from a score of 0.99 on."""
    with score_cut(detector, 0.99):
        yield detector


def test_an_evaluation_sees_scores_that_detect_leaves_out(low_cut):
    data = tiny.TinyDataset()
    image = data.load_image(3)
    before = low_cut.detect([image])[0]["scores"]
    assert len(before) and (before >= 0.99).all()
    result = evaluate(low_cut, data, [3], verbose=0)
    seen = result.records[0].scores
    assert len(seen) > len(before) and seen.min() < 0.99
    after = low_cut.detect([image])[0]["scores"]
    np.testing.assert_array_equal(after, before)


def state_of(model):
    """All that the next step of a training depends on, but for the data."""
    variables = [*model.variables, *model.optimizer.variables]  # seeds among them
    return {f"{i} {v.path}": np.array(v) for i, v in enumerate(variables)}


def test_an_evaluation_changes_no_training_and_its_numbers_are_those_of_the_checkpoint(
    eager, tmp_path
):
    data, before = tiny.TinyDataset(3), {}
    settings = {"STEPS_PER_EPOCH": 1, "IMAGES_PER_GPU": 1}
    trainer = tiny.make_trainer(tmp_path, DETECTION_CLASS_RULE="all", **settings)
    spy = keras.callbacks.LambdaCallback(
        on_epoch_end=lambda *_: before.update(state_of(trainer.keras_model))
    )
    callback = EvaluationCallback(trainer, data, verbose=0)
    history = tiny.train(trainer, custom_callbacks=[spy, callback])
    assert tiny.changed(before, state_of(trainer.keras_model)) == set()

    # BatchNorm's statistics and the RPN's nested weights among them.
    trained = tiny.weights_of(trainer.keras_model)
    copied = tiny.weights_of(callback.inference.keras_model)
    tiny.assert_same_weights(copied, {path: trained[path] for path in copied})
    # As a new model would, whose graph takes two seconds to trace.
    for variable in callback.inference.keras_model.weights:
        variable.assign(variable * 0)
    callback.inference.load_weights(trainer.find_last())
    expected = evaluate(callback.inference, data, verbose=0)
    for ours, theirs in zip(callback.result.records, expected.records, strict=True):
        np.testing.assert_array_equal(ours.scores, theirs.scores)
        assert len(ours.scores)
    assert history.history[AP] == [numbers[AP] for _, numbers in callback.history]
    assert history.history[AP] == [expected["segm"]["AP"]]
    assert "epoch_segm_AP" in tensorboard_tags(trainer.log_dir)


def tensorboard_tags(folder):
    """Names of all numbers that TensorBoard would show."""
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    return {
        value.tag
        for path in Path(folder).rglob("events.out.tfevents.*")
        for event in loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }


class Toy:
    """A model of one weight that trains in no time; its evaluations follow a script."""

    def __init__(self, mrcnn, monkeypatch):
        self.mrcnn, self.kernels, self.calls, self.aps = mrcnn, [], [], []
        self.model = keras.Sequential([keras.Input([1]), keras.layers.Dense(1)])
        self.model.compile("sgd", "mse", jit_compile=False)
        self.data = np.ones((4, 1)), np.ones((4, 1))
        module = "mrcnn.engine.training.evaluation_callback"
        monkeypatch.setattr(f"{module}.evaluate", self.evaluate)
        monkeypatch.setattr(f"{module}.copy_weights", self.copy_weights)

    def copy_weights(self, source, target):
        assert source is self.model
        self.kernels.append(source.get_weights()[0])

    def evaluate(self, model, dataset, **kwargs):
        self.calls.append(kwargs)
        value = self.aps.pop(0)
        row = {"AP": value, "AP50": value / 2, "AP75": value}

        class Result(dict):
            def flat(self):
                return {f"{kind}_{name}": row[name] for kind in self for name in row}

        return Result(bbox=row, segm=row)

    def fit(self, aps, epochs, *callbacks, **settings):
        """Trains; returns (the evaluation callback, the History)."""
        self.aps = list(aps)
        settings = {"verbose": 0, **settings}
        callback = EvaluationCallback(self.mrcnn, tiny.TinyDataset(3), **settings)
        history = self.model.fit(
            *self.data,
            epochs=epochs,
            callbacks=[callback, *callbacks],
            verbose=0,
        )
        return callback, history.history


@pytest.fixture
def toy(training_graph, monkeypatch):
    """Without building a second model each time."""
    monkeypatch.setattr(type(training_graph), "build", lambda *_, **__: None)
    return Toy(training_graph, monkeypatch)


def test_every_k_epochs_and_after_the_last(toy, capsys):
    callback, history = toy.fit(
        (0.125, 0.25, 0.5), 5, every=2, image_ids=[1], min_confidence=0.1, verbose=1
    )
    assert [epoch for epoch, _ in callback.history] == [1, 3, 4]
    assert history[AP] == [0.125, 0.25, 0.5]
    assert history["val_bbox_AP50"] == [0.0625, 0.125, 0.25]
    assert len(history["loss"]) == 5
    assert toy.calls[0]["image_ids"] == [1] and toy.calls[0]["min_confidence"] == 0.1
    # It detects with the weights of its moment.
    np.testing.assert_array_equal(toy.kernels[-1], toy.model.get_weights()[0])
    assert not np.array_equal(toy.kernels[0], toy.kernels[1])
    out = capsys.readouterr().out
    assert "evaluation after epoch 2" in out and "masks   0.125" in out


def test_early_stopping_counts_evaluations(toy):
    stopping = keras.callbacks.EarlyStopping(AP, mode="max", patience=2)
    _, history = toy.fit((0.5, 0.4, 0.3, 0.2), 12, stopping, every=2)
    assert history[AP] == [0.5, 0.4, 0.3]
    assert len(history["loss"]) == 6


def test_keras_own_checkpoint_can_go_by_the_number(toy, tmp_path):
    path = tmp_path / "best.weights.h5"
    keeper = keras.callbacks.ModelCheckpoint(
        path, monitor=AP, mode="max", save_best_only=True, save_weights_only=True
    )
    toy.fit((0.25, 0.5, 0.125), 3, keeper)
    assert keeper.best == 0.5 and path.is_file()


def test_the_best_weights_are_kept(toy, tmp_path):
    path = tmp_path / "kept" / "best.h5"
    callback, _ = toy.fit(
        (0.25, 0.5, 0.5, float("nan"), 0.4), 5, save_best=path, monitor="bbox_AP50"
    )
    assert callback.best == (1, 0.25)
    (kernel,) = (v for k, v in read_weights(path).items() if k.endswith("kernel"))
    np.testing.assert_array_equal(kernel, toy.kernels[1])


def test_a_later_stage_does_not_replace_better_weights(toy, tmp_path):
    path = tmp_path / "best.h5"
    callback, _ = toy.fit((0.25, 0.5), 2, save_best=path)
    better = path.read_bytes()
    toy.aps = [0.375]
    toy.model.fit(*toy.data, callbacks=[callback], verbose=0)
    assert callback.best == (1, 0.5) and path.read_bytes() == better
    # The next process, or a callback made for each stage, reads what was best.
    later, _ = toy.fit((0.375,), 1, save_best=path)
    assert later.best == (1, 0.5) and path.read_bytes() == better
    later, _ = toy.fit((0.625,), 1, save_best=path)
    assert later.best == (0, 0.625) and path.read_bytes() != better


@pytest.mark.parametrize("what", ["run", "monitor", "weights", "json"])
def test_what_cannot_be_compared_is_no_best(toy, tmp_path, monkeypatch, what):
    path, settings = tmp_path / "best.h5", {}
    callback, _ = toy.fit((0.5,), 1, save_best=path)
    if what == "run":
        monkeypatch.setattr(toy.mrcnn, "log_dir", str(tmp_path / "another"))
    elif what == "monitor":
        settings["monitor"] = "bbox_AP50"
    elif what == "weights":
        path.unlink()
    else:
        path.with_suffix(".json").write_text("{")
    with contextlib.ExitStack() as stack:
        if what == "json":
            stack.enter_context(pytest.warns(UserWarning, match="can't be read"))
        later, _ = toy.fit((0.25,), 1, save_best=path, **settings)
    assert later.best[1] == (0.125 if what == "monitor" else 0.25)
    if what == "run":  # also for the callback that knew a better one
        toy.aps = [0.125]
        toy.model.fit(*toy.data, callbacks=[callback], verbose=0)
        assert callback.best == (0, 0.25)


def test_no_number_is_no_best(toy, tmp_path):
    callback, _ = toy.fit((float("nan"),), 1, save_best=tmp_path / "best.h5")
    assert callback.best is None
    assert not (tmp_path / "best.h5").exists()


def test_the_best_weights_go_into_the_folder_of_the_run(toy, monkeypatch, tmp_path):
    monkeypatch.setattr(toy.mrcnn, "log_dir", str(tmp_path / "run"))
    toy.fit((0.0,), 1, save_best=True)
    assert (tmp_path / "run" / "mask_rcnn_tiny_best.h5").is_file()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": 0}, "every=0"),
        ({"every": 1.5}, "every=1.5"),
        ({"max_detections": 0}, "max_detections=0"),
        ({"iou_types": ("mask",)}, "choose"),
        ({"metrics": ("mAP",)}, "mAP"),
        ({"iou_types": ("bbox",), "monitor": "segm_AP"}, "after bbox_"),
        ({"config": tiny.make_config(IMAGE_RESIZE_MODE="crop")}, "leaves out part"),
        ({"config": tiny.make_config(NUM_CLASSES=7)}, "3 classes"),
    ],
)
def test_settings_that_cannot_work_are_refused_at_once(
    training_graph, changes, message
):
    with pytest.raises(ValueError, match=message):
        EvaluationCallback(training_graph, tiny.TinyDataset(), **changes)


def test_weights_are_copied_all_or_none(training_graph):
    other = keras.Sequential([keras.Input([2]), keras.layers.Dense(1, name="conv1")])
    before = tiny.weights_of(other)
    with pytest.raises(ValueError, match=r"conv1/bias|conv1/kernel"):
        copy_weights(training_graph.keras_model, other)
    tiny.assert_same_weights(before, tiny.weights_of(other))
