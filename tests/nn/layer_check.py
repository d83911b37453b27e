"""What every layer of ours must do, in one call: `check_layer(layer, inputs)`."""

from __future__ import annotations

import contextlib
import inspect
import json

import keras
import numpy as np
import tensorflow as tf


def check_layer(
    layer,
    inputs,
    *,
    call_kwargs=None,
    dynamic_axes=1,
    compare_values=True,
    rtol=1e-5,
    atol=1e-6,
):
    """Checks one layer and returns its eager outputs as a list of arrays.

    Calls the layer; compares the promised shapes and dtypes with the real ones, with
    all sizes known and with the leading axes unknown; rebuilds the layer from its
    JSON config with the same weights and compares; traces it with unknown leading
    axes and compares.

    Args:
        layer: the layer, built or not.
        inputs: an array or a list of arrays, the first argument of `call`.
        call_kwargs: arrays by name, further arguments of `call`.
        dynamic_axes: how many leading axes of every input are unknown when traced.
        compare_values: False for layers that draw random numbers.
        rtol: relative tolerance of the comparisons.
        atol: absolute tolerance of the comparisons.
    """
    call_kwargs = call_kwargs or {}
    inputs, call_kwargs = tf.nest.map_structure(
        tf.convert_to_tensor, (inputs, call_kwargs)
    )
    real = tf.nest.flatten(layer(inputs, **call_kwargs))

    _check_config(layer)
    for num_unknown in (0, dynamic_axes):
        _check_spec(layer, inputs, call_kwargs, real, num_unknown)

    clone = keras.saving.deserialize_keras_object(
        json.loads(json.dumps(keras.saving.serialize_keras_object(layer)))
    )
    assert type(clone) is type(layer)
    assert clone.get_config() == layer.get_config()
    clone(inputs, **call_kwargs)
    clone.set_weights(layer.get_weights())
    _compare(clone(inputs, **call_kwargs), real, compare_values, rtol, atol)

    specs = tf.nest.map_structure(
        lambda x: tf.TensorSpec(_unknown(x.shape, dynamic_axes), x.dtype),
        (inputs, call_kwargs),
    )
    traced = tf.function(
        lambda args, kwargs: layer(args, **kwargs), input_signature=specs
    )
    _compare(traced(inputs, call_kwargs), real, compare_values, rtol, atol)
    return [x.numpy() for x in real]


def _check_config(layer):
    """Every constructor argument is in the config; the class is registered as ours."""
    assert keras.saving.get_registered_name(type(layer)).startswith("mrcnn>")
    config = layer.get_config()
    parameters = inspect.signature(type(layer).__init__).parameters.values()
    named = [p.name for p in parameters if p.kind is not p.VAR_KEYWORD]
    missing = set(named) - {"self"} - set(config)
    assert not missing, f"get_config of {type(layer).__name__} leaves out {missing}"


def _check_spec(layer, inputs, call_kwargs, real, num_unknown):
    """The promised shapes and dtypes agree with the real ones."""
    symbolic = tf.nest.map_structure(
        lambda x: keras.KerasTensor(_unknown(x.shape, num_unknown), x.dtype.name),
        (inputs, call_kwargs),
    )
    promised = tf.nest.flatten(layer.compute_output_spec(symbolic[0], **symbolic[1]))
    assert len(promised) == len(real)
    for spec, x in zip(promised, real, strict=True):
        assert spec.dtype == x.dtype.name
        assert len(spec.shape) == x.shape.rank
        for size, real_size in zip(spec.shape, x.shape, strict=True):
            assert size is None or size == real_size, (spec.shape, x.shape)


def _compare(outputs, real, compare_values, rtol, atol):
    for x, y in zip(tf.nest.flatten(outputs), real, strict=True):
        assert x.dtype == y.dtype
        assert x.shape == y.shape
        if compare_values:
            wide = tf.float64 if x.dtype.is_floating else x.dtype
            np.testing.assert_allclose(
                tf.cast(x, wide).numpy(), tf.cast(y, wide).numpy(), rtol, atol
            )


def _unknown(shape, count):
    """Returns the shape with its first `count` sizes unknown."""
    return tuple(None if ix < count else size for ix, size in enumerate(shape))


@contextlib.contextmanager
def dtype_policy(name):
    """Sets the Keras dtype policy for a while."""
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy(name)
    try:
        yield
    finally:
        keras.config.set_dtype_policy(before)
