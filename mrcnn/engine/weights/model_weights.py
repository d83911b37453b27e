"""Gives a model tensors by name, all or nothing; saves its weights in the old layout.

Tensors are known by "layer/variable". Either everything that the model needs is there
and is loaded, or the model stays as it was and the error says what is missing.
"""

from __future__ import annotations

import os
import re
import warnings
from collections.abc import Collection, Iterable, Mapping
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.engine.layer_groups import HEADS, leaf_layers, parameters
from mrcnn.engine.weights.hdf5_files import write_hdf5, write_tensor

# Layers whose shapes follow NUM_CLASSES -> outputs of a class. `mrcnn_bbox` reshapes
# and has no weights; old scripts name it all the same.
_OUTPUTS_PER_CLASS = {"mrcnn_class_logits": 1, "mrcnn_bbox_fc": 4, "mrcnn_mask": 1}
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]

# What changes the shapes of many heads at once; fpn_* are the inputs of all others.
_HEAD_SIZES = {"fpn_": "TOP_DOWN_PYRAMID_SIZE", "mrcnn_mask_": "MASK_HEAD_CHANNELS"}

# The layout is that of Keras 2: readers that ask for the version do what fits it.
_LAYOUT_VERSION = b"2.15.0"
# HDF5 can't hold more in an attribute; Keras splits its lists at the same size.
_MAX_ATTRIBUTE_BYTES = 64512


class WeightsReport(NamedTuple):
    """What became of each tensor; names are "layer/variable".

    Attributes:
        matched: loaded.
        excluded: in the model, left out on request.
        missing: in the model, not in the file.
        unexpected: in the file, not in the model.
        mismatched: (name, shape in the file, shape in the model).
        adapted: loaded after a change, as a first convolution for other channels.
    """

    matched: list[str]
    excluded: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[tuple[str, tuple, tuple]]
    adapted: list[str] = []

    def summary(self) -> str:
        """Returns one line of counts."""
        adapted = f" ({len(self.adapted)} adapted)" if self.adapted else ""
        return (
            f"{len(self.matched)} tensors loaded{adapted}, "
            f"{len(self.excluded)} excluded, "
            f"{len(self.missing)} missing, {len(self.unexpected)} unexpected, "
            f"{len(self.mismatched)} of another shape"
        )


