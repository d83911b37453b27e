"""Reads weight files: the HDF5 layout of Keras 1 and 2, and the two of Keras 3.

Old layout: the attribute `layer_names` lists the groups, the attribute `weight_names`
of a group its tensors in order, each stored under `<group>/<weight name>`. A nested
model (rpn_model) is one group with the tensors of all its layers. Files of whole models
hold the same below `model_weights`.

Keras 3: `.weights.h5` holds `layers/<class>_<n>/vars/<i>`, and the name of the layer as
an attribute of `vars` (early versions: no name); `.keras` is a ZIP archive with such a
file in it.
"""

from __future__ import annotations

import io
import os
import re
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.engine.layers import leaf_layers, parameters

_HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_MEMBER = "model.weights.h5"  # of a .keras archive

# Keras 1 joined layer and variable by "_"; its "std" is a variance.
_KERAS_1_NAME = re.compile(r"(.+)_(W|b|gamma|beta|running_mean|running_std)")
_KERAS_1 = {
    "W": "kernel",
    "b": "bias",
    "running_mean": "moving_mean",
    "running_std": "moving_variance",
}

# First bytes of what people take for a weight file -> (what it is, what to do).
_FETCH = "fetch the file itself"
_FOREIGN = (
    (rb"\s*<(!doctype|html|head|\?xml)", "a web page", f"{_FETCH}, not its page"),
    (
        rb"version https://git-lfs",
        "a Git LFS pointer, not the file it points to",
        "run `git lfs pull` where it was cloned, or download the file itself",
    ),
    (rb"\x80[\x02-\x05]", "a Python pickle", "convert it to HDF5 first"),
    (rb"\x1f\x8b", "packed by gzip", "unpack it first"),
    (rb"\xfd7zXZ", "packed by xz", "unpack it first"),
    (rb"BZh", "packed by bzip2", "unpack it first"),
    (rb"\x93NUMPY", "a NumPy array", "pass a weight file"),
    (rb"\s*[{\[]", "text, perhaps JSON", "pass the weights, not a configuration"),
)


class _Known(NamedTuple):
    """What a model tells about names.

    Attributes:
        layers: layer name -> names of its variables in order, seeds left out.
        variables: layer name -> their shapes.
    """

    layers: dict[str, list[str]]
    shapes: dict[str, list[tuple[int, ...]]]


def read_weights(
    path: str | os.PathLike, model: keras.Model | None = None
) -> dict[str, np.ndarray]:
    """Returns the tensors of a weight file by "layer/variable".

    Args:
        path: an HDF5 file in the old layout, a `.weights.h5` or a `.keras`; what it is
            is found out from the content.
        model: tells the names of layers and variables where the file leaves a choice;
            files of the first versions of Keras 3 can't be read without it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, cut off, of another kind, or holds no weights.
    """
    path = Path(path)
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise FileNotFoundError(
            f"load_weights(path={str(path)!r}): {what}; pass the path of a weight file."
        )
    try:
        with _opened(path) as file:
            return _read(file, model)
    except zipfile.BadZipFile as error:
        fault = f"a ZIP archive that is cut off or damaged ({error}); {_FETCH} again"
        cause = error
    except (OSError, KeyError, RuntimeError) as error:
        fault = f"an HDF5 file that is cut off or damaged ({error}); {_FETCH} again"
        cause = error
    except _UnreadableError as error:
        fault, cause = str(error), None
    raise ValueError(f"load_weights(path={str(path)!r}): {fault}.") from cause


class _UnreadableError(Exception):
    """Carries "what is wrong; what to do"."""


def _opened(path: Path) -> h5py.File:
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        raise _UnreadableError("the file is empty; fetch or save it again")
    if zipfile.is_zipfile(path) or head.startswith(b"PK\x03\x04"):
        with zipfile.ZipFile(path) as archive:
            names = archive.namelist()
            if _MEMBER not in names:
                raise _UnreadableError(
                    f"a ZIP archive without {_MEMBER} (it holds {names[:5]}); pass a "
                    ".keras file, or unpack the archive and pass the weights in it"
                )
            return h5py.File(io.BytesIO(archive.read(_MEMBER)), "r")
    if head.startswith(_HDF5_SIGNATURE[: len(head)]) or h5py.is_hdf5(path):
        return h5py.File(path, "r")
    for pattern, what, remedy in _FOREIGN:
        if re.match(pattern, head, re.IGNORECASE):
            raise _UnreadableError(
                f"not HDF5 but {what} (it begins with {head[:24]!r}); {remedy}"
            )
    raise _UnreadableError(
        f"not HDF5: it begins with {head[:24]!r}; pass a weight file of Keras"
    )


