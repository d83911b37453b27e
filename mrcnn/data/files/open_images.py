"""Opens image files of any kind as they are stored, and names the damaged ones."""

from __future__ import annotations

import contextlib
import io
import os
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import BinaryIO

import numpy as np
from PIL import Image, UnidentifiedImageError

# Pixels from which a file is taken for a mistake, or for one that is made to fill the
# memory; a photograph has 50 million, a scanned slide 200 million.
MAX_PIXELS = 250_000_000
EXIF_ORIENTATION = 0x0112
UPRIGHT = 1  # orientation of an image that is stored as it is seen
# EXIF orientations that exchange height and width (CIPA DC-008, tag 0x0112).
TURNED_ORIENTATIONS = (5, 6, 7, 8)
# Of a stored image, the rows or columns of these are turned over before that.
FLIPPED_ROWS, FLIPPED_COLUMNS = (3, 4, 6, 7), (2, 3, 7, 8)
EXIF_CHOICES = ("apply", "auto", "ignore", "viewer")
PNG_MAGIC = b"\x89PNG\r\n\x1a\n"
PNG_TEXTS = (b"eXIf", b"tEXt", b"zTXt", b"iTXt")
TIFF_MAGIC = (b"II*\0", b"MM\0*", b"II+\0", b"MM\0+")

# Pillow's own limit is one number for the whole program.
_limit_lock = threading.Lock()


def is_address(path: str | Path) -> bool:
    """Returns whether a path is an http(s) address, not a file of this machine."""
    return str(path).startswith(("http://", "https://"))


class ImageTooLargeError(ValueError):
    """An image has more pixels than may be read at once."""


def check_pixels(
    height: int, width: int, max_pixels: int | None, path: str | Path
) -> None:
    """Raises ImageTooLargeError for an image that is not to be read as a whole.

    Args:
        height: px.
        width: px.
        max_pixels: most pixels; None for any number.
        path: of the file.
    """
    if max_pixels is not None and height * width > max_pixels:
        raise ImageTooLargeError(
            f"read_image({str(path)!r}): has {height} x {width} px, "
            f"{height * width / 1e6:.0f} million; more than {max_pixels / 1e6:g} "
            "million are not read. If the file is meant to be so large, pass "
            "max_pixels= (mrcnn detect: --max-pixels), or save it in pieces or as a "
            "TIFF without compression, which is read in tiles."
        )


def damaged(path: str | Path, error: Exception | str) -> OSError:
    """Returns the error of a file that can't be decoded."""
    text = " ".join(str(error).split()) or type(error).__name__
    return OSError(
        f"read_image({str(path)!r}): the file is damaged ({text}); replace or remove "
        "it."
    )


@contextlib.contextmanager
def naming_damage(path: str | Path) -> Iterator[None]:
    """Raises OSError with the path for whatever a decoder raises.

    Damaged files make plug-ins raise errors of any type.
    """
    try:
        yield
    except MemoryError:
        raise
    except Exception as error:
        raise damaged(path, error) from error


@contextlib.contextmanager
def without_pillow_limit() -> Iterator[None]:
    """Inside of it Pillow neither warns of large images nor refuses them."""
    with _limit_lock:
        limit, Image.MAX_IMAGE_PIXELS = Image.MAX_IMAGE_PIXELS, None
        try:
            yield
        finally:
            Image.MAX_IMAGE_PIXELS = limit


@contextlib.contextmanager
def open_image(
    path: str | Path, max_pixels: int | None = MAX_PIXELS
) -> Iterator[Image.Image]:
    """Opens a file as Pillow does; only its header is read.

    The image has the size, and later the pixels, that are stored: it is not turned by
    its EXIF note. `orientation_of` says what the note means.

    Args:
        path: of the file.
        max_pixels: most pixels of the image; None for any number.

    Raises:
        UnidentifiedImageError: Pillow doesn't know the format.
        ImageTooLargeError: the image has more pixels.
        OSError: the file is damaged; names it.
    """
    try:
        with without_pillow_limit():
            image = Image.open(path)
    except (UnidentifiedImageError, FileNotFoundError):
        raise
    except MemoryError:
        raise
    except Exception as error:
        raise damaged(path, error) from error
    try:
        check_pixels(image.height, image.width, max_pixels, path)
    except ImageTooLargeError:
        image.close()
        raise
    orientation = _orientation(image)
    if image.format == "TIFF" and orientation != UPRIGHT:
        # Pillow turns a TIFF in any case, and not always rightly.
        image.close()
        with naming_damage(path), without_pillow_limit():
            image = Image.open(io.BytesIO(upright_bytes(path)))
    image.info[EXIF_ORIENTATION] = orientation
    with image:
        yield image


def orientation_of(image: Image.Image) -> int:
    """Returns the EXIF orientation of an image of `open_image`, 1 to 8."""
    return image.info.get(EXIF_ORIENTATION, UPRIGHT)


