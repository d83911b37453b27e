"""Where the pixels of an image file come from: Pillow, tifffile, OpenCV, scikit-image.

Each gives a part of the image as it is stored, as uint8 RGB.
"""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image, UnidentifiedImageError

from mrcnn.data.files.open_images import (
    MAX_PIXELS,
    TIFF_MAGIC,
    UPRIGHT,
    check_pixels,
    damaged,
    is_address,
    naming_damage,
    open_image,
    orientation_of,
    upright_bytes,
    without_pillow_limit,
)
from mrcnn.data.files.tiff_files import TiffImage, count_tiff_images
from mrcnn.geometry.bit_depth import Range, Scale, plan_8_bit, values_of

DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
ANIMATED = ("GIF", "PNG", "WEBP", "AVIF")
# Pixels of a band in which the values of a large image are looked at.
BAND = 1 << 22
COLOR_MODES = ("RGB", "RGBA", "RGBX", "LA")
BITS_PER_SAMPLE = 258  # tag of TIFF


class Source(NamedTuple):
    """An image as it is stored.

    Attributes:
        size: (height, width), px.
        orientation: of its EXIF note, 1 to 8.
        read: from (y1, x1, y2, x2), px, to uint8 [y2 - y1, x2 - x1, 3].
    """

    size: tuple[int, int]
    orientation: int
    read: Callable[[int, int, int, int], np.ndarray]


def open_source(
    path: str | Path,
    image_range: Range = None,
    max_pixels: int | None = MAX_PIXELS,
    in_parts: bool = False,
) -> Source:
    """Returns where the pixels of a file come from; see `open_parts`.

    Args:
        path: file, or an http(s) address.
        image_range: as IMAGE_RANGE of a Config.
        max_pixels: px, of an image that must be decoded as a whole.
        in_parts: True reads from the file as needed, where its format allows that.
    """
    if is_address(path):
        return _deep_source(_Array(_read_by_skimage(path)), UPRIGHT, image_range, path)
    is_tiff = _is_tiff(path)
    tiff = _tiff(path) if is_tiff else None
    is_parted = in_parts and tiff is not None and tiff.can_be_parted
    try:
        with open_image(path, None if is_parted else max_pixels) as image:
            orientation = orientation_of(image)
            if is_parted:
                return _deep_source(tiff, orientation, image_range, path)
            with naming_damage(path):
                _warn_animated(image, path)
                image.load()
                array = _decoded_deep(image, path, tiff)
                kept = image.copy() if array is None else None  # outlives the file
    except UnidentifiedImageError:
        # Formats that Pillow does not know (multi-channel TIFF, for one).
        orientation = UPRIGHT
        if not is_tiff:
            array = _read_by_skimage(path)
        elif tiff is None:
            raise damaged(path, "no page of this TIFF can be found") from None
        else:
            check_pixels(*tiff.size, max_pixels, path)
            with naming_damage(path):
                array = tiff.whole()
    if array is not None:
        return _deep_source(_Array(array, tiff), orientation, image_range, path)
    size = (kept.height, kept.width)
    return Source(size, orientation, lambda *box: _rgb_part(kept, box, path))


class _Array:
    """An image in memory, with what a `TiffImage` says of its own."""

    def __init__(self, array: np.ndarray, tiff: TiffImage | None = None):
        self.array = array[..., np.newaxis] if array.ndim == 2 else array
        self.size, self.dtype = self.array.shape[:2], array.dtype
        self.channels = self.array.shape[2] if self.array.ndim == 3 else None
        self.is_inverted = tiff is not None and tiff.is_inverted
        self.declared = None if tiff is None else tiff.declared

    def part(self, y1: int, x1: int, y2: int, x2: int) -> np.ndarray:
        return self.array[y1:y2, x1:x2]


