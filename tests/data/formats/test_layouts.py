from __future__ import annotations

import json

import pytest
from PIL import Image

import mrcnn.data
from mrcnn.data import AnnotatedDataset, open_dataset
from mrcnn.data.formats.format_hints import describe_folder
from mrcnn.data.formats.format_table import FORMATS, find_layouts
from mrcnn.data.formats.layouts import Format, Layout, Part, file_layout
from mrcnn.data.formats.subset_names import match_subset


@pytest.mark.parametrize(
    ("subset", "expected"),
    [
        ("val", ["val2014"]),
        ("val2014", ["val2014"]),
        ("minival", ["minival2014"]),
        ("train", ["train2014", "my_Train-set"]),
        ("test", []),
        ("trai", []),
    ],
)
def test_subset_is_a_whole_word_of_a_name(subset, expected):
    names = ["train2014", "val2014", "minival2014", "valminusminival2014"]
    assert match_subset([*names, "my_Train-set"], subset) == expected


@pytest.mark.parametrize("subset", ["val", "valid", "validation"])
def test_names_of_the_validation_set_are_one(subset):
    for name in ("val", "valid", "validation"):
        assert match_subset(["train", name], subset) == [name]
    assert match_subset(["val", "valid", "validation"], subset) == [subset]


def test_exact_name_wins():
    assert match_subset(["val", "val2017"], "val") == ["val"]


@pytest.mark.parametrize(
    ("name", "format", "subsets"),
    [
        ("balloon", "via", ("train", "val")),
        ("coco_tiny", "coco", ("train2017", "val2017")),
        ("labelme_nuts", "labelme", ("train", "val")),
        ("voc_mini", "voc", ("train", "trainval", "val")),
    ],
)
def test_shared_data_has_one_reading(shared, name, format, subsets):
    (layout,) = find_layouts(shared / "data" / name)
    assert layout.format == format
    assert layout.subsets == subsets
    assert not layout.is_weak


def test_pictures_alone_are_no_data_set(tmp_path):
    Image.new("RGB", (4, 4)).save(tmp_path / "a.jpg")
    Image.new("RGB", (4, 4)).save(tmp_path / "a.png")
    assert find_layouts(tmp_path) == []


def test_hidden_and_resource_folders_are_not_looked_into(tmp_path):
    for name in (".cache", "__MACOSX"):
        (tmp_path / name).mkdir()
        content = {"images": [], "annotations": [], "categories": []}
        (tmp_path / name / "x.json").write_text(json.dumps(content))
    assert find_layouts(tmp_path) == []


def test_folder_is_described_in_a_line(tmp_path):
    assert describe_folder(tmp_path) == "nothing"
    for i in range(6):
        (tmp_path / f"{i}.jpg").touch()
    (tmp_path / "README").touch()
    (tmp_path / "x.json").write_text("[]")
    (tmp_path / "sub").mkdir()
    assert describe_folder(tmp_path) == (
        "1 folder (sub); 1 file without suffix (README); 6 .jpg files (0.jpg, 1.jpg, "
        "2.jpg, 3.jpg ...); 1 .json file (x.json); x.json is a list"
    )


def test_every_format_has_a_name_signs_and_a_public_class():
    for name, format in FORMATS.items():
        assert format.name == name
        assert format.title and format.signs
        assert getattr(mrcnn.data, format.dataset.__name__) is format.dataset


def test_a_new_format_is_one_line_of_the_table(tmp_path, monkeypatch):
    class ToyDataset(AnnotatedDataset):
        def load_toy(self, folder, subset):
            for path in sorted(folder.glob("*.toy")):
                self.add_image("toy", path.stem, str(path), width=4, height=4)

    def find(folder, json_files):
        files = sorted(folder.glob("*.toy"))
        return Layout([Part(".", folder)] if files else [], f"{len(files)} toys")

    toy = Format("toy", "Toy files", "*.toy", ToyDataset, find, ToyDataset.load_toy)
    monkeypatch.setitem(FORMATS, "toy", toy)
    with pytest.raises(ValueError, match=r"\n  toy: \*\.toy"):
        open_dataset(tmp_path)
    (tmp_path / "a.toy").touch()
    assert open_dataset(tmp_path).format.startswith("Toy files (1 toys): 1 images")


def test_annotation_files_are_named_after_their_subset(tmp_path):
    files = [
        tmp_path / "x.json",
        tmp_path / "annotations" / "instances_val.json",
        tmp_path / "train" / "y.json",  # alone in its folder
        tmp_path / "test" / "a.json",
        tmp_path / "test" / "b.json",
    ]
    layout = file_layout(tmp_path, files)
    assert layout.subsets == ("x", "val", "train", "test/a", "test/b")
    assert layout.parts[1].evidence == str(files[1].relative_to(tmp_path))
    assert layout.evidence.endswith(" ...")


def test_subsets_are_the_lists_where_there_are_any(tmp_path):
    parts = [Part(".", tmp_path), Part("train", tmp_path)]
    assert Layout(parts, "").subsets == ("train",)
    assert Layout(parts, "", ["a", "b", "a"]).subsets == ("a", "b")
    assert Layout(parts, "", []).subsets == ()
