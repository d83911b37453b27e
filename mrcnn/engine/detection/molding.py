"""Turns images into the input of the network."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage.color import rgb2gray

from mrcnn.data import read_image
from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.geometry.images import resize_image, subtract_mean
from mrcnn.geometry.resize_plan import check_model_sides

# Modes of Pillow whose numbers are no brightness of grey, RGB or RGB with alpha.
CODED_MODES = ("1", "P", "PA", "LA", "La", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")


class MoldedImage(NamedTuple):
    """One image as the network takes it.

    Attributes:
        image: float32 [H, W, channels], px, mean subtracted.
        meta: float32 [12 + C].
        window: int32 [4], px, the part of `image` that isn't padding.
    """

    image: np.ndarray
    meta: np.ndarray
    window: np.ndarray


def is_one_image(images) -> bool:
    """Returns whether the images given are a single array or path, not a list."""
    is_array = isinstance(images, np.ndarray) and images.ndim < 4
    return is_array or isinstance(images, str | os.PathLike)


def as_image(image, channels: int) -> np.ndarray:
    """Returns an image as a number array [H, W, channels].

    Args:
        image: an array [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], uint8 or another
            number type in 0..255; a Pillow image; or the path of a file, whose EXIF
            rotation is applied. With 3 channels wanted, grey is repeated, a palette
            looked up and alpha dropped.
        channels: IMAGE_CHANNEL_COUNT of the config.

    Raises:
        ValueError: the array has another shape.
    """
    if isinstance(image, str | os.PathLike):
        image = read_image(image, exif="apply")
        if channels == 1:
            image = np.rint(rgb2gray(image) * 255).astype(np.uint8)
    if isinstance(image, Image.Image) and image.mode in CODED_MODES:
        # Through RGBA: the transparent palette entry keeps its own color.
        image = image.convert("RGBA").convert("RGB")
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., None]
    if image.ndim == 3 and channels == 3:
        if image.shape[2] == 1:
            image = np.repeat(image, 3, axis=2)
        elif image.shape[2] == 4:
            image = image[..., :3]
    if image.ndim != 3 or image.shape[2] != channels or 0 in image.shape:
        raise ValueError(
            f"detect(images): an image must be [height, width, {channels}] "
            f"(IMAGE_CHANNEL_COUNT); received shape {image.shape}. Pass a list of "
            "images, each an array of that form or the path of a file."
        )
    return image


def mold_image(image: np.ndarray, config) -> MoldedImage:
    """Returns one image resized, padded and with the mean subtracted.

    Args:
        image: number type [H0, W0, channels], orig, 0..255.
        config: a Config.

    Raises:
        ValueError: IMAGE_RESIZE_MODE is "crop", which leaves out part of the image; or
            "none", and the sides of the image are no multiples of 64.
    """
    if config.IMAGE_RESIZE_MODE == "crop":
        raise ValueError(
            'detect(): IMAGE_RESIZE_MODE="crop" leaves out part of an image, which is '
            'for training; detect with a config that says "square" or "pad64".'
        )
    molded, window, scale, _, _ = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
    )
    check_model_sides(molded.shape, "detect()")
    meta = compose_image_meta(
        0,
        image.shape,
        molded.shape,
        window,
        scale,
        np.zeros([config.NUM_CLASSES], dtype=np.int32),
    )
    return MoldedImage(
        subtract_mean(molded, config.MEAN_PIXEL),
        np.asarray(meta, np.float32),
        np.asarray(window, np.int32),
    )


def mold_images(images: Iterable, config) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns images as the network takes them, in one batch.

    Args:
        images: as in `MaskRCNN.detect`, all of which resize to one shape.
        config: a Config.

    Returns:
        float32 [B, H, W, channels]; metas float32 [B, 12 + C]; windows int32 [B, 4],
        px.

    Raises:
        ValueError: no images, or of several shapes after resizing.
    """
    molded = []
    for i, image in enumerate(images):
        image = as_image(image, config.IMAGE_CHANNEL_COUNT)
        check_values(image, config, f"images[{i}]")
        molded.append(mold_image(image, config))
    shapes = sorted({m.image.shape for m in molded})
    if len(shapes) != 1:
        raise ValueError(
            f"mold_inputs(images): {len(molded)} images of the shapes {shapes} after "
            "resizing; one batch has one shape. Pass at least one image, those of "
            "another shape in another call."
        )
    return tuple(np.stack(part) for part in zip(*molded, strict=True))


def check_values(image: np.ndarray, config, name: str) -> None:
    """Warns of values that the network was not trained on.

    They are used as they are; nothing guesses the scale of an image in 0..1, of one of
    16 bits or of one that is molded already. MEAN_PIXEL says which values are expected:
    where it is not for 0..255, they may be anything.

    Args:
        image: number type [H, W, channels].
        config: a Config.
        name: what to call the image in the message.

    Raises:
        ValueError: a value is infinite or NaN.
    """
    if image.dtype == np.uint8:
        return
    low, high = float(image.min()), float(image.max())
    if not np.isfinite(low + high):
        raise ValueError(
            f"detect({name}): some values are infinite or NaN; replace them or leave "
            "the image out."
        )
    mean = np.asarray(config.MEAN_PIXEL, np.float64)
    if mean.min() < 0 or not 1 < mean.max() <= 255:
        return
    if low < 0:
        fault = (
            "values below 0: molded already, it seems. MEAN_PIXEL is subtracted here; "
            "pass the image as it was before, or use detect_molded()"
        )
    elif high > 255:
        fault = "values above 255: divide a 16-bit image by 257 first"
    elif 0 < high <= 1 and image.dtype.kind in "bf":
        fault = "no value above 1: multiply an image in 0..1 by 255 first"
    else:
        return
    warnings.warn(
        f"detect({name}): {image.dtype} with {fault}. The network expects 0..255; the "
        "image is used as it is.",
        stacklevel=2,
    )
