"""The layers with a Config compute what the layers with numbers compute."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.model import (
    BatchNorm,
    DetectionLayer,
    DetectionTargetLayer,
    ProposalLayer,
    compose_image_meta,
    detection_targets_graph,
    refine_detections_graph,
)
from mrcnn.nn import detections, proposals, target_layer
from mrcnn.utils import apply_box_deltas, compute_overlaps, norm_boxes
from tests.nn.layer_check import check_layer


class LayerConfig(Config):
    """Every number differs from its default."""

    NAME = "layers"
    NUM_CLASSES = 3
    PRE_NMS_LIMIT = 25
    RPN_BBOX_STD_DEV = np.array([0.2, 0.2, 0.3, 0.3])
    BBOX_STD_DEV = np.array([0.05, 0.05, 0.1, 0.1])
    DETECTION_MAX_INSTANCES = 5
    DETECTION_MIN_CONFIDENCE = 0.4
    DETECTION_NMS_THRESHOLD = 0.6
    DETECTION_CLASS_RULE = "all"
    TRAIN_ROIS_PER_IMAGE = 12
    ROI_POSITIVE_RATIO = 0.5
    ROI_POSITIVE_IOU = 0.6
    MASK_POOL_SIZE = 7
    MASK_SHAPE = [14, 14]
    USE_MINI_MASK = False


SHAPE = (64, 96, 3)  # not square
BATCH = 2


def boxes(rng, *leading):
    corners = rng.random((*leading, 2, 2))
    return np.concatenate([corners.min(axis=-2), corners.max(axis=-2)], axis=-1).astype(
        np.float32
    )


@pytest.fixture
def rng():
    return np.random.default_rng(0)


def probabilities(rng, *shape):
    values = rng.random(shape) ** 4
    return (values / values.sum(axis=-1, keepdims=True)).astype(np.float32)


def proposal_inputs(rng):
    return [
        probabilities(rng, BATCH, 40, 2),
        rng.normal(size=(BATCH, 40, 4)).astype(np.float32),
        boxes(rng, BATCH, 40),
    ]


def detection_inputs(rng):
    meta = [
        compose_image_meta(i, SHAPE, SHAPE, (0, 0, 64, 96), 1.0, [1, 1, 1])
        for i in range(BATCH)
    ]
    return [
        boxes(rng, BATCH, 30),
        probabilities(rng, BATCH, 30, 3),
        rng.normal(size=(BATCH, 30, 3, 4)).astype(np.float32),
        np.stack(meta),
    ]


def target_inputs(rng):
    gt_px = np.array([[[4, 6, 40, 50], [20, 50, 60, 90], [0, 0, 0, 0]]] * BATCH)
    masks = np.zeros((BATCH, *SHAPE[:2], 3), bool)
    masks[:, 4:40, 6:50, 0] = masks[:, 20:60, 50:90, 1] = True
    gt = norm_boxes(gt_px, SHAPE[:2]) * np.array([1, 1, 0])[:, None]
    near = gt[:, rng.integers(0, 2, 20)] + rng.normal(0, 0.05, (BATCH, 20, 4))
    anywhere = boxes(rng, BATCH, 20)
    return [
        np.concatenate([near, anywhere], axis=1).astype(np.float32),
        np.array([[2, 1, 0]] * BATCH, np.int32),
        gt.astype(np.float32),
        masks,
    ]


LAYERS = {
    "proposal": (
        ProposalLayer(7, 0.5, config=LayerConfig(), name="ROI"),
        proposals.ProposalLayer(
            7, 0.5, pre_nms_limit=25, bbox_std_dev=(0.2, 0.2, 0.3, 0.3)
        ),
        proposal_inputs,
    ),
    "detection": (
        DetectionLayer(LayerConfig(), name="mrcnn_detection"),
        detections.DetectionLayer(
            min_confidence=0.4,
            nms_threshold=0.6,
            max_instances=5,
            bbox_std_dev=(0.05, 0.05, 0.1, 0.1),
            class_rule="all",
        ),
        detection_inputs,
    ),
    "targets": (
        DetectionTargetLayer(LayerConfig(), name="proposal_targets"),
        target_layer.DetectionTargetLayer(
            num_rois=12,
            positive_ratio=0.5,
            positive_iou=0.6,
            mask_shape=(14, 14),
            use_mini_mask=False,
            bbox_std_dev=(0.05, 0.05, 0.1, 0.1),
        ),
        target_inputs,
    ),
}


@pytest.fixture(params=LAYERS)
def layers(request):
    return LAYERS[request.param]


def test_config_gives_the_numbers(layers, rng):
    classic, plain, make_inputs = layers
    inputs = make_inputs(rng)
    for ours, expected in zip(
        tf.nest.flatten(classic(inputs)), tf.nest.flatten(plain(inputs)), strict=True
    ):
        # -1, the class of padding, is 0 for old scripts.
        expected = tf.maximum(expected, 0) if expected.dtype == tf.int32 else expected
        np.testing.assert_array_equal(ours, expected)


def test_layer_is_a_sound_layer(layers, rng, monkeypatch):
    classic, _, make_inputs = layers
    # The config itself is not stored: its numbers are.
    monkeypatch.setattr("tests.nn.layer_check._check_config", lambda layer: None)
    check_layer(classic, make_inputs(rng))
    assert "config" not in classic.get_config()


def test_layer_is_one_of_the_room(layers):
    classic, plain, _ = layers
    assert isinstance(classic, type(plain))


@pytest.mark.parametrize(
    ("made", "plain"),
    [
        (lambda: ProposalLayer(7, 0.5), lambda: proposals.ProposalLayer(7, 0.5)),
        (DetectionLayer, detections.DetectionLayer),
        (DetectionTargetLayer, target_layer.DetectionTargetLayer),
    ],
)
def test_without_config_the_defaults_of_config_hold(made, plain):
    ours, expected = made().get_config(), plain().get_config()
    for config in (ours, expected):
        del config["name"]
    assert ours == expected


def test_target_layer_marks_padding_with_class_zero(rng):
    proposals_, class_ids, gt, masks = target_inputs(rng)
    layer = DetectionTargetLayer(config=LayerConfig())
    rois, ids, deltas, _ = layer([proposals_[:, :2], class_ids, gt, masks])
    is_padding = ~np.any(rois, axis=-1)
    assert is_padding.any()
    assert not ids.numpy()[is_padding].any()
    assert not deltas.numpy()[is_padding].any()


@pytest.mark.parametrize("traced", [False, True])
def test_detection_targets_graph_is_one_image_of_the_layer(rng, traced):
    proposals_, class_ids, gt, masks = (x[0] for x in target_inputs(rng))
    config = LayerConfig()

    def function():
        return detection_targets_graph(proposals_, class_ids, gt, masks, config)

    rois, ids, deltas, target_masks = (tf.function(function) if traced else function)()
    assert rois.shape == (12, 4)
    assert ids.shape == (12,)
    assert target_masks.shape == (12, 14, 14)
    ids = ids.numpy()
    assert (ids > 0).sum() == 6
    decoded = apply_box_deltas(rois, deltas.numpy() * config.BBOX_STD_DEV)
    for box, class_id in zip(decoded[:6], ids[:6], strict=True):
        assert compute_overlaps([box], gt[class_ids == class_id])[0, 0] > 0.999


def test_detection_targets_graph_draws_anew_each_time(rng):
    arrays = [x[0] for x in target_inputs(rng)]

    def draw():
        return detection_targets_graph(*arrays, LayerConfig())[0].numpy()

    keras.utils.set_random_seed(1)
    first, second = draw(), draw()
    assert (first != second).any()
    keras.utils.set_random_seed(1)
    np.testing.assert_array_equal(draw(), first)


def test_refine_detections_graph_is_one_image_of_the_layer(rng):
    rois, probs, deltas, meta = detection_inputs(rng)
    config = LayerConfig()
    expected = DetectionLayer(config)([rois, probs, deltas, meta])
    for i in range(BATCH):
        window = np.array([0, 0, 1, 1], np.float32)
        rows = refine_detections_graph(rois[i], probs[i], deltas[i], window, config)
        assert rows.shape == (5, 6)
        np.testing.assert_array_equal(rows, expected[i])


@pytest.mark.parametrize("train_bn", [False, True, None])
def test_batch_norm_obeys_the_training_argument_of_a_graph(train_bn):
    """Custom backbones write BatchNorm(name=...)(x, training=train_bn)."""
    inputs = keras.Input([4])
    layer = BatchNorm(name="bn")
    model = keras.Model(inputs, layer(inputs, training=train_bn))
    assert layer.train_bn is train_bn
    x = np.random.default_rng(0).normal(3, 1, (8, 4)).astype(np.float32)
    model(x, training=True)
    is_moved = bool(np.any(layer.moving_mean))
    assert is_moved == (train_bn is not False)


def test_batch_norm_keeps_train_bn_and_later_calls_change_nothing():
    layer = BatchNorm(train_bn=False)
    inputs = keras.Input([4])
    layer(inputs, training=True)
    assert layer.train_bn is False
    free = BatchNorm()
    free(inputs)
    free(inputs, training=False)
    assert free.train_bn is None
