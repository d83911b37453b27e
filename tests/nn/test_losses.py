import os
import subprocess
import sys
import textwrap
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.nn import losses
from mrcnn.nn.losses import (
    MrcnnBboxLoss,
    MrcnnClassLoss,
    MrcnnMaskLoss,
    RpnBboxLoss,
    RpnClassLoss,
    mrcnn_bbox_loss,
    mrcnn_class_loss,
    mrcnn_mask_loss,
    rpn_bbox_loss,
    rpn_class_loss,
    smooth_l1_loss,
)
from tests.nn.layer_check import check_layer


def ids(*rows):
    return np.array(rows, np.int32)


def floats(*rows):
    return np.array(rows, np.float32)


# --- smooth L1 ---------------------------------------------------------------------


def test_smooth_l1_by_hand():
    loss = smooth_l1_loss(floats(0, 0, 0, 0, 1), floats(0, 0.5, -1, 3, -1))
    np.testing.assert_allclose(loss, [0, 0.125, 0.5, 2.5, 1.5])


def test_smooth_l1_is_continuous_with_its_gradient():
    x = tf.constant([0.999, 1.0, 1.001])
    with tf.GradientTape() as tape:
        tape.watch(x)
        loss = smooth_l1_loss(tf.zeros(3), x)
    np.testing.assert_allclose(tape.gradient(loss, x), [0.999, 1, 1], atol=1e-6)


# --- RPN ---------------------------------------------------------------------------


def test_rpn_class_loss_by_hand():
    match = ids([1, -1, 0, -1])
    logits = floats([[0, np.log(3)], [np.log(9), 0], [-50, 50], [0, 0]])
    expected = -(np.log(3 / 4) + np.log(9 / 10) + np.log(1 / 2)) / 3
    assert rpn_class_loss(match, logits).numpy() == pytest.approx(expected, abs=1e-6)
    assert rpn_class_loss(match[..., None], logits).numpy() == pytest.approx(
        expected, abs=1e-6
    )


def test_rpn_class_loss_averages_over_the_samples_of_the_whole_batch():
    match = ids([1, 1, 1], [-1, 0, 0], [0, 0, 0])
    logits = np.zeros((3, 3, 2), np.float32)
    logits[1] = [np.log(3), 0]
    expected = (3 * np.log(2) + np.log(4 / 3)) / 4
    np.testing.assert_allclose(rpn_class_loss(match, logits), expected, rtol=1e-6)


def test_rpn_bbox_loss_by_hand():
    # Positive anchors 1 and 3 of the first image, 0 of the second, none of the third.
    match = ids([0, 1, -1, 1], [1, -1, -1, 0], [-1, -1, -1, -1])
    targets = np.full((3, 3, 4), 99, np.float32)  # padding rows must not count
    targets[0, :2] = [[1, 0, 0, 0], [0, 0, 0, 3]]
    targets[1, 0] = [0, 0.5, 0, 0]
    deltas = np.zeros((3, 4, 4), np.float32)
    deltas[0, 0] = deltas[0, 2] = deltas[2] = 7  # not positive: do not count
    expected = (0.5 + 2.5 + 0.125) / (3 * 4)
    assert rpn_bbox_loss(targets, match, deltas).numpy() == pytest.approx(expected)
    assert rpn_bbox_loss(targets, match[..., None], deltas).numpy() == pytest.approx(
        expected
    )


def test_rpn_bbox_loss_leaves_out_positives_without_a_row():
    targets = floats([[1, 0, 0, 0]])
    deltas = np.zeros((1, 3, 4), np.float32)
    loss = rpn_bbox_loss(targets, ids([1, 1, 1]), deltas)
    assert loss.numpy() == pytest.approx(0.5 / 4)


# --- heads -------------------------------------------------------------------------


def test_class_loss_by_hand():
    logits = floats(
        [[0, 0, 0], [np.log(2), 0, 0], [5, 5, 9]],  # the third row is padding
    )
    loss = mrcnn_class_loss(ids([1, 0, -1]), logits, ids([1, 1, 1]))
    assert loss.numpy() == pytest.approx((np.log(3) + np.log(2)) / 2, abs=1e-6)


