"""Two trainings of one run, damaged newest files, a clock set back: nothing is lost."""

from __future__ import annotations

import datetime
import os
import shutil
import signal
import subprocess
import sys
import warnings
from pathlib import Path

import pytest

from mrcnn.engine.training import run_folder
from mrcnn.engine.training.run_folder import RunLockedError, RunLocks
from mrcnn.engine.weights import checkpoints
from mrcnn.engine.weights.weight_files import read_weights
from tests.conftest import ROOT
from tests.engine.tiny import (
    Spy,
    assert_same_weights,
    eagerly,
    make_trainer,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")


@pytest.fixture
def eager():
    with eagerly():
        yield


def trained(folder, epochs, **kwargs):
    trainer = make_trainer(folder, STEPS_PER_EPOCH=1)
    train(trainer, epochs=epochs, **kwargs)
    return trainer


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """A trainer after three epochs; its folder is not changed by tests."""
    with eagerly():
        return trained(tmp_path_factory.mktemp("whole"), 3)


def copied(whole, tmp_path):
    """Returns the run folder of a copy."""
    run_dir = tmp_path / Path(whole.log_dir).name
    shutil.copytree(whole.log_dir, run_dir)
    return run_dir


# Two at once


def digests(folder):
    return {path.name: path.read_bytes() for path in Path(folder).glob("*.h5")}


def test_two_runs_of_one_minute_have_a_folder_each(tmp_path):
    one, two = (make_trainer(tmp_path, STEPS_PER_EPOCH=1) for _ in range(2))
    assert one.log_dir == two.log_dir  # nothing is there yet
    train(one)
    before = digests(one.log_dir)
    with pytest.warns(UserWarning, match="another training has begun .* goes to"):
        train(two)
    assert two.log_dir != one.log_dir and two.log_dir in two.checkpoint_path
    assert digests(one.log_dir) == before
    assert list(digests(two.log_dir)) == list(before)


def test_a_run_that_begins_while_another_trains_has_its_own_folder(tmp_path):
    one, two = (make_trainer(tmp_path, STEPS_PER_EPOCH=1) for _ in range(2))

    def train_the_other():
        with pytest.warns(UserWarning, match="another training has begun"):
            train(two)

    spy = Spy(at={("batch", 0, 0): train_the_other})
    train(one, custom_callbacks=[spy])
    assert one.log_dir != two.log_dir
    for trainer in (one, two):
        assert len(digests(trainer.log_dir)) == 2
        assert not list(Path(trainer.log_dir).glob(".*"))  # no lock is left


def test_stages_and_a_second_call_go_on_in_their_folder(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    train(trainer, layers="heads")
    train(trainer, epochs=2)
    assert [path.name for path in tmp_path.iterdir()] == [Path(trainer.log_dir).name]


def test_a_folder_that_the_user_chose_is_used_again(tmp_path, recwarn):
    for _ in range(2):
        trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
        trainer.log_dir = str(tmp_path / "mine")
        train(trainer)
    assert [path.name for path in tmp_path.iterdir()] == ["mine"]
    assert not [w for w in recwarn if "another training" in str(w.message)]


def test_a_run_that_is_trained_cannot_be_resumed_meanwhile(
    whole, tmp_path, monkeypatch
):
    monkeypatch.setattr(run_folder, "_PATIENCE_SECONDS", 0)
    run_dir = copied(whole, tmp_path)
    before = digests(run_dir)
    with RunLocks() as locks:
        locks.take(run_dir)
        with pytest.raises(RunLockedError, match=f"process {os.getpid()} on .* since"):
            trained(tmp_path, 4, resume=True)
        continued = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
        continued.load_weights("last")
        with pytest.raises(RunLockedError, match="being trained by"):
            train(continued, epochs=4)
    assert digests(run_dir) == before
    assert trained(tmp_path, 4, resume=True).epoch == 4  # free again


HOLD = """
import sys, time
from pathlib import Path
from mrcnn.engine.training.run_folder import RunLocks
locks = RunLocks()
locks.take(Path(sys.argv[1]))
print("locked", flush=True)
time.sleep(600)
"""


@pytest.mark.skipif(os.name != "posix", reason="kills as POSIX does")
def test_a_killed_training_locks_nothing(whole, tmp_path, monkeypatch):
    monkeypatch.setattr(run_folder, "_PATIENCE_SECONDS", 0)
    run_dir = copied(whole, tmp_path)
    child = subprocess.Popen(
        [sys.executable, "-c", HOLD, run_dir], cwd=ROOT, stdout=subprocess.PIPE
    )
    try:
        assert child.stdout.readline() == b"locked\n"
        with pytest.raises(RunLockedError, match=f"process {child.pid} on"):
            trained(tmp_path, 4, resume=True)
    finally:
        child.send_signal(signal.SIGKILL)
        child.communicate()
    assert (run_dir / checkpoints.LOCK_FILE).exists()
    assert trained(tmp_path, 4, resume=True).epoch == 4
    assert not list(run_dir.glob(".*"))


def test_a_drive_without_locks_is_warned_of(tmp_path, monkeypatch):
    def unknown(*args):
        raise OSError(38, "Function not implemented")

    monkeypatch.setattr(run_folder.fcntl, "flock", unknown)
    with RunLocks() as locks, pytest.warns(UserWarning, match="can't be locked"):
        locks.take(tmp_path)


# Damaged files


def truncate(path):
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])


