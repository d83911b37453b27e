from __future__ import annotations

import json

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.formats.via.via_dataset import (
    ViaDataset,
    find_via_file,
    polygon_mask,
    read_via,
    via_shape,
)
from mrcnn.data.formats.via.via_files import VIA3_SHAPES
from mrcnn.geometry.crops import stack_crops
from tests.data.painted import draw_outline

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

HEIGHT, WIDTH = 60, 80
# One of every kind that the three versions have.
REGIONS = [
    ({"name": "polygon", "all_points_x": [1, 40, 80], "all_points_y": [2, 60, 5]}, "a"),
    ({"name": "rect", "x": 5, "y": 6, "width": 30, "height": 11}, "b"),
    ({"name": "circle", "cx": 40, "cy": 30, "r": 9.5}, "a"),
    ({"name": "ellipse", "cx": 20.5, "cy": 30, "rx": 12, "ry": 6}, "c"),
    ({"name": "polyline", "all_points_x": [2, 60], "all_points_y": [50, 52]}, "b"),
]


def via1(images, attribute="kind"):
    """Images (name to list of shape and class) as VIA 1 exports them."""
    return {
        f"{name}99": {
            "fileref": "",
            "size": 99,
            "filename": name,
            "base64_img_data": "",
            "file_attributes": {},
            "regions": {
                str(i): {"shape_attributes": shape, "region_attributes": {attribute: c}}
                for i, (shape, c) in enumerate(regions)
            },
        }
        for name, regions in images.items()
    }


def via2(images, attribute="kind"):
    """The same as VIA 2 exports them: regions are a list."""
    content = via1(images, attribute)
    return {k: v | {"regions": list(v["regions"].values())} for k, v in content.items()}


def project2(images, attribute="kind"):
    """The same as a project of VIA 2."""
    return {
        "_via_settings": {"ui": {}, "core": {}},
        "_via_img_metadata": via2(images, attribute),
        "_via_attributes": {"region": {attribute: {"type": "text"}}, "file": {}},
    }


def via3(images, attribute="kind"):
    """The same as a project of VIA 3, where classes are options of a list."""
    classes = sorted({c for regions in images.values() for _, c in regions})
    content = {
        "project": {"pid": "x", "vid_list": [str(i + 1) for i in range(len(images))]},
        "config": {},
        "attribute": {
            "1": {
                "aname": attribute,
                "anchor_id": "FILE1_Z0_XY1",
                "type": 4,
                "options": {str(i): c for i, c in enumerate(classes)},
            }
        },
        "file": {},
        "metadata": {"9_whole": {"vid": "1", "flg": 0, "z": [], "xy": [], "av": {}}},
        "view": {},
    }
    for i, (name, regions) in enumerate(images.items(), start=1):
        file = {"fid": i, "fname": name, "type": 2, "loc": 1, "src": name}
        content["file"][str(i)] = file
        content["view"][str(i)] = {"fid_list": [i]}
        for k, (shape, c) in enumerate(regions):
            content["metadata"][f"{i}_{k}"] = {
                "vid": str(i),
                "flg": 0,
                "z": [],
                "xy": via3_xy(shape),
                "av": {"1": str(classes.index(c))},
            }
    return content


def via3_xy(shape):
    values = [value for key, value in shape.items() if key != "name"]
    if "all_points_x" in shape:
        values = np.stack(values, axis=1).ravel().tolist()
    return [VIA3_SHAPES.index(shape["name"]) + 1, *values]


VERSIONS = [via1, via2, project2, via3]


def save(folder, content, images=("one.png", "two.png"), name="annotations.json"):
    for image in images:
        pixels = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
        Image.fromarray(pixels).save(folder / image)
    (folder / name).write_text(json.dumps(content))
    return folder


def load(path, *args, **kwargs):
    dataset = ViaDataset()
    dataset.load_via(path, *args, **kwargs)
    dataset.prepare()
    return dataset