def model_tensors(model: keras.Model) -> dict[str, keras.Variable]:
    """Returns the variables of all layers by "layer/variable", seeds left out.

    Raises:
        ValueError: two variables have one name (a layer made of layers, or two layers
            of one name), which the file layout can't hold.
    """
    tensors: dict[str, keras.Variable] = {}
    for _, layer in leaf_layers(model):
        for weight in parameters(layer):
            name = f"{layer.name}/{weight.name}"
            if name in tensors:
                raise ValueError(
                    f"model_tensors(): two variables are called {name}; weight files "
                    "know a variable by layer and name. Give the layers different "
                    "names; instead of a layer made of layers use a keras.Model."
                )
            tensors[name] = weight
    return tensors


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights of all layers to an HDF5 file that the old packages read.

    The file's attribute `layer_names` lists the groups; the attribute `weight_names` of
    a group its tensors in the order of Keras 2 (those that can train first), each
    stored under `<group>/<layer>/<variable>:0`. A nested model is one group.

    Args:
        model: a Keras model.
        path: the file; written under a temporary name first, then renamed. Each tensor
            has an attribute `checksum`, which reading compares.

    Raises:
        OSError: it could not be written, and what was there stays.
    """
    model_tensors(model)  # an error where two tensors would have one name
    groups: dict[str, list] = {layer.name: [] for layer in model.layers}
    for parents, layer in leaf_layers(model):
        outermost = (*parents, layer.name)[0]
        groups[outermost] += [(layer, weight) for weight in parameters(layer)]
    with write_hdf5(path, f"save_weights({str(path)!r})") as file:
        _write_names(file, "layer_names", groups)
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(_LAYOUT_VERSION)
        for name, weights in groups.items():
            # The statistics of BatchNorm never train, whatever is frozen at present.
            weights.sort(key=lambda pair: pair[1].name.startswith("moving_"))
            names = [f"{layer.name}/{weight.name}:0" for layer, weight in weights]
            group = file.create_group(name)
            _write_names(group, "weight_names", names)
            for tensor, (_, weight) in zip(names, weights, strict=True):
                value = np.asarray(weight)
                # Old NumPy knows no bfloat16.
                is_known = value.dtype.kind in "fiub"
                value = value if is_known else value.astype(np.float32)
                write_tensor(group, tensor, value)


def assign_tensors(
    model: keras.Model,
    tensors: Mapping[str, np.ndarray],
    *,
    function: str = "assign_tensors()",
    exclude: Collection[str] = (),
    strict: bool = True,
    needed: Collection[str] | None = None,
    adapted: Collection[str] = (),
    stacklevel: int = 2,
) -> WeightsReport:
    """Gives a model the tensors of its names, all or nothing; returns what it did.

    Args:
        model: a Keras model; unchanged when an error is raised.
        tensors: arrays by "layer/variable".
        function: "name(argument=value)" of what the user called, for messages.
        exclude: names of layers, or of the models around them, that keep their present
            weights; also layers that only the file has.
        strict: False loads what fits and warns of the rest.
        needed: names of the layers that must be filled; what other layers lack is no
            error, nor are tensors that the model has no place for. None means that file
            and model must be of one structure.
        adapted: names of tensors that were changed on the way, for the report.
        stacklevel: that of warnings; 2 is the caller.

    Raises:
        ValueError: strict, and a needed tensor is missing, one has another shape, or
            the model has no place for one; an excluded layer doesn't exist; or nothing
            matches at all.
    """
    exclude = set(exclude)
    around = {layer.name: {layer.name, *above} for above, layer in leaf_layers(model)}
    if unknown := exclude.difference(*around.values(), map(_layer, tensors)):
        raise ValueError(
            f"load_weights(exclude={sorted(unknown)}): neither model nor file has such "
            "layers; see model.get_trainable_layers() for those with weights."
        )

    variables = model_tensors(model)
    report = WeightsReport([], [], [], [], [], [])
    for name, variable in variables.items():
        if exclude & around[_layer(name)]:
            report.excluded.append(name)
        elif name not in tensors:
            report.missing.append(name)
        elif (found := tensors[name].shape) != (wanted := tuple(variable.shape)):
            report.mismatched.append((name, found, wanted))
        else:
            report.matched.append(name)
            if name in adapted:
                report.adapted.append(name)
    left_over = (name for name in tensors if name not in variables)
    report.unexpected.extend(n for n in left_over if _layer(n) not in exclude)

    faults = _faults(report, variables, around, needed)
    if not report.matched:
        raise ValueError(
            f"{function}: nothing in it fits the model, whose tensors are called "
            f"{list(variables)[:3]}, its own {list(tensors)[:3]}; pass a file written "
            "for this architecture."
        )
    if faults and strict:
        raise ValueError(f"{function}: {faults}")
    if faults:
        warnings.warn(f"{function}: loaded what fits; {faults}", stacklevel=stacklevel)
    # All values are converted before the first is assigned: nothing fails in between.
    values = {n: np.asarray(tensors[n], variables[n].dtype) for n in report.matched}
    if broken := [n for n, value in values.items() if not np.isfinite(value).all()]:
        warnings.warn(
            f"{function}: not all values are finite in {', '.join(broken)}; the "
            "training diverged, take an earlier checkpoint.",
            stacklevel=stacklevel,
        )
    for name, value in values.items():
        variables[name].assign(value)
    return report


def _layer(name: str) -> str:
    return name.split("/")[0]


def _faults(
    report: WeightsReport,
    variables: Collection[str],
    around: Mapping[str, set[str]],
    needed: Collection[str] | None,
) -> str:
    """Returns what keeps the tensors from filling the model, with the remedy, or ""."""
    missing, unexpected = report.missing, report.unexpected
    if needed is not None:
        missing = [n for n in missing if around[_layer(n)] & set(needed)]
        unexpected = []
    # Old graphs keep constants, as the anchors, in layers that hold no weights here.
    without_weights = around.keys() - set(map(_layer, variables))
    unexpected = [n for n in unexpected if _layer(n) not in without_weights]
    names = [*missing, *(name for name, *_ in report.mismatched), *unexpected]
    layers = list(dict.fromkeys(map(_layer, names)))
    if not layers:
        return ""
    if report.mismatched and _OUTPUTS_PER_CLASS.keys() >= set(layers):
        lines = [_other_classes(*report.mismatched[0])]
    elif len(layers) <= 8:
        lines = [
            "file and model differ. To keep the present weights of these layers: "
            f"exclude={layers}."
        ]
    else:
        lines = [
            f"written for another architecture, {len(layers)} layers differ; check "
            f"{_suspect(layers)}, or load what fits with strict=False."
        ]
    if missing:
        lines.append(f"The file has no {', '.join(missing)}.")
    for name, in_file, in_model in report.mismatched:
        lines.append(f"{name} is {in_file} in the file, {in_model} in the model.")
    if unexpected:
        lines.append(f"The model has no place for {', '.join(unexpected)}.")
    return " ".join(lines)


def _suspect(layers: Collection[str]) -> str:
    """Returns the attributes of Config that make many layers differ."""
    are_heads = all(re.fullmatch(HEADS, layer) for layer in layers)
    for prefix, attribute in _HEAD_SIZES.items():
        if are_heads and any(layer.startswith(prefix) for layer in layers):
            return attribute
    return "BACKBONE and NORM"


def _other_classes(name: str, in_file: tuple, in_model: tuple) -> str:
    """Returns the sentence for a file of another number of classes."""
    outputs = _OUTPUTS_PER_CLASS[_layer(name)]
    return (
        f"the file has {in_file[-1] // outputs} classes, the model NUM_CLASSES = "
        f"{in_model[-1] // outputs} (background included). To train heads for the new "
        f"classes on the other weights: exclude={CLASS_LAYERS}."
    )


def _write_names(group: h5py.Group, key: str, names: Iterable[str]) -> None:
    """Writes names as fixed-length bytes: old readers call `decode` on each."""
    values = np.array([name.encode() for name in names], dtype="S")
    per_part = _MAX_ATTRIBUTE_BYTES // values.itemsize
    if len(values) <= per_part:
        group.attrs[key] = values
        return
    for i, start in enumerate(range(0, len(values), per_part)):
        group.attrs[f"{key}{i}"] = values[start : start + per_part]
