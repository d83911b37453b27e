"""RPN: order of layers and of anchors, shapes, and anchors equal to the NumPy ones."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.coordinates import norm_boxes
from mrcnn.nn.rpn import Anchors, apply_rpn, build_rpn_model
from tests.nn.layer_check import check_layer, dtype_policy

SCALES, RATIOS, STRIDES = (16, 32, 64), (0.5, 1, 2), (4, 8, 16)


def maps_of(height, width, batch=2, depth=4):
    return [
        np.random.default_rng(stride)
        .normal(size=(batch, height // stride, width // stride, depth))
        .astype(np.float32)
        for stride in STRIDES
    ]


def test_weights_are_made_in_the_order_of_the_file_format():
    model = build_rpn_model(1, 3, 4, channels=8)
    assert model.name == "rpn_model"
    assert [w.path.split("/")[-2:] for w in model.weights] == [
        ["rpn_conv_shared", "kernel"],
        ["rpn_conv_shared", "bias"],
        ["rpn_class_raw", "kernel"],
        ["rpn_class_raw", "bias"],
        ["rpn_bbox_pred", "kernel"],
        ["rpn_bbox_pred", "bias"],
    ]
    assert model.get_layer("rpn_class_xxx") is not None


@pytest.mark.parametrize(("anchor_stride", "positions"), [(1, 8 * 5), (2, 4 * 3)])
def test_outputs_have_one_row_an_anchor(anchor_stride, positions):
    model = build_rpn_model(anchor_stride, 3, 4, channels=8)
    logits, probs, deltas = model(np.zeros((2, 8, 5, 4), np.float32))
    assert logits.shape == probs.shape == (2, 3 * positions, 2)
    assert deltas.shape == (2, 3 * positions, 4)


def test_rows_run_over_anchors_of_a_cell_then_columns_then_rows():
    # Biases tell the anchors of a cell apart; a shared convolution that copies its
    # centre brings the cell's own value, 10 y + x, into the deltas.
    model = build_rpn_model(1, 3, 1, channels=1)
    shared = np.zeros((3, 3, 1, 1), np.float32)
    shared[1, 1] = 1
    weights = [shared, np.zeros(1)]
    weights += [np.zeros((1, 1, 1, 6)), np.arange(6)]
    weights += [np.ones((1, 1, 1, 12)), np.arange(12) / 100]
    model.set_weights(weights)
    y, x = np.mgrid[:2, :3]
    cells = (10 * y + x).astype(np.float32)
    logits, probs, deltas = model(cells[None, :, :, None])
    np.testing.assert_allclose(logits[0, :3], [[0, 1], [2, 3], [4, 5]], rtol=1e-6)
    np.testing.assert_allclose(probs[0], [[0.268941, 0.731059]] * 18, rtol=1e-4)
    expected = cells.reshape(6, 1) + np.arange(12) / 100
    np.testing.assert_allclose(deltas[0], expected.reshape(18, 4), rtol=1e-5)


def test_apply_rpn_joins_the_levels_in_their_order():
    model = build_rpn_model(1, 3, 4, channels=8)
    maps = maps_of(32, 48)
    inputs = [keras.Input([None, None, 4]) for _ in maps]
    joined = keras.Model(inputs, apply_rpn(model, inputs))
    assert joined.output_names == ["rpn_class_logits", "rpn_class", "rpn_bbox"]
    assert len(joined.weights) == 6  # one RPN for all levels
    single = [model(x) for x in maps]
    for ix, output in enumerate(joined(maps)):
        expected = np.concatenate([level[ix] for level in single], axis=1)
        np.testing.assert_allclose(output, expected, rtol=1e-4, atol=1e-6)


def test_outputs_are_float32_under_mixed_precision():
    with dtype_policy("mixed_bfloat16"):
        model = build_rpn_model(1, 3, 4, channels=8)
        image = keras.Input([None, None, 4])
        joined = keras.Model(image, apply_rpn(model, [image, image]))
    assert model.get_layer("rpn_conv_shared").compute_dtype == "bfloat16"
    feature_map = maps_of(32, 48)[0]
    assert {x.dtype.name for x in model(feature_map)} == {"float32"}
    outputs = joined(feature_map)
    assert {x.dtype.name for x in outputs} == {"float32"}
    np.testing.assert_allclose(outputs[1].numpy().sum(-1), 1, atol=1e-6)


def expected_anchors(height, width, scales=SCALES, anchor_stride=1):
    shapes = [(height // s, width // s) for s in STRIDES]
    anchors = generate_pyramid_anchors(scales, RATIOS, shapes, STRIDES, anchor_stride)
    return norm_boxes(anchors, (height, width))


@pytest.mark.parametrize("batch", [1, 3])
@pytest.mark.parametrize(("height", "width"), [(64, 64), (32, 96)])
def test_anchors_equal_the_numpy_ones(batch, height, width):
    layer = Anchors(scales=SCALES, ratios=RATIOS, strides=STRIDES)
    image = np.zeros((batch, height, width, 3), np.float32)
    (anchors,) = check_layer(
        layer, [image, *maps_of(height, width, batch)], dynamic_axes=3
    )
    assert anchors.dtype == np.float32
    expected = expected_anchors(height, width)
    assert anchors.shape == (batch, *expected.shape)
    for one in anchors:  # bit for bit
        np.testing.assert_array_equal(one, expected)


def test_anchors_with_several_scales_a_level():
    scales = [(16, 24), (32, 48), (64, 96)]
    layer = Anchors(scales=scales, ratios=RATIOS, strides=STRIDES)
    image = np.zeros((1, 64, 32, 3), np.float32)
    (anchors,) = check_layer(layer, [image, *maps_of(64, 32, 1)], dynamic_axes=3)
    np.testing.assert_allclose(
        anchors[0], expected_anchors(64, 32, scales), rtol=1e-6, atol=1e-6
    )


@pytest.mark.parametrize("anchor_stride", [1, 2])
def test_there_is_one_anchor_for_each_row_of_the_rpn(anchor_stride):
    # 48 px at stride 16 are three cells: an anchor stride of 2 leaves two of them.
    maps = maps_of(48, 64)
    layer = Anchors(
        scales=SCALES, ratios=RATIOS, strides=STRIDES, anchor_stride=anchor_stride
    )
    image = np.zeros((2, 48, 64, 3), np.float32)
    (anchors,) = check_layer(layer, [image, *maps], dynamic_axes=3)
    model = build_rpn_model(anchor_stride, 3, 4, channels=8)
    assert anchors.shape[1] == sum(model(x)[0].shape[1] for x in maps)
    np.testing.assert_allclose(
        anchors[0],
        expected_anchors(48, 64, anchor_stride=anchor_stride),
        rtol=1e-6,
        atol=1e-6,
    )


def test_anchors_stay_float32_under_mixed_precision():
    with dtype_policy("mixed_bfloat16"):
        layer = Anchors(scales=SCALES, ratios=RATIOS, strides=STRIDES)
        image = np.zeros((2, 64, 96, 3), np.float32)
        anchors = layer([image, *maps_of(64, 96)])
    np.testing.assert_allclose(
        anchors[0], expected_anchors(64, 96), rtol=1e-6, atol=1e-6
    )
