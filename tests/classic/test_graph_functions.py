"""A network put together by hand, as old scripts did, is the network of MaskRCNN."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

import mrcnn.model as modellib
from mrcnn.config import Config
from mrcnn.data.generator import DataGenerator
from mrcnn.engine.graph import build_model
from mrcnn.engine.layer_groups import weighted_layers
from mrcnn.model import (
    mrcnn_bbox_loss_graph,
    mrcnn_class_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_graph,
    rpn_class_loss_graph,
    smooth_l1_loss,
)
from mrcnn.nn.fpn import fpn
from mrcnn.utils import generate_pyramid_anchors, norm_boxes
from tests.engine.tiny import TinyConfig, TinyDataset, stub_backbone, stub_shapes

KL = keras.layers
LOG2 = np.log(2.0)


class HandConfig(TinyConfig):
    """What the old functions have no argument for keeps the old value."""

    BACKBONE = stub_backbone
    COMPUTE_BACKBONE_SHAPE = staticmethod(stub_shapes)
    NORM = "batch"
    TRAIN_BN = False
    RPN_CHANNELS = 512
    MASK_HEAD_CHANNELS = 256
    DETECTION_MIN_CONFIDENCE = 0.0
    # Enough RoIs of each kind: no row of padding, which old class losses counted.
    TRAIN_ROIS_PER_IMAGE = 6


def hand_trunk(config, proposal_count):
    """Inputs, pyramid, RPN and proposals; anchors are an input, as they were."""
    image = keras.Input([None, None, 3], name="input_image")
    meta = keras.Input([config.IMAGE_META_SIZE], name="input_image_meta")
    anchors = keras.Input([None, 4], name="input_anchors")
    maps = fpn(stub_backbone(image)[1:], channels=config.TOP_DOWN_PYRAMID_SIZE)
    rpn = modellib.build_rpn_model(
        config.RPN_ANCHOR_STRIDE,
        len(config.RPN_ANCHOR_RATIOS),
        config.TOP_DOWN_PYRAMID_SIZE,
    )
    outputs = [
        KL.Concatenate(axis=1, name=name)(list(levels))
        for name, levels in zip(
            ["rpn_class_logits", "rpn_class", "rpn_bbox"],
            zip(*[rpn(p) for p in maps], strict=True),
            strict=True,
        )
    ]
    rpn_rois = modellib.ProposalLayer(
        proposal_count=proposal_count,
        nms_threshold=config.RPN_NMS_THRESHOLD,
        name="ROI",
        config=config,
    )([outputs[1], outputs[2], anchors])
    return [image, meta, anchors], maps, outputs, rpn_rois


def hand_inference(config):
    inputs, maps, (_, rpn_class, rpn_bbox), rois = hand_trunk(
        config, config.POST_NMS_ROIS_INFERENCE
    )
    meta = inputs[1]
    _, probs, deltas = modellib.fpn_classifier_graph(
        rois,
        maps[:4],
        meta,
        config.POOL_SIZE,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
        fc_layers_size=config.FPN_CLASSIF_FC_LAYERS_SIZE,
    )
    detections = modellib.DetectionLayer(config, name="mrcnn_detection")(
        [rois, probs, deltas, meta]
    )
    boxes = KL.Lambda(lambda x: x[..., :4])(detections)
    masks = modellib.build_fpn_mask_graph(
        boxes,
        maps[:4],
        meta,
        config.MASK_POOL_SIZE,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
    )
    outputs = [detections, probs, deltas, masks, rois, rpn_class, rpn_bbox]
    return keras.Model(inputs, outputs, name="mask_rcnn")


def hand_training(config):
    """Losses in Lambda layers, on targets of a layer that takes a Config."""
    inputs, maps, (logits, _, rpn_bbox), rpn_rois = hand_trunk(
        config, config.POST_NMS_ROIS_TRAINING
    )
    match = keras.Input([None, 1], dtype="int32", name="input_rpn_match")
    target_rpn_bbox = keras.Input([None, 4], name="input_rpn_bbox")
    class_ids = keras.Input([None], dtype="int32", name="input_gt_class_ids")
    gt_boxes = keras.Input([None, 4], name="input_gt_boxes")
    gt_masks = keras.Input([14, 14, None], dtype="bool", name="input_gt_masks")

    def normalize(x):
        return modellib.norm_boxes_graph(x[0], keras.ops.shape(x[1])[1:3])

    norm = KL.Lambda(normalize, output_shape=(None, 4))([gt_boxes, inputs[0]])
    rois, target_ids, target_bbox, target_mask = modellib.DetectionTargetLayer(
        config, name="proposal_targets"
    )([rpn_rois, class_ids, norm, gt_masks])
    class_logits, _, deltas = modellib.fpn_classifier_graph(
        rois,
        maps[:4],
        inputs[1],
        config.POOL_SIZE,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
        fc_layers_size=config.FPN_CLASSIF_FC_LAYERS_SIZE,
    )
    masks = modellib.build_fpn_mask_graph(
        rois,
        maps[:4],
        inputs[1],
        config.MASK_POOL_SIZE,
        config.NUM_CLASSES,
        train_bn=config.TRAIN_BN,
    )
    active = KL.Lambda(
        lambda x: modellib.parse_image_meta_graph(x)["active_class_ids"],
        output_shape=(config.NUM_CLASSES,),
    )(inputs[1])

    def loss(function, arguments, name):
        return KL.Lambda(lambda x: function(*x), output_shape=(), name=name)(arguments)

    losses = [
        loss(modellib.rpn_class_loss_graph, [match, logits], "rpn_class_loss"),
        loss(
            lambda *x: modellib.rpn_bbox_loss_graph(config, *x),
            [target_rpn_bbox, match, rpn_bbox],
            "rpn_bbox_loss",
        ),
        loss(
            modellib.mrcnn_class_loss_graph,
            [target_ids, class_logits, active],
            "mrcnn_class_loss",
        ),
        loss(
            modellib.mrcnn_bbox_loss_graph,
            [target_bbox, target_ids, deltas],
            "mrcnn_bbox_loss",
        ),
        loss(
            modellib.mrcnn_mask_loss_graph,
            [target_mask, target_ids, masks],
            "mrcnn_mask_loss",
        ),
    ]
    inputs += [match, target_rpn_bbox, class_ids, gt_boxes, gt_masks]
    return keras.Model(inputs, losses)


def copy_weights(source, target):
    """By layer name; every layer with weights of each has its twin in the other."""
    weights = {layer.name: layer.get_weights() for layer in weighted_layers(source)}
    twins = {layer.name: layer for layer in weighted_layers(target)}
    assert weights.keys() == twins.keys()
    for name, layer in twins.items():
        layer.set_weights(weights[name])


@pytest.fixture(scope="module")
def config():
    return HandConfig()


@pytest.fixture(scope="module")
def batch(config):
    return DataGenerator(TinyDataset(), config, shuffle=False).make_batch(0, 1)


@pytest.fixture(scope="module")
def anchors(config):
    px = generate_pyramid_anchors(
        config.RPN_ANCHOR_SCALES,
        config.RPN_ANCHOR_RATIOS,
        modellib.compute_backbone_shapes(config, config.IMAGE_SHAPE),
        config.BACKBONE_STRIDES,
        config.RPN_ANCHOR_STRIDE,
    )
    norm = norm_boxes(px, config.IMAGE_SHAPE[:2])
    return np.broadcast_to(norm, (config.BATCH_SIZE, *norm.shape))


def test_inference_by_hand_gives_the_seven_outputs(config, batch, anchors):
    model = build_model("inference", config)
    by_hand = hand_inference(config)
    copy_weights(model, by_hand)
    inputs = [batch["input_image"], batch["input_image_meta"]]
    expected = model(inputs, training=False)
    outputs = by_hand([*inputs, anchors], training=False)
    assert np.any(expected[0])  # something was detected
    is_detected = np.asarray(expected[0])[..., 4] > 0
    for ix, (ours, theirs) in enumerate(zip(outputs, expected, strict=True)):
        ours, theirs = np.asarray(ours), np.asarray(theirs)
        assert ours.shape == theirs.shape
        if ix == 3:  # the old mask head ran on rows of padding too
            ours, theirs = ours[is_detected], theirs[is_detected]
        np.testing.assert_allclose(ours, theirs, rtol=1e-4, atol=1e-5)


def test_losses_by_hand_are_those_of_the_training_model(config, batch, anchors):
    model = build_model("training", config)
    by_hand = hand_training(config)
    copy_weights(model, by_hand)
    arrays = list(batch.values())
    expected = model(arrays, training=False)
    losses = by_hand([*arrays[:2], anchors, *arrays[2:]], training=False)
    assert all(float(value) > 0 for value in expected.values())
    np.testing.assert_allclose(
        [float(loss) for loss in losses],
        [float(value) for value in expected.values()],
        rtol=1e-4,
    )


@pytest.mark.parametrize("stage5", [False, True])
def test_resnet_graph_has_the_old_layers(stage5):
    image = keras.Input([64, 128, 3])
    maps = modellib.resnet_graph(image, "resnet50", stage5=stage5, train_bn=None)
    shapes = [None if x is None else tuple(x.shape[1:]) for x in maps]
    c5 = (2, 4, 2048) if stage5 else None
    assert shapes == [
        (16, 32, 64),
        (16, 32, 256),
        (8, 16, 512),
        (4, 8, 1024),
        c5,
    ]
    names = {layer.name for layer in keras.Model(image, maps[: 4 + stage5]).layers}
    assert {"conv1", "bn_conv1", "res2a_branch1", "bn4f_branch2c", "res4f_out"} <= names
    assert ("res5c_out" in names) == stage5


def test_resnet_graph_defaults_are_the_old_ones():
    image = keras.Input([64, 64, 3])
    maps = modellib.resnet_graph(image, "resnet18")
    assert maps[4] is None
    norms = [
        layer
        for layer in keras.Model(image, maps[3]).layers
        if isinstance(layer, modellib.BatchNorm)
    ]
    assert {layer.train_bn for layer in norms} == {True}


def test_rpn_graph_is_what_the_rpn_model_holds():
    feature_map = keras.Input([8, 12, 32])
    outputs = modellib.rpn_graph(feature_map, 3, 1)
    graph = keras.Model(feature_map, outputs)
    shapes = [tuple(output.shape) for output in outputs]
    count = 8 * 12 * 3
    assert shapes == [(None, count, 2), (None, count, 2), (None, count, 4)]
    model = modellib.build_rpn_model(1, 3, 32)
    assert model.name == "rpn_model"
    copy_weights(model, graph)
    x = np.random.default_rng(0).normal(size=(1, 8, 12, 32)).astype(np.float32)
    for ours, expected in zip(graph(x), model(x), strict=True):
        np.testing.assert_allclose(ours, expected, atol=1e-6)


def test_blocks_can_be_put_together_by_hand():
    x = keras.Input([16, 16, 8])
    x1 = modellib.conv_block(x, 3, [4, 4, 16], stage=2, block="a", strides=(1, 1))
    x2 = modellib.identity_block(x1, 3, [4, 4, 16], stage=2, block="b", train_bn=False)
    x3 = modellib.conv_block(x2, 3, [8, 8, 32], 3, "a")
    model = keras.Model(x, x3)
    assert model.output_shape == (None, 8, 8, 32)
    assert model.get_layer("bn2a_branch2a").train_bn is True
    assert model.get_layer("bn2b_branch2a").train_bn is False


# Losses on the arrays of old scripts: zero padding, class ids as floats


def test_smooth_l1_loss_is_quadratic_below_one():
    values = smooth_l1_loss(tf.constant([0.0, 0, 0]), tf.constant([0.5, -1.0, 3.0]))
    np.testing.assert_allclose(values, [0.125, 0.5, 2.5])


def test_rpn_class_loss_counts_sampled_anchors_only():
    match = np.array([[[1], [-1], [0]]], np.int32)
    logits = np.array([[[0, 0], [0, 0], [50, -50]]], np.float32)  # last: not sampled
    assert float(rpn_class_loss_graph(match, logits)) == pytest.approx(LOG2)


def test_rpn_bbox_loss_packs_targets_by_image_whatever_the_config_says():
    config = Config()
    config.IMAGES_PER_GPU = 7  # the batch holds two
    match = np.array([[[0], [1], [-1]], [[1], [0], [1]]], np.int32)
    predicted = np.zeros((2, 3, 4), np.float32)
    predicted[0, 0] = predicted[1, 1] = 99  # no positives
    target = np.zeros((2, 5, 4), np.float32)
    target[0, 0] = 2.0  # anchor 1 of image 0: |d| - 0.5
    target[1, 1] = 1.0  # anchor 2 of image 1: 0.5
    loss = rpn_bbox_loss_graph(config, target, match, predicted)
    assert float(loss) == pytest.approx((1.5 + 0.0 + 0.5) / 3)


def test_class_loss_counts_zero_padding_as_background():
    ids = np.array([[1.0, 0.0]], np.float32)  # floats, as Keras inputs made them
    logits = np.array([[[0, 0, 0], [0, 0, 0]]], np.float32)
    loss = mrcnn_class_loss_graph(ids, logits, np.ones((1, 3), np.float32))
    assert float(loss) == pytest.approx(np.log(3.0))
    padded = mrcnn_class_loss_graph(ids - [[0, 1]], logits, np.ones((1, 3)))
    assert float(padded) == pytest.approx(np.log(3.0))


def test_class_loss_leaves_out_predictions_of_classes_of_another_source():
    ids = np.array([[0, 0]], np.int32)
    logits = np.array([[[0, 0, -9], [0, 0, 9]]], np.float32)  # second: class 2
    active = np.array([[1, 1, 0]], np.float32)
    loss = mrcnn_class_loss_graph(ids, logits, active)
    assert float(loss) == pytest.approx(LOG2, rel=1e-3)
    nothing_left = mrcnn_class_loss_graph(ids[:, 1:], logits[:, 1:], active)
    assert float(nothing_left) == 0.0


def test_bbox_loss_looks_at_the_deltas_of_the_target_class():
    target = np.ones((1, 2, 4), np.float32)
    predicted = np.full((1, 2, 3, 4), 77, np.float32)
    predicted[0, 0, 2] = 3.0  # |2| - 0.5; the second row is background
    loss = mrcnn_bbox_loss_graph(target, np.array([[2, 0]]), predicted)
    assert float(loss) == pytest.approx(1.5)


def test_mask_loss_looks_at_the_mask_of_the_target_class():
    target = np.ones((1, 2, 4, 4), np.float32)
    predicted = np.zeros((1, 2, 4, 4, 3), np.float32)
    predicted[0, 0, ..., 1] = 0.5
    loss = mrcnn_mask_loss_graph(target, np.array([[1, 0]]), predicted)
    assert float(loss) == pytest.approx(LOG2)


def test_losses_without_anything_positive_are_zero():
    assert float(mrcnn_bbox_loss_graph(np.ones((1, 1, 4)), [[0]], np.ones((1, 1, 2, 4))
    )) == 0.0  # fmt: skip
    none = mrcnn_mask_loss_graph(np.ones((1, 1, 2, 2)), [[0]], np.ones((1, 1, 2, 2, 2)))
    assert float(none) == 0.0


def test_losses_stand_in_lambda_layers_as_they_used_to():
    match = keras.Input([None, 1], dtype="int32")
    logits = keras.Input([None, 2])
    loss = keras.layers.Lambda(
        lambda x: rpn_class_loss_graph(*x), output_shape=(), name="rpn_class_loss"
    )([match, logits])
    model = keras.Model([match, logits], loss)
    inputs = [np.array([[[1], [0]]], np.int32), np.zeros((1, 2, 2), np.float32)]
    assert float(model(inputs)) == pytest.approx(LOG2)
