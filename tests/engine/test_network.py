from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

from mrcnn.engine.network import Network
from mrcnn.engine.training.training_model import TrainingModel
from tests.engine.tiny import (
    assert_same_weights,
    make_trainer,
    weights_of,
)


def molded(detector, count=2):
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, [50, 64, 3]).astype(np.uint8) for _ in range(count)]
    return detector.mold_inputs(images)[:2]


def test_both_modes_are_one_class_of_model(detector, training_graph):
    assert type(detector.keras_model) is Network
    assert type(training_graph.keras_model) is TrainingModel
    assert isinstance(training_graph.keras_model, Network)


# Weights


@pytest.mark.parametrize("name", ["x.h5", "x.hdf5", "x.weights.h5"])
def test_weights_come_back_bit_by_bit(tmp_path, name):
    model = make_trainer(tmp_path).keras_model
    other = make_trainer(tmp_path, SEED=5).keras_model
    model.save_weights(str(tmp_path / name))
    report = other.load_weights(str(tmp_path / name), by_name=True)
    assert_same_weights(weights_of(model), weights_of(other))
    assert not report.missing and not report.unexpected


def test_the_ending_h5_means_the_old_layout(tmp_path):
    model = make_trainer(tmp_path).keras_model
    for path, kwargs in (("x.h5", {}), ("bare", {"save_format": "h5"})):
        model.save_weights(tmp_path / path, **kwargs)
        with h5py.File(tmp_path / path) as file:
            assert b"rpn_model" in list(file.attrs["layer_names"])
            assert "rpn_model/rpn_class_raw/kernel:0" in file
    model.save_weights(tmp_path / "x.weights.h5")
    with h5py.File(tmp_path / "x.weights.h5") as file:
        assert "layer_names" not in file.attrs


def test_save_weights_refuses_what_it_would_write_otherwise(tmp_path):
    model = make_trainer(tmp_path).keras_model
    with pytest.raises(ValueError, match=r"weights.ckpt.*\.h5"):
        model.save_weights(tmp_path / "weights.ckpt")
    with pytest.raises(ValueError, match=r"x.weights.json.*\.weights\.h5"):
        model.save_weights(tmp_path / "x.weights.json")
    with pytest.raises(TypeError, match="max_shard_size"):
        model.save_weights(tmp_path / "x.weights.h5", max_shard_size=1)
    with pytest.raises(ValueError, match="save_format='tf'"):
        model.save_weights(tmp_path / "x.h5", save_format="tf")
    (tmp_path / "x.h5").write_text("precious")
    with pytest.raises(FileExistsError, match=r"x\.h5.*overwrite=True"):
        model.save_weights(tmp_path / "x.h5", overwrite=False)
    assert (tmp_path / "x.h5").read_text() == "precious"


@pytest.mark.parametrize(
    "kwargs",
    [
        {"strict": False},
        {"skip_mismatch": True},
        {"exclude": ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]},
    ],
)
@pytest.mark.filterwarnings("ignore::UserWarning")  # names what was not loaded
def test_what_does_not_fit_is_an_error_unless_left_out(tmp_path, kwargs):
    make_trainer(tmp_path, NUM_CLASSES=7).keras_model.save_weights(tmp_path / "7.h5")
    model = make_trainer(tmp_path).keras_model
    before = weights_of(model)
    with pytest.raises(ValueError, match="mrcnn_class_logits"):
        model.load_weights(tmp_path / "7.h5", by_name=True)
    assert_same_weights(before, weights_of(model))
    report = model.load_weights(tmp_path / "7.h5", by_name=True, **kwargs)
    left_out = [name for name, *_ in report.mismatched] or report.excluded
    assert len(left_out) == 6 and "mrcnn_mask/bias" in left_out


# The optimizer


def compiled(folder, optimizer="sgd", seed=None):
    """A model and the variables of its optimizer, drawn at random with a seed."""
    trainer = make_trainer(folder, OPTIMIZER=optimizer)
    trainer.compile(0.01, 0.9)
    model = trainer.keras_model
    model.optimizer.build(model.trainable_variables)
    if seed is not None:
        rng = np.random.default_rng(seed)
        for variable in model.optimizer.variables:
            variable.assign(rng.integers(1, 9, variable.shape))
    return model, model.optimizer.variables