def _read(file: h5py.File, model: keras.Model | None) -> dict[str, np.ndarray]:
    known = _Known({}, {})
    if model is not None:
        for _, layer in leaf_layers(model):
            known.layers[layer.name] = [w.name for w in parameters(layer)]
            known.shapes[layer.name] = [tuple(w.shape) for w in parameters(layer)]
    root = file["model_weights"] if "model_weights" in file else file
    layer_names = _names(root, "layer_names")
    if layer_names is not None:
        entries = _old_entries(root, layer_names, known)
    elif "layers" in file or "_layer_checkpoint_dependencies" in file:
        entries = _keras_3_entries(file, model, known)
    elif {"epoch", "optimizer"} <= set(file.attrs):
        raise _UnreadableError(
            "the training state beside a checkpoint, not the weights; pass "
            "mask_rcnn_<name>_<epoch>.h5 of the same folder"
        )
    else:
        raise _UnreadableError(
            f"HDF5, but no weight file of Keras (it holds {list(file)[:5]}, no "
            "attribute layer_names and no group layers); pass a weight file"
        )
    tensors: dict[str, np.ndarray] = {}
    for name, dataset in entries:
        if name in tensors:
            raise _UnreadableError(
                f"it holds two tensors that are called {name}; rename a layer in the "
                "model it was written from"
            )
        tensors[name] = _array(name, dataset)
    return tensors


def _array(name: str, dataset: h5py.Dataset) -> np.ndarray:
    if not isinstance(dataset, h5py.Dataset):
        raise KeyError(f"{name} is no tensor")
    value = np.asarray(dataset)
    if dataset.attrs.get("dtype") == "bfloat16":
        # Stored as its two bytes: the upper half of a float32.
        value = (value.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if value.dtype.kind not in "fiub":
        raise _UnreadableError(f"{name} holds {value.dtype}, not numbers; save it anew")
    return value


# The layout of Keras 1 and 2


def _names(group: h5py.Group, key: str) -> list[str] | None:
    """Returns an attribute's list of names, None without it.

    Keras splits lists above 64 KB into `key0`, `key1` and so on; h5py gives bytes or
    text, depending on who wrote.
    """
    if key in group.attrs:
        parts = [group.attrs[key]]
    else:
        parts = []
        while f"{key}{len(parts)}" in group.attrs:
            parts.append(group.attrs[f"{key}{len(parts)}"])
        if not parts:
            return None
    values = [value for part in parts for value in part]
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]


def _old_entries(
    root: h5py.Group, layer_names: list[str], known: _Known
) -> Iterator[tuple[str, h5py.Dataset]]:
    backend = root.attrs.get("backend", "")
    backend = backend.decode() if isinstance(backend, bytes) else str(backend)
    if backend == "theano":
        raise _UnreadableError(
            "written with Theano, which stores kernels rotated by 180 degrees; convert "
            "it with Keras 2 first"
        )
    for group_name in layer_names:
        group = root[group_name]
        weight_names = _names(group, "weight_names") or []
        split = [_split(group_name, name, known) for name in weight_names]
        is_model = len({tuple(scopes) for scopes, _ in split}) > 1
        for weight_name, (scopes, variable) in zip(weight_names, split, strict=True):
            if variable != "seed_generator_state":
                layer = _layer(group_name, scopes, is_model, known)
                yield f"{layer}/{variable}", group[weight_name]


def _split(group: str, weight_name: str, known: _Known) -> tuple[list[str], str]:
    """Returns (names of what is around the variable, variable)."""
    *scopes, variable = re.sub(r":\d+$", "", weight_name).split("/")
    found = _KERAS_1_NAME.fullmatch(variable)
    if found and not scopes and variable not in known.layers.get(group, ()):
        return [found[1]], _KERAS_1.get(found[2], found[2])
    return scopes, variable


def _layer(group: str, scopes: list[str], is_model: bool, known: _Known) -> str:
    """Returns the layer of a tensor: that of its group, or one of a nested model.

    A second model in one TensorFlow 1 process got scopes "conv1_1", and TimeDistributed
    may add the name of the layer it holds: neither is a layer of the model.
    """
    if group in known.layers or not scopes:
        return group
    scope = scopes[-1]
    bare = re.sub(r"_\d+$", "", scope)
    for name in (scope, bare):
        if name in known.layers:
            return name
    if bare == group or (group in scopes and not is_model):
        return group
    return scope


