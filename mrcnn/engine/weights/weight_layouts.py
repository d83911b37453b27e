"""Finds the name of each tensor in a weight file of Keras 1 and 2, or of Keras 3.

Old: the attribute `layer_names` lists the groups, the attribute `weight_names` of a
group its tensors in order, each stored under `<group>/<weight name>`. A nested model
(rpn_model) is one group with the tensors of all its layers. Files of whole models hold
the same below `model_weights`.

Keras 3: `.weights.h5` holds `layers/<class>_<n>/vars/<i>`; the name of the layer is an
attribute of `vars`, which the first versions did not write. `.keras` is a ZIP archive
with such a file and the configuration of the model in it.
"""

from __future__ import annotations

import itertools
import re
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import NamedTuple

import h5py
import keras

from mrcnn.engine.layer_groups import leaf_layers, parameters
from mrcnn.engine.weights.hdf5_files import UnreadableError

# Keras 1 joined layer and variable by "_"; its "std" is a variance.
_KERAS_1_NAME = re.compile(r"(.+)_(W|b|gamma|beta|running_mean|running_std)")
_KERAS_1 = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}
_BATCH_NORM = ["gamma", "beta", "moving_mean", "moving_variance"]


def variable_names(model: keras.Model | None) -> dict[str, list[str]]:
    """Returns layer name -> names of its variables in order, seeds left out."""
    layers = () if model is None else leaf_layers(model)
    return {layer.name: [w.name for w in parameters(layer)] for _, layer in layers}


# The layout of Keras 1 and 2


def name_list(group: h5py.Group, key: str) -> list[str] | None:
    """Returns an attribute's list of names, None without it.

    Keras splits lists above 64 KB into `key0`, `key1` and so on; h5py gives bytes or
    text, depending on who wrote.
    """
    parts = (f"{key}{i}" for i in itertools.count())
    split = itertools.takewhile(group.attrs.__contains__, parts)
    keys = [key] if key in group.attrs else list(split)
    return [_text(value) for k in keys for value in group.attrs[k]] if keys else None


