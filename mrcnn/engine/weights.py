"""Weight files in the HDF5 layout that the old packages write and read.

The file's attribute `layer_names` lists the groups; the attribute `weight_names` of a
group lists its tensors in order, each stored under `<group>/<layer>/<variable>:0`.
A nested model (rpn_model) is one group with the tensors of all its layers.
"""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import NamedTuple

import h5py
import keras
import numpy as np

from mrcnn.engine.layers import leaf_layers


class WeightsReport(NamedTuple):
    """What became of each tensor; names are "layer/variable".

    Attributes:
        matched: loaded.
        excluded: in the model, left out on request.
        missing: in the model, not in the file.
        unexpected: in the file, not in the model.
        mismatched: (name, shape in the file, shape in the model).
    """

    matched: list[str]
    excluded: list[str]
    missing: list[str]
    unexpected: list[str]
    mismatched: list[tuple[str, tuple, tuple]]

    def summary(self) -> str:
        """Returns one line of counts."""
        return (
            f"{len(self.matched)} tensors loaded, {len(self.excluded)} excluded, "
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
        for weight in layer.weights:
            name = f"{layer.name}/{weight.name}"
            if is_seed(weight):
                continue
            if name in tensors:
                raise ValueError(
                    f"model_tensors(): two variables are called {name}; weight files "
                    "know a variable by layer and name. Give the layers different "
                    "names; instead of a layer made of layers use a keras.Model."
                )
            tensors[name] = weight
    return tensors


def is_seed(weight: keras.Variable) -> bool:
    """Tells whether a variable is the state of a random generator."""
    return weight.path.endswith("seed_generator_state")


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Gives a temporary path beside `path` that becomes `path` when all went well.

    Whoever reads `path` sees the old file or the whole new one, also when the process
    is killed on the way.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    temporary = path.with_name(f".{path.name}.{os.getpid()}.tmp")
    try:
        yield temporary
        os.replace(temporary, path)
    finally:
        temporary.unlink(missing_ok=True)


def save_weights(model: keras.Model, path: str | os.PathLike) -> None:
    """Writes the weights of all layers to an HDF5 file in the old layout.

    Args:
        model: a Keras model.
        path: the file; written under a temporary name first, then renamed.
    """
    groups: dict[str, list] = {layer.name: [] for layer in model.layers}
    for parents, layer in leaf_layers(model):
        group = groups[parents[0] if parents else layer.name]
        group += [
            (f"{layer.name}/{w.name}:0", np.asarray(w))
            for w in layer.weights
            if not is_seed(w)
        ]
    with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
        file.attrs["layer_names"] = _as_bytes(groups)
        file.attrs["backend"] = np.bytes_("tensorflow")
        file.attrs["keras_version"] = np.bytes_(keras.__version__)
        for name, tensors in groups.items():
            group = file.create_group(name)
            group.attrs["weight_names"] = _as_bytes(tensor for tensor, _ in tensors)
            for tensor, value in tensors:
                group.create_dataset(tensor, data=value)


def read_weights(path: str | os.PathLike) -> dict[str, np.ndarray]:
    """Returns the tensors of an HDF5 weight file by "layer/variable".

    Files of whole models (weights under `model_weights`) are read too.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is not a readable HDF5 weight file.
    """
    path = Path(path)
    if not path.is_file():
        raise FileNotFoundError(
            f"load_weights(path={str(path)!r}): there is no such file."
        )
    tensors = {}
    try:
        with h5py.File(path, "r") as file:
            root = file["model_weights"] if "model_weights" in file else file
            for layer_name in _texts(root.attrs["layer_names"]):
                group = root[layer_name]
                for weight_name in _texts(group.attrs["weight_names"]):
                    parts = weight_name.split("/")
                    layer = parts[-2] if len(parts) > 1 else layer_name
                    variable = parts[-1].removesuffix(":0")
                    tensors[f"{layer}/{variable}"] = np.asarray(group[weight_name])
    except (OSError, KeyError) as error:
        raise ValueError(
            f"load_weights(path={str(path)!r}): not a complete HDF5 weight file "
            f"({error}); download or save it again."
        ) from error
    return tensors


def load_weights(
    model: keras.Model,
    path: str | os.PathLike,
    exclude: Iterable[str] = (),
    strict: bool = True,
) -> WeightsReport:
    """Loads an HDF5 weight file by layer name; all or nothing.

    Args:
        model: a Keras model; unchanged when an error is raised.
        path: a file in the old layout.
        exclude: names of layers, or of the models around them, that keep their present
            weights.
        strict: whether a missing or mis-shaped tensor is an error.

    Returns:
        A WeightsReport.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file can't be read; or strict, and the model needs a tensor
            that the file lacks or has in another shape; or nothing matches at all.
    """
    tensors = read_weights(path)
    exclude = set([exclude] if isinstance(exclude, str) else exclude)
    variables = model_tensors(model)
    names_of = {layer.name: {layer.name, *above} for above, layer in leaf_layers(model)}
    if unknown := sorted(exclude.difference(*names_of.values())):
        raise ValueError(
            f"load_weights(exclude={unknown}): the model has no such layers; see "
            "model.get_trainable_layers() for those with weights."
        )
    report = WeightsReport([], [], [], [], [])
    for name, variable in variables.items():
        if exclude & names_of[name.split("/")[0]]:
            report.excluded.append(name)
        elif name not in tensors:
            report.missing.append(name)
        elif tuple(tensors[name].shape) != tuple(variable.shape):
            shapes = tuple(tensors[name].shape), tuple(variable.shape)
            report.mismatched.append((name, *shapes))
        else:
            report.matched.append(name)
    report.unexpected.extend(name for name in tensors if name not in variables)
    faults = _faults(report)
    if faults and (strict or not report.matched):
        raise ValueError(f"load_weights(path={str(path)!r}): {faults}")
    for name in report.matched:
        variables[name].assign(tensors[name])
    return report


def _faults(report: WeightsReport) -> str:
    """Returns what keeps a file from filling the model, with the remedy, or ""."""
    if not report.missing and not report.mismatched:
        return ""
    lines = []
    if report.missing:
        shown = ", ".join(report.missing[:8])
        more = f" and {len(report.missing) - 8} more" if report.missing[8:] else ""
        lines.append(f"the file has no {shown}{more}.")
    for name, in_file, in_model in report.mismatched[:8]:
        lines.append(f"{name} is {in_file} in the file, {in_model} in the model.")
    names = [*report.missing, *(name for name, *_ in report.mismatched)]
    layers = list(dict.fromkeys(name.split("/")[0] for name in names))
    if len(layers) <= 8:
        lines.append(f"To keep the present weights of these: exclude={layers}.")
    else:
        lines.append("It was written for another architecture: check BACKBONE.")
    return " ".join(lines)


def _as_bytes(names: Iterable[str]) -> np.ndarray:
    """Returns names as fixed-length bytes: old readers call `decode` on each."""
    return np.array([name.encode() for name in names], dtype="S")


def _texts(values) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else str(v) for v in values]
