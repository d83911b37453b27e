"""feature_shapes: how large the feature maps P2, P3, ... of an image are."""

from __future__ import annotations

import numpy as np


def feature_shapes(config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Returns (height, width) of P2, P3, ... for an image: int [levels, 2].

    `config.COMPUTE_BACKBONE_SHAPE(config, image_shape)` decides where it is set.

    Args:
        config: a Config.
        image_shape: (height, width, ...) of the model image, px.

    Raises:
        ValueError: COMPUTE_BACKBONE_SHAPE returned something else.
    """
    strides = np.reshape(config.BACKBONE_STRIDES, (-1, 1))
    if config.COMPUTE_BACKBONE_SHAPE is None:
        return np.ceil(np.array(image_shape[:2]) / strides).astype(np.int64)
    shapes = config.COMPUTE_BACKBONE_SHAPE(config, image_shape)
    try:
        sides = np.asarray(shapes, dtype=np.float64)
    except (TypeError, ValueError):  # ragged, or no numbers
        sides = np.empty(0)
    is_whole = (sides == np.trunc(sides)) & (sides >= 1) & np.isfinite(sides)
    if sides.shape != (len(strides), 2) or not is_whole.all():
        raise ValueError(
            f"COMPUTE_BACKBONE_SHAPE(config, image_shape={tuple(image_shape)}): "
            f"must return whole numbers [[height, width], ...] of P2, P3, ..., one "
            f"pair for each of the {len(strides)} BACKBONE_STRIDES; received "
            f"{shapes!r}."
        )
    return sides.astype(np.int64)
