"""Where weights come from: a path, an address or a word.

"coco" is the file of the old package, "imagenet" that of keras.applications for the
backbone in use, "last" the newest checkpoint of the configuration; the models that come
with the package are words too.
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

from mrcnn.data import COCO_MODEL_URL, download
from mrcnn.engine.inspection import log
from mrcnn.engine.layer_groups import HEADS, leaf_layers, parameters, weighted_layers
from mrcnn.engine.weights import imagenet
from mrcnn.engine.weights.bundled import is_shipped, shipped_file, shipped_words
from mrcnn.engine.weights.model_weights import (
    WeightsReport,
    assign_tensors,
    model_tensors,
)
from mrcnn.engine.weights.trained_with import differences
from mrcnn.engine.weights.weight_files import read_weights

logger = logging.getLogger("mrcnn")

WORDS = ("coco", "imagenet", "last")
# Of files of ResNet-50 with our names, as Keras distributed them until 2018: for BGR.
_OLD_KERAS_FILE = "tf_dim_ordering_tf_kernels"
_FIRST_KERNEL = "conv1/kernel"


def resolve(mrcnn, filepath: str | os.PathLike) -> Path:
    """Returns the file behind what `MaskRCNN.load_weights` takes, fetched if need be.

    Args:
        mrcnn: a MaskRCNN; its config says which backbone and which runs.
        filepath: one of WORDS or of `shipped_words`, an address or a path.

    Raises:
        FileNotFoundError: there is no such file or checkpoint.
        DownloadError: the file could not be fetched.
        ValueError: "imagenet" with a backbone that has no such weights.
    """
    if filepath == "coco":
        return download(COCO_MODEL_URL)
    if filepath == "imagenet":
        return Path(mrcnn.get_imagenet_weights())
    if filepath == "last":
        return Path(mrcnn.find_last())
    if "://" in str(filepath):
        return download(str(filepath))
    if isinstance(filepath, str) and filepath in shipped_words():
        return shipped_file(filepath)
    path = Path(filepath)
    if not path.exists():
        words = ", ".join((*WORDS, *shipped_words()))
        raise FileNotFoundError(
            f"load_weights(filepath={str(filepath)!r}): there is no such file; give "
            f"its path, its address (https://...) or a word: {words}."
        )
    return path


def load(
    mrcnn,
    filepath: str | os.PathLike,
    exclude: Iterable[str] | None = None,
    strict: bool | None = None,
) -> tuple[WeightsReport, Path]:
    """Loads what `resolve` finds into a MaskRCNN; returns the report and the path.

    Warns where the Config isn't what the weights were trained with. The line that
    `load_file` logs is printed where nobody has set up logging.

    Args:
        mrcnn: a MaskRCNN.
        filepath: see `resolve`.
        exclude: names of layers that keep their present weights.
        strict: False loads what fits.

    Raises:
        FileNotFoundError, DownloadError: see `resolve`.
        ValueError: the file can't be read or doesn't fit; nothing was changed.
    """
    path = resolve(mrcnn, filepath)
    config, model = mrcnn.config, mrcnn.keras_model
    try:
        report, is_imagenet = load_file(
            model,
            path,
            exclude=exclude,
            strict=strict is None or bool(strict),
            config=config,
            is_printed=True,
            stacklevel=4,
        )
    except ValueError as error:
        if not is_shipped(path):
            raise
        raise ValueError(
            f"{error} These weights are of mrcnn.pretrained.{path.stem}_config()."
        ) from error
    for text in differences(path, is_imagenet, config):
        warnings.warn(f"load_weights({str(filepath)!r}): {text}", stacklevel=3)
    return report, path


def load_file(
    model: keras.Model,
    path: str | os.PathLike,
    *,
    exclude: Iterable[str] | None = None,
    strict: bool = True,
    config=None,
    is_printed: bool = False,
    stacklevel: int = 2,
) -> tuple[WeightsReport, bool]:
    """Loads a weight file of any origin; returns (report, whether of ImageNet).

    A file without heads, of keras.applications or of a classifier with our names,
    fills the backbone of a model to be trained and needs nothing else. A first kernel
    for RGB is adapted where the model has another number of channels; see
    `imagenet.adapt_first_convolution`. Logs one line.

    Args:
        model: a Keras model; unchanged when an error is raised.
        path: the file.
        exclude: names of layers that keep their present weights.
        strict: False loads what fits.
        config: the Config the model was made from; tells more in errors.
        is_printed: whether the line is printed where logging would not show it.
        stacklevel: that of warnings; 2 is the caller.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file can't be read or doesn't fit; or, strict, it has no heads
            and the model is for inference. Of ImageNet files that is a warning.
    """
    exclude = {exclude} if isinstance(exclude, str) else set(exclude or ())
    tensors, adapted = read_weights(path, model), []
    function = f"load_weights(filepath={str(path)!r})"
    # A backbone made with keras.applications has these names itself.
    is_imagenet = imagenet.is_applications_file(
        tensors
    ) and not imagenet.is_applications_file(model_tensors(model))
    if is_imagenet:
        if config is not None:
            imagenet.check_config(config, function)
        tensors = _converted(tensors, model, strict, function)
        adapted = [_FIRST_KERNEL, *(n for n in tensors if n.endswith("/gamma"))]
    needed, unfilled = None, []
    if _is_backbone_only(tensors, model):
        needed, unfilled = _backbone_layers(model), _heads_to_fill(model, exclude)
        _check_norms(model, tensors, function)
    is_old_file = needed and _OLD_KERAS_FILE in Path(path).name and not is_imagenet
    if is_old_file and np.ndim(tensors.get(_FIRST_KERNEL)) == 4:
        is_imagenet = True
        tensors[_FIRST_KERNEL] = imagenet.bgr_to_rgb(tensors[_FIRST_KERNEL])
        adapted.append(_FIRST_KERNEL)
    if (kernel := _adapted_kernel(tensors, model)) is not None:
        tensors[_FIRST_KERNEL] = kernel
        adapted = list(dict.fromkeys([_FIRST_KERNEL, *adapted]))
    without_heads = ""
    if unfilled and _is_for_inference(model):
        without_heads = (
            f"{function}: the file holds a backbone only; the heads are random, and so "
            "would be the detections. Load it into a model for training, train, then "
            "load the checkpoint"
        )
        if strict and not is_imagenet:
            raise ValueError(f"{without_heads}; or pass strict=False.")
    report = assign_tensors(
        model,
        tensors,
        source=str(path),
        exclude=exclude,
        strict=strict,
        needed=needed,
        adapted=[name for name in adapted if name.split("/")[0] not in exclude],
        stacklevel=stacklevel + 1,
    )
    if without_heads:
        warnings.warn(f"{without_heads}.", stacklevel=stacklevel)
    line = f"{path}: {report.summary()}"
    if unfilled:
        line += f"; not in the file, left as they are: {', '.join(unfilled)}"
    _tell(line, is_printed)
    return report, is_imagenet


def _tell(line: str, is_printed: bool) -> None:
    """Logs a line; prints it instead where nobody has set up logging, if it is to."""
    if logger.isEnabledFor(logging.INFO) and logger.hasHandlers():
        logger.info(line)
    elif is_printed and logger.level == logging.NOTSET:
        log(line)


def _is_head(layer_name: str) -> bool:
    return re.fullmatch(HEADS, layer_name) is not None


def _backbone_layers(model: keras.Model) -> set[str]:
    names = {layer.name for layer in weighted_layers(model)}
    return {name for name in names if not _is_head(name)}


def _heads_to_fill(model: keras.Model, exclude: set[str]) -> list[str]:
    """Returns the names of the heads with weights that are not excluded."""
    return [
        layer.name
        for parents, layer in leaf_layers(model)
        if _is_head(layer.name)
        and parameters(layer)
        and not exclude & {layer.name, *parents}
    ]


def _is_for_inference(model: keras.Model) -> bool:
    return any(layer.name == "mrcnn_detection" for layer in model.layers)


def _is_backbone_only(tensors, model: keras.Model) -> bool:
    layers = {name.split("/")[0] for name in tensors}
    return not any(map(_is_head, layers)) and bool(layers & _backbone_layers(model))


def _check_norms(model: keras.Model, tensors, function: str) -> None:
    """Refuses statistics of BatchNorm that a model with GroupNorm would do without."""
    for layer in weighted_layers(model):
        statistics = f"{layer.name}/moving_variance"
        if statistics in tensors and not hasattr(layer, "moving_variance"):
            raise ValueError(
                f"{function}: the model has no place for "
                f'{statistics}; set NORM = "batch", which the file was trained with.'
            )


def _converted(tensors, model: keras.Model, strict: bool, function: str) -> dict:
    """Returns the tensors of keras.applications under our names, for a model."""
    backbone, epsilon = _backbone_of(model, function)
    if strict:
        imagenet.check_architecture(tensors, backbone, function)
    return imagenet.convert(tensors, backbone, epsilon)


def _backbone_of(model: keras.Model, function: str) -> tuple[str, float]:
    """Returns the name of a model's backbone and the epsilon of its BatchNorm."""
    names = _backbone_layers(model)
    for backbone in imagenet.FILES:
        if names == set(imagenet.layer_table(backbone).values()):
            norm = model.get_layer("bn_conv1")
            if isinstance(norm, keras.layers.BatchNormalization):
                return backbone, norm.epsilon
    raise ValueError(
        f"{function}: the file holds ImageNet weights of keras.applications; the "
        f"model's backbone has to be {' or '.join(imagenet.FILES)} with BatchNorm."
    )


def _adapted_kernel(tensors, model: keras.Model) -> np.ndarray | None:
    """Returns the file's first kernel for the channels of the model, None if it fits.

    Only a kernel that differs in nothing but its three input channels is adapted; any
    other difference is one between architectures.
    """
    kernel = tensors.get(_FIRST_KERNEL)
    layers = [layer for layer in weighted_layers(model) if layer.name == "conv1"]
    if kernel is None or not layers or np.ndim(kernel) != 4:
        return None
    height, width, channels, filters = layers[0].kernel.shape
    if channels == 3 or kernel.shape != (height, width, 3, filters):
        return None
    return imagenet.adapt_first_convolution(kernel, channels)
