from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.data.object_crops import (
    ObjectCrops,
    crop_masks,
    mini_masks,
    paste_crops,
    resize_crops,
    seen_objects,
)
from mrcnn.geometry.masks import extract_bboxes, minimize_mask, resize_mask
from mrcnn.geometry.resize_plan import plan_resize

MODES = [
    {"mode": "none"},
    {"mode": "square", "max_dim": 24},
    {"mode": "square", "min_dim": 96, "max_dim": 128},
    {"mode": "pad64", "min_scale": 1.7},
    {"mode": "crop", "min_dim": 64, "rng": 5},
]


def masks_of(shape, count, seed):
    """Blobs, specks, an empty and a full mask: bool [H, W, count]."""
    rng = np.random.default_rng(seed)
    masks = np.zeros([*shape, count], bool)
    for i in range(count):
        y, x = rng.integers(0, shape)
        size = int(rng.choice([1, 2, 7, 30]))
        blob = masks[max(y - size, 0) : y + 1, max(x - size, 0) : x + size, i]
        blob[:] = rng.random(blob.shape) < 0.6
    if count > 2:
        masks[..., 1], masks[..., 2] = False, True
    return masks


def assert_same_objects(objects, other):
    np.testing.assert_array_equal(objects.boxes, other.boxes)
    np.testing.assert_array_equal(objects.class_ids, other.class_ids)
    assert objects.boxes.dtype == other.boxes.dtype == np.int32
    assert objects.class_ids.dtype == other.class_ids.dtype == np.int32
    for mask, wanted in zip(objects.masks, other.masks, strict=True):
        assert mask.dtype == wanted.dtype == bool
        np.testing.assert_array_equal(mask, wanted)


cases = given(
    shape=st.tuples(st.integers(1, 50), st.integers(1, 70)),
    count=st.integers(0, 5),
    seed=st.integers(0, 99),
)


def ids(count):
    return np.arange(1, count + 1, dtype=np.int32)


@settings(max_examples=40, deadline=None)
@cases
def test_crops_put_into_zeros_are_the_masks(shape, count, seed):
    masks = masks_of(shape, count, seed)
    objects = crop_masks(masks, ids(count))
    np.testing.assert_array_equal(objects.boxes, extract_bboxes(masks))
    for (y1, x1, y2, x2), mask in zip(objects.boxes, objects.masks, strict=True):
        assert mask.shape == (y2 - y1, x2 - x1)
    pasted = paste_crops(objects, (*shape, 3))
    assert pasted.dtype == bool and pasted.shape == masks.shape
    np.testing.assert_array_equal(pasted, masks)
    assert_same_objects(crop_masks(pasted, objects.class_ids), objects)


@settings(max_examples=80, deadline=None)
@cases
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "".join(map(str, mode)))
def test_resized_crops_are_resized_masks(mode, shape, count, seed):
    masks = masks_of(shape, count, seed)
    plan = plan_resize(shape, **mode)
    how = plan.scale, plan.padding, plan.crop
    resized = resize_crops(crop_masks(masks, ids(count)), shape, *how)
    expected = resize_mask(masks, *how)
    assert_same_objects(resized, crop_masks(expected, ids(count)))


@settings(max_examples=30, deadline=None)
@cases
def test_mini_masks_of_crops_are_those_of_full_masks(shape, count, seed):
    masks = masks_of(shape, count, seed)
    objects = seen_objects(crop_masks(masks, ids(count)))
    minis = mini_masks(objects, (14, 10))
    assert minis.dtype == bool and minis.shape == (14, 10, len(objects.boxes))
    masks = masks[..., objects.class_ids - 1]
    np.testing.assert_array_equal(minis, minimize_mask(objects.boxes, masks, (14, 10)))


def test_objects_without_a_pixel_are_not_seen():
    masks = np.zeros((6, 9, 3), bool)
    masks[2:4, 5, 1] = True
    objects = seen_objects(crop_masks(masks, [3, -2, 1]))
    assert objects.boxes.tolist() == [[2, 5, 4, 6]]
    assert objects.class_ids.tolist() == [-2]
    assert [mask.shape for mask in objects.masks] == [(2, 1)]


def test_loose_crops_become_tight():
    mask = np.zeros((6, 6), bool)
    mask[2, 3] = True
    loose = ObjectCrops(np.array([[1, 1, 7, 7]]), [mask], np.array([1], np.int32))
    resized = resize_crops(loose, (8, 8), 2, [(1, 1), (0, 0), (0, 0)])
    assert resized.boxes.tolist() == [[7, 8, 9, 10]]
    assert resized.masks[0].tolist() == [[True, True], [True, True]]


def test_crops_keep_no_full_mask_alive():
    masks = np.zeros((600, 800, 1), bool)
    masks[10:20, 10:20] = True
    crop = crop_masks(masks, [1]).masks[0]
    while crop.base is not None:
        crop = crop.base
    assert crop.size == 100


@pytest.mark.parametrize("class_ids", [[1], [1, 2, 3], [[1, 2]], [1, 1.5]])
def test_class_ids_that_do_not_fit_are_refused(class_ids):
    with pytest.raises(ValueError, match=r"crop_masks\(class_ids=.*2 masks"):
        crop_masks(np.ones((4, 4, 2), bool), class_ids)


def test_masks_of_numbers_count_where_they_are_not_zero():
    masks = np.zeros((4, 5, 1), np.uint8)
    masks[1, 2:4] = 255
    objects = crop_masks(masks, [1])
    assert objects.masks[0].tolist() == [[True, True]]
    assert objects.boxes.tolist() == [[1, 2, 2, 4]]
