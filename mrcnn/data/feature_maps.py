"""How large the feature maps P2, P3, ... of an image are, and the anchors on them."""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.arguments import as_sides, check_attributes


def feature_shapes(config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Returns (height, width) of P2, P3, ... for an image: int [levels, 2].

    `config.COMPUTE_BACKBONE_SHAPE(config, image_shape)` decides where it is set.

    Args:
        config: a Config.
        image_shape: (height, width, ...) of the model image, px.

    Raises:
        ValueError: COMPUTE_BACKBONE_SHAPE returned something else.
    """
    where = "feature_shapes"
    names = ("BACKBONE_STRIDES", "COMPUTE_BACKBONE_SHAPE")
    check_attributes(config, f"{where}(config)", *names)
    sides = as_sides(image_shape, f"{where}(image_shape)")
    strides = np.reshape(config.BACKBONE_STRIDES, (-1, 1))
    if config.COMPUTE_BACKBONE_SHAPE is None:
        return np.ceil(np.array(sides) / strides).astype(np.int64)
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


def anchor_values(config) -> dict:
    """Returns what a Config says of anchors, by the arguments of `geometry.anchors`."""
    names = ("RPN_ANCHOR_SCALES", "RPN_ANCHOR_RATIOS", "BACKBONE_STRIDES")
    check_attributes(config, "anchor_values(config)", *names, "RPN_ANCHOR_STRIDE")
    return {
        "scales": config.RPN_ANCHOR_SCALES,
        "ratios": config.RPN_ANCHOR_RATIOS,
        "feature_strides": config.BACKBONE_STRIDES,
        "anchor_stride": config.RPN_ANCHOR_STRIDE,
    }


def pixel_anchors(config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Returns the anchors of a model image (H, W, ...): float64 [A, 4], px."""
    shapes = feature_shapes(config, image_shape)
    return generate_pyramid_anchors(feature_shapes=shapes, **anchor_values(config))
