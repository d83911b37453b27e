"""The score of the Data Science Bowl 2018, by hand."""

from __future__ import annotations

import doctest
import math

import numpy as np
import pytest

from mrcnn.evaluation import dsb2018
from mrcnn.evaluation.dsb2018 import THRESHOLDS, dsb_evaluate
from mrcnn.geometry.masks import extract_bboxes
from tests.evaluation.cases import LEFT, RIGHT, record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def columns(*spans, width=40):
    """Masks of full columns: bool [10, width, N]."""
    masks = np.zeros((10, width, len(spans)), bool)
    for i, (x1, x2) in enumerate(spans):
        masks[:, x1:x2, i] = True
    return masks


def score(pred, gt):
    """The score of one image, from bool [H, W, N] and [H, W, G]."""
    height, width, count = pred.shape
    image = {
        "image_id": 1,
        "height": height,
        "width": width,
        "gt_masks": gt,
        "gt_class_ids": np.ones(gt.shape[2], int),
        "masks": pred,
        "rois": extract_bboxes(pred),
        "class_ids": np.ones(count, int),
        "scores": np.ones(count),
    }
    return dsb_evaluate([image]).score


def test_the_score_by_hand():
    gt = columns((0, 10), (20, 30), (32, 40))
    pred = columns(
        (0, 10),  # IoU 1: right ten times
        (20, 27),  # IoU 0.7: right at 0.50 to 0.65, not at 0.70
        (12, 18),  # nothing there
    )
    at_low, at_high = 2 / (2 + 1 + 1), 1 / (1 + 2 + 2)
    assert score(pred, gt) == pytest.approx((4 * at_low + 6 * at_high) / 10)


def test_each_object_and_each_detection_counts_once():
    gt = columns((0, 10), (20, 30))
    pred = columns((0, 10), (0, 9))  # the second finds the same object again
    assert score(pred, gt) == pytest.approx(1 / 3)
    both = columns((0, 10), (0, 9))  # two objects that overlap, one detection
    assert score(columns((0, 10)), both) == pytest.approx(1 / 2)


def test_the_best_pairs_are_made_first():
    gt = columns((0, 10), (0, 8))
    pred = columns((0, 8), (0, 10))
    assert score(pred, gt) == 1


def test_images_without_objects_and_without_detections():
    none = columns()
    assert score(none, none) == 1
    assert score(columns((0, 5)), none) == 0
    assert score(none, columns((0, 5))) == 0
    assert score(none, columns((3, 3))) == 1  # an object without a pixel is none


def test_the_mean_over_images_whatever_the_classes():
    records = [
        record("a", [(1, LEFT)], [(2, 0.9, LEFT)]),  # another class: right all the same
        record("b", [(1, LEFT), (1, RIGHT)], [(1, 0.9, LEFT), (1, 0.4, RIGHT)]),
    ]
    found = dsb_evaluate(records, score_threshold=0.5)
    assert found.per_image == {"a": 1.0, "b": 0.5}
    assert found.score == pytest.approx(0.75)
    assert found.per_threshold == dict.fromkeys(THRESHOLDS, 0.75)
    assert dsb_evaluate(records, score_threshold=0.4).score == 1
    assert dsb_evaluate(records, 0.4, kind="bbox").score == 1


def test_detections_on_a_crowd_are_right_or_left_out():
    crowd = record(
        1,
        [(-1, (0, 100, 100, 200)), (1, LEFT), (1, RIGHT)],
        [
            (1, 0.9, (60, 150, 100, 200)),  # on the crowd only
            (1, 0.8, LEFT),
            (1, 0.7, RIGHT),  # an object that lies on the crowd
        ],
    )
    assert dsb_evaluate([crowd]).score == 1
    worse = record(1, [(-1, (0, 100, 100, 200)), (1, RIGHT)],
                   [(1, 0.7, (10, 110, 60, 150))])  # fmt: skip
    # IoU 0.8: right at six thresholds; at the others missed, and not false.
    assert dsb_evaluate([worse]).score == pytest.approx(0.6)


def test_no_images_have_no_score():
    assert math.isnan(dsb_evaluate([]).score)


def test_examples_in_docstrings_hold():
    result = doctest.testmod(dsb2018)
    assert result.attempted > 0 and result.failed == 0
