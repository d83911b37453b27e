"""Run lengths as the Data Science Bowl 2018 writes them."""

from __future__ import annotations

import doctest

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tests.conftest import load_script
from tests.samples.conftest import SAMPLES

dsb2018_csv = load_script(SAMPLES / "nucleus" / "dsb2018_csv.py")
mask_to_rle = dsb2018_csv.mask_to_rle
rle_decode, rle_encode = dsb2018_csv.rle_decode, dsb2018_csv.rle_encode

sides = st.integers(1, 9)


@given(arrays.arrays(bool, st.tuples(sides, sides)))
def test_decoding_gives_the_mask_back(mask):
    np.testing.assert_array_equal(rle_decode(rle_encode(mask), mask.shape), mask)


@given(arrays.arrays(bool, st.tuples(sides, sides)))
def test_runs_are_rising_apart_and_as_long_as_the_mask(mask):
    starts, lengths = np.array(rle_encode(mask).split(), int).reshape(-1, 2).T
    assert lengths.sum() == mask.sum() and (lengths > 0).all()
    assert (starts[1:] > (starts + lengths)[:-1]).all()


def test_pixels_count_from_one_down_the_columns():
    mask = np.zeros((3, 4), bool)
    mask[0, 0] = mask[2, 1] = mask[0, 2] = mask[2, 3] = True  # a run over two columns
    assert rle_encode(mask) == "1 1 6 2 12 1"
    assert rle_encode(mask.astype(np.uint8) * 255) == "1 1 6 2 12 1"
    assert rle_encode(np.ones((3, 4), bool)) == "1 12"
    assert rle_encode(np.zeros((3, 4), bool)) == ""


@pytest.mark.parametrize("rle", ["1", "1 2 3", "1 x", "0 2", "11 3", "1 -1", "13 1"])
def test_what_is_no_mask_of_the_picture_is_an_error(rle):
    with pytest.raises(ValueError, match="rle_decode"):
        rle_decode(rle, (3, 4))


def test_shared_pixels_go_to_the_surest():
    masks = np.zeros((2, 3, 3), bool)
    masks[:, :2, 0] = True  # pixels 1-4
    masks[:, 1:, 1] = True  # pixels 3-6, surer
    masks[:, 2, 2] = True  # pixels 5-6, all taken: left out
    lines = mask_to_rle("a", masks, np.array([0.8, 0.9, 0.7])).splitlines()
    assert lines == ["a,3 4", "a,1 2"]


def test_of_two_equally_sure_the_first_is_taken():
    masks = np.ones((1, 2, 2), bool)
    masks[0, 1, 0] = False
    assert mask_to_rle("a", masks, np.array([0.5, 0.5])) == "a,1 1\na,2 1"


@pytest.mark.parametrize("masks", [np.zeros((2, 3, 0), bool), np.zeros((2, 3, 1))])
def test_a_picture_without_nuclei_has_its_line(masks):
    assert mask_to_rle("a", masks, np.ones(masks.shape[2])) == "a,"


def test_the_masks_given_stay_as_they_are():
    masks = np.ones((2, 3, 2), bool)
    mask_to_rle("a", masks, np.array([0.5, 0.6]))
    assert masks.all()


@pytest.mark.parametrize("shape", [(2, 3), (2, 3, 2)])
def test_one_score_a_mask(shape):
    with pytest.raises(ValueError, match=r"give bool \[H, W, N\]"):
        mask_to_rle("a", np.ones(shape, bool), np.ones(1))


def test_a_stack_is_no_mask():
    with pytest.raises(ValueError, match=r"expected bool \[H, W\]"):
        rle_encode(np.ones((2, 3, 1), bool))


def test_examples_of_the_docstrings():
    result = doctest.testmod(dsb2018_csv)
    assert result.attempted and not result.failed
