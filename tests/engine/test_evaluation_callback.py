"""Evaluating while training: the right weights, in the logs, and nothing disturbed."""

from __future__ import annotations

from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.engine.evaluation_callback import copy_weights
from mrcnn.engine.weights import read_weights
from mrcnn.evaluation import evaluate, score_cut
from mrcnn.model import EvaluationCallback, MaskRCNN
from tests.engine import tiny

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__:DeprecationWarning", "ignore:.*conditioned on metric"
)

AP = "val_segm_AP"


@pytest.fixture
def low_cut(detector):
    """The detector, which detects from a score of 0.6 on."""
    with score_cut(detector, 0.6):
        yield detector


def test_an_evaluation_sees_scores_that_detect_leaves_out(low_cut):
    data = tiny.TinyDataset()
    image = data.load_image(3)
    before = low_cut.detect([image])[0]["scores"]
    assert (before >= 0.6).all()
    result = evaluate(low_cut, data, verbose=0)
    seen = next(r.scores for r in result.records if r.image_id == 3)
    assert len(seen) > len(before) and seen.min() < 0.6
    after = low_cut.detect([image])[0]["scores"]
    np.testing.assert_array_equal(after, before)


class Scripted:
    """In the place of `evaluate`: results with these APs, and what was asked for."""

    def __init__(self, *aps):
        self.aps, self.calls = list(aps), []

    def __call__(self, model, dataset, **kwargs):
        weights = model.keras_model.get_layer("mrcnn_class_logits").get_weights()
        self.calls.append((weights[0], kwargs))
        value = self.aps.pop(0)

        class Result(dict):
            def flat(self):
                return {
                    f"{k}_{n}": v for k, row in self.items() for n, v in row.items()
                }

        names = ("AP", "AP50", "AP75")
        return Result({kind: dict.fromkeys(names, value) for kind in ("bbox", "segm")})


@pytest.fixture
def scripted(monkeypatch):
    def script(*aps):
        fake = Scripted(*aps)
        monkeypatch.setattr("mrcnn.engine.evaluation_callback.evaluate", fake)
        return fake

    return script


@pytest.fixture
def trainer(tmp_path):
    return tiny.make_trainer(tmp_path, STEPS_PER_EPOCH=1)


def test_every_k_epochs_and_after_the_last(eager, trainer, scripted, capsys):
    fake = scripted(0.125, 0.25, 0.5)
    data = tiny.TinyDataset(3)
    callback = EvaluationCallback(trainer, data, every=2, image_ids=[1])
    spy = tiny.Spy(trainer)
    history = tiny.train(trainer, epochs=5, custom_callbacks=[callback, spy])
    assert [epoch for epoch, _ in callback.history] == [1, 3, 4]
    assert history.history[AP] == [0.125, 0.25, 0.5]
    assert len(history.history["loss"]) == 5
    assert {"val_bbox_AP", "val_bbox_AP50", "val_segm_AP75"} <= set(history.history)
    assert fake.calls[0][1]["image_ids"] == [1]
    # It detects with the weights of its moment.
    kernels = [kernel for kernel, _ in fake.calls]
    own = trainer.keras_model.get_layer("mrcnn_class_logits").get_weights()[0]
    np.testing.assert_array_equal(kernels[-1], own)
    assert not np.array_equal(kernels[0], kernels[1])
    out = capsys.readouterr().out
    assert "evaluation after epoch 2" in out and "masks   0.125" in out


def test_all_weights_are_copied_and_training_goes_on_as_without(
    eager, trainer, tmp_path
):
    data = tiny.TinyDataset(3)
    callback = EvaluationCallback(trainer, data, verbose=0)
    tiny.train(trainer, epochs=2, custom_callbacks=[callback])
    alone = tiny.make_trainer(tmp_path / "alone", STEPS_PER_EPOCH=1)
    tiny.train(alone, epochs=2)
    trained = tiny.weights_of(trainer.keras_model)
    tiny.assert_same_weights(tiny.weights_of(alone.keras_model), trained)
    copied = tiny.weights_of(callback.inference.keras_model)
    assert copied.keys() <= trained.keys()
    tiny.assert_same_weights(copied, {path: trained[path] for path in copied})

    # The numbers are those of a model that reads the checkpoint.
    fresh = MaskRCNN("inference", trainer.config, tmp_path)
    fresh.load_weights(trainer.find_last())
    expected = evaluate(fresh, data, verbose=0)
    assert callback.result.flat() == pytest.approx(expected.flat(), nan_ok=True)
    assert [r.scores.tolist() for r in callback.result.records] == [
        r.scores.tolist() for r in expected.records
    ]
    assert sum(len(r.scores) for r in expected.records) > 0


def test_early_stopping_counts_evaluations(eager, trainer, scripted):
    scripted(0.5, 0.4, 0.3, 0.2)
    callback = EvaluationCallback(trainer, tiny.TinyDataset(3), every=2, verbose=0)
    stopping = keras.callbacks.EarlyStopping(AP, mode="max", patience=2)
    history = tiny.train(trainer, epochs=12, custom_callbacks=[callback, stopping])
    assert history.history[AP] == [0.5, 0.4, 0.3]
    assert len(history.history["loss"]) == 6


def test_the_best_weights_are_kept(eager, trainer, scripted):
    fake = scripted(0.25, 0.5, 0.5, float("nan"), 0.4)
    callback = EvaluationCallback(
        trainer, tiny.TinyDataset(3), save_best=True, monitor="bbox_AP50", verbose=0
    )
    tiny.train(trainer, epochs=5, custom_callbacks=[callback])
    assert callback.best == (1, 0.5)
    best = read_weights(f"{trainer.log_dir}/mask_rcnn_tiny_best.h5")
    np.testing.assert_array_equal(best["mrcnn_class_logits/kernel"], fake.calls[1][0])
    assert trainer.find_last().endswith("_0005.h5")


def test_the_best_weights_go_where_they_are_wanted(eager, trainer, scripted, tmp_path):
    scripted(float("nan"))
    path = tmp_path / "kept" / "best.h5"
    callback = EvaluationCallback(
        trainer, tiny.TinyDataset(3), save_best=path, verbose=0
    )
    tiny.train(trainer, epochs=1, custom_callbacks=[callback])
    assert not path.exists() and callback.best is None  # no number is no best
    scripted(0.0)
    tiny.train(trainer, epochs=2, custom_callbacks=[callback])
    assert path.is_file() and callback.best == (1, 0.0)


def test_tensorboard_gets_the_numbers(eager, trainer, scripted):
    loader = pytest.importorskip(
        "tensorboard.backend.event_processing.event_file_loader"
    )
    scripted(0.25)
    callback = EvaluationCallback(trainer, tiny.TinyDataset(3), verbose=0)
    tiny.train(trainer, epochs=1, custom_callbacks=[callback])
    run = Path(trainer.log_dir)
    tags = {
        value.tag: value.tensor.float_val or value.tensor.tensor_content
        for path in run.rglob("events.out.tfevents.*")
        for event in loader.EventFileLoader(str(path)).Load()
        for value in event.summary.value
    }
    assert "epoch_segm_AP" in tags


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"every": 0}, "every=0"),
        ({"every": 1.5}, "every=1.5"),
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


def test_weights_are_copied_all_or_none(training_graph, detector):
    other = keras.Sequential([keras.Input([2]), keras.layers.Dense(1, name="conv1")])
    before = tiny.weights_of(other)
    with pytest.raises(ValueError, match=r"conv1/bias|conv1/kernel"):
        copy_weights(training_graph.keras_model, other)
    tiny.assert_same_weights(before, tiny.weights_of(other))
