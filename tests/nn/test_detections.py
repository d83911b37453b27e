import keras
import numpy as np
import pytest
import tensorflow as tf
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.boxes import apply_box_deltas
from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.geometry.nms import non_max_suppression
from mrcnn.nn import detections
from mrcnn.nn.detections import (
    CLASS_RULES,
    MAX_CANDIDATES,
    DetectionLayer,
    refine_detections,
)
from tests.nn.layer_check import check_layer, dtype_policy

STD_DEV = np.array([0.1, 0.1, 0.2, 0.2], np.float32)
WHOLE = np.array([[0, 0, 1, 1]], np.float32)
OPTIONS = {"min_confidence": 0.7, "nms_threshold": 0.3, "max_instances": 5}


def probs_of(rows, num_classes=4):
    """Probabilities [1, R, C] from (class, probability): the rest is spread."""
    probs = np.zeros((1, len(rows), num_classes), np.float32)
    for i, (class_id, prob) in enumerate(rows):
        probs[0, i] = (1 - prob) / (num_classes - 1)
        probs[0, i, class_id] = prob
    return probs


def detect(rois, probs, deltas=None, windows=WHOLE, **options):
    rois = np.array(rois, np.float32)[None]
    if deltas is None:
        deltas = np.zeros((*probs.shape, 4), np.float32)
    return refine_detections(rois, probs, deltas, windows, **OPTIONS | options)


# Rois, and the (class, probability) of each.
ROIS = [
    [0.1, 0.1, 0.5, 0.5],
    [0.1, 0.1, 0.5, 0.48],
    [0.1, 0.1, 0.5, 0.46],
    [0.6, 0.6, 0.9, 0.9],
    [0.6, 0.0, 0.9, 0.3],
    [0.0, 0.6, 0.3, 0.9],
    [0.0, 0.0, 0.0, 0.0],
]
VERDICTS = [
    (1, 0.80),  # suppressed by the next
    (1, 0.95),  # detected, second
    (2, 0.75),  # detected, fourth: another class
    (3, 0.99),  # detected, first
    (2, 0.69),  # too unsure
    (0, 0.99),  # background
    (1, 0.99),  # padding
]


def test_hand_drawn_image():
    steps = detect(ROIS, probs_of(VERDICTS))
    np.testing.assert_array_equal(steps.keep, [[3, 1, 2, -1, -1]])
    np.testing.assert_array_equal(steps.class_ids, [[1, 1, 2, 3, 2, 0, 1]])
    np.testing.assert_allclose(
        steps.detections[0],
        [
            [*ROIS[3], 3, 0.99],
            [*ROIS[1], 1, 0.95],
            [*ROIS[2], 2, 0.75],
            [0] * 6,
            [0] * 6,
        ],
        atol=1e-6,
    )
    assert steps.detections.dtype == tf.float32


@pytest.mark.parametrize("no_cut", [None, 0, 0.0])
def test_without_a_minimum_every_object_is_detected(no_cut):
    steps = detect(ROIS, probs_of(VERDICTS), min_confidence=no_cut)
    np.testing.assert_array_equal(steps.keep, [[3, 1, 2, 4, -1]])


def test_a_score_equal_to_the_minimum_is_detected():
    steps = detect(ROIS[:1], probs_of([(1, 0.5)]), min_confidence=0.5)
    np.testing.assert_array_equal(steps.keep[0, :2], [0, -1])


def test_the_best_of_all_classes_are_kept():
    steps = detect(ROIS, probs_of(VERDICTS), max_instances=2)
    np.testing.assert_array_equal(steps.keep, [[3, 1]])


def test_image_with_background_only_gives_zeros():
    steps = detect(ROIS, probs_of([(0, 0.9)] * len(ROIS)))
    np.testing.assert_array_equal(steps.detections, np.zeros((1, 5, 6)))


def test_no_rois_give_zeros():
    steps = refine_detections(
        np.zeros((2, 0, 4)), np.zeros((2, 0, 3)), np.zeros((2, 0, 3, 4)),
        np.repeat(WHOLE, 2, axis=0), **OPTIONS,
    )  # fmt: skip
    np.testing.assert_array_equal(steps.detections, np.zeros((2, 5, 6)))


