import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from mrcnn.geometry.boxes import apply_box_deltas
from mrcnn.targets.roi_targets import (
    MASK_THRESHOLD,
    max_positives,
    resample_masks,
    roi_targets,
    roi_targets_tensor,
)

STD_DEV = (0.1, 0.1, 0.2, 0.2)
OPTIONS = {
    "num_rois": 9,
    "positive_ratio": 1 / 3,
    "mask_shape": (6, 4),
    "use_mini_mask": True,
    "bbox_std_dev": STD_DEV,
}


def full_masks(count, shape=(8, 8)):
    return np.ones((*shape, count), bool)


def both(proposals, gt_class_ids, gt_boxes, gt_masks, *, priority, **options):
    """Targets of one image from the NumPy function, after the twin agreed."""
    arrays = (
        np.array(proposals, np.float32).reshape(-1, 4),
        np.array(gt_class_ids, np.int32),
        np.array(gt_boxes, np.float32).reshape(-1, 4),
        np.asarray(gt_masks),
    )
    priority = np.asarray(priority, np.float32)
    options = OPTIONS | options
    plain = roi_targets(*arrays, priority=priority, **options)
    tensors = roi_targets_tensor(
        *(array[None] for array in arrays), priority=priority[None], **options
    )
    for name, ours, twin in zip(plain._fields, plain, tensors, strict=True):
        np.testing.assert_allclose(ours, twin[0], rtol=1e-5, atol=1e-5, err_msg=name)
        assert ours.dtype == twin.dtype.as_numpy_dtype, name
    return plain


def in_order(count):
    return np.arange(count) / count


# A hand-drawn image: two objects, one crowd, one padding row.
GT_IDS = [2, -1, 5, 0]
GT_BOXES = [
    [0.0, 0.0, 0.4, 0.4],
    [0.0, 0.6, 0.4, 1.0],  # crowd
    [0.5, 0.5, 0.9, 1.0],
    [0.0, 0.0, 0.0, 0.0],  # padding
]
PROPOSALS = [
    [0.0, 0.0, 0.4, 0.2],  # half of object 2, IoU exactly 0.5: positive
    [0.0, 0.0, 0.4, 0.1],  # a quarter of it: negative
    [0.1, 0.7, 0.3, 0.9],  # inside the crowd: neither
    [0.6, 0.0, 0.9, 0.3],  # nothing there: negative
    [0.0, 0.0, 0.0, 0.0],  # padding
    [0.3, 0.3, 0.3, 0.5],  # no height: neither
]


def test_hand_drawn_image():
    targets = both(PROPOSALS, GT_IDS, GT_BOXES, full_masks(4), priority=in_order(10))
    np.testing.assert_array_equal(
        targets.class_ids,
        [2, 2, 5, 0, 0, -1, -1, -1, -1],  # half, gt, gt; two negatives; padding
    )
    np.testing.assert_allclose(
        targets.rois[:5],
        [PROPOSALS[0], GT_BOXES[0], GT_BOXES[2], PROPOSALS[1], PROPOSALS[3]],
    )
    np.testing.assert_array_equal(targets.rois[5:], 0)
    # Half of the width of the object, a quarter of it to its left.
    np.testing.assert_allclose(
        targets.deltas[0], [0, 0.5 / 0.1, 0, np.log(2) / 0.2], atol=1e-5
    )
    np.testing.assert_allclose(targets.deltas[1:], 0, atol=1e-5)
    np.testing.assert_array_equal(targets.masks[:3], 1)
    np.testing.assert_array_equal(targets.masks[3:], 0)


def test_deltas_decode_to_the_gt_box():
    targets = both(PROPOSALS, GT_IDS, GT_BOXES, full_masks(4), priority=in_order(10))
    decoded = apply_box_deltas(targets.rois[:1], targets.deltas[:1] * STD_DEV)
    np.testing.assert_allclose(decoded, GT_BOXES[:1], atol=1e-6)


def test_ground_truth_joins_the_proposals():
    targets = both(
        [[0.6, 0.0, 0.9, 0.3]], [4], [[0.1, 0.1, 0.5, 0.5]], full_masks(1),
        priority=[0.1, 0.2],
    )  # fmt: skip
    np.testing.assert_array_equal(targets.class_ids[:3], [4, 0, -1])
    np.testing.assert_allclose(targets.rois[0], [0.1, 0.1, 0.5, 0.5])


def test_image_without_positives_trains_its_negatives():
    rng = np.random.default_rng(0)
    corners = rng.uniform(0, 0.5, (20, 2))
    proposals = np.concatenate([corners, corners + 0.2], axis=1)
    targets = both(
        proposals, [0, 0], np.zeros((2, 4)), full_masks(2), priority=rng.random(22)
    )
    np.testing.assert_array_equal(targets.class_ids, np.zeros(9))
    np.testing.assert_array_equal(targets.masks, 0)