# The layout of Keras 3


def _keras_3_entries(
    file: h5py.File, model: keras.Model | None, known: _Known
) -> Iterator[tuple[str, h5py.Dataset]]:
    # Keras 2.12 and 2.13 wrote this layout under a longer name.
    key = "layers" if "layers" in file else "_layer_checkpoint_dependencies"
    groups = list(_variable_groups(file[key], "layers", ()))
    if any(names for _, names, _ in groups):
        layer_of = {path: _innermost(names, known) for path, names, _ in groups}
    else:
        layer_of = _layers_by_order(groups, model)
    for path, names, variables in groups:
        if (names and names[-1].startswith("seed_generator")) or (
            "seed_generator" in path.rsplit("/", 1)[-1]
        ):
            continue
        layer = layer_of[path]
        labels = known.layers.get(layer, [])
        if len(labels) != len(variables):
            labels = _usual_names([v.ndim for v in variables])
        for label, variable in zip(labels, variables, strict=True):
            yield f"{layer}/{label}", variable


def _variable_groups(
    group: h5py.Group, path: str, names: tuple[str, ...]
) -> Iterator[tuple[str, tuple[str, ...], list[h5py.Dataset]]]:
    """Yields (path, names from the outermost layer inwards, variables in order)."""
    for key, item in group.items():
        if key == "vars" or not isinstance(item, h5py.Group):
            continue
        inner, inner_path = names, f"{path}/{key}"
        if "vars" in item:
            if "name" in item["vars"].attrs:
                inner = (*names, str(item["vars"].attrs["name"]))
            if len(item["vars"]):
                ordered = sorted(item["vars"].items(), key=lambda pair: int(pair[0]))
                yield inner_path, inner, [variable for _, variable in ordered]
        yield from _variable_groups(
            item, inner_path.replace("_layer_checkpoint_dependencies", "layers"), inner
        )


def _innermost(names: tuple[str, ...], known: _Known) -> str:
    """Returns the innermost name that is a layer of the model, else the innermost."""
    return next((n for n in reversed(names) if n in known.layers), names[-1])


def _usual_names(ranks: list[int]) -> list[str]:
    """Returns names for the variables of a layer that the model doesn't have."""
    if ranks == [1, 1, 1, 1]:
        return ["gamma", "beta", "moving_mean", "moving_variance"]
    if ranks == [1, 1]:
        return ["gamma", "beta"]
    if ranks[1:] in ([], [1]) and ranks[0] > 1:
        return ["kernel", "bias"][: len(ranks)]
    return [f"vars{i}" for i in range(len(ranks))]


def _layers_by_order(groups, model: keras.Model | None) -> dict[str, str]:
    """Returns path -> layer name for a file without names.

    Such files know a layer by its class and its rank among the layers of that class.
    The rank differs between the modes; only the very same structure can be trusted.
    """
    again = (
        "load it in the mode and with the configuration it was written in, or write it "
        "again in the old layout with keras_model.save_weights('weights.h5')"
    )
    if model is None:
        raise _UnreadableError(
            f"a file of an early Keras 3, without names of layers; {again}"
        )
    places = {path: layer for path, layer in _places(model, "") if layer.weights}
    layer_of, seen = {}, set()
    for path, _, variables in groups:
        place = next((p for p in places if f"{path}/".startswith(f"{p}/")), None)
        if place is not None:
            layer_of[path] = places[place].name
            seen.add(place)
            expected = [tuple(w.shape) for w in parameters(places[place])]
            if path == place and [v.shape for v in variables] != expected:
                place = None
        if place is None:
            break
    else:
        if seen == set(places):
            return layer_of
    raise _UnreadableError(
        "a file of an early Keras 3, without names of layers, whose layers are not in "
        f"the order of this model; {again}"
    )


def _places(
    model: keras.Model, prefix: str
) -> Iterator[tuple[str, keras.layers.Layer]]:
    """Yields (path in a Keras 3 file, layer) of all layers that are no models."""
    counts: dict[str, int] = {}
    for layer in model.layers:
        words = r"(?<=.)(?=[A-Z][a-z])|(?<=[a-z])(?=[A-Z])"
        key = re.sub(words, "_", type(layer).__name__).lower()
        rank = counts[key] = counts.get(key, -1) + 1
        path = f"{prefix}layers/{key}_{rank}" if rank else f"{prefix}layers/{key}"
        if isinstance(layer, keras.Model):
            yield from _places(layer, f"{path}/")
        else:
            yield path, layer
