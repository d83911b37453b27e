"""Damaged COCO files: each error names the file and the entry."""

from __future__ import annotations

import json
import warnings

import pytest

from mrcnn.data.formats.open_dataset import open_dataset
from tests.data.written import SQUARE, coco, write_json, write_picture

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def nested(depth):
    value = []
    for _ in range(depth):
        value = [value]
    return value


@pytest.mark.parametrize(
    ("place", "value", "reason"),
    [
        (("images", 0), None, r"images\[0\] is None"),
        (("images", 0, "id"), [1], r"images\[0\]\.id is \[1\]: an id is a whole"),
        (("images", 0, "id"), 1.5, r"images\[0\]\.id is 1\.5"),
        (("images", 0, "id"), True, r"images\[0\]\.id is True"),
        (("images", 0, "file_name"), None, r"images\[0\]\.file_name is None"),
        (("images", 0, "file_name"), "", r"images\[0\]\.file_name is ''"),
        (("images", 0, "width"), -10, r"images\[0\]\.width is -10"),
        (("images", 0, "height"), 1e300, r"images\[0\]\.height is 1e\+300"),
        (("images", 0, "height"), 10**400, r"images\[0\]\.height is 10+"),
        (("images", 0, "height"), float("nan"), r"images\[0\]\.height is nan"),
        (("annotations", 0), [], r"annotations\[0\] is \[\]"),
        (("annotations", 0, "image_id"), {}, r"annotations\[0\]\.image_id is \{\}"),
        (
            ("annotations", 0, "category_id"),
            nested(300),
            r"annotations\[0\]\.category_id is \[\[",
        ),
        (("categories", 0, "id"), None, r"categories\[0\]\.id is None"),
        (("categories", 0, "name"), ["a"], r"categories\[0\]\.name is \['a'\]"),
    ],
)
def test_damage_of_the_whole_file_is_named(tmp_path, place, value, reason):
    content = inner = coco()
    for key in place[:-1]:
        inner = inner[key]
    inner[place[-1]] = value
    # Not in tmp_path itself: folders of other tests beside it have images, too.
    path = write_json(tmp_path / "set" / "a.json", content)
    for source in (path.parent, path):
        with pytest.raises(
            ValueError, match=rf"a\.json'\): {reason}.*correct or remov"
        ):
            open_dataset(source)


@pytest.mark.parametrize(
    ("segmentation", "reason"),
    [
        ("abc", "segmentation is 'abc'"),
        (5, "segmentation is 5"),
        ([[2, 2, "x", 2, 6, 6]], r"segmentation\[0\]\[2\] is 'x'"),
        ([[2, 2, True, 2, 6, 6]], r"segmentation\[0\]\[2\] is True"),
        ([[2, 2, float("inf"), 2, 6, 6]], r"segmentation\[0\]\[2\] is inf"),
        ([[2, 2, 10**400, 2, 6, 6]], r"segmentation\[0\]\[2\] is 10+"),
        ([[2, 2, 1e7, 2, 6, 6]], "coordinates from 2 to 1e"),
        ([[2, 2, 6, 6, 2]], "5 numbers are no pairs"),
        ([SQUARE, 7], r"segmentation\[1\] is 7"),
        ([SQUARE, None], r"segmentation\[1\] is None"),
        ([SQUARE, nested(300)], r"segmentation\[1\]\[0\] is \[\[\["),
        ({}, "segmentation.counts is missing"),
        ({"counts": None}, "segmentation.counts is None"),
        ({"counts": [1, -2, 81]}, r"segmentation.counts\[1\] is -2"),
        ({"counts": [1, 2.5, 81]}, r"segmentation.counts\[1\] is 2.5"),
        ({"counts": [1, 2, 3]}, "the runs are 6 px long together"),
        ({"counts": [1, 2**70]}, r"segmentation.counts\[1\] is 11805"),
        ({"counts": "o05Y", "size": [8, 10]}, "the runs are|counts"),
        ({"counts": "\x7f\x7f", "size": [8, 10]}, "no compressed run lengths"),
        ({"counts": [80], "size": [10, 8]}, r"the mask is \(10, 8\)"),
        ({"counts": [80], "size": [8]}, "segmentation.size is "),
        ({"counts": [80], "size": [-8, 10]}, r"segmentation.size\[0\] is -8"),
        ({"counts": [80], "size": 80}, "segmentation.size is 80"),
    ],
)
def test_damaged_outline_does_not_hide_the_others(tmp_path, segmentation, reason):
    write_picture(tmp_path / "a.jpg")
    write_picture(tmp_path / "b.jpg", value=9)
    content = coco()
    content["images"].append(content["images"][0] | {"id": 2, "file_name": "b.jpg"})
    first = content["annotations"][0]
    content["annotations"] += [
        first | {"id": 2, "segmentation": segmentation or {"x": 1}},
        first | {"id": 3, "image_id": 2},
    ]
    write_json(tmp_path / "x.json", content)
    dataset = open_dataset(tmp_path)
    assert dataset.load_mask(1)[0].sum() == 16
    with pytest.raises(ValueError, match=rf"(?s)a\.jpg.*({reason})"):
        dataset.load_mask(0)
    (problem,) = dataset.validate().errors
    assert problem.instance == 1


