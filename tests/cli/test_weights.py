from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from mrcnn import engine
from mrcnn.cli.errors import CommandError
from mrcnn.cli.weights import find_weights, inference_setup
from mrcnn.config import Config
from mrcnn.data.formats.coco.coco_names import COCO_NAMES
from mrcnn.engine.weights import bundled
from mrcnn.engine.weights.run_config import write_run_config


def make_run(logs, folder, *names):
    for name in names:
        path = logs / folder / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()


def test_last_is_the_newest_checkpoint_of_any_run(tmp_path):
    make_run(tmp_path, "b20240101T0000", "mask_rcnn_b_0002.h5", "mask_rcnn_b_0010.h5")
    make_run(tmp_path, "a20240301T0000", "mask_rcnn_a_0001.h5")
    make_run(tmp_path, "c20240401T0000", "config.json")  # killed in its first epoch
    make_run(tmp_path, "other", "mask_rcnn_z_0099.h5")
    assert find_weights("last", tmp_path).name == "mask_rcnn_a_0001.h5"
    assert find_weights("last", tmp_path, "b").name == "mask_rcnn_b_0010.h5"
    with pytest.raises(CommandError, match="train first"):
        find_weights("last", tmp_path, "c")


def test_a_folder_stands_for_its_newest_checkpoint(tmp_path):
    make_run(tmp_path, "r", "mask_rcnn_b_9999.h5", "mask_rcnn_b_10000.h5")
    assert find_weights(str(tmp_path / "r"), tmp_path).name == "mask_rcnn_b_10000.h5"
    with pytest.raises(CommandError, match="no checkpoint"):
        find_weights(str(tmp_path), tmp_path)


def test_files_that_come_with_the_package_are_words(tmp_path, monkeypatch):
    make_run(tmp_path, "pretrained", "moon.h5")
    monkeypatch.setattr(bundled, "BUNDLED", tmp_path / "pretrained")
    assert find_weights("moon", Path("logs")) == tmp_path / "pretrained" / "moon.h5"
    with pytest.raises(CommandError, match="coco, last, moon"):
        find_weights("sun", Path("logs"))


def test_config_and_names_of_the_run_are_taken(weights):
    setup = inference_setup(weights, batch=3, settings=["POST_NMS_ROIS_INFERENCE=7"])
    assert setup.class_names == ["BG", "box", "bar"]
    assert setup.config.IMAGE_MAX_DIM == 64
    assert setup.config.BATCH_SIZE == 3
    assert setup.config.POST_NMS_ROIS_INFERENCE == 7


def test_crops_of_the_training_become_whole_images(tmp_path):
    config = Config()
    config.NAME, config.NUM_CLASSES, config.IMAGE_RESIZE_MODE = "a", 2, "crop"
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM = 512
    write_run_config(tmp_path, config, ["BG", "a"])
    setup = inference_setup(tmp_path / "x.h5")
    assert setup.config.IMAGE_RESIZE_MODE == "pad64"


def test_without_config_json_the_shapes_tell_and_it_is_said(weights, tmp_path, capsys):
    alone = shutil.copy(weights, tmp_path / "alone.h5")
    setup = inference_setup(
        alone, preset="small", settings=["POOL_SIZE=7"], class_names=["x", "y"]
    )
    config = setup.config
    assert (config.BACKBONE, config.BACKBONE_WIDTH) == ("resnet18", 8)
    assert (config.NUM_CLASSES, config.NORM) == (3, "group")
    assert setup.class_names == ["BG", "x", "y"]
    err = capsys.readouterr().err
    assert len(err.splitlines()) == 1 and "BACKBONE_WIDTH=8" in err
    assert inference_setup(alone).class_names == ["class 0", "class 1", "class 2"]


def test_names_of_coco_are_known_for_its_weights(tmp_path, monkeypatch):
    monkeypatch.setattr(engine, "read_weights", lambda path: {})
    monkeypatch.setattr(engine, "config_values", lambda t: {"NUM_CLASSES": 81})
    setup = inference_setup(tmp_path / "mask_rcnn_coco.h5")
    assert setup.class_names == list(COCO_NAMES) and len(COCO_NAMES) == 81
