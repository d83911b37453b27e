"""Targets in px, one row a class: `roi_targets` in the shape of the heads."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.geometry.box_masks import minimize_mask
from mrcnn.geometry.boxes import apply_box_deltas, compute_overlaps
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.targets.class_targets import class_targets
from mrcnn.targets.roi_targets import roi_targets

SHAPE = (48, 64)  # not square
STD_DEV = (0.1, 0.1, 0.2, 0.2)
NUM_CLASSES = 4
GT_BOXES = np.array([[4, 6, 24, 36], [20, 30, 44, 60], [0, 0, 0, 0]])
GT_CLASS_IDS = np.array([3, 1, 0])
PROPOSALS = np.array(
    [
        [5, 6, 25, 35],  # object 0
        [20, 28, 44, 61],  # object 1
        [30, 2, 46, 14],  # background
        [0, 40, 10, 60],  # background
        [0, 0, 0, 0],  # padding
    ],
    np.int32,
)


def gt_masks():
    """The upper left triangle of each box."""
    masks = np.zeros((*SHAPE, len(GT_BOXES)), bool)
    for i, (y1, x1, y2, x2) in enumerate(GT_BOXES[:2]):
        y, x = np.mgrid[y1:y2, x1:x2]
        masks[y1:y2, x1:x2, i] = (y - y1) / (y2 - y1) + (x - x1) / (x2 - x1) < 1
    return masks


def targets(masks=None, use_mini_mask=False, num_rois=8, proposals=PROPOSALS, **kwargs):
    masks = gt_masks() if masks is None else masks
    arguments = {
        "proposals_px": proposals,
        "gt_class_ids": GT_CLASS_IDS,
        "gt_boxes_px": GT_BOXES,
        "num_classes": NUM_CLASSES,
        "num_rois": num_rois,
        "positive_ratio": 0.5,
        "mask_shape": (28, 28),
        "bbox_std_dev": STD_DEV,
        "rng": np.random.default_rng(0),
    }
    return class_targets(
        **{**arguments, **kwargs}, gt_masks=masks, use_mini_mask=use_mini_mask
    )


def test_rois_keep_px_and_dtype_with_zero_rows_last():
    result = targets()
    # Two proposals and the two gt boxes are positive, two proposals background.
    expected = sorted([*PROPOSALS[:2].tolist(), *GT_BOXES[:2].tolist()])
    assert sorted(result.rois[:4].tolist()) == expected
    assert sorted(result.rois[4:6].tolist()) == sorted(PROPOSALS[2:4].tolist())
    assert result.rois[6:].tolist() == [[0, 0, 0, 0]] * 2
    assert result.rois.dtype == np.int32
    assert result.class_ids.dtype == np.int32
    assert sorted(result.class_ids.tolist()) == [0, 0, 0, 0, 1, 1, 3, 3]


@pytest.mark.parametrize("use_mini_mask", [False, True])
def test_deltas_decode_to_the_gt_box_in_px(use_mini_mask):
    masks = gt_masks()
    if use_mini_mask:
        masks = minimize_mask(GT_BOXES[:2], masks[..., :2], (56, 56))
        masks = np.pad(masks, [(0, 0), (0, 0), (0, 1)])
    result = targets(masks, use_mini_mask)
    for roi, class_id, deltas in zip(
        result.rois[:4], result.class_ids[:4], result.deltas[:4], strict=True
    ):
        box = apply_box_deltas(roi[None], deltas[None, class_id] * np.array(STD_DEV))
        gt_box = GT_BOXES[GT_CLASS_IDS.tolist().index(class_id)]
        np.testing.assert_allclose(box[0], gt_box, atol=1e-4)


def test_everything_but_the_own_class_is_zero():
    result = targets()
    assert result.deltas.shape == (8, NUM_CLASSES, 4)
    assert result.masks.shape == (8, 28, 28, NUM_CLASSES)
    for row, class_id in enumerate(result.class_ids):
        others = np.arange(NUM_CLASSES) != class_id
        assert not result.deltas[row, others].any()
        assert not result.masks[row][..., others].any()
        assert result.masks[row].any() == (class_id > 0)


def test_mask_of_a_gt_box_is_its_triangle():
    result = targets(proposals=np.zeros((0, 4), np.int32), num_rois=4)
    y, x = np.mgrid[:28, :28] / 27
    for row in range(2):
        mask = result.masks[row, :, :, result.class_ids[row]]
        clearly = np.abs(y + x - 1) > 0.1
        np.testing.assert_array_equal(mask[clearly], (y + x < 1)[clearly])


def test_mini_masks_and_full_masks_agree():
    mini = minimize_mask(GT_BOXES[:2], gt_masks()[..., :2], (56, 56))
    mini = np.pad(mini, [(0, 0), (0, 0), (0, 1)])
    full, small = targets(), targets(mini, use_mini_mask=True)
    np.testing.assert_array_equal(full.rois, small.rois)
    np.testing.assert_array_equal(full.class_ids, small.class_ids)
    np.testing.assert_allclose(full.deltas, small.deltas, atol=1e-5)
    assert (full.masks != small.masks).mean() < 0.01


def test_sample_is_that_of_the_network():
    """The same random priorities choose the same RoIs as in norm."""
    result = targets(num_rois=3)
    in_norm = roi_targets(
        norm_boxes(PROPOSALS, SHAPE),
        GT_CLASS_IDS,
        norm_boxes(GT_BOXES, SHAPE),
        gt_masks(),
        num_rois=3,
        positive_ratio=0.5,
        mask_shape=(28, 28),
        use_mini_mask=False,
        bbox_std_dev=STD_DEV,
        rng=np.random.default_rng(0),
    )
    np.testing.assert_allclose(norm_boxes(result.rois, SHAPE), in_norm.rois, atol=1e-6)
    np.testing.assert_array_equal(result.class_ids, in_norm.class_ids)
    own = result.masks[np.arange(3), :, :, result.class_ids]
    np.testing.assert_array_equal(own, in_norm.masks)


def test_float_proposals_stay_float():
    proposals = PROPOSALS.astype(np.float32) + np.float32(0.25)
    rois = targets(proposals=proposals).rois
    assert rois.dtype == np.float32
    background = rois[4:6]
    np.testing.assert_allclose(
        np.sort(background, axis=0), np.sort(proposals[2:4], axis=0), atol=1e-4
    )


def test_image_without_objects_has_background_only():
    result = targets(
        gt_masks()[..., :0], gt_class_ids=np.zeros(0, int), gt_boxes_px=np.zeros((0, 4))
    )
    assert not result.class_ids.any()
    assert not result.deltas.any()
    assert (compute_overlaps(result.rois, PROPOSALS).max(axis=1) == 1).sum() == 4
