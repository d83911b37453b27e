"""What scripts of other people do with a MaskRCNN and its keras_model.

The numbers are those of the list of such habits: 3, 6, 7 and 9 of twelve.
"""

from __future__ import annotations

import os
import re
from pathlib import Path

import keras
import numpy as np
import pytest

import mrcnn.model as modellib
from mrcnn.model import MaskRCNN
from tests.engine.tiny import TinyDataset
from tests.scripts.small import InferenceConfig, SmallConfig, assert_same, picture

LOSSES = [
    *("rpn_class_loss", "rpn_bbox_loss"),
    *("mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
]


# 3. Subclasses of MaskRCNN


def test_3_train_may_be_written_anew_from_the_public_parts(tmp_path, eager):
    class OwnTraining(MaskRCNN):
        def train(
            self,
            train_dataset,
            val_dataset,
            learning_rate,
            epochs,
            layers,
            augmentation=None,
            custom_callbacks=None,
            no_augmentation_sources=None,
        ):
            assert self.mode == "training", "Create model in training mode."
            layer_regex = {
                "heads": r"(mrcnn\_.*)|(rpn\_.*)|(fpn\_.*)",
                "all": ".*",
            }
            layers = layer_regex.get(layers, layers)
            batches = {"batch_size": self.config.BATCH_SIZE, "shuffle": True}
            train_generator = modellib.data_generator(
                train_dataset, self.config, augmentation=augmentation, **batches
            )
            val_generator = modellib.data_generator(val_dataset, self.config, **batches)
            os.makedirs(self.log_dir, exist_ok=True)
            callbacks = [
                keras.callbacks.LambdaCallback(
                    on_epoch_end=lambda epoch, logs: self.keras_model.save_weights(
                        self.checkpoint_path.format(epoch=epoch + 1)
                    )
                )
            ]
            callbacks += custom_callbacks or []
            self.set_trainable(layers)
            self.compile(learning_rate, self.config.LEARNING_MOMENTUM)
            self.keras_model.fit_generator(
                train_generator,
                initial_epoch=self.epoch,
                epochs=epochs,
                steps_per_epoch=self.config.STEPS_PER_EPOCH,
                callbacks=callbacks,
                validation_data=val_generator,
                validation_steps=self.config.VALIDATION_STEPS,
                max_queue_size=100,
                workers=0,
                use_multiprocessing=False,
                verbose=0,
            )
            self.epoch = max(self.epoch, epochs)

    data = TinyDataset(4)
    model = OwnTraining("training", SmallConfig(), tmp_path)
    with pytest.warns(UserWarning, match="use_multiprocessing.*Keras 3 has no such"):
        model.train(data, data, learning_rate=0.001, epochs=1, layers="heads")
    assert model.epoch == 1
    assert model.find_last() == model.checkpoint_path.format(epoch=1)
    assert "val_mrcnn_mask_loss" in model.keras_model.history.history
    # And goes on, in a new process say, where it was.
    again = OwnTraining("training", SmallConfig(), tmp_path)
    again.load_weights(again.find_last(), by_name=True)
    assert (again.epoch, again.log_dir) == (1, model.log_dir)


def test_3_a_loss_of_ones_own_is_added_in_build(tmp_path, eager):
    class WithMyLoss(MaskRCNN):
        def build(self, mode, config):
            model = super().build(mode, config)
            five = model.compute_loss
            bias = model.get_layer("mrcnn_class_logits").bias

            def six(*args, **kwargs):
                distance = keras.ops.square(bias - 1.0)
                return five(*args, **kwargs) + 100 * keras.ops.sum(distance)

            model.compute_loss = six
            return model

    model = WithMyLoss("training", SmallConfig(), tmp_path)
    with pytest.raises(NotImplementedError, match="LOSS_WEIGHTS.*compute_loss"):
        model.keras_model.add_loss(0.0)
    history = model.train(TinyDataset(4), None, 0.01, 1, "heads").history
    assert history["loss"][0] > 300  # three biases of 0
    assert (model.keras_model.get_layer("mrcnn_class_logits").bias.numpy() > 0).all()


def test_3_build_and_detect_may_be_overridden(tmp_path, model):
    class Mine(MaskRCNN):
        def build(self, mode, config):
            keras_model = super().build(mode=mode, config=config)
            keras_model.get_layer("mrcnn_class_logits").bias.assign([-9, 9, 0])
            return keras_model

        def detect(self, images, verbose=0):
            results = super().detect(images, verbose=verbose)
            return [(r["rois"], r["class_ids"]) for r in results]

    mine = Mine(mode="inference", config=InferenceConfig(), model_dir=tmp_path)
    rois, class_ids = mine.detect([picture()])[0]
    assert set(class_ids.tolist()) == {1}  # what build() has set
    mine.keras_model.set_weights(model.keras_model.get_weights())
    rois, _ = mine.detect([picture()])[0]
    np.testing.assert_array_equal(rois, model.detect([picture()])[0]["rois"])


# 6. keras_model


def test_6_weights_are_saved_and_loaded_by_keras_model(model, tmp_path):
    path = str(tmp_path / "x.h5")
    model.keras_model.save_weights(path)
    other = MaskRCNN("inference", InferenceConfig(), tmp_path)
    other.keras_model.load_weights(path, by_name=True)
    assert_same(other.detect([picture()])[0], model.detect([picture()])[0])
    # The same file, by way of MaskRCNN, into the model for training.
    trainer = MaskRCNN("training", SmallConfig(), tmp_path)
    report = trainer.load_weights(path, by_name=True)
    assert report.matched and not report.missing


def test_6_the_whole_model_is_saved_and_loaded(model, tmp_path):
    path = str(tmp_path / "x.keras")
    model.keras_model.save(path)
    keras_model = keras.saving.load_model(path, compile=False)
    inputs = model.mold_inputs([picture()])[:2]
    found = keras_model(list(inputs), training=False)
    expected = model.keras_model(list(inputs), training=False)
    for first, second in zip(found, expected, strict=True):
        np.testing.assert_array_equal(first, second)


def test_6_history_holds_the_losses_by_their_old_names(training):
    history = training.model.keras_model.history.history
    for name in ("loss", *LOSSES):
        assert len(history[name]) == len(history[f"val_{name}"]) == 2
    best = np.argmin(history["val_mrcnn_mask_loss"])
    assert np.isfinite(history["val_mrcnn_mask_loss"][best])


def test_6_the_learning_rate_is_read_and_set_on_the_optimizer(training):
    optimizer = training.model.keras_model.optimizer
    before = float(optimizer.learning_rate)
    assert before == pytest.approx(SmallConfig.LEARNING_RATE)
    keras_model = training.model.keras_model
    keras_model.optimizer.learning_rate = before / 10
    assert float(optimizer.learning_rate) == pytest.approx(before / 10)
    optimizer.learning_rate = before


def test_6_old_private_names_do_no_harm(model):
    keras_model = model.keras_model
    keras_model.metrics_tensors = []
    keras_model.metrics_tensors.append("loss")
    keras_model._make_predict_function()
    assert keras_model.metrics_tensors == ["loss"]
    assert keras_model.get_layer("mrcnn_class").output.shape[2] == 3


# 7. find_last


def test_7_find_last_is_a_path_or_an_error(training, tmp_path):
    path = training.model.find_last()
    assert isinstance(path, str) and os.path.exists(path)
    assert re.search(r"small\d{8}T\d{4}[/\\]mask_rcnn_small_0002\.h5$", path)
    empty = MaskRCNN("inference", InferenceConfig(), str(tmp_path))
    with pytest.raises(FileNotFoundError, match="train first"):
        empty.find_last()


def test_7_scripts_from_before_2018_index_it(training):
    inference = training.second
    with pytest.warns(FutureWarning, match=r"find_last\(\)\[1\]"):
        model_path = inference.find_last()[1]
    assert model_path == training.model.find_last()
    assert inference.load_weights(model_path, by_name=True).matched


# 9. Callbacks


def test_9_an_evaluating_callback_finds_the_checkpoint_of_its_epoch(training):
    seen = training.evaluation.seen
    names = [Path(path).name for _, path, _ in seen]
    assert names == ["mask_rcnn_small_0001.h5", "mask_rcnn_small_0002.h5"]
    assert all(0 <= score <= 1 for *_, score in seen)
    last = training.second.keras_model.get_layer("mrcnn_mask").get_weights()
    trained = training.model.keras_model.get_layer("mrcnn_mask").get_weights()
    np.testing.assert_array_equal(last[0], trained[0])
    # What it noted in `logs` is history, as with the old Keras.
    scores = training.model.keras_model.history.history["val_map"]
    assert scores == [score for *_, score in seen]


def test_9_early_stopping_watches_the_validation(training, tmp_path, eager):
    assert training.stopping.best is not None
    losses = training.model.keras_model.history.history["val_loss"]
    assert training.stopping.best == pytest.approx(min(losses))
    model = MaskRCNN("training", SmallConfig(), tmp_path)
    stop = keras.callbacks.EarlyStopping("val_loss", patience=0, min_delta=1e9)
    data = TinyDataset(4)
    model.train(data, data, 0.001, 9, "heads", custom_callbacks=[stop])
    assert len(model.keras_model.history.epoch) == 2
    assert model.find_last().endswith("_0002.h5")
