"""Models whose weight files the tests write, edit and read."""

from __future__ import annotations

import keras
import numpy as np

from mrcnn.engine.graph import build_model
from mrcnn.engine.weights import model_tensors
from tests.engine.tiny import TinyConfig, make_config


def make_model(mode="inference", **values):
    return build_model(mode, make_config(TinyConfig, **{"NORM": "batch", **values}))


def fill(model, seed=0):
    """Gives every tensor values of its own."""
    rng = np.random.default_rng(seed)
    for variable in model_tensors(model).values():
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


def save(model, path):
    """Writes as Keras does, whatever our model's own methods do."""
    if path.suffix == ".keras":
        keras.Model.save(model, path)
    else:
        keras.Model.save_weights(model, path)
    return path
