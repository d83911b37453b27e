"""What scripts of other people do with a MaskRCNN.

The numbers are those of the list of such habits: 3, 4, 6, 7, 9, 10 and 12 of twelve.
"""

from __future__ import annotations

import os
import re
import threading
from pathlib import Path

import keras
import numpy as np
import pytest
from PIL import Image

import mrcnn.model as modellib
from mrcnn.model import MaskRCNN
from tests.engine.tiny import TinyDataset
from tests.scripts.conftest import InferenceConfig, SmallConfig

LOSSES = [
    *("rpn_class_loss", "rpn_bbox_loss"),
    *("mrcnn_class_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"),
]


def picture(height=48, width=64, seed=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, [height, width, 3]).astype(np.uint8)


def assert_same(first, second):
    assert len(first["rois"])
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(first[key], second[key])
    np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-6)


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
            self.keras_model.fit(
                train_generator,
                initial_epoch=self.epoch,
                epochs=epochs,
                steps_per_epoch=self.config.STEPS_PER_EPOCH,
                callbacks=callbacks,
                validation_data=val_generator,
                validation_steps=self.config.VALIDATION_STEPS,
                verbose=0,
            )
            self.epoch = max(self.epoch, epochs)

    data = TinyDataset(4)
    model = OwnTraining("training", SmallConfig(), tmp_path)
    model.train(data, data, learning_rate=0.001, epochs=1, layers="heads")
    assert model.epoch == 1
    assert model.find_last() == model.checkpoint_path.format(epoch=1)
    assert "val_mrcnn_mask_loss" in model.keras_model.history.history
    # And goes on, in a new process say, where it was.
    again = OwnTraining("training", SmallConfig(), tmp_path)
    again.load_weights(again.find_last(), by_name=True)
    assert (again.epoch, again.log_dir) == (1, model.log_dir)


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


# 4. Images as they come


def test_4_a_list_and_a_4d_array_are_the_same(model):
    stack = np.stack([picture(seed=1), picture(seed=2)])
    from_list, from_array = model.detect(list(stack)), model.detect(stack)
    for first, second in zip(from_list, from_array, strict=True):
        assert_same(first, second)


def test_4_grey_palette_and_rgba_are_seen_as_rgb(model, tmp_path):
    grey = picture()[..., :1]
    expected = model.detect([np.repeat(grey, 3, axis=2)])[0]
    assert_same(model.detect([grey])[0], expected)

    rgba = np.dstack([picture(), np.full([48, 64], 128, np.uint8)])
    palette = Image.fromarray(picture()).quantize(16)
    colors = np.asarray(palette.convert("RGB"))
    palette.save(tmp_path / "palette.png")
    assert_same(model.detect([rgba])[0], model.detect([picture()])[0])
    assert_same(model.detect([palette])[0], model.detect([colors])[0])
    assert_same(
        model.detect([str(tmp_path / "palette.png")])[0], model.detect([colors])[0]
    )


def test_4_data_sets_read_palette_and_rgba_files_as_rgb(tmp_path):
    palette = Image.fromarray(picture()).quantize(16)
    rgba = Image.fromarray(np.dstack([picture(), np.full([48, 64], 9, np.uint8)]))
    palette.save(tmp_path / "palette.png")
    rgba.save(tmp_path / "rgba.png")
    dataset = folder_dataset(tmp_path)
    np.testing.assert_array_equal(dataset.load_image(0), palette.convert("RGB"))
    np.testing.assert_array_equal(dataset.load_image(1), picture())


def folder_dataset(folder):
    from mrcnn.utils import Dataset

    dataset = Dataset()
    for path in sorted(folder.glob("*.png")):
        dataset.add_image("files", image_id=path.name, path=str(path))
    dataset.prepare()
    return dataset


