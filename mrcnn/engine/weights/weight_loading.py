"""Loads a weight file into a model: reads it, makes it fit, fills the model, says so.

A file may hold a backbone only, as those of keras.applications do, or a first kernel
for another number of channels. `imagenet` changes such tensors, `model_weights` puts
them into the model.
"""

from __future__ import annotations

import logging
import os
import re
import warnings
from collections.abc import Iterable
from pathlib import Path

import keras
import numpy as np

from mrcnn.engine.inspection import log
from mrcnn.engine.layer_groups import HEADS, leaf_layers, parameters
from mrcnn.engine.weights import imagenet
from mrcnn.engine.weights.bundled import is_bundled
from mrcnn.engine.weights.model_weights import (
    WeightsReport,
    assign_tensors,
    model_tensors,
)
from mrcnn.engine.weights.trained_with import differences
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.engine.weights.weight_sources import fetch, find_source

logger = logging.getLogger("mrcnn")

_FIRST_KERNEL = "conv1/kernel"
# In the names of ResNet-50 files of our layer names, as Keras distributed them until
# 2018: they are for BGR.
_OLD_KERAS_FILE = "tf_dim_ordering_tf_kernels"


def load(
    mrcnn,
    filepath: str | os.PathLike,
    exclude: Iterable[str] | None = None,
    strict: bool | None = None,
) -> tuple[WeightsReport, Path]:
    """Finds the file that is meant and loads it into a MaskRCNN; returns both results.

    Args:
        mrcnn: a MaskRCNN; its config says which backbone and which runs.
        filepath: "imagenet", "last", or see `find_source`.
        exclude: names of layers that keep their present weights.
        strict: False loads what fits; None is True.

    Raises:
        FileNotFoundError: there is no such file or checkpoint.
        DownloadError: the file could not be downloaded.
        ValueError: the file can't be read or doesn't fit; nothing was changed. Or
            "imagenet", with a backbone that has no such weights.
    """
    if not isinstance(filepath, str | os.PathLike):
        raise TypeError(
            f"load_weights(filepath={filepath!r}): a path, an address or a word is "
            "needed."
        )
    if filepath == "imagenet":
        path = Path(mrcnn.get_imagenet_weights())
    elif filepath == "last":
        path = Path(mrcnn.find_last())
    else:
        argument = f"load_weights(filepath={str(filepath)!r})"
        path = fetch(find_source(filepath, argument, ("coco", "imagenet", "last")))
    try:
        report = load_file(
            mrcnn.keras_model,
            path,
            exclude=exclude,
            strict=strict is None or bool(strict),
            config=mrcnn.config,
            stacklevel=4,
        )
    except ValueError as error:
        if not is_bundled(path):
            raise
        raise ValueError(
            f"{error} These weights are of mrcnn.pretrained.{path.stem}_config()."
        ) from error
    return report, path