@pytest.mark.parametrize("share", [0.1, 0.5, 0.9, 0.99])
def test_file_that_is_cut_off_is_named(tmp_path, share):
    text = json.dumps(coco())
    path = tmp_path / "a.json"
    path.write_text(text[: int(share * len(text))])
    for source in (tmp_path, path):
        with pytest.raises(ValueError, match=r"a\.json.*no valid json"):
            open_dataset(source)


def test_one_id_of_two_images_is_named(tmp_path):
    content = coco()
    content["images"].append(content["images"][0] | {"file_name": "b.jpg"})
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "a.json", content)
    with pytest.raises(
        ValueError, match="names one image, but 1 is that of 'a.jpg', 'b"
    ):
        open_dataset(tmp_path)


def test_size_that_no_mask_can_have_is_named(tmp_path):
    content = coco()
    content["images"][0] |= {"height": 900_000, "width": 900_000}
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "x.json", content)
    dataset = open_dataset(tmp_path)
    with pytest.raises(ValueError, match=r"\(900000, 900000\), 2\*\*32 px.*x\.json"):
        dataset.load_mask(0)
    assert not dataset.validate().ok


def test_file_of_keypoints_says_that_they_are_not_read(tmp_path):
    content = coco()
    content["annotations"][0] |= {"keypoints": [1, 2, 2], "segmentation": []}
    write_picture(tmp_path / "a.jpg")
    write_json(tmp_path / "x.json", content)
    with pytest.warns(UserWarning, match="no segmentation.*Keypoints are not read"):
        open_dataset(tmp_path)


@pytest.mark.parametrize(
    ("boxes", "is_told"),
    [
        ([[1, 1, 9, 7], [5, 4, 9, 8]], True),  # 8 x 10 px
        ([[1, 1, 9, 7], [5, 4, 4, 4]], False),  # no corners
        ([[1, 1, 3, 4], [2, 2, 5, 6]], False),  # both are possible
    ],
)
def test_boxes_that_can_only_be_corners_are_told(tmp_path, boxes, is_told):
    write_picture(tmp_path / "a.jpg")
    content = coco()
    (first,) = content["annotations"]
    content["annotations"] = [
        first | {"id": i, "bbox": box, "segmentation": []}
        for i, box in enumerate(boxes)
    ]
    write_json(tmp_path / "a.json", content)
    with warnings.catch_warnings(record=True) as told:
        warnings.simplefilter("always")
        open_dataset(tmp_path, boxes_as_masks=True)
    assert any("not as corners" in str(each.message) for each in told) == is_told
