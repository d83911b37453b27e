from __future__ import annotations

import numpy as np
import pytest

from mrcnn.engine.weights.model_weights import model_tensors
from mrcnn.engine.weights.weight_shapes import anchors_per_cell, config_values
from mrcnn.model import MaskRCNN
from tests.engine import tiny


def test_shapes_tell_the_config_of_a_model(training_graph):
    tensors = model_tensors(training_graph.keras_model)
    config = tiny.TinyConfig()
    found = config_values(tensors)
    assert len(found) == 10
    assert found == {name: getattr(config, name) for name in found}
    assert anchors_per_cell(tensors) == 3


@pytest.mark.parametrize("backbone", ["resnet50", "resnet101"])
def test_depth_and_norm_are_told_apart(backbone, tmp_path):
    config = tiny.make_config(tiny.TinyConfig, BACKBONE=backbone, NORM="batch")
    model = MaskRCNN("inference", config, tmp_path)
    found = config_values(model_tensors(model.keras_model))
    assert (found["BACKBONE"], found["NORM"]) == (backbone, "batch")


def test_foreign_tensors_tell_nothing():
    tensors = {"dense/kernel": np.zeros((3, 4))}
    assert config_values(tensors) == {} and anchors_per_cell(tensors) is None
