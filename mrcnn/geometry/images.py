"""Images in the model's size, with the mean color subtracted.

`resize_plan.plan_resize` computes scale, padding and crop; `resize_image` applies them
to an image, `masks.resize_mask` to masks.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from mrcnn.geometry.arguments import as_numbers, as_sides, as_whole
from mrcnn.geometry.interpolation import resize_pixels
from mrcnn.geometry.resize_plan import plan_resize


class ResizedImage(NamedTuple):
    """A resized image and how it was made; the fields are those of `ResizePlan`."""

    image: np.ndarray
    window: tuple[int, int, int, int]
    scale: float
    padding: list[tuple[int, int]]
    crop: tuple[int, int, int, int] | None


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

    image = as_numbers(image, "resize(image)")
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"resize(image): expected [H, W] or [H, W, C] with a pixel; received shape "
            f"{image.shape}."
        )
    height, width = as_sides(output_shape, "resize(output_shape)")
    order = as_whole(order, "resize(order)", low=0, high=5)
    if image.dtype == bool and order > 0:
        image = image.astype(np.float64)
    return skimage_resize(
        image,
        (height, width),
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
    image = as_numbers(image, "resize_image(image)")
    if image.ndim not in (2, 3) or image.size == 0:
        raise ValueError(
            f"resize_image(image): expected [H, W, C] or [H, W] with a pixel; received "
            f"shape {image.shape}."
        )
    plan = plan_resize(image.shape, min_dim, max_dim, min_scale, mode, rng)
    result = image
    if plan.shape != image.shape[:2]:
        if image.dtype.kind in "ui":
            result = resize_pixels(image, plan.shape)
        else:
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
    images, mean_pixel = _with_mean("subtract_mean", images, mean_pixel)
    molded = images.astype(np.float32, order="C")
    # Whole rows: a loop over three numbers at a time takes five times as long.
    *lines, width, channels = (1, *molded.shape)[-max(2, molded.ndim) :]
    rows = molded.reshape(*lines, width * channels)
    rows -= np.tile(mean_pixel, width)
    return molded


def add_mean(images, mean_pixel) -> np.ndarray:
    """Returns the image before `subtract_mean`: its inverse, rounded.

    Args:
        images: float [..., C], mean color subtracted.
        mean_pixel: [C], 0..255.

    Returns:
        uint8 [..., C].

    >>> add_mean(np.array([[[0.0, 1.0, 2.0]]]), [10, 9, 8]).tolist()
    [[[10, 10, 10]]]
    """
    images, mean_pixel = _with_mean("add_mean", images, mean_pixel)
    images = images.astype(np.float32, copy=False)
    return np.clip(np.rint(images + mean_pixel), 0, 255).astype(np.uint8)


def _with_mean(function: str, images, mean_pixel) -> tuple[np.ndarray, np.ndarray]:
    """Returns both as arrays; raises unless there is one mean for each channel."""
    images = as_numbers(images, f"{function}(images)")
    mean_pixel = as_numbers(mean_pixel, f"{function}(mean_pixel)", np.float32)
    if images.ndim == 0 or mean_pixel.shape != images.shape[-1:]:
        raise ValueError(
            f"{function}(mean_pixel={mean_pixel.tolist()}): one number for each "
            f"channel is needed; images have shape {images.shape}."
        )
    return images, mean_pixel
