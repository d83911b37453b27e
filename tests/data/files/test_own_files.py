"""Files that we write beside those of the user."""

from __future__ import annotations

import os

import pytest

from mrcnn.data import OwnFiles, new_folder, without_own
from mrcnn.data.files.own_files import LIST_NAME


def write(folder, name, text, own=None):
    """Writes a file as the command and the samples do; returns its name."""
    with OwnFiles(folder) if own is None else own as own:
        (own.unfinished / "part").write_text(text)
        return own.keep("part", name).name


def test_a_file_of_the_user_stays_and_the_new_one_gets_a_number(tmp_path):
    (tmp_path / "a.txt").write_text("mine")
    (tmp_path / "a_2.txt").mkdir()
    with OwnFiles(tmp_path) as own:
        (own.unfinished / "a.txt").write_text("new")
        path = own.keep("a.txt")
    assert path == tmp_path / "a_3.txt" and path.read_text() == "new"
    assert (tmp_path / "a.txt").read_text() == "mine"
    assert own.spared == [(tmp_path / n, path) for n in ("a.txt", "a_2.txt")]


def test_a_later_run_replaces_its_own_file_unless_it_was_changed(tmp_path):
    assert write(tmp_path, "a.txt", "one") == "a.txt"
    assert write(tmp_path, "a.txt", "two") == "a.txt"
    assert (tmp_path / "a.txt").read_text() == "two"
    (tmp_path / "a.txt").write_text("edited")
    assert write(tmp_path, "a.txt", "three") == "a_2.txt"
    assert (tmp_path / "a.txt").read_text() == "edited"


def test_one_run_writes_each_name_once(tmp_path):
    for _ in range(2):  # the second finds the files of the first
        with OwnFiles(tmp_path) as own:
            names = []
            for name in ("a.txt", "a.txt", "a_2.txt"):
                (own.unfinished / name).write_text("same")
                names.append(own.keep(name).name)
        assert names == ["a.txt", "a_2.txt", "a_2_2.txt"]
        assert own.spared == []


@pytest.mark.parametrize("is_there", [True, False])
def test_nothing_is_written_through_a_link(tmp_path, is_there):
    target = tmp_path / "mine.txt"
    if is_there:
        target.write_text("mine")
    folder = tmp_path / "out"
    folder.mkdir()
    (folder / "a.txt").symlink_to(target)
    assert write(folder, "a.txt", "new") == "a_2.txt"
    assert (folder / "a.txt").is_symlink() and target.exists() == is_there
    assert not is_there or target.read_text() == "mine"


def test_a_list_that_is_a_link_is_refused(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    (tmp_path / LIST_NAME).symlink_to(tmp_path / "mine.txt")
    with pytest.raises(FileExistsError, match="is a link"):
        OwnFiles(tmp_path)
    assert (tmp_path / "mine.txt").read_text() == "mine"


def test_a_damaged_list_makes_files_those_of_the_user(tmp_path):
    write(tmp_path, "a.txt", "one")
    text = (tmp_path / LIST_NAME).read_bytes()
    (tmp_path / LIST_NAME).write_bytes(text[:-9] + b"\xff")  # cut by a full disk
    assert write(tmp_path, "a.txt", "two") == "a_2.txt"
    assert write(tmp_path, "a.txt", "three") == "a_2.txt"  # listed after the cut line


def test_what_is_not_finished_goes_also_after_a_process_was_killed(tmp_path):
    own = OwnFiles(tmp_path)
    (own.unfinished / "a.txt").write_text("half")
    own._list.close()  # as the end of the process does
    with OwnFiles(tmp_path) as later:
        assert not own.unfinished.exists() and later.unfinished.exists()
    assert [path.name for path in tmp_path.iterdir()] == [LIST_NAME]


def test_another_process_is_refused_meanwhile(tmp_path):
    pytest.importorskip("fcntl")
    with OwnFiles(tmp_path):
        with pytest.raises(BlockingIOError, match="another process is writing"):
            OwnFiles(tmp_path)
    OwnFiles(tmp_path).close()


def test_own_files_are_left_out_wherever_they_are_seen_from(tmp_path):
    folder = tmp_path / "out"
    write(folder, "a.txt", "one")
    write(folder, "b.txt", "two")
    (folder / "b.txt").write_text("edited")
    (folder / "mine.txt").write_text("mine")
    (tmp_path / "link.txt").symlink_to(folder / "a.txt")
    names = ("out/a.txt", "out/b.txt", "out/mine.txt", "link.txt", "no.txt")
    left = without_own(tmp_path / name for name in names)
    assert [path.name for path in left] == ["b.txt", "mine.txt", "no.txt"]


def test_names_that_are_not_utf_8_are_listed(tmp_path):
    name = os.fsdecode(b"caf\xe9\n.txt")
    assert write(tmp_path, name, "one") == name
    assert write(tmp_path, name, "two") == name
    assert without_own([tmp_path / name]) == []


def test_a_new_folder_is_never_one_that_is_there(tmp_path):
    (tmp_path / "results2").symlink_to(tmp_path / "nowhere")
    names = [new_folder(tmp_path / "results").name for _ in range(2)]
    assert names == ["results", "results3"]
