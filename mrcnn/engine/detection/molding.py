"""Turns images into the input of the network."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image
from skimage.color import rgb2gray

from mrcnn.data import MAX_PIXELS, ImageParts, ImageTooLargeError, open_parts
from mrcnn.geometry.bit_depth import Range, shown_values
from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.geometry.images import resize_image, subtract_mean
from mrcnn.geometry.resize_plan import check_model_sides, plan_resize

# Modes of Pillow whose numbers are no brightness of grey, RGB or RGB with alpha.
CODED_MODES = ("1", "P", "PA", "LA", "La", "RGBa", "CMYK", "YCbCr", "LAB", "HSV")
# Pixels of a model image whose features take some 20 GB.
MAX_MODEL_PIXELS = 1 << 26


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


def as_image(
    image,
    channels: int,
    *,
    image_range: Range = None,
    max_pixels: int | None = MAX_PIXELS,
) -> np.ndarray:
    """Returns an image as a number array [H, W, channels].

    Args:
        image: an array [H, W], [H, W, 1], [H, W, 3] or [H, W, 4], uint8 or another
            number type in 0..255; a Pillow image; or the path of a file, whose EXIF
            rotation is applied. With 3 channels wanted, grey is repeated, a palette
            looked up and alpha dropped.
        channels: IMAGE_CHANNEL_COUNT of the config.
        image_range: IMAGE_RANGE of the config, for files.
        max_pixels: most pixels of a file; None for any number.

    Raises:
        ValueError: the array has another shape.
    """
    if isinstance(image, str | os.PathLike):
        how = {"image_range": image_range, "max_pixels": max_pixels}
        image = open_parts(image, exif="apply", **how)
    if isinstance(image, ImageParts):
        image = _channels_of(np.asarray(image), channels)
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


def _channels_of(image: np.ndarray, channels: int) -> np.ndarray:
    """Returns an image of a file with the channels that the network takes."""
    if channels != 1:
        return image
    return np.rint(rgb2gray(image) * 255).astype(np.uint8)


class TiledImage:
    """An image in a file whose tiles are read when they are detected.

    `image[y1:y2, x1:x2]` is a tile, `numpy.asarray(image)` the whole.

    Attributes:
        shape: (height, width, channels).
    """

    def __init__(self, parts: ImageParts, channels: int):
        """Keeps the file, and how many channels are wanted."""
        self._parts, self._channels = parts, channels
        self.shape = (*parts.shape[:2], 1 if channels == 1 else parts.shape[2])

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """Returns a part: uint8 [h, w, channels]."""
        part = _channels_of(self._parts[key], self._channels)
        return part[..., np.newaxis] if part.ndim == 2 else part

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Returns the whole image."""
        image = self[:, :]
        return image if dtype is None else image.astype(dtype)


def tiled_image(image, config, max_pixels: int | None = MAX_PIXELS):
    """Returns an image for `detect(tile=...)`: of a file, it reads tiles as needed.

    So the memory that a large TIFF takes is that of its tiles. Other formats are
    decoded as a whole, and kept as they are stored.

    Args:
        image: the path of a file, or what `as_image` takes.
        config: a Config.
        max_pixels: most pixels of a file that is decoded as a whole; None for any
            number.

    Returns:
        TiledImage of a file, otherwise number type [H, W, channels].

    Raises:
        ImageTooLargeError, OSError, ValueError: see `mrcnn.data.read_image`.
    """
    channels = config.IMAGE_CHANNEL_COUNT
    if isinstance(image, TiledImage):
        return image
    if not isinstance(image, str | os.PathLike) or channels not in (1, 3):
        return network_image(image, config, 0)
    parts = open_parts(
        image,
        exif="apply",
        image_range=config.IMAGE_RANGE,
        max_pixels=max_pixels,
        in_parts=True,
    )
    return TiledImage(parts, channels)


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
    _check_model_pixels(image.shape, config)
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


def _check_model_pixels(shape, config) -> None:
    """Raises ImageTooLargeError for an image whose features would take all memory."""
    if config.IMAGE_RESIZE_MODE == "square":
        return  # of the size that the Config says
    sides = config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, config.IMAGE_MIN_SCALE
    height, width = plan_resize(shape, *sides, config.IMAGE_RESIZE_MODE).shape
    if height * width > MAX_MODEL_PIXELS:
        raise ImageTooLargeError(
            f"detect(): an image of {shape[0]} x {shape[1]} px becomes {height} x "
            f"{width} px for the model (IMAGE_RESIZE_MODE = "
            f"{config.IMAGE_RESIZE_MODE!r}), which takes more memory than computers "
            "have. Detect in tiles: detect([image], tile=512) (mrcnn detect: --tile "
            "512)."
        )


def network_image(image, config, number: int) -> np.ndarray:
    """Returns an image as `mold_image` takes it: [H, W, channels], 0..255.

    Args:
        image: as in `MaskRCNN.detect`.
        config: a Config.
        number: which of the images it is, for the text of an error.
    """
    if isinstance(image, str | os.PathLike):
        image = open_parts(image, exif="apply", image_range=config.IMAGE_RANGE)
        _check_model_pixels(image.shape, config)  # before it fills the memory
    image = as_image(image, config.IMAGE_CHANNEL_COUNT)
    return network_values(image, config, f"images[{number}]")


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
        molded.append(mold_image(network_image(image, config, i), config))
    shapes = sorted({m.image.shape for m in molded})
    if len(shapes) != 1:
        raise ValueError(
            f"mold_inputs(images): {len(molded)} images of the shapes {shapes} after "
            "resizing; one batch has one shape. Pass at least one image, those of "
            "another shape in another call."
        )
    return tuple(np.stack(part) for part in zip(*molded, strict=True))


def network_values(image: np.ndarray, config, name: str) -> np.ndarray:
    """Returns an image in the values that the network was trained on, 0..255.

    One with more bits becomes 8-bit as IMAGE_RANGE says. Others that don't fit are used
    as they are, with a warning: nothing guesses the scale of fractions, nor of an image
    that is molded already. MEAN_PIXEL says which values are expected: where it is not
    for 0..255, they may be anything.

    Args:
        image: number type [H, W, channels].
        config: a Config.
        name: what to call the image in the message.

    Raises:
        ValueError: a value is infinite or NaN, or above 65535.
    """
    if image.dtype == np.uint8:
        return image
    low, high = float(image.min()), float(image.max())
    if not np.isfinite(low + high):
        raise ValueError(
            f"detect({name}): some values are infinite or NaN; replace them or leave "
            "the image out."
        )
    mean = np.asarray(config.MEAN_PIXEL, np.float64)
    if mean.min() < 0 or not 1 < mean.max() <= 255:
        return image
    shown = shown_values(image, config.IMAGE_RANGE, f"detect({name})")
    if shown is not image:
        return shown
    if low < 0:
        fault = (
            "values below 0: molded already, it seems. MEAN_PIXEL is subtracted here; "
            "pass the image as it was before, or use detect_molded()"
        )
    elif high <= 1 and high > 0 and image.dtype.kind in "bf":
        fault = "no value above 1: multiply an image in 0..1 by 255 first"
    else:
        return image
    warnings.warn(
        f"detect({name}): {image.dtype} with {fault}. The network expects 0..255; the "
        "image is used as it is.",
        stacklevel=2,
    )
    return image
