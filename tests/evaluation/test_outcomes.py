"""Which objects of an image were found and missed, which detections are wrong."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.evaluation.matches import compute_matches
from mrcnn.evaluation.outcomes import find_outcomes
from mrcnn.geometry.masks import crop_masks, extract_bboxes

HEIGHT, WIDTH = 20, 30


def blocks(*boxes):
    """A crop for each box (y1, x1, y2, x2)."""
    masks = np.zeros((HEIGHT, WIDTH, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return crop_masks(masks)


A, B, C = (0, 0, 10, 10), (0, 15, 10, 25), (12, 0, 20, 8)


def test_each_object_is_taken_once_by_the_surest():
    outcomes = find_outcomes(
        blocks(A, B), [1, 1], blocks(A, A), [1, 1], np.array([0.6, 0.9])
    )
    assert (
        outcomes.found == [(1, 0)] and outcomes.false == [0] and outcomes.missed == [1]
    )


def test_another_class_takes_nothing():
    outcomes = find_outcomes(blocks(A), [1], blocks(A), [2], np.array([0.9]))
    assert (outcomes.found, outcomes.missed, outcomes.false) == ([], [0], [0])
    assert outcomes.overlaps[0, 0] == 1


def test_the_iou_may_equal_the_threshold():
    half = (0, 0, 10, 5)
    outcomes = find_outcomes(blocks(A), [1], blocks(half), [1], np.array([0.9]), 0.5)
    assert outcomes.found == [(0, 0)]
    assert find_outcomes(blocks(A), [1], blocks(half), [1], [0.9], 0.51).missed == [0]


def test_detections_below_the_score_take_part_in_nothing():
    outcomes = find_outcomes(blocks(A), [1], blocks(A, A), [1, 1], np.array([0.3, 0.5]))
    assert (
        outcomes.found == [(1, 0)] and outcomes.unsure == [0] and outcomes.false == []
    )


def test_detections_on_a_crowd_are_neither_right_nor_wrong():
    outcomes = find_outcomes(
        blocks(A, B), [-1, 1], blocks(A, A, C), [1, 2, 1], np.array([0.9, 0.8, 0.7])
    )
    assert outcomes.ignored == [0]
    assert outcomes.false == [1, 2]  # another class; elsewhere
    assert outcomes.crowds == [0] and outcomes.missed == [1]


def test_padding_takes_part_in_nothing():
    nothing = (0, 0, 0, 0)
    outcomes = find_outcomes(
        blocks(nothing), [1], blocks(nothing), [1], np.array([0.9])
    )
    assert not any(outcomes[:6])


@given(st.integers(0, 10**6), st.sampled_from([0.3, 0.5, 0.75]))
def test_matches_are_those_of_compute_matches(seed, iou_threshold):
    rng = np.random.default_rng(seed)
    count, num_objects = 7, 5
    masks = np.zeros((HEIGHT, WIDTH, count), bool)
    for i in range(count):
        y, x = rng.integers(0, (6, 8))
        masks[y : y + rng.integers(3, 9), x : x + rng.integers(3, 9), i] = True
    truth = masks[:, :, rng.integers(0, count, num_objects)]
    gt_ids, ids = rng.choice([-1, 1, 2], num_objects), rng.integers(1, 3, count)
    scores = rng.choice([0.2, 0.5, 0.7, 0.9], count)
    outcomes = find_outcomes(
        crop_masks(truth),
        gt_ids,
        crop_masks(masks),
        ids,
        scores,
        iou_threshold,
        0.5,
    )
    gt_match, pred_match, overlaps = compute_matches(
        extract_bboxes(truth), gt_ids, truth,
        extract_bboxes(masks), ids, scores, masks,
        iou_threshold, 0.5,
    )  # fmt: skip
    order = np.argsort(-scores, kind="stable")
    np.testing.assert_array_equal(outcomes.overlaps[order], overlaps)
    expected = {(order[i], j) for j, i in enumerate(gt_match) if i >= 0}
    assert set(outcomes.found) == expected
    assert set(outcomes.ignored) == set(order[pred_match == -2])
    assert set(outcomes.missed) == set(np.flatnonzero((gt_match < 0) & (gt_ids > 0)))


def test_counts_add_up():
    outcomes = find_outcomes(
        blocks(A, B, C), [1, 2, -1], blocks(A), [1], np.array([0.9])
    )
    assert len(outcomes.found) + len(outcomes.missed) + len(outcomes.crowds) == 3
    assert outcomes.overlaps.shape == (1, 3)


@pytest.mark.parametrize(("gt", "pred"), [(0, 0), (0, 2), (2, 0)])
def test_of_nothing(gt, pred):
    crops = blocks(A, B)
    outcomes = find_outcomes(
        crops[:gt], [1, 1][:gt], crops[:pred], [1, 1][:pred], [0.9] * pred
    )
    assert len(outcomes.missed) == gt and len(outcomes.false) == pred
