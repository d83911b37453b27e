from __future__ import annotations

import json
import logging
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest

import mrcnn.data
from mrcnn.data import CocoDataset, open_dataset, to_coco
from tests.data.written import coco, labelme, via, write_json, write_picture

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

# From SOURCES.md of the shared data: folder, subset, images, objects, crowds, classes.
COUNTS = [
    ("balloon", None, 74, 305, 0, 1),
    ("balloon", "train", 61, 255, 0, 1),
    ("balloon", "val", 13, 50, 0, 1),
    ("coco_tiny", None, 160, 1503, 17, 80),
    ("coco_tiny", "train", 80, 705 - 6, 6, 80),
    ("coco_tiny", "val", 80, 815 - 11, 11, 80),
    ("nucleus", None, 172, 5703, 0, 1),
    ("nucleus", "stage1_train", 172, 5703, 0, 1),
    ("nucleus", "train", 147, 4201, 0, 1),
    ("nucleus", "val", 25, 1502, 0, 1),
    ("voc_mini", None, 44, 115, 0, 20),
    ("voc_mini", "train", 20, 60, 0, 20),
    ("voc_mini", "val", 24, 55, 0, 20),
    ("labelme_nuts", None, 18, 165, 0, 3),
    ("labelme_nuts", "train", 14, 125, 0, 3),
    ("labelme_nuts", "val", 4, 40, 0, 3),
]
FORMATS = {
    "balloon": "VIA json",
    "coco_tiny": "COCO json",
    "nucleus": "mask folders",
    "voc_mini": "Pascal VOC",
    "labelme_nuts": "LabelMe",
}


@pytest.mark.parametrize(
    ("name", "subset", "images", "objects", "crowds", "classes"), COUNTS
)
def test_shared_data_opens_without_a_hint(
    shared, name, subset, images, objects, crowds, classes
):
    dataset = open_dataset(shared / "data" / name, subset)
    counts = dataset.count_annotations()
    assert dataset.num_images == len(dataset.image_ids) == images
    assert counts.objects.sum() == objects
    assert counts.crowds.sum() == crowds
    assert dataset.num_classes == classes + 1
    assert all(Path(info["path"]).is_file() for info in dataset.image_info)
    assert dataset.format.startswith(FORMATS[name])
    assert f"{images} images, {objects} objects" in dataset.format


def test_annotations_without_pictures_open_with_a_warning(shared):
    with pytest.warns(UserWarning, match="the image files are not there"):
        dataset = open_dataset(shared / "data" / "eval_coco100")
    counts = dataset.count_annotations()
    assert (dataset.num_images, counts.crowds.sum()) == (100, 9)
    masks, class_ids = dataset.load_mask(0)
    assert masks.any(axis=(0, 1)).all()
    assert len(class_ids) == masks.shape[-1] > 0


@pytest.mark.filterwarnings("ignore:.*the image files are not there")
@pytest.mark.parametrize(
    ("name", "step"),
    [
        *((name, 1) for name in FORMATS if name != "nucleus"),
        ("eval_coco100", 1),
        ("nucleus", 8),  # images; its 5703 files take 10 s to decode
        pytest.param("nucleus", 1, marks=pytest.mark.slow),
    ],
)
def test_written_as_coco_and_read_back_masks_are_equal(shared, tmp_path, name, step):
    dataset = open_dataset(shared / "data" / name)
    image_ids = dataset.image_ids[::step]
    objects = {i: dataset.objects(i) for i in image_ids}
    dataset.load_object_crops = objects.__getitem__  # decode each file once
    to_coco(dataset, tmp_path / "all.json", image_ids, image_dir=shared / "data")
    back = CocoDataset()
    back.load_json(tmp_path / "all.json", shared / "data")
    back.prepare()
    assert back.class_names == dataset.class_names
    assert back.num_images == len(image_ids)
    for new_id, image_id in enumerate(image_ids):
        expected, received = objects[image_id], back.objects(new_id)
        np.testing.assert_array_equal(received.class_ids, expected.class_ids)
        np.testing.assert_array_equal(received.boxes, expected.boxes)
        for new, old in zip(received.crops, expected.crops, strict=True):
            np.testing.assert_array_equal(new.mask, old.mask)
        info = dataset.image_info[image_id]
        assert Path(back.image_info[new_id]["path"]) == Path(info["path"])


