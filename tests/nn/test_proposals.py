import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.boxes import apply_box_deltas
from mrcnn.geometry.nms import non_max_suppression
from mrcnn.nn.proposals import ProposalLayer, proposal_steps
from tests.nn.layer_check import check_layer, dtype_policy

STD_DEV = np.array([0.1, 0.1, 0.2, 0.2], np.float32)


def probs_of(scores):
    """RPN probabilities [B, A, 2] with these foreground scores [B, A]."""
    scores = np.asarray(scores, np.float32)
    return np.stack([1 - scores, scores], axis=-1)


def random_inputs(rng, batch=1, count=40):
    centers, sizes = rng.random((2, batch, count, 2))
    anchors = np.concatenate([centers - sizes / 4, centers + sizes / 4], axis=-1)
    deltas = rng.normal(size=(batch, count, 4))
    # Distinct scores: of equal ones, which comes first is not the point here.
    scores = rng.permuted(np.linspace(0.01, 0.99, batch * count)).reshape(batch, count)
    return probs_of(scores), deltas.astype(np.float32), anchors.astype(np.float32)


def old_rule(probs, deltas, anchors, *, count, threshold, limit):
    """The proposals of one image as the old package defines them, in plain NumPy."""
    order = np.argsort(-probs[:, 1])[:limit]
    boxes = apply_box_deltas(anchors[order], deltas[order] * STD_DEV)
    boxes = np.clip(boxes, 0, 1)
    keep = non_max_suppression(boxes, probs[order, 1], threshold)[:count]
    rois = np.zeros((count, 4), np.float32)
    rois[: len(keep)] = boxes[keep]
    return rois


# One image, five anchors, no deltas.
ANCHORS = np.array(
    [
        [
            [0.1, 0.1, 0.5, 0.5],  # suppressed by the second
            [0.1, 0.1, 0.5, 0.48],  # the best
            [0.6, 0.0, 0.9, 0.3],
            [-0.2, 0.5, 0.4, 1.3],  # sticks out
            [0.7, 0.7, 0.9, 0.9],  # worst: over the limit of four
        ]
    ],
    np.float32,
)
SCORES = [[0.8, 0.9, 0.7, 0.6, 0.1]]


def hand_drawn(**options):
    options = {"proposal_count": 4, "nms_threshold": 0.7, "pre_nms_limit": 4} | options
    return proposal_steps(
        probs_of(SCORES), np.zeros((1, 5, 4), np.float32), ANCHORS, **options
    )


def test_hand_drawn_image():
    steps = hand_drawn()
    np.testing.assert_allclose(
        steps.rois[0],
        [
            [0.1, 0.1, 0.5, 0.48],
            [0.6, 0.0, 0.9, 0.3],
            [0.0, 0.5, 0.4, 1.0],  # clipped
            [0.0, 0.0, 0.0, 0.0],  # padding
        ],
        atol=1e-6,
    )


def test_steps_are_named_and_fit_together():
    steps = hand_drawn()
    np.testing.assert_allclose(steps.pre_nms_scores, [[0.9, 0.8, 0.7, 0.6]])
    np.testing.assert_allclose(steps.pre_nms_anchors[0], ANCHORS[0, [1, 0, 2, 3]])
    np.testing.assert_allclose(
        steps.refined_anchors, steps.pre_nms_anchors, atol=1e-6
    )  # the deltas are 0
    np.testing.assert_allclose(
        steps.refined_anchors_clipped[0, 3], [0, 0.5, 0.4, 1], atol=1e-6
    )
    np.testing.assert_array_equal(steps.keep, [[0, 2, 3, -1]])


def test_deltas_are_multiplied_by_the_standard_deviation():
    deltas = np.array([[[2.0, 0.0, np.log(2) / 0.2, 0.0]]], np.float32)
    steps = proposal_steps(
        probs_of([[0.5]]), deltas, np.array([[[0.4, 0.4, 0.6, 0.6]]], np.float32),
        proposal_count=1, nms_threshold=0.7,
    )  # fmt: skip
    # The center moves by 2 * 0.1 of a height of 0.2; the height doubles.
    np.testing.assert_allclose(steps.rois[0, 0], [0.34, 0.4, 0.74, 0.6], atol=1e-6)


