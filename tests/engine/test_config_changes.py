"""A Config that is changed after the model was built is followed, or warned of."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mrcnn.engine import MaskRCNN
from mrcnn.evaluation import evaluate
from tests.engine.tiny import (
    TinyConfig,
    TinyDataset,
    make_config,
    make_detector,
    make_trainer,
    train,
)

IMAGE = np.random.default_rng(3).integers(0, 256, [48, 64, 3]).astype(np.uint8)


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return make_detector(tmp_path_factory.mktemp("logs"))


@pytest.fixture
def model(detector):
    """The detector with its values at first, which a test may change."""
    before = dict(vars(detector.config))
    yield detector
    vars(detector.config).clear()
    vars(detector.config).update(before)
    detector.follow_config()


def built(model, folder, **values):
    """What a model detects that was built with these values."""
    values = {"DETECTION_MIN_CONFIDENCE": 0.0, **values}
    other = MaskRCNN("inference", make_config(TinyConfig, **values), folder)
    for mine, its in zip(
        other.keras_model.weights, model.keras_model.weights, strict=True
    ):
        mine.assign(its)
    return other.detect([IMAGE])[0]


def assert_same(first, second):
    for key in ("rois", "class_ids", "scores", "masks"):
        np.testing.assert_array_equal(first[key], second[key])


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("DETECTION_MIN_CONFIDENCE", "median"),
        ("DETECTION_NMS_THRESHOLD", 0.0),
        ("DETECTION_CLASS_RULE", "all"),
        ("RPN_NMS_THRESHOLD", 0.05),
    ],
)
def test_a_threshold_changed_later_is_that_of_a_model_built_with_it(
    model, tmp_path, name, value
):
    before = model.detect([IMAGE])[0]
    if value == "median":
        value = float(np.median(before["scores"]))
    setattr(model.config, name, value)
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        found = model.detect([IMAGE])[0]
    if name == "DETECTION_CLASS_RULE":  # the surest six are the same by both rules
        layer = model.keras_model.get_layer("mrcnn_detection")
        assert layer.class_rule == "all" and len(model._detector()._functions) > 1
    else:
        assert not np.array_equal(found["scores"], before["scores"])
    assert_same(found, built(model, tmp_path, **{name: value}))


def test_the_score_of_one_call(model):
    all_found = model.detect([IMAGE])[0]
    cut = float(np.median(all_found["scores"]))
    some = model.detect([IMAGE], min_confidence=cut)[0]
    assert 0 < len(some["rois"]) < len(all_found["rois"])
    assert some["scores"].min() >= np.float32(cut)
    tiled = model.detect([IMAGE], tile=64, min_confidence=cut)[0]
    assert len(tiled["rois"]) and tiled["scores"].min() >= np.float32(cut)
    assert_same(model.detect([IMAGE])[0], all_found)  # that call only
    with pytest.raises(ValueError, match="min_confidence=70.*from 0 to 1"):
        model.detect([IMAGE], min_confidence=70)


def test_an_evaluation_cuts_as_it_is_told_whatever_was_changed_before(model):
    data = TinyDataset(3, first=1)
    whole = evaluate(model, data, verbose=0)
    model.config.DETECTION_MIN_CONFIDENCE = 0.999
    again = evaluate(model, data, verbose=0)
    assert again["bbox"] == pytest.approx(whole["bbox"], nan_ok=True)
    assert [len(r.scores) for r in again.records] == [
        len(r.scores) for r in whole.records
    ]
    assert (model.detect([IMAGE])[0]["scores"] >= np.float32(0.999)).all()


def test_an_impossible_threshold_is_refused(model):
    model.config.DETECTION_MIN_CONFIDENCE = 90
    with pytest.raises(ValueError, match="DETECTION_MIN_CONFIDENCE=90: must be"):
        model.detect([IMAGE])


def test_what_is_built_in_warns_by_name_once(model):
    model.config.DETECTION_MAX_INSTANCES = 50
    model.config.ROI_OP = "align"
    with pytest.warns(UserWarning, match=r"detect\(\): changed in the Conf") as record:
        model.detect([IMAGE])
        model.detect([IMAGE])
    (text,) = [str(w.message) for w in record]
    assert "DETECTION_MAX_INSTANCES=50 (built: 6)" in text
    assert "ROI_OP='align' (built: 'crop')" in text and "Build a new" in text


@pytest.mark.usefixtures("eager")
def test_training_warns_too(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    trainer.config.TRAIN_ROIS_PER_IMAGE = 50
    trainer.config.LEARNING_MOMENTUM = 0.5  # read when it is needed
    with pytest.warns(
        UserWarning, match=r"^train\(\): .*TRAIN_ROIS_PER_IMAGE=50"
    ) as rec:
        train(trainer, TinyDataset())
    assert not any("LEARNING_MOMENTUM" in str(w.message) for w in rec)


def test_scores_that_are_no_numbers_are_no_detections(tmp_path):
    model = make_detector(tmp_path)
    layer = model.keras_model.get_layer("mrcnn_class_logits")
    layer.bias.assign(np.full(layer.bias.shape, np.nan))
    assert len(model.detect([IMAGE])[0]["rois"]) == 0
