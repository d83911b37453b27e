"""Masks of every form, cut to their boxes."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.viz.mask_forms import check_counts, checked_stack, mask_crops
from tests.viz.scenes import HEIGHT, WIDTH, crops_of, scene

SHAPE = (HEIGHT, WIDTH, 3)


def full(crop):
    """The mask [H, W] of a crop."""
    mask = np.zeros((HEIGHT, WIDTH), bool)
    crop.of(mask)[:] = crop.mask
    return mask


@pytest.mark.parametrize("form", ["full", "crop", "rle", "counts"])
def test_all_forms_say_the_same(form):
    _, boxes, masks, _, _ = scene(3)
    flat = [np.flatnonzero(np.diff(m.T.ravel(), prepend=0, append=0)) for m in
            np.moveaxis(masks, 2, 0)]  # fmt: skip
    forms = {
        "full": masks,
        "crop": crops_of(masks, boxes),
        "rle": masks_to_rles(masks),
        "counts": [
            {
                "size": [HEIGHT, WIDTH],
                "counts": np.diff(edges, prepend=0, append=HEIGHT * WIDTH).tolist(),
            }
            for edges in flat
        ],
    }
    crops = mask_crops(forms[form], boxes, SHAPE, "f")
    for i, crop in enumerate(crops):
        assert crop.box == tuple(boxes[i])
        np.testing.assert_array_equal(full(crop), masks[:, :, i])


def test_without_masks_boxes_are_full():
    (crop,) = mask_crops(None, [(2, 3, 5, 9)], SHAPE, "f")
    assert full(crop).sum() == 18 and full(crop)[2:5, 3:9].all()


def test_boxes_between_pixels_take_in_what_they_touch():
    (crop,) = mask_crops(None, [(2.4, 3.0, 4.2, 4.9)], SHAPE, "f")
    assert full(crop).sum() == full(crop)[2:5, 3:5].sum() == 6


@pytest.mark.parametrize(
    ("box", "inside"),
    [
        ((-3, -2, 4, 5), (slice(0, 4), slice(0, 5))),
        ((36, 60, 50, 80), (slice(36, 40), slice(60, 70))),
        ((50, 80, 60, 90), (slice(0, 0), slice(0, 0))),  # outside
        ((-9, -9, -2, -2), (slice(0, 0), slice(0, 0))),
        ((5, 5, 5, 5), (slice(0, 0), slice(0, 0))),
    ],
)
@pytest.mark.parametrize("form", ["box", "crop"])
def test_boxes_across_the_border_are_cut(box, inside, form):
    y1, x1, y2, x2 = box
    masks = None if form == "box" else [np.ones((y2 - y1, x2 - x1), bool)]
    (crop,) = mask_crops(masks, [box], SHAPE, "f")
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[inside] = True
    np.testing.assert_array_equal(full(crop), expected)


def test_a_crop_across_the_border_keeps_its_pixels_in_place():
    mask = np.zeros((7, 7), bool)
    mask[4, 5] = True
    (crop,) = mask_crops([mask], [(-3, -2, 4, 5)], SHAPE, "f")
    assert np.argwhere(full(crop)).tolist() == [[1, 3]]


@pytest.mark.parametrize(
    "masks", [None, [], np.zeros((0, 0, 0)), np.zeros((HEIGHT, WIDTH, 0))]
)
def test_no_boxes_have_no_crops(masks):
    assert mask_crops(masks, np.zeros((0, 4)), SHAPE, "f") == []


@pytest.mark.parametrize(
    ("masks", "message"),
    [
        (np.ones((28, 28, 1)), r"f\(masks\): shape \(28, 28, 1\).*\(40, 70, 1\)"),
        (np.ones((HEIGHT, WIDTH)), r"\(40, 70\)"),
        ([], r"f\(masks\): 0 for 1 boxes"),
        ([np.ones((3, 4))], r"masks\[0\]\): shape \(3, 4\).*\(4, 4\)"),
        ([{"size": [9, 9], "counts": "0"}], r"masks\[0\]\).*\[9, 9\].*\[40, 70\]"),
        ([{"segmentation": []}], "has no size, counts"),
    ],
)
def test_what_fits_no_box_is_an_error(masks, message):
    with pytest.raises(ValueError, match=message):
        mask_crops(masks, [(0, 0, 4, 4)], SHAPE, "f")


def test_counts_are_checked_unless_they_are_none():
    check_counts("f", 2, scores=None, captions=["a", "b"])
    with pytest.raises(ValueError, match=r"f\(captions\): 1 for 2 boxes"):
        check_counts("f", 2, scores=[1, 2], captions=["a"])


def test_a_stack_without_masks_comes_in_any_size():
    assert checked_stack(np.zeros((9, 9, 0)), (4, 5, 0), "f").shape == (9, 9, 0)
    with pytest.raises(ValueError, match=r"f\(mask\): shape \(9, 9, 2\).*\(4, 5, 2\)"):
        checked_stack(np.zeros((9, 9, 2)), (4, 5, 2), "f(mask)")
