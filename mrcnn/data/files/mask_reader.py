"""Reads image files of masks: their pages, with the values as stored."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import BinaryIO, NamedTuple

import cv2
import numpy as np
from PIL import Image, UnidentifiedImageError

from mrcnn.data.files.open_images import (
    MAX_PIXELS,
    ImageTooLargeError,
    check_pixels,
    without_pillow_limit,
)

# Tags of TIFF 6.0, and their values that need care.
PHOTOMETRIC, WHITE_IS_ZERO = 262, 0
PLANAR_CONFIGURATION, SEPARATE_PLANES = 284, 2
# Modes of one channel, whose values are taken as stored.
VALUE_MODES = ("1", "L", "I", "I;16", "I;16B", "I;16L", "I;16N", "F")


class MaskPage(NamedTuple):
    """The pixels of a mask file, or of one of its pages.

    Attributes:
        values: numbers as stored, or indices into the palette, [H, W]; or colors
            uint8 [H, W, 3].
        alpha: opacity [H, W]; None without.
        palette: uint8 [N, 3], RGB; None without.
        is_lossy: True for a file that changes values a little, as JPEG.
    """

    values: np.ndarray
    alpha: np.ndarray | None = None
    palette: np.ndarray | None = None
    is_lossy: bool = False


def read_pages(path: str | Path, file: BinaryIO | None = None) -> list[MaskPage]:
    """Returns the pages of a mask file: one, or those of a stack (TIFF, GIF).

    Pages of another size than the first are thumbnails, and left out. Values are those
    that the file stores: a TIFF in which 0 is shown white is not turned over.

    Args:
        path: names the file in errors.
        file: an open file to read from; None opens `path`.

    Raises:
        FileNotFoundError: there is no such file.
        ImageTooLargeError: it has more pixels than MAX_PIXELS.
        OSError: it is no image, or damaged.
    """
    if file is None and not Path(path).is_file():
        raise FileNotFoundError(f"read_mask_file({str(path)!r}): no such file.")
    try:
        try:
            # Not `open_image`: it may decode, after which the bits are not known.
            source = path if file is None else file
            with without_pillow_limit():
                image = Image.open(source)
            with image:
                check_pixels(image.height, image.width, MAX_PIXELS, path)
                if _is_deep_color(image):
                    return [_read_by_opencv(image.fp)]
                return _read_frames(image)
        except UnidentifiedImageError:
            if file is not None or Path(path).suffix.lower() not in (".tif", ".tiff"):
                raise
            return _read_by_tifffile(path)
    except ImageTooLargeError:
        raise
    except Exception as error:  # plug-ins raise types of their own for damage
        raise OSError(
            f"read_mask_file({str(path)!r}): the file is damaged or no image "
            f"({error}); replace or remove it."
        ) from error


def _read_frames(image: Image.Image) -> list[MaskPage]:
    """Decodes the frames of an open image that have the size of the first."""
    size, pages = image.size, []
    for i in range(getattr(image, "n_frames", 1)):
        image.seek(i)
        if image.size == size:
            pages += _split_planes(_decode(image), image)
    return pages


def _decode(image: Image.Image) -> MaskPage:
    """Decodes the current frame of an open image."""
    mode = image.mode
    is_lossy = (
        image.format in ("JPEG", "MPO") or image.info.get("compression") == "jpeg"
    )
    if mode in ("P", "PA"):
        indices = np.asarray(image)
        alpha = indices[..., 1] if mode == "PA" else _palette_alpha(image)
        indices = indices[..., 0] if mode == "PA" else indices
        palette = np.array(image.getpalette("RGB"), np.uint8).reshape(-1, 3)
        return MaskPage(indices, alpha, palette, is_lossy)
    if mode not in (*VALUE_MODES, "LA", "La", "RGB", "RGBA", "RGBa"):
        image = image.convert("RGB")
    values = np.asarray(image)
    values = values.astype(values.dtype.newbyteorder("="), copy=False)
    if values.ndim == 3 and values.shape[2] in (2, 4):
        color = values[..., 0] if values.shape[2] == 2 else values[..., :3]
        return MaskPage(color, values[..., -1], is_lossy=is_lossy)
    is_tiff = image.format == "TIFF" and mode in ("1", "L")
    if is_tiff and image.tag_v2.get(PHOTOMETRIC) == WHITE_IS_ZERO:
        values = ~values  # as stored; Pillow has turned it over
    return MaskPage(values, is_lossy=is_lossy)


def _palette_alpha(image: Image.Image) -> np.ndarray | None:
    """Returns the opacity of a palette image [H, W]; None where it has none."""
    transparent = image.info.get("transparency")
    if transparent is None:
        return None
    table = np.full(256, 255, np.uint8)
    if isinstance(transparent, bytes):
        table[: len(transparent)] = list(transparent)
    else:
        table[transparent] = 0
    return table[np.asarray(image)]


def _is_deep_color(image: Image.Image) -> bool:
    """Returns True for color of 16 bits, of which Pillow would keep the high 8."""
    return image.mode in ("LA", "RGB", "RGBA") and any(
        ";16" in str(tile[3]) for tile in image.tile
    )


def _read_by_opencv(file: BinaryIO) -> MaskPage:
    """Decodes an open file of color of 16 bits."""
    file.seek(0)
    data = np.frombuffer(file.read(), np.uint8)
    array = cv2.imdecode(data, cv2.IMREAD_UNCHANGED)
    if array is None or array.ndim != 3:
        raise ValueError("its colors of 16 bits cannot be decoded")
    return MaskPage(array[..., 2::-1], array[..., 3] if array.shape[2] == 4 else None)


def _split_planes(page: MaskPage, image: Image.Image) -> list[MaskPage]:
    """Returns the planes of a TIFF that stores a stack of three as red, green, blue.

    So do tifffile and scikit-image when they are given an array [3, H, W].
    """
    values = page.values
    is_tiff = image.format == "TIFF" and values.ndim == 3
    if not is_tiff or image.tag_v2.get(PLANAR_CONFIGURATION) != SEPARATE_PLANES:
        return [page]
    planes: Sequence = np.moveaxis(values, -1, 0)
    if page.alpha is not None:
        planes = [*planes, page.alpha]
    if all((plane == planes[0]).all() for plane in planes):
        return [page]
    return [MaskPage(np.ascontiguousarray(plane)) for plane in planes]


def _read_by_tifffile(path) -> list[MaskPage]:
    """Reads TIFF files that Pillow does not know, as those of 64 bits."""
    import tifffile

    with tifffile.TiffFile(path) as tiff:
        size = tiff.pages[0].shape[:2]
        arrays = [page.asarray() for page in tiff.pages if page.shape[:2] == size]
    if any(array.ndim != 2 for array in arrays):
        shape = arrays[0].shape
        raise ValueError(f"it has the shape {shape}; a mask has one channel, or color")
    return [MaskPage(array) for array in arrays]