def test_class_loss_knows_the_active_classes_of_each_image():
    logits = np.zeros((2, 2, 3), np.float32)
    logits[:, 0, 2] = np.log(2)  # taken for class 2
    logits[:, 1, 1] = np.log(6)  # taken for class 1
    targets = ids([0, 1], [0, 1])
    both = mrcnn_class_loss(targets, logits, ids([1, 1, 1], [1, 1, 1]))
    first = mrcnn_class_loss(targets, logits, ids([1, 1, 1], [1, 1, 0]))
    none = mrcnn_class_loss(targets, logits, ids([1, 0, 0], [1, 0, 0]))
    wrong, right = np.log(4), -np.log(6 / 8)
    assert both.numpy() == pytest.approx((wrong + right) / 2, abs=1e-6)
    assert first.numpy() == pytest.approx((wrong + 2 * right) / 3, abs=1e-6)
    assert none.numpy() == 0


def test_bbox_loss_by_hand():
    target_ids = ids([2, 0, -1], [1, 2, 0])
    targets = np.zeros((2, 3, 4), np.float32)
    targets[0, 0] = [2, 0, 0, 0]
    targets[0, 1:] = 9  # background and padding do not count
    deltas = np.full((2, 3, 3, 4), 50, np.float32)  # other classes do not count
    deltas[0, 0, 2] = 0
    deltas[1, 0, 1] = [0, 0, 0.5, 0]
    deltas[1, 1, 2] = 0
    loss = mrcnn_bbox_loss(targets, target_ids, deltas)
    assert loss.numpy() == pytest.approx((1.5 + 0.125) / (3 * 4))


def test_mask_loss_by_hand():
    target_ids = ids([1, 2, 0])
    targets = np.zeros((1, 3, 1, 2), np.float32)
    targets[0, 0] = [[1, 0]]
    targets[0, 2] = 1
    masks = np.full((1, 3, 1, 2, 3), 0.999, np.float32)
    masks[0, 0, :, :, 1] = [[0.8, 0.4]]
    masks[0, 1, :, :, 2] = [[0.5, 0.5]]
    expected = -(np.log(0.8) + np.log(0.6) + 2 * np.log(0.5)) / 4
    loss = mrcnn_mask_loss(targets, target_ids, masks)
    assert loss.numpy() == pytest.approx(expected, abs=1e-6)


def test_mask_loss_is_finite_for_certain_and_wrong_masks():
    targets = np.array([0.0, 1.0, 0.0, 1.0], np.float32).reshape(1, 1, 2, 2)
    masks = np.array([1.0, 0.0, 0.0, 1.0], np.float32).reshape(1, 1, 2, 2, 1)
    loss = mrcnn_mask_loss(targets, ids([1]), np.repeat(masks, 2, axis=-1))
    assert loss.numpy() == pytest.approx(-np.log(1e-7) / 2, rel=0.02)


# --- all five ----------------------------------------------------------------------

B, A, N, T, C, H, W = 3, 12, 4, 5, 4, 3, 2


def random_case(rng, name, batch=B, positive=True):
    """Arguments of a loss; the last or second array is what the network says."""
    low, high = (-1, 2) if positive else (-1, 1)
    # Without positives an anchor is negative or neutral, a roi background or padding.
    match = rng.integers(low, high, (batch, A, 1)).astype(np.int32)
    class_ids = rng.integers(-1, C if positive else 1, (batch, T)).astype(np.int32)

    def normal(*shape):
        return rng.normal(size=(batch, *shape)).astype(np.float32)

    return {
        "rpn_class_loss": lambda: [match, normal(A, 2)],
        "rpn_bbox_loss": lambda: [normal(N, 4), match, normal(A, 4)],
        "mrcnn_class_loss": lambda: [
            class_ids, normal(T, C), rng.integers(0, 2, (batch, C)).astype(np.int32),
        ],
        "mrcnn_bbox_loss": lambda: [normal(T, 4), class_ids, normal(T, C, 4)],
        "mrcnn_mask_loss": lambda: [
            (normal(T, H, W) > 0).astype(np.float32),
            class_ids,
            1 / (1 + np.exp(-normal(T, H, W, C))),
        ],
    }[name]()  # fmt: skip


LAYERS = {
    "rpn_class_loss": RpnClassLoss,
    "rpn_bbox_loss": RpnBboxLoss,
    "mrcnn_class_loss": MrcnnClassLoss,
    "mrcnn_bbox_loss": MrcnnBboxLoss,
    "mrcnn_mask_loss": MrcnnMaskLoss,
}
PREDICTION = {name: -1 for name in LAYERS} | {"mrcnn_class_loss": 1}


def log_softmax(x):
    x = x - x.max(axis=-1, keepdims=True)
    return x - np.log(np.exp(x).sum(axis=-1, keepdims=True))


