from __future__ import annotations

import unicodedata
import warnings

import pytest

from mrcnn.data.files import find_images as module
from mrcnn.data.files.find_images import find_images


def make(folder, *names):
    for name in names:
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).touch()


def found(folder, *names):
    """Paths from the folder on; None for what is not found. No warning may come."""
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        paths = find_images(folder, names, "load('a.json')")
    return [
        p[len(str(folder)) + 1 :] if (folder / p).is_file() else None for p in paths
    ]


@pytest.mark.parametrize(
    "name",
    [
        "images\\a b.png",
        "C:\\data\\images\\a b.png",
        "\\\\server\\share\\a b.png",
        "/home/someone/images/a b.png",
        "../elsewhere/a b.png",
        "a b.png",
        "A B.PNG",
        "a%20b.png",
        "/data/local-files/?d=images/a%20b.png",
        "/data/local-files/?d=images%5Ca%20b.png",
        "http://localhost:8080/data/local-files/?d=images/a%20b.png",
        "\\/data\\/upload\\/1\\/1a2b3c4d-a_b.png",
        "/data/upload/1a2b3c4d-a%20b.png",
        "https://my.server/data/upload/3/1a2b3c4d-a_b.png",
        "s3://bucket/images/a b.png?version=3",
        "file:///C:/images/a b.png",
        "./images/./a b.png",
    ],
)
def test_names_as_other_machines_and_tools_write_them(tmp_path, name):
    make(tmp_path, "images/a b.png", "images/b.png")
    assert found(tmp_path, name) == ["images/a b.png"]


def test_a_name_that_is_a_file_is_that_file(tmp_path):
    names = ["a\\b.png", "a%20b.png", "1a2b3c4d-c.png", "sub/a b.png", "x.JPG"]
    others = ["b.png", "a b.png", "c.png", "x.jpg", "sub/x.JPG"]
    make(tmp_path, *names, *others)
    assert found(tmp_path, *names) == names
    outside = str(tmp_path / "x.jpg")
    assert find_images(tmp_path / "sub", [outside], "load()") == [outside]


def test_letters_of_other_file_systems(tmp_path):
    composed, apart = (unicodedata.normalize(f, "zellé.Jpg") for f in ("NFC", "NFD"))
    make(tmp_path / "one", composed)
    make(tmp_path / "two", apart)
    assert found(tmp_path / "one", apart) == [composed]
    assert found(tmp_path / "two", composed) == [apart]
    assert found(tmp_path / "two", "ZELLÉ.jpg") == [apart]


def test_the_most_alike_of_several_files(tmp_path):
    make(tmp_path, "train/a.png", "val/a.png", "b.png", "val/b.png", "c.JPG", "C.jpg")
    assert found(tmp_path, "D:\\x\\val\\a.png") == ["val/a.png"]
    assert found(tmp_path, "other/b.png") == ["b.png"]  # from the folder on
    assert found(tmp_path, "c.jpg") == ["c.JPG"]


def test_a_name_that_fits_several_files_is_told_and_none_is_taken(tmp_path):
    make(tmp_path, "train/a.png", "val/a.png", "train/b.png")
    with pytest.warns(
        UserWarning, match=r"load\(\): 1 names.*'a.png' fits train.a.png, "
    ):
        paths = find_images(tmp_path, ["a.png", "b.png"], "load()")
    assert paths == [str(tmp_path / "a.png"), str(tmp_path / "train" / "b.png")]


@pytest.mark.parametrize(
    "names", [["train/a.png", "val/a.png"], ["a.png", "1a2b3c4d-a.png"]]
)
def test_one_file_is_not_taken_for_two_names(tmp_path, names):
    make(tmp_path, "a.png")
    with pytest.warns(UserWarning, match="fits .*a.png, as another name does"):
        paths = find_images(tmp_path, names, "load()")
    assert paths == [str(tmp_path / name) for name in names]
    # One name that is listed twice is another matter, which its reader tells.
    assert found(tmp_path, "x\\a.png", "x\\a.png") == ["a.png"] * 2


def test_what_is_not_there_keeps_its_name(tmp_path):
    make(tmp_path, "a.png")
    addresses = ["http://images.org/a.png", "https://images.org/1/a.png"]
    names = ["b.png", "", "x/", "a\x00.png", "n" * 5000, "\ud800.png", *addresses]
    expected = [str(tmp_path / name) for name in names[:6]] + addresses
    assert find_images(tmp_path, names, "load()") == expected
    assert find_images(tmp_path / "no", ["a.png"], "load()") == [
        str(tmp_path / "no" / "a.png")
    ]


def test_folders_are_looked_into_to_a_limit(tmp_path, monkeypatch):
    make(tmp_path, "1/2/3/4/a.png", "1/2/3/4/5/b.png", ".hidden/c.png")
    assert found(tmp_path, "a.png", "b.png", "c.png") == ["1/2/3/4/a.png", None, None]
    make(tmp_path, "x.png", "y.png")
    monkeypatch.setattr(module, "MAX_ENTRIES", 1)
    assert found(tmp_path, "X.png", "a.png") == ["x.png", None]


def test_all_folders_of_a_machine_are_not_looked_into(tmp_path, monkeypatch):
    looked = []
    monkeypatch.setattr(module, "list_files", lambda place: looked.append(place) or [])
    find_images(tmp_path.anchor, ["no such image.png"], "load()")
    assert [str(place) for place in looked] == [tmp_path.anchor]
