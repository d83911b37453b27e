"""What scripts for Keras 2 call on a model, and on the path of its checkpoint."""

from __future__ import annotations

import os
import warnings
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn import engine
from mrcnn.classic.keras_2 import CheckpointPath
from mrcnn.config_checks import LOSS_NAMES
from mrcnn.model import MaskRCNN, data_generator
from tests.engine import tiny
from tests.engine.tiny import (
    TinyDataset,
    assert_same_weights,
    changed,
    eagerly,
    make_config,
    make_detector,
    weights_of,
)

# Keras says that it can't shuffle what an iterator gives.
quiet_shuffle = pytest.mark.filterwarnings("ignore:`shuffle=True` was passed")


def molded(detector, count=2):
    rng = np.random.default_rng(3)
    images = [rng.integers(0, 256, [50, 64, 3]).astype(np.uint8) for _ in range(count)]
    return detector.mold_inputs(images)[:2]


def anchors_of(detector, images):
    anchors = detector.get_anchors(images.shape[1:])
    return np.broadcast_to(anchors, (len(images), *anchors.shape))


@pytest.fixture
def eager():
    """Training steps of this test are not traced."""
    with eagerly():
        yield


@pytest.fixture(scope="module")
def detector(tmp_path_factory):
    return make_detector(tmp_path_factory.mktemp("detector"), MaskRCNN)


def make_trainer(folder):
    return tiny.make_trainer(folder, model_class=MaskRCNN)


def test_anchors_of_old_scripts_are_left_out_with_a_warning(detector, eager):
    images, metas = molded(detector)
    model, anchors = detector.keras_model, anchors_of(detector, images)
    expected = model.predict([images, metas], verbose=0)
    by_name = {
        "input_image": images,
        "input_image_meta": metas,
        "input_anchors": anchors,
    }
    for inputs in ([images, metas, anchors], (images, metas, anchors), by_name):
        with pytest.warns(UserWarning, match="anchors.*RPN_ANCHOR"):
            outputs = model.predict(inputs, verbose=0)
        with pytest.warns(UserWarning, match="anchors"):
            on_batch = model.predict_on_batch(inputs)
        for given, again, wanted in zip(outputs, on_batch, expected, strict=True):
            np.testing.assert_array_equal(given, wanted)
            np.testing.assert_allclose(again, wanted, atol=1e-5)


def test_anchors_are_left_out_of_a_direct_call_too(detector):
    images, metas = molded(detector)
    model, anchors = detector.keras_model, anchors_of(detector, images)
    expected = model([images, metas])
    with pytest.warns(UserWarning, match="anchors.*RPN_ANCHOR") as caught:
        outputs = model([images, metas, anchors])
    assert caught[0].filename == __file__
    for given, wanted in zip(outputs, expected, strict=True):
        np.testing.assert_array_equal(given, wanted)


def test_a_third_input_that_is_no_anchors_is_an_error(detector):
    images, metas = molded(detector)
    with pytest.raises(ValueError, match=r"\(2, 15\)"):
        detector.keras_model.predict([images, metas, metas], verbose=0)


def test_the_predict_function_can_be_made_before_threads_start(tmp_path):
    model = make_trainer(tmp_path).build("inference", make_config())
    assert model.predict_function is None
    assert model._make_predict_function() is None
    assert callable(model.predict_function)


def test_metrics_tensors_can_be_set_and_added_to(tmp_path):
    model = make_trainer(tmp_path).keras_model
    model.metrics_tensors.append("a")
    assert model.metrics_tensors == ["a"]
    model.metrics_tensors = []
    assert model.metrics_tensors == []
    assert make_trainer(tmp_path).keras_model.metrics_tensors is not (
        model.metrics_tensors
    )


