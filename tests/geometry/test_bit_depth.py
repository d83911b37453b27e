"""Images of more than 8 bits look like those of 8."""

from __future__ import annotations

import warnings

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.geometry import bit_depth
from mrcnn.geometry.bit_depth import shown_values, to_8_bit, using_range, values_of

SEEN = np.arange(0, 36, dtype=np.uint8).reshape(4, 9)  # dark, as nuclei are


@pytest.fixture(autouse=True)
def _nothing_told():
    bit_depth._told.clear()


@pytest.mark.filterwarnings("ignore:.*taken for one of")
@pytest.mark.parametrize("factor", [1, 4, 16, 64, 256, 257])
def test_a_dark_image_is_the_same_in_each_number_of_bits(factor):
    np.testing.assert_array_equal(to_8_bit(SEEN * np.uint16(factor), "auto"), SEEN)


@pytest.mark.filterwarnings("ignore:.*taken for one of")
@pytest.mark.parametrize("bits", [10, 12, 14, 16])
def test_a_bright_image_has_the_bits_that_its_values_need(bits):
    deep = np.array([0, 2 ** (bits - 1) + 3, 2**bits - 1], np.uint16)
    assert to_8_bit(deep, "auto").tolist() == [0, 128, 255]


@pytest.mark.filterwarnings("ignore:.*taken for one of")
def test_steps_of_a_drawing_of_few_grey_levels_say_nothing():
    drawing = np.array([0, 800, 4000], np.uint16)  # multiples of 32, of 12 bits
    assert to_8_bit(drawing, "auto").tolist() == [0, 50, 250]


def test_the_range_is_told_once_for_each_number_of_bits():
    twelve = np.array([1, 3000], np.uint16)
    with pytest.warns(UserWarning, match=r"a\.tif.*3000.*12 bits.*IMAGE_RANGE"):
        to_8_bit(twelve, "auto", "a.tif")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_8_bit(twelve, "auto", "b.tif")
        to_8_bit(np.array([1, 60000], np.uint16), "auto")  # nothing was guessed
        to_8_bit(np.array([1, 9000], np.uint16), "dtype")
        to_8_bit(np.array([1, 9000], np.uint16), (0, 16383))
    with pytest.warns(UserWarning, match="10 bits.*of others, 12"):
        to_8_bit(np.array([1, 999], np.uint16), "auto")


def test_a_few_bright_pixels_above_fewer_bits_are_told():
    image = np.arange(4000, dtype=np.uint16).reshape(40, 100)
    image[3, 3] = 65535
    with pytest.warns(UserWarning, match=r"99\.9 % of them are 399\d at most.*0, 399"):
        to_8_bit(image, "auto", "test")
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        to_8_bit(image, "auto", "test")  # once
        bit_depth._told.clear()
        to_8_bit(image + np.uint16(8000) * (image % 9 == 0), "auto")


@pytest.mark.parametrize("image_range", ["auto", (0, 1)])
def test_an_image_with_nan_is_an_error_with_another_remedy(image_range):
    with pytest.raises(ValueError, match="nan or infinity.*nan_to_num"):
        to_8_bit(np.array([0, np.nan]), image_range, "test")


def test_a_given_range_is_black_to_white_and_the_rest_is_cut():
    values = np.array([-50, 100, 300, 500, 70000], np.int32)
    assert to_8_bit(values, (100, 500)).tolist() == [0, 0, 128, 255, 255]
    assert to_8_bit(np.array([0.5, 2]), (0, 2)).tolist() == [64, 255]
    assert to_8_bit(SEEN, (0, 4095)) is SEEN  # 8 bits are what they are


@pytest.mark.filterwarnings("ignore:.*taken for one of")
def test_files_that_say_their_bits_are_believed_where_that_is_possible():
    deep = np.array([0, 999], np.uint16)
    assert to_8_bit(deep, "auto", declared=12).tolist() == [0, 62]
    assert to_8_bit(deep, "auto", declared=9).tolist() == [0, 249]


@pytest.mark.parametrize("values", [[-1, 5], [0, 70000], [0.0, 2.5], [1j]])
def test_values_without_a_plain_meaning_are_an_error_that_names_them(values):
    values = np.array(values)
    with pytest.raises(ValueError, match=rf"x\.tif.*{values.dtype}.*IMAGE_RANGE"):
        to_8_bit(values, "auto", "x.tif")


@pytest.mark.parametrize("wrong", ["12 bit", (5, 5), (9, 1), (1, 2, 3), 4095, ()])
def test_a_rule_that_is_none_is_an_error(wrong):
    with pytest.raises(ValueError, match=r"IMAGE_RANGE=.*must be \"auto\""):
        to_8_bit(np.array([1, 300], np.uint16), wrong)


@given(st.lists(st.integers(0, 65535), min_size=4, max_size=40), st.integers(1, 3))
def test_an_image_in_pieces_has_the_values_of_the_whole(values, step):
    image = np.array(values, np.uint16)
    parts = [image[i : i + step] for i in range(0, len(image), step)]
    assert values_of(parts) == values_of([image])


@pytest.mark.filterwarnings("ignore:.*taken for one of")
def test_the_range_in_use_holds_inside_of_the_block_alone():
    deep = np.array([0, 1000], np.uint16)
    with using_range((0, 2000)):
        assert to_8_bit(deep).tolist() == [0, 128]
        with using_range("dtype"):
            assert to_8_bit(deep).tolist() == [0, 3]
    assert to_8_bit(deep).tolist() == [0, 250]


@pytest.mark.filterwarnings("ignore:.*taken for one of")
def test_arrays_are_scaled_only_where_they_hold_more_than_8_bits():
    for dtype in (np.uint8, np.uint16, np.int64, np.float32):
        image = SEEN.astype(dtype)
        assert shown_values(image, "auto", "x") is image
    for dtype in (np.uint16, np.int32, np.float32):
        image = SEEN.astype(dtype) * dtype(16)
        np.testing.assert_array_equal(shown_values(image, "auto", "x"), SEEN)
        assert shown_values(image, "auto", "x", mean_pixel=[2000.0]) is image
    molded = SEEN - 123.7
    assert shown_values(molded, "auto", "x") is molded
    with pytest.raises(ValueError, match="x: int64 values from 0 to 350000"):
        shown_values(SEEN.astype(np.int64) * 10000, "auto", "x")
