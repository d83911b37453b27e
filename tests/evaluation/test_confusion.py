"""The confusion matrix, by hand."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.evaluation.confusion import confusion_matrix
from tests.evaluation.cases import LEFT, MIDDLE, RIGHT, record

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


def counts(matrix):
    """(true, detected) -> count, of the cells that aren't 0."""
    return {tuple(cell): matrix[tuple(cell)] for cell in np.argwhere(matrix).tolist()}


@pytest.mark.parametrize("kind", ["bbox", "segm"])
def test_every_object_and_detection_is_counted_once(kind):
    some = record(
        1,
        [(1, LEFT), (2, MIDDLE), (3, (100, 0, 120, 20))],
        [
            (1, 0.9, LEFT),
            (3, 0.8, MIDDLE),  # taken for another class
            (2, 0.7, RIGHT),  # nothing there
        ],
    )
    matrix = confusion_matrix([some, {**some, "image_id": 2}], kind=kind)
    assert matrix.dtype == np.int64 and matrix.shape == (4, 4)
    assert counts(matrix) == {(1, 1): 2, (2, 3): 2, (0, 2): 2, (3, 0): 2}


def test_a_wrong_label_takes_no_object_from_a_right_one():
    both = record(
        1,
        [(1, LEFT)],
        [(2, 0.9, LEFT), (1, 0.6, (10, 10, 60, 55))],  # the wrong one is surer, nearer
    )
    assert counts(confusion_matrix([both])) == {(1, 1): 1, (0, 2): 1}


def test_scores_and_overlaps_at_the_threshold_count():
    half = (10, 10, 60, 35)  # IoU 0.5
    at = record(1, [(1, LEFT)], [(1, 0.5, half)])
    assert counts(confusion_matrix([at])) == {(1, 1): 1}
    assert counts(confusion_matrix([at], iou=0.51)) == {(0, 1): 1, (1, 0): 1}
    assert counts(confusion_matrix([at], score=0.51)) == {(1, 0): 1}


def test_crowds_and_difficult_objects_are_not_counted():
    some = record(
        1,
        [(-1, (0, 100, 100, 200)), (2, LEFT), (2, MIDDLE)],
        [(3, 0.9, RIGHT), (1, 0.8, LEFT)],
        gt_difficult=[False, True, True],
    )
    assert counts(confusion_matrix([some])) == {}


def test_nothing_and_detections_of_nothing():
    assert confusion_matrix([]).tolist() == [[0]]
    alarm = record(1, [], [(2, 0.9, LEFT)])
    assert counts(confusion_matrix([alarm], num_classes=5)) == {(0, 2): 1}
    missed = record(1, [(2, LEFT)], [])
    assert counts(confusion_matrix([missed])) == {(2, 0): 1}


def test_too_few_classes_are_an_error():
    with pytest.raises(ValueError, match="class id 2"):
        confusion_matrix([record(1, [], [(2, 0.9, LEFT)])], num_classes=2)