def _deep_source(
    image: _Array | TiffImage, orientation: int, image_range: Range, path
) -> Source:
    """Returns the source of an image whose values are those of its file.

    Raises:
        ValueError: it has more channels or another range than a photograph.
    """
    where = f"read_image({str(path)!r})"
    if image.channels not in (1, 2, 3, 4) or 0 in image.size:
        shape = image.array.shape if isinstance(image, _Array) else image.size
        raise ValueError(
            f"{where}: has the shape {shape}, not that of a grey or RGB image; "
            "override Dataset.load_image to pick its channels."
        )
    colors = 3 if image.channels > 2 else 1  # the others are alpha
    height, width = image.size
    step = max(1, BAND // width)

    def bands() -> Iterator[np.ndarray]:
        for top in range(0, height, step):
            box = (top, 0, min(top + step, height), width)
            with naming_damage(path):
                part = image.part(*box)
            yield part[..., :colors]

    scale = Scale(0, 255)
    if image.dtype != np.uint8:
        values = values_of(bands())
        scale = plan_8_bit(values, image_range, where, image.declared)

    def read(*box: int) -> np.ndarray:
        with naming_damage(path):
            part = image.part(*box)
        part = scale.apply(part[..., :colors])
        part = 255 - part if image.is_inverted else part
        return np.repeat(part, 3, axis=-1) if colors == 1 else part

    return Source(image.size, orientation, read)


def _rgb_part(image: Image.Image, box: tuple, path) -> np.ndarray:
    """Returns a part of a decoded image as uint8 RGB [h, w, 3]."""
    y1, x1, y2, x2 = box
    with naming_damage(path):
        if (x2 - x1, y2 - y1) != image.size:
            with without_pillow_limit():
                image = image.crop((x1, y1, x2, y2))
        if image.mode in ("P", "PA"):
            # Through RGBA: the transparent palette entry keeps its own color.
            image = image.convert("RGBA")
        if image.mode != "RGB":
            image = image.convert("RGB")
        return np.array(image, dtype=np.uint8)


def _is_tiff(path: str | Path) -> bool:
    with open(path, "rb") as file:
        return file.read(4) in TIFF_MAGIC


def _tiff(path: str | Path) -> TiffImage | None:
    """Returns a TIFF, None if only Pillow may be able to read it.

    Raises:
        ValueError: it is a stack; only one of its images would be read.
    """
    try:
        count, image = count_tiff_images(path), TiffImage(path)
    except Exception:  # of a damaged file; Pillow says what is wrong with it
        return None
    if count > 1:
        raise ValueError(
            f"read_image({str(path)!r}): is a stack of {count} images; override "
            "Dataset.load_image to pick or merge them, or save each as a file."
        )
    return image


def _warn_animated(image: Image.Image, path) -> None:
    """Says that of an animation the first image is read."""
    if image.format in ANIMATED and getattr(image, "is_animated", False):
        warnings.warn(
            f"read_image({str(path)!r}): is an animation of {image.n_frames} images; "
            "the first one is read. Save the others as files to use them.",
            stacklevel=2,
        )
        image.seek(0)


def _decoded_deep(image: Image.Image, path, tiff) -> np.ndarray | None:
    """Returns the values of a loaded image with more than 8 bits, None of others."""
    if image.mode in DEEP_MODES:
        return np.asarray(image)
    if image.format == "PNG":
        is_deep = _png_bits(path) > 8 and image.mode in COLOR_MODES
    else:
        bits = getattr(image, "tag_v2", {}).get(BITS_PER_SAMPLE, (8,))
        is_deep = max(bits) > 8 and image.mode in COLOR_MODES
    if not is_deep:
        return None
    # Of these Pillow keeps the high byte, which is empty in images of 8 or fewer bits.
    if tiff is not None and tiff.can_be_parted:
        return tiff.whole()
    import cv2

    content = upright_bytes(path) if tiff is not None else Path(path).read_bytes()
    array = cv2.imdecode(np.frombuffer(content, np.uint8), cv2.IMREAD_UNCHANGED)
    if array is None:
        raise OSError("OpenCV can't decode its 16 bits")
    return array[..., [2, 1, 0]]


def _png_bits(path: str | Path) -> int:
    """Returns the bits of a value in a PNG: byte 24, of its first chunk."""
    with open(path, "rb") as file:
        return file.read(25)[24]


def _read_by_skimage(path) -> np.ndarray:
    """Returns what neither Pillow nor tifffile can read, as it is stored."""
    import skimage.io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return np.asarray(skimage.io.imread(str(path)))
    except Exception as error:
        # The reader's plug-ins raise types of their own for "not an image".
        raise OSError(
            f"read_image({str(path)!r}): this is not an image that Pillow or "
            f"scikit-image can read ({error}); convert it to png or jpg."
        ) from error
