from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from skimage.transform import resize as skimage_resize

from mrcnn.geometry.interpolation import (
    nearest_pixels,
    resize_bilinear,
    resize_pixels,
)

from .strategies import sides


@settings(max_examples=50, deadline=None)
@given(st.tuples(sides, sides), st.tuples(sides, sides), st.booleans(), st.data())
def test_bilinear_equals_scikit_image(shape, wanted, is_bool, data):
    rng = np.random.default_rng(data.draw(st.integers(0, 1000)))
    mask = rng.random(shape)
    mask = mask > 0.4 if is_bool else mask
    expected = skimage_resize(
        mask.astype(float), wanted, order=1, mode="constant", anti_aliasing=False
    )
    resized = resize_bilinear(mask, wanted)
    np.testing.assert_allclose(resized, expected, atol=1e-12)
    # The cut at one half falls on the same side, exact halves included.
    np.testing.assert_array_equal(resized > 0.5, np.around(expected).astype(bool))


def test_same_size_changes_nothing():
    mask = np.random.default_rng(0).random((5, 9))
    np.testing.assert_array_equal(resize_bilinear(mask, (5, 9)), mask)


def test_full_masks_stay_full():
    # Near the rim zeros are mixed in; the range of the input cuts them off again.
    np.testing.assert_array_equal(resize_bilinear(np.ones((3, 4), bool), (50, 9)), 1)


@settings(max_examples=100, deadline=None)
@given(
    st.tuples(sides, sides),
    st.tuples(sides, sides),
    st.sampled_from([(), (1,), (3,)]),
    st.sampled_from(["uint8", "uint16", "int16"]),
    st.sampled_from([(0, 255), (0, 1), (100, 101), (255, 255), (-9, -3)]),
)
def test_pixels_equal_scikit_image_to_the_last_bit(
    shape, wanted, channels, dtype, low_high
):
    low, high = low_high
    rng = np.random.default_rng(sum(shape))
    image = rng.integers(low, high + 1, [*shape, *channels]).astype(dtype)
    expected = skimage_resize(
        image,
        wanted,
        order=1,
        mode="constant",
        preserve_range=True,
        anti_aliasing=False,
    ).astype(dtype)
    resized = resize_pixels(image, wanted)
    assert resized.dtype == dtype
    np.testing.assert_array_equal(resized, expected)


def test_photograph_equals_scikit_image_to_the_last_bit():
    # Larger than a chunk; even areas, where decimals of 99.999... are dropped.
    image = np.repeat(np.arange(6, 246, 2, dtype=np.uint8), 3)[:, None, None]
    image = np.tile(image, (1, 200, 3))
    image[50:300, 60:90] = np.random.default_rng(0).integers(0, 256, (250, 30, 3))
    expected = skimage_resize(
        image,
        (683, 1024),
        order=1,
        mode="constant",
        preserve_range=True,
        anti_aliasing=False,
    )
    resized = resize_pixels(image, (683, 1024))
    np.testing.assert_array_equal(resized, expected.astype(np.uint8))
    assert (np.rint(expected) > resized).mean() > 0.2  # rounding is another thing


@pytest.mark.parametrize(
    ("size_in", "size_out", "expected"),
    [
        (3, 3, [0, 1, 2]),
        (2, 4, [0, 0, 1, 1]),
        (4, 2, [1, 3]),  # centers at 1 and 3: exactly between two, the later one
        (6, 2, [1, 4]),  # the middle of each three
        (1, 3, [0, 0, 0]),
        (5, 1, [2]),
    ],
)
def test_nearest_takes_the_pixel_under_the_center(size_in, size_out, expected):
    np.testing.assert_array_equal(nearest_pixels(size_in, size_out), expected)


@settings(max_examples=50, deadline=None)
@given(st.integers(1, 3000), st.integers(1, 3000))
def test_nearest_is_within_half_a_pixel(size_in, size_out):
    pixels = nearest_pixels(size_in, size_out)
    centers = (np.arange(size_out) + 0.5) * size_in / size_out
    assert (np.abs(pixels + 0.5 - centers) <= 0.5 + 1e-9).all()
    assert 0 <= pixels[0] <= pixels[-1] < size_in