def test_weights_in_the_layout_of_keras_bring_the_optimizer(tmp_path):
    model, wanted = compiled(tmp_path, seed=1)
    model.save_weights(tmp_path / "x.weights.h5")
    model, state = compiled(tmp_path)
    model.load_weights(tmp_path / "x.weights.h5")
    assert len(state) > 20
    for a, b in zip(wanted, state, strict=True):
        np.testing.assert_array_equal(a, b)


def test_the_state_of_another_optimizer_draws_a_warning(tmp_path):
    source, _ = compiled(tmp_path, "adamw", seed=1)
    source.save_weights(tmp_path / "x.weights.h5")
    model, state = compiled(tmp_path, seed=2)
    before = [variable.numpy().copy() for variable in state]
    with pytest.warns(UserWarning, match="optimizer is not.*SGD") as caught:
        model.load_weights(tmp_path / "x.weights.h5")
    assert caught[0].filename == __file__
    assert_same_weights(weights_of(source), weights_of(model))
    for a, b in zip(before, state, strict=True):
        np.testing.assert_array_equal(a, b)


def test_who_has_no_optimizer_needs_no_state(tmp_path, recwarn):
    model, _ = compiled(tmp_path, seed=1)
    model.save_weights(tmp_path / "x.weights.h5")
    model.save_weights(tmp_path / "x.h5")
    make_trainer(tmp_path).keras_model.load_weights(tmp_path / "x.weights.h5")
    model.load_weights(tmp_path / "x.h5")
    assert not [w for w in recwarn if "optimizer" in str(w.message)]


# Whole models


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_saved_model_is_loaded_as_what_it_was(
    tmp_path, detector, training_graph, eager, mode
):
    model = {"inference": detector, "training": training_graph}[mode].keras_model
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    assert_same_weights(weights_of(model), weights_of(loaded))
    if mode == "inference":
        inputs = molded(detector)
        for a, b in zip(
            model.predict(inputs, verbose=0),
            loaded.predict(inputs, verbose=0),
            strict=True,
        ):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("name", ["model.keras", "model.h5"])
def test_weights_are_read_from_whole_models(tmp_path, name):
    model = make_trainer(tmp_path).keras_model
    other = make_trainer(tmp_path, SEED=5).keras_model
    model.save(tmp_path / name)
    other.load_weights(tmp_path / name)
    assert_same_weights(weights_of(model), weights_of(other))


# Inference by hand


def test_the_seven_outputs_come_by_position(detector):
    images, metas = molded(detector)
    config = detector.config
    rois, found = config.POST_NMS_ROIS_INFERENCE, config.DETECTION_MAX_INSTANCES
    anchors = len(detector.get_anchors(images.shape[1:]))
    outputs = detector.keras_model.predict([images, metas], verbose=0)
    detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rpn_rois, rpn_class, rpn_bbox = (
        outputs
    )
    assert detections.shape == (2, found, 6)
    assert mrcnn_class.shape == (2, rois, 3)
    assert mrcnn_bbox.shape == (2, rois, 3, 4)
    assert mrcnn_mask.shape == (2, found, 28, 28, 3)
    assert rpn_rois.shape == (2, rois, 4)
    assert rpn_class.shape == (2, anchors, 2)
    assert rpn_bbox.shape == (2, anchors, 4)
    np.testing.assert_allclose(mrcnn_class.sum(axis=-1), 1, rtol=1e-5)
    in_detect, _ = detector._detector().run(images, metas)
    np.testing.assert_allclose(detections, in_detect, atol=1e-5)


# After a training


def test_history_and_rate_are_found_on_the_model(run):
    model = run.trainer.keras_model
    losses = model.history.history["val_mrcnn_mask_loss"]
    assert losses == run.history.history["val_mrcnn_mask_loss"] and len(losses) == 2
    assert float(model.optimizer.learning_rate) == pytest.approx(0.01)
