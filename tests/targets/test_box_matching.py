import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.targets.box_matching import (
    CROWD_IOU,
    GROUP_SIZE,
    group_anchors,
    match_anchors,
    match_boxes,
)


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


# --- match_boxes: the same without [A, G] -------------------------------------------

PYRAMID = generate_pyramid_anchors(
    (8, 16, 32), (0.5, 1, 2), ((32, 48), (16, 24), (8, 12)), (4, 8, 16), 1
)  # 6048 anchors of 128 x 192 px: 48 groups, the last one not full


def assert_same_match(anchors, boxes, crowds=None, ious=(0.7, 0.3)):
    boxes = np.asarray(boxes, np.float32).reshape(-1, 4)
    crowd_overlaps = None if crowds is None else compute_overlaps(anchors, crowds)
    expected = match_anchors(compute_overlaps(anchors, boxes), *ious, crowd_overlaps)
    found = match_boxes(anchors, boxes, *ious, crowds)
    np.testing.assert_array_equal(found.match, expected.match)
    assert found.match.dtype == found.gt_ix.dtype == np.int32
    is_positive = expected.match == 1
    np.testing.assert_array_equal(found.gt_ix, np.where(is_positive, expected.gt_ix, 0))
    return found.match


# Half pixels, single pixels, boxes turned inside out, boxes beyond the image.
any_boxes = st.lists(
    st.tuples(
        st.integers(-40, 300),
        st.integers(-40, 400),
        st.sampled_from([-3, 0, 1, 2, 7, 8, 15, 16, 33, 120]),
        st.sampled_from([-3, 0, 1, 3, 8, 16, 31, 90, 200]),
    ),
    max_size=12,
).map(
    lambda rows: np.array(
        [(y / 2, x / 2, y / 2 + h, x / 2 + w) for y, x, h, w in rows], np.float32
    ).reshape(-1, 4)
)


@settings(max_examples=80, deadline=None)
@given(
    boxes=any_boxes,
    crowds=any_boxes,
    ious=st.sampled_from([(0.7, 0.3), (0.5, 0.5), (0.3, 0.6), (0.9, 0.0), (0.0, 0.0)]),
    seed=st.one_of(st.none(), st.integers(0, 9)),
)
def test_boxes_are_matched_as_all_their_overlaps_say(boxes, crowds, ious, seed):
    anchors = PYRAMID
    if seed is not None:  # neighbors that are none
        anchors = np.random.default_rng(seed).permutation(PYRAMID)[:700]
    assert len(anchors) % GROUP_SIZE
    assert_same_match(anchors, boxes, crowds, ious)


def test_many_objects_are_matched_as_all_their_overlaps_say():
    rng = np.random.default_rng(0)
    corners, sides = rng.integers(0, 160, (200, 2)), rng.integers(1, 60, (200, 2))
    match = assert_same_match(PYRAMID, np.concatenate([corners, corners + sides], 1))
    assert (match == 1).sum() > 200 and (match == -1).any() and (match == 0).any()


def test_object_that_fits_no_anchor_gets_all_its_best_ones():
    # One pixel: every anchor around it of the smallest area is as good.
    match = assert_same_match(PYRAMID, [[62, 62, 63, 63]])
    ix = np.flatnonzero(match == 1)
    overlaps = compute_overlaps(PYRAMID, [[62, 62, 63, 63]])[:, 0]
    assert len(ix) > 1 and overlaps.max() < 0.3
    assert np.all(overlaps[ix] == overlaps.max())


def test_object_outside_of_all_anchors_makes_nothing_positive():
    assert np.all(assert_same_match(PYRAMID, [[900, 900, 950, 950]]) == -1)


def test_no_anchors_no_objects_no_crowds():
    none = np.zeros((0, 4), np.float32)
    assert len(assert_same_match(none, [[0, 0, 9, 9]])) == 0
    assert np.all(assert_same_match(PYRAMID[:5], none, none) == -1)


def test_matching_changes_no_input():
    anchors, boxes = PYRAMID.copy(), np.array([[8, 8, 24, 24]])
    anchors.setflags(write=False)
    match_boxes(anchors, boxes, crowd_boxes=boxes)
    np.testing.assert_array_equal(boxes, [[8, 8, 24, 24]])


def test_groups_can_be_made_before():
    groups = group_anchors(PYRAMID)
    boxes = np.array([[8, 8, 24, 24], [50, 60, 90, 110]])
    for _ in range(2):  # they are not used up
        found = match_boxes(PYRAMID, boxes, groups=groups)
        for array, wanted in zip(found, match_boxes(PYRAMID, boxes), strict=True):
            np.testing.assert_array_equal(array, wanted)


def test_groups_of_other_anchors_are_refused():
    with pytest.raises(ValueError, match="48 groups are not those of 500 anchors"):
        match_boxes(PYRAMID[:500], [[8, 8, 24, 24]], groups=group_anchors(PYRAMID))