def test_deltas_of_the_likeliest_class_are_applied_and_the_box_clipped():
    deltas = np.full((1, 1, 4, 4), 50, np.float32)
    deltas[0, 0, 2] = [-5, 0, 0, np.log(3) / 0.2]
    steps = detect(
        [[0.2, 0.4, 0.4, 0.6]], probs_of([(2, 0.9)]), deltas,
        windows=np.array([[0.15, 0.0, 0.9, 0.65]], np.float32),
    )  # fmt: skip
    # Up by 0.5 heights of 0.2; three times as wide: 0.2 to 0.8.
    np.testing.assert_allclose(steps.refined[0, 0], [0.15, 0.2, 0.3, 0.65], atol=1e-6)


def test_detections_of_a_diverged_network_are_finite():
    deltas = np.zeros((1, 7, 4, 4), np.float32)
    deltas[0, 3] = np.nan
    steps = detect(ROIS, probs_of(VERDICTS), deltas)
    np.testing.assert_array_equal(steps.keep, [[1, 2, -1, -1, -1]])
    assert np.isfinite(steps.detections).all()


def random_inputs(rng, batch=1, count=30, num_classes=4):
    corners = rng.random((batch, count, 2)) * 0.6
    sizes = 0.1 + 0.3 * rng.random((batch, count, 2))
    rois = np.concatenate([corners, corners + sizes], axis=-1)
    rois[:, -3:] = 0
    logits = 2 * rng.normal(size=(batch, count, num_classes))
    probs = np.exp(logits) / np.exp(logits).sum(axis=-1, keepdims=True)
    deltas = rng.normal(size=(batch, count, num_classes, 4))
    return [x.astype(np.float32) for x in (rois, probs, deltas)]


def old_rule(rois, probs, deltas, window, *, min_confidence, nms_threshold, count):
    """The detections of one image as the old package defines them, in plain NumPy."""
    class_ids = probs.argmax(axis=1)
    scores = probs.max(axis=1)
    rows = np.arange(len(rois))
    boxes = apply_box_deltas(rois, deltas[rows, class_ids] * STD_DEV)
    boxes = np.clip(boxes, np.tile(window[:2], 2), np.tile(window[2:], 2))
    candidates = (class_ids > 0) & (rois != 0).any(axis=1) & (scores >= min_confidence)
    keep = []
    for class_id in np.unique(class_ids[candidates]):
        ix = np.flatnonzero(candidates & (class_ids == class_id))
        keep += list(ix[non_max_suppression(boxes[ix], scores[ix], nms_threshold)])
    keep = sorted(keep, key=lambda i: -scores[i])[:count]
    detections = np.zeros((count, 6), np.float32)
    for row, i in enumerate(keep):
        detections[row] = [*boxes[i], class_ids[i], scores[i]]
    return detections


@pytest.mark.parametrize("batch", [1, 3])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 30),
    min_confidence=st.sampled_from([0.0, 0.4, 0.7]),
    threshold=st.sampled_from([0.1, 0.3, 0.5]),
)
def test_old_rule_in_plain_numpy_gives_the_same(
    batch, seed, count, min_confidence, threshold
):
    inputs = random_inputs(np.random.default_rng(seed), batch)
    windows = np.tile(np.array([[0.05, 0.1, 0.9, 0.8]], np.float32), (batch, 1))
    steps = refine_detections(
        *inputs, windows, min_confidence=min_confidence, nms_threshold=threshold,
        max_instances=count,
    )  # fmt: skip
    for b in range(batch):
        expected = old_rule(
            *(x[b] for x in inputs), windows[b], min_confidence=min_confidence,
            nms_threshold=threshold, count=count,
        )  # fmt: skip
        np.testing.assert_allclose(steps.detections[b], expected, atol=1e-5)