def _text(value) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def old_entries(
    root: h5py.Group, model: keras.Model | None
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields ("layer/variable", dataset) of a file with `layer_names`.

    Raises:
        UnreadableError: its kernels are stored in another orientation.
        KeyError: a listed group or tensor is not there.
    """
    if _text(root.attrs.get("backend", "")) == "theano":
        raise UnreadableError(
            "written with Theano, which stores kernels rotated by 180 degrees; convert "
            "it with Keras 2 first"
        )
    known = variable_names(model)
    for group_name in name_list(root, "layer_names"):
        group = _item(root, group_name)
        weight_names = name_list(group, "weight_names") or []
        split = [_split(group_name, name, known) for name in weight_names]
        is_model = len({tuple(scopes) for scopes, _ in split}) > 1
        for weight_name, (scopes, variable) in zip(weight_names, split, strict=True):
            if variable != "seed_generator_state":
                layer = _layer(group_name, scopes, is_model, known)
                yield f"{layer}/{variable}", _item(group, weight_name)


def _item(group: h5py.Group, name: str):
    if name not in group:
        raise KeyError(f"{group.name.strip('/')}/{name} is listed and not there")
    return group[name]


def _split(group: str, weight_name: str, known: Mapping) -> tuple[list[str], str]:
    """Returns (names of what is around the variable, variable)."""
    *scopes, variable = re.sub(r":\d+$", "", weight_name).split("/")
    found = _KERAS_1_NAME.fullmatch(variable)
    if found and not scopes and variable not in known.get(group, ()):
        return [found[1]], _KERAS_1.get(found[2], found[2])
    return scopes, variable


def _layer(group: str, scopes: list[str], is_model: bool, known: Mapping) -> str:
    """Returns the layer of a tensor: that of its group, or one of a nested model.

    A second model in one TensorFlow 1 process got scopes "conv1_1", and TimeDistributed
    may add the name of the layer it holds: neither is a layer of the model.
    """
    if group in known or not scopes:
        return group
    scope = scopes[-1]
    bare = re.sub(r"_\d+$", "", scope)
    if group in (scope, bare):
        return group
    default = group if group in scopes and not is_model else scope
    return next((name for name in (scope, bare) if name in known), default)


# The layout of Keras 3


class _Group(NamedTuple):
    """The variables of one layer, or of a part of it, in order.

    Attributes:
        path: where they are, "layers/conv2d_1".
        names: of the layers around them, the outermost first; empty without names.
        variables: datasets.
    """

    path: str
    names: tuple[str, ...]
    variables: list[h5py.Dataset]


def keras_3_entries(
    file: h5py.File, model: keras.Model | None, config: dict | None
) -> Iterator[tuple[str, h5py.Dataset]]:
    """Yields ("layer/variable", dataset) of a file with a group `layers`.

    Args:
        file: the file.
        model: the model that is to be filled, if there is one.
        config: the configuration of the model that was saved, if it is in the archive.

    Raises:
        UnreadableError: it isn't certain which tensor belongs to which layer.
    """
    known = variable_names(model)
    # Keras 2.12 and 2.13 wrote this layout under a longer name.
    key = "layers" if "layers" in file else "_layer_checkpoint_dependencies"
    groups = list(_groups(file[key], "layers", ()))
    nameless = [group.path for group in groups if not group.names]
    if len(nameless) < len(groups):
        if nameless:
            raise UnreadableError(
                f"one in which some layers have no name ({nameless[0]}), as in a "
                "part of weights that Keras split over several files; save them whole, "
                "without max_shard_size"
            )
        layer_of = {group.path: _innermost(group.names, known) for group in groups}
    else:
        described = _described(model) if config is None else config
        places = dict(_places(described))
        layer_of = {group.path: places.get(_place(group, places)) for group in groups}
        if config is None and not _is_structure_of(model, groups, places):
            raise UnreadableError(
                "written by a Keras that did not store the names of layers yet, and "
                "its layers are not in the order of this model; load it in the mode, "
                "with the package and the configuration it was written by, and save it "
                "in the old layout: keras_model.save_weights('weights.h5')"
            )
    for group in groups:
        layer = layer_of[group.path] or group.path
        if (group.names or group.path.split("/"))[-1].startswith("seed_generator"):
            continue
        labels = known.get(layer, [])
        if len(labels) != len(group.variables):
            labels = _usual_names([variable.ndim for variable in group.variables])
        for label, variable in zip(labels, group.variables, strict=True):
            yield f"{layer}/{label}", variable


def _groups(parent: h5py.Group, path: str, names: tuple[str, ...]) -> Iterator[_Group]:
    for key, item in parent.items():
        if key == "vars" or not isinstance(item, h5py.Group):
            continue
        key = "layers" if key == "_layer_checkpoint_dependencies" else key
        inner = names
        if "vars" in item:
            stored = item["vars"]
            if "name" in stored.attrs:
                inner = (*names, _text(stored.attrs["name"]))
            if len(stored):
                order = sorted(stored, key=lambda i: (len(i), i))
                yield _Group(f"{path}/{key}", inner, [stored[i] for i in order])
        yield from _groups(item, f"{path}/{key}", inner)


def _innermost(names: tuple[str, ...], known: Mapping) -> str:
    """Returns the innermost name that is a layer of the model, else the innermost."""
    return next((n for n in reversed(names) if n in known), names[-1])


def _usual_names(ranks: list[int]) -> list[str]:
    """Returns names for the variables of a layer that the model has not, or differs."""
    if ranks in ([1, 1, 1, 1], [1, 1]):
        return _BATCH_NORM[: len(ranks)]
    if ranks[0] > 1 and ranks[1:] in ([], [1]):
        return ["kernel", "bias"][: len(ranks)]
    return [f"vars{i}" for i in range(len(ranks))]


def _place(group: _Group, places: Iterable[str]) -> str | None:
    """Returns the place of the layer that a group is, or is a part of."""
    return next((p for p in places if f"{group.path}/".startswith(f"{p}/")), None)


def _is_structure_of(
    model: keras.Model | None, groups: list[_Group], places: Mapping[str, str]
) -> bool:
    """Returns whether a file without names is of the very same structure as a model.

    Such a file knows a layer by its class and its number among the layers of that
    class. The numbers differ between the modes: `dense` is one head in training and
    another in inference.
    """
    shapes = {
        layer.name: [tuple(w.shape) for w in parameters(layer)]
        for _, layer in (() if model is None else leaf_layers(model))
        if layer.weights
    }
    return {places.get(_place(group, places)) for group in groups} == set(
        shapes
    ) and all(
        [tuple(v.shape) for v in group.variables] == shapes[places[group.path]]
        for group in groups
        if group.path in places
    )


def _described(layer: keras.layers.Layer | None) -> dict:
    """Returns what a stored configuration says of a layer, as far as places need it."""
    if layer is None:
        return {}
    config: dict = {"name": layer.name}
    if isinstance(layer, keras.Model):
        config["layers"] = [_described(inner) for inner in layer.layers]
    return {"class_name": type(layer).__name__, "config": config}


def _places(model: dict, prefix: str = "") -> Iterator[tuple[str, str]]:
    """Yields (path in a Keras 3 file, layer name) of all layers that are no models.

    The parts of a path are the class in snake case and, from the second layer of that
    class on, its number from 1 on.

    Args:
        model: the configuration of a model as it is stored in a `.keras`.
        prefix: the path of the model.
    """
    counts: Counter[str] = Counter()
    for layer in model.get("config", {}).get("layers", []):
        words = r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])"
        key = re.sub(words, "_", layer["class_name"]).lower()
        number = f"_{counts[key]}" if counts[key] else ""
        counts[key] += 1
        path = f"{prefix}layers/{key}{number}"
        if "layers" in layer["config"]:
            yield from _places(layer, f"{path}/")
        else:
            yield path, layer["config"]["name"]
