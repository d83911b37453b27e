import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.geometry.boxes import apply_box_deltas, compute_overlaps
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.targets.anchor_targets import anchor_targets

STD_DEV = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
SHAPE = (64, 96, 3)  # not square


def grid_anchors(size=16, stride=8, shape=SHAPE):
    """Square anchors, px, centers at multiples of the stride."""
    ys, xs = np.meshgrid(
        np.arange(0, shape[0], stride), np.arange(0, shape[1], stride), indexing="ij"
    )
    centers = np.stack([ys.ravel(), xs.ravel()], axis=1)
    return np.concatenate([centers - size / 2, centers + size / 2], axis=1)


def targets_of(anchors, class_ids, boxes, *, seed=0, **kwargs):
    return anchor_targets(
        anchors,
        np.array(class_ids, np.int32),
        np.array(boxes, np.int32).reshape(-1, 4),
        SHAPE,
        bbox_std_dev=STD_DEV,
        rng=np.random.default_rng(seed),
        **kwargs,
    )


def test_hand_drawn_image():
    anchors = np.array(
        [
            [0, 0, 16, 16],
            [8, 8, 24, 24],  # the object: positive
            [10, 8, 26, 24],  # IoU 14 / 18 = 0.78: positive
            [12, 8, 28, 24],  # IoU 12 / 20 = 0.6: neutral
            [40, 60, 56, 76],  # nothing there: negative
        ],
        np.float32,
    )
    match, deltas = targets_of(anchors, [3], [[8, 8, 24, 24]])
    np.testing.assert_array_equal(match, [-1, 1, 1, 0, -1])
    assert match.dtype == np.int32
    assert deltas.shape == (256, 4)
    assert deltas.dtype == np.float32
    np.testing.assert_array_equal(deltas[0], 0)
    # 2 px up; a norm side of a 16 px anchor is 15 / (side - 1).
    np.testing.assert_allclose(deltas[1], [-2 / 15 / 0.1, 0, 0, 0], atol=1e-5)
    np.testing.assert_array_equal(deltas[2:], 0)


def test_deltas_decode_in_the_norm_frame_to_the_gt_box():
    anchors = grid_anchors()
    boxes = np.array([[3, 5, 22, 20], [30, 50, 49, 64]])
    match, deltas = targets_of(anchors, [1, 2], boxes)
    positive = np.flatnonzero(match == 1)
    assert len(positive) >= 2
    decoded = apply_box_deltas(
        norm_boxes(anchors[positive], SHAPE[:2]), deltas[: len(positive)] * STD_DEV
    )
    nearest = compute_overlaps(anchors[positive], boxes).argmax(axis=1)
    np.testing.assert_allclose(
        decoded, norm_boxes(boxes[nearest], SHAPE[:2]), atol=1e-6
    )
    assert set(nearest) == {0, 1}


def test_image_without_objects_gives_negatives_only():
    match, deltas = targets_of(grid_anchors(), [], [], num_samples=20)
    assert (match == -1).sum() == 20
    assert (match == 1).sum() == 0
    np.testing.assert_array_equal(deltas, 0)


def test_padding_rows_are_no_objects():
    anchors = np.array([[0, 0, 0, 0], [0, 0, 16, 16]], np.float32)
    match, _ = targets_of(anchors, [0, 0], [[0, 0, 0, 0], [0, 0, 16, 16]])
    np.testing.assert_array_equal(match, [-1, -1])


def test_only_crowds_gives_negatives_away_from_them():
    anchors = grid_anchors()
    crowd = np.array([[0, 0, 32, 96]])
    match, deltas = targets_of(anchors, [-1], crowd)
    touches = compute_overlaps(anchors, crowd)[:, 0] > 0.001
    assert touches.any()
    assert np.all(match[touches] == 0)
    assert np.all(match[~touches] == -1)
    np.testing.assert_array_equal(deltas, 0)


