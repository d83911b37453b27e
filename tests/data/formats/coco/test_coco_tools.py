"""COCO json as annotation tools write it, where they differ from COCO."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.coco.coco_dataset import CocoDataset
from mrcnn.data.formats.open_dataset import open_dataset
from tests.data.written import coco, write_json, write_picture

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def changed(annotation=None, image=None, categories=None):
    """A file of one object, with other values."""
    content = coco()
    content["annotations"][0] |= annotation or {}
    content["images"][0] |= image or {}
    return content | ({} if categories is None else {"categories": categories})


def load(tmp_path, content, **kwargs):
    path = write_json(tmp_path / "a.json", content)
    dataset = CocoDataset()
    dataset.load_json(path, tmp_path, **kwargs)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize(
    ("flag", "is_crowd"),
    [
        *(("0", False), ("1", True), ("false", False), ("true", True), (None, False)),
        *(("", False), (0.0, False), (1, True), (False, False), (" 0 ", False)),
    ],
)
def test_iscrowd_may_be_a_text(tmp_path, flag, is_crowd):
    dataset = load(tmp_path, changed({"iscrowd": flag}))
    assert dataset.load_mask(0)[1].tolist() == [-1 if is_crowd else 1]
    counts = dataset.count_annotations()
    assert (counts.objects[1], counts.crowds[1]) == (not is_crowd, is_crowd)
    # pycocotools takes every text for true.
    returned = CocoDataset().load_json(tmp_path / "a.json", tmp_path, return_coco=True)
    assert returned.loadAnns([1])[0]["iscrowd"] in (0, 1)


@pytest.mark.parametrize("flag", ["perhaps", 2, -1, [0], {"a": 1}, 0.5])
def test_iscrowd_that_is_no_flag_is_refused(tmp_path, flag):
    with pytest.raises(ValueError, match=r"a\.json.*annotations\[0\]\.iscrowd is "):
        load(tmp_path, changed({"iscrowd": flag}))


def test_ids_of_another_type_are_those_that_read_alike(tmp_path):
    content = changed({"image_id": "0", "category_id": "7"}, {"id": 0})
    content["categories"] = [{"id": 7, "name": "Date"}] * 2  # VIA lists them twice
    dataset = load(tmp_path, content)
    assert dataset.load_mask(0)[1].tolist() == [1]
    assert dataset.class_names == ["BG", "Date"]
    content["images"].append({"id": "00", "file_name": "b.jpg"})
    content["annotations"][0]["image_id"] = 0.0
    assert load(tmp_path, content).count_annotations([0]).objects[1] == 1
    # Both 0 and "0" are there: each is itself.
    content["images"][1]["id"] = "0"
    content["annotations"][0]["image_id"] = "0"
    assert load(tmp_path, content).count_annotations([1]).objects[1] == 1


@pytest.mark.parametrize(
    "segmentation",
    [
        [2, 2, 6, 2, 6, 6, 2, 6],
        ["2", "2", "6", "2", "6", "6", "2", "6.0"],
        [[2, 2], [6, 2], [6, 6], [2, 6]],
        [[[2, 2], [6, 2], [6, 6], [2, 6]]],
        [[2, 2, 6, 2, 6, 6, 2, 6], []],
    ],
)
def test_one_ring_in_the_forms_of_several_tools(tmp_path, segmentation):
    masks, _ = load(tmp_path, changed({"segmentation": segmentation})).load_mask(0)
    expected = np.zeros([8, 10], bool)
    expected[2:6, 2:6] = True
    assert np.array_equal(masks[..., 0], expected)


@pytest.mark.parametrize("segmentation", [[], [[]], [[], []], None])
def test_empty_outline_beside_a_box_is_none(tmp_path, segmentation):
    content = changed({"segmentation": segmentation})
    assert load(tmp_path, content, boxes_as_masks=True).load_mask(0)[0].sum() == 16
    with pytest.warns(UserWarning, match="1 of 1 objects have no segmentation"):
        assert load(tmp_path, content).load_mask(0)[0].sum() == 0


def test_box_that_cvat_turned(tmp_path):
    turned = {"segmentation": [], "bbox": [30, 20, 40, 20], "area": 800}
    turned["attributes"] = {"occluded": False, "rotation": 45.0}
    content = changed(turned, {"height": 64, "width": 96})
    dataset = load(tmp_path, content, boxes_as_masks=True)
    masks, _ = dataset.load_mask(0)
    # Shapely: the corners; 800 px within them, and those that the outline touches.
    corners = [(37.07, 71.21), (51.21, 57.07), (22.93, 28.79), (8.79, 42.93)]
    rings = dataset.load_annotations(0)[0].shape.rings
    found = sorted(np.round(rings[0], 2).tolist())
    assert np.allclose(found, sorted(corners)) and masks.sum() == 826
    # The box of the evaluation is that of the turned one.
    box = dataset.load_annotations(0)[0].extra["bbox"]
    assert np.allclose(box, [28.79, 8.79, 42.43, 42.43], atol=0.01)
    for rotation, area in {0: 800, 180.0: 800, None: 800, "90": 800, -90: 800}.items():
        content["annotations"][0]["attributes"] = {"rotation": rotation}
        loaded = load(tmp_path, content, boxes_as_masks=True)
        assert abs(loaded.load_mask(0)[0].sum() - area) < 40
    content["annotations"][0]["attributes"] = {"rotation": "left"}
    with pytest.raises(ValueError, match=r"attributes\.rotation is 'left'"):
        load(tmp_path, content, boxes_as_masks=True).load_mask(0)


ROOT = [
    {"id": 0, "name": "cells", "supercategory": "none"},
    {"id": 1, "name": "round", "supercategory": "cells"},
    {"id": 2, "name": "cells", "supercategory": "cells"},
]


def test_root_category_of_roboflow_is_no_class(tmp_path):
    dataset = load(tmp_path, changed(categories=ROOT))
    assert dataset.class_names == ["BG", "round", "cells"]
    assert dataset.load_mask(0)[1].tolist() == [1]
    # It is one when it has objects or is asked for, and when it is not above all.
    used = changed({"category_id": 0}, categories=ROOT[:2])
    assert load(tmp_path, used).class_names == ["BG", "cells", "round"]
    asked = load(tmp_path, changed(categories=ROOT), class_ids=[0, 1])
    assert asked.class_names == ["BG", "cells", "round"]
    other = [*ROOT, {"id": 3, "name": "dust", "supercategory": "none"}]
    names = load(tmp_path, changed(categories=other)).class_names
    assert names == ["BG", "cells", "round", "cells", "dust"]
    alone = load(tmp_path, changed({"category_id": 0}, categories=ROOT[:1]))
    assert alone.class_names == ["BG", "cells"]


@pytest.mark.parametrize("limit", [10, 1 << 20])
def test_root_category_with_objects_in_one_subset_is_a_class_in_all(
    tmp_path, monkeypatch, limit
):
    module = "mrcnn.data.formats.coco.coco_json.MAX_PARSED_BYTES"
    monkeypatch.setattr(module, limit)
    for i, subset in enumerate(("train", "valid")):
        write_picture(tmp_path / subset / "a.jpg", value=i)
        content = changed(categories=ROOT[:2])
        write_json(tmp_path / subset / "_annotations.coco.json", content)
    assert open_dataset(tmp_path, "train").class_names == ["BG", "round"]
    content["annotations"][0]["category_id"] = 0
    write_json(tmp_path / "valid" / "_annotations.coco.json", content)
    for subset in ("train", "valid"):
        assert open_dataset(tmp_path, subset).class_names == ["BG", "cells", "round"]


def test_two_categories_of_one_name_are_refused_where_both_have_objects(tmp_path):
    content = changed(categories=[{"id": 1, "name": "cell"}, {"id": 5, "name": "cell"}])
    assert load(tmp_path, content).num_classes == 3
    content["annotations"].append(content["annotations"][0] | {"category_id": 5})
    with pytest.raises(ValueError, match="categories 1 and 5 are both named 'cell'"):
        load(tmp_path, content)
    assert load(tmp_path, content, class_ids=[1]).num_classes == 2
    content["categories"][1] = {"id": 1, "name": "dust"}
    with pytest.raises(ValueError, match="category 1 is 'cell' and 'dust'"):
        load(tmp_path, content)


def test_categories_without_names_and_ids_of_both_types(tmp_path):
    categories = [{"id": "b", "name": None}, {"id": 1}, {"id": "a", "name": 3}]
    assert load(tmp_path, changed(categories=categories)).class_names[1:] == [
        *("1", "3", "b")
    ]


@pytest.mark.parametrize(
    ("name", "file"),
    [
        ("images\\a b.png", "images/a b.png"),
        ("/data/local-files/?d=images/my%20cell.png", "images/my cell.png"),
        ("C:\\cells\\1a2b3c4d-a.png", "sub/A.PNG"),
        ("https://my.server/a.png", None),
    ],
)
def test_images_are_found_as_other_machines_name_them(tmp_path, name, file):
    if file is not None:
        write_picture(tmp_path / file)
    write_json(tmp_path / "result.json", changed(image={"file_name": name}))
    dataset = open_dataset(tmp_path)
    path = name if file is None else str(tmp_path / file)
    assert dataset.image_info[0]["path"] == path


@pytest.mark.parametrize("encoding", ["utf-16", "utf-8-sig", "utf-32"])
def test_file_in_another_encoding_is_read(tmp_path, encoding):
    content = changed(image={"file_name": "ü.png"})
    write_picture(tmp_path / "images" / "ü.png")
    (tmp_path / "annotations").mkdir()
    path = tmp_path / "annotations" / "a.json"
    path.write_text(json.dumps(content, ensure_ascii=False), encoding)
    dataset = open_dataset(tmp_path)
    assert Image.open(dataset.image_info[0]["path"]).size == (10, 8)


def test_file_in_a_code_page_is_named_with_the_remedy(tmp_path):
    content = changed(categories=[{"id": 1, "name": "Zelle ü"}])
    path = tmp_path / "a.json"
    path.write_bytes(json.dumps(content, ensure_ascii=False).encode("cp1252"))
    for place in (tmp_path, path):
        with pytest.raises(ValueError, match=r"a\.json.*0xfc in line 1 .*cp1252"):
            open_dataset(place)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        ({"annotations": [{"id": 1, "image_id": 1, "caption": "a cat"}]}, "captions"),
        (
            {"annotations": [{"image_id": 1, "segments_info": []}], "categories": []},
            "panoptic segments",
        ),
        ({"categories": []}, "a test set"),
    ],
)
def test_other_files_of_coco_are_named(tmp_path, content, kind):
    path = write_json(tmp_path / "x.json", {"images": [], **content})
    for place in (path, tmp_path):
        with pytest.raises(ValueError, match=f"is COCO json of {kind}"):
            open_dataset(place)


def test_images_in_sub_folders_that_the_file_does_not_name(tmp_path):
    content = coco()
    names = ["a.png", "b.png", "c.png"]
    content["images"] = [
        {"id": i, "file_name": name} for i, name in enumerate(names, start=1)
    ]
    for place in ("day1/a.png", "day1/b.png", "day2/c.png"):
        write_picture(tmp_path / "pictures" / place)
    write_json(tmp_path / "annotations" / "a.json", content)
    found = [info["path"] for info in open_dataset(tmp_path).image_info]
    assert [path[-10:] for path in found] == ["day1/a.png", "day1/b.png", "day2/c.png"]


def test_images_of_the_subset_with_names_of_windows(tmp_path):
    for value, subset in enumerate(("train", "val"), start=1):
        write_picture(tmp_path / subset / "1.png", value=value)
        content = changed(image={"file_name": f"D:\\set\\{subset}\\1.png"})
        write_json(tmp_path / "annotations" / f"instances_{subset}.json", content)
    for value, subset in enumerate(("train", "val"), start=1):
        assert open_dataset(tmp_path, subset).load_image(0).max() == value


def test_images_elsewhere_on_the_machine_are_not_taken(tmp_path):
    write_picture(tmp_path / "holidays" / "2019" / "a.jpg")
    write_json(tmp_path / "downloads" / "a.json", coco())
    with pytest.warns(UserWarning, match="the image files are not there"):
        open_dataset(tmp_path / "downloads")
