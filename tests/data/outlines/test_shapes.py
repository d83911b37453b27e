from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as coco_mask

from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.mask_files import MaskFile
from mrcnn.data.outlines.shapes import (
    Ellipse,
    MaskSizeError,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
)
from mrcnn.geometry.masks import extract_bboxes
from tests.data.painted import draw_outline

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

HEIGHT, WIDTH = 30, 40  # not square
SQUARE = [1, 2, 4, 2, 4, 5, 1, 5]  # x, y, x, y, ...

near = st.floats(-12, 52, width=32)
points = st.lists(st.tuples(near, near), min_size=3, max_size=9)


def coco_draws(rings):
    """What COCO's own annToMask makes of polygons."""
    rles = coco_mask.frPyObjects(rings, HEIGHT, WIDTH)
    return coco_mask.decode(coco_mask.merge(rles)).astype(bool)


def random_rle(seed):
    mask = np.random.default_rng(seed).random((HEIGHT, WIDTH)) < 0.02
    return Rle(coco_mask.encode(np.asfortranarray(mask, np.uint8))["counts"])


shapes = st.one_of(
    st.lists(points, min_size=1, max_size=3).map(Polygons.from_xy),
    st.builds(Rectangle, near, near, near, near),
    st.builds(Ellipse, near, near, near, near, st.floats(-7, 7)),
    st.builds(Polyline, points, st.floats(0.1, 9)),
    st.integers(0, 99).map(random_rle),
)


@given(shapes)
def test_crop_is_tight_and_draw_pastes_it(shape):
    box, mask = shape.crop(HEIGHT, WIDTH)
    drawn = draw_outline(shape, HEIGHT, WIDTH)
    assert all(type(side) is int for side in box)
    assert mask.dtype == drawn.dtype == bool
    assert list(box) == extract_bboxes(drawn[..., None])[0].tolist()
    y1, x1, y2, x2 = box
    assert mask.shape == (y2 - y1, x2 - x1)
    np.testing.assert_array_equal(mask, drawn[y1:y2, x1:x2])
    assert mask.sum() == drawn.sum()


@given(shapes)
def test_bounds_hold_every_pixel_and_stay_in_the_image(shape):
    y1, x1, y2, x2 = shape.bounds(HEIGHT, WIDTH)
    assert 0 <= y1 <= HEIGHT and 0 <= x1 <= WIDTH and y2 <= HEIGHT and x2 <= WIDTH
    drawn = draw_outline(shape, HEIGHT, WIDTH)
    assert drawn[y1:y2, x1:x2].sum() == drawn.sum()


@given(st.lists(points, min_size=1, max_size=3))
def test_polygons_are_those_of_coco_bit_for_bit(rings):
    rings = [np.ravel(ring).tolist() for ring in rings]
    drawn = draw_outline(Polygons.from_xy(rings), HEIGHT, WIDTH)
    np.testing.assert_array_equal(drawn, coco_draws(rings))


def test_polygons_are_the_union_of_their_rings():
    inner = [2, 3, 3, 3, 3, 4, 2, 4]  # within the square: no hole
    other = [10, 10, 12, 10, 12, 11, 10, 11]
    drawn = draw_outline(Polygons.from_xy([SQUARE, inner, other]), HEIGHT, WIDTH)
    assert drawn.sum() == 9 + 2
    assert drawn[2:5, 1:4].all() and drawn[10, 10:12].all()


def test_points_come_flat_or_in_pairs_and_leave_as_y_x():
    flat, pairs = SQUARE, [(1, 2), (4, 2), (4, 5), (1, 5)]
    for ring in (flat, pairs, np.array(pairs, np.int16)):
        assert Polygons.from_xy([ring]).rings[0].tolist()[0] == [2.0, 1.0]


def test_ring_of_two_points_is_not_taken_for_a_box():
    # pycocotools reads four numbers as x, y, width, height.
    assert not draw_outline(Polygons.from_xy([[1, 2, 4, 5]]), HEIGHT, WIDTH).any()
    both = draw_outline(Polygons.from_xy([[1, 2, 4, 5], SQUARE]), HEIGHT, WIDTH)
    assert both.sum() == 9


def test_rle_is_read_in_every_form():
    counts = [HEIGHT * 3 + 2, 4, HEIGHT * (WIDTH - 3) - 6]
    size = (HEIGHT, WIDTH)
    packed = coco_mask.frPyObjects({"size": size, "counts": counts}, *size)["counts"]
    for form in (counts, tuple(counts), packed, packed.decode()):
        drawn = draw_outline(Rle(form, size), *size)
        assert drawn[2:6, 3].all() and drawn.sum() == 4


def test_rle_of_another_image_is_refused():
    counts = [5, 2, HEIGHT * WIDTH - 7]
    with pytest.raises(MaskSizeError, match=r"size=\(40, 30\).*image is \(30, 40\)"):
        Rle(counts, (WIDTH, HEIGHT)).crop(HEIGHT, WIDTH)
    with pytest.raises(MaskSizeError, match="1200 px long together.*has 1600"):
        Rle(counts).crop(40, 40)


