"""Images: from the size of a file to the size the model takes, and the mean color.

`plan_resize` decides with numbers only; `resize_image` does what the plan says, and
`masks.resize_mask` does the same to masks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

RESIZE_MODES = ("none", "square", "pad64", "crop")
# Every side must survive six halvings: P6 has stride 64.
SIDE_MULTIPLE = 64


class ResizePlan(NamedTuple):
    """What happens to an image: first scaled to `shape`, then padded or cropped.

    Attributes:
        scale: factor from orig to px.
        shape: (height, width) of the scaled image, px.
        window: (y1, x1, y2, x2), px: where the picture lies in the model image.
        padding: [(top, bottom), (left, right), (0, 0)], px.
        crop: (y, x, height, width) cut out of the scaled image, px; None: no crop.
    """

    scale: float
    shape: tuple[int, int]
    window: tuple[int, int, int, int]
    padding: list[tuple[int, int]]
    crop: tuple[int, int, int, int] | None


class ResizedImage(NamedTuple):
    """A resized image and how it was made; the fields are those of `ResizePlan`."""

    image: np.ndarray
    window: tuple[int, int, int, int]
    scale: float
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
      [max_dim, max_dim], the picture in the middle.
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
    _check_plan(shape, min_dim, max_dim, mode)
    height, width = (int(side) for side in shape[:2])
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
        rng = np.random.default_rng(rng)
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


def _check_plan(shape, min_dim, max_dim, mode) -> None:
    """Raises ValueError if `plan_resize` cannot work with its arguments."""
    if mode not in RESIZE_MODES:
        raise ValueError(
            f"plan_resize(mode={mode!r}): unknown mode; use one of {RESIZE_MODES}."
        )
    if len(shape) < 2 or min(shape[:2]) < 1:
        raise ValueError(
            f"plan_resize(shape={tuple(shape)}): an image of at least one pixel "
            f"[height, width, ...] is needed."
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
    if mode == "pad64" and min_dim and min_dim % SIDE_MULTIPLE:
        raise ValueError(
            f"plan_resize(mode='pad64', min_dim={min_dim}): must be a multiple of "
            f"{SIDE_MULTIPLE}."
        )


def resize(
    image,
    output_shape,
    order: int = 1,
    mode: str = "constant",
    cval: float = 0,
    clip: bool = True,
    preserve_range: bool = False,
    anti_aliasing: bool = False,
    anti_aliasing_sigma=None,
) -> np.ndarray:
    """Returns an image of another size: `skimage.transform.resize`, old defaults.

    No anti-aliasing, and zeros around the image: what the old weights saw. Boolean
    images are interpolated as 0.0 and 1.0.

    Args:
        image: [H, W] or [H, W, C].
        output_shape: (height, width) of the result.
        order: 0 nearest, 1 bilinear; see scikit-image for the others.
        mode: what lies outside the image.
        cval: the value outside, for mode "constant".
        clip: keep the result within the range of the image.
        preserve_range: keep 0..255; False: integers become 0..1.
        anti_aliasing: blur before reducing.
        anti_aliasing_sigma: px of the original image.

    Returns:
        [height, width] or [height, width, C], float unless `order` is 0.

    >>> resize(np.array([[0.0, 1.0]]), (1, 4)).tolist()
    [[0.0, 0.25, 0.75, 0.75]]
    """
    from skimage.transform import resize as skimage_resize

    image = np.asarray(image)
    if image.dtype == bool and order > 0:
        image = image.astype(np.float64)
    return skimage_resize(
        image,
        output_shape,
        order=order,
        mode=mode,
        cval=cval,
        clip=clip,
        preserve_range=preserve_range,
        anti_aliasing=anti_aliasing,
        anti_aliasing_sigma=anti_aliasing_sigma,
    )


def resize_image(
    image,
    min_dim: int | None = None,
    max_dim: int | None = None,
    min_scale: float | None = None,
    mode: str = "square",
    rng: np.random.Generator | int | None = None,
) -> ResizedImage:
    """Returns an image in model size; see `plan_resize` for the modes.

    Interpolation is bilinear; the result is cut to the dtype of the input (uint8:
    decimals are dropped, as the old package did), and padding is 0.

    Args:
        image: [H0, W0, C] or [H0, W0], any dtype, orig.
        min_dim: px; None or 0: do not enlarge.
        max_dim: px, needed by "square".
        min_scale: smallest factor; None or 0: any.
        mode: "none", "square", "pad64" or "crop".
        rng: generator or seed that places the crop.

    Returns:
        ResizedImage (image [H, W, C], window (y1, x1, y2, x2) px, scale, padding,
        crop). In mode "none" the image is the very array passed in.

    >>> image, window, *_ = resize_image(np.ones((2, 4, 3), np.uint8), max_dim=8)
    >>> image.shape, window
    ((8, 8, 3), (3, 2, 5, 6))
    """
    image = np.asarray(image)
    if image.ndim not in (2, 3):
        raise ValueError(
            f"resize_image(image): expected [H, W, C] or [H, W]; received shape "
            f"{image.shape}."
        )
    plan = plan_resize(image.shape, min_dim, max_dim, min_scale, mode, rng)
    result = image
    if plan.shape != image.shape[:2]:
        result = resize(image, plan.shape, preserve_range=True).astype(image.dtype)
    if plan.crop is not None:
        y, x, height, width = plan.crop
        result = result[y : y + height, x : x + width]
    if np.any(plan.padding):
        result = np.pad(result, plan.padding[: image.ndim])
    return ResizedImage(result, plan.window, plan.scale, plan.padding, plan.crop)


def subtract_mean(images, mean_pixel) -> np.ndarray:
    """Returns images as the network takes them: mean color subtracted.

    Args:
        images: [..., C], 0..255.
        mean_pixel: [C], 0..255.

    Returns:
        float32 [..., C].

    >>> subtract_mean(np.full((1, 1, 3), 10, np.uint8), [10, 9, 8]).tolist()
    [[[0.0, 1.0, 2.0]]]
    """
    images, mean_pixel = np.asarray(images), np.asarray(mean_pixel, np.float32)
    _check_mean("subtract_mean", images, mean_pixel)
    return images.astype(np.float32) - mean_pixel


def add_mean(images, mean_pixel) -> np.ndarray:
    """Returns the picture that `subtract_mean` was given: its inverse, rounded.

    Args:
        images: float [..., C], mean color subtracted.
        mean_pixel: [C], 0..255.

    Returns:
        uint8 [..., C].

    >>> add_mean(np.array([[[0.0, 1.0, 2.0]]]), [10, 9, 8]).tolist()
    [[[10, 10, 10]]]
    """
    images = np.asarray(images, np.float32)
    mean_pixel = np.asarray(mean_pixel, np.float32)
    _check_mean("add_mean", images, mean_pixel)
    return np.clip(np.rint(images + mean_pixel), 0, 255).astype(np.uint8)


def _check_mean(function: str, images: np.ndarray, mean_pixel: np.ndarray) -> None:
    """Raises ValueError unless there is one mean for each channel."""
    if images.ndim == 0 or mean_pixel.shape != images.shape[-1:]:
        raise ValueError(
            f"{function}(mean_pixel={mean_pixel.tolist()}): one number for each "
            f"channel is needed; images have shape {images.shape}."
        )
