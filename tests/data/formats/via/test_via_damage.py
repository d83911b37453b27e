"""Damaged VIA files: an object of them does not stop the others, all of it is named."""

from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import open_dataset
from mrcnn.data.formats.via.via_dataset import ViaDataset
from mrcnn.data.formats.via.via_files import read_via

RECT = {"name": "rect", "x": 10, "y": 20, "width": 5, "height": 4}
GOOD = {"shape_attributes": RECT, "region_attributes": {"kind": "cell"}}
# Texts, as some exports have them.
KINDS = [
    {"name": "rect", "x": "10", "y": "10", "width": "20", "height": "20"},
    {"name": "circle", "cx": "20", "cy": "20", "r": "8.5"},
    {"name": "ellipse", "cx": "20", "cy": "20", "rx": "8", "ry": "5", "theta": "0.5"},
    {
        "name": "polygon",
        "all_points_x": ["1", "9", "9"],
        "all_points_y": ["1", "1", "9"],
    },
    {"name": "polyline", "all_points_x": ["1", "9"], "all_points_y": ["1", "9"]},
]


def as_numbers(value):
    if isinstance(value, list):
        return [float(each) for each in value]
    return value if value.isalpha() else float(value)


def load(folder, *regions, **file):
    Image.fromarray(np.zeros([40, 60, 3], np.uint8)).save(folder / "a.png")
    entry = {"filename": "a.png", "regions": list(regions), **file}
    (folder / "via.json").write_text(json.dumps({"a.png1": entry}))
    dataset = ViaDataset()
    dataset.load_via(folder)
    dataset.prepare()
    return dataset


@pytest.mark.parametrize("shape", KINDS, ids=lambda shape: shape["name"])
def test_shape_of_texts_is_that_of_numbers(tmp_path, shape):
    texts = {"shape_attributes": shape}
    numbers = {"shape_attributes": {k: as_numbers(v) for k, v in shape.items()}}
    masks, _ = load(tmp_path, texts, numbers).load_mask(0)
    assert masks[..., 0].any()
    np.testing.assert_array_equal(masks[..., 0], masks[..., 1])


DAMAGED = [
    ({"region_attributes": {"kind": "cell"}}, "shape_attributes is missing"),
    ({"shape_attributes": [1], "region_attributes": {}}, "shape_attributes is \\[1\\]"),
    (GOOD | {"region_attributes": "cell"}, "region_attributes is 'cell'"),
    (
        GOOD | {"region_attributes": {"kind": {"cell": "maybe"}}},
        "kind: cell is 'maybe'",
    ),
    (GOOD | {"shape_attributes": RECT | {"x": None}}, "a rect: x is None"),
    (GOOD | {"shape_attributes": RECT | {"x": True}}, "x is True: true or false"),
    (GOOD | {"shape_attributes": RECT | {"x": "NaN"}}, "x is 'NaN'"),
    (GOOD | {"shape_attributes": RECT | {"x": 1e300}}, "has coordinates from"),
    (GOOD | {"shape_attributes": RECT | {"name": ["rect"]}}, "a \\['rect'\\]: known"),
    (None, "the content is None"),
    ("text", "the content is 'text'"),
]


@pytest.mark.parametrize(("bad", "reason"), DAMAGED)
def test_damaged_region_is_kept_and_named(tmp_path, bad, reason):
    with pytest.warns(
        UserWarning, match=rf"via\.json'\): region 1 of 'a\.png', .*{reason}"
    ):
        dataset = load(tmp_path, GOOD, bad, GOOD)
    with pytest.raises(
        ValueError, match=rf"object 1 .*region 1 of 'a\.png', .*{reason}"
    ):
        dataset.load_mask(0)
    problems = dataset.validate().errors
    assert [problem.instance for problem in problems if problem.instance] == [1]


def test_flags_of_options_may_be_texts():
    regions = [GOOD | {"region_attributes": {"kind": {"cell": "true", "bud": "false"}}}]
    (image,) = read_via({"a": {"filename": "a.png", "regions": regions}})
    assert image["regions"][0]["attributes"] == {"kind": {"cell": True, "bud": False}}


@pytest.mark.parametrize(
    ("file", "reason"),
    [
        ({"filename": 3}, "entry 'a.png1': filename is 3"),
        ({"filename": ""}, "filename is ''"),
        ({"regions": "none"}, "regions"),
        ({"file_attributes": [1]}, "file_attributes is \\[1\\]"),
    ],
)
def test_damaged_entry_is_named_with_its_file(tmp_path, file, reason):
    with pytest.raises(ValueError, match=rf"read_via\('.*via\.json'\): .*{reason}"):
        load(tmp_path, **{"regions": []} | file)


def test_attribute_that_is_no_size_of_an_image_is_none(tmp_path):
    for width in ("9" * 5000, "0", "wide", "99999999"):
        dataset = load(tmp_path, GOOD, file_attributes={"width": width})
        assert dataset.image_size(0) == (40, 60)


def via3(**tables):
    region = {"vid": "1", "xy": [2, 10, 20, 5, 4], "av": {"1": "0"}}
    content = {
        "project": {"vid_list": ["1"]},
        "attribute": {"1": {"aname": "kind", "type": 4, "options": {"0": "cell"}}},
        "file": {"1": {"fname": "a.png", "type": 2}},
        "view": {"1": {"fid_list": [1]}},
        "metadata": {"r": region},
    }
    return content | tables


@pytest.mark.parametrize(
    ("tables", "reason"),
    [
        ({"file": []}, "file is \\[\\]"),
        ({"file": {"1": {}}}, "file.1.fname is missing"),
        ({"file": {}}, "shows the file 1, which the project does not have"),
        ({"view": {"1": {"fid_list": 1}}}, "view.1.fid_list is 1"),
        ({"metadata": {"r": {"xy": [2, 1, 1, 1, 1]}}}, "metadata.r.vid is missing"),
        (
            {"attribute": {"1": {"options": {"0": []}}}},
            "attribute.1.options.0 is \\[\\]",
        ),
        ({"project": {"vid_list": [[]]}}, "project.vid_list\\[0\\]"),
    ],
)
def test_damaged_table_of_via_3_is_named(tables, reason):
    with pytest.raises(ValueError, match=reason):
        read_via(via3(**tables))


@pytest.mark.parametrize(
    ("xy", "reason"),
    [
        ("text", "xy is 'text'"),
        ([2, None], "xy\\[1\\] is None"),
        ([99, 1, 1], "shape number 99"),
        ([8], "extreme rect of 0 numbers"),
        ([9, 1, 1, 2, 2, 3, 3], "three points of a circle lie on one line"),
    ],
)
def test_damaged_region_of_via_3_is_one_alone(xy, reason):
    (image,) = read_via(via3(metadata={"r": {"vid": "1", "xy": xy, "av": {"1": "0"}}}))
    (region,) = image["regions"]
    assert region["attributes"] == {"kind": "cell"}
    with pytest.raises(ValueError, match=reason):
        raise ValueError(region["damage"])


@pytest.mark.parametrize("name", ["A" * 5000, "a\x00.png", ".."])
def test_name_that_no_file_can_have_is_a_missing_image(tmp_path, name):
    with pytest.warns(UserWarning, match="the image files are not there"):
        load(tmp_path, GOOD, filename=name)
        dataset = open_dataset(tmp_path, verbose=0)
    assert dataset.validate().errors[0].path == str(tmp_path / name)