def test_image_without_objects_and_proposals_is_all_padding():
    targets = both(
        np.zeros((3, 4)), [0], np.zeros((1, 4)), full_masks(1), priority=in_order(4)
    )
    np.testing.assert_array_equal(targets.class_ids, [-1] * 9)
    np.testing.assert_array_equal(targets.rois, 0)


def test_only_crowds_are_no_objects_and_no_background():
    targets = both(
        [[0.1, 0.1, 0.3, 0.3], [0.6, 0.6, 0.9, 0.9]], [-3], [[0.0, 0.0, 0.5, 0.5]],
        full_masks(1), priority=in_order(3),
    )  # fmt: skip
    np.testing.assert_array_equal(targets.class_ids[:2], [0, -1])
    np.testing.assert_allclose(targets.rois[0], [0.6, 0.6, 0.9, 0.9])


def test_an_object_inside_a_crowd_is_still_positive():
    boxes = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.0, 1.0, 1.0]]
    targets = both(boxes[:1], [7, -1], boxes, full_masks(2), priority=in_order(3))
    np.testing.assert_array_equal(targets.class_ids, [7, 7] + [-1] * 7)


def test_smallest_priorities_are_chosen_and_the_positives_limited():
    proposals = [[0.0, 0.0, 0.4, 0.4]] * 5 + [
        [0.5, 0.0, 0.9, 0.3 + i / 20] for i in range(10)
    ]  # noqa: E501
    priority = np.array([5, 4, 3, 2, 1, 19, 18, 17, 16, 15, 14, 13, 12, 11, 10, 6]) / 20
    targets = both(
        proposals, [1], [[0.0, 0.0, 0.4, 0.39]], full_masks(1), priority=priority
    )
    np.testing.assert_array_equal(targets.class_ids, [1] * 3 + [0] * 6)
    np.testing.assert_allclose(
        targets.rois[3:], np.array(proposals)[[14, 13, 12, 11, 10, 9]]
    )  # noqa: E501


def test_full_gt_and_more_positives_than_allowed():
    count = 10
    boxes = np.array([[0.0, i / 10, 1.0, (i + 0.9) / 10] for i in range(count)])
    targets = both(
        np.zeros((4, 4)), np.arange(1, count + 1), boxes, full_masks(count),
        priority=in_order(14)[::-1],
    )  # fmt: skip
    np.testing.assert_array_equal(targets.class_ids, [10, 9, 8] + [-1] * 6)


def test_each_roi_gets_the_object_it_overlaps_most():
    boxes = [[0.0, 0.0, 0.5, 0.5], [0.0, 0.1, 0.5, 0.6]]
    targets = both(
        [[0.0, 0.08, 0.5, 0.58]], [3, 4], boxes, full_masks(2), priority=in_order(3)
    )
    np.testing.assert_array_equal(targets.class_ids[:3], [4, 3, 4])


@pytest.mark.parametrize(
    ("num_rois", "ratio", "expected"),
    [(200, 0.33, 66), (512, 0.25, 128), (2, 0.33, 1), (3, 1.0, 3)],
)
def test_number_of_positives(num_rois, ratio, expected):
    assert max_positives(num_rois, ratio) == expected


def test_mini_mask_is_cut_where_the_roi_lies_in_the_box():
    mask = np.zeros((9, 9, 1), bool)
    mask[:5] = True  # the upper half of the object
    box = [[0.2, 0.2, 0.6, 0.6]]
    lower = [0.4, 0.2, 0.6, 0.6]
    upper = [0.2, 0.2, 0.4, 0.6]
    larger = [0.2, 0.2, 0.6, 0.76]
    targets = both(
        [upper, lower, larger], [1], box, mask, priority=in_order(4), mask_shape=(5, 8),
        positive_ratio=0.5, positive_iou=0.4,
    )  # fmt: skip
    np.testing.assert_array_equal(targets.masks[0], 1)
    # Its upper border is the middle pixel of the mini mask.
    np.testing.assert_array_equal(targets.masks[1][0], 1)
    np.testing.assert_array_equal(targets.masks[1][1:], 0)
    # Outside the box there is no object: 8 samples over 1.4 widths, the sixth is in.
    np.testing.assert_array_equal(
        targets.masks[2], np.outer([1, 1, 1, 0, 0], [1, 1, 1, 1, 1, 1, 0, 0])
    )


