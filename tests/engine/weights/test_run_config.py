from __future__ import annotations

import json

import pytest

from mrcnn.config import PaperConfig
from mrcnn.engine.weights.run_config import (
    read_run_config,
    restore_config,
    write_run_config,
)
from tests.engine import tiny

NAMES = ["BG", "box", "bar"]


def test_a_training_leaves_its_config_and_class_names(run):
    found = read_run_config(run.trainer.find_last())
    assert found.class_names == NAMES
    assert found.config == run.trainer.config.to_dict()


def test_the_config_comes_back_as_it_was(tmp_path):
    config = tiny.make_config(tiny.TinyConfig, OWN=[1, 2], BATCH_SIZE=5)
    write_run_config(tmp_path, config, NAMES)
    again = restore_config(read_run_config(tmp_path / "any.h5"))
    assert again.to_dict() == config.to_dict()
    assert isinstance(again.RPN_ANCHOR_SCALES, tuple)


def test_a_file_of_its_own_comes_before_that_of_the_folder(tmp_path):
    write_run_config(tmp_path, PaperConfig(), ["BG"])
    write_run_config(tmp_path / "cells.json", PaperConfig(), NAMES)
    assert read_run_config(tmp_path / "cells.h5").class_names == NAMES
    assert read_run_config(tmp_path / "other.h5").class_names == ["BG"]


def test_checkpoints_keep_the_names_of_their_classes(tmp_path):
    write_run_config(tmp_path, PaperConfig(), NAMES)
    write_run_config(tmp_path, PaperConfig(), ["BG", "cup"])  # no checkpoint yet
    (tmp_path / "mask_rcnn_a_0001.h5").touch()
    with pytest.raises(
        ValueError, match=r"of the classes \['BG', 'cup'\].*set_log_dir"
    ):
        write_run_config(tmp_path, PaperConfig(), NAMES)
    write_run_config(tmp_path, PaperConfig(), ["BG", "cup"])
    assert read_run_config(tmp_path / "a.h5").class_names == ["BG", "cup"]


def test_files_about_other_things_are_passed_over(tmp_path):
    (tmp_path / "config.json").write_text('{"model_type": "other"}')
    assert read_run_config(tmp_path / "a.h5") is None
    assert read_run_config(tmp_path / "elsewhere" / "a.h5") is None


@pytest.mark.parametrize("text", ['{"mrcnn": "1", "class_names"', '{"mrcnn": "1"}'])
def test_a_damaged_file_is_an_error(tmp_path, text):
    (tmp_path / "config.json").write_text(text)
    with pytest.raises(ValueError, match="move the file away"):
        read_run_config(tmp_path / "a.h5")


def test_a_backbone_of_the_users_own_is_told(tmp_path):
    path = write_run_config(tmp_path, tiny.StubConfig(), NAMES)
    assert json.loads(path.read_text())["config"]["BACKBONE"] == "stub_backbone"
    with pytest.raises(ValueError, match="function 'stub_backbone'"):
        restore_config(read_run_config(tmp_path / "a.h5"))