def test_every_class_over_the_score_is_detected():
    probs = np.array(
        [
            # background, class 1, class 2, class 3
            [
                0.60,
                0.35,
                0.04,
                0.01,
            ],  # the background is likeliest: class 1 all the same
            [0.50, 0.02, 0.30, 0.18],  # two classes over the score, from one roi
            [0.10, 0.25, 0.05, 0.60],  # class 3; class 1 is suppressed by the first row
            [0.90, 0.05, 0.03, 0.02],  # nothing over the score
            [0.00, 1.00, 0.00, 0.00],  # padding
        ],
        np.float32,
    )[None]
    rois = [ROIS[0], ROIS[3], ROIS[1], ROIS[4], ROIS[6]]
    deltas = np.zeros((1, 5, 4, 4), np.float32)
    deltas[0, 1, 3] = [-1, 0, 0, 0]  # a tenth of a height up, for class 3 alone
    options = {"min_confidence": 0.15, "max_instances": 6}
    steps = detect(rois, probs, deltas, class_rule="all", **options)
    np.testing.assert_allclose(
        steps.detections[0],
        [
            [*ROIS[1], 3, 0.60],
            [*ROIS[0], 1, 0.35],
            [*ROIS[3], 2, 0.30],
            [0.57, 0.6, 0.87, 0.9, 3, 0.18],
            [0] * 6,
            [0] * 6,
        ],
        atol=1e-6,
    )
    best = detect(rois, probs, deltas, **options)
    np.testing.assert_array_equal(best.keep[0, :2], [2, -1])  # class 3 of row 2 alone


def fast_rcnn_rule(
    rois, probs, deltas, window, *, min_confidence, nms_threshold, count
):
    """Fast R-CNN sec. 3.1 for one image: NMS over all rois, for each object class."""
    found = []
    real = (rois != 0).any(axis=1)
    for class_id in range(1, probs.shape[1]):
        ix = np.flatnonzero(real & (probs[:, class_id] >= min_confidence))
        boxes = apply_box_deltas(rois[ix], deltas[ix, class_id] * STD_DEV)
        boxes = np.clip(boxes, np.tile(window[:2], 2), np.tile(window[2:], 2))
        scores = probs[ix, class_id]
        keep = non_max_suppression(boxes, scores, nms_threshold)
        found += [[*boxes[i], class_id, scores[i]] for i in keep]
    detections = np.zeros((count, 6), np.float32)
    for row, detection in enumerate(sorted(found, key=lambda d: -d[5])[:count]):
        detections[row] = detection
    return detections


@pytest.mark.parametrize("batch", [1, 3])
@settings(max_examples=15, deadline=None)
@given(
    seed=st.integers(0, 2**32 - 1),
    count=st.integers(1, 60),
    min_confidence=st.sampled_from([0.0, 0.05, 0.4]),
    threshold=st.sampled_from([0.1, 0.5]),
)
def test_fast_rcnn_rule_in_plain_numpy_gives_the_same(
    batch, seed, count, min_confidence, threshold
):
    inputs = random_inputs(np.random.default_rng(seed), batch)
    windows = np.tile(np.array([[0.05, 0.1, 0.9, 0.8]], np.float32), (batch, 1))
    options = {"min_confidence": min_confidence, "nms_threshold": threshold}
    steps = refine_detections(
        *inputs, windows, max_instances=count, class_rule="all", **options
    )
    for b in range(batch):
        expected = fast_rcnn_rule(
            *(x[b] for x in inputs), windows[b], count=count, **options
        )
        np.testing.assert_allclose(steps.detections[b], expected, atol=1e-5)


def test_with_two_classes_of_even_odds_all_detects_what_best_does():
    inputs = random_inputs(np.random.default_rng(5), 3, num_classes=2)
    windows = np.repeat(WHOLE, 3, axis=0)
    # Above one half a class is the likeliest too.
    steps = [
        refine_detections(
            *inputs, windows, class_rule=rule, **OPTIONS | {"min_confidence": 0.51}
        )
        for rule in CLASS_RULES
    ]
    np.testing.assert_array_equal(steps[0].detections, steps[1].detections)


def test_no_more_than_the_best_candidates_enter_nms(monkeypatch):
    monkeypatch.setattr(detections, "MAX_CANDIDATES", 20)
    rois, probs, deltas = random_inputs(np.random.default_rng(2), 3)
    # Zero rois with the best of scores take nobody's place.
    probs[:, -3:] = [0, 1, 1, 1]
    options = OPTIONS | {"min_confidence": 0.0, "max_instances": 30}
    steps = refine_detections(
        rois, probs, deltas, np.repeat(WHOLE, 3, axis=0), class_rule="all", **options
    )
    assert steps.refined.shape == (3, 20, 4) and steps.keep.shape == (3, 30)
    for b in range(3):
        best = np.sort(probs[b, :-3, 1:].ravel())[::-1][:20]
        np.testing.assert_array_equal(steps.scores[b], best)
        rows = steps.keep[b][steps.keep[b] >= 0]
        np.testing.assert_array_equal(
            steps.detections[b, : len(rows), 5], tf.gather(steps.scores[b], rows)
        )


