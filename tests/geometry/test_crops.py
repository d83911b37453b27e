"""Objects in their boxes give what masks of the whole image give."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.geometry.crops import (
    Crop,
    aligned,
    covered,
    crop_boxes,
    crop_iou,
    crop_overlaps,
    join_crops,
    no_crop,
    paste,
    shared_area,
    stack_crops,
    tight_crop,
)
from mrcnn.geometry.masks import (
    compute_overlaps_masks,
    crop_masks,
    extract_bboxes,
)

HEIGHT, WIDTH = 40, 70


@st.composite
def stacks(draw, max_count=5):
    """Blocks with holes, near each other; some without a pixel: bool [H, W, N]."""
    rng = np.random.default_rng(draw(st.integers(0, 10_000)))
    masks = np.zeros((HEIGHT, WIDTH, draw(st.integers(0, max_count))), bool)
    for i in range(masks.shape[2]):
        y, x = rng.integers(0, (HEIGHT - 12, WIDTH - 12))
        h, w = rng.integers(0, 12, 2)
        masks[y : y + h, x : x + w, i] = rng.random((h, w)) < 0.8
    return masks


@given(stacks())
def test_cropping_and_stacking_are_inverse(masks):
    crops = crop_masks(masks)
    np.testing.assert_array_equal(stack_crops(crops, masks.shape), masks)
    np.testing.assert_array_equal(crop_boxes(crops), extract_bboxes(masks))


@given(stacks())
def test_a_crop_is_tight_and_knows_its_area(masks):
    for i, crop in enumerate(crop_masks(masks)):
        again = tight_crop(masks[..., i])
        assert again.box == crop.box
        np.testing.assert_array_equal(again.mask, crop.mask)
        assert crop.area == masks[..., i].sum()


@given(stacks(), stacks())
def test_overlaps_are_those_of_full_masks(one, other):
    crops1, crops2 = crop_masks(one), crop_masks(other)
    expected = compute_overlaps_masks(one, other)
    found = crop_overlaps(crops1, crops2)
    assert found.dtype == np.float32
    np.testing.assert_array_equal(found, expected)
    for i, j in np.ndindex(found.shape):
        assert crop_iou(crops1[i], crops2[j]) == pytest.approx(expected[i, j])
        common = one[..., i] & other[..., j]
        assert shared_area(crops1[i], crops2[j]) == common.sum()
        assert aligned(crops1[i], crops2[j]).sum() == crops1[i].of(other[..., j]).sum()


@given(stacks())
def test_joined_crops_are_the_union(masks):
    joined = join_crops(crop_masks(masks))
    expected = tight_crop(masks.any(axis=2))
    assert joined.box == expected.box
    np.testing.assert_array_equal(joined.mask, expected.mask)


@given(stacks())
def test_covered_is_the_part_on_the_union_of_others(masks):
    for i, crop in enumerate(crops := crop_masks(masks)):
        others = np.delete(masks, i, axis=2).any(axis=2)
        expected = (masks[..., i] & others).sum() / max(masks[..., i].sum(), 1)
        assert covered(crop, crops[:i] + crops[i + 1 :]) == pytest.approx(expected)


def test_a_mask_that_begins_inside_the_image_is_placed_there():
    crop = tight_crop(np.array([[0, 0], [0, 1]], bool), y1=5, x1=7)
    assert crop.box == (6, 8, 7, 9)


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-3, -2, 4, 5), np.s_[0:4, 0:5]),
        ((36, 60, 50, 80), np.s_[36:40, 60:70]),
        ((50, 80, 60, 90), np.s_[0:0, 0:0]),  # outside
        ((-9, -9, -2, -2), np.s_[0:0, 0:0]),
    ],
)
def test_pasting_across_the_border_writes_what_is_inside(box, inside):
    mask = np.zeros((HEIGHT, WIDTH), bool)
    expected = mask.copy()
    expected[inside] = True
    paste(mask, Crop(box, np.ones((box[2] - box[0], box[3] - box[1]), bool)))
    np.testing.assert_array_equal(mask, expected)


def test_objects_without_a_pixel_have_no_overlap_and_no_cover():
    block = tight_crop(np.ones((3, 4), bool))
    assert no_crop().box == (0, 0, 0, 0) and no_crop().area == 0
    assert covered(no_crop(), [block]) == 0 and covered(block, [no_crop()]) == 0
    assert crop_iou(no_crop(), no_crop()) == 0
    assert join_crops([]).area == 0
    assert crop_overlaps([], [block]).shape == (0, 1)
    assert crop_boxes([]).shape == (0, 4)
