import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.targets.matching import CROWD_IOU, match_anchors


def test_labels_follow_the_thresholds():
    overlaps = np.array(
        [
            [0.80, 0.10],  # positive: over 0.7
            [0.70, 0.00],  # positive: exactly 0.7
            [0.69, 0.00],  # neutral: between the thresholds
            [0.30, 0.00],  # neutral: exactly 0.3
            [0.29, 0.20],  # negative
            [0.00, 0.90],  # positive, of the second gt
        ],
        np.float32,
    )
    match, gt_ix = match_anchors(overlaps, np.float32(0.7), np.float32(0.3))
    np.testing.assert_array_equal(match, [1, 1, 0, 0, -1, 1])
    np.testing.assert_array_equal(gt_ix, [0, 0, 0, 0, 0, 1])
    assert match.dtype == np.int32
    assert gt_ix.dtype == np.int32


def test_every_gt_gets_its_best_anchors_ties_included():
    overlaps = np.array(
        [
            [0.9, 0.1],
            [0.0, 0.2],  # best of gt 1, although below 0.3
            [0.0, 0.2],  # as good
            [0.0, 0.1],
        ]
    )
    match, _ = match_anchors(overlaps)
    np.testing.assert_array_equal(match, [1, 1, 1, -1])


def test_best_anchor_of_a_gt_regresses_towards_the_gt_it_overlaps_most():
    overlaps = np.array(
        [
            [0.6, 0.5],  # best anchor of gt 1, but gt 0 is nearer
            [0.8, 0.1],
        ]
    )
    match, gt_ix = match_anchors(overlaps)
    np.testing.assert_array_equal(match, [1, 1])
    np.testing.assert_array_equal(gt_ix, [0, 0])


def test_a_gt_that_no_anchor_touches_makes_nothing_positive():
    match, _ = match_anchors(np.array([[0.0, 0.8], [0.0, 0.1], [0.0, 0.0]]))
    np.testing.assert_array_equal(match, [1, -1, -1])


def test_without_gt_all_anchors_are_negative():
    match, gt_ix = match_anchors(np.zeros((3, 0), np.float32))
    np.testing.assert_array_equal(match, [-1, -1, -1])
    np.testing.assert_array_equal(gt_ix, [0, 0, 0])


def test_without_anchors_nothing_is_labeled():
    match, gt_ix = match_anchors(np.zeros((0, 2), np.float32))
    assert match.shape == gt_ix.shape == (0,)


def test_anchors_over_a_crowd_are_neutral_unless_positive():
    overlaps = np.array([[0.9], [0.1], [0.1], [0.1]])
    crowds = np.array([[0.9], [0.9], [0.002], [CROWD_IOU]])
    match, _ = match_anchors(overlaps, crowd_overlaps=crowds)
    np.testing.assert_array_equal(match, [1, 0, 0, -1])


def test_no_crowd_boxes_is_as_no_crowds():
    overlaps = np.array([[0.9], [0.1]])
    match, _ = match_anchors(overlaps, crowd_overlaps=np.zeros((2, 0)))
    np.testing.assert_array_equal(match, [1, -1])


@settings(max_examples=50, deadline=None)
@given(
    hnp.arrays(
        np.float32,
        hnp.array_shapes(min_dims=2, max_dims=2, min_side=1, max_side=8),
        elements=st.floats(0, 1, width=32),
    )
)
def test_laws_of_matching(overlaps):
    match, gt_ix = match_anchors(overlaps, 0.7, 0.3)
    best = overlaps.max(axis=1)
    assert np.all(match[best >= 0.7] == 1)
    assert np.all(match[(best >= 0.3) & (best < 0.7)] >= 0)
    assert np.all(best[match == -1] < 0.3)
    np.testing.assert_array_equal(overlaps[np.arange(len(best)), gt_ix], best)
    for gt in range(overlaps.shape[1]):
        if overlaps[:, gt].max() > 0:
            assert match[overlaps[:, gt].argmax()] == 1
