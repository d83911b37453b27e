from __future__ import annotations

import re
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.engine.weights import save_weights
from mrcnn.model import MaskRCNN
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    make_config,
    make_trainer,
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
