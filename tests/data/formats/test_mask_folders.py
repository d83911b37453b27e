from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.mask_folders import (
    MaskFolderDataset,
    find_mask_folders,
    read_split,
)
from mrcnn.data.outlines import mask_files

SPLIT = {"all": ["a", "b", "c"], "my_validation_ids": ["b"], "elsewhere": ["z"]}


def add(home, image_id, masks=(), name=None):
    """Writes a picture of 8 x 10 px and its masks, each a slice or None (empty)."""
    folder = home / image_id
    (folder / "images").mkdir(parents=True, exist_ok=True)
    picture = Image.new("RGBA", (10, 8), (1, 2, 3, 200))
    picture.save(folder / "images" / f"{name or image_id}.png")
    for i, rows in enumerate(masks):
        (folder / "masks").mkdir(exist_ok=True)
        mask = np.zeros([8, 10], np.uint8)
        if rows is not None:
            mask[rows] = 255
        Image.fromarray(mask).save(folder / "masks" / f"{i}.png")


def load(root, *args, **kwargs):
    dataset = MaskFolderDataset()
    dataset.load_mask_folders(root, *args, **kwargs)
    dataset.prepare()
    return dataset


def ids(dataset):
    return [info["id"] for info in dataset.image_info]


def test_every_file_is_an_object_and_may_overlap_others(tmp_path):
    add(tmp_path, "a", [slice(0, 3), slice(2, 5), None])
    dataset = load(tmp_path, class_name="cell")
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 1, 1]
    assert masks.sum(axis=(0, 1)).tolist() == [30, 30, 0]
    assert masks[2, :, :2].all()  # both
    assert dataset.class_names == ["BG", "cell"]
    assert dataset.load_image(0)[0, 0].tolist() == [1, 2, 3]  # RGBA


def test_subsets_of_label_images_are_no_mask_folders(tmp_path):
    add(tmp_path, "train", [slice(0, 3)])
    add(tmp_path, "val", [slice(0, 3)])
    assert find_mask_folders(tmp_path) == [tmp_path]  # one picture each
    (tmp_path / "val" / "masks" / "0.png").rename(
        tmp_path / "val" / "masks" / "val.png"
    )
    (tmp_path / "train" / "masks" / "0.png").rename(
        tmp_path / "train" / "masks" / "train.png"
    )
    assert find_mask_folders(tmp_path) == [tmp_path]
    add(tmp_path, "train", name="another")
    assert find_mask_folders(tmp_path) == []
    (tmp_path / "val" / "masks" / "val.png").rename(
        tmp_path / "val" / "masks" / "0.png"
    )
    assert find_mask_folders(tmp_path) == [tmp_path]


def test_real_masks_that_overlap_are_both_kept(shared):
    root = shared / "data" / "nucleus" / "stage1_train"
    image_id = "1609b1b8480ee52652a644403b3f7d5511410a016750aa3b9a4c8ddb3e893e8e"
    dataset = load(root, "one", split={"one": [image_id]})
    masks, _ = dataset.load_mask(0)
    files = sorted((root / image_id / "masks").iterdir())
    assert masks.shape == (360, 360, len(files)) == (360, 360, 20)
    for i, path in enumerate(files):
        np.testing.assert_array_equal(masks[..., i], np.asarray(Image.open(path)) > 0)
    assert (masks.sum(axis=-1) > 1).sum() == 1


def test_image_without_masks_has_no_object(tmp_path):
    add(tmp_path, "a", [slice(0, 3)])
    add(tmp_path, "b")
    dataset = load(tmp_path)
    assert ids(dataset) == ["a", "b"]
    assert dataset.load_mask(1)[0].shape == (8, 10, 0)


def test_subset_is_a_folder_or_a_name_of_the_split(tmp_path):
    for image_id in "abc":
        add(tmp_path / "stage1_train", image_id, [slice(0, 3)])
    add(tmp_path / "stage1_test", "t")
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    assert ids(load(tmp_path)) == ["a", "b", "c"]
    assert ids(load(tmp_path, "stage1_test")) == ["t"]  # no masks anywhere
    assert ids(load(tmp_path, "my_validation_ids")) == ["b"]
    assert ids(load(tmp_path, "val")) == ["b"]
    assert ids(load(tmp_path, "train")) == ["a", "c"]
    # The split above the folder counts too.
    assert ids(load(tmp_path / "stage1_train", "val")) == ["b"]
    assert ids(load(tmp_path, "x", split={"x": ["c"]})) == ["c"]


def test_train_and_val_of_the_shared_nuclei_are_disjoint(shared):
    parts = [set(ids(load(shared / "data" / "nucleus", s))) for s in ("train", "val")]
    assert [len(part) for part in parts] == [147, 25]
    assert not parts[0] & parts[1]


def test_unknown_subset_and_missing_ids_are_told(tmp_path):
    add(tmp_path, "a", [slice(0, 3)])
    with pytest.raises(ValueError, match="there is no split.json"):
        load(tmp_path, "val")
    (tmp_path / "split.json").write_text(json.dumps(SPLIT))
    with pytest.raises(ValueError, match="names there: all, my_validation_ids"):
        load(tmp_path, "test")
    with pytest.raises(FileNotFoundError, match="1 of the 1 ids .* example 'z'"):
        load(tmp_path, "elsewhere")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load(tmp_path, "val", split=tmp_path / "nope.json")