def test_fewer_pairs_than_candidates_are_all_taken():
    rois, probs, deltas = random_inputs(np.random.default_rng(2), 1)
    steps = detect(rois[0], probs, deltas, class_rule="all")
    assert MAX_CANDIDATES == 1000 and steps.scores.shape == (1, 30 * 3)


def test_no_rois_give_zeros_by_the_rule_of_all_classes():
    steps = refine_detections(
        np.zeros((2, 0, 4)), np.zeros((2, 0, 3)), np.zeros((2, 0, 3, 4)),
        np.repeat(WHOLE, 2, axis=0), class_rule="all", **OPTIONS,
    )  # fmt: skip
    np.testing.assert_array_equal(steps.detections, np.zeros((2, 5, 6)))


@pytest.mark.parametrize("rule", ["argmax", None])
def test_unknown_rule_is_refused(rule):
    said = rf"class_rule={rule!r}\): no such choice; pass one of best, all"
    with pytest.raises(ValueError, match=rf"DetectionLayer\({said}"):
        DetectionLayer(class_rule=rule)
    with pytest.raises(ValueError, match=rf"refine_detections\({said}"):
        detect(ROIS, probs_of(VERDICTS), class_rule=rule)


def metas(batch, num_classes=4):
    """Meta rows of 48 x 80 images in a 64 x 96 model image, each at another place."""
    rows = [
        compose_image_meta(
            b, (48, 80, 3), (64, 96, 3), (8 + b, 8, 56 + b, 88), 1.0, [1] * num_classes
        )
        for b in range(batch)
    ]
    return np.array(rows, np.float32)


def test_layer_takes_the_window_of_each_image_from_its_meta():
    layer = DetectionLayer(**OPTIONS)
    rois = np.tile(WHOLE[:, None], (3, 1, 1))
    probs = np.tile(probs_of([(1, 0.9)]), (3, 1, 1))
    detections = layer([rois, probs, np.zeros((3, 1, 4, 4), np.float32), metas(3)])
    for b in range(3):
        np.testing.assert_allclose(
            detections[b, 0, :4],
            [(8 + b) / 63, 8 / 95, (55 + b) / 63, 87 / 95],
            atol=1e-6,
        )


@pytest.mark.parametrize("rule", CLASS_RULES)
def test_layer_survives_serialization_and_a_symbolic_batch(rule):
    layer = DetectionLayer(
        min_confidence=0.2, nms_threshold=0.4, max_instances=6,
        bbox_std_dev=(0.2, 0.2, 0.4, 0.4), class_rule=rule, name="mrcnn_detection",
    )  # fmt: skip
    values = [*random_inputs(np.random.default_rng(3), 3), metas(3)]
    (found,) = check_layer(layer, values, dynamic_axes=2)
    assert found[..., 5].any()
    inputs = [keras.Input(s) for s in ((None, 4), (None, 4), (None, 4, 4), (16,))]
    model = keras.Model(inputs, layer(inputs))
    copy = keras.models.model_from_json(model.to_json())
    assert model.output_shape == copy.output_shape == (None, 6, 6)
    assert copy.get_layer("mrcnn_detection").get_config() == layer.get_config()
    assert copy.get_layer("mrcnn_detection").class_rule == rule
    for batch in (1, 3):
        values = [*random_inputs(np.random.default_rng(3), batch), metas(batch)]
        values = [tf.constant(x) for x in values]
        eager = layer(values)
        assert layer.compute_output_shape([x.shape for x in values]) == eager.shape
        np.testing.assert_allclose(copy(values), eager, atol=1e-6)
        np.testing.assert_allclose(model.predict_on_batch(values), eager, atol=1e-6)
    assert layer.supports_jit is False


def test_layer_computes_in_float32_under_every_policy():
    values = [*random_inputs(np.random.default_rng(3), 3), metas(3)]
    values = [tf.constant(x) for x in values]
    expected = DetectionLayer(**OPTIONS)(values)
    with dtype_policy("mixed_bfloat16"):
        detections = DetectionLayer(**OPTIONS)(values)
    assert detections.dtype == tf.float32
    np.testing.assert_array_equal(detections, expected)


def test_layer_without_a_minimum_survives_serialization():
    layer = DetectionLayer(min_confidence=None)
    assert DetectionLayer.from_config(layer.get_config()).min_confidence is None
