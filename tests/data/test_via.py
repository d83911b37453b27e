from __future__ import annotations

import json

import numpy as np
import pytest
import skimage.draw
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from mrcnn.data.via import polygon_mask, read_via


def polygon(xs, ys):
    return {"name": "polygon", "all_points_x": xs, "all_points_y": ys}


SQUARE = polygon([1, 4, 4, 1], [2, 2, 5, 5])


def region(shape, **attributes):
    return {"shape_attributes": shape, "region_attributes": attributes}


def entry(regions, **file_attributes):
    return {
        "filename": "a.jpg",
        "size": 123,
        "regions": regions,
        "file_attributes": file_attributes,
    }


EXPECTED = [
    {
        "filename": "a.jpg",
        "regions": [{"shape": SQUARE, "attributes": {"class": "cat"}}],
    }
]
VIA1 = {"a.jpg123": entry({"0": region(SQUARE, **{"class": "cat"})})}
VIA2 = {"a.jpg123": entry([region(SQUARE, **{"class": "cat"})])}
PROJECT = {"_via_settings": {}, "_via_img_metadata": VIA2, "_via_attributes": {}}


@pytest.mark.parametrize("content", [VIA1, VIA2, PROJECT])
def test_versions_of_via_read_the_same(tmp_path, content):
    path = tmp_path / "via.json"
    path.write_text(json.dumps(content))
    assert read_via(path) == read_via(str(path)) == read_via(content) == EXPECTED


def test_file_with_byte_order_mark_is_read(tmp_path):
    path = tmp_path / "via.json"
    path.write_text(json.dumps(VIA1), encoding="utf-8-sig")
    assert read_via(path) == EXPECTED


def test_image_without_regions_is_kept():
    for empty in ({}, [], None):
        assert read_via({"x": entry(empty)})[0]["regions"] == []


def test_size_is_taken_from_file_attributes_where_it_is_told():
    image = read_via({"x": entry([], width="640", height=480, caption="w")})[0]
    assert (image["width"], image["height"]) == (640, 480)
    assert "width" not in read_via({"x": entry([], width="")})[0]


def test_file_of_another_tool_is_refused(tmp_path):
    with pytest.raises(ValueError, match="'images' has no 'filename'.*VIA 1 or 2"):
        read_via({"images": [], "annotations": []})
    path = tmp_path / "list.json"
    path.write_text("[]")
    with pytest.raises(ValueError, match=r"list\.json.*holds a list"):
        read_via(path)
    path.write_text("{")
    with pytest.raises(ValueError, match=r"list\.json.*no valid json"):
        read_via(path)
    with pytest.raises(FileNotFoundError, match="gone"):
        read_via(tmp_path / "gone.json")


def test_polygon_around_a_rect_is_that_rect():
    rect = {"name": "rect", "x": 1, "y": 2, "width": 3, "height": 3}
    masks = polygon_mask([{"shape": SQUARE}, rect], height=6, width=7)
    assert masks.shape == (6, 7, 2) and masks.dtype == bool
    expected = np.zeros([6, 7], bool)
    expected[2:5, 1:4] = True
    np.testing.assert_array_equal(masks[..., 0], expected)
    np.testing.assert_array_equal(masks[..., 1], expected)


def test_polygon_on_the_border_fills_the_image():
    assert polygon_mask([polygon([0, 7, 7, 0], [0, 0, 6, 6])], 6, 7).all()


def test_shapes_beyond_the_border_are_cut():
    shapes = [
        {
            "name": "polygon",
            "all_points_x": [-9, 99, 99, -9],
            "all_points_y": [-9, -9, 99, 99],
        },  # fmt: skip
        {"name": "rect", "x": -2, "y": -2, "width": 99, "height": 4},
        {"name": "circle", "cx": 0, "cy": 0, "r": 2},
        polygon([20, 30, 30], [20, 20, 30]),
        {"name": "rect", "x": -9, "y": 1, "width": 3, "height": 3},
    ]
    areas = polygon_mask(shapes, 6, 7).sum(axis=(0, 1))
    assert areas.tolist() == [42, 14, 6, 0, 0]


