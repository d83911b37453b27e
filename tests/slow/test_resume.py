"""A training killed by the system goes on as if nothing had happened."""

from __future__ import annotations

import json
import signal
import subprocess
import sys

import pytest

from tests.conftest import ROOT
from tests.slow.resume_worker import EPOCHS, KILLED_EPOCH, PLACES

pytestmark = pytest.mark.slow


def run(folder, *options):
    """Returns the exit code and the notes by epoch of one process."""
    folder.mkdir(exist_ok=True)
    notes = folder / "notes.jsonl"
    notes.unlink(missing_ok=True)
    done = subprocess.run(
        [sys.executable, "-m", "tests.slow.resume_worker", folder, notes, *options],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=1200,
    )
    if done.returncode not in (0, -signal.SIGKILL):
        pytest.fail(f"{options}: {done.stderr[-3000:]}")
    lines = notes.read_text().splitlines() if notes.exists() else []
    return done.returncode, {note["epoch"]: note for note in map(json.loads, lines)}


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """Notes of uninterrupted runs, by whether they have stages."""
    made = {}

    def get(*options):
        if options not in made:
            code, notes = run(tmp_path_factory.mktemp("whole"), *options)
            assert code == 0 and list(notes) == list(range(EPOCHS))
            made[options] = notes
        return made[options]

    return get


def assert_same_notes(notes, expected):
    for epoch, note in notes.items():
        other = expected[epoch]
        assert note["losses"] == pytest.approx(other["losses"], rel=1e-5)
        assert note["steps"] == other["steps"]
        for key in ("rate", "momentum", "weights"):
            assert note[key] == pytest.approx(other[key], rel=1e-5), (epoch, key)


@pytest.mark.parametrize("options", [(), ("--stages",)], ids=["plain", "stages"])
@pytest.mark.parametrize("place", PLACES)
def test_losses_after_kill_and_resume_are_those_of_an_uninterrupted_run(
    tmp_path, whole, place, options
):
    expected = whole(*options)
    code, notes = run(tmp_path, "--kill", place, *options)
    assert code == -signal.SIGKILL
    assert list(notes) == list(range(KILLED_EPOCH))  # three epochs were whole
    assert_same_notes(notes, expected)
    states = [path.name for path in tmp_path.rglob("training_state_*")]
    assert states == [f"training_state_{KILLED_EPOCH:04d}.h5"]

    code, notes = run(tmp_path, *options)
    assert code == 0
    assert list(notes) == list(range(KILLED_EPOCH, EPOCHS))
    assert_same_notes(notes, expected)
    checkpoints = [path.name for path in tmp_path.rglob("mask_rcnn_*.h5")]
    assert checkpoints == [f"mask_rcnn_tiny_{EPOCHS:04d}.h5"]


def test_rate_and_momentum_are_not_those_of_a_new_start(whole):
    """What the other test compares changes from epoch to epoch."""
    notes = whole()
    for key in ("rate", "momentum", "weights", "steps"):
        assert len({note[key] for note in notes.values()}) == EPOCHS, key
