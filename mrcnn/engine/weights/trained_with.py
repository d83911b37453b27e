"""Finds what should be otherwise in a Config for weights whose training is known.

Known are the file of the old package, ImageNet weights and the models that come with
the package. They load into a model of another Config, and then detect worse.
"""

from __future__ import annotations

import logging
from collections.abc import Sequence
from pathlib import Path

import numpy as np

from mrcnn.data import COCO_MODEL_URL
from mrcnn.engine.weights import imagenet
from mrcnn.engine.weights.bundled import bundled_run, is_bundled

logger = logging.getLogger("mrcnn")

_COCO_FILE = Path(COCO_MODEL_URL).name
# What the old package computed, which its weights were trained with.
_OF_THE_OLD_PACKAGE = {
    "STEM_POOL": "same",
    "ROI_OP": "crop",
    "ROI_LEVEL_ROUNDING": "round",
}
# A MEAN_PIXEL this far (0..255) from that of the weights is warned of. RGB
# taken for BGR is 20 away.
_FAR = 10.0
# What changes the features or the meaning of the outputs, and no shape of a tensor.
_UNSEEN_IN_SHAPES = (
    "STEM_POOL",
    "NORM_GROUPS",
    "BACKBONE_STRIDES",
    "RPN_ANCHOR_SCALES",
    "RPN_ANCHOR_RATIOS",
    "RPN_ANCHOR_STRIDE",
    "RPN_BBOX_STD_DEV",
    "BBOX_STD_DEV",
    "ROI_OP",
    "ROI_LEVEL_ROUNDING",
    "ROI_SAMPLING_RATIO",
    "ROI_REDUCE",
    "IMAGE_MIN_SCALE",
)
# Modes that neither shrink an image nor look at IMAGE_MAX_DIM.
_KEEP_SCALE = ("pad64", "crop")


def differences(path: Path, is_imagenet: bool, config) -> list[str]:
    """Returns sentences on what should be otherwise in a Config for a weight file.

    Args:
        path: the file; of those that come with the package the Config is known.
        is_imagenet: whether it holds weights of keras.applications.
        config: the Config of the model that has loaded it.
    """
    if is_bundled(path):
        return _differences_from_bundled(path.stem, config)
    is_coco = path.name == _COCO_FILE
    texts = []
    mean = np.asarray(config.MEAN_PIXEL, np.float64)
    if (is_imagenet or is_coco) and mean_offset(mean, imagenet.MEAN_RGB) > _FAR:
        expected = np.round(_for_channels(imagenet.MEAN_RGB, len(mean)), 1).tolist()
        text = (
            f"these weights expect images minus the mean {expected} (RGB, 0..255); "
            f"MEAN_PIXEL is {mean.tolist()}."
        )
        if len(mean) == 3 and mean_offset(mean[::-1], imagenet.MEAN_RGB) <= _FAR:
            text += " It is in the order BGR: turn it round."
        texts.append(text)
    for name, trained in _OF_THE_OLD_PACKAGE.items() if is_coco else ():
        value = getattr(config, name)
        # A backbone of the user's own has its own stem.
        is_unused = name == "STEM_POOL" and callable(config.BACKBONE)
        if value != trained and not is_unused:
            texts.append(
                f"these weights were trained with {name} = {trained!r}; {value!r} "
                "shifts their features."
            )
    if is_imagenet and config.STEM_POOL != "pad":
        logger.info(
            "ImageNet weights were trained with STEM_POOL = 'pad'; with %r, as in the "
            "old package, their features shift by up to a pixel until trained.",
            config.STEM_POOL,
        )
    return texts


def _for_channels(trained: Sequence[float], channels: int) -> Sequence[float]:
    """Returns a mean pixel of RGB for images of fewer channels: its average."""
    return trained if channels >= len(trained) else [np.mean(trained)] * channels


def mean_offset(mean: Sequence[float], trained: Sequence[float]) -> float:
    """Returns how far (0..255) a MEAN_PIXEL is at most from that of a training.

    Channels that the training hadn't may have any mean.
    """
    expected = _for_channels(trained, len(mean))
    return float(np.max(np.abs(np.subtract(mean[: len(expected)], expected))))


def _differences_from_bundled(name: str, config) -> list[str]:
    """Returns one sentence on the values that differ from those of a bundled model."""
    trained, values = bundled_run(name).config, config.to_dict()
    other = [key for key in _UNSEEN_IN_SHAPES if values[key] != trained[key]]
    if mean_offset(values["MEAN_PIXEL"], trained["MEAN_PIXEL"]) > _FAR:
        other.append("MEAN_PIXEL")
    mode = values["IMAGE_RESIZE_MODE"]
    if mode not in _KEEP_SCALE and mode != trained["IMAGE_RESIZE_MODE"]:
        other.append("IMAGE_RESIZE_MODE")
    elif mode != "crop" and values["IMAGE_MIN_DIM"] != trained["IMAGE_MIN_DIM"]:
        # Of crops it is the side.
        other.append("IMAGE_MIN_DIM")
    if not other:
        return []
    pairs = "; ".join(f"{key} = {values[key]}, not {trained[key]}" for key in other)
    return [
        f"the Config differs from that of the training ({pairs}): without further "
        f"training they detect worse than with mrcnn.pretrained.{name}_config()."
    ]
