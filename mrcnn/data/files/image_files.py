"""Reads image files as uint8 RGB, turned upright by their EXIF note; lists them."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Literal

import numpy as np
from PIL import Image, ImageOps, UnidentifiedImageError

EXIF_ORIENTATION = 0x0112
# EXIF orientations that exchange height and width (CIPA DC-008, tag 0x0112).
TURNED_ORIENTATIONS = (5, 6, 7, 8)
EXIF_CHOICES = ("apply", "auto", "ignore")
DEEP_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N", "F")
MAX_16_BIT = 65535
IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def is_address(path: str | Path) -> bool:
    """Returns whether a path is an http(s) address, not a file of this machine."""
    return str(path).startswith(("http://", "https://"))


def read_image(
    path: str | Path,
    annotated_size: tuple[int, int] | None = None,
    exif: Literal["apply", "auto", "ignore"] = "auto",
) -> np.ndarray:
    """Returns the image of a file as uint8 RGB [H, W, 3].

    Grey, 1-bit, palette, CMYK and 16-bit files become 8-bit RGB; an alpha channel is
    dropped (the colors below it stay). 16-bit values keep their high byte, so that the
    same value has the same brightness in every image of a data set.

    Cameras store a turned image and a note (EXIF orientation) to turn it back. A viewer
    obeys the note; an annotation tool may or may not have done so, and the size that it
    wrote shows which.

    Args:
        path: file, or an http(s) address.
        annotated_size: (height, width) in px that the annotations were drawn on.
        exif: "apply" turns the image as a viewer does; "ignore" leaves it as stored;
            "auto" turns it if no `annotated_size` is given, or if `annotated_size` is
            the size after turning and not the size before. Orientations that keep the
            size (mirrored, upside down) are therefore left alone under "auto" with an
            `annotated_size`: a size does not show them.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file is not an image, or is damaged.
        ValueError: the image has more channels or another range than a photograph.
    """
    if exif not in EXIF_CHOICES:
        raise ValueError(f"read_image(exif={exif!r}): use one of {EXIF_CHOICES}.")
    if is_address(path):
        return _read_by_skimage(path)
    if not Path(path).is_file():
        raise FileNotFoundError(
            f"read_image({str(path)!r}): there is no such file; check the path "
            f"(relative ones start at {Path.cwd()})."
        )
    try:
        with Image.open(path) as image:
            _refuse_stack(image, path)
            if _must_turn(image, annotated_size, exif):
                image = ImageOps.exif_transpose(image)
            return _to_rgb(image, path)
    except UnidentifiedImageError:
        # Formats that Pillow does not know (multi-channel TIFF, for one).
        return _read_by_skimage(path)
    except (OSError, SyntaxError) as error:
        raise OSError(
            f"read_image({str(path)!r}): the file is damaged ({error}); replace or "
            "remove it."
        ) from error


def _refuse_stack(image: Image.Image, path) -> None:
    """Raises ValueError for a TIFF of several layers; only one of them would be read.

    Pages of another size are thumbnails, and animations start with their image.
    """
    if image.format != "TIFF" or image.n_frames == 1:
        return
    size = image.size
    image.seek(1)
    if image.size == size:
        raise ValueError(
            f"read_image({str(path)!r}): is a stack of {image.n_frames} images; "
            "override Dataset.load_image to pick or merge them."
        )
    image.seek(0)


def _must_turn(image: Image.Image, annotated_size, exif: str) -> bool:
    """Returns True if the EXIF orientation is to be obeyed."""
    if exif != "auto" or annotated_size is None:
        return exif != "ignore"
    is_turned = image.getexif().get(EXIF_ORIENTATION) in TURNED_ORIENTATIONS
    # Pillow's size is (width, height).
    return is_turned and tuple(annotated_size) == image.size != image.size[::-1]


def _to_rgb(image: Image.Image, path) -> np.ndarray:
    """Decodes an open image to uint8 RGB [H, W, 3]."""
    if image.mode in DEEP_MODES:
        return _from_array(np.asarray(image), path)
    if image.mode in ("P", "PA"):
        # Through RGBA: the transparent palette entry keeps its own color.
        image = image.convert("RGBA")
    if image.mode != "RGB":
        image = image.convert("RGB")
    return np.array(image, dtype=np.uint8)


def _read_by_skimage(path) -> np.ndarray:
    """Reads what Pillow cannot, as uint8 RGB [H, W, 3]."""
    import skimage.io

    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            array = skimage.io.imread(str(path))
    except Exception as error:
        # The reader's plug-ins raise types of their own for "not an image".
        raise OSError(
            f"read_image({str(path)!r}): this is not an image that Pillow or "
            f"scikit-image can read ({error}); convert it to png or jpg."
        ) from error
    return _from_array(array, path)


def list_images(path: str | Path) -> list[Path]:
    """Returns the image files of a folder, sorted; of a file, itself."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)


def _from_array(array: np.ndarray, path) -> np.ndarray:
    """Turns any decoded array into uint8 RGB [H, W, 3]."""
    array = np.atleast_3d(_to_8_bit(array, path))
    if array.ndim != 3 or array.shape[-1] > 4:
        raise ValueError(
            f"read_image({str(path)!r}): has the shape {array.shape}, not that of a "
            "grey or RGB image; override Dataset.load_image to pick its channels."
        )
    if array.shape[-1] < 3:  # grey, or grey and alpha
        array = np.repeat(array[..., :1], 3, axis=-1)
    return np.ascontiguousarray(array[..., :3])


def _to_8_bit(array: np.ndarray, path) -> np.ndarray:
    """Scales the full range of the stored type to 0..255, the same for every file."""
    if array.dtype == np.uint8:
        return array
    if array.dtype == bool:
        return array.astype(np.uint8) * 255
    low, high = (array.min(), array.max()) if array.size else (0, 0)
    if array.dtype.kind in "ui" and low >= 0 and high <= MAX_16_BIT:
        return (array.astype(np.uint16) >> 8).astype(np.uint8)
    if array.dtype.kind == "f" and low >= 0 and high <= 1:
        return np.rint(array * 255).astype(np.uint8)
    raise ValueError(
        f"read_image({str(path)!r}): {array.dtype} values from {low} to {high} have no "
        "plain meaning as 8-bit color; override Dataset.load_image to scale them."
    )
