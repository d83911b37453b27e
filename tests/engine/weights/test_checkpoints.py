from __future__ import annotations

import datetime
import os

import pytest

from mrcnn.engine.weights import checkpoints

NOON = datetime.datetime(2031, 4, 5, 12, 0)


def touch(folder, *names):
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        (folder / name).touch()


def names_in(folder):
    return sorted(path.name for path in folder.iterdir())


def test_files_are_named_as_ever(tmp_path):
    run_dir = checkpoints.new_run_dir(tmp_path, "Balloon", NOON)
    assert run_dir == tmp_path / "balloon20310405T1200"
    assert not run_dir.exists()  # until something is written
    path = checkpoints.checkpoint_path(run_dir, "Balloon", 7)
    assert path == run_dir / "mask_rcnn_balloon_0007.h5"
    assert checkpoints.parse_checkpoint(path, "Balloon") == (run_dir, 7)
    assert checkpoints.parse_checkpoint(str(path), "balloon") == (run_dir, 7)


@pytest.mark.parametrize(
    "path",
    [
        "mask_rcnn_coco.h5",
        "logs/shapes20310405T1200/weights.h5",
        "logs/shapes/mask_rcnn_shapes_0003.h5",  # no stamp
        "logs/shapes20310405T1200/mask_rcnn_shapes_0003.keras",
        "logs/shapes20310405T1200/.mask_rcnn_shapes_0003.h5.77.tmp",
    ],
)
def test_other_paths_are_no_checkpoints(path):
    assert checkpoints.parse_checkpoint(path, "shapes") is None


def test_a_checkpoint_of_another_configuration_starts_a_run_of_its_own(tmp_path):
    run_dir = checkpoints.new_run_dir(tmp_path, "coco", NOON)
    path = checkpoints.checkpoint_path(run_dir, "coco", 4)
    assert checkpoints.parse_checkpoint(path, "balloon") is None
    assert checkpoints.parse_checkpoint(path, "co") is None


def test_a_new_run_does_not_enter_the_folder_of_one_from_the_same_minute(tmp_path):
    touch(tmp_path / "a20310405T1200", "mask_rcnn_a_0001.h5")
    run_dir = checkpoints.new_run_dir(tmp_path, "a", NOON)
    assert run_dir == tmp_path / "a20310405T1201"


def test_names_with_underscores_digits_and_dashes_are_parsed(tmp_path):
    run_dir = checkpoints.new_run_dir(tmp_path, "my_cells-2", NOON)
    path = checkpoints.checkpoint_path(run_dir, "my_cells-2", 12)
    assert checkpoints.parse_checkpoint(path, "my_cells-2") == (run_dir, 12)


def test_epochs_are_ordered_by_number_not_by_letter(tmp_path):
    names = [f"mask_rcnn_a_{n}.h5" for n in ("10000", "9999", "0010", "0002")]
    touch(tmp_path, *names, "mask_rcnn_a_last.h5", "training_state_9999.h5")
    touch(tmp_path, "mask_rcnn_a_0001.h5.old.h5", "mask_rcnn_b_0001.h5")
    found = checkpoints.list_checkpoints(tmp_path, "a")
    assert [path.name for path in found] == names[::-1]


def test_runs_of_another_name_are_not_listed(tmp_path):
    touch(tmp_path / "shapes20310405T1200")
    touch(tmp_path / "shapes20310301T0000")
    touch(tmp_path / "shapes220310405T1300")  # a config called "shapes2"
    touch(tmp_path / "shapes")
    touch(tmp_path, "shapes20310405T1400")  # a file
    runs = checkpoints.list_runs(tmp_path, "Shapes")
    assert [run.name for run in runs] == ["shapes20310301T0000", "shapes20310405T1200"]


def test_find_last_takes_the_newest_run_that_has_a_checkpoint(tmp_path):
    touch(tmp_path / "a20310401T0000", "mask_rcnn_a_0009.h5")
    touch(tmp_path / "a20310402T0000", "mask_rcnn_a_0002.h5", "mask_rcnn_a_0003.h5")
    touch(tmp_path / "a20310403T0000", "events.out", ".mask_rcnn_a_0001.h5.7.tmp")
    last = checkpoints.find_last(tmp_path, "A")
    assert last == tmp_path / "a20310402T0000" / "mask_rcnn_a_0003.h5"


@pytest.mark.parametrize("folder", ["", "absent"])
def test_find_last_without_checkpoints_is_an_error(tmp_path, folder):
    with pytest.raises(FileNotFoundError, match="no checkpoint of 'a'"):
        checkpoints.find_last(tmp_path / folder, "a")


def test_resuming_needs_a_checkpoint_and_the_state_of_its_epoch(tmp_path):
    assert checkpoints.resumable_pairs(tmp_path / "absent", "a") == []
    run_dir = tmp_path / "a20310401T0000"
    touch(run_dir, "mask_rcnn_a_0001.h5", "training_state_0004.h5")
    assert checkpoints.resumable_pairs(run_dir, "a") == []


