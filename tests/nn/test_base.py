"""What all layers share: arguments, config, float32."""

import inspect

import keras
import numpy as np
import pytest

from mrcnn.nn import (
    detections,
    inputs,
    losses,
    norms,
    proposals,
    roi_align,
    roi_selection,
    rpn,
    target_layer,
)
from mrcnn.nn.base import ConfiguredLayer, Float32Layer, check_choice
from tests.nn.layer_check import dtype_policy

MODULES = (detections, inputs, losses, norms, proposals, roi_align, roi_selection)
MODULES += (rpn, target_layer)
LAYERS = {
    layer
    for module in MODULES
    for layer in vars(module).values()
    if inspect.isclass(layer) and issubclass(layer, ConfiguredLayer)
} - {ConfiguredLayer, Float32Layer, losses._LossLayer}


@pytest.mark.parametrize("layer", sorted(LAYERS, key=str), ids=lambda c: c.__name__)
def test_arguments_are_those_of_the_constructor(layer):
    parameters = inspect.signature(layer.__init__).parameters.values()
    named = {p.name for p in parameters if p.kind is not p.VAR_KEYWORD} - {"self"}
    assert set(layer.ARGUMENTS) == named


def test_a_config_holds_lists_where_the_layer_holds_tuples():
    layer = proposals.ProposalLayer(7, 0.5, bbox_std_dev=np.array([1, 2, 3, 4]))
    assert layer.arguments()["bbox_std_dev"] == (1.0, 2.0, 3.0, 4.0)
    config = layer.get_config()
    assert config["bbox_std_dev"] == [1.0, 2.0, 3.0, 4.0]
    assert config["proposal_count"] == 7 and config["nms_threshold"] == 0.5


def test_layers_are_float32_under_every_policy_unless_another_is_given():
    with dtype_policy("mixed_float16"):
        layer = roi_selection.PadRois(3)
        assert layer.compute_dtype == "float32"
        assert layer(np.ones((1, 2, 4), np.float16)).dtype == "float32"
        assert roi_selection.PadRois(3, dtype="float16").compute_dtype == "float16"
        assert norms.GroupNorm().compute_dtype == "float16"
    assert issubclass(Float32Layer, keras.layers.Layer)


def test_another_word_is_an_error_that_lists_the_choices():
    check_choice("make", "kind", "a", ("a", "b"))
    with pytest.raises(ValueError, match=r"make\(kind='c'\).*pass one of a, b\."):
        check_choice("make", "kind", "c", ("a", "b"))