def test_concave_polygon_has_its_hole():
    #   X.X    a U: the notch is not filled
    #   XXX
    notched = polygon([0, 1, 1, 2, 2, 3, 3, 0], [0, 0, 1, 1, 0, 0, 2, 2])
    assert polygon_mask([notched], 2, 3)[..., 0].tolist() == [
        [True, False, True],
        [True, True, True],
    ]


@given(
    st.lists(
        st.tuples(st.integers(-5, 45), st.integers(-5, 35)), min_size=3, max_size=9
    )
)
def test_polygon_equals_skimage_except_on_the_outline(points):
    x, y = np.array(points).T + 0.0
    # Quarter pixels: no pixel lies on the outline of a polygon with such corners,
    # unless an edge happens to pass through it.
    x, y = x + 0.25, y + 0.37
    mask = polygon_mask([polygon(x, y)], 30, 40)
    expected = np.zeros([30, 40], bool)
    expected[skimage.draw.polygon(y, x, (30, 40))] = True
    outline = np.zeros([30, 40], bool)
    for i in range(len(x)):
        rows, columns = skimage.draw.line(
            *np.rint([y[i - 1], x[i - 1], y[i], x[i]]).astype(int)
        )
        inside = (rows >= 0) & (rows < 30) & (columns >= 0) & (columns < 40)
        outline[rows[inside], columns[inside]] = True
    differs = mask[..., 0] != expected
    assert not (differs & ~outline).any()
    assert differs.sum() <= len(points)


def test_circle_and_ellipse_have_their_area():
    shapes = [
        {"name": "circle", "cx": 50, "cy": 40, "r": 20},
        {"name": "ellipse", "cx": 50, "cy": 40, "rx": 30, "ry": 10},
        {"name": "ellipse", "cx": 50, "cy": 40, "rx": 30, "ry": 10, "theta": np.pi / 4},
        {"name": "circle", "cx": 50, "cy": 40, "r": 0},
    ]
    masks = polygon_mask(shapes, 80, 100)
    areas = masks.sum(axis=(0, 1))
    np.testing.assert_allclose(areas[:3], np.pi * np.array([400, 300, 300]), rtol=0.02)
    assert areas[3] == 0
    # Clockwise on the screen: the long axis falls to the right.
    assert masks[40 + 18, 50 + 18, 2] and not masks[40 - 18, 50 + 18, 2]


def test_no_region_gives_no_mask():
    assert polygon_mask([], 4, 5).shape == (4, 5, 0)


def test_shape_without_points_has_no_pixel():
    assert not polygon_mask([polygon([], [])], 4, 5).any()


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"name": "point", "cx": 1, "cy": 1}, "region 0 is a 'point'.*no area"),
        ({"name": "rect", "x": 1}, "region 0, a rect, lacks 'y'"),
        (polygon([1], []), "1 x and 0 y"),
    ],
)
def test_region_that_is_no_area_is_refused(shape, said):
    with pytest.raises(ValueError, match=said):
        polygon_mask([shape], 4, 5)


@pytest.mark.parametrize(
    ("subset", "num_images", "num_regions", "num_border"),
    [("train", 61, 255, 13), ("val", 13, 50, 0)],
)
def test_balloon_annotations(shared, subset, num_images, num_regions, num_border):
    folder = shared / "data" / "balloon" / subset
    images = read_via(folder / "via_region_data.json")
    assert len(images) == num_images
    assert sum(len(image["regions"]) for image in images) == num_regions
    on_border = 0
    for image in images:
        width, height = Image.open(folder / image["filename"]).size
        border = [
            r
            for r in image["regions"]
            if width in r["shape"]["all_points_x"]
            or height in r["shape"]["all_points_y"]
        ]
        on_border += len(border)
        masks = polygon_mask(border, height, width)
        assert masks.any(axis=(0, 1)).all()
    assert on_border == num_border