def test_the_newest_pair_comes_first(tmp_path):
    run_dir = tmp_path / "a20310401T0000"
    # killed after the fourth checkpoint, before the fourth state
    touch(run_dir, *(f"mask_rcnn_a_000{i}.h5" for i in (1, 2, 3, 4)))
    touch(run_dir, *(f"training_state_000{i}.h5" for i in (2, 3)))
    assert checkpoints.resumable_pairs(run_dir, "a") == [
        (run_dir / f"mask_rcnn_a_000{i}.h5", run_dir / f"training_state_000{i}.h5")
        for i in (3, 2)
    ]


@pytest.mark.parametrize("begun", ["config.json", checkpoints.LOCK_FILE])
def test_a_run_that_has_only_begun_has_its_minute(tmp_path, begun):
    touch(tmp_path / "a20310405T1200", begun)
    assert checkpoints.new_run_dir(tmp_path, "a", NOON).name == "a20310405T1201"


def test_an_empty_folder_made_by_the_user_is_free(tmp_path):
    touch(tmp_path / "a20310405T1200", "notes.txt")
    assert checkpoints.new_run_dir(tmp_path, "a", NOON).name == "a20310405T1200"


def test_a_run_after_the_clock_was_set_back_is_the_newest(tmp_path):
    for name, expected in [
        ("a", "a20310405T1200"),
        ("a", "a20310405T1201"),
        # found by find_last(name=None) after those of the other configuration
        ("b", "b20310405T1201"),
        ("b", "b20310405T1202"),
    ]:
        earlier = NOON - datetime.timedelta(days=len(list(tmp_path.iterdir())))
        run_dir = checkpoints.new_run_dir(tmp_path, name, earlier)
        assert run_dir.name == expected
        touch(run_dir, "config.json", f"mask_rcnn_{name}_0001.h5")
        assert checkpoints.find_last(tmp_path).parent == run_dir
        assert checkpoints.find_last(tmp_path, name).parent == run_dir


@pytest.mark.parametrize("stamp", ["20319999T9999", "99991231T2359"])
def test_stamps_that_are_no_time_are_passed_over(tmp_path, stamp):
    touch(tmp_path / f"a{stamp}", "config.json")
    assert checkpoints.new_run_dir(tmp_path, "a", NOON).name == "a20310405T1200"


@pytest.mark.parametrize("name", ["../../x", "/tmp/x", "a/b", "a\\b", "a\nb", "", "\0"])
def test_names_that_leave_the_folder_are_an_error(tmp_path, name):
    with pytest.raises(ValueError, match="NAME="):
        checkpoints.new_run_dir(tmp_path, name, NOON)


def age(folder, names):
    """Makes the first of the files the newest, as after the clock was set back."""
    for number, name in enumerate(reversed(names)):
        os.utime(folder / name, (number, number))


@pytest.mark.parametrize(("keep", "left"), [(None, 4), (3, 3), (1, 1), (9, 4)])
def test_pruning_keeps_the_newest_whatever_the_clock_says(tmp_path, keep, left):
    names = [f"mask_rcnn_a_{n:04d}.h5" for n in (1, 2, 3, 10)]
    touch(tmp_path, *names, "notes.txt", "mask_rcnn_b_0001.h5")
    age(tmp_path, names)
    checkpoints.prune_checkpoints(tmp_path, "a", keep, epoch=10)
    kept = [*names[-left:], "mask_rcnn_b_0001.h5", "notes.txt"]
    assert names_in(tmp_path) == kept


def test_pruning_keeps_what_was_just_written_also_after_going_back(tmp_path):
    for epoch in (9, 10, 8):  # epoch 7 was loaded and trained on
        touch(tmp_path, f"mask_rcnn_a_{epoch:04d}.h5")
    checkpoints.prune_checkpoints(tmp_path, "a", 1, epoch=8)
    assert names_in(tmp_path) == ["mask_rcnn_a_0008.h5"]


@pytest.mark.parametrize(
    ("keep", "epoch", "left"),
    [
        (None, 4, [3, 4]),
        (1, 4, [4]),  # the other's checkpoint goes
        (None, 2, [1, 2]),  # went back: 3 and 4 are no more to be resumed from
    ],
)
def test_two_states_are_kept_beside_their_checkpoints(tmp_path, keep, epoch, left):
    states = [f"training_state_{n:04d}.h5" for n in (1, 2, 3, 4)]
    touch(tmp_path, *states, *(f"mask_rcnn_a_{n:04d}.h5" for n in (1, 2, 3, 4)))
    touch(tmp_path, "training_state_of_mine.h5")
    checkpoints.prune_checkpoints(tmp_path, "a", keep, epoch)
    names = [name for name in names_in(tmp_path) if name.startswith("training_state")]
    assert names == [*(states[n - 1] for n in left), "training_state_of_mine.h5"]


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    touch(tmp_path, ".mask_rcnn_a_0003.h5.77.tmp", "mask_rcnn_a_0002.h5", ".notes.tmp")
    touch(tmp_path, ".config.json.0123abcd.77.12.tmp")
    checkpoints.remove_leftovers(tmp_path)
    assert names_in(tmp_path) == [".notes.tmp", "mask_rcnn_a_0002.h5"]
