"""The layers of a model, nested models included: which there are, which train."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterator

import keras

HEADS = r"(mrcnn_.*)|(rpn_.*)|(fpn_.*)"
STAGES = {
    "3+": r"(res3.*)|(bn3.*)|(res4.*)|(bn4.*)|(res5.*)|(bn5.*)",
    "4+": r"(res4.*)|(bn4.*)|(res5.*)|(bn5.*)",
    "5+": r"(res5.*)|(bn5.*)",
}
LAYER_GROUPS = {
    "heads": HEADS,
    **{word: f"{stages}|{HEADS}" for word, stages in STAGES.items()},
    "all": ".*",
}


def leaf_layers(
    model: keras.Model, parents: tuple[str, ...] = ()
) -> Iterator[tuple[tuple[str, ...], keras.layers.Layer]]:
    """Yields (names of the enclosing models, layer) of every layer that is no model.

    Order is the order of creation in each model, which is the order old weight
    files list them in.
    """
    for layer in model.layers:
        if isinstance(layer, keras.Model):
            yield from leaf_layers(layer, (*parents, layer.name))
        else:
            yield parents, layer


def weighted_layers(model: keras.Model) -> list[keras.layers.Layer]:
    """Returns the layers with weights, nested ones included."""
    return [layer for _, layer in leaf_layers(model) if parameters(layer)]


def unwrapped(layer: keras.layers.Layer) -> keras.layers.Layer:
    """Returns the layer inside a wrapper (TimeDistributed), or the layer itself."""
    while isinstance(layer, keras.layers.Wrapper):
        layer = layer.layer
    return layer


def set_trainable(model: keras.Model, layer_regex: str) -> list[str]:
    """Makes the layers trainable whose name matches, and all others not.

    A layer also matches by the name of a model around it: "rpn_model" trains the
    whole RPN, "rpn_class_raw" that one layer. Takes effect at the next `compile`.

    Args:
        model: a Keras model.
        layer_regex: a word of LAYER_GROUPS or a regular expression that has to match
            the full name.

    Returns:
        The names of the layers that train.

    Raises:
        ValueError: nothing with weights matches, or the expression is malformed; or a
            word names stages of a ResNet, and the backbone has none.
    """
    regex = LAYER_GROUPS.get(layer_regex, layer_regex)
    try:
        pattern = re.compile(regex)
    except re.error as error:
        raise ValueError(
            f"set_trainable(layers={layer_regex!r}): not a regular expression "
            f"({error}); pass one or a word of {sorted(LAYER_GROUPS)}."
        ) from error
    weighted = [(p, layer) for p, layer in leaf_layers(model) if parameters(layer)]
    chosen = [
        layer.name
        for parents, layer in weighted
        if any(pattern.fullmatch(name) for name in (*parents, layer.name))
    ]
    if not chosen:
        names = [layer.name for _, layer in weighted]
        near = difflib.get_close_matches(layer_regex, names, n=3)
        raise ValueError(
            f"set_trainable(layers={layer_regex!r}): no layer with weights matches; "
            f"pass a word of {sorted(LAYER_GROUPS)} or a regular expression for full "
            f"layer names{f', perhaps one of {near}' if near else ''}."
        )
    stages = STAGES.get(layer_regex)
    if stages and not any(re.fullmatch(stages, name) for name in chosen):
        raise ValueError(
            f"set_trainable(layers={layer_regex!r}): the backbone has no layers called "
            "res3..., res4..., res5..., as the stages of a ResNet are, so only the "
            'heads would train. Pass "heads", "all", or a regular expression with the '
            f"names of its layers and {HEADS!r} for the heads."
        )
    for _, layer in weighted:
        layer.trainable = layer.name in chosen
    return chosen


def is_seed(weight: keras.Variable) -> bool:
    """Returns whether a variable is the state of a random generator."""
    return weight.path.endswith("seed_generator_state")


def parameters(layer: keras.layers.Layer) -> list[keras.Variable]:
    """Returns the layer's weights without random seeds, which no file holds."""
    return [w for w in layer.weights if not is_seed(w)]
