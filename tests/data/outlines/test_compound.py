from __future__ import annotations

import numpy as np
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.shapes import Ellipse, Polyline, Rectangle
from tests.data.painted import draw_outline

numbers = st.floats(-5, 25)
shapes = st.one_of(
    st.builds(Rectangle, numbers, numbers, numbers, numbers),
    st.builds(Ellipse, numbers, numbers, st.floats(0, 9), st.floats(0, 9)),
    st.builds(
        lambda points, width: Polyline(np.array(points), width),
        st.lists(st.tuples(numbers, numbers), min_size=1, max_size=3),
        st.floats(1, 5),
    ),
)


@given(st.lists(shapes, max_size=4))
def test_compound_is_the_union_of_its_parts(parts):
    expected = np.zeros([12, 20], dtype=bool)
    for part in parts:
        expected |= draw_outline(part, 12, 20)
    compound = Compound(tuple(parts))
    np.testing.assert_array_equal(draw_outline(compound, 12, 20), expected)
    y1, x1, y2, x2 = compound.crop(12, 20).box
    if expected.any():
        rows, columns = expected.any(axis=1), expected.any(axis=0)
        assert rows[[y1, y2 - 1]].all() and columns[[x1, x2 - 1]].all()  # tight
        top, left, bottom, right = compound.bounds(12, 20)
        assert top <= y1 and left <= x1 and y2 <= bottom and x2 <= right
    else:
        assert (y1, x1, y2, x2) == (0, 0, 0, 0)
