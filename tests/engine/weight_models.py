"""Models whose weight files the tests write, edit and read."""

from __future__ import annotations

import h5py
import keras
import numpy as np

from mrcnn.engine.graph import build_model
from mrcnn.engine.weights.model_weights import model_tensors
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


def write_file(path, tensors):
    """Writes tensors by "layer/variable" as Keras 2 laid them out."""
    groups = {}
    for name in tensors:
        groups.setdefault(name.split("/")[0], []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([n.encode() for n in groups])
        for layer, names in groups.items():
            group = file.create_group(layer)
            keys = [f"{name}:0" for name in names]
            group.attrs["weight_names"] = np.array([key.encode() for key in keys])
            for name, key in zip(names, keys, strict=True):
                group[key] = tensors[name]
    return path


def values_of(model):
    """Returns the arrays by "layer/variable"."""
    return {name: value.numpy() for name, value in model_tensors(model).items()}
