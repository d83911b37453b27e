"""COCO's bbox and area are compared with the outline."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.data.formats.coco.coco_dataset import CocoDataset
from mrcnn.evaluation import evaluate_detections
from mrcnn.evaluation.dataset_records import truth_record
from tests.data.written import coco, write_json

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

RECTANGLE = [[10, 20, 30, 20, 30, 50, 10, 50]]  # x 10 to 30, y 20 to 50
TRIANGLE = [[10, 20, 70, 20, 10, 60]]
LENGTHS = {"size": [64, 96], "counts": [64 * 10 + 20, *[30, 34] * 19, 30, 64 * 66 + 14]}


def load(tmp_path, segmentation=RECTANGLE, **stated):
    content = coco()
    content["images"][0] |= {"height": 64, "width": 96}
    annotation = content["annotations"][0]
    annotation |= {"segmentation": segmentation, "bbox": [10, 20, 20, 30], "area": 600}
    annotation |= stated
    dataset = CocoDataset()
    dataset.load_json(write_json(tmp_path / "a.json", content), tmp_path)
    dataset.prepare()
    return dataset


def kinds(dataset):
    wanted = ("box and outline disagree", "area is not that of the outline")
    report = dataset.validate()
    counts = report.counts()
    assert all(p.kind != "missing file" or p.instance is None for p in report)
    return [k for k in (*wanted, "area is that of the box") if k in counts]


@pytest.mark.parametrize("segmentation", [RECTANGLE, LENGTHS])
@pytest.mark.parametrize(
    "bbox",
    [
        [10, 20, 30, 50],  # x1, y1, x2, y2
        [20, 10, 30, 20],  # y, x, height, width
        [20, 35, 20, 30],  # the center
        [0.104, 0.3125, 0.208, 0.469],  # ratios
        [5, 10, 10, 15],  # of a smaller copy
        [10, 20, -20, 30],
        [0, 0, 96, 64],
    ],
)
def test_box_that_is_not_that_of_the_outline(tmp_path, segmentation, bbox):
    dataset = load(tmp_path, segmentation, bbox=bbox)
    assert kinds(dataset) == ["box and outline disagree"]


@pytest.mark.parametrize(
    ("area", "kind"),
    [
        *(
            (-1200, "area is not that of the outline"),
            (0, "area is not that of the out"),
        ),
        *((0.19, "area is not that of the outline"), (96 * 64, "area is not that of")),
        *((2400, "area is that of the box"), (2301.5, "area is that of the box")),
    ],
)
def test_area_that_is_not_that_of_the_outline(tmp_path, area, kind):
    dataset = load(tmp_path, TRIANGLE, bbox=[10, 20, 60, 40], area=area)
    (found,) = kinds(dataset)
    assert found.startswith(kind)


@pytest.mark.parametrize(
    "stated",
    [
        {"bbox": [10.4, 19.2, 20.5, 31.9], "area": 600.25},
        {"bbox": [9, 19, 21, 31], "area": 651},  # the last pixel counted
        {"bbox": None, "area": None},
        # Rings that overlap: some tools add them up.
        {"segmentation": RECTANGLE * 2, "area": 1200},
        # A line has no area.
        {
            "segmentation": [[10, 20, 30, 20, 10, 20]],
            "bbox": [10, 20, 20, 0],
            "area": 0,
        },
        # A crowd's is that of what is in it.
        {"iscrowd": 1, "area": 90},
    ],
)
def test_what_tools_write_a_little_differently_is_no_problem(tmp_path, stated):
    dataset = load(tmp_path, **stated)
    assert kinds(dataset) == []
    record = truth_record(dataset, 0, 64, 96)
    bbox = stated.get("bbox", [10, 20, 20, 30])
    if bbox is not None:
        x, y, width, height = bbox
        box = [[y, x, y + height, x + width]]
        assert np.allclose(record["gt_boxes"], box)
        assert record["gt_areas"] == [stated.get("area", 600)]


def test_area_below_0_without_a_box_does_not_count_either(tmp_path):
    with pytest.warns(UserWarning, match="that is not that of their outline"):
        record = truth_record(load(tmp_path, bbox=None, area=-600), 0, 64, 96)
    assert record["gt_areas"] == [600] and "gt_boxes" not in record


def test_evaluation_goes_by_the_outline_where_the_stated_is_wrong(tmp_path):
    dataset = load(tmp_path, bbox=[10, 20, 30, 50], area=-600)
    with pytest.warns(UserWarning, match="that is not that of their outline"):
        record = truth_record(dataset, 0, 64, 96)
    masks, class_ids = dataset.load_mask(0)
    found = {"rois": [[20, 10, 50, 30]], "class_ids": class_ids, "scores": [0.9]}
    metrics = evaluate_detections([{**record, **found, "masks": masks}])
    for kind in ("bbox", "segm"):
        assert np.allclose([metrics[kind]["AP"], metrics[kind]["APs"]], 1.0)


@pytest.mark.parametrize(
    ("bbox", "reason"),
    [
        ([], "bbox is .*at least 4 items"),
        ([1, 2, 3, 4, 5, 6, 7, 8], "bbox is .*at most 4 items"),
        ({"x": 1}, "bbox is .*valid list"),
        ([1, 2, "three", 4], r"bbox\[2\] is 'three'"),
        ([1, 2, float("nan"), 4], r"bbox\[2\] is nan: .*finite"),
        ([1, 2, None, 4], r"bbox\[2\] is None"),
        ("1 2 3 4", "bbox is '1 2 3 4'"),
    ],
)
def test_box_that_is_none_is_named_and_left_to_validate(tmp_path, bbox, reason):
    dataset = load(tmp_path, bbox=bbox)
    assert dataset.count_annotations().objects[1] == 1
    with pytest.raises(ValueError, match=rf"annotation 1 of .*a\.json: {reason}"):
        dataset.load_mask(0)
    (problem,) = dataset.validate().of_kind("unreadable masks")
    assert "annotation 1 of" in problem.text and problem.instance == 0


def test_classes_whose_names_differ_in_blanks_or_case(tmp_path):
    dataset = CocoDataset()
    for i, name in enumerate(["Round cell", "round_cell ", "long cell"], start=1):
        dataset.add_class("a", i, name)
    dataset.prepare()
    (problem,) = dataset.validate().of_kind("similar classes")
    assert problem.text == "classes 1 and 2 are named 'Round cell' and 'round_cell '"
