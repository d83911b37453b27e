"""Looking inside a model: run to any layer, print arrays."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import keras
import numpy as np


def log(text: str, array=None) -> None:
    """Prints a text and, of an array, shape, least and greatest value, and dtype."""
    if array is not None:
        array = np.asarray(array)
        text = f"{text:<25}shape: {str(array.shape):<20} "
        if array.size:
            text += f"min: {array.min():10.5f}  max: {array.max():10.5f}"
        else:
            text += f"min: {'':10}  max: {'':10}"
        text += f"  {array.dtype}"
    print(text)


def run_to(
    keras_model: keras.Model, outputs: Sequence[tuple], inputs: Sequence[np.ndarray]
) -> OrderedDict[str, np.ndarray]:
    """Returns the values of any tensors of a model.

    Args:
        keras_model: a functional model.
        outputs: pairs (name to give the value, tensor). A tensor is a layer's
            `output`, or the name of a layer.
        inputs: the model's inputs, in its order.

    Raises:
        ValueError: a name that no layer has.
    """
    tensors = {
        name: keras_model.get_layer(tensor).output
        if isinstance(tensor, str)
        else tensor
        for name, tensor in outputs
    }
    probe = keras.Model(keras_model.inputs, tensors)
    values = probe(list(inputs), training=False)
    return OrderedDict(
        (name, keras.tree.map_structure(np.asarray, values[name])) for name in tensors
    )
