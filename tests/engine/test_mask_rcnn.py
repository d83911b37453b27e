from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.config_checks import LOSS_NAMES
from mrcnn.engine import MaskRCNN
from mrcnn.engine.weights.model_weights import save_weights
from mrcnn.model import DataGenerator
from tests.engine.tiny import (
    Spy,
    StubConfig,
    TinyConfig,
    TinyDataset,
    assert_same_weights,
    make_config,
    make_trainer,
    train,
    weights_of,
)


def test_making_a_model_writes_nothing(tmp_path):
    model = MaskRCNN(mode="training", config=StubConfig(), model_dir=tmp_path / "logs")
    assert list(tmp_path.iterdir()) == []
    assert model.mode == "training" and model.epoch == 0 and model.anchors is None
    assert Path(model.log_dir).parent == tmp_path / "logs"
    assert re.fullmatch(r"tiny\d{8}T\d{4}", Path(model.log_dir).name)
    assert model.checkpoint_path == f"{model.log_dir}/mask_rcnn_tiny_{{epoch:04d}}.h5"


def test_a_subclass_may_build_its_own_model(tmp_path):
    class Mine(MaskRCNN):
        def build(self, mode, config):
            model = super().build(mode, config)
            self.built_with = mode
            return model

    assert Mine("inference", StubConfig(), tmp_path).built_with == "inference"


def test_a_subclass_may_change_how_it_detects(detector, tmp_path):
    class Mine(MaskRCNN):
        def detect(self, images, verbose=0):
            return [r["class_ids"] for r in super().detect(images, verbose=verbose)]

    mine = Mine("inference", StubConfig(), tmp_path)
    (class_ids,) = mine.detect([np.zeros([40, 50, 3], np.uint8)], verbose=1)
    assert class_ids.dtype == np.int32


def test_a_subclass_may_change_how_it_trains(tmp_path, eager):
    class Mine(MaskRCNN):
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
            return super().train(
                train_dataset,
                val_dataset,
                learning_rate=learning_rate,
                epochs=epochs,
                layers=layers,
                custom_callbacks=[Spy(self)],
                use_multiprocessing=False,
                verbose=0,
            )

        def compile(self, learning_rate, momentum):
            self.compiled_with = learning_rate, momentum
            self.keras_model.compile(keras.optimizers.Adam(learning_rate))

    mine = Mine("training", make_config(STEPS_PER_EPOCH=1), tmp_path)
    history = mine.train(TinyDataset(2), None, 0.002, 1, "heads")
    assert mine.compiled_with == (0.002, 0.9)
    assert isinstance(mine.keras_model.optimizer, keras.optimizers.Adam)
    assert history is mine.keras_model.history and len(history.history["loss"]) == 1


def test_compile_makes_the_model_ready_for_fit(tmp_path, eager):
    trainer = make_trainer(
        tmp_path, WEIGHT_DECAY=0.0, LOSS_WEIGHTS={"rpn_bbox_loss": 3}
    )
    trainer.compile(0.05, 0.7)
    optimizer = trainer.keras_model.optimizer
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert float(optimizer.learning_rate) == pytest.approx(0.05)
    assert optimizer.momentum == 0.7
    assert optimizer.global_clipnorm == trainer.config.GRADIENT_CLIP_NORM
    data = DataGenerator(TinyDataset(2), trainer.config)
    history = trainer.keras_model.fit(data, epochs=1, verbose=0).history
    assert history["loss"][0] == pytest.approx(
        sum(history[f"weighted_{name}"][0] for name in LOSS_NAMES), rel=1e-5
    )


def test_compile_needs_the_training_mode(detector):
    with pytest.raises(ValueError, match=r"compile\(\): .*mode='inference'"):
        detector.compile(0.1, 0.9)