def test_what_it_was_taken_for_is_logged(tmp_path, caplog):
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "x.json", coco())
    with caplog.at_level(logging.INFO, logger="mrcnn"):
        dataset = open_dataset(tmp_path)
    assert dataset.format == "COCO json (x.json): 1 images, 1 objects, class cat"
    assert dataset.format in caplog.text
    assert str(tmp_path) in caplog.text


def test_what_it_was_taken_for_is_printed_unless_not_wanted(tmp_path, capsys):
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "x.json", coco())
    dataset = open_dataset(tmp_path)
    assert f"taken for {dataset.format}" in capsys.readouterr().out
    open_dataset(tmp_path, verbose=0)
    assert capsys.readouterr().out == ""


def test_two_formats_in_a_folder_are_named_and_one_can_be_chosen(tmp_path):
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "via.json", via())
    write_json(tmp_path / "coco.json", coco())
    with pytest.raises(ValueError, match=r"'coco' \(coco.json\); 'via' \(via.json\)"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, format="via").format.startswith("VIA json")
    assert open_dataset(tmp_path, format="coco").format.startswith("COCO json")


def test_json_files_of_other_kinds_do_not_disturb(tmp_path):
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "via.json", via())
    write_json(tmp_path / "classes.json", ["cat"])
    write_json(tmp_path / "results.json", [{"image_id": 1, "score": 0.5}])
    (tmp_path / "broken.json").write_text("{")
    assert open_dataset(tmp_path).num_images == 1


def test_subset_tells_two_formats_apart(tmp_path):
    for name, content in {"train": via(), "test": coco()}.items():
        write_picture(tmp_path / name / "a.jpg")
        write_json(tmp_path / name / "annotations.json", content)
    with pytest.raises(ValueError, match="several formats fit"):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, "train").format.startswith("VIA json")
    assert open_dataset(tmp_path, "test").format.startswith("COCO json")


def test_label_images_beside_are_outdone_by_annotations(tmp_path):
    write_picture(tmp_path / "a.jpg")
    write_picture(tmp_path / "a.png", value=1)
    assert open_dataset(tmp_path).format.startswith("label images")
    write_json(tmp_path / "via.json", via())
    assert open_dataset(tmp_path).format.startswith("VIA json")
    chosen = open_dataset(tmp_path, format="label_images")
    assert chosen.load_mask(0)[0].all()


def test_format_that_does_not_fit_says_what_it_looks_for(tmp_path):
    write_json(tmp_path / "via.json", via())
    with pytest.raises(ValueError, match=r"Annotations/\*.xml.*looks like via"):
        open_dataset(tmp_path, format="voc")
    with pytest.raises(ValueError, match="format='yolo' is unknown; use one of coco"):
        open_dataset(tmp_path, format="yolo")


def test_empty_folder_lists_the_formats(tmp_path):
    with pytest.raises(ValueError, match="found nothing") as caught:
        open_dataset(tmp_path)
    for name in ("coco", "via", "voc", "labelme", "mask_folders", "label_images"):
        assert f"\n  {name}: " in str(caught.value)


def test_json_of_unknown_kind_is_described(tmp_path):
    write_json(tmp_path / "config.json", {"lr": 1, "epochs": 2})
    with pytest.raises(ValueError, match="config.json is json with the keys 'lr', 'ep"):
        open_dataset(tmp_path)
    with pytest.raises(ValueError, match="is json with the keys 'lr'.*neither COCO"):
        open_dataset(tmp_path / "config.json")


def test_damaged_json_is_named_with_the_place_and_what_to_do(tmp_path):
    path = tmp_path / "via.json"
    path.write_text(json.dumps(via())[:-9])
    with pytest.raises(
        ValueError, match="via.json is no valid json, it is damaged: re"
    ):
        open_dataset(tmp_path)
    with pytest.raises(
        ValueError, match=r"via.json'\): no valid json .*line 1.*repair"
    ):
        open_dataset(path)


def test_missing_folder_tells_what_the_folder_above_holds(tmp_path):
    (tmp_path / "balloon").mkdir()
    with pytest.raises(FileNotFoundError, match=r"holds 1 folder \(balloon\)"):
        open_dataset(tmp_path / "baloon" / "train")