def plain(name, arguments):
    """The losses as sums over single rows, in plain NumPy, float64."""
    terms = []

    def smooth_l1(target, value):
        for d in np.abs(target.astype(float) - value):
            terms.append(0.5 * d * d if d < 1 else d - 0.5)

    for image in zip(*arguments, strict=True):
        if name == "rpn_class_loss":
            for match, logits in zip(*image, strict=True):
                if match != 0:
                    terms.append(-log_softmax(logits.astype(float))[int(match[0] == 1)])
        elif name == "rpn_bbox_loss":
            targets, match, deltas = image
            positives = deltas[match[:, 0] == 1]
            for target, value in zip(targets, positives, strict=False):
                smooth_l1(target, value)
        elif name == "mrcnn_class_loss":
            class_ids, logits, active = image
            for class_id, row in zip(class_ids, logits, strict=True):
                if class_id >= 0 and active[row.argmax()]:
                    terms.append(-log_softmax(row.astype(float))[class_id])
        elif name == "mrcnn_bbox_loss":
            for target, class_id, deltas in zip(*image, strict=True):
                if class_id > 0:
                    smooth_l1(target, deltas[class_id])
        else:
            for target, class_id, masks in zip(*image, strict=True):
                if class_id > 0:
                    p = masks[..., class_id].astype(float)
                    right = np.where(target > 0, p, 1 - p)
                    terms.extend(-np.log(right).ravel())
    return np.mean(terms) if terms else 0.0


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize("name", LAYERS)
def test_equals_the_sum_over_rows(name, batch):
    for seed in range(10):
        case = random_case(np.random.default_rng(seed), name, batch)
        loss = getattr(losses, name)(*case)
        assert loss.dtype == tf.float32
        assert loss.shape == ()
        np.testing.assert_allclose(loss, plain(name, case), rtol=1e-4, atol=1e-6)


def loss_and_gradient(name, case):
    prediction = PREDICTION[name] % len(case)
    case = [tf.constant(x) for x in case]
    with tf.GradientTape() as tape:
        tape.watch(case[prediction])
        loss = getattr(losses, name)(*case)
    return loss.numpy(), tape.gradient(loss, case[prediction]).numpy()


@pytest.mark.parametrize(
    "name", ["rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"]
)
def test_without_positives_loss_and_gradient_are_exactly_zero(name):
    case = random_case(np.random.default_rng(0), name, positive=False)
    loss, gradient = loss_and_gradient(name, case)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", ["rpn_class_loss", "mrcnn_class_loss"])
def test_class_losses_train_on_negatives_alone(name):
    case = random_case(np.random.default_rng(0), name, positive=False)
    if name == "mrcnn_class_loss":
        case[2][:] = 1
    loss, gradient = loss_and_gradient(name, case)
    assert loss > 0
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0


@pytest.mark.parametrize("name", LAYERS)
def test_when_nothing_counts_loss_and_gradient_are_exactly_zero(name):
    case = random_case(np.random.default_rng(0), name)
    for array in case:
        if array.dtype == np.int32 and array.shape[1] != C:
            array[:] = 0 if name.startswith("rpn") else -1
    loss, gradient = loss_and_gradient(name, case)
    assert loss == 0
    np.testing.assert_array_equal(gradient, 0)


@pytest.mark.parametrize("name", LAYERS)
def test_rows_that_do_not_count_get_no_gradient(name):
    case = random_case(np.random.default_rng(1), name)
    _, gradient = loss_and_gradient(name, case)
    labels = case[1 if name.endswith("bbox_loss") or "mask" in name else 0]
    counts = {
        "rpn_class_loss": labels.reshape(B, -1) != 0,
        "rpn_bbox_loss": labels.reshape(B, -1) == 1,
        "mrcnn_class_loss": labels.reshape(B, -1) >= 0,
    }.get(name, labels.reshape(B, -1) > 0)
    assert np.isfinite(gradient).all()
    assert np.abs(gradient).max() > 0
    np.testing.assert_array_equal(gradient[~counts], 0)


