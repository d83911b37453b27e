from __future__ import annotations

import pytest

from mrcnn.cli.errors import CommandError
from mrcnn.cli.inputs import find_inputs, is_video


@pytest.fixture
def folder(tmp_path):
    names = ("b.png", "a.JPG", "video.mp4", "notes.txt", ".c.png", "deep/d.tif")
    for name in names:
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        path.touch()
    (tmp_path / "empty").mkdir()
    return tmp_path


def names_of(paths):
    return [path.name for path in paths]


def test_a_folder_stands_for_its_images_and_videos(folder):
    assert names_of(find_inputs([str(folder)])) == ["a.JPG", "b.png", "video.mp4"]


def test_patterns_reach_into_folders(folder):
    found = find_inputs([str(folder / "**" / "*.*")])
    assert set(names_of(found)) == {"a.JPG", "b.png", "video.mp4", "d.tif"}


@pytest.mark.timeout(20)
def test_patterns_do_not_go_around_in_links(folder, tmp_path_factory):
    elsewhere = tmp_path_factory.mktemp("elsewhere")
    (elsewhere / "e.png").touch()
    for name in ("one", "two"):  # glob.glob would try 2 ** 40 ways
        (folder / name).symlink_to(folder)
        (folder / "deep" / name).symlink_to(folder / "deep")
    (folder / "linked").symlink_to(elsewhere)
    (folder / "loop.png").symlink_to(folder / "loop.png")
    found = find_inputs([str(folder / "**" / "*.*")])
    names = ["a.JPG", "b.png", "d.tif", "e.png", "video.mp4"]
    assert sorted(names_of(found)) == names
    assert len(find_inputs([str(folder / "**")])) == len(names)


@pytest.mark.parametrize("pattern", ["de*/d.tif", "*/*.tif", "./**/d.tif", "**/de*/*"])
def test_patterns_start_where_the_command_does(folder, monkeypatch, pattern):
    monkeypatch.chdir(folder)
    assert [str(path) for path in find_inputs([pattern])] == ["deep/d.tif"]
    parent = str(folder / ".." / folder.name / pattern)
    assert names_of(find_inputs([parent])) == ["d.tif"]


def test_a_file_is_taken_whatever_its_ending(folder):
    assert names_of(find_inputs([str(folder / "notes.txt")])) == ["notes.txt"]


def test_each_file_comes_once(folder):
    found = find_inputs([str(folder / "b.png"), str(folder), str(folder / "*.png")])
    assert names_of(found) == ["b.png", "a.JPG", "video.mp4"]


@pytest.mark.parametrize(
    ("name", "message"),
    [("c.png", "no such file"), ("empty", "no image"), ("*.bmp", "pattern")],
)
def test_names_that_lead_nowhere_are_errors(folder, name, message):
    with pytest.raises(CommandError, match=message):
        find_inputs([str(folder / name)])


def test_videos_are_known_by_their_ending(folder):
    assert [is_video(p) for p in find_inputs([str(folder)])] == [False, False, True]