def _orientation(image: Image.Image) -> int:
    try:
        value = _exif(image).get(EXIF_ORIENTATION, UPRIGHT)
    except Exception:  # of a damaged note; viewers ignore it too
        return UPRIGHT
    # 0 and what is above 8 mean nothing; some cameras write them.
    return value if isinstance(value, int) and 1 <= value <= 8 else UPRIGHT


def _exif(image: Image.Image) -> Image.Exif:
    """Returns the EXIF note of an image; the pixels are decoded only if they must be.

    Pillow decodes a whole png to see what is behind the pixels: mostly nothing.
    """
    is_png = image.format == "PNG"
    if is_png and (
        image.height * image.width > MAX_PIXELS or not _has_text_behind(image.fp)
    ):
        return Image.Image.getexif(image)
    return image.getexif()


def _has_text_behind(file: BinaryIO) -> bool:
    """Returns whether a png has a note or text behind its pixels."""
    place, is_behind = file.tell(), False
    try:
        file.seek(len(PNG_MAGIC))
        while len(head := file.read(8)) == 8:
            kind = head[4:]
            is_behind |= kind == b"IDAT"
            if is_behind and kind in PNG_TEXTS:
                return True
            file.seek(int.from_bytes(head[:4], "big") + 4, os.SEEK_CUR)
        return False
    finally:
        file.seek(place)


def upright_bytes(path: str | Path) -> bytearray:
    """Returns the content of a TIFF, its note of orientation set to 1."""
    import tifffile

    content = bytearray(Path(path).read_bytes())
    with tifffile.TiffFile(io.BytesIO(content)) as file:
        tag = file.pages[0].tags.get(EXIF_ORIENTATION)
        if tag is not None:
            order = "little" if file.byteorder == "<" else "big"
            place = tag.valueoffset
            content[place : place + 2] = UPRIGHT.to_bytes(2, order)
    return content


def is_turned(
    orientation: int,
    stored: tuple[int, int],
    annotated_size: tuple[int, int] | None,
    exif: str,
) -> bool:
    """Returns whether `read_image` obeys an EXIF note.

    Args:
        orientation: of the note.
        stored: (height, width) as stored, px.
        annotated_size: (height, width) that the annotations were drawn on, px; None
            if it is not known.
        exif: as in `read_image`.
    """
    if exif in ("apply", "ignore"):
        return exif == "apply"
    stored = tuple(stored)
    given = None if annotated_size is None else tuple(annotated_size)
    if orientation in TURNED_ORIENTATIONS and stored[0] != stored[1]:
        if given == stored[::-1]:
            return True
        if given == stored:
            return False
    return exif == "viewer" or given is None


def annotated_as(info: dict) -> dict:
    """Returns the arguments of `read_image` that an image of a data set needs.

    Args:
        info: of `Dataset.image_info`. Its size, where the annotations gave it, and
            `exif` say whether the image is turned; without either, it is not.
    """
    size, exif = (info.get("height"), info.get("width")), info.get("exif", "auto")
    if None not in size:
        return {"exif": exif, "annotated_size": size}
    return {"exif": "ignore" if exif == "auto" else exif}


def turned_size(
    orientation: int, stored: tuple[int, int], **annotated
) -> tuple[int, int]:
    """Returns (height, width) of an image as it is read, px.

    Args:
        orientation: of its EXIF note.
        stored: (height, width) as stored, px.
        **annotated: `annotated_size` and `exif`, as in `read_image`.
    """
    size = annotated.get("annotated_size")
    turned = is_turned(orientation, stored, size, annotated["exif"])
    return stored[::-1] if turned and orientation in TURNED_ORIENTATIONS else stored


def turn(image: np.ndarray, orientation: int) -> np.ndarray:
    """Returns a stored image as a viewer shows it: a view of the same array.

    Args:
        image: [H, W] or [H, W, channels].
        orientation: of the EXIF note, 1 to 8.
    """
    if orientation in FLIPPED_ROWS:
        image = image[::-1]
    if orientation in FLIPPED_COLUMNS:
        image = image[:, ::-1]
    return image.swapaxes(0, 1) if orientation in TURNED_ORIENTATIONS else image


def stored_box(
    box: tuple[int, int, int, int], stored: tuple[int, int], orientation: int
) -> tuple[int, int, int, int]:
    """Returns where a part of a turned image is stored: (y1, x1, y2, x2), px.

    Law: `turn(image, o)[y1:y2, x1:x2]` is `turn` of the stored part.

    Args:
        box: (y1, x1, y2, x2), px of the turned image.
        stored: (height, width) as stored, px.
        orientation: of the EXIF note, 1 to 8.
    """
    y1, x1, y2, x2 = box
    height, width = stored
    if orientation in TURNED_ORIENTATIONS:
        y1, x1, y2, x2 = x1, y1, x2, y2
    if orientation in FLIPPED_ROWS:
        y1, y2 = height - y2, height - y1
    if orientation in FLIPPED_COLUMNS:
        x1, x2 = width - x2, width - x1
    return y1, x1, y2, x2