@pytest.mark.parametrize("name", LAYERS)
def test_layer_is_the_function_in_a_model_of_any_batch_size(name):
    layer = LAYERS[name](name=name)
    check_layer(layer, random_case(np.random.default_rng(0), name), dynamic_axes=2)
    cases = [random_case(np.random.default_rng(b), name, b) for b in (1, 3)]
    inputs = [keras.Input(x.shape[1:], dtype=x.dtype.name) for x in cases[0]]
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == layer.compute_output_shape(None) == ()
    copy = keras.models.model_from_json(model.to_json())
    assert copy.get_layer(name).get_config() == layer.get_config()
    for case in cases:
        expected = getattr(losses, name)(*case)
        tensors = [tf.constant(x) for x in case]
        graph = tf.function(lambda *x: copy(list(x)))(*tensors)
        np.testing.assert_allclose(layer(tensors), expected, rtol=1e-6)
        np.testing.assert_allclose(graph, expected, rtol=1e-5)


@pytest.mark.parametrize("name", LAYERS)
def test_half_precision_predictions_give_a_float32_loss(name):
    case = random_case(np.random.default_rng(2), name)
    half = list(case)
    half[PREDICTION[name]] = tf.cast(case[PREDICTION[name]], tf.bfloat16)
    loss = LAYERS[name]()(half)
    assert loss.dtype == tf.float32
    np.testing.assert_allclose(loss, plain(name, case), rtol=0.1, atol=0.05)


GRADIENT_STEP = """
    import numpy as np
    import tensorflow as tf
    import keras

    keras.utils.set_random_seed(0)
    tf.config.experimental.enable_op_determinism()
    from mrcnn.nn.losses import *
    from mrcnn.nn.proposals import ProposalLayer
    from mrcnn.nn.target_layer import DetectionTargetLayer

    rng = np.random.default_rng(0)
    B, A, G, T, C = 2, 300, 3, 12, 4
    def boxes(n):
        corner = rng.random((B, n, 2)) * 0.6
        size = 0.1 + 0.3 * rng.random((B, n, 2))
        return tf.constant(np.concatenate([corner, corner + size], -1), tf.float32)
    anchors, gt_boxes = boxes(A), boxes(G)
    gt_class_ids = tf.constant(rng.integers(1, C, (B, G)), tf.int32)
    gt_masks = tf.constant(rng.random((B, 14, 14, G)) < 0.5)
    match = tf.constant(rng.integers(-1, 2, (B, A, 1)), tf.int32)
    rpn_targets = tf.constant(rng.normal(size=(B, 256, 4)), tf.float32)
    features = tf.constant(rng.normal(size=(B, A, 8)), tf.float32)
    rpn, head = keras.layers.Dense(6), keras.layers.Dense(C * 5 + 12 * C)
    propose = ProposalLayer(50, 0.7)
    sample = DetectionTargetLayer(num_rois=T, mask_shape=(3, 4))

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            out = rpn(features)
            logits, deltas = out[..., :2], out[..., 2:]
            rois = propose([tf.nn.softmax(logits), deltas, anchors])
            rois, ids, bbox, masks = sample(
                [rois, gt_class_ids, gt_boxes, gt_masks], training=True)
            out = head(rois)
            parts = [
                RpnClassLoss()([match, logits]),
                RpnBboxLoss()([rpn_targets, match, deltas]),
                MrcnnClassLoss()([ids, out[..., :C], tf.ones([B, C], tf.int32)]),
                MrcnnBboxLoss()(
                    [bbox, ids, tf.reshape(out[..., C:5 * C], [B, T, C, 4])]),
                MrcnnMaskLoss()([masks, ids, tf.sigmoid(
                    tf.reshape(out[..., 5 * C:], [B, T, 3, 4, C]))]),
            ]
            loss = tf.add_n(parts)
        variables = rpn.trainable_variables + head.trainable_variables
        return parts, tape.gradient(loss, variables)

    parts, gradients = step()
    assert all(float(part) > 0 for part in parts), parts
    assert all(np.isfinite(g).all() and np.abs(g).max() > 0 for g in gradients)
    print(",".join(str(float(tf.reduce_sum(tf.abs(g)))) for g in gradients))
"""


def test_gradient_step_under_op_determinism():
    """It cannot be turned off again, so it runs in a process of its own."""
    environment = os.environ | {"CUDA_VISIBLE_DEVICES": "-1"}
    root = Path(__file__).resolve().parents[2]
    runs = [
        subprocess.run(
            [sys.executable, "-c", textwrap.dedent(GRADIENT_STEP)],
            env=environment, cwd=root, capture_output=True, text=True, timeout=120,
        )
        for _ in range(2)
    ]  # fmt: skip
    for run in runs:
        assert run.returncode == 0, run.stderr[-3000:]
    assert runs[0].stdout == runs[1].stdout
    assert runs[0].stdout.count(",") == 3