def empty(path):
    path.write_bytes(b"")


def fill_with_zeros(path):
    path.write_bytes(bytes(path.stat().st_size))


def lose_a_block(path):
    """The largest block of numbers was not written before the power went."""
    content = bytearray(path.read_bytes())
    tensors = read_weights(path).values() if "mask_rcnn" in path.name else None
    if tensors is None:
        content[len(content) // 3 :] = bytes(len(content) - len(content) // 3)
    else:
        block = max(tensors, key=lambda array: array.nbytes).tobytes()
        place = content.index(block)
        content[place : place + len(block)] = bytes(len(block))
    path.write_bytes(content)


DAMAGES = [truncate, empty, fill_with_zeros, lose_a_block]


@pytest.mark.parametrize("file", ["mask_rcnn_tiny_0003.h5", "training_state_0003.h5"])
@pytest.mark.parametrize("damage", DAMAGES)
def test_a_damaged_newest_file_goes_back_one_epoch(whole, tmp_path, damage, file):
    run_dir = copied(whole, tmp_path)
    damage(run_dir / file)
    with pytest.warns(UserWarning, match=f"{file}.*Going back to the epoch before"):
        trainer = trained(tmp_path, 3, resume=True)
    assert trainer.log_dir == str(run_dir)
    # The third epoch was trained anew, as it was.
    assert_same_weights(weights_of(whole.keras_model), weights_of(trainer.keras_model))


def test_without_a_whole_epoch_the_error_names_all_files(whole, tmp_path):
    run_dir = copied(whole, tmp_path)
    truncate(run_dir / "mask_rcnn_tiny_0003.h5")
    empty(run_dir / "training_state_0002.h5")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(ValueError, match="no epoch of .* can be resumed") as error:
            trained(tmp_path, 3, resume=True)
    for part in ("mask_rcnn_tiny_0003", "training_state_0002", "load_weights()"):
        assert part in str(error.value)


@pytest.mark.parametrize("damage", [truncate, empty, fill_with_zeros])
def test_a_damaged_config_is_written_anew(whole, tmp_path, damage):
    run_dir = copied(whole, tmp_path)
    damage(run_dir / "config.json")
    left = (run_dir / "config.json").read_bytes()
    with pytest.warns(UserWarning, match="config.json.*written anew"):
        trained(tmp_path, 4, resume=True)
    expected = (Path(whole.log_dir) / "config.json").read_bytes()
    assert (run_dir / "config.json").read_bytes() == expected
    assert (run_dir / "config.json.damaged").read_bytes() == left


# The clock


def test_after_the_clock_was_set_back_the_newer_run_is_found_and_resumed(
    whole, tmp_path, monkeypatch
):
    older = copied(whole, tmp_path)

    class Yesterday(datetime.datetime):
        @classmethod
        def now(cls, tz=None):
            return super().now(tz) - datetime.timedelta(days=1)

    monkeypatch.setattr(checkpoints.datetime, "datetime", Yesterday)
    newer = trained(tmp_path, 1)
    for path in Path(newer.log_dir).iterdir():
        os.utime(path, (0, 0))
    assert Path(newer.find_last()).parent == Path(newer.log_dir) != older
    resumed = trained(tmp_path, 2, resume=True)
    assert resumed.log_dir == newer.log_dir and resumed.epoch == 2
