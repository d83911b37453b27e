"""Checkpoint and state of an epoch are killed or cut while they are written.

What was whole before can be resumed after, and nothing half is taken for whole.
"""

from __future__ import annotations

import errno
import os
import shutil
import subprocess
import sys
import warnings

import h5py
import numpy as np
import pytest

from mrcnn.engine.training.run_folder import load_newest_pair
from mrcnn.engine.weights import checkpoints
from mrcnn.engine.weights.model_weights import model_tensors
from mrcnn.engine.weights.optimizer_state import restore_state
from tests.conftest import ROOT
from tests.faults import pairs

KILLS = 48

pytestmark = pytest.mark.skipif(os.name != "posix", reason="kills and forks")


@pytest.fixture(scope="module")
def model():
    return pairs.make_model()


@pytest.fixture(scope="module")
def folder(tmp_path_factory):
    """The runs of all moments by name, and what the processes said."""
    folder = tmp_path_factory.mktemp("runs")
    done = subprocess.run(
        [sys.executable, "-m", "tests.faults.pairs", folder, str(KILLS)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    (folder / "said").write_text(done.stdout)
    return folder


def resumed_epoch(model, run_dir):
    """Returns the epoch that is resumed, after a look at each of its numbers."""
    pairs.give(model, 0)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # nothing damaged was met on the way
        checkpoint, state = load_newest_pair(model, run_dir, pairs.NAME)
    restore_state(model, state)
    epoch = checkpoints.parse_checkpoint(checkpoint, pairs.NAME)[1]
    value = min(epoch, 3)  # later ones are written with the numbers of the third
    for variable in (*model_tensors(model).values(), *model.optimizer.momentums):
        assert np.all(np.asarray(variable) == value)
    return epoch


def runs(folder, kind):
    return [path / pairs.RUN for path in sorted(folder.glob(f"{kind}??"))]


def test_a_kill_at_any_moment_loses_only_the_epoch_in_progress(model, folder):
    epochs = [resumed_epoch(model, run_dir) for run_dir in runs(folder, "kill")]
    assert len(epochs) == KILLS
    assert set(epochs) == {2, 3} and epochs == sorted(epochs)
    assert resumed_epoch(model, folder / "count" / pairs.RUN) == 3
    # Some died with a file half written; the next training removes it.
    left = [p for run_dir in runs(folder, "kill") for p in run_dir.glob(".*.tmp")]
    assert left
    for run_dir in runs(folder, "kill"):
        checkpoints.remove_leftovers(run_dir)
        assert not list(run_dir.glob(".*"))


def test_a_kill_from_outside_loses_only_the_epoch_in_progress(model, folder):
    epochs = [resumed_epoch(model, run_dir) for run_dir in runs(folder, "late")]
    assert len(epochs) == pairs.DELAYS
    assert min(epochs) >= 2 and max(epochs) > 3


def test_a_full_disk_loses_only_the_epoch_in_progress(model, folder):
    for run_dir in runs(folder, "full"):
        assert resumed_epoch(model, run_dir) == 2
        assert not list(run_dir.glob(".*"))
    said = (folder / "said").read_text().splitlines()[1:]
    assert len(said) == pairs.FULL
    for line in said:
        assert line.startswith("OSError: ") and "written before are whole" in line
        assert "mask_rcnn_cells_0003.h5" in line or "training_state_0003.h5" in line


STEPS = ["h5py.Group.__setitem__", "os.fsync", "os.replace"]


@pytest.mark.parametrize("step", STEPS)
def test_a_disk_that_is_full_at_any_step_leaves_what_was(
    model, tmp_path, monkeypatch, step
):
    pairs.start(model, tmp_path)
    owner, name = (h5py.Group if "h5py" in step else os), step.rsplit(".", 1)[1]
    real, number, steps = getattr(owner, name), 0, 1
    while number < steps:
        run_dir = tmp_path / str(number) / pairs.RUN
        shutil.copytree(tmp_path / "start", run_dir.parent)
        pairs.give(model, 3)
        calls = []

        def fail(*args, calls=calls, number=number):
            calls.append(args)
            if len(calls) == number + 1:
                raise OSError(errno.ENOSPC, "No space left on device")
            return real(*args)

        with monkeypatch.context() as patch:
            patch.setattr(owner, name, fail)
            try:
                pairs.write_epoch(model, run_dir, 3)
            except OSError as error:
                text = str(error)
                assert "No space left" in text and "written before are whole" in text
                expected = 2
            else:  # a folder that can't be flushed, as on some network drives
                expected = 3
        assert resumed_epoch(model, run_dir) == expected
        assert not list(run_dir.glob(".*"))
        number, steps = number + 1, max(steps, len(calls) + 1)
    # Each file has its step, and at last none has failed.
    assert steps > 2 and expected == 3
