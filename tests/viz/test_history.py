"""The numbers of a run in a file: written, torn, resumed, read."""

from __future__ import annotations

import json
import math

import numpy as np
import pytest

from mrcnn.viz.history import HISTORY_FILE, append_epoch, read_history


def test_what_is_written_is_read(tmp_path):
    append_epoch(tmp_path, 1, {"loss": 2.5, "val_loss": np.float32(3)})
    append_epoch(tmp_path, 2, {"loss": 1.25, "val_loss": 2})
    history = read_history(tmp_path)
    assert list(history) == ["epoch", "loss", "val_loss"]
    assert history["epoch"].tolist() == [1, 2]
    assert history["loss"].tolist() == [2.5, 1.25]
    assert history["val_loss"].tolist() == [3, 2]


def test_the_file_may_be_named_itself(tmp_path):
    append_epoch(tmp_path, 1, {"loss": 2.5})
    assert read_history(tmp_path / HISTORY_FILE)["loss"].tolist() == [2.5]


def test_epochs_may_have_numbers_that_others_have_not(tmp_path):
    append_epoch(tmp_path, 1, {"loss": 3})
    append_epoch(tmp_path, 2, {"loss": 2, "val_segm_AP": 0.5})
    np.testing.assert_array_equal(read_history(tmp_path)["val_segm_AP"], [np.nan, 0.5])


def test_what_is_not_finite_is_null_and_read_as_nan(tmp_path):
    append_epoch(tmp_path, 1, {"loss": math.nan, "val_loss": math.inf})
    line = (tmp_path / HISTORY_FILE).read_text().splitlines()[0]
    assert json.loads(line) == {"epoch": 1, "loss": None, "val_loss": None}
    assert np.isnan(read_history(tmp_path)["loss"]).all()


def test_of_a_resumed_run_the_latest_lines_count(tmp_path):
    for epoch, loss in ((1, 9), (2, 8), (3, 7), (4, 6), (2, 5), (3, 4)):
        append_epoch(tmp_path, epoch, {"loss": loss})
    history = read_history(tmp_path)
    # Epoch 4 was trained from an epoch 3 that is no more.
    assert history["epoch"].tolist() == [1, 2, 3]
    assert history["loss"].tolist() == [9, 5, 4]


def test_a_line_that_a_killed_run_left_unfinished_harms_no_other(tmp_path):
    append_epoch(tmp_path, 1, {"loss": 3})
    path = tmp_path / HISTORY_FILE
    with path.open("a") as file:
        file.write('{"epoch": 2, "lo')
    assert read_history(tmp_path)["epoch"].tolist() == [1]
    append_epoch(tmp_path, 2, {"loss": 2})
    assert read_history(tmp_path)["loss"].tolist() == [3, 2]


def test_zeros_that_a_power_cut_left_harm_no_line(tmp_path):
    append_epoch(tmp_path, 1, {"loss": 2.0})
    with (tmp_path / HISTORY_FILE).open("ab") as file:
        file.write(bytes(40))
    append_epoch(tmp_path, 2, {"loss": 1.0})
    assert read_history(tmp_path)["loss"].tolist() == [2.0, 1.0]


@pytest.mark.parametrize("line", ["epoch 2", '{"loss": 2}', "[1]", '{"epoch": "x"}'])
def test_what_training_did_not_write_is_an_error(tmp_path, line):
    append_epoch(tmp_path, 1, {"loss": 3})
    path = tmp_path / HISTORY_FILE
    path.write_text(path.read_text() + line + "\n")
    with pytest.raises(ValueError, match=r"history\.jsonl'\), line 2"):
        read_history(tmp_path)


def test_a_folder_without_history_is_an_error(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"history\.jsonl.*model\.log_dir"):
        read_history(tmp_path)
    with pytest.raises(FileNotFoundError, match="nowhere"):
        read_history(tmp_path / "nowhere")