@quiet_shuffle
@pytest.mark.parametrize("method", ["fit", "fit_generator"])
def test_batches_of_an_old_generator_train(tmp_path, eager, method):
    """As subclasses that copied `train` of the old package call it."""
    trainer = make_trainer(tmp_path)
    trainer.set_trainable("heads", verbose=0)
    trainer.compile(0.01, 0.9)
    batches = data_generator(TinyDataset(), trainer.config, batch_size=2)
    validation = data_generator(TinyDataset(4, first=20), trainer.config, batch_size=2)
    before = weights_of(trainer.keras_model)
    with pytest.warns(UserWarning, match="workers, use_multiprocessing.*Keras 3"):
        history = getattr(trainer.keras_model, method)(
            batches,
            initial_epoch=3,
            epochs=4,
            steps_per_epoch=2,
            validation_data=validation,
            validation_steps=1,
            max_queue_size=100,
            workers=0,
            use_multiprocessing=False,
            verbose=0,
        )
    assert history.epoch == [3]
    assert set(LOSS_NAMES) | {"loss", "val_mrcnn_mask_loss"} <= set(history.history)
    paths = changed(before, weights_of(trainer.keras_model))
    assert paths and not any("stub" in path for path in paths)


@quiet_shuffle
def test_fit_says_nothing_when_asked_as_keras_3_is(tmp_path, eager):
    trainer = make_trainer(tmp_path)
    trainer.compile(0.01, 0.9)
    batches = data_generator(TinyDataset(2), trainer.config, batch_size=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message="fit")
        history = trainer.keras_model.fit(batches, steps_per_epoch=1, verbose=0)
    assert np.isfinite(history.history["loss"][0])


def test_the_path_of_a_checkpoint_is_its_own_second_part():
    """Scripts of before mid-2018 write `find_last()[1]`."""
    path = CheckpointPath("/logs/coco20310405T1200/mask_rcnn_coco_0004.h5")
    with pytest.warns(FutureWarning, match="one path"):
        second = path[1]
    assert second == path and type(second) is str
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # all else is silent
        assert path == str(path) and isinstance(path, str)
        assert (path[0], path[-1], path[1:5]) == ("/", "5", "logs")
        assert Path(path).name == "mask_rcnn_coco_0004.h5"
        assert os.path.split(path)[1] == "mask_rcnn_coco_0004.h5"
        assert path.replace("4.h5", "5.h5").endswith("0005.h5")
        assert "".join(path) == path


def test_find_last_is_a_path_and_its_second_part_too(tmp_path):
    trainer = make_trainer(tmp_path)
    path = tmp_path / "tiny20310405T1200" / "mask_rcnn_tiny_0007.h5"
    path.parent.mkdir()
    trainer.keras_model.save_weights(path)
    assert trainer.find_last() == str(path)
    with pytest.warns(FutureWarning, match="one path"):
        trainer.load_weights(trainer.find_last()[1], by_name=True)
    assert trainer.epoch == 7


# Whole models


@pytest.mark.parametrize("model_class", [MaskRCNN, engine.MaskRCNN])
@pytest.mark.parametrize("mode", ["inference", "training"])
def test_a_saved_model_is_loaded_as_what_it_was(tmp_path, model_class, mode):
    """The models of the engine have the names that all models had before."""
    model = model_class(mode, make_config(), tmp_path).keras_model
    is_old = model_class is MaskRCNN
    assert hasattr(model, "fit_generator") == is_old
    model.save(tmp_path / "model.keras")
    loaded = keras.models.load_model(tmp_path / "model.keras")
    assert type(loaded) is type(model)
    name = {"inference": "Network", "training": "TrainingModel"}[mode]
    registered = f"mrcnn>{'Classic' if is_old else ''}{name}"
    assert keras.saving.get_registered_name(type(model)) == registered
    assert_same_weights(weights_of(model), weights_of(loaded))


def test_a_model_of_a_build_of_ones_own_has_the_old_habits(tmp_path):
    class Mine(MaskRCNN):
        def build(self, mode, config):
            return super().build(mode, config)

    trainer = tiny.make_trainer(tmp_path, model_class=Mine)
    assert hasattr(trainer.keras_model, "fit_generator")
