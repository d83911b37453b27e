from __future__ import annotations

import json

import numpy as np
import pytest
import skimage.draw
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from pycocotools import mask as coco_mask

from mrcnn.data.formats.via.via_dataset import polygon_mask, read_via

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


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
    assert areas.tolist() == [42, 14, 3, 0, 0]


def test_concave_polygon_has_its_hole():
    #   o.o    a U: the notch is not filled
    #   ooo
    notched = polygon([0, 1, 1, 2, 2, 3, 3, 0], [0, 0, 1, 1, 0, 0, 2, 2])
    assert polygon_mask([notched], 2, 3)[..., 0].tolist() == [
        [True, False, True],
        [True, True, True],
    ]


# px. pycocotools rounds corners, and the way between them, to fifths.
GRID = 0.3


def distance_to_outline(x, y, height, width):
    """Distance [H, W] of each pixel's center to the nearest edge of a polygon."""
    rows, columns = np.mgrid[:height, :width] + 0.5
    distance = np.full([height, width], np.inf)
    for x1, y1, x2, y2 in zip(np.roll(x, 1), np.roll(y, 1), x, y, strict=True):
        dx, dy = x2 - x1, y2 - y1
        along = (columns - x1) * dx + (rows - y1) * dy
        t = np.clip(along / max(dx**2 + dy**2, 1e-9), 0, 1)
        edge = np.hypot(columns - x1 - t * dx, rows - y1 - t * dy)
        distance = np.minimum(distance, edge)
    return distance


@given(
    st.lists(st.tuples(st.floats(-8, 48), st.floats(-8, 38)), min_size=3, max_size=9)
)
def test_polygon_has_the_pixels_whose_centers_lie_in_it(points):
    x, y = np.array(points).T
    mask = polygon_mask([polygon(x, y)], 30, 40)[..., 0]
    # scikit-image: even-odd too, pixel centers at whole numbers.
    expected = np.zeros([30, 40], bool)
    expected[skimage.draw.polygon(y - 0.5, x - 0.5, (30, 40))] = True
    clear = distance_to_outline(x, y, 30, 40) > GRID
    np.testing.assert_array_equal(mask[clear], expected[clear])


@given(
    st.lists(
        st.tuples(st.integers(-5, 45), st.integers(-5, 35)), min_size=3, max_size=9
    )
)
def test_polygon_is_that_of_coco(points):
    segmentation = [np.array(points, float).ravel().tolist()]
    expected = coco_mask.decode(coco_mask.frPyObjects(segmentation, 30, 40))[..., 0]
    mask = polygon_mask([polygon(*np.array(points).T)], 30, 40)[..., 0]
    np.testing.assert_array_equal(mask, expected)


def outline_of_ellipse(cx, cy, rx, ry, theta):
    """720 points, clockwise on the screen, turned clockwise by theta."""
    t = np.linspace(0, 2 * np.pi, 720, endpoint=False)
    x, y = rx * np.cos(t), ry * np.sin(t)
    return polygon(
        cx + x * np.cos(theta) - y * np.sin(theta),
        cy + x * np.sin(theta) + y * np.cos(theta),
    )


@pytest.mark.parametrize("theta", [0, 0.3, 2.0, -2.5, 7.0])
@pytest.mark.parametrize("center", [(50, 40), (50.5, 39.75), (2, 75), (-5, 85)])
def test_ellipse_is_the_polygon_around_it(center, theta):
    cx, cy = center
    ellipse = {"name": "ellipse", "cx": cx, "cy": cy, "rx": 30, "ry": 12}
    outline = outline_of_ellipse(cx, cy, 30, 12, theta)
    masks = polygon_mask([ellipse | {"theta": theta}, outline], 80, 100)
    x, y = (np.array(outline[f"all_points_{axis}"]) for axis in "xy")
    clear = distance_to_outline(x, y, 80, 100) > GRID
    np.testing.assert_array_equal(masks[clear, 0], masks[clear, 1])
    assert masks[..., 0].any()


def test_circle_is_a_round_ellipse():
    circle = {"name": "circle", "cx": 50, "cy": 40, "r": 20}
    ellipse = {"name": "ellipse", "cx": 50, "cy": 40, "rx": 20, "ry": 20}
    masks = polygon_mask([circle, ellipse], 80, 100)
    np.testing.assert_array_equal(masks[..., 0], masks[..., 1])
    assert masks[..., 0].sum() == pytest.approx(np.pi * 400, rel=0.02)
    # Its center is the corner of four pixels, and the middle of this image.
    np.testing.assert_array_equal(masks, masks[:, ::-1])
    np.testing.assert_array_equal(masks, masks[::-1])


@pytest.mark.parametrize(
    "shape",
    [
        {"name": "circle", "cx": 9, "cy": 9, "r": 0},
        {"name": "circle", "cx": 9, "cy": 9, "r": -5},
        {"name": "ellipse", "cx": 9, "cy": 9, "rx": 5, "ry": 0},
        {"name": "circle", "cx": -50, "cy": 9, "r": 20},
        {"name": "circle", "cx": 50, "cy": 9, "r": 20},
        {"name": "ellipse", "cx": 9, "cy": 99, "rx": 20, "ry": 20, "theta": 1.0},
        {"name": "rect", "x": 3, "y": 3, "width": 0, "height": 3},
        {"name": "rect", "x": 30, "y": 3, "width": 4, "height": 3},
        polygon([], []),
        polygon([3], [3]),
        polygon([3, 9], [3, 9]),
        polygon([3, 9, 6], [3, 9, 6]),
        polygon([3, 3, 3, 3], [3, 3, 3, 3]),
    ],
)
def test_shape_without_area_or_outside_has_no_pixel(shape):
    assert not polygon_mask([shape], 20, 20).any()


def test_no_region_gives_no_mask():
    assert polygon_mask([], 4, 5).shape == (4, 5, 0)


@pytest.mark.parametrize(
    ("shape", "said"),
    [
        ({"name": "point", "cx": 1, "cy": 1}, "region 0 is a 'point'.*no area"),
        ({"name": "rect", "x": 1}, "region 0, a rect: y is missing"),
        (polygon([1], []), "1 x and 0 y"),
        (polygon([[1, 2]], [[1, 2]]), r"a polygon: all_points_x\[0\] is \[1, 2\]"),
        (polygon([1, 2, 1e9], [1, 2, 3]), r"from 1 to 1e\+09 px.*damaged"),
        (polygon([1, float("nan"), 3], [1, 2, 3]), r"all_points_x\[1\] is nan"),
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
