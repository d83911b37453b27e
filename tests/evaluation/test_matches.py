"""Matches, AP and recall of one image, against cases worked out by hand."""

from __future__ import annotations

import doctest
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.evaluation import matches
from mrcnn.evaluation.matches import (
    compute_ap,
    compute_ap_range,
    compute_matches,
    compute_recall,
)

SIZE = (20, 60)  # not square


def fill(*boxes):
    """Boxes [N, 4] and their masks, all pixels set: bool [20, 60, N]."""
    masks = np.zeros((*SIZE, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return np.array(boxes, np.int32).reshape(-1, 4), masks


def case(gt, pred):
    """The seven arguments from [(class_id, box)] and [(class_id, score, box)]."""
    gt_boxes, gt_masks = fill(*[box for _, box in gt])
    pred_boxes, pred_masks = fill(*[box for *_, box in pred])
    return (
        gt_boxes,
        np.array([class_id for class_id, _ in gt], np.int32),
        gt_masks,
        pred_boxes,
        np.array([class_id for class_id, *_ in pred], np.int32),
        np.array([score for _, score, _ in pred], np.float32),
        pred_masks,
    )


LEFT, MIDDLE, RIGHT = (0, 0, 10, 10), (0, 20, 10, 30), (0, 40, 10, 50)


def test_results_are_in_the_order_of_falling_scores():
    arguments = case(
        gt=[(1, LEFT), (1, RIGHT)],
        pred=[
            (1, 0.2, MIDDLE),  # last: nothing there
            (1, 0.9, RIGHT),  # first
            (1, 0.5, LEFT),  # second
        ],
    )
    gt_match, pred_match, overlaps = compute_matches(*arguments)
    assert gt_match.tolist() == [1, 0]
    assert pred_match.tolist() == [1, 0, -1]
    np.testing.assert_array_equal(overlaps, [[0, 1], [1, 0], [0, 0]])


def test_an_object_is_taken_once_by_the_surest():
    arguments = case(
        gt=[(1, LEFT)],
        pred=[(1, 0.6, LEFT), (1, 0.9, (0, 0, 10, 9))],  # the worse box is surer
    )
    gt_match, pred_match, _ = compute_matches(*arguments)
    assert gt_match.tolist() == [0]
    assert pred_match.tolist() == [0, -1]


def test_a_detection_takes_the_free_object_it_overlaps_the_most():
    arguments = case(
        gt=[(1, (0, 0, 10, 10)), (1, (0, 0, 10, 12))],
        pred=[(1, 0.9, (0, 0, 10, 12)), (1, 0.8, (0, 0, 10, 12))],
    )
    gt_match, pred_match, _ = compute_matches(*arguments)
    assert pred_match.tolist() == [1, 0]  # the second one takes what is left
    assert gt_match.tolist() == [1, 0]


def test_classes_must_agree_even_if_another_class_overlaps_more():
    arguments = case(
        gt=[(2, LEFT), (1, (0, 0, 10, 9))],
        pred=[(1, 0.9, LEFT)],
    )
    gt_match, pred_match, _ = compute_matches(*arguments)
    assert pred_match.tolist() == [1]
    assert gt_match.tolist() == [-1, 0]


@pytest.mark.parametrize(("width", "matched"), [(5, True), (4, False)])
def test_iou_at_the_threshold_matches(width, matched):
    arguments = case(gt=[(1, LEFT)], pred=[(1, 0.9, (0, 0, 10, width))])
    _, pred_match, _ = compute_matches(*arguments, iou_threshold=0.5)
    assert pred_match.tolist() == [0 if matched else -1]


@pytest.mark.parametrize("number", [float, np.float64, np.float32])
def test_iou_at_the_threshold_matches_whatever_float_it_is(number):
    seven_tenths = case(gt=[(1, LEFT)], pred=[(1, 0.9, (0, 0, 10, 7))])
    _, pred_match, _ = compute_matches(*seven_tenths, iou_threshold=number(0.7))
    assert pred_match.tolist() == [0]


def test_score_threshold_is_one_on_scores():
    arguments = case(
        gt=[(1, LEFT), (1, RIGHT)],
        pred=[(1, 0.9, LEFT), (1, 0.4, RIGHT)],  # 0.4 is too unsure
    )
    _, pred_match, overlaps = compute_matches(*arguments, score_threshold=0.5)
    assert pred_match.tolist() == [0, -1]
    assert overlaps.shape == (2, 2)


def test_zero_rows_are_padding():
    plain = case(gt=[(1, LEFT), (2, RIGHT)], pred=[(2, 0.9, RIGHT)])
    padded = case(
        gt=[(1, LEFT), (0, (0, 0, 0, 0)), (2, RIGHT), (0, (0, 0, 0, 0))],
        pred=[(2, 0.9, RIGHT), (0, 0.0, (0, 0, 0, 0))],
    )
    for ours, expected in zip(
        compute_matches(*padded), compute_matches(*plain), strict=True
    ):
        np.testing.assert_array_equal(ours, expected)


def test_padded_boxes_may_come_with_unpadded_masks():
    gt_boxes, class_ids, masks, *pred = case(gt=[(1, LEFT)], pred=[(1, 0.9, LEFT)])
    gt_boxes = np.concatenate([gt_boxes, np.zeros((3, 4), np.int32)])
    gt_match, _, _ = compute_matches(gt_boxes, class_ids, masks, *pred)
    assert gt_match.tolist() == [0]


def test_masks_of_images_of_two_sizes_are_an_error():
    gt_boxes, class_ids, masks, *pred = case(gt=[(1, LEFT)], pred=[(1, 0.9, LEFT)])
    with pytest.raises(ValueError, match=r"compute_matches.*different size.*\(10, 60"):
        compute_matches(gt_boxes, class_ids, masks[:10], *pred)


def test_counts_that_differ_are_an_error():
    gt_boxes, class_ids, masks, *pred = case(gt=[(1, LEFT)], pred=[(1, 0.9, LEFT)])
    with pytest.raises(ValueError, match=r"gt_masks.*2 masks"):
        compute_matches(gt_boxes, class_ids, masks[:, :, [0, 0]], *pred)
    pred[2] = np.array([0.5, 0.4])
    with pytest.raises(ValueError, match="2 scores for 1 boxes"):
        compute_matches(gt_boxes, class_ids, masks, *pred)


CROWD_CASE = case(
    gt=[(-1, (0, 20, 20, 60)), (1, LEFT)],
    pred=[
        (1, 0.9, MIDDLE),  # on the crowd: neither right nor wrong
        (1, 0.8, LEFT),
        (2, 0.7, RIGHT),  # on the crowd, which is one of another class: wrong
    ],
)


def test_detections_on_a_crowd_of_their_class_are_ignored():
    gt_match, pred_match, _ = compute_matches(*CROWD_CASE)
    assert gt_match.tolist() == [-1, 1]
    assert pred_match.tolist() == [matches.IGNORED, 1, matches.UNMATCHED]


def test_a_crowd_is_no_object_to_find():
    ap, precisions, recalls, _ = compute_ap(*CROWD_CASE)
    assert ap == 1.0
    assert recalls[-2] == 1.0
    assert len(precisions) == 2 + 2  # the ignored detection isn't in the curve


def test_ap_by_hand():
    arguments = case(
        gt=[(1, LEFT), (1, RIGHT)],
        pred=[
            (1, 0.9, LEFT),  # precision 1/1, recall 1/2
            (1, 0.8, MIDDLE),  # precision 1/2, recall 1/2
            (1, 0.7, RIGHT),  # precision 2/3, recall 2/2
        ],
    )
    ap, precisions, recalls, overlaps = compute_ap(*arguments)
    assert ap == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    np.testing.assert_allclose(precisions, [1, 1, 2 / 3, 2 / 3, 0])
    np.testing.assert_allclose(recalls, [0, 0.5, 0.5, 1, 1])
    assert overlaps.shape == (3, 2)


def test_ap_counts_objects_not_found():
    arguments = case(gt=[(1, LEFT), (1, RIGHT)], pred=[(1, 0.9, LEFT)])
    assert compute_ap(*arguments)[0] == pytest.approx(0.5)


def test_ap_without_detections_is_zero():
    ap, precisions, recalls, overlaps = compute_ap(*case([(1, LEFT)], []))
    assert ap == 0.0
    assert overlaps.shape == (0, 1)
    assert np.isfinite(precisions).all() and np.isfinite(recalls).all()


def test_ap_without_objects_tells_silence_from_false_alarm():
    assert compute_ap(*case([], []))[0] == 1.0
    ap, precisions, recalls, _ = compute_ap(*case([], [(1, 0.9, LEFT)]))
    assert ap == 0.0
    assert np.isfinite(precisions).all() and np.isfinite(recalls).all()


def slow_ap(gt, pred, iou_threshold):
    """AP by its definition: sets of pixels, exact ratios, no arrays."""

    def pixels(box):
        y1, x1, y2, x2 = box
        return {(y, x) for y in range(y1, y2) for x in range(x1, x2)}

    objects = [(class_id, pixels(box)) for class_id, box in gt if class_id > 0]
    crowds = [(-class_id, pixels(box)) for class_id, box in gt if class_id < 0]
    free = list(range(len(objects)))
    right = []
    for class_id, _, box in sorted(pred, key=lambda row: -row[1]):
        own = pixels(box)
        ious = {
            i: Fraction(len(own & objects[i][1]), len(own | objects[i][1]))
            for i in free
            if objects[i][0] == class_id
        }
        best = max(ious, key=ious.get, default=None)
        if best is not None and ious[best] >= iou_threshold:
            free.remove(best)
            right.append(True)
        elif not any(
            crowd_class == class_id
            and Fraction(len(own & crowd), len(own)) >= iou_threshold
            for crowd_class, crowd in crowds
        ):
            right.append(False)
    if not objects:
        return Fraction(not right)
    precision = [Fraction(sum(right[:k]), k) for k in range(1, len(right) + 1)]
    found = [max(precision[k:]) for k in range(len(right)) if right[k]]
    return sum(found, Fraction(0)) / len(objects)


@st.composite
def boxes(draw):
    y1, x1 = draw(st.integers(0, 8)), draw(st.integers(0, 8))
    return y1, x1, y1 + draw(st.integers(1, 6)), x1 + draw(st.integers(1, 6))


GT_CLASSES = st.sampled_from([1, 1, 2, -1])
SCORES = st.sampled_from([0.25, 0.5, 0.75, 0.875])  # so few that some are equal


@settings(max_examples=200)
@given(
    gt=st.lists(st.tuples(GT_CLASSES, boxes()), max_size=5),
    pred=st.lists(st.tuples(st.sampled_from([1, 2]), SCORES, boxes()), max_size=7),
    iou=st.sampled_from([Fraction(1, 4), Fraction(1, 2), Fraction(3, 4)]),
)
def test_ap_is_what_its_definition_says(gt, pred, iou):
    ap = compute_ap(*case(gt, pred), iou_threshold=float(iou))[0]
    assert ap == pytest.approx(float(slow_ap(gt, pred, iou)), abs=1e-12)


def test_inputs_are_left_as_they_were():
    copies = [np.copy(array) for array in CROWD_CASE]
    compute_ap(*CROWD_CASE)
    for array, copy in zip(CROWD_CASE, copies, strict=True):
        np.testing.assert_array_equal(array, copy)


# IoU 0.77: right at 0.50, 0.55 ... 0.75, wrong from 0.80 on.
RANGE_CASE = case([(1, (0, 0, 1, 60))], [(1, 0.9, (0, 0, 1, 46))])


def test_ap_range_is_the_mean_over_ten_thresholds(capsys):
    assert compute_ap_range(*RANGE_CASE, verbose=0) == pytest.approx(0.6)
    assert capsys.readouterr().out == ""


def test_ap_range_prints_each_threshold_when_asked(capsys):
    mean = compute_ap_range(*RANGE_CASE, iou_thresholds=[0.5, 0.9], verbose=1)
    assert mean == pytest.approx(0.5)
    out = capsys.readouterr().out
    assert "AP @0.50:\t 1.000" in out
    assert "AP @0.90:\t 0.000" in out
    assert "AP @0.50-0.90:\t 0.500" in out


def test_ap_range_needs_a_threshold():
    with pytest.raises(ValueError, match="at least one"):
        compute_ap_range(*RANGE_CASE, iou_thresholds=[])


def test_recall_counts_objects_and_names_boxes():
    gt_boxes = np.array([LEFT, RIGHT])
    pred_boxes = np.array(
        [
            MIDDLE,  # finds nothing
            LEFT,
            (0, 0, 10, 8),  # finds the same object again
        ]
    )
    recall, positive_ids = compute_recall(pred_boxes, gt_boxes, iou=0.5)
    assert recall == 0.5
    assert positive_ids.tolist() == [1, 2]


def test_recall_of_nothing():
    none = np.zeros((0, 4))
    assert compute_recall(none, np.array([LEFT]), 0.5)[0] == 0.0
    recall, positive_ids = compute_recall(np.array([LEFT]), none, 0.5)
    assert recall == 1.0
    assert positive_ids.tolist() == []


def test_examples_in_docstrings_hold():
    result = doctest.testmod(matches)
    assert result.attempted > 0 and result.failed == 0