def test_fewer_anchors_than_limit_and_count():
    steps = hand_drawn(proposal_count=10, pre_nms_limit=6000)
    assert steps.rois.shape == (1, 10, 4)
    np.testing.assert_array_equal(steps.keep[0], [0, 2, 3, 4] + [-1] * 6)


def test_no_anchors_give_padding():
    steps = proposal_steps(
        np.zeros((2, 0, 2)), np.zeros((2, 0, 4)), np.zeros((2, 0, 4)),
        proposal_count=3, nms_threshold=0.7,
    )  # fmt: skip
    np.testing.assert_array_equal(steps.rois, np.zeros((2, 3, 4)))
    np.testing.assert_array_equal(steps.keep, np.full((2, 3), -1))


def test_count_limits_the_survivors_to_the_best():
    np.testing.assert_array_equal(hand_drawn(proposal_count=2).keep, [[0, 2]])


def test_boxes_of_a_diverged_network_are_finite():
    # crop_and_resize reads outside its memory at NaN boxes.
    deltas = np.zeros((1, 5, 4), np.float32)
    deltas[0, 0] = np.nan
    deltas[0, 1] = [1e38, -1e38, 1e38, 1e38]
    steps = proposal_steps(
        probs_of(SCORES), deltas, ANCHORS, proposal_count=5, nms_threshold=0.7
    )
    assert np.isfinite(steps.rois).all()


@pytest.mark.parametrize("batch", [1, 3])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 30),
    limit=st.integers(1, 60),
    threshold=st.sampled_from([0.1, 0.5, 0.7, 1.0]),
)
def test_old_rule_in_plain_numpy_gives_the_same(batch, seed, count, limit, threshold):
    inputs = random_inputs(np.random.default_rng(seed), batch)
    steps = proposal_steps(
        *inputs, proposal_count=count, nms_threshold=threshold, pre_nms_limit=limit
    )
    for b in range(batch):
        expected = old_rule(
            *(x[b] for x in inputs), count=count, threshold=threshold, limit=limit
        )
        np.testing.assert_allclose(steps.rois[b], expected, atol=1e-5)


def test_no_gradient_flows_to_the_rpn():
    probs, deltas, anchors = map(tf.Variable, random_inputs(np.random.default_rng(0)))
    with tf.GradientTape() as tape:
        rois = proposal_steps(
            probs, deltas, anchors, proposal_count=5, nms_threshold=0.7
        ).rois
    assert tape.gradient(rois, [probs, deltas, anchors]) == [None, None, None]


def test_layer_is_the_function_with_old_positional_arguments():
    inputs = random_inputs(np.random.default_rng(2), batch=3)
    layer = ProposalLayer(7, 0.6, pre_nms_limit=20)
    expected = proposal_steps(
        *inputs, proposal_count=7, nms_threshold=0.6, pre_nms_limit=20
    ).rois
    np.testing.assert_array_equal(layer(list(inputs)), expected)
    assert layer.compute_output_shape([x.shape for x in inputs]) == expected.shape


def test_layer_survives_serialization_and_a_symbolic_batch():
    layer = ProposalLayer(
        6, 0.5, pre_nms_limit=12, bbox_std_dev=(0.2, 0.2, 0.4, 0.4), name="ROI"
    )
    check_layer(layer, random_inputs(np.random.default_rng(3), 3), dynamic_axes=2)
    inputs = [keras.Input((None, n)) for n in (2, 4, 4)]
    model = keras.Model(inputs, layer(inputs))
    copy = keras.models.model_from_json(model.to_json())
    assert model.output_shape == copy.output_shape == (None, 6, 4)
    assert copy.get_layer("ROI").get_config() == layer.get_config()
    for batch in (1, 3):
        values = [
            tf.constant(x) for x in random_inputs(np.random.default_rng(3), batch)
        ]
        eager = layer(values)
        np.testing.assert_allclose(copy(values), eager, atol=1e-6)
        np.testing.assert_allclose(model.predict_on_batch(values), eager, atol=1e-6)


def test_layer_computes_in_float32_under_every_policy():
    values = [tf.constant(x) for x in random_inputs(np.random.default_rng(4))]
    expected = ProposalLayer(3, 0.5)(values)
    with dtype_policy("mixed_bfloat16"):
        layer = ProposalLayer(3, 0.5)
        rois = layer(values)
    assert rois.dtype == tf.float32
    np.testing.assert_array_equal(rois, expected)
    assert layer.supports_jit is False
