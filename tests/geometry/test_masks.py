from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry import box_masks as BM
from mrcnn.geometry import masks as M
from mrcnn.geometry.coordinates import norm_to_orig

from .strategies import mask_stacks, rectangles

MANY = settings(max_examples=40, deadline=None)
MAX = 100


# --- extraction ---------------------------------------------------------------------


def test_boxes_of_drawn_masks():
    boxes = [
        [0, 0, 10, 25],  # the whole image
        [9, 24, 10, 25],  # the last pixel
        [3, 4, 7, 20],
        [0, 0, 0, 0],  # nothing
    ]
    extracted = M.extract_bboxes(rectangles(boxes, 10, 25))
    np.testing.assert_array_equal(extracted, boxes)
    assert extracted.dtype == np.int32


def test_box_of_two_pixels_far_apart_holds_both():
    mask = np.zeros((9, 17, 1), bool)
    mask[2, 13, 0] = mask[6, 4, 0] = True
    np.testing.assert_array_equal(M.extract_bboxes(mask), [[2, 4, 7, 14]])


@MANY
@given(mask_stacks())
def test_boxes_are_tight(masks):
    expected = []
    for i in range(masks.shape[2]):
        y, x = np.nonzero(masks[:, :, i])
        whole = [y.min(), x.min(), y.max() + 1, x.max() + 1] if len(y) else [0] * 4
        expected.append(whole)
    np.testing.assert_array_equal(
        M.extract_bboxes(masks), np.array(expected).reshape(-1, 4)
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.int32, np.float32])
def test_numbers_are_masks_where_they_are_not_zero(dtype):
    masks = rectangles([[1, 2, 3, 4]], 6, 8).astype(dtype) * 2
    np.testing.assert_array_equal(M.extract_bboxes(masks), [[1, 2, 3, 4]])


@pytest.mark.parametrize("shape", [(10, 20, 0), (0, 20, 2), (10, 0, 2)])
def test_boxes_of_nothing(shape):
    boxes = M.extract_bboxes(np.zeros(shape, bool))
    np.testing.assert_array_equal(boxes, np.zeros((shape[2], 4)))
    assert boxes.dtype == np.int32


def test_a_full_stack():
    boxes = [[i % 40, i, i % 40 + 3, i + 7] for i in range(MAX)]
    np.testing.assert_array_equal(M.extract_bboxes(rectangles(boxes, 50, 120)), boxes)


# --- mini masks ---------------------------------------------------------------------


def test_mini_mask_of_a_drawn_case():
    mask = np.zeros((8, 12, 1), bool)
    mask[2:6, 3:7, 0] = [
        [1, 1, 0, 0],
        [1, 1, 0, 0],
        [0, 0, 1, 1],
        [0, 0, 1, 1],
    ]
    mini = BM.minimize_mask([[2, 3, 6, 7]], mask, (2, 2))
    np.testing.assert_array_equal(mini[:, :, 0], [[True, False], [False, True]])
    assert mini.dtype == bool


def test_exactly_one_half_rounds_to_nothing():
    # As the old package: around(0.5) is 0.
    mask = np.array([[1, 0, 0, 0], [0, 1, 1, 1]], bool)[:, :, None]
    mini = BM.minimize_mask([[0, 0, 2, 4]], mask, (1, 2))
    np.testing.assert_array_equal(mini[:, :, 0], [[False, False]])


@MANY
@given(mask_stacks(min_count=1), st.sampled_from([(56, 56), (28, 14), (3, 5)]))
def test_mini_masks_equal_the_old_computation(masks, mini_shape):
    from skimage.transform import resize

    masks = masks[:, :, masks.any(axis=(0, 1))]
    boxes = M.extract_bboxes(masks)
    mini = BM.minimize_mask(boxes, masks, mini_shape)
    assert mini.shape == (*mini_shape, len(boxes))
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        crop = masks[y1:y2, x1:x2, i].astype(float)
        resized = resize(
            crop, mini_shape, order=1, mode="constant", anti_aliasing=False
        )
        np.testing.assert_array_equal(mini[:, :, i], np.around(resized).astype(bool))


@MANY
@given(mask_stacks(max_side=20))
def test_enlarging_to_a_mini_mask_and_back_loses_little(masks):
    masks = masks[:, :, masks.any(axis=(0, 1))]
    boxes = M.extract_bboxes(masks)
    expanded = BM.expand_mask(
        boxes, BM.minimize_mask(boxes, masks, (160, 160)), masks.shape
    )
    assert expanded.shape == masks.shape
    # Eight samples a pixel and more: only rounding at the rim of a pixel is lost.
    changed = (expanded != masks).mean() if masks.size else 0
    assert changed <= 0.1
    height, width, _ = masks.shape
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        outside = np.ones((height, width), bool)
        outside[y1:y2, x1:x2] = False
        assert not expanded[outside, i].any()