def test_file_instead_of_a_folder(tmp_path):
    picture = write_picture(tmp_path / "a.jpg")
    with pytest.raises(ValueError, match="is a file; pass the folder"):
        open_dataset(picture)
    archive = tmp_path / "data.zip"
    archive.write_bytes(b"PK")
    with pytest.raises(ValueError, match="is an archive; unpack it"):
        open_dataset(archive)
    single = write_json(tmp_path / "a.json", labelme())
    with pytest.raises(ValueError, match="is a LabelMe json, of one image; pass its"):
        open_dataset(single)
    file = write_json(tmp_path / "via.json", via())
    with pytest.raises(ValueError, match="is a file, which has no subsets"):
        open_dataset(file, "val")
    assert open_dataset(file).format.startswith("VIA json (via.json)")


def test_folder_one_level_too_high_names_the_right_one(shared, tmp_path):
    # Two levels above the json files of balloon/train.
    (tmp_path / "downloads").mkdir()
    shutil.copytree(shared / "data" / "balloon" / "val", tmp_path / "downloads" / "val")
    (tmp_path / "other").mkdir()
    with pytest.raises(ValueError, match=r"pass '.*downloads' \(VIA json, subset val"):
        open_dataset(tmp_path)
    (tmp_path / "all").mkdir()
    for name in (*FORMATS, "eval_coco100"):
        (tmp_path / "all" / name).symlink_to(shared / "data" / name)
    with pytest.raises(ValueError, match="several data sets: balloon, coco_tiny, eval"):
        open_dataset(tmp_path / "all")


@pytest.mark.parametrize(
    ("too_low", "right"),
    [
        ("coco_tiny/train2017", r"coco_tiny' \(COCO json, subset train2017 or val2017"),
        ("voc_mini/VOCdevkit/VOC2007/JPEGImages", r"VOC2007' \(Pascal VOC, subset "),
        ("nucleus/stage1_train/{}", r"stage1_train' \(mask folders"),
        ("nucleus/stage1_train/{}/masks", r"stage1_train' \(mask folders"),
    ],
)
def test_folder_one_level_too_low_names_the_right_one(shared, too_low, right):
    image_id = "00071198d059ba7f5914a526d124d28e6d010c92466da21d4a04cd5413362552"
    with pytest.raises(ValueError, match=right):
        open_dataset(shared / "data" / too_low.format(image_id))


@pytest.mark.parametrize(
    ("inner", "images", "objects"),
    [
        ("balloon/train", 61, 255),
        ("coco_tiny/annotations", 160, 1503),
        ("nucleus/stage1_train", 172, 5703),
        ("voc_mini/VOCdevkit", 44, 115),
        ("voc_mini/VOCdevkit/VOC2007", 44, 115),
        ("labelme_nuts/val", 4, 40),
    ],
)
def test_inner_folders_that_are_complete_open_too(shared, inner, images, objects):
    dataset = open_dataset(shared / "data" / inner)
    assert dataset.num_images == images
    assert dataset.count_annotations().objects.sum() == objects
    assert all(Path(info["path"]).is_file() for info in dataset.image_info)


def test_unknown_subset_lists_the_known(shared):
    with pytest.raises(ValueError, match="choose among VIA json: train, val"):
        open_dataset(shared / "data" / "balloon", "test")
    with pytest.raises(FileNotFoundError, match="there is train, trainval, val"):
        open_dataset(shared / "data" / "voc_mini", "test")
    with pytest.raises(ValueError, match="names there: stage1_train, upstream"):
        open_dataset(shared / "data" / "nucleus", "test")
    with pytest.raises(FileNotFoundError, match="50 of the 50 ids .* no folder"):
        open_dataset(shared / "data" / "nucleus", "heldout")


def test_subset_that_fits_two_years_must_be_told(tmp_path):
    for year, name in {2014: "a.jpg", 2017: "b.jpg"}.items():
        write_picture(tmp_path / f"train{year}" / name)
        content = coco(name, image_id=year)
        write_json(tmp_path / "annotations" / f"instances_train{year}.json", content)
    with pytest.raises(ValueError, match="train2014, train2017 all fit"):
        open_dataset(tmp_path, "train")
    dataset = open_dataset(tmp_path, "train2017")
    assert dataset.image_info[0]["path"] == str(tmp_path / "train2017" / "b.jpg")
    assert open_dataset(tmp_path).num_images == 2


