from __future__ import annotations

import numpy as np
import pytest

from mrcnn import utils, visualize
from mrcnn.geometry import arguments as A

BOXES = np.array([[0, 0, 4, 6], [2, 1, 5, 8]], np.float32)


@pytest.mark.parametrize(
    ("values", "error", "message"),
    [
        (None, TypeError, r"f\(x\): numbers are needed; received NoneType None"),
        ("text", TypeError, "str 'text'"),
        ([None], TypeError, "numbers"),
        ([1j], TypeError, "numbers"),
        (np.zeros(2, "M8[s]"), TypeError, r"datetime64\[s\] \(2,\)"),
        ([[1, 2], [3]], ValueError, r"f\(x\): rows of one length"),
    ],
)
def test_what_is_no_array_of_numbers_is_named(values, error, message):
    with pytest.raises(error, match=message):
        A.as_numbers(values, "f(x)")


@pytest.mark.parametrize("dtype", [">f4", np.float16, np.uint8, bool, object])
def test_numbers_of_every_type_are_taken(dtype):
    np.testing.assert_array_equal(
        A.as_numbers(np.array([0, 1]).astype(dtype), "f(x)", np.float32), [0, 1]
    )


def test_an_array_that_fits_is_not_copied():
    assert A.as_numbers(BOXES, "f(x)", np.float32) is BOXES


@pytest.mark.parametrize("value", ["3", None, [], np.zeros(3), 1j])
def test_what_is_no_number_is_named(value):
    with pytest.raises(TypeError, match=r"f\(x\): a number is needed; received"):
        A.as_number(value, "f(x)")


@pytest.mark.parametrize("value", [float("nan"), -0.1, 1.1, float("inf")])
def test_number_out_of_range_is_named_with_the_range(value):
    with pytest.raises(ValueError, match=r"f\(x\): a number from 0 up to 1 is needed"):
        A.as_number(value, "f(x)", 0, 1)


def test_whole_numbers_may_be_written_as_float_but_not_have_a_part():
    assert A.as_whole(np.float32(3), "f(x)") == A.as_whole(np.array([3]), "f(x)") == 3
    with pytest.raises(ValueError, match="whole number"):
        A.as_whole(2.5, "f(x)")


def test_sides_of_an_image_are_checked():
    assert A.as_sides(np.array([4.0, 6.0, 3.0]), "f(x)") == (4, 6)
    for shape in [(4,), (0, 5), 7, [[4, 5]]]:
        with pytest.raises(ValueError, match=r"f\(x\): a shape \(height, width\)"):
            A.as_sides(shape, "f(x)")


def test_lists_are_told_from_texts_numbers_and_iterators():
    assert A.as_list(iter([1, 2]), "f(x)", 2) == [1, 2]
    for value in ("text", 3, None, np.array(3)):
        with pytest.raises(TypeError, match=r"f\(x\): a list is needed"):
            A.as_list(value, "f(x)")
    with pytest.raises(ValueError, match=r"f\(x\): 3 items are needed; received 1"):
        A.as_list([1], "f(x)", 3)
    with pytest.raises(TypeError, match="read only once"):
        A.count_items(iter([1]), "f(x)")


def test_rows_are_dicts_with_their_keys():
    with pytest.raises(TypeError, match=r"f\(x\): \[1\] is int 3"):
        A.as_rows([{"a": 1}, 3], "f(x)")
    with pytest.raises(ValueError, match=r"f\(x\): \[0\] has no b, c"):
        A.as_rows([{"a": 1}], "f(x)", "a", "b", "c")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        # These ended in errors from below, without function or argument.
        (lambda: utils.norm_boxes("text", (4, 4)), r"norm_boxes\(boxes\)"),
        (lambda: utils.compute_overlaps(BOXES, None), r"compute_overlaps\(boxes2\)"),
        (lambda: utils.box_refinement(BOXES, BOXES[:0]), r"box_refinement\(box, gt"),
        (lambda: utils.resize_image(np.ones([4, 4]), max_dim="8"), r"\(max_dim\)"),
        (lambda: utils.resize(np.ones([4, 4]), 8), r"resize\(output_shape\)"),
        (lambda: utils.unmold_mask(np.ones([2, 2]), BOXES[0], 9), r"\(image_shape\)"),
        (lambda: utils.resize_mask(np.ones([2, 2, 1]), 2, 3), r"mask\(padding\)"),
        (lambda: utils.compute_recall(BOXES, BOXES, None), r"compute_recall\(iou\)"),
        (lambda: visualize.random_colors("3"), r"random_colors\(N\)"),
        (lambda: visualize.display_table(3), r"display_table\(table\)"),
        # These were computed, to something else than was meant.
        (lambda: utils.compute_overlaps(BOXES[0], BOXES), r"compute_overlaps\(boxes1"),
        (lambda: utils.trim_zeros([["0", "1"]]), r"trim_zeros\(x\)"),
        (lambda: utils.non_max_suppression(BOXES, [1, 2], np.nan), r"\(threshold\)"),
        (lambda: utils.norm_boxes(BOXES * 1j, (4, 4)), r"norm_boxes\(boxes\)"),
    ],
)
def test_public_functions_name_themselves_and_the_argument(call, message):
    with pytest.raises((TypeError, ValueError), match=message):
        call()