def test_4_a_molded_image_is_taken_as_it_is_with_a_warning(model):
    molded = modellib.mold_image(picture(64, 64), model.config)
    with pytest.warns(UserWarning, match="molded already.*detect_molded"):
        twice = model.detect([molded])[0]
    # Not guessed: the mean is subtracted once more, as it was asked for.
    meta = modellib.compose_image_meta(
        0, molded.shape, molded.shape, (0, 0, 64, 64), 1, np.zeros(3, int)
    )
    mean = model.config.MEAN_PIXEL.astype(np.float32)
    as_given = model.detect_molded((molded - mean)[np.newaxis], meta[np.newaxis])[0]
    assert_same(twice, as_given)


def test_4_threads_of_a_server_share_one_model(model):
    images = [picture(40 + 4 * i, 60, seed=i) for i in range(4)]
    expected = [model.detect([image])[0] for image in images]
    model.keras_model._make_predict_function()  # what servers called beforehand
    answers = [None] * 4

    def serve(i):
        answers[i] = model.detect([images[i]], verbose=0)[0]

    threads = [threading.Thread(target=serve, args=[i]) for i in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    for answer, wanted in zip(answers, expected, strict=True):
        assert_same(answer, wanted)


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


# 10. Video loops


def test_10_every_frame_is_detected_and_drawn_with_opencv(model, tmp_path):
    cv2 = pytest.importorskip("cv2")
    names = ["BG", "box", "bar"]
    colors = [(0, 0, 0), (0, 200, 0), (0, 0, 200)]
    drawn = []
    for i in range(3):
        frame = picture(seed=i)  # of cv2.VideoCapture: BGR
        r = model.detect([frame[..., ::-1]], verbose=0)[0]
        output = frame.copy()
        for j in range(r["rois"].shape[0]):
            y1, x1, y2, x2 = r["rois"][j]
            class_id = r["class_ids"][j]
            mask = r["masks"][:, :, j]
            blend = 0.5 * output[mask] + 0.5 * np.array(colors[class_id])
            output[mask] = blend.astype(np.uint8)
            cv2.rectangle(output, (x1, y1), (x2, y2), colors[class_id], 2)
            label = f"{names[class_id]} {r['scores'][j]:.2f}"
            cv2.putText(output, label, (x1, y1), 0, 0.4, (255, 255, 255))
        assert r["rois"].shape[0] and (output != frame).any()
        drawn.append(output)
    assert len(drawn) == 3


# 12. Seven outputs


def test_12_the_seven_outputs_come_by_position(model):
    config = model.config
    molded_images, image_metas, windows = model.mold_inputs([picture()])
    anchors = model.get_anchors(molded_images[0].shape)
    anchors = np.broadcast_to(anchors, (1, *anchors.shape))
    with pytest.warns(UserWarning, match="anchors given as an input"):
        outputs = model.keras_model.predict(
            [molded_images, image_metas, anchors], verbose=0
        )
    detections, mrcnn_class, mrcnn_bbox, mrcnn_mask, rois, rpn_class, rpn_bbox = outputs
    count = config.POST_NMS_ROIS_INFERENCE
    assert detections.shape == (1, config.DETECTION_MAX_INSTANCES, 6)
    assert mrcnn_class.shape == (1, count, 3)
    assert mrcnn_bbox.shape == (1, count, 3, 4)
    assert mrcnn_mask.shape == (1, config.DETECTION_MAX_INSTANCES, 28, 28, 3)
    assert rois.shape == (1, count, 4)
    assert rpn_class.shape == (1, anchors.shape[1], 2)
    assert rpn_bbox.shape == (1, anchors.shape[1], 4)

    final_rois, class_ids, scores, masks = model.unmold_detections(
        detections[0],
        mrcnn_mask[0],
        picture().shape,
        molded_images[0].shape,
        windows[0],
    )
    found = dict(rois=final_rois, class_ids=class_ids, scores=scores, masks=masks)
    assert_same(found, model.detect([picture()])[0])
