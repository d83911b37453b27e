from __future__ import annotations

import math

import numpy as np
import pytest

from mrcnn.data.outlines.annotation import (
    Ellipse,
    MaskFile,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
)
from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.shape_extents import shape_extent

SHAPES = [
    (Rectangle(-5, 3, 8, 90), (-5, 3, 8, 90)),
    (Polygons.from_xy([[1, 2, 3, 4], [-7, 9, 8, 50, 2, 2]]), (2, -7, 50, 8)),
    (Polyline.from_xy([1, -2, 30, 4]), (-2, 1, 4, 30)),
    (Ellipse(10, 20, 3, 8), (7, 12, 13, 28)),
    (Ellipse(10, 20, 3, 8, math.pi / 2), (2, 17, 18, 23)),
    (Compound([Rectangle(0, 0, 4, 4), Polyline.from_xy([9, 9])]), (0, 0, 9, 9)),
]


@pytest.mark.parametrize(("shape", "extent"), SHAPES)
def test_extent_is_not_cut_to_an_image(shape, extent):
    np.testing.assert_allclose(shape_extent(shape), extent, atol=1e-9)


@pytest.mark.parametrize(
    "shape",
    [Rle([4, 4]), MaskFile("a.png"), Polygons([]), Polyline([]), Compound([Rle([1])])],
)
def test_what_has_no_points_has_no_extent(shape):
    assert shape_extent(shape) is None