def test_crowd_beside_an_object_leaves_the_object_alone():
    anchors = np.array([[8, 8, 24, 24], [8, 40, 24, 56], [40, 8, 56, 24]], np.float32)
    match, _ = targets_of(anchors, [-1, 2], [[8, 40, 24, 56], [8, 8, 24, 24]])
    np.testing.assert_array_equal(match, [1, 0, -1])


def test_at_most_half_of_the_samples_are_positive():
    anchors = np.tile(np.array([[8, 8, 24, 24]], np.float32), (50, 1))
    anchors = np.concatenate([anchors, grid_anchors()])
    match, deltas = targets_of(anchors, [1], [[8, 8, 24, 24]], num_samples=20)
    assert (match == 1).sum() == 10
    assert (match == -1).sum() == 10
    assert deltas.shape == (20, 4)


def test_negatives_fill_up_when_positives_are_few():
    match, _ = targets_of(grid_anchors(), [1], [[8, 8, 24, 24]], num_samples=30)
    positives = (match == 1).sum()
    assert 1 <= positives < 15
    assert (match == -1).sum() == 30 - positives


def test_fewer_anchors_than_samples_are_all_used():
    anchors = np.array([[0, 0, 16, 16], [30, 30, 46, 46]], np.float32)
    match, _ = targets_of(anchors, [1], [[0, 0, 16, 16]])
    np.testing.assert_array_equal(match, [1, -1])


def test_same_rng_same_sample_another_rng_another_sample():
    first, again, other = (
        targets_of(grid_anchors(), [1], [[8, 8, 24, 24]], num_samples=10, seed=seed)
        for seed in (1, 1, 2)
    )
    np.testing.assert_array_equal(first.match, again.match)
    assert np.any(first.match != other.match)


def test_object_of_one_pixel_has_finite_deltas():
    match, deltas = targets_of(grid_anchors(), [1], [[8, 8, 9, 9]])
    assert (match == 1).any()
    assert np.isfinite(deltas).all()


def test_gt_as_many_as_allowed():
    boxes = np.array([[y, x, y + 16, x + 16] for y in (8, 32) for x in range(0, 80, 8)])
    match, deltas = targets_of(
        grid_anchors(), np.arange(1, len(boxes) + 1), boxes, num_samples=256
    )
    positives = (match == 1).sum()
    assert positives >= len(boxes) / 2
    assert np.isfinite(deltas).all()


def test_inputs_are_not_changed():
    anchors, ids, boxes = grid_anchors(), np.array([1]), np.array([[8, 8, 24, 24]])
    copies = anchors.copy(), ids.copy(), boxes.copy()
    anchor_targets(anchors, ids, boxes, SHAPE, rng=np.random.default_rng(0))
    for array, copy in zip((anchors, ids, boxes), copies, strict=True):
        np.testing.assert_array_equal(array, copy)


def test_rng_is_required():
    with pytest.raises(TypeError, match="rng"):
        anchor_targets(grid_anchors(), np.array([1]), np.zeros((1, 4)), SHAPE)


@settings(max_examples=40, deadline=None)
@given(
    class_ids=hnp.arrays(np.int32, 4, elements=st.integers(-2, 3)),
    corners=hnp.arrays(np.int32, (4, 2), elements=st.integers(0, 40)),
    sizes=hnp.arrays(np.int32, (4, 2), elements=st.integers(1, 24)),
    num_samples=st.integers(2, 60),
    seed=st.integers(0, 9),
)
def test_laws_of_the_sample(class_ids, corners, sizes, num_samples, seed):
    boxes = np.concatenate([corners, corners + sizes], axis=1)
    anchors = grid_anchors()
    match, deltas = targets_of(
        anchors, class_ids, boxes, num_samples=num_samples, seed=seed
    )
    positives = (match == 1).sum()
    assert positives <= num_samples // 2
    assert positives + (match == -1).sum() <= num_samples
    assert (positives > 0) <= (class_ids > 0).any()
    assert deltas.shape == (num_samples, 4)
    assert np.isfinite(deltas).all()
    np.testing.assert_array_equal(deltas[positives:], 0)
