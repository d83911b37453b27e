"""Door: MaskRCNN and the names of the old `mrcnn.model`.

import mrcnn.model as modellib
from mrcnn.model import MaskRCNN, load_image_gt, mold_image, log
"""

from __future__ import annotations

import numpy as np

from mrcnn.data.generator import DataGenerator
from mrcnn.data.loading import load_image_gt
from mrcnn.engine.callbacks import TimeBudget
from mrcnn.engine.evaluation_callback import EvaluationCallback
from mrcnn.engine.inspection import log
from mrcnn.engine.mask_rcnn import MaskRCNN
from mrcnn.engine.training import NonFiniteLossError
from mrcnn.geometry.image_meta import (
    compose_image_meta,
    parse_image_meta,
)
from mrcnn.geometry.images import add_mean, subtract_mean
from mrcnn.nn.norms import BatchNorm
from mrcnn.nn.roi_align import PyramidROIAlign

__all__ = [
    "BatchNorm",
    "DataGenerator",
    "EvaluationCallback",
    "MaskRCNN",
    "NonFiniteLossError",
    "PyramidROIAlign",
    "TimeBudget",
    "compose_image_meta",
    "load_image_gt",
    "log",
    "mold_image",
    "parse_image_meta",
    "unmold_image",
]


def mold_image(images: np.ndarray, config) -> np.ndarray:
    """Returns images as float32 with MEAN_PIXEL subtracted.

    Args:
        images: number type [..., H, W, channels], 0..255.
        config: a Config.
    """
    return subtract_mean(images, config.MEAN_PIXEL)


def unmold_image(normalized_images: np.ndarray, config) -> np.ndarray:
    """Returns uint8 images with MEAN_PIXEL added again.

    Args:
        normalized_images: float32 [..., H, W, channels], as `mold_image` gives them.
        config: a Config.
    """
    return add_mean(normalized_images, config.MEAN_PIXEL)