@MANY
@given(st.data())
def test_masks_that_fill_their_box_survive_exactly(data):
    y1, x1 = data.draw(st.integers(0, 30)), data.draw(st.integers(0, 50))
    y2, x2 = data.draw(st.integers(y1 + 1, 40)), data.draw(st.integers(x1 + 1, 60))
    masks = rectangles([[y1, x1, y2, x2]], 40, 60)
    mini = BM.minimize_mask([[y1, x1, y2, x2]], masks, (56, 56))
    assert mini.all()
    np.testing.assert_array_equal(
        BM.expand_mask([[y1, x1, y2, x2]], mini, masks.shape), masks
    )


def test_a_disc_keeps_its_place_and_area():
    y, x = np.mgrid[:90, :160]
    disc = ((y - 40) ** 2 + (x - 100) ** 2 < 30**2)[:, :, None]
    boxes = M.extract_bboxes(disc)
    expanded = BM.expand_mask(
        boxes, BM.minimize_mask(boxes, disc, (28, 28)), disc.shape
    )
    assert M.compute_overlaps_masks(disc, expanded)[0, 0] > 0.95


def test_mini_masks_of_nothing():
    empty = np.zeros((10, 20, 0), bool)
    assert BM.minimize_mask([], empty, (56, 56)).shape == (56, 56, 0)
    assert BM.minimize_mask(np.zeros((0, 4)), empty, (56, 56)).shape == (56, 56, 0)
    assert BM.expand_mask([], np.zeros((56, 56, 0), bool), (10, 20)).shape == (
        10,
        20,
        0,
    )


@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_numbers_make_the_same_mini_masks_as_booleans(dtype):
    masks = np.random.default_rng(0).random((30, 50, 2)) > 0.5
    boxes = M.extract_bboxes(masks)
    mini = BM.minimize_mask(boxes, masks, (20, 20))
    numbers = masks.astype(dtype) * 200
    np.testing.assert_array_equal(BM.minimize_mask(boxes, numbers, (20, 20)), mini)
    np.testing.assert_array_equal(
        BM.expand_mask(boxes, mini.astype(dtype) * 200, masks.shape),
        BM.expand_mask(boxes, mini, masks.shape),
    )


def test_boxes_between_pixels_are_rounded():
    full = BM.unmold_mask(np.ones((4, 4)), [1.6, 0.4, 3.6, 5.9], (8, 8))
    np.testing.assert_array_equal(M.extract_bboxes(full[..., None]), [[2, 0, 4, 6]])


def test_boxes_may_carry_more_columns():
    masks = rectangles([[0, 0, 4, 4]], 8, 8)
    assert BM.minimize_mask([[0, 0, 4, 4, 1]], masks, (4, 4)).all()


@pytest.mark.parametrize(
    "box",
    [
        [2, 2, 2, 5],  # no height
        [2, 5, 4, 5],  # no width
        [0, 0, 9, 5],  # below the image
        [0, 0, 5, 13],  # right of it
        [-1, 0, 5, 5],  # above it: a slice would silently wrap around
        [0, -1, 5, 5],
    ],
)
def test_impossible_mini_boxes_raise(box):
    masks = np.ones((8, 12, 2), bool)
    with pytest.raises(ValueError, match=r"minimize_mask\(bbox\[1\]="):
        BM.minimize_mask([[0, 0, 8, 12], box], masks, (4, 4))


def test_expand_leaves_out_what_is_outside_or_empty():
    mini = np.ones((4, 4, 3), bool)
    boxes = [[-2, -2, 2, 2], [3, 3, 3, 6], [50, 50, 60, 60]]
    expanded = BM.expand_mask(boxes, mini, (6, 9))
    np.testing.assert_array_equal(
        expanded[:, :, 0], rectangles([[0, 0, 2, 2]], 6, 9)[..., 0]
    )
    assert not expanded[:, :, 1:].any()


# --- pasting ------------------------------------------------------------------------


def test_pasted_mask_fills_its_box_only():
    full = BM.unmold_mask(np.ones((28, 28), np.float32), [2, 3, 6, 9], (10, 20, 3))
    np.testing.assert_array_equal(full, rectangles([[2, 3, 6, 9]], 10, 20)[:, :, 0])
    assert full.dtype == bool


def test_threshold_itself_belongs_to_the_object():
    mask = np.array([[0.49, 0.5], [0.8, 0.1]], np.float32)
    crop = BM.paste_crop(mask, [0, 0, 2, 2])
    np.testing.assert_array_equal(crop, [[False, True], [True, False]])
    crop = BM.paste_crop(mask, [0, 0, 2, 2], threshold=0.75)
    np.testing.assert_array_equal(crop, [[False, False], [True, False]])


@pytest.mark.parametrize(
    "box",
    [
        [-3, -4, 5, 6],  # over the upper left corner
        [6, 12, 14, 25],  # over the lower right one
        [-5, -5, 30, 40],  # larger than the image
        [2, 3, 2, 9],  # no height
        [6, 3, 2, 9],  # inside out
        [40, 3, 50, 9],  # below the image
        [-9, 3, -2, 9],  # above it
    ],
)
def test_pasting_over_the_border_equals_pasting_on_a_larger_image(box):
    mask = np.random.default_rng(1).random((28, 28)).astype(np.float32)
    full = BM.unmold_mask(mask, box, (10, 20))
    margin = 50
    larger = BM.unmold_mask(mask, np.array(box) + margin, (10 + 100, 20 + 100))
    np.testing.assert_array_equal(full, larger[margin : margin + 10, margin:][:, :20])


