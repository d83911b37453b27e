"""Fetches the ImageNet weights of keras.applications and changes them for our ResNets.

Their files name the layers otherwise, and were trained on images in BGR with another
BatchNorm epsilon. `convert` changes names and numbers so that our backbone gives the
same features for an RGB image. What weights can't change is the padding of the stem's
pooling: they were trained with STEM_POOL = "pad".
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import numpy as np

from mrcnn.data import cache_dir, download, find_fault
from mrcnn.nn.backbones import STAGE_BLOCKS

# What keras.applications.resnet.preprocess_input subtracts, in our order.
MEAN_RGB = (123.68, 116.779, 103.939)
# Of keras.applications' BatchNormalization layers.
APPLICATIONS_EPSILON = 1.001e-5
BASE_URL = "https://storage.googleapis.com/tensorflow/keras-applications/resnet/"
# The md5 of the file without the classifier, by backbone.
HASHES = {
    "resnet50": "4d473c1dd8becc155b73f8504c6f6626",
    "resnet101": "88cf7a10940856eca736dc7b7e228a21",
}
# Convolutions of a block there, branches here; 0 is the shortcut.
_BRANCHES = {0: "1", 1: "2a", 2: "2b", 3: "2c"}
# Layers with weights that files with the classifier hold in addition.
_CLASSIFIER = {"predictions", "probs", "fc1000"}


def layer_table(backbone: str) -> dict[str, str]:
    """Returns our names of the layers with weights by those in keras.applications.

    Args:
        backbone: "resnet50" or "resnet101".
    """
    table = {"conv1_conv": "conv1", "conv1_bn": "bn_conv1"}
    for stage, num_blocks in enumerate(STAGE_BLOCKS[backbone], 2):
        for ix in range(num_blocks):
            for number, branch in _BRANCHES.items():
                if number == 0 and ix > 0:
                    continue  # identity blocks
                theirs = f"conv{stage}_block{ix + 1}_{number}"
                ours = f"{stage}{chr(ord('a') + ix)}_branch{branch}"
                table[f"{theirs}_conv"] = f"res{ours}"
                table[f"{theirs}_bn"] = f"bn{ours}"
    return table


def is_applications_file(tensors: Mapping[str, np.ndarray]) -> bool:
    """Returns whether tensors by "layer/variable" have names of keras.applications."""
    return "conv1_conv/kernel" in tensors


def check_architecture(
    tensors: Mapping[str, np.ndarray],
    backbone: str,
    function: str = "check_architecture()",
) -> None:
    """Checks that a file of keras.applications holds a backbone, layer for layer.

    Args:
        tensors: arrays by "layer/variable".
        backbone: "resnet50" or "resnet101".
        function: "name(argument=value)" of what the user called, for the message.

    Raises:
        ValueError: another depth, or another kind of ResNet.
    """
    wanted = set(layer_table(backbone))
    found = {name.split("/")[0] for name in tensors} - _CLASSIFIER
    if found == wanted:
        return
    if held := [other for other in HASHES if found == set(layer_table(other))]:
        what = f"it holds {held[0]}"
    elif lacking := sorted(wanted - found):
        what = f"it has no layer {lacking[0]}"
    else:
        what = f"it has a layer {min(found - wanted)}"
    raise ValueError(
        f"{function}: the file isn't the {backbone} of keras.applications: {what}. "
        'load_weights("imagenet") takes the right one; or set BACKBONE to that of the '
        "file."
    )


def convert(
    tensors: Mapping[str, np.ndarray], backbone: str, epsilon: float = 1e-3
) -> dict[str, np.ndarray]:
    """Returns tensors of keras.applications under our names, for RGB images.

    - The first kernel's input channels turn from BGR to RGB.
    - gamma / sqrt(variance + their epsilon) stays what it is with ours: gamma changes.

    Layers that the table doesn't know (the classifier) keep their names.

    Args:
        tensors: float arrays by "layer/variable", of a file or a model.
        backbone: "resnet50" or "resnet101".
        epsilon: that of the BatchNorm layers which the result is for.
    """
    table, converted = layer_table(backbone), {}
    for name, value in tensors.items():
        layer, _, variable = name.partition("/")
        value = np.asarray(value)
        variance = tensors.get(f"{layer}/moving_variance")
        if name == "conv1_conv/kernel":
            value = bgr_to_rgb(value)
        elif variable == "gamma" and variance is not None:
            ratio = np.asarray(variance, np.float64) + epsilon
            ratio /= np.asarray(variance) + APPLICATIONS_EPSILON
            value = (value * np.sqrt(ratio)).astype(value.dtype)
        converted[f"{table.get(layer, layer)}/{variable}"] = value
    return converted


def bgr_to_rgb(kernel: np.ndarray) -> np.ndarray:
    """Returns a first kernel [h, w, 3, n] for images with their channels turned."""
    return np.ascontiguousarray(kernel[:, :, ::-1])


def adapt_first_convolution(kernel: np.ndarray, channels: int) -> np.ndarray:
    """Returns a kernel for images of another number of channels than three.

    The sum over the input channels stays, so an image whose channels are all equal
    gives what it gave in RGB:

    - 1 channel: the sum of the three (a grey image gives what it gave in RGB).
    - 2 channels: their average for both, times 3 / 2.
    - 4 or more: the three, then their average for each further one, times 3 / channels.

    Args:
        kernel: float [h, w, 3, n], RGB.
        channels: number of channels of the images, 1 or more.

    Returns:
        The kernel's dtype, [h, w, channels, n].
    """
    average = kernel.mean(axis=2, keepdims=True)
    parts = [kernel, *[average] * (channels - 3)]
    if channels < 3:
        parts = [average] * channels
    return (np.concatenate(parts, axis=2) * (3 / channels)).astype(kernel.dtype)


def check_config(config, function: str = "get_imagenet_weights()") -> None:
    """Checks that there are ImageNet weights for the backbone of a Config.

    Args:
        config: a Config.
        function: "name(argument=value)" of what the user called, for the message.

    Raises:
        ValueError: another backbone than ResNet-50 or 101, or with GroupNorm, or of
            another width.
    """
    backbone = config.BACKBONE
    if callable(backbone) or backbone not in HASHES:
        shown, advice = repr(backbone), 'NORM = "group" learns from scratch'
        if callable(backbone):
            shown = getattr(backbone, "__name__", type(backbone).__name__)
            advice = "load_weights(path) takes a file with the names of its own layers"
        raise ValueError(
            f"{function}: there are no ImageNet weights for BACKBONE={shown}, only for "
            f"{' and '.join(map(repr, HASHES))}. Take one of these; or, for this "
            f"backbone, {advice}."
        )
    for name, needed, why in (
        ("NORM", "batch", "they come with statistics of BatchNorm"),
        ("BACKBONE_WIDTH", 64, "they were trained with that width"),
    ):
        value = getattr(config, name)
        if value != needed:
            raise ValueError(
                f"{function}: ImageNet weights don't fit {name}={value!r}: {why}. Set "
                f"{name} = {needed!r}, or train without them."
            )


def imagenet_file(backbone: str, verbose: int = 1) -> Path:
    """Returns the weight file of a backbone, which is fetched unless it is there.

    The cache of Keras is looked into first; what is fetched goes to ours.

    Args:
        backbone: "resnet50" or "resnet101".
        verbose: 1 shows a progress bar.

    Raises:
        DownloadError: the file could not be downloaded.
    """
    name = f"{backbone}_weights_tf_dim_ordering_tf_kernels_notop.h5"
    md5 = HASHES[backbone]
    home = os.environ.get("KERAS_HOME") or Path("~", ".keras")
    of_keras = Path(home).expanduser() / "models" / name
    if of_keras.is_file() and find_fault(of_keras, md5=md5) is None:
        return of_keras
    return download(BASE_URL + name, cache_dir() / name, md5=md5, verbose=verbose)
