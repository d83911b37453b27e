from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.data.objects import (
    Objects,
    mask_objects,
    mini_masks,
    resize_objects,
    seen_objects,
)
from mrcnn.data.outlines.shapes import MaskSizeError
from mrcnn.geometry.box_masks import minimize_mask
from mrcnn.geometry.crops import Crop, stack_crops
from mrcnn.geometry.masks import extract_bboxes, resize_mask
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
    assert (objects.size or other.size) == (other.size or objects.size)
    for crop, wanted in zip(objects.crops, other.crops, strict=True):
        assert crop.box == wanted.box and {type(side) for side in crop.box} == {int}
        assert crop.mask.dtype == wanted.mask.dtype == bool
        np.testing.assert_array_equal(crop.mask, wanted.mask)


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
    objects = mask_objects(masks, ids(count))
    np.testing.assert_array_equal(objects.boxes, extract_bboxes(masks))
    for (y1, x1, y2, x2), mask in objects.crops:
        assert mask.shape == (y2 - y1, x2 - x1)
    pasted = stack_crops(objects.crops, (*shape, 3))
    assert pasted.dtype == bool and pasted.shape == masks.shape
    np.testing.assert_array_equal(pasted, masks)
    assert_same_objects(mask_objects(pasted, objects.class_ids), objects)


@settings(max_examples=80, deadline=None)
@cases
@pytest.mark.parametrize("mode", MODES, ids=lambda mode: "".join(map(str, mode)))
def test_resized_crops_are_resized_masks(mode, shape, count, seed):
    masks = masks_of(shape, count, seed)
    plan = plan_resize(shape, **mode)
    how = plan.scale, plan.padding, plan.crop
    resized = resize_objects(mask_objects(masks, ids(count)), shape, *how)
    expected = resize_mask(masks, *how)
    assert_same_objects(resized, mask_objects(expected, ids(count)))


@settings(max_examples=30, deadline=None)
@cases
def test_mini_masks_of_crops_are_those_of_full_masks(shape, count, seed):
    masks = masks_of(shape, count, seed)
    objects = seen_objects(mask_objects(masks, ids(count)))
    minis = mini_masks(objects, (14, 10))
    assert minis.dtype == bool and minis.shape == (14, 10, len(objects.crops))
    masks = masks[..., objects.class_ids - 1]
    np.testing.assert_array_equal(minis, minimize_mask(objects.boxes, masks, (14, 10)))


def test_objects_without_a_pixel_are_not_seen():
    masks = np.zeros((6, 9, 3), bool)
    masks[2:4, 5, 1] = True
    objects = seen_objects(mask_objects(masks, [3, -2, 1]))
    assert objects.boxes.tolist() == [[2, 5, 4, 6]]
    assert objects.class_ids.tolist() == [-2]
    assert [crop.mask.shape for crop in objects.crops] == [(2, 1)]


def test_loose_crops_become_tight():
    mask = np.zeros((6, 6), bool)
    mask[2, 3] = True
    loose = Objects([Crop((1, 1, 7, 7), mask)], np.array([1], np.int32))
    resized = resize_objects(loose, (8, 8), 2, [(1, 1), (0, 0), (0, 0)])
    assert resized.boxes.tolist() == [[7, 8, 9, 10]]
    assert resized.size == (18, 16)
    assert resized.crops[0].mask.tolist() == [[True, True], [True, True]]


def test_crops_keep_no_full_mask_alive():
    masks = np.zeros((600, 800, 1), bool)
    masks[10:20, 10:20] = True
    mask = mask_objects(masks, [1]).crops[0].mask
    while mask.base is not None:
        mask = mask.base
    assert mask.size == 100


def test_what_is_no_stack_of_masks_is_refused_by_the_name_of_its_method():
    with pytest.raises(MaskSizeError, match=r"load_mask\(7\).*uint8 \(4, 5\).*newaxis"):
        mask_objects(np.ones((4, 5), np.uint8), [1], "load_mask(7)")
    with pytest.raises(TypeError, match=r"load_mask\(7\).*np\.stack"):
        mask_objects(np.array([None, None]), [1, 2], "load_mask(7)")


def test_empty_stack_of_any_size_fits_every_image():
    assert mask_objects(np.zeros((0, 0, 0)), []).size is None
    assert mask_objects(np.zeros((4, 5, 1)), [1]).size == (4, 5)


def test_masks_of_numbers_count_where_they_are_not_zero():
    masks = np.zeros((4, 5, 1), np.uint8)
    masks[1, 2:4] = 255
    objects = mask_objects(masks, [1])
    assert objects.crops[0].mask.tolist() == [[True, True]]
    assert objects.boxes.tolist() == [[1, 2, 2, 4]]
