"""VOC's AP, by hand and by its definition."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.evaluation import voc
from mrcnn.evaluation.voc import voc_ap, voc_evaluate
from tests.evaluation.cases import LEFT, MIDDLE, RIGHT, record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@given(st.lists(st.booleans(), max_size=12), st.integers(0, 5))
def test_both_areas_are_what_their_definitions_say(right, missed):
    objects = max(sum(right) + missed, 1)
    hits = np.cumsum(np.array(right, int))
    recall, precision = hits / objects, hits / np.arange(1, len(right) + 1)

    def best_from(point):
        """Best precision where the recall is at least `point` objects / objects."""
        kept = [p for p, k in zip(precision, hits, strict=True) if k >= point]
        return max(kept, default=0)

    area = sum(best_from(k) for k in range(1, objects + 1)) / objects
    eleven = sum(best_from(tenth * objects / 10) for tenth in range(11)) / 11
    assert voc_ap(recall, precision) == pytest.approx(area)
    assert voc_ap(recall, precision, use_07_metric=True) == pytest.approx(eleven)


def test_a_recall_of_three_tenths_reaches_the_point_0_3():
    recall = np.cumsum(np.full(3, 0.1))  # 0.30000000000000004
    for value in (recall, np.array([0.1, 0.2, 0.3]), np.array([1, 2, 3]) / 10):
        assert voc_ap(value, np.ones(3), True) == pytest.approx(4 / 11)


def test_ap_of_curves_that_are_none():
    assert voc_ap([], []) == 0.0
    assert math.isnan(voc_ap([math.nan], [0.0]))
    with pytest.raises(ValueError, match="2 and 1 values"):
        voc_ap([0.1, 0.2], [1.0])
    with pytest.raises(ValueError, match="falls"):
        voc_ap([0.2, 0.1], [1.0, 1.0])


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_detections_are_ranked_over_all_images(kind):
    found = voc_evaluate(
        [
            record("a", [(1, LEFT), (1, RIGHT)], [(1, 0.9, LEFT), (1, 0.3, RIGHT)]),
            record("b", [(2, LEFT)], [(1, 0.6, LEFT), (2, 0.1, LEFT)]),
        ],
        kind=kind,
    )
    # Class 1: right, wrong (in image b), right. Class 2: right.
    np.testing.assert_allclose(found.curves[1].precision, [1, 1 / 2, 2 / 3])
    assert found.ap[1] == pytest.approx(0.5 * 1 + 0.5 * 2 / 3)
    assert found.ap[2] == 1
    assert found.mean_ap == pytest.approx((found.ap[1] + 1) / 2)
    assert found.num_objects == {1: 2, 2: 1}


def test_a_second_detection_is_wrong_even_beside_a_free_object():
    shifted = (10, 15, 60, 65)  # IoU with LEFT 45 / 55
    gt = [(1, LEFT), (1, shifted)]
    found = voc_evaluate([record(1, gt, [(1, 0.9, LEFT), (1, 0.8, LEFT)])])
    assert found.ap[1] == pytest.approx(0.5)


def test_difficult_objects_are_neither_found_nor_missed():
    hard = record(
        1,
        [(1, LEFT), (1, RIGHT), (2, MIDDLE)],
        [(1, 0.9, RIGHT), (1, 0.8, RIGHT), (1, 0.7, LEFT)],
        gt_difficult=[False, True, True],
    )
    found = voc_evaluate([hard])
    assert found.num_objects == {1: 1, 2: 0}
    assert found.ap[1] == 1  # the two on the right aren't in the ranking
    assert math.isnan(found.ap[2])  # and class 2 not in the mean
    assert found.mean_ap == 1


def test_detections_on_crowds_are_left_out_of_their_class_only():
    crowd = (0, 100, 100, 200)
    found = voc_evaluate(
        [record(1, [(-1, crowd), (1, LEFT), (2, LEFT)],
                [(1, 0.9, RIGHT), (1, 0.8, LEFT), (2, 0.9, RIGHT), (2, 0.8, LEFT)])]
    )  # fmt: skip
    assert found.ap == {1: 1.0, 2: 0.5}


@pytest.mark.parametrize(("iou", "ap"), [(0.75, 1.0), (0.77, 0.0)])
def test_iou_at_the_threshold_is_right(iou, ap):
    part = (10, 10, 60, 10 + 38)  # of 50 columns: 0.76
    found = voc_evaluate([record(1, [(1, LEFT)], [(1, 0.9, part)])], iou=iou)
    assert found.ap[1] == ap
    exact = voc_evaluate([record(1, [(1, LEFT)], [(1, 0.9, part)])], iou=0.76)
    assert exact.ap[1] == 1


def test_nothing_at_all():
    found = voc_evaluate([record(1, [], [])])
    assert math.isnan(found.mean_ap) and found.ap == {}
    one_class = voc_evaluate([record(1, [], [(1, 0.9, LEFT)])], class_ids=[1])
    assert math.isnan(one_class.ap[1])
    missed = voc_evaluate([record(1, [(1, LEFT)], [])])
    assert missed.ap[1] == 0


def test_masks_that_are_not_there_are_an_error():
    bare = record(1, [(1, LEFT)], [(1, 0.9, LEFT)], rles=None)
    with pytest.raises(ValueError, match="no masks"):
        voc_evaluate([bare], kind="segm")
    with pytest.raises(ValueError, match="keypoints"):
        voc_evaluate([bare], kind="keypoints")


def test_examples_in_docstrings_hold():
    result = doctest.testmod(voc)
    assert result.attempted > 0 and result.failed == 0