@MANY
@given(
    st.tuples(st.integers(-20, 40), st.integers(-20, 60)),
    st.tuples(st.integers(-3, 40), st.integers(-3, 40)),
    st.integers(0, 100),
)
def test_crop_and_full_mask_agree(corner, size, seed):
    mask = np.random.default_rng(seed).random((14, 14))
    y1, x1 = corner
    y2, x2 = y1 + size[0], x1 + size[1]
    crop = BM.paste_crop(mask, [y1, x1, y2, x2])
    assert crop.shape == (max(0, size[0]), max(0, size[1]))
    full = BM.unmold_mask(mask, [y1, x1, y2, x2], (40, 60))
    expected = np.zeros((40, 60), bool)
    for y, x in zip(*np.nonzero(crop), strict=True):
        if 0 <= y1 + y < 40 and 0 <= x1 + x < 60:
            expected[y1 + y, x1 + x] = True
    np.testing.assert_array_equal(full, expected)


@MANY
@given(mask_stacks(max_side=30, min_count=1))
def test_unmolding_undoes_molding(masks):
    """A mask cut to its box, enlarged, and pasted back is nearly the same mask."""
    mask = masks[:, :, 0]
    if not mask.any():
        return
    box = M.extract_bboxes(mask[:, :, None])[0]
    molded = BM.minimize_mask([box], mask[:, :, None], (240, 240))[:, :, 0]
    full = BM.unmold_mask(molded.astype(np.float32), box, mask.shape)
    assert (full != mask).mean() <= 0.1


@pytest.mark.parametrize("shape", [(28, 28, 1), (28,), (0, 28)])
def test_pasting_needs_one_mask(shape):
    with pytest.raises(ValueError, match=r"unmold_mask\(mask\)"):
        BM.unmold_mask(np.zeros(shape), [0, 0, 5, 5], (10, 10))


@pytest.mark.parity
@pytest.mark.parametrize("name", ["000000047112", "14898532020_ba6199dd22_k", "square"])
def test_masks_equal_what_the_old_package_returned(shared, name):
    coco_mask = pytest.importorskip("pycocotools.mask")
    recorded = np.load(shared / "parity" / f"expected_{name}.npz")
    shape = recorded["image_meta"][1:3].astype(int)
    boxes = norm_to_orig(
        recorded["detections"][:, :4],
        recorded["window"],
        recorded["molded_shape"],
        shape,
    )
    kept = np.flatnonzero((boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1]))
    kept = kept[kept < len(recorded["mask_of_class"])]
    assert len(kept) > 0
    for row, ix in enumerate(kept):
        full = BM.unmold_mask(recorded["mask_of_class"][ix], boxes[ix], shape)
        rle = coco_mask.encode(np.asfortranarray(full.astype(np.uint8)))
        assert rle["counts"].decode() == recorded["mask_rle_counts"][row]


# --- errors -------------------------------------------------------------------------


@pytest.mark.parametrize(
    "call",
    [
        lambda mask: M.extract_bboxes(mask),
        lambda mask: BM.minimize_mask([[0, 0, 1, 1]], mask, (4, 4)),
        lambda mask: BM.expand_mask([[0, 0, 1, 1]], mask, (4, 4)),
        lambda mask: M.resize_mask(mask, 1, [(0, 0), (0, 0), (0, 0)]),
        lambda mask: M.compute_overlaps_masks(mask, np.ones((8, 8, 1))),
        lambda mask: M.compute_overlaps_masks(np.ones((8, 8, 1)), mask),
    ],
)
def test_stacks_need_three_axes(call):
    with pytest.raises(ValueError, match=r"\[H, W, N\]; received shape \(8, 8\)"):
        call(np.ones((8, 8), bool))


@pytest.mark.parametrize(
    "boxes", [[[0, 0, 1, 1]], [0, 0, 1, 1], [[0, 0, 1]] * 2, 3, []]
)
def test_stacks_need_one_box_a_mask(boxes):
    with pytest.raises(ValueError, match=r"minimize_mask\(bbox\).*one for each mask"):
        BM.minimize_mask(boxes, np.ones((8, 8, 2), bool), (4, 4))


def test_one_mask_needs_one_box():
    with pytest.raises(ValueError, match=r"unmold_mask\(bbox\)"):
        BM.unmold_mask(np.ones((4, 4)), [[0, 0, 1, 1]], (8, 8))


def test_inputs_are_never_changed():
    masks = rectangles([[1, 2, 5, 6]], 8, 9)
    masks.setflags(write=False)
    boxes = M.extract_bboxes(masks)
    mini = BM.minimize_mask(boxes, masks, (4, 4))
    mini.setflags(write=False)
    BM.expand_mask(boxes, mini, masks.shape)
    M.resize_mask(masks, 2, [(0, 0), (0, 0), (0, 0)])
    BM.unmold_mask(mini[:, :, 0], boxes[0], masks.shape)