def load_file(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    exclude: Iterable[str] | None = None,
    strict: bool = True,
    config=None,
    stacklevel: int = 2,
) -> WeightsReport:
    """Loads a weight file of any origin, all or nothing; returns what became of it.

    A file without heads, of keras.applications or of a classifier with our names,
    fills the backbone of a model to be trained and needs nothing else. A first kernel
    for RGB is adapted where the model has another number of channels; see
    `imagenet.adapt_first_convolution`. Logs one line.

    Args:
        model: a Keras model; unchanged when an error is raised.
        path: the file.
        exclude: names of layers that keep their present weights.
        strict: False loads what fits.
        config: the Config the model was made from, for `MaskRCNN.load_weights`: then
            warnings say where it differs from that of the training, and the line is
            printed where nobody has set up logging.
        stacklevel: that of warnings; 2 is the caller.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file can't be read or doesn't fit; or, strict, it has no heads
            and the model is for inference. Of ImageNet files that is a warning.
    """
    exclude = {exclude} if isinstance(exclude, str) else set(exclude or ())
    function = f"load_weights(filepath={str(path)!r})"
    tensors, variables = read_weights(path, model), model_tensors(model)
    backbone = {layer for layer in _layers(variables) if not _is_head(layer)}
    adapted: set[str] = set()
    # A backbone made with keras.applications has these names itself.
    is_applications = imagenet.is_applications_file
    is_imagenet = is_applications(tensors) and not is_applications(variables)
    if is_imagenet:
        if config is not None:
            imagenet.check_config(config, function)
        architecture, epsilon = _architecture(model, backbone, function)
        if strict:
            imagenet.check_architecture(tensors, architecture, function)
        tensors = imagenet.convert(tensors, architecture, epsilon)
        adapted = {_FIRST_KERNEL, *(n for n in tensors if n.endswith("/gamma"))}

    # Of a file without heads the backbone has to be filled; the heads stay as they are.
    needed, unfilled = None, []
    if not any(map(_is_head, _layers(tensors))) and _layers(tensors) & backbone:
        needed = backbone
        unfilled = [
            layer.name
            for parents, layer in leaf_layers(model)
            if _is_head(layer.name)
            and parameters(layer)
            and not exclude & {layer.name, *parents}
        ]
        # A model with GroupNorm would do without statistics of BatchNorm.
        statistics = (n for n in tensors if n.endswith("/moving_variance"))
        lost = [n for n in statistics if n not in variables and _layers([n]) & backbone]
        if lost:
            raise ValueError(
                f"{function}: the model has no place for {lost[0]}; set "
                'NORM = "batch", which the file was trained with.'
            )

    kernel = tensors.get(_FIRST_KERNEL)
    is_old_file = needed and _OLD_KERAS_FILE in Path(path).name and not is_imagenet
    if is_old_file and np.ndim(kernel) == 4:
        is_imagenet = True
        tensors[_FIRST_KERNEL] = kernel = imagenet.bgr_to_rgb(kernel)
        adapted.add(_FIRST_KERNEL)
    wanted = tuple(getattr(variables.get(_FIRST_KERNEL), "shape", ()))
    # A kernel that differs in more than its channels is one of another architecture.
    for_rgb = (*wanted[:2], 3, *wanted[3:])
    if len(wanted) == 4 and np.shape(kernel) == for_rgb != wanted:
        tensors[_FIRST_KERNEL] = imagenet.adapt_first_convolution(kernel, wanted[2])
        adapted.add(_FIRST_KERNEL)

    if unfilled and any(layer.name == "mrcnn_detection" for layer in model.layers):
        text = (
            f"{function}: the file holds a backbone only; the heads are random, and so "
            "would be the detections. Load it into a model for training, train, then "
            "load the checkpoint"
        )
        if strict and not is_imagenet:
            raise ValueError(f"{text}; or pass strict=False.")
        warnings.warn(f"{text}.", stacklevel=stacklevel)
    report = assign_tensors(
        model,
        tensors,
        function=function,
        exclude=exclude,
        strict=strict,
        needed=needed,
        adapted=adapted,
        stacklevel=stacklevel + 1,
    )
    line = f"{path}: {report.summary()}"
    if unfilled:
        line += f"; not in the file, left as they are: {', '.join(unfilled)}"
    if logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
        logger.info(line)
    elif config is not None and logger.level == logging.NOTSET:
        log(line)
    if config is not None:
        for text in differences(Path(path), is_imagenet, config):
            warnings.warn(f"{function}: {text}", stacklevel=stacklevel)
    return report


def _layers(names: Iterable[str]) -> set[str]:
    """Returns the layers of tensors by "layer/variable"."""
    return {name.split("/")[0] for name in names}


def _is_head(layer_name: str) -> bool:
    return re.fullmatch(HEADS, layer_name) is not None


def _architecture(
    model: keras.Model, backbone: set[str], function: str
) -> tuple[str, float]:
    """Returns the name of a model's backbone and the epsilon of its BatchNorm."""
    for name in imagenet.HASHES:
        if backbone == set(imagenet.layer_table(name).values()):
            norm = model.get_layer("bn_conv1")
            if hasattr(norm, "moving_variance"):
                return name, norm.epsilon
    raise ValueError(
        f"{function}: the file holds ImageNet weights of keras.applications; the "
        f"model's backbone has to be {' or '.join(imagenet.HASHES)} with BatchNorm."
    )
