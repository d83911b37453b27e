"""The tensor twin of `unmold_mask` returns what the NumPy function returns."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.box_masks import unmold_mask, unmold_mask_tensor

from .strategies import in_graph

TWINS = settings(max_examples=25, deadline=None)
HEIGHT, WIDTH = 20, 33

MASK, BOX, SHAPE = ([None, None], "float64"), ([4], "float32"), ([None], "int32")

# In, across and outside of an image of HEIGHT x WIDTH; some turned inside out.
any_box = st.tuples(
    st.integers(-30, 50), st.integers(-30, 60), st.integers(-3, 40), st.integers(-3, 40)
).map(lambda row: [row[0], row[1], row[0] + row[2], row[1] + row[3]])
DRAWN = [
    [0, 0, HEIGHT, WIDTH],  # the image
    [-3, -4, 5, 6],  # over the upper left corner
    [14, 28, 25, 50],  # over the lower right one
    [-5, -5, 40, 60],  # larger than the image
    [2, 3, 2, 9],  # no height
    [2, 3, 9, 3],  # no width
    [9, 3, 2, 30],  # inside out
    [40, 3, 50, 9],  # below the image
    [-9, 3, -2, 9],  # above it
    [3, -20, 9, -2],  # left of it
    [HEIGHT, WIDTH, HEIGHT + 3, WIDTH + 3],  # touches the last corner
    [1.5, 2.5, 6.5, 9.49],  # between pixels
]


def check_pasting(box, threshold, seed):
    mask = np.random.default_rng(seed).random((14, 9))
    box, shape = np.array(box, np.float32), (HEIGHT, WIDTH)
    expected = unmold_mask(mask, box, shape, threshold)
    graph = in_graph(unmold_mask_tensor, MASK, BOX, SHAPE, ([], "float64"))
    for twin in (unmold_mask_tensor, graph):
        pasted = twin(mask, box, shape, threshold)
        assert pasted.dtype == expected.dtype
        np.testing.assert_array_equal(pasted, expected)


@TWINS
@given(any_box, st.sampled_from([0.5, 0.7]), st.integers(0, 99))
def test_pasted_masks_are_equal(box, threshold, seed):
    check_pasting(box, threshold, seed)


@pytest.mark.parametrize("box", DRAWN, ids=str)
def test_drawn_pasted_masks_are_equal(box):
    check_pasting(box, 0.5, seed=1)


def test_threshold_itself_belongs_to_the_object():
    mask = np.array([[0.49, 0.5], [0.8, 0.1]], np.float32)
    full = unmold_mask_tensor(mask, [0, 0, 2, 2], (2, 2))
    np.testing.assert_array_equal(full, [[False, True], [True, False]])
