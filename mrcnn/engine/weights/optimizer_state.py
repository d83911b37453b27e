"""The state of an optimizer in a `.weights.h5`, where Keras 3 keeps it."""

from __future__ import annotations

import os
import warnings

import h5py
import keras
import numpy as np

from mrcnn.engine.weights.weight_files import DAMAGED

_GROUP = "optimizer/vars"


def build(model: keras.Model) -> None:
    """Makes the variables of a compiled model's optimizer, if it has none yet.

    Some optimizers, as keras.optimizers.LossScaleOptimizer, would make new ones each
    time, and lose the values of the old.
    """
    if not model.optimizer.built:
        model.optimizer.build(model.trainable_variables)
        # As Keras does before the first step: a user's own may not set it.
        model.optimizer.built = True


def restore(model: keras.Model, path: str | os.PathLike, stacklevel: int = 2) -> bool:
    """Gives a compiled model the state of its optimizer; returns whether it got it.

    Momentum, step count and learning rate. A file without a state changes nothing; one
    that doesn't fit (another optimizer, other layers that train) doesn't either, and
    draws a warning.

    Args:
        model: a compiled model.
        path: a weight file in any layout.
        stacklevel: that of the warning; 2 is the caller.
    """
    if not h5py.is_hdf5(path):
        return False
    try:
        with h5py.File(path, "r") as file:
            group = file.get(_GROUP, {})
            stored = {key: np.asarray(item) for key, item in group.items()}
    except DAMAGED as error:
        fault, stored = f"it is damaged ({error})", {}
    else:
        if not stored:
            return False
        fault = _fit(model, stored)
    if not fault:
        model.optimizer.load_own_variables(stored)
        return True
    warnings.warn(
        f"load_weights(filepath={str(path)!r}): the weights are loaded, the state of "
        f"the optimizer is not: {fault}. It keeps its own. To continue, compile as "
        "before, with the same layers trainable.",
        stacklevel=stacklevel,
    )
    return False


def _fit(model: keras.Model, stored: dict[str, np.ndarray]) -> str:
    """Returns in what a stored state differs from that of the optimizer, or ""."""
    optimizer = model.optimizer
    build(model)
    wanted = {str(i): v for i, v in enumerate(optimizer.variables)}
    shapes = {key: tuple(variable.shape) for key, variable in wanted.items()}
    if shapes == {key: value.shape for key, value in stored.items()}:
        return ""
    return (
        f"{len(stored)} variables in the file, {len(wanted)} of this "
        f"{type(optimizer).__name__}, or of other shapes"
    )
