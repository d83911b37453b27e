"""open_dataset where subsets repeat names, ids and pictures, or list other classes."""

from __future__ import annotations

import json
import warnings
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

import mrcnn.data.formats.coco.coco_json
from mrcnn.data import open_dataset
from mrcnn.data.formats.coco.coco_images import find_image_dir
from mrcnn.data.formats.coco.coco_json import join_categories
from mrcnn.data.formats.subset_names import of_one_set
from tests.data.written import coco, labelme, via, write_json, write_picture

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def with_categories(content, names):
    categories = [{"id": i, "name": name} for i, name in names.items()]
    annotations = [
        content["annotations"][0] | {"id": i, "category_id": i} for i in names
    ]
    return content | {"categories": categories, "annotations": annotations}


def test_pictures_come_from_the_folder_that_the_json_is_named_after(tmp_path):
    for value, subset in enumerate(("train", "val"), start=1):
        write_picture(tmp_path / subset / "0001.png", value=value)
        content = coco("0001.png", image_id=value)
        write_json(tmp_path / "annotations" / f"my_{subset}.json", content)
    for value, subset in enumerate(("train", "val"), start=1):
        dataset = open_dataset(tmp_path, subset)
        assert dataset.load_image(0).max() == value
    # Also where another folder has more of the names.
    write_picture(tmp_path / "train" / "0002.png")
    content["images"].append(content["images"][0] | {"id": 9, "file_name": "0002.png"})
    write_json(tmp_path / "annotations" / "my_val.json", content)
    assert open_dataset(tmp_path, "val").load_image(0).max() == 2


def test_pictures_in_several_folders_without_a_name_are_asked_for(tmp_path):
    for value, folder in enumerate(("one", "two"), start=1):
        write_picture(tmp_path / folder / "a.png", value=value)
    write_json(tmp_path / "annotations" / "val.json", coco("a.png"))
    with pytest.raises(ValueError, match=r"lie in .*one, .*two; pass .*image_dir="):
        open_dataset(tmp_path)
    chosen = open_dataset(tmp_path, image_dir=tmp_path / "two")
    assert chosen.load_image(0).max() == 2
    write_picture(tmp_path / "images" / "a.png", value=3)
    assert open_dataset(tmp_path).load_image(0).max() == 3  # the usual folder


def test_pictures_beside_the_json_go_before_those_of_other_folders(tmp_path):
    for folder in ("set", "set/masks", "thumbnails"):
        write_picture(tmp_path / folder / "a.png")
    file = write_json(tmp_path / "set" / "x.json", coco("a.png"))
    assert find_image_dir(file, "x") == tmp_path / "set"


@pytest.mark.parametrize(
    ("file", "images", "found"),
    [
        ("train/x.json", ["train/sub/deep/a.jpg", "val/a.jpg"], "train/sub/deep/a.jpg"),
        ("train/x.json", ["train/a.JPG", "val/a.jpg"], "train/a.JPG"),
        ("train/x.json", ["train/b.jpg", "val/a.jpg"], None),
        ("one/x.json", ["one/b.jpg", "two/a.jpg", "two/y.json"], None),
        ("annotations/train.json", ["train/in/a.jpg", "val/a.jpg"], "train/in/a.jpg"),
        ("annotations/val.json", ["train/a.jpg"], "train/a.jpg"),
        ("annotations/instances_minival2014.json", ["val2014/a.jpg"], "val2014/a.jpg"),
        ("splits/val.json", ["train/a.jpg", "train/y.json"], "train/a.jpg"),
    ],
)
def test_images_of_another_subset_or_data_set_are_not_taken(
    tmp_path, file, images, found
):
    for image in images:
        if image.endswith(".json"):
            write_json(tmp_path / image, coco("a.jpg"))
        else:
            write_picture(tmp_path / image)
    file = write_json(tmp_path / file, coco("a.jpg"))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of the missing one
        dataset = open_dataset(file)
    path = Path(dataset.image_info[0]["path"])
    assert path.exists() == (found is not None)
    assert found is None or path == tmp_path / found


def test_classes_of_coco_have_one_number_in_all_subsets(tmp_path):
    for subset, names in {"train": {1: "a", 2: "b"}, "val": {1: "a", 3: "c"}}.items():
        write_picture(tmp_path / subset / f"{subset}.jpg")
        content = with_categories(coco(f"{subset}.jpg"), names)
        write_json(tmp_path / "annotations" / f"instances_{subset}.json", content)
    for subset, class_ids in {"train": [1, 2], "val": [1, 3]}.items():
        dataset = open_dataset(tmp_path, subset)
        assert dataset.class_names == ["BG", "a", "b", "c"]
        assert dataset.load_mask(0)[1].tolist() == class_ids
    assert open_dataset(tmp_path, "val", class_ids=[2, 3]).class_names[1:] == ["b", "c"]