IMAGES = {"one.png": REGIONS, "two.png": []}


@pytest.mark.parametrize("version", VERSIONS)
def test_versions_of_the_same_content_give_equal_masks(tmp_path, version):
    dataset = load(save(tmp_path, version(IMAGES)))
    assert dataset.class_names == ["BG", "a", "b", "c"]
    assert [info["id"] for info in dataset.image_info] == ["one.png", "two.png"]
    masks, class_ids = dataset.load_mask(0)
    assert class_ids.tolist() == [1, 2, 1, 3, 2]
    expected = [draw_outline(via_shape(shape), HEIGHT, WIDTH) for shape, _ in REGIONS]
    assert all(mask.sum() > 100 for mask in expected)
    np.testing.assert_array_equal(masks, np.stack(expected, axis=-1))
    assert dataset.load_mask(1)[0].shape == (HEIGHT, WIDTH, 0)  # without a region


@pytest.mark.parametrize("version", VERSIONS[1:])
def test_balloons_are_the_same_in_every_version(shared, version):
    folder = shared / "data" / "balloon" / "val"
    images = read_via(folder / "via_region_data.json")
    content = version(
        {
            image["filename"]: [(r["shape"], "balloon") for r in image["regions"]]
            for image in images
        }
    )
    again = read_via(content)
    assert [i["filename"] for i in again] == [i["filename"] for i in images]
    for image, same in zip(images, again, strict=True):
        assert [r["shape"] for r in same["regions"]] == [
            r["shape"] for r in image["regions"]
        ]


@pytest.mark.parametrize(
    ("subset", "images", "objects"), [("train", 61, 255), ("val", 13, 50)]
)
def test_balloon_data_set(shared, subset, images, objects):
    dataset = load(shared / "data" / "balloon", subset, class_name="balloon")
    assert dataset.num_images == images and dataset.class_names == ["BG", "balloon"]
    assert dataset.count_annotations().objects.tolist() == [0, objects]
    regions = read_via(shared / "data" / "balloon" / subset / "via_region_data.json")
    for image_id in dataset.image_ids:
        masks, class_ids = dataset.load_mask(image_id)
        drawn = polygon_mask(regions[image_id]["regions"], *masks.shape[:2])
        assert np.array_equal(masks, drawn) and masks.any(axis=(0, 1)).all()
        assert (class_ids == 1).all()
        crops = dataset.objects(image_id).crops
        assert np.array_equal(stack_crops(crops, masks.shape), masks)


def test_extreme_points_and_lines_of_via_3():
    content = via3({"one.png": []})
    lists = [
        [8, 5, 20, 30, 8, 44, 22, 31, 40],  # left, top, right and bottom points
        [9, 50, 30, 30, 50, 10, 30],  # three points around (30, 30)
        [5, 3, 4, 13, 4],  # a line
        [1, 7, 8],
    ]
    for i, xy in enumerate(lists):
        content["metadata"][f"m{i}"] = {"vid": "1", "xy": xy, "av": {}, "z": []}
    shapes = [region["shape"] for region in read_via(content)[0]["regions"]]
    assert shapes == [
        {"name": "rect", "x": 5, "y": 8, "width": 39, "height": 32},
        {"name": "circle", "cx": 30, "cy": 30, "r": 20},
        {"name": "polyline", "all_points_x": [3, 13], "all_points_y": [4, 4]},
        {"name": "point", "cx": 7, "cy": 8},
    ]


def test_check_boxes_of_via_3_are_read_as_those_of_via_2():
    content = via3({"one.png": REGIONS[:1]})
    content["attribute"]["2"] = {
        "aname": "state",
        "type": 2,
        "options": {"0": "wet", "1": "torn"},
    }
    content["metadata"]["1_0"]["av"]["2"] = "0,1"
    attributes = read_via(content)[0]["regions"][0]["attributes"]
    assert attributes == {"kind": "a", "state": {"wet": True, "torn": True}}