def test_full_masks_are_cut_in_the_image():
    mask = np.zeros((11, 21, 1), bool)  # not square
    mask[2:5, 10:16] = True
    targets = both(
        [], [1], [[0.2, 0.5, 0.4, 0.75]], mask, priority=[0.5], use_mini_mask=False,
        mask_shape=(3, 6),
    )  # fmt: skip
    np.testing.assert_array_equal(targets.masks[0], 1)
    targets = both(
        [[0.2, 0.4, 0.4, 0.75]], [1], [[0.2, 0.5, 0.4, 0.75]], mask,
        priority=[0.1, 0.5], use_mini_mask=False, mask_shape=(3, 8),
    )  # fmt: skip
    np.testing.assert_array_equal(targets.masks[0], [[0, 0, 1, 1, 1, 1, 1, 1]] * 3)


def test_numpy_function_takes_no_gt_at_all():
    targets = roi_targets(
        np.array([[0.1, 0.1, 0.5, 0.5]], np.float32),
        np.zeros(0, np.int32),
        np.zeros((0, 4), np.float32),
        np.zeros((8, 8, 0), bool),
        rng=np.random.default_rng(0),
        **OPTIONS,
    )
    np.testing.assert_array_equal(targets.class_ids, [0] + [-1] * 8)


def test_rng_makes_the_sample_repeatable():
    corners = np.random.default_rng(5).uniform(0, 0.5, (50, 2))
    proposals = np.concatenate([corners, corners + 0.1], axis=1)
    rest = ([1], np.array([[0.8, 0.8, 1.0, 1.0]]), full_masks(1))
    first, again, other = (
        roi_targets(
            proposals,
            np.array(rest[0]),
            *rest[1:],
            rng=np.random.default_rng(seed),
            **OPTIONS,
        )
        for seed in (3, 3, 4)
    )
    np.testing.assert_array_equal(first.rois, again.rois)
    assert np.any(first.rois != other.rois)


def test_a_source_of_randomness_is_required():
    arrays = (
        np.zeros((1, 4), np.float32),
        np.zeros(1, np.int32),
        np.zeros((1, 4), np.float32),
        full_masks(1),
    )
    with pytest.raises(ValueError, match="rng=None"):
        roi_targets(*arrays, **OPTIONS)
    with pytest.raises(ValueError, match="seed=None"):
        roi_targets_tensor(*(array[None] for array in arrays), **OPTIONS)


def random_batch(rng, batch, num_proposals, num_gt, mask_shape=(7, 9)):
    def boxes(count):
        ends = np.sort(rng.integers(0, 17, (batch, count, 2, 2)), axis=-1) / 16
        return np.concatenate([ends[..., 0], ends[..., 1]], -1).astype(np.float32)

    gt_class_ids = rng.integers(-1, 4, (batch, num_gt)).astype(np.int32)
    gt_boxes = boxes(num_gt) * (gt_class_ids != 0)[..., None]
    # Proposals near the gt boxes too, so that some are positive.
    proposals = boxes(num_proposals)
    near = rng.integers(0, num_gt, (batch, num_proposals))
    jitter = rng.integers(-1, 2, proposals.shape) / 32
    nearby = np.take_along_axis(gt_boxes, near[..., None], axis=1) + jitter
    is_near = rng.random((batch, num_proposals, 1)) < 0.5
    proposals = np.clip(np.where(is_near, nearby, proposals), 0, 1).astype(np.float32)
    gt_masks = rng.random((batch, *mask_shape, num_gt)) < 0.6
    return proposals, gt_class_ids, gt_boxes, gt_masks


@settings(max_examples=40, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    batch=st.sampled_from([1, 3]),
    num_proposals=st.integers(0, 20),
    num_gt=st.integers(1, 6),
    num_rois=st.integers(1, 12),
    positive_ratio=st.sampled_from([0.25, 0.33, 0.5, 1.0]),
    use_mini_mask=st.booleans(),
)
def test_twins_are_equal(
    seed, batch, num_proposals, num_gt, num_rois, positive_ratio, use_mini_mask
):
    rng = np.random.default_rng(seed)
    arrays = random_batch(rng, batch, num_proposals, num_gt)
    priority = rng.random((batch, num_proposals + num_gt), dtype=np.float32)
    options = OPTIONS | {
        "num_rois": num_rois,
        "positive_ratio": positive_ratio,
        "use_mini_mask": use_mini_mask,
    }
    tensors = roi_targets_tensor(*arrays, priority=priority, **options)
    for b in range(batch):
        plain = roi_targets(*(x[b] for x in arrays), priority=priority[b], **options)
        np.testing.assert_array_equal(plain.rois, tensors.rois[b])
        np.testing.assert_array_equal(plain.class_ids, tensors.class_ids[b])
        np.testing.assert_allclose(plain.deltas, tensors.deltas[b], atol=1e-4)
        np.testing.assert_array_equal(plain.masks, tensors.masks[b])