@pytest.mark.parametrize(
    ("names", "reason"),
    [
        ({1: "b"}, r"category 1 is 'b' in .*val\.json, but 'a' in .*train\.json"),
        ({2: "a"}, r"category 2 is 'a' in .*val\.json, but 1 is it in .*train\.json"),
    ],
)
def test_categories_numbered_differently_are_refused(tmp_path, names, reason):
    files = [
        write_json(tmp_path / f"{subset}.json", with_categories(coco(), some))
        for subset, some in {"train": {1: "a"}, "val": names}.items()
    ]
    with pytest.raises(ValueError, match=reason):
        join_categories(files, "test")


def test_two_categories_of_one_name_in_a_file_are_left_as_they_are(tmp_path):
    content = with_categories(coco(), {0: "cells", 1: "cells"})  # Roboflow
    files = [write_json(tmp_path / f"{i}.json", content) for i in range(2)]
    assert join_categories(files, "test") == {0: "cells", 1: "cells"}


def test_categories_of_a_large_file_are_read_without_the_rest(tmp_path, monkeypatch):
    file = tmp_path / "a.json"
    content = {"info": {"categories": ["old"]}, **with_categories(coco(), {4: "d"})}
    text = json.dumps(content)
    file.write_text(text.replace("}]}", "}], rest"))  # parsing it would fail
    assert "rest" in file.read_text()
    monkeypatch.setattr(mrcnn.data.formats.coco.coco_json, "MAX_PARSED_BYTES", 10)
    assert join_categories([file], "test") == {4: "d"}


def test_ids_that_start_anew_in_each_subset_are_told_apart(tmp_path):
    for subset in ("train", "valid"):
        write_picture(tmp_path / subset / "a.jpg")
        write_json(tmp_path / subset / "_annotations.coco.json", coco())
    whole = open_dataset(tmp_path)
    assert [info["id"] for info in whole.image_info] == ["train/1", "valid/1"]
    assert len({info["path"] for info in whole.image_info}) == 2
    assert all(whole.load_mask(i)[0].any() for i in whole.image_ids)
    part = open_dataset(tmp_path, "val")  # a synonym
    assert [info["id"] for info in part.image_info] == [1]
    assert "valid/_annotations.coco.json" in part.format


def test_picture_that_comes_twice_in_one_file_is_refused(tmp_path):
    write_picture(tmp_path / "a.jpg")
    content = coco()
    content["images"].append(content["images"][0] | {"id": 2})
    write_json(tmp_path / "x.json", content)
    with pytest.raises(ValueError, match=r"a\.jpg \(image 2\) comes twice in x"):
        open_dataset(tmp_path)


def test_what_it_was_taken_for_is_limited_to_the_subset(tmp_path):
    for subset, names in {"train": ("a", "b"), "val": ("c",)}.items():
        for name in names:
            write_picture(tmp_path / "lm" / subset / f"{name}.jpg")
            content = labelme(f"{name}.jpg")
            write_json(tmp_path / "lm" / subset / f"{name}.json", content)
            write_picture(tmp_path / "li" / subset / "images" / f"{name}.jpg")
            write_picture(tmp_path / "li" / subset / "masks" / f"{name}.png", value=1)
    assert "(1 json files)" in open_dataset(tmp_path / "lm", "val").format
    text = open_dataset(tmp_path / "li", "val").format
    assert "val/images/c.jpg with val/masks/c.png" in text


def test_subset_of_a_single_label_image_is_no_mask_folder(tmp_path):
    for subset, count in {"train": 3, "val": 1}.items():
        for i in range(count):
            write_picture(tmp_path / subset / "images" / f"{i}.jpg")
            write_picture(tmp_path / subset / "masks" / f"{i}.png", value=i + 1)
    assert open_dataset(tmp_path, "train").num_images == 3
    assert open_dataset(tmp_path).format.startswith("label images")


def test_one_picture_a_folder_may_be_either(tmp_path):
    for name in ("a", "b"):
        write_picture(tmp_path / name / "images" / "x.png")
        write_picture(tmp_path / name / "masks" / "x.png", value=1)
    with pytest.raises(ValueError, match="several formats fit: 'mask_folders'"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, format="label_images").num_images == 2
    assert open_dataset(tmp_path, format="mask_folders").num_images == 2


