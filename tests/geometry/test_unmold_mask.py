"""`unmold_mask` writes the resized mask into its box, as far as the image goes."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.box_masks import paste_crop, unmold_mask

EXAMPLES = settings(max_examples=25, deadline=None)
HEIGHT, WIDTH = 20, 33

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
    pasted = unmold_mask(mask, np.array(box, np.float32), (HEIGHT, WIDTH), threshold)
    y1, x1, y2, x2 = np.rint(box).astype(int).tolist()
    # On a canvas that holds any box, without a word about borders.
    canvas = np.zeros((HEIGHT + 200, WIDTH + 200), bool)
    crop = paste_crop(mask, box, threshold)
    if crop.size:
        canvas[100 + y1 : 100 + y2, 100 + x1 : 100 + x2] = crop
    expected = canvas[100 : 100 + HEIGHT, 100 : 100 + WIDTH]
    np.testing.assert_array_equal(pasted, expected)


@EXAMPLES
@given(any_box, st.sampled_from([0.5, 0.7]), st.integers(0, 99))
def test_mask_lies_in_its_box(box, threshold, seed):
    check_pasting(box, threshold, seed)


@pytest.mark.parametrize("box", DRAWN, ids=str)
def test_mask_lies_in_drawn_boxes(box):
    check_pasting(box, 0.5, seed=1)