def test_damaged_project_of_via_3_is_refused():
    content = via3({"one.png": REGIONS[:1]})
    content["metadata"]["1_0"]["vid"] = "7"
    with pytest.raises(ValueError, match=r"views \['7'\].*damaged"):
        read_via(content)
    content = via3({"one.png": REGIONS[:1], "two.png": []})
    content["view"]["1"]["fid_list"] = [1, 2]
    with pytest.raises(ValueError, match="view '1' shows 2 files"):
        read_via(content)
    content = via3({"one.png": REGIONS[:1]})
    content["metadata"]["1_0"]["xy"][0] = 12
    assert "shape number 12" in read_via(content)[0]["regions"][0]["damage"]
    content = via3({"film.mp4": []})
    content["file"]["1"]["type"] = 4
    with pytest.warns(UserWarning, match=r"film\.mp4.*no image"):
        assert read_via(content) == []


def with_attributes(*attributes):
    """A file of one image with a rect for each dict of attributes."""
    content = via2({"one.png": [REGIONS[1]] * len(attributes)})
    for region, values in zip(content["one.png99"]["regions"], attributes, strict=True):
        region["region_attributes"] = values
    return content


@pytest.mark.parametrize(
    ("attributes", "kwargs", "class_names"),
    [
        ([{}, {}], {"class_name": "balloon"}, ["balloon"]),
        ([{}, {}], {}, ["object"]),
        ([{"x": "cat"}, {"x": "dog"}], {}, ["cat", "dog"]),
        # An attribute nobody filled in does not count.
        ([{"x": "cat", "y": ""}, {"x": "dog", "y": ""}], {}, ["cat", "dog"]),
        # Several: the usual name, or the one that is asked for.
        ([{"x": "1", "Class": "cat"}], {}, ["cat"]),
        ([{"x": "1", "y": "cat"}], {"class_attribute": "y"}, ["cat"]),
        # Check boxes, of which one is ticked.
        ([{"x": {"cat": True, "dog": False}}], {}, ["cat"]),
        ([{"x": "cat"}, {"x": "dog"}], {"classes": ["dog", "bird"]}, ["dog", "bird"]),
    ],
)
def test_class_comes_from_a_region_attribute(tmp_path, attributes, kwargs, class_names):
    dataset = load(save(tmp_path, with_attributes(*attributes)), **kwargs)
    assert dataset.class_names == ["BG", *class_names]
    wanted = sum(
        "classes" not in kwargs or a["x"] in kwargs["classes"] for a in attributes
    )
    assert dataset.count_annotations().objects.sum() == wanted


def test_class_that_is_not_clear_is_an_error(tmp_path):
    folder = save(tmp_path, with_attributes({"x": "1", "y": "cat"}))
    with pytest.raises(ValueError, match=r"may name the class, \['x', 'y'\]"):
        load(folder)
    with pytest.raises(ValueError, match=r"class_attribute='z'.*\['x', 'y'\]"):
        load(folder, class_attribute="z")
    with pytest.raises(ValueError, match=r"none of classes=\['bird'\] occurs"):
        load(folder, class_attribute="y", classes=["bird"])


def test_regions_that_are_no_objects_are_told(tmp_path):
    content = with_attributes({"x": "cat"}, {"x": ""}, {"x": "cat"})
    regions = content["one.png99"]["regions"]
    regions[2]["shape_attributes"] = {"name": "point", "cx": 3, "cy": 4}
    folder = save(tmp_path, content)
    with pytest.warns(UserWarning) as warned:
        dataset = load(folder)
    texts = [str(w.message) for w in warned]
    assert any("1 points are left out" in text for text in texts)
    assert any("1 of 3 regions have no (single) 'x'" in text for text in texts)
    assert dataset.count_annotations().objects.sum() == 1


