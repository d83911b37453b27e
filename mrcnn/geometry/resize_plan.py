"""Computes how an image is scaled, padded and cropped to the model's size."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrcnn.config_checks import SIDE_MULTIPLE
from mrcnn.geometry.arguments import as_number, as_rng, as_sides, as_whole

RESIZE_MODES = ("none", "square", "pad64", "crop")
MAX_DIM, MAX_SCALE = 1e6, 1e4  # px and factor: beyond any model image


class ResizePlan(NamedTuple):
    """How an image is resized: scaled to `shape`, then padded or cropped.

    Attributes:
        scale: factor from orig to px.
        shape: (height, width) of the scaled image, px.
        window: (y1, x1, y2, x2), px: the model image without its padding.
        padding: [(top, bottom), (left, right), (0, 0)], px.
        crop: (y, x, height, width) cut out of the scaled image, px; None: no crop.
    """

    scale: float
    shape: tuple[int, int]
    window: tuple[int, int, int, int]
    padding: list[tuple[int, int]]
    crop: tuple[int, int, int, int] | None


def scaled_shape(shape, scale: float) -> tuple[int, int]:
    """Returns the whole-numbered (height, width) after scaling, at least one pixel.

    >>> scaled_shape((333, 500, 3), 0.5)
    (166, 250)
    """
    height, width = shape[:2]
    return max(1, round(height * scale)), max(1, round(width * scale))


def plan_resize(
    shape,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    rng: np.random.Generator | int | None = None,
) -> ResizePlan:
    """Returns how an image of a given shape becomes a model image.

    In every mode but "none" the image is enlarged, never reduced, until its shorter
    side is `min_dim` and the factor is at least `min_scale`. Then:

    - "square": reduced until the longer side fits `max_dim`; padded to
      [max_dim, max_dim], the image in the middle.
    - "pad64": padded until both sides are multiples of 64. `max_dim` is not used.
    - "crop": a random [min_dim, min_dim] piece is cut out. `max_dim` is not used.
    - "none": nothing is done.

    Args:
        shape: (height, width, ...) of the original image.
        min_dim: px; None or 0: do not enlarge.
        max_dim: px, needed by "square".
        min_scale: smallest factor; None or 0: any.
        mode: one of RESIZE_MODES.
        rng: generator or seed that places the crop. None: a new place each time.

    Returns:
        ResizePlan.

    Raises:
        ValueError: if the mode is unknown or lacks the number it needs.

    >>> plan_resize((100, 200), min_dim=128, max_dim=192)[:3]
    (0.96, (96, 192), (48, 0, 144, 192))
    """
    height, width = as_sides(shape, "plan_resize(shape)")
    min_dim = _as_optional(as_whole, min_dim, "plan_resize(min_dim)", MAX_DIM)
    max_dim = _as_optional(as_whole, max_dim, "plan_resize(max_dim)", MAX_DIM)
    min_scale = _as_optional(as_number, min_scale, "plan_resize(min_scale)", MAX_SCALE)
    _check_plan(min_dim, max_dim, mode)
    no_padding = [(0, 0), (0, 0), (0, 0)]
    if mode == "none":
        return ResizePlan(1.0, (height, width), (0, 0, height, width), no_padding, None)

    scale = 1.0
    if min_dim:
        scale = max(scale, min_dim / min(height, width))
    if min_scale:
        scale = max(scale, min_scale)
    if mode == "square" and round(max(height, width) * scale) > max_dim:
        scale = max_dim / max(height, width)
    h, w = scaled_shape((height, width), scale)

    if mode == "crop":
        rng = as_rng(rng, "plan_resize(rng)")
        y = int(rng.integers(0, h - min_dim + 1))
        x = int(rng.integers(0, w - min_dim + 1))
        window = (0, 0, min_dim, min_dim)
        return ResizePlan(scale, (h, w), window, no_padding, (y, x, min_dim, min_dim))

    if mode == "square":
        full_h = full_w = max_dim
    else:
        full_h = -(-h // SIDE_MULTIPLE) * SIDE_MULTIPLE
        full_w = -(-w // SIDE_MULTIPLE) * SIDE_MULTIPLE
    top, left = (full_h - h) // 2, (full_w - w) // 2
    padding = [(top, full_h - h - top), (left, full_w - w - left), (0, 0)]
    return ResizePlan(scale, (h, w), (top, left, top + h, left + w), padding, None)


def _as_optional(check, value, where: str, high: float):
    """Returns a number from 0 on, or None."""
    return None if value is None else check(value, where, low=0, high=high)


def _check_plan(min_dim, max_dim, mode) -> None:
    """Raises ValueError if `plan_resize` cannot work with its arguments."""
    if not isinstance(mode, str) or mode not in RESIZE_MODES:
        raise ValueError(
            f"plan_resize(mode={mode!r}): unknown mode; use one of {RESIZE_MODES}."
        )
    if mode == "square" and not max_dim:
        raise ValueError(
            f"plan_resize(mode='square', max_dim={max_dim}): the side of the square is "
            f"needed; set max_dim (IMAGE_MAX_DIM)."
        )
    if mode == "crop" and not min_dim:
        raise ValueError(
            f"plan_resize(mode='crop', min_dim={min_dim}): the side of the crop is "
            f"needed; set min_dim (IMAGE_MIN_DIM)."
        )


def check_model_sides(shape, where: str) -> None:
    """Raises ValueError unless the network can take images of a shape.

    The pyramid halves the sides and adds the doubled halves to them again (FPN,
    arXiv:1612.03144, sec. 3), so no halving may have a remainder, whatever the
    backbone.

    Args:
        shape: (height, width, ...) of the model image, px.
        where: "function(argument)", named in the error.

    >>> check_model_sides((375, 500, 3), "f()")  # doctest: +ELLIPSIS
    Traceback (most recent call last):
        ...
    ValueError: f(): the resized image has 375 x 500 px (height x width), and ...
    """
    height, width = (int(side) for side in shape[:2])
    if height % SIDE_MULTIPLE or width % SIDE_MULTIPLE:
        raise ValueError(
            f"{where}: the resized image has {height} x {width} px (height x width), "
            f"and the network needs multiples of {SIDE_MULTIPLE}. Set "
            "IMAGE_RESIZE_MODE = 'pad64' (pads to the next multiples) or 'square' "
            "(with IMAGE_MAX_DIM a multiple)."
        )
