"""Reads image files as uint8 RGB, turned upright by their EXIF note; lists them."""

from __future__ import annotations

from pathlib import Path
from typing import Literal

import numpy as np

from mrcnn.data.files.image_sources import Source, open_source
from mrcnn.data.files.open_images import (
    EXIF_CHOICES,
    MAX_PIXELS,
    UPRIGHT,
    is_address,
    is_turned,
    stored_box,
    turn,
    turned_size,
)
from mrcnn.geometry.bit_depth import Range

IMAGE_SUFFIXES = (".bmp", ".jpeg", ".jpg", ".png", ".tif", ".tiff", ".webp")


def read_image(
    path: str | Path,
    annotated_size: tuple[int, int] | None = None,
    exif: Literal["apply", "auto", "ignore", "viewer"] = "auto",
    *,
    image_range: Range = None,
    max_pixels: int | None = MAX_PIXELS,
) -> np.ndarray:
    """Returns the image of a file as uint8 RGB [H, W, 3].

    Grey, 1-bit, palette and CMYK files become 8-bit RGB; an alpha channel is dropped
    (the colors below it stay). Of files with more than 8 bits a value, IMAGE_RANGE of
    the Config says which values are black and white.

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
            `annotated_size`: a size does not show them. "viewer", for annotations of a
            tool that obeys the note, turns it unless `annotated_size` is the size
            before turning and not the size after.
        image_range: as IMAGE_RANGE of a Config; None for that of the Config in use
            ("auto" without one).
        max_pixels: px; an image with more is refused. None for any number.

    Returns:
        uint8 [H, W, 3], RGB.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: the file is not an image, or is damaged.
        ImageTooLargeError: it has more than `max_pixels`.
        ValueError: the image has more channels or another range than a photograph.
    """
    how = {"annotated_size": annotated_size, "exif": exif}
    image = open_parts(path, **how, image_range=image_range, max_pixels=max_pixels)
    return np.asarray(image)


def open_parts(
    path: str | Path,
    annotated_size: tuple[int, int] | None = None,
    exif: str = "auto",
    *,
    image_range: Range = None,
    max_pixels: int | None = MAX_PIXELS,
    in_parts: bool = False,
) -> ImageParts:
    """Returns an image of which parts can be read; see `read_image`.

    Args:
        path: as for `read_image`, and so are the other arguments.
        annotated_size: (height, width), px.
        exif: what to do with an EXIF note.
        image_range: as IMAGE_RANGE.
        max_pixels: of an image that must be decoded as a whole.
        in_parts: True reads from the file as needed, where its format allows that (a
            TIFF without compression, or deflated); `max_pixels` is not asked then.
    """
    if exif not in EXIF_CHOICES:
        raise ValueError(f"read_image(exif={exif!r}): use one of {EXIF_CHOICES}.")
    if not is_address(path) and not Path(path).is_file():
        what = "is a folder" if Path(path).is_dir() else "there is no such file"
        raise FileNotFoundError(
            f"read_image({str(path)!r}): {what}; check the path (relative ones start "
            f"at {Path.cwd()})."
        )
    source = open_source(path, image_range, max_pixels, in_parts)
    return ImageParts(source, annotated_size, exif)


class ImageParts:
    """An image in a file, uint8 [H, W, channels], of which parts are read.

    `image[y1:y2, x1:x2]` is that part, and `numpy.asarray(image)` the whole of it.

    Attributes:
        shape: (height, width, channels).
        dtype: uint8.
        ndim: 3.
    """

    dtype = np.dtype(np.uint8)
    ndim = 3

    def __init__(self, source: Source, annotated_size, exif: str):
        """Keeps what to read from, and whether the EXIF note is obeyed."""
        how = {"annotated_size": annotated_size, "exif": exif}
        turned = is_turned(source.orientation, source.size, **how)
        self._orientation = source.orientation if turned else UPRIGHT
        self._source = source
        self.shape = (*turned_size(source.orientation, source.size, **how), 3)

    def __getitem__(self, key: tuple[slice, slice]) -> np.ndarray:
        """Returns a part of the image: uint8 [h, w, channels]."""
        (y1, y2, _), (x1, x2, _) = (
            part.indices(side) for part, side in zip(key, self.shape[:2], strict=True)
        )
        box = stored_box((y1, x1, y2, x2), self._source.size, self._orientation)
        return np.ascontiguousarray(turn(self._source.read(*box), self._orientation))

    def __array__(self, dtype=None, copy=None) -> np.ndarray:
        """Returns the whole image."""
        image = self[:, :]
        return image if dtype is None else image.astype(dtype)


def list_images(path: str | Path) -> list[Path]:
    """Returns the image files of a folder, sorted; of a file, itself."""
    path = Path(path)
    if not path.is_dir():
        return [path]
    return sorted(p for p in path.iterdir() if p.suffix.lower() in IMAGE_SUFFIXES)
