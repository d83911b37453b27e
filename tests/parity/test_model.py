"""The model that old weights are loaded into is the one that they were trained in."""

from __future__ import annotations

import keras
import pytest

from mrcnn.nn.norms import BatchNorm
from tests.parity.chain import layout

pytestmark = pytest.mark.parity


@pytest.fixture(scope="module")
def layers(chain):
    return {layer.name: layer for layer in chain.model.keras_model.layers}


def test_every_tensor_of_the_file_is_loaded_and_none_is_missing(chain, shared):
    report = chain.report
    assert set(report.matched) == set(layout(shared))
    assert len(report.matched) == len(layout(shared)) > 300
    assert not report.missing and not report.unexpected
    assert not report.mismatched and not report.excluded


def test_batch_norm_has_the_old_epsilon_and_fixed_statistics(layers):
    norms = [x for x in layers.values() if isinstance(x, BatchNorm)]
    # 53 of ResNet-50, 2 of the class head, 4 of the mask head.
    assert len(norms) == 53 + 2 + 4
    for layer in norms:
        assert (layer.epsilon, layer.axis, layer.train_bn) == (1e-3, -1, False)


def test_resnet_strides_lie_on_the_first_convolution_of_a_stage(layers):
    for stage, stride in ((2, 1), (3, 2), (4, 2), (5, 2)):
        for branch in ("branch1", "branch2a"):
            assert layers[f"res{stage}a_{branch}"].strides == (stride, stride)
        assert layers[f"res{stage}a_branch2b"].strides == (1, 1)
    assert layers["conv1"].strides == (2, 2)


def test_every_convolution_has_a_bias(layers):
    kinds = (keras.layers.Conv2D, keras.layers.Conv2DTranspose, keras.layers.Dense)
    found = [x for x in layers.values() if isinstance(x, kinds)]
    assert len(found) > 60 and all(layer.use_bias for layer in found)


def test_activations_inside_the_layers_are_the_old_ones(layers):
    relu, sigmoid = keras.activations.relu, keras.activations.sigmoid
    assert layers["mrcnn_mask_deconv"].activation is relu
    assert layers["mrcnn_mask"].activation is sigmoid
    shared = layers["rpn_model"].get_layer("rpn_conv_shared")
    assert shared.activation is relu


def test_rois_are_read_as_in_the_old_package(layers):
    for name, side in (("roi_align_classifier", 7), ("roi_align_mask", 14)):
        layer = layers[name]
        assert layer.pool_shape == (side, side)
        assert (layer.roi_op, layer.level_rounding) == ("crop", "round")