def test_validation_folder_by_another_name_is_found(tmp_path):
    for name in ("train", "validation"):
        for image in ("x", "y"):
            home = tmp_path / name / f"{name}_{image}"
            write_picture(home / "images" / "p.png")
            write_picture(home / "masks" / "1.png", value=1)
    dataset = open_dataset(tmp_path, "val")
    ids = [info["id"] for info in dataset.image_info]
    assert ids == ["validation_x", "validation_y"]


def test_via_files_in_one_folder_agree_on_their_classes(tmp_path):
    for subset, label in {"train": "dog", "val": "cat"}.items():
        write_picture(tmp_path / f"{subset}.jpg")
        write_json(tmp_path / f"via_{subset}.json", via(f"{subset}.jpg", label))
    for subset, class_id in {"train": 2, "val": 1}.items():
        assert open_dataset(tmp_path, subset).load_mask(0)[1].tolist() == [class_id]


def test_xml_files_beside_the_pictures_are_said_to_be_vocs(tmp_path):
    folder = tmp_path / "pictures"
    folder.mkdir()
    Image.fromarray(np.zeros([8, 10], np.uint8)).save(folder / "a.jpg")
    (folder / "a.xml").write_text("<annotation></annotation>")
    # Another data set above it is not what was meant.
    write_picture(tmp_path / "other.jpg")
    write_json(tmp_path / "via.json", via("other.jpg", "dog"))
    with pytest.raises(ValueError, match=r"a\.xml is Pascal VOC's.*Annotations"):
        open_dataset(folder)


def test_other_files_beside_it_do_not_add_their_classes(tmp_path):
    for name in ("train", "val", "old_export"):
        write_picture(tmp_path / name / f"{name}.jpg")
    sets = {
        "cells_train": {1: "a"},
        "cells_val": {1: "a", 2: "b"},
        "old_export": {1: "a", 3: "c"},
    }
    for stem, names in sets.items():
        image = stem.removeprefix("cells_")
        content = with_categories(coco(f"{image}.jpg"), names)
        write_json(tmp_path / "annotations" / f"{stem}.json", content)
    with pytest.warns(UserWarning, match=r"old_export\.json has other classes and is"):
        assert open_dataset(tmp_path, "train").class_names == ["BG", "a", "b"]
    # One that contradicts it is another set without doubt, and no error.
    content = with_categories(coco("old_export.jpg"), {1: "z"})
    write_json(tmp_path / "annotations" / "old_export.json", content)
    assert open_dataset(tmp_path, "val").class_names == ["BG", "a", "b"]
    assert open_dataset(tmp_path, "old_export").class_names == ["BG", "z"]


def test_damaged_file_of_another_subset_does_not_stop_this_one(tmp_path):
    for subset in ("train", "val"):
        write_picture(tmp_path / subset / f"{subset}.jpg")
        content = coco(f"{subset}.jpg")
        write_json(tmp_path / "annotations" / f"{subset}.json", content)
    content["annotations"][0]["category_id"] = None
    write_json(tmp_path / "annotations" / "val.json", content)
    with pytest.warns(
        UserWarning, match=r"val\.json.*category_id is None.*not counted"
    ):
        assert open_dataset(tmp_path, "train").num_images == 1
    reason = r"val\.json.*annotations\[0\]\.category_id is None: an id is"
    with pytest.warns(UserWarning), pytest.raises(ValueError, match=reason):
        open_dataset(tmp_path, "val")


@pytest.mark.parametrize(
    ("stem", "other", "is_one"),
    [
        ("train2017", "val2017", True),
        ("cells_train", "cells-valid", True),
        ("cells", "cells_test", True),
        ("fold1", "fold_2", True),
        ("my_train_v1", "my_val_v1", True),
        ("train_v1", "train_v2", False),
        ("cells_train", "mice_train", False),
        ("trainers", "validators", False),
    ],
)
def test_names_of_files_of_one_set(stem, other, is_one):
    assert of_one_set(stem, [other]) == of_one_set(other, [stem]) == is_one


def test_pictures_of_another_data_set_beside_it_are_not_taken(tmp_path):
    content = coco("1.png")
    content["images"].append(content["images"][0] | {"id": 2, "file_name": "2.png"})
    write_json(tmp_path / "mine" / "a.json", content)
    write_picture(tmp_path / "mine" / "1.png", value=1)  # the second one is missing
    for name in ("1.png", "2.png"):
        write_picture(tmp_path / "other" / name, value=2)
    dataset = open_dataset(tmp_path / "mine")
    assert dataset.load_image(0).max() == 1
    assert dataset.validate().counts()["missing file"] == 1