@settings(max_examples=30, deadline=None)
@given(seed=st.integers(0, 2**32 - 1), num_rois=st.integers(1, 12))
def test_laws_of_the_sample(seed, num_rois):
    rng = np.random.default_rng(seed)
    image = [x[0] for x in random_batch(rng, 1, 15, 4)]
    targets = roi_targets(*image, rng=rng, **OPTIONS | {"num_rois": num_rois})
    ids = targets.class_ids
    positives, negatives = (ids > 0).sum(), (ids == 0).sum()
    assert positives <= max_positives(num_rois, OPTIONS["positive_ratio"])
    assert np.all(ids[:positives] > 0)  # positives, then negatives, then padding
    assert np.all(ids[positives : positives + negatives] == 0)
    assert np.all(ids[positives + negatives :] == -1)
    assert np.all((targets.rois != 0).any(axis=1) == (ids >= 0))
    assert set(ids[ids > 0]) <= set(image[1])
    assert np.isfinite(targets.deltas).all()
    assert set(np.unique(targets.masks)) <= {0.0, 1.0}


def test_a_seed_gives_each_image_of_a_batch_its_own_sample():
    image = random_batch(np.random.default_rng(1), 1, 60, 3)
    batch = [np.repeat(x, 3, axis=0) for x in image]

    def rois(seed):
        return roi_targets_tensor(*batch, seed=seed, **OPTIONS).rois.numpy()

    first = rois([1, 2])
    np.testing.assert_array_equal(first, rois([1, 2]))
    assert np.any(first != rois([1, 3]))
    assert np.any(first[0] != first[1])
    assert np.any(first[1] != first[2])


def test_one_graph_serves_every_batch_size():
    spec = tf.TensorSpec
    function = tf.function(
        lambda *x: roi_targets_tensor(*x, seed=[0, 0], **OPTIONS),
        input_signature=[
            spec([None, None, 4]),
            spec([None, None], tf.int32),
            spec([None, None, 4]),
            spec([None, None, None, None], tf.bool),
        ],
    )
    for batch in (1, 3):
        arrays = random_batch(np.random.default_rng(batch), batch, 12, 3)
        eager = roi_targets_tensor(*arrays, seed=[0, 0], **OPTIONS)
        for ours, graph in zip(eager, function(*arrays), strict=True):
            np.testing.assert_allclose(ours, graph, atol=1e-5)
    assert function.experimental_get_tracing_count() == 1


def test_no_gradient_flows_to_proposals():
    arrays = random_batch(np.random.default_rng(0), 1, 12, 3)
    proposals = tf.Variable(arrays[0])
    with tf.GradientTape() as tape:
        targets = roi_targets_tensor(proposals, *arrays[1:], seed=[0, 0], **OPTIONS)
        total = tf.reduce_sum(targets.rois) + tf.reduce_sum(targets.deltas)
    assert tape.gradient(total, proposals) is None


@settings(max_examples=40, deadline=None)
@given(
    boxes=hnp.arrays(
        np.float32,
        (5, 4),
        # TensorFlow takes subnormal numbers for 0.
        elements=st.floats(-0.5, 1.5, width=32, allow_subnormal=False),
    ),
    shape=st.tuples(st.integers(1, 7), st.integers(1, 7)),
    seed=st.integers(0, 99),
)
def test_crop_masks_is_crop_and_resize(boxes, shape, seed):
    rng = np.random.default_rng(seed)
    masks = rng.random((6, 9, 3)) < 0.5
    mask_ix = rng.integers(0, 3, 5).astype(np.int32)
    expected = tf.image.crop_and_resize(
        masks.transpose(2, 0, 1)[..., None].astype(np.uint8), boxes, mask_ix, shape
    )[..., 0]
    ours = resample_masks(masks, boxes, mask_ix, shape)
    assert ours.dtype == np.float32
    np.testing.assert_allclose(ours, expected, atol=1e-5)


def test_mask_threshold_is_a_half_and_belongs_to_the_object():
    mask = np.zeros((2, 2, 1), bool)
    mask[:, 1] = True  # between the columns lies exactly 0.5
    targets = both(
        [], [1], [[0.25, 0.25, 0.75, 0.75]], mask, priority=[0.5], mask_shape=(2, 3)
    )
    assert MASK_THRESHOLD == 0.5
    np.testing.assert_array_equal(targets.masks[0], [[0, 1, 1]] * 2)
