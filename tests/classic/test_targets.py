"""The old functions for the targets of one image, with a Config."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.model import (
    build_detection_targets,
    build_rpn_targets,
    compute_backbone_shapes,
    generate_random_rois,
)
from mrcnn.targets.anchor_targets import anchor_targets
from mrcnn.utils import apply_box_deltas, generate_pyramid_anchors, norm_boxes

SHAPE = (64, 128, 3)  # not square
GT_CLASS_IDS = np.array([2, 1, 0], np.int32)  # the last is padding
GT_BOXES = np.array([[8, 8, 40, 56], [10, 70, 60, 120], [0, 0, 0, 0]], np.int32)


class SmallConfig(Config):
    NAME = "small"
    NUM_CLASSES = 3
    RPN_ANCHOR_SCALES = (8, 16, 32, 48, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    TRAIN_ROIS_PER_IMAGE = 30
    USE_MINI_MASK = False


def anchors_of(config):
    return generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        compute_backbone_shapes(config, SHAPE),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )


def gt_masks():
    masks = np.zeros((*SHAPE[:2], 3), bool)
    for i, (y1, x1, y2, x2) in enumerate(GT_BOXES):
        masks[y1:y2, x1:x2, i] = True
    return masks


def test_compute_backbone_shapes_halves_from_level_to_level():
    shapes = compute_backbone_shapes(SmallConfig(), np.array([64, 128, 3]))
    assert shapes.tolist() == [[16, 32], [8, 16], [4, 8], [2, 4], [1, 2]]


def test_rpn_targets_are_those_of_the_training():
    config = SmallConfig()
    anchors = anchors_of(config)
    match, deltas = build_rpn_targets(
        SHAPE, anchors, GT_CLASS_IDS, GT_BOXES, config, rng=5
    )
    expected = anchor_targets(
        anchors,
        GT_CLASS_IDS,
        GT_BOXES,
        SHAPE,
        num_samples=32,
        rng=np.random.default_rng(5),
    )
    np.testing.assert_array_equal(match, expected.match)
    np.testing.assert_array_equal(deltas, expected.deltas)
    assert match.shape == (len(anchors),)
    assert deltas.shape == (32, 4)
    assert (match != 0).sum() == 32


def test_positive_anchors_decode_to_objects_as_the_inspection_notebook_draws_them():
    config = SmallConfig()
    anchors = anchors_of(config)
    match, deltas = build_rpn_targets(SHAPE, anchors, GT_CLASS_IDS, GT_BOXES, config)
    positive = np.where(match == 1)[0]
    assert len(positive)
    boxes = apply_box_deltas(
        norm_boxes(anchors[positive], SHAPE[:2]),
        deltas[: len(positive)] * config.RPN_BBOX_STD_DEV,
    )
    gt = norm_boxes(GT_BOXES[:2], SHAPE[:2])
    distance = np.abs(boxes[:, None] - gt).max(axis=2).min(axis=1)
    assert distance.max() < 1e-5


def test_random_rois_ignore_padding():
    rois = generate_random_rois(SHAPE, 100, GT_CLASS_IDS, GT_BOXES, rng=0)
    assert rois.shape == (100, 4)
    assert rois.dtype == np.int32
    # 45 around each of two objects; padding would have taken a third.
    assert (rois[:45, 1] < 104).all()
    assert (rois[45:90, 3] > 20).all()
    assert (rois[:, 2:] <= SHAPE[:2]).all()


def test_detection_targets_of_random_rois_have_a_row_a_class():
    config = SmallConfig()
    rpn_rois = generate_random_rois(SHAPE, 500, GT_CLASS_IDS, GT_BOXES, rng=0)
    rois, class_ids, bboxes, masks = build_detection_targets(
        rpn_rois, GT_CLASS_IDS, GT_BOXES, gt_masks(), config
    )
    assert rois.shape == (30, 4)
    assert class_ids.shape == (30,)
    assert bboxes.shape == (30, 3, 4)
    assert masks.shape == (30, 28, 28, 3)
    # A third is positive: there are enough of them.
    assert (class_ids > 0).sum() == int(30 * 0.33)
    for i in np.where(class_ids > 0)[0]:
        box = apply_box_deltas(
            rois[i : i + 1], bboxes[i : i + 1, class_ids[i]] * config.BBOX_STD_DEV
        )
        gt = GT_BOXES[GT_CLASS_IDS.tolist().index(class_ids[i])]
        np.testing.assert_allclose(box[0], gt, atol=1e-3)
        assert masks[i, ..., class_ids[i]].mean() >= 0.4


@pytest.mark.parametrize("seed", [0, 1])
def test_detection_targets_follow_from_the_seed(seed):
    rpn_rois = generate_random_rois(SHAPE, 500, GT_CLASS_IDS, GT_BOXES, rng=0)

    def draw(rng):
        return build_detection_targets(
            rpn_rois, GT_CLASS_IDS, GT_BOXES, gt_masks(), SmallConfig(), rng=rng
        )[0]

    np.testing.assert_array_equal(draw(seed), draw(seed))
    assert (draw(seed) != draw(seed + 1)).any()


def test_masks_of_the_other_kind_are_refused():
    rpn_rois = generate_random_rois(SHAPE, 50, GT_CLASS_IDS, GT_BOXES, rng=0)
    full, mini = gt_masks(), np.ones((56, 56, 3), bool)
    config = SmallConfig()
    with pytest.raises(ValueError, match="USE_MINI_MASK is False"):
        build_detection_targets(rpn_rois, GT_CLASS_IDS, GT_BOXES, mini, config)
    config.USE_MINI_MASK = True
    with pytest.raises(ValueError, match="USE_MINI_MASK is True"):
        build_detection_targets(rpn_rois, GT_CLASS_IDS, GT_BOXES, full, config)
    build_detection_targets(rpn_rois, GT_CLASS_IDS, GT_BOXES, mini, config)