def test_subsets_that_share_images_are_not_opened_together(tmp_path):
    write_picture(tmp_path / "images" / "a.jpg")
    for name in ("val", "minival"):
        write_json(tmp_path / "annotations" / f"instances_{name}2014.json", coco())
    with pytest.raises(
        ValueError, match="a.jpg .image 1. is in minival2014 and in val2"
    ):
        open_dataset(tmp_path)
    assert open_dataset(tmp_path, "val").num_images == 1
    assert "minival" in open_dataset(tmp_path, "minival").format


def test_keypoints_of_the_same_images_are_not_a_second_set(tmp_path):
    write_picture(tmp_path / "val2017" / "a.jpg")
    write_json(tmp_path / "annotations" / "instances_val2017.json", coco())
    write_json(tmp_path / "annotations" / "person_keypoints_val2017.json", coco())
    captions = {"images": [], "annotations": []}
    write_json(tmp_path / "annotations" / "captions_val2017.json", captions)
    assert open_dataset(tmp_path).num_images == 1


@pytest.mark.parametrize(
    ("annotations", "picture"),
    [
        ("train/_annotations.coco.json", "train/a.jpg"),  # Roboflow
        ("annotations.json", "images/a.jpg"),
        ("labels.json", "data/a.jpg"),  # FiftyOne
        ("annotations/instances_train.json", "images/train/a.jpg"),  # CVAT
        ("annotations/train.json", "train/a.jpg"),
        ("train.json", "train/a.jpg"),
    ],
)
def test_pictures_of_a_coco_json_are_found(tmp_path, annotations, picture):
    write_picture(tmp_path / picture)
    write_json(tmp_path / annotations, coco())
    dataset = open_dataset(tmp_path)
    assert dataset.load_image(0).shape == (8, 10, 3)
    assert dataset.load_mask(0)[0].sum() == 16


def test_classes_of_via_and_labelme_have_one_number_in_all_subsets(tmp_path):
    for kind, make in {"via": via, "labelme": labelme}.items():
        for subset, label in {"train": "dog", "val": "cat"}.items():
            write_picture(tmp_path / kind / subset / "a.jpg")
            content = make(label=label)
            write_json(tmp_path / kind / subset / f"{kind}.json", content)
        for subset, class_id in {"train": 2, "val": 1}.items():
            dataset = open_dataset(tmp_path / kind, subset)
            assert dataset.class_names == ["BG", "cat", "dog"]
            assert dataset.load_mask(0)[1].tolist() == [class_id]


def test_subset_may_be_a_folder_of_its_own_layout(tmp_path):
    for subset in ("train", "val"):
        write_picture(tmp_path / subset / "images" / "a.jpg")
        write_picture(tmp_path / subset / "labels" / "a.png", value=3)
    assert open_dataset(tmp_path, "val").num_images == 1
    whole = open_dataset(tmp_path)
    assert [info["id"] for info in whole.image_info] == ["train/a", "val/a"]
    write_picture(tmp_path / "deep" / "test" / "x" / "images" / "x.png")
    write_picture(tmp_path / "deep" / "test" / "x" / "masks" / "1.png", value=1)
    dataset = open_dataset(tmp_path / "deep", "test")
    assert dataset.format.startswith("mask folders (test): subset test, 1 images, 1 ob")


def test_keywords_reach_the_loader(shared):
    balloons = open_dataset(shared / "data" / "balloon", "val", class_name="balloon")
    assert balloons.class_names == ["BG", "balloon"]
    people = open_dataset(shared / "data" / "coco_tiny", "val", class_ids=[1])
    assert people.class_names == ["BG", "person"]
    assert 0 < people.num_images < 80


def test_public_names_are_there_and_load_when_asked():
    for name in mrcnn.data.__all__:
        value = getattr(mrcnn.data, name)
        assert name.isupper() or value.__name__ == name
    with pytest.raises(AttributeError, match="attribute CoccoDataset"):
        mrcnn.data.CoccoDataset  # noqa: B018
    code = (
        "import sys; import mrcnn.data; "
        "lazy = 'mrcnn.data.formats.coco.coco_dataset' not in sys.modules;"
        "mrcnn.data.open_dataset; print(lazy, 'tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, check=True
    )
    assert result.stdout.split() == ["True", "False"]
