"""Finds values of a Config from the shapes of the tensors in a weight file."""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import numpy as np

# Last block of stage 4 -> backbone (Deep Residual Learning 1512.03385 table 1).
_BACKBONES = {
    "res4b_branch2a/kernel": "resnet18",
    "res4f_branch2a/kernel": "resnet50",
    "res4w_branch2a/kernel": "resnet101",
}
# Value -> (tensor, axis of its shape).
_SIZES = {
    "IMAGE_CHANNEL_COUNT": ("conv1/kernel", 2),
    "BACKBONE_WIDTH": ("conv1/kernel", 3),
    "TOP_DOWN_PYRAMID_SIZE": ("fpn_p2/kernel", 3),
    "RPN_CHANNELS": ("rpn_conv_shared/kernel", 3),
    "NUM_CLASSES": ("mrcnn_class_logits/kernel", 1),
    "FPN_CLASSIF_FC_LAYERS_SIZE": ("mrcnn_class_conv1/kernel", 3),
    "POOL_SIZE": ("mrcnn_class_conv1/kernel", 0),
    "MASK_HEAD_CHANNELS": ("mrcnn_mask_conv1/kernel", 3),
}
_ANCHORS = "rpn_class_raw/kernel"


def config_values(tensors: Mapping[str, np.ndarray]) -> dict[str, Any]:
    """Returns names and values of the Config attributes that follow from shapes.

    Others don't change a shape: sizes of images and anchors, MEAN_PIXEL, ROI_OP and
    all of training and detection.

    Args:
        tensors: by "layer/variable", as `weight_files.read_weights` gives them.
    """
    values: dict[str, Any] = {}
    blocks = [n for n in tensors if re.fullmatch(r"res4[a-z]_branch2a/kernel", n)]
    if backbone := _BACKBONES.get(max(blocks, default="")):
        values["BACKBONE"] = backbone
    for name, (tensor, axis) in _SIZES.items():
        shape = np.shape(tensors.get(tensor, 0))
        if len(shape) > axis:
            values[name] = int(shape[axis])
    if "bn_conv1/gamma" in tensors:
        is_batch = "bn_conv1/moving_variance" in tensors
        values["NORM"] = "batch" if is_batch else "group"
    return values


def anchors_per_cell(tensors: Mapping[str, np.ndarray]) -> int | None:
    """Returns how many anchors a cell has: scales of a level times ratios.

    Args:
        tensors: by "layer/variable".
    """
    shape = np.shape(tensors.get(_ANCHORS, 0))
    # Two logits an anchor.
    return int(shape[-1]) // 2 if len(shape) == 4 else None
