from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.geometry.nms import non_max_suppression, non_max_suppression_tensor

from .strategies import scored_boxes

BOXES = np.array(
    [
        [0, 0, 10, 10],  # 0
        [0, 0, 10, 10],  # 1: the same as 0
        [0, 1, 10, 11],  # 2: IoU 9/11 with 0
        [0, 5, 10, 15],  # 3: IoU 1/3 with 0
        [40, 90, 50, 99],  # 4: far away
    ]
)
MAX = len(BOXES)


def twin(boxes, scores, threshold, class_ids=None, max_output=100):
    boxes, scores = np.asarray(boxes, np.float32), np.asarray(scores, np.float32)
    return non_max_suppression_tensor(boxes, scores, max_output, threshold, class_ids)


both = pytest.mark.parametrize("nms", [non_max_suppression, twin])


@both
def test_keeps_highest_of_two_identical_boxes(nms):
    np.testing.assert_array_equal(nms(BOXES[:2], [0.3, 0.9], 0.5), [1])


@both
def test_equal_scores_keep_the_first(nms):
    np.testing.assert_array_equal(nms(BOXES[:2], [0.9, 0.9], 0.5), [0])


@both
def test_result_is_by_falling_score(nms):
    scores = [0.5, 0.1, 0.6, 0.7, 0.9]
    # 2 overlaps 3 by 3/7 only and suppresses 0 and 1.
    np.testing.assert_array_equal(nms(BOXES, scores, 0.5), [4, 3, 2])


@both
def test_iou_equal_to_the_threshold_is_kept(nms):
    halves = [[0, 0, 10, 10], [0, 0, 10, 5]]  # IoU exactly 0.5
    np.testing.assert_array_equal(nms(halves, [0.9, 0.8], 0.5), [0, 1])
    np.testing.assert_array_equal(nms(halves, [0.9, 0.8], 0.49), [0])


@both
def test_other_classes_do_not_suppress(nms):
    scores, class_ids = [0.9, 0.8, 0.7, 0.6, 0.5], np.array([1, 2, 1, 1, 1])
    np.testing.assert_array_equal(nms(BOXES, scores, 0.5, class_ids), [0, 1, 3, 4])


@both
def test_a_crowd_of_one_box_leaves_one(nms):
    crowd = np.tile(BOXES[0], (50, 1))
    np.testing.assert_array_equal(nms(crowd, np.linspace(0, 1, 50), 0.5), [49])


@both
def test_max_output_stops_early(nms):
    apart = BOXES[[0, 3, 4]]
    scores = [0.1, 0.2, 0.3]
    np.testing.assert_array_equal(nms(apart, scores, 0.5, max_output=2), [2, 1])
    np.testing.assert_array_equal(nms(apart, scores, 0.5, max_output=3), [2, 1, 0])
    class_ids = np.array([1, 1, 2])
    np.testing.assert_array_equal(
        nms(apart, scores, 0.5, class_ids, max_output=2), [2, 1]
    )


@both
def test_nothing_in_nothing_out(nms):
    keep = np.asarray(nms(np.zeros((0, 4)), np.zeros(0), 0.5))
    assert keep.shape == (0,)
    assert keep.dtype == np.int32


def test_empty_boxes_are_kept():
    np.testing.assert_array_equal(
        non_max_suppression([[3, 3, 3, 3], [3, 3, 3, 3]], [0.5, 0.4], 0.5), [0, 1]
    )


@settings(max_examples=50, deadline=None)
@given(scored_boxes(), st.sampled_from([0.0, 0.3, 0.5, 0.7]))
def test_kept_boxes_are_apart_and_dropped_ones_have_a_reason(drawn, threshold):
    boxes, scores, class_ids = drawn
    keep = non_max_suppression(boxes, scores, threshold, class_ids)
    assert (np.diff(scores[keep]) <= 0).all()
    clash = compute_overlaps(boxes, boxes) > threshold
    clash &= class_ids[:, None] == class_ids
    np.fill_diagonal(clash, False)
    assert not clash[np.ix_(keep, keep)].any()
    for dropped in set(range(len(boxes))) - set(keep.tolist()):
        better = keep[scores[keep] >= scores[dropped]]
        assert clash[dropped, better].any()


@settings(max_examples=40, deadline=None)
@given(
    scored_boxes(),
    st.sampled_from([0.0, 0.3, 0.5, 0.7]),
    st.booleans(),
    st.integers(1, 13),
)
def test_twins_are_equal(drawn, threshold, by_class, max_output):
    boxes, scores, class_ids = drawn
    class_ids = class_ids if by_class else None
    np.testing.assert_array_equal(
        non_max_suppression(boxes, scores, threshold, class_ids, max_output),
        twin(boxes, scores, threshold, class_ids, max_output),
    )


def test_by_class_equals_one_class_at_a_time():
    rng = np.random.default_rng(3)
    corners = rng.uniform(0, 60, (80, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(5, 40, (80, 2))], axis=1)
    scores, class_ids = rng.random(80), rng.integers(1, 5, 80)
    alone = []
    for class_id in range(1, 5):
        ix = np.flatnonzero(class_ids == class_id)
        alone.extend(ix[non_max_suppression(boxes[ix], scores[ix], 0.3)])
    keep = non_max_suppression(boxes, scores, 0.3, class_ids)
    assert sorted(keep) == sorted(alone)
    np.testing.assert_array_equal(twin(boxes, scores, 0.3, class_ids), keep)


@pytest.mark.parametrize(
    ("boxes", "scores", "class_ids"),
    [
        (BOXES, [1.0], None),
        (BOXES[:2], [1.0, 0.5], [1]),
        (BOXES[None], [[1.0] * 5], None),
    ],
)
def test_lengths_that_disagree_raise(boxes, scores, class_ids):
    with pytest.raises(ValueError, match="disagree"):
        non_max_suppression(boxes, scores, 0.5, class_ids)


def test_twin_runs_in_a_graph_with_unknown_count():
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, 4], tf.float32),
            tf.TensorSpec([None], tf.float32),
            tf.TensorSpec([None], tf.int32),
        ]
    )
    def graph(boxes, scores, class_ids):
        return (
            non_max_suppression_tensor(boxes, scores, MAX, 0.5),
            non_max_suppression_tensor(boxes, scores, MAX, 0.5, class_ids),
        )

    scores = np.linspace(1, 0.5, MAX, dtype=np.float32)
    class_ids = np.array([1, 2, 1, 1, 1], np.int32)
    for count in (MAX, 2, 0):
        plain, by_class = graph(
            BOXES[:count].astype("f"), scores[:count], class_ids[:count]
        )
        np.testing.assert_array_equal(
            plain, non_max_suppression(BOXES[:count], scores[:count], 0.5)
        )
        np.testing.assert_array_equal(
            by_class,
            non_max_suppression(BOXES[:count], scores[:count], 0.5, class_ids[:count]),
        )
