"""Images as the network takes them, and back."""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.images import add_mean, subtract_mean


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


def mold_mask(mask: np.ndarray, config):
    """Raises NotImplementedError: the old function was empty and returned None."""
    raise NotImplementedError(
        f"mold_mask(mask={np.shape(mask)}, config): the old package left it empty; "
        "call minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)."
    )
