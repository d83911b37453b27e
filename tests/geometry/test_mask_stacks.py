"""Masks resized with their image, and overlaps of masks (mrcnn/geometry/masks.py)."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry import masks as M
from mrcnn.geometry.images import resize_image

from .strategies import mask_stacks, rectangles

MANY = settings(max_examples=40, deadline=None)

# --- resizing with the image --------------------------------------------------------

MODES = [
    {"mode": "none"},
    {"mode": "square", "min_dim": 48, "max_dim": 64},
    {"mode": "square", "max_dim": 32},
    {"mode": "pad64", "min_dim": 64},
    {"mode": "crop", "min_dim": 64, "rng": 1},
]


@pytest.mark.parametrize("mode", MODES, ids=str)
@pytest.mark.parametrize("shape", [(40, 70), (70, 40), (33, 33), (1, 90)])
def test_masks_have_the_size_and_place_of_their_image(mode, shape):
    height, width = shape
    # Bright where the mask is: both must agree but for the rim of a pixel.
    mask = np.zeros((*shape, 2), bool)
    mask[: (height + 1) // 2, : width // 2, 0] = True
    image = np.repeat(mask[:, :, :1] * np.uint8(255), 3, axis=2)
    image, _, scale, padding, crop = resize_image(image, **mode)
    resized = M.resize_mask(mask, scale, padding, crop)
    assert resized.shape[:2] == image.shape[:2]
    assert resized.dtype == bool
    assert not resized[:, :, 1].any()
    rim = np.full(image.shape[:2], False)
    bright = image[:, :, 0]
    rim[(bright > 100) & (bright < 155)] = True
    agree = resized[:, :, 0] == (bright > 127)
    assert agree[~rim].mean() > 0.98


@MANY
@given(mask_stacks(min_count=1), st.floats(0.1, 4))
def test_resized_masks_hold_only_values_of_the_mask(masks, scale):
    labels = masks * np.arange(1, masks.shape[2] + 1, dtype=np.uint8)
    resized = M.resize_mask(labels, scale, [(1, 2), (3, 0), (0, 0)])
    height, width = round(masks.shape[0] * scale), round(masks.shape[1] * scale)
    assert resized.shape[:2] == (max(1, height) + 3, max(1, width) + 3)
    assert resized.dtype == np.uint8
    assert set(np.unique(resized)) <= set(np.unique(labels)) | {0}
    assert not resized[0].any() and not resized[-2:].any() and not resized[:, :3].any()


@pytest.mark.parametrize("factor", [2, 3])
def test_whole_factors_repeat_pixels_and_take_them_back(factor):
    masks = np.random.default_rng(0).random((7, 11, 3)) > 0.5
    no_padding = [(0, 0), (0, 0), (0, 0)]
    larger = M.resize_mask(masks, factor, no_padding)
    np.testing.assert_array_equal(larger, masks.repeat(factor, 0).repeat(factor, 1))
    np.testing.assert_array_equal(M.resize_mask(larger, 1 / factor, no_padding), masks)


def test_resizing_equals_scipy_on_the_same_grid():
    from scipy.ndimage import zoom

    masks = np.random.default_rng(0).random((37, 53, 4)) > 0.5
    for scale in (0.73, 1.6):
        expected = zoom(
            masks, [scale, scale, 1], order=0, mode="nearest", grid_mode=True
        )
        resized = M.resize_mask(masks, scale, [(0, 0), (0, 0), (0, 0)])
        np.testing.assert_array_equal(resized, expected)


def test_crop_equals_cutting_the_resized_masks():
    masks = np.random.default_rng(0).random((20, 30, 2)) > 0.5
    whole = M.resize_mask(masks, 2, [(0, 0), (0, 0), (0, 0)])
    cut = M.resize_mask(masks, 2, [(0, 0), (0, 0), (0, 0)], crop=(3, 7, 32, 40))
    np.testing.assert_array_equal(cut, whole[3:35, 7:47])


@pytest.mark.parametrize(
    "crop", [(0, 0, 41, 40), (0, 21, 40, 40), (-1, 0, 9, 9), (0, -1, 9, 9)]
)
def test_crops_of_another_image_raise(crop):
    with pytest.raises(ValueError, match=r"resize_mask\(crop="):
        M.resize_mask(np.zeros((20, 30, 1)), 2, [(0, 0), (0, 0)], crop)


def test_resizing_no_masks_gives_no_masks():
    resized = M.resize_mask(np.zeros((10, 20, 0)), 2, [(0, 20), (0, 0), (0, 0)])
    assert resized.shape == (40, 40, 0)


# --- overlaps -----------------------------------------------------------------------


def test_overlaps_of_drawn_masks():
    masks = rectangles([[0, 0, 10, 10], [0, 5, 10, 15], [0, 0, 0, 0]], 20, 30)
    overlaps = M.compute_overlaps_masks(masks, masks)
    np.testing.assert_allclose(
        overlaps, [[1, 1 / 3, 0], [1 / 3, 1, 0], [0, 0, 0]], rtol=1e-6
    )
    assert overlaps.dtype == np.float32


@MANY
@given(mask_stacks(min_count=1), st.integers(0, 3), st.integers(0, 100))
def test_overlaps_equal_set_arithmetic(masks, count, seed):
    others = np.random.default_rng(seed).random((*masks.shape[:2], count)) > 0.5
    expected = np.zeros((masks.shape[2], count))
    for i in range(masks.shape[2]):
        for j in range(count):
            either = (masks[:, :, i] | others[:, :, j]).sum()
            both = (masks[:, :, i] & others[:, :, j]).sum()
            expected[i, j] = both / either if either else 0
    np.testing.assert_allclose(
        M.compute_overlaps_masks(masks, others), expected, rtol=1e-6
    )


def test_overlaps_of_large_masks_count_every_pixel():
    height = 300
    masks = rectangles([[0, 0, height, 256], [height - 3, 0, height, 256]], height, 256)
    np.testing.assert_allclose(
        M.compute_overlaps_masks(masks, masks)[0], [1, 3 / height], rtol=1e-6
    )


def test_probabilities_count_above_one_half():
    masks = np.array([[0.5, 0.51, 0.9]])[:, :, None]
    np.testing.assert_allclose(
        M.compute_overlaps_masks(masks, np.ones((1, 3, 1))), [[2 / 3]], rtol=1e-6
    )


def test_overlaps_with_nothing_are_empty():
    some, none = np.ones((4, 5, 2), bool), np.zeros((4, 5, 0), bool)
    assert M.compute_overlaps_masks(some, none).shape == (2, 0)
    assert M.compute_overlaps_masks(none, some).shape == (0, 2)


def test_overlaps_of_images_of_different_size_raise():
    with pytest.raises(ValueError, match=r"different size, \(4, 5\) and \(5, 4\)"):
        M.compute_overlaps_masks(np.ones((4, 5, 1)), np.ones((5, 4, 1)))