@pytest.mark.parametrize("content", ["{", "[]", '{"val": "a"}'])
def test_damaged_split_is_named(tmp_path, content):
    (tmp_path / "split.json").write_text(content)
    with pytest.raises(ValueError, match="split.json"):
        read_split(tmp_path)


def test_same_image_in_two_folders_must_be_chosen(tmp_path):
    for home in ("one", "two"):
        add(tmp_path / home, "a", [slice(0, 3)])
    with pytest.raises(ValueError, match="choose one of the folders one, two"):
        load(tmp_path)
    assert load(tmp_path, "two").num_images == 1


def test_picture_may_have_another_name_but_must_be_one(tmp_path):
    add(tmp_path, "a", [slice(0, 3)], name="photo")
    assert load(tmp_path).image_info[0]["path"].endswith("photo.png")
    add(tmp_path, "a", name="photo2")
    with pytest.raises(FileNotFoundError, match="no <id>/images/"):
        load(tmp_path)  # the layout of another format
    add(tmp_path, "b", [slice(0, 3)])
    with pytest.raises(ValueError, match="holds 2 images"):
        load(tmp_path)
    add(tmp_path, "a", name="a")
    assert load(tmp_path).image_info[0]["path"].endswith("a.png")


def test_mask_of_another_size_is_named(tmp_path):
    add(tmp_path, "a", [slice(0, 3)])
    Image.new("L", (8, 10)).save(tmp_path / "a" / "masks" / "0.png")
    with pytest.raises(ValueError, match=r"0.png.* is \(10, 8\)"):
        load(tmp_path).load_mask(0)


def test_places_are_found_here_and_one_level_below(tmp_path):
    add(tmp_path / "train", "a", [slice(0, 3)])
    assert find_mask_folders(tmp_path) == [tmp_path / "train"]
    assert find_mask_folders(tmp_path / "train") == [tmp_path / "train"]
    assert find_mask_folders(tmp_path / "train" / "a") == []
    assert find_mask_folders(tmp_path / "nope") == []
    with pytest.raises(FileNotFoundError, match="pass the folder that holds one fold"):
        load(tmp_path / "train" / "a")


def save_stack(path, *masks):
    first, *others = [Image.fromarray(m.astype(np.uint8) * 255) for m in masks]
    first.save(path, save_all=True, append_images=others)


@pytest.mark.parametrize("name", ["stack.tif", "stack.gif"])
def test_each_page_of_a_stack_is_an_object(tmp_path, name):
    add(tmp_path, "a", [slice(0, 3)])
    stack = np.zeros([3, 8, 10], bool)
    stack[0, 1:3], stack[1, 2:6, 4:], stack[2, 7] = True, True, True
    save_stack(tmp_path / "a" / "masks" / name, *stack)
    masks, _ = load(tmp_path).load_mask(0)
    assert masks.shape == (8, 10, 4)
    np.testing.assert_array_equal(masks[..., 1:], stack.transpose(1, 2, 0))


def test_stack_is_decoded_once_for_its_objects(tmp_path, monkeypatch):
    add(tmp_path, "a")
    (tmp_path / "a" / "masks").mkdir()
    pages = np.arange(1, 7)[:, None, None] > np.indices([8, 10])[0]
    save_stack(tmp_path / "a" / "masks" / "all.tif", *pages)
    dataset, read, calls = load(tmp_path), mask_files.read_pages, []
    monkeypatch.setattr(
        mask_files, "read_pages", lambda path: calls.append(path) or read(path)
    )
    areas = dataset.load_mask(0)[0].sum(axis=(0, 1))
    assert areas.tolist() == [10, 20, 30, 40, 50, 60]
    assert len(calls) == 1


def test_damaged_stack_is_one_object_that_is_told(tmp_path):
    add(tmp_path, "a", [slice(0, 3)])
    (tmp_path / "a" / "masks" / "1.tif").write_bytes(b"II*")
    dataset = load(tmp_path)
    (problem,) = dataset.validate().errors
    assert problem.kind == "unreadable masks" and problem.path.endswith("1.tif")


def test_connected_parts_are_objects_if_asked_for(tmp_path):
    add(tmp_path, "a", [slice(0, 7, 3), slice(2, 5)])
    assert load(tmp_path).load_mask(0)[0].shape == (8, 10, 2)
    masks, _ = load(tmp_path, separate=True).load_mask(0)
    assert masks.sum(axis=(0, 1)).tolist() == [10, 10, 10, 30]


def test_masks_in_files_that_are_no_images_are_told(tmp_path):
    add(tmp_path, "a", [slice(0, 3)])
    for name in ("1.npy", "Thumbs.db", ".hidden"):
        (tmp_path / "a" / "masks" / name).write_bytes(b"")
    with pytest.warns(UserWarning, match=r"1 files in masks/ .* 1\.npy, and are left"):
        assert load(tmp_path).load_mask(0)[0].shape == (8, 10, 1)