def test_rectangle_is_cut_at_the_border():
    assert Rectangle(-3, -3, 4, 5).crop(HEIGHT, WIDTH).box == (0, 0, 4, 5)
    box = Rectangle(20, 30, 99, 99).crop(HEIGHT, WIDTH).box
    assert box == (20, 30, 30, 40)
    assert not draw_outline(Rectangle(5, 5, 4, 9), HEIGHT, WIDTH).any()


def test_circle_has_its_area_and_a_turned_ellipse_its_direction():
    circle = draw_outline(Ellipse(15, 20, 10, 10), HEIGHT, WIDTH)
    assert circle.sum() == pytest.approx(np.pi * 100, rel=0.02)
    lying = draw_outline(Ellipse(15, 20, 3, 12), HEIGHT, WIDTH)
    standing = draw_outline(Ellipse(15, 20, 3, 12, np.pi / 2), HEIGHT, WIDTH)
    assert np.ptp(np.nonzero(lying)[1]) > 20 > 10 > np.ptp(np.nonzero(lying)[0])
    assert np.ptp(np.nonzero(standing)[0]) > 20 > 10 > np.ptp(np.nonzero(standing)[1])
    # Clockwise on the screen: the right end goes down.
    falling = draw_outline(Ellipse(15, 20, 3, 12, np.pi / 4), HEIGHT, WIDTH)
    assert falling[22, 27] and not falling[8, 27]


def test_polyline_has_the_width_of_its_pen():
    line = draw_outline(Polyline.from_xy([5, 10, 30, 10], 4), HEIGHT, WIDTH)
    rows, columns = np.nonzero(line)
    assert (rows.min(), rows.max() + 1) == (8, 12)
    # Round ends reach half a width beyond.
    assert (columns.min(), columns.max() + 1) == (3, 32)


def test_polyline_is_open_and_a_point_of_it_a_dot():
    corner = draw_outline(Polyline.from_xy([5, 5, 30, 5, 30, 25], 2), HEIGHT, WIDTH)
    assert corner[5, 20] and corner[20, 30] and not corner[15, 17]
    dot = Polyline.from_xy([20.5, 15.5], 3).crop(HEIGHT, WIDTH)
    assert dot.box == (14, 19, 17, 22) and dot.mask[1, 1]


@pytest.mark.parametrize(
    "shape",
    [
        Polygons([]),
        Polygons.from_xy([[]]),
        Polygons.from_xy([[50, 50, 60, 50, 60, 60]]),  # outside
        Ellipse(9, 9, 0, 5),
        Ellipse(9, 9, -3, -3),
        Polyline([], 3),
        Rle([HEIGHT * WIDTH]),
        Rectangle(3, 3, 3, 3),
    ],
)
def test_shape_without_a_pixel_is_an_empty_crop(shape):
    box, mask = shape.crop(HEIGHT, WIDTH)
    assert box == (0, 0, 0, 0) and mask.shape == (0, 0)
    assert draw_outline(shape, HEIGHT, WIDTH).sum() == 0


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (lambda: Polygons.from_xy([[1, 2, 3]]), "3 numbers are no pairs"),
        (lambda: Polygons.from_xy([[1, 2, 3, np.nan, 5, 6]]), "damaged"),
        (lambda: Polygons.from_xy([[1, 2, 3, 1e7, 5, 6]]), r"to 1e\+07 px"),
        (lambda: Polygons([np.zeros([4, 3])]), r"pairs.*\(4, 3\)"),
        (lambda: Rectangle(1, 2, np.inf, 4), "Rectangle.*damaged"),
        (lambda: Ellipse(1, 2, 3, np.nan), "Ellipse.*damaged"),
        (lambda: Polyline([[1, 2]], 0), "line_width=0"),
    ],
)
def test_damaged_shape_is_refused_where_it_is_made(make, said):
    with pytest.raises(ValueError, match=said):
        make()


EXTENTS = [
    (Rectangle(-5, 3, 8, 90), (-5, 3, 8, 90)),
    (Polygons.from_xy([[1, 2, 3, 4], [-7, 9, 8, 50, 2, 2]]), (2, -7, 50, 8)),
    (Polyline.from_xy([1, -2, 30, 4]), (-2, 1, 4, 30)),
    (Ellipse(10, 20, 3, 8), (7, 12, 13, 28)),
    (Ellipse(10, 20, 3, 8, np.pi / 2), (2, 17, 18, 23)),
    (Compound([Rectangle(0, 0, 4, 4), Polyline.from_xy([9, 9])]), (0, 0, 9, 9)),
]


@pytest.mark.parametrize(("shape", "extent"), EXTENTS)
def test_extent_is_not_cut_to_an_image(shape, extent):
    np.testing.assert_allclose(shape.extent(), extent, atol=1e-9)


@pytest.mark.parametrize(
    "shape",
    [Rle([4, 4]), MaskFile("a.png"), Polygons([]), Polyline([]), Compound([Rle([1])])],
)
def test_what_has_no_points_has_no_extent(shape):
    assert shape.extent() is None
