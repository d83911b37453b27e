"""What can be wrong with one picture of a data set."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mrcnn.data.checks.validation_report import Problem
from mrcnn.data.dataset import Dataset
from mrcnn.data.files.image_files import EXIF_ORIENTATION, TURNED_ORIENTATIONS
from mrcnn.geometry.resize_plan import check_model_sides

UPRIGHT = 1  # EXIF orientation of a picture that is stored as it is seen


class Picture(NamedTuple):
    """What is known of a picture.

    Attributes:
        shape: (height, width), orig; None when it could not be found out.
        digest: hash of its pixels; None when they were not read.
        problems: list of Problem.
    """

    shape: tuple[int, int] | None
    digest: bytes | None
    problems: list[Problem]


def check_picture(dataset, config, image_id: int, read_images: bool) -> Picture:
    """Loads a picture, and returns what is wrong with it.

    Args:
        dataset: a prepared Dataset.
        config: a Config, or None.
        image_id: inside id.
        read_images: False asks the header of the file only.
    """
    path = path_of(dataset, image_id)
    header = read_header(path)
    told = told_size(dataset.image_info[image_id])
    digest = None
    # A user's load_image may return another size than the header tells.
    own = type(dataset).load_image is not Dataset.load_image
    if read_images or own or header is None:
        try:
            image = np.asarray(dataset.load_image(image_id))
        except Exception as error:  # a user's load_image may raise anything
            is_missing = path is not None and _is_missing(path)
            kind = "missing file" if is_missing else "unreadable image"
            problem = Problem(kind, image_id, path, None, describe(error))
            return Picture(None, None, [problem])
        text = _shape_problem(image, config)
        if text is not None:
            problem = Problem("image shape", image_id, path, None, text)
            return Picture(None, None, [problem])
        shape = image.shape[:2]
        if read_images:
            digest = pixel_digest(image)
    else:
        shape = header.shape
        if header.orientation in TURNED_ORIENTATIONS and told == shape[::-1]:
            shape = told
    problems = []
    if header is not None:
        text = _note_problem(header, shape, told)
        if text:
            problems.append(Problem("exif note", image_id, path, None, text))
    if config is not None and config.IMAGE_RESIZE_MODE == "none":
        try:
            check_model_sides(shape, "IMAGE_RESIZE_MODE = 'none'")
        except ValueError as error:
            problems.append(Problem("image shape", image_id, path, None, str(error)))
    return Picture(tuple(shape), digest, problems)


class Header(NamedTuple):
    """What the header of a picture file says.

    Attributes:
        shape: (height, width) as stored.
        orientation: of the EXIF note; 1 without one.
    """

    shape: tuple[int, int]
    orientation: int


def read_header(path: str | None) -> Header | None:
    """Returns the header of a picture file; None if Pillow cannot read it."""
    if path is None or not Path(path).is_file():
        return None
    try:
        with Image.open(path) as picture:
            orientation = picture.getexif().get(EXIF_ORIENTATION, UPRIGHT)
            return Header((picture.height, picture.width), orientation)
    except Exception:  # plug-ins and damaged notes raise what they like;
        return None  # load_image says what is wrong with the file


def told_size(info: dict) -> tuple[int, int] | None:
    """Returns (height, width) that `add_image` was told, None if it was not."""
    if info.get("size_from_file"):
        return None
    size = info.get("height"), info.get("width")
    return None if None in size else (int(size[0]), int(size[1]))


def path_of(dataset, image_id: int) -> str | None:
    """Returns the path of an image as text, None without one."""
    path = dataset.image_info[image_id].get("path")
    return None if path is None else str(path)


def pixel_digest(image: np.ndarray) -> bytes:
    """Returns a hash of a picture's shape and pixels, however its file stores them."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def describe(error: Exception) -> str:
    """Returns type and text of an exception."""
    return f"{type(error).__name__}: {error}"


def _is_missing(path: str) -> bool:
    """True for a path of this machine where nothing is."""
    is_address = path.startswith(("http://", "https://"))
    return not is_address and not Path(path).exists()


def _shape_problem(image: np.ndarray, config) -> str | None:
    """Returns what keeps an array from being a picture, None if nothing."""
    channels = 3 if config is None else config.IMAGE_CHANNEL_COUNT
    received = f"load_image returned {image.dtype} {image.shape}"
    is_picture = image.ndim == 3 or (image.ndim == 2 and channels == 1)
    if not is_picture or 0 in image.shape:
        return f"{received}, expected [H, W, {channels}]"
    if config is not None and image.ndim == 3 and image.shape[2] != channels:
        return f"{received}, but IMAGE_CHANNEL_COUNT = {channels}"
    return None if image.dtype.kind in "uif" else f"{received}, expected uint8"


def _note_problem(header: Header, shape, told) -> str | None:
    """Returns what an EXIF note leaves open, None if nothing."""
    if header.orientation == UPRIGHT or tuple(shape) != header.shape:
        return None  # nothing to turn, or turned
    turned = header.orientation in TURNED_ORIENTATIONS
    if turned and told is not None and header.shape[0] != header.shape[1]:
        return None  # the annotations were drawn on the picture as stored
    why = "width and height were not told" if told is None else "its size cannot tell"
    return (
        f"has an EXIF note to turn or mirror it (orientation {header.orientation}) and "
        f"is read as stored; {why} which of both was annotated"
    )