def test_polylines_are_drawn_as_wide_as_asked(tmp_path):
    folder = save(tmp_path, via2({"one.png": REGIONS[4:]}))
    thin, wide = (load(folder, line_width=w).load_mask(0)[0].sum() for w in (2, 8))
    assert 3.5 * thin < wide < 5 * thin


def test_file_is_found_in_its_folder(tmp_path):
    save(tmp_path, via2(IMAGES))
    (tmp_path / "split.json").write_text('{"train": ["a"]}')  # another tool's
    (tmp_path / "list.json").write_text("[1, 2]")
    assert find_via_file(tmp_path) == tmp_path / "annotations.json"
    save(tmp_path, via3(IMAGES), name="project.json")
    with pytest.raises(ValueError, match=r"annotations\.json, project\.json"):
        load(tmp_path)
    assert load(tmp_path / "project.json").num_images == 2
    with pytest.raises(FileNotFoundError, match="without a json file of VIA"):
        load(tmp_path, "val")


def test_images_are_found_below_or_in_the_folder(tmp_path):
    address = "https://example.org/c.png"
    content = via2({"sub/one.png": [], "old/place/two.png": [], address: []})
    (tmp_path / "sub").mkdir()
    save(tmp_path, content, images=("sub/one.png", "two.png"))
    paths = [info["path"] for info in load(tmp_path).image_info]
    assert paths == [
        str(tmp_path / "sub" / "one.png"),
        str(tmp_path / "two.png"),
        address,
    ]


def test_damaged_region_names_image_and_region(tmp_path):
    content = via2({"one.png": [REGIONS[1], ({"name": "rect", "x": 1}, "a")]})
    reason = r"region 1 of 'one\.png', a rect: y is missing"
    with pytest.warns(UserWarning, match=reason + ".*first of 1 damaged"):
        dataset = load(save(tmp_path, content))
    assert dataset.count_annotations().objects.sum() == 2
    with pytest.raises(ValueError, match=reason):
        dataset.load_mask(0)
    assert [problem.instance for problem in dataset.validate().errors] == [1]


@pytest.mark.parametrize(
    ("attributes", "class_names"),
    [
        ([{"label": 3}, {"label": 4}], ["3", "4"]),
        ([{"label": 3}, {"label": "4"}], ["3", "4"]),
        ([{"label": 3.0}, {"label": 4}], ["3", "4"]),
        ([{"kind": "cat", "score": 1.0}], ["cat"]),
        # A text goes before a number, unless the number has a usual name.
        ([{"kind": "cat", "count": 3}], ["cat"]),
        ([{"label": 3, "count": 5}], ["3"]),
        ([{"kind": "cat", "is_old": True}], ["cat"]),
    ],
)
def test_class_may_be_a_number(tmp_path, attributes, class_names):
    dataset = load(save(tmp_path, with_attributes(*attributes)))
    assert dataset.class_names == ["BG", *class_names]
    assert dataset.count_annotations().objects.sum() == len(attributes)


def test_text_beside_a_number_with_a_usual_name_is_not_clear(tmp_path):
    folder = save(tmp_path, with_attributes({"label": 3, "note": "old", "x": 0.5}))
    with pytest.raises(ValueError, match=r"\['label', 'note'\].*'note', 'x'\]"):
        load(folder)


def test_classes_of_a_subset_are_those_of_all(tmp_path):
    for subset, kinds in {"train": ["cat", "dog"], "val": ["dog"]}.items():
        (tmp_path / subset).mkdir()
        save(tmp_path / subset, with_attributes(*({"kind": k} for k in kinds)))
    (tmp_path / "val" / "annotations.json").rename(tmp_path / "val" / "x.JSON")
    for subset, class_ids in {"train": [1, 2], "val": [2]}.items():
        dataset = load(tmp_path, subset)
        assert dataset.class_names == ["BG", "cat", "dog"]
        assert dataset.load_mask(0)[1].tolist() == class_ids
