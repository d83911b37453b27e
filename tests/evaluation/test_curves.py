"""Curves, and that COCO's have the area that COCO reports."""

from __future__ import annotations

import doctest

import numpy as np
import pytest

from mrcnn.evaluation import curves
from mrcnn.evaluation.coco import evaluate_records
from mrcnn.evaluation.curves import precision_recall_curve, rank
from mrcnn.evaluation.records import compact
from tests.evaluation.cases import LEFT, MIDDLE, RIGHT, record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@pytest.fixture(scope="module")
def evaluation():
    kept = [
        compact(record(1, [(1, LEFT), (1, RIGHT)], [(1, 0.9, LEFT), (1, 0.8, MIDDLE)])),
        compact(record(2, [(2, LEFT)], [(2, 0.4, LEFT), (3, 0.7, RIGHT)])),
    ]
    return evaluate_records(kept, ("bbox",), [1, 2, 3])["bbox"]


def test_rank_sorts_and_keeps_ties_as_they_come():
    curve = rank([0.5, 0.9, 0.5], [True, False, False], 4)
    assert curve.scores.tolist() == [0.9, 0.5, 0.5]
    assert curve.precision.tolist() == pytest.approx([0, 1 / 2, 1 / 3])
    assert curve.recall.tolist() == [0, 0.25, 0.25]
    assert np.isnan(rank([0.5], [False], 0).recall).all()


@pytest.mark.parametrize("iou", [0.5, 0.75])
def test_the_mean_precision_of_a_curve_is_the_ap(evaluation, iou):
    name = f"AP{round(100 * iou)}"
    mean = precision_recall_curve(evaluation, iou=iou)
    assert np.mean(mean.precision) == pytest.approx(evaluation.metrics[name])
    for class_id in (1, 2):
        curve = precision_recall_curve(evaluation, class_id, iou)
        expected = evaluation.per_class[class_id][name]
        assert np.mean(curve.precision) == pytest.approx(expected)


def test_a_curve_by_hand(evaluation):
    curve = precision_recall_curve(evaluation, 1)
    np.testing.assert_allclose(curve.precision, curve.recall <= 0.5)
    np.testing.assert_allclose(curve.scores, 0.9 * (curve.recall <= 0.5))


def test_a_class_without_objects_has_no_curve(evaluation):
    assert np.isnan(precision_recall_curve(evaluation, 3).precision).all()
    assert np.isfinite(precision_recall_curve(evaluation).precision).all()


def test_no_object_at_all_has_no_curve():
    kept = [compact(record(1, [], [(1, 0.5, LEFT)]))]
    nothing = evaluate_records(kept, ("bbox",), [1])["bbox"]
    assert np.isnan(precision_recall_curve(nothing).precision).all()


@pytest.mark.parametrize(
    ("changes", "message"), [({"iou": 0.52}, "0.52"), ({"class_id": 9}, "9")]
)
def test_what_was_not_measured_is_an_error(evaluation, changes, message):
    with pytest.raises(ValueError, match=message):
        precision_recall_curve(evaluation, **changes)


def test_examples_in_docstrings_hold():
    result = doctest.testmod(curves)
    assert result.attempted > 0 and result.failed == 0