def test_a_training_with_nothing_left_to_do_leaves_an_empty_history(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.epoch = 4
    assert train(trainer, epochs=4) is trainer.keras_model.history


def test_loading_a_checkpoint_continues_its_run(tmp_path):
    trainer = make_trainer(tmp_path)
    path = tmp_path / "tiny20310405T1200" / "mask_rcnn_tiny_0007.h5"
    save_weights(trainer.keras_model, path)
    other = make_trainer(tmp_path, SEED=3)
    assert other.find_last() == str(path)
    report = other.load_weights(other.find_last(), by_name=True)
    assert len(report.matched) > 20 and not report.missing
    assert_same_weights(weights_of(trainer.keras_model), weights_of(other.keras_model))
    assert (other.epoch, other.log_dir) == (7, str(path.parent))


def test_loading_any_other_file_starts_a_run(tmp_path):
    trainer = make_trainer(tmp_path)
    save_weights(trainer.keras_model, tmp_path / "mask_rcnn_coco.h5")
    trainer.epoch = 5
    trainer.load_weights(tmp_path / "mask_rcnn_coco.h5", exclude=["mrcnn_mask"])
    assert trainer.epoch == 0
    assert Path(trainer.log_dir).parent == tmp_path


def test_a_failed_load_leaves_the_run_as_it_is(tmp_path):
    trainer = make_trainer(tmp_path)
    trainer.epoch, before = 5, trainer.log_dir
    with pytest.raises(FileNotFoundError):
        trainer.load_weights(tmp_path / "tiny20310405T1200" / "mask_rcnn_tiny_0009.h5")
    assert (trainer.epoch, trainer.log_dir) == (5, before)


def test_find_last_without_a_checkpoint_is_an_error_that_names_the_folder(tmp_path):
    with pytest.raises(FileNotFoundError, match=re.escape(str(tmp_path))):
        make_trainer(tmp_path).find_last()


@pytest.mark.parametrize(
    ("method", "arguments"),
    [("detect", ([],)), ("detect_molded", ([], []))],
)
def test_detecting_needs_the_inference_mode(training_graph, method, arguments):
    with pytest.raises(
        ValueError, match=rf"{method}\(\): .*mode='training'.*inference"
    ):
        getattr(training_graph, method)(*arguments)


def test_set_trainable_gives_the_names_and_prints_them(tmp_path, capsys):
    trainer = make_trainer(tmp_path)
    assert trainer.set_trainable("rpn_class_raw") == ["rpn_class_raw"]
    assert "rpn_class_raw" in capsys.readouterr().out
    trainer.set_trainable("rpn_class_raw", verbose=0)
    assert capsys.readouterr().out == ""
    other = make_trainer(tmp_path).keras_model
    assert trainer.set_trainable("fpn_p2", keras_model=other) == ["fpn_p2"]
    assert len(other.trainable_weights) == 2


def test_set_trainable_takes_the_arguments_of_old_scripts(tmp_path, capsys):
    trainer = make_trainer(tmp_path)
    trainer.set_trainable("fpn_p2", trainer.keras_model, 4, 1)
    assert capsys.readouterr().out.startswith("    Trainable layers: fpn_p2")


def test_the_layer_that_trains_is_the_one_inside_the_wrappers(training_graph):
    dense = keras.layers.Dense(3)
    wrapped = keras.layers.TimeDistributed(keras.layers.TimeDistributed(dense))
    assert training_graph.find_trainable_layer(wrapped) is dense
    assert training_graph.find_trainable_layer(dense) is dense


def test_trainable_layers_are_those_with_weights(training_graph):
    layers = training_graph.get_trainable_layers()
    assert all(isinstance(layer, keras.layers.Layer) for layer in layers)
    names = [layer.name for layer in layers]
    assert "rpn_class_raw" in names and "ROI" not in names


def test_anchors_are_kept_in_px(detector):
    boxes_norm = detector.get_anchors((64, 128, 3))
    anchors = detector.anchors
    assert anchors.shape == boxes_norm.shape
    back = boxes_norm * [63, 127, 63, 127] + [0, 0, 1, 1]
    np.testing.assert_allclose(anchors, back, atol=1e-3)


def test_anchors_in_px_are_those_of_the_last_image(detector, monkeypatch):
    monkeypatch.setattr(detector.config, "IMAGE_RESIZE_MODE", "pad64")
    monkeypatch.setattr(detector.config, "IMAGE_MIN_DIM", 0)
    small, wide = np.zeros([64, 64, 3], np.uint8), np.zeros([60, 128, 3], np.uint8)
    expected = {}
    for shape in ((64, 64, 3), (64, 128, 3)):
        detector.get_anchors(shape)
        expected[shape[1]] = detector.anchors
    assert len(expected[128]) > len(expected[64])
    for images, side in (([small], 64), ([small, wide], 128), ([small], 64)):
        detector.detect(images)
        np.testing.assert_array_equal(detector.anchors, expected[side])
    molded, metas, _ = detector.mold_inputs([wide])
    detector.detect_molded(molded, metas)
    np.testing.assert_array_equal(detector.anchors, expected[128])
    detector.detect([])  # no image: no news
    np.testing.assert_array_equal(detector.anchors, expected[128])
    detector.run_graph([small], [("rois", "ROI")])
    np.testing.assert_array_equal(detector.anchors, expected[64])


def test_anchors_are_made_once_a_shape(tmp_path):
    model = MaskRCNN("inference", StubConfig(), tmp_path)
    first = model.get_anchors((64, 128, 3))
    assert list(model._anchor_cache) == [(64, 128, 3)]
    assert model.get_anchors(np.array([64, 128, 3])) is first
    with pytest.raises(ValueError, match="read-only"):
        first += 1
    batch = np.broadcast_to(first, (4, *first.shape))
    assert batch.shape == (4, len(first), 4)


def test_anchors_can_be_set_by_a_script(tmp_path):
    model = MaskRCNN("inference", StubConfig(), tmp_path)
    model.anchors = np.ones([3, 4])
    assert model.anchors.shape == (3, 4)
    model.get_anchors((64, 64, 3))
    assert len(model.anchors) > 3


def test_anchors_follow_the_shapes_of_a_backbone_of_ones_own(tmp_path):
    config = make_config(
        COMPUTE_BACKBONE_SHAPE=lambda config, shape: [
            [side // stride for side in shape[:2]] for stride in (4, 8, 16, 32, 32)
        ]
    )
    model = MaskRCNN("inference", config, tmp_path)
    # 16, 8, 4, 2 and 2 cells a side, 3 ratios
    assert len(model.get_anchors((64, 64, 3))) == 3 * (256 + 64 + 16 + 4 + 4)


def test_molded_images_are_detected_in_px(detector):
    image = np.random.default_rng(4).integers(0, 256, [64, 64, 3]).astype(np.uint8)
    molded, metas, windows = detector.mold_inputs([image])  # neither scaled nor padded
    assert windows[0].tolist() == [0, 0, 64, 64]
    molded_result = detector.detect_molded(molded, metas)[0]
    result = detector.detect([image])[0]
    assert len(result["rois"]) > 0
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(molded_result[key], result[key])


def test_unmold_detections_picks_the_mask_of_the_class(detector):
    image = np.random.default_rng(6).integers(0, 256, [40, 90, 3]).astype(np.uint8)
    molded, metas, windows = detector.mold_inputs([image])
    detections, _, _, masks, *_ = detector.keras_model([molded, metas], training=False)
    boxes, class_ids, scores, full = detector.unmold_detections(
        detections[0].numpy(),
        masks[0].numpy(),
        image.shape,
        molded[0].shape,
        windows[0],
    )
    expected = detector.detect([image])[0]
    assert set(expected["class_ids"]) == {1, 2}  # else the test says nothing
    np.testing.assert_array_equal(boxes, expected["rois"])
    np.testing.assert_array_equal(class_ids, expected["class_ids"])
    np.testing.assert_allclose(scores, expected["scores"], atol=1e-5)
    np.testing.assert_array_equal(full, expected["masks"])


@pytest.fixture(scope="module")
def roomy(detector, tmp_path_factory):
    """The detector with more places than it has proposals: there is padding."""
    config = make_config(
        TinyConfig, DETECTION_MIN_CONFIDENCE=0.0, DETECTION_MAX_INSTANCES=30
    )
    model = MaskRCNN("inference", config, tmp_path_factory.mktemp("roomy"))
    model.keras_model.set_weights(detector.keras_model.get_weights())
    return model


def run_detections_and_masks(detector, capsys):
    """What run_graph gives for two images."""
    rng = np.random.default_rng(0)
    images = [rng.integers(0, 256, [48, 64, 3]).astype(np.uint8) for _ in range(2)]
    names = ("mrcnn_detection", "mrcnn_mask")
    values = detector.run_graph(images, [(name, name) for name in names])
    capsys.readouterr()
    return images, *(values[name] for name in names)


def test_masks_of_the_layer_are_unmolded_though_it_leaves_padding_out(roomy, capsys):
    images, detections, masks = run_detections_and_masks(roomy, capsys)
    assert masks.shape[1] < detections.shape[1]
    _, _, windows = roomy.mold_inputs(images)
    for i, expected in enumerate(roomy.detect(images)):
        *_, full = roomy.unmold_detections(
            detections[i], masks[i], images[i].shape, (64, 64, 3), windows[i]
        )
        assert full.shape[2] > 0
        np.testing.assert_array_equal(full, expected["masks"])


@pytest.mark.parametrize("part", ["few", "batch", "flat", "classes"])
def test_masks_that_do_not_go_with_the_detections_are_named(roomy, capsys, part):
    images, detections, masks = run_detections_and_masks(roomy, capsys)
    wrong = {
        "few": masks[0][:2],
        "batch": masks,
        "flat": masks[0][..., 0],
        "classes": masks[0][..., :2],
    }[part]
    said = rf"mrcnn_mask\): received {re.escape(str(wrong.shape))} with \d+ detections"
    with pytest.raises(ValueError, match=said):
        roomy.unmold_detections(
            detections[0], wrong, images[0].shape, (64, 64, 3), (8, 0, 56, 64)
        )


def test_new_weights_are_used_by_the_next_detection(tmp_path):
    model = MaskRCNN("inference", make_config(TinyConfig), tmp_path)
    image = np.random.default_rng(4).integers(0, 256, [40, 90, 3]).astype(np.uint8)
    bias = model.keras_model.get_layer("mrcnn_class_logits").bias
    bias.assign([50.0, 0.0, 0.0])  # background
    assert len(model.detect([image])[0]["rois"]) == 0
    bias.assign([0.0, 0.0, 50.0])
    assert set(model.detect([image])[0]["class_ids"]) == {2}
    model.keras_model = model.build("inference", model.config)  # another model
    model.keras_model.get_layer("mrcnn_class_logits").bias.assign([0.0, 50.0, 0.0])
    assert set(model.detect([image])[0]["class_ids"]) == {1}
