"""Finds what is wrong with one image of a data set."""

from __future__ import annotations

import hashlib
import os
from typing import NamedTuple

import numpy as np

from mrcnn.data.checks.validation_report import Problem
from mrcnn.data.files.open_images import (
    TURNED_ORIENTATIONS,
    UPRIGHT,
    annotated_as,
    is_address,
    open_image,
    orientation_of,
    turned_size,
)
from mrcnn.geometry.bit_depth import using_range
from mrcnn.geometry.resize_plan import check_model_sides


class Header(NamedTuple):
    """What the header of an image file says.

    Attributes:
        shape: (height, width) as stored, px.
        orientation: of the EXIF note, 1 to 8; 1 without one.
    """

    shape: tuple[int, int]
    orientation: int

    @property
    def is_turned(self) -> bool:
        """True when the EXIF note exchanges height and width."""
        return self.orientation in TURNED_ORIENTATIONS


class CheckedImage(NamedTuple):
    """What is known of an image.

    Attributes:
        image_id: inside id.
        path: of its file as text; None without one.
        header: Header of the file; None without one that Pillow can read.
        given: (height, width) as given to `add_image`, px; None if they were not.
        shape: (height, width), orig; None when it could not be found out.
        digest: hash of its pixels; None when they were not read.
        problems: list of Problem.
    """

    image_id: int
    path: str | None
    header: Header | None
    given: tuple[int, int] | None
    shape: tuple[int, int] | None
    digest: bytes | None
    problems: list[Problem]

    def problem(self, kind: str, text: str, instance: int | None = None) -> Problem:
        """Returns a Problem of this image, or of one of its objects."""
        return Problem(kind, self.image_id, self.path, instance, text)


def check_image(dataset, config, image_id: int, read_images: bool) -> CheckedImage:
    """Loads an image, and returns what is wrong with it.

    Args:
        dataset: a prepared Dataset.
        config: a Config, or None.
        image_id: inside id.
        read_images: False reads the header of the file only, where the data set reads
            images from files.
    """
    path, info = path_of(dataset, image_id), dataset.image_info[image_id]
    header, given = read_header(path), _given_size(info)
    known = CheckedImage(image_id, path, header, given, None, None, [])
    # A user's load_image may return another size than the header says.
    if read_images or not dataset.reads_files or header is None:
        try:
            with using_range("auto" if config is None else config.IMAGE_RANGE):
                image = np.asarray(dataset.load_image(image_id))
        except Exception as error:  # a user's load_image may raise anything
            is_here = path is None or is_address(path) or os.path.exists(path)
            kind = "unreadable image" if is_here else "missing file"
            return known._replace(problems=[known.problem(kind, describe(error))])
        if text := _shape_problem(image, config):
            return known._replace(problems=[known.problem("image shape", text)])
        shape = image.shape[:2]
        if read_images:
            known = known._replace(digest=_pixel_digest(image))
    else:
        shape = turned_size(header.orientation, header.shape, **annotated_as(info))
    is_open = header is not None and not info.get("exif")
    if is_open and (text := _note_problem(header, shape, given)):
        known.problems.append(known.problem("exif note", text))
    if config is not None and config.IMAGE_RESIZE_MODE == "none":
        try:
            check_model_sides(shape, "IMAGE_RESIZE_MODE = 'none'")
        except ValueError as error:
            known.problems.append(known.problem("image shape", str(error)))
    return known._replace(shape=tuple(shape))


def read_header(path: str | None) -> Header | None:
    """Returns the header of an image file; None if Pillow cannot read it."""
    if path is None or not os.path.isfile(path):
        return None
    try:
        with open_image(path, None) as image:
            return Header((image.height, image.width), orientation_of(image))
    except Exception:  # plug-ins and damaged notes raise any type of error;
        return None  # load_image says what is wrong with the file


def _given_size(info: dict) -> tuple[int, int] | None:
    """Returns (height, width) as given to `add_image`, None if they were not."""
    size = info.get("height"), info.get("width")
    if info.get("size_from_file") or None in size:
        return None
    return int(size[0]), int(size[1])


def path_of(dataset, image_id: int) -> str | None:
    """Returns the path of an image as text, None without one."""
    path = dataset.image_info[image_id].get("path")
    return None if path is None else str(path)


def _pixel_digest(image: np.ndarray) -> bytes:
    """Returns a hash of an image's shape and pixels, however its file stores them."""
    digest = hashlib.blake2b(digest_size=16)
    digest.update(f"{image.shape} {image.dtype}".encode())
    digest.update(np.ascontiguousarray(image).data)
    return digest.digest()


def describe(error: Exception) -> str:
    """Returns type and text of an exception."""
    return f"{type(error).__name__}: {error}"


def _shape_problem(image: np.ndarray, config) -> str | None:
    """Returns what is wrong with the shape of an image, None if nothing."""
    channels = 3 if config is None else config.IMAGE_CHANNEL_COUNT
    received = f"load_image returned {image.dtype} {image.shape}"
    is_image = image.ndim == 3 or (image.ndim == 2 and channels == 1)
    if not is_image or 0 in image.shape:
        return f"{received}, expected [H, W, {channels}]"
    if config is not None and image.ndim == 3 and image.shape[2] != channels:
        return f"{received}, but IMAGE_CHANNEL_COUNT = {channels}"
    return None if image.dtype.kind in "uif" else f"{received}, expected uint8"


def _note_problem(header: Header, shape, given) -> str | None:
    """Returns what an EXIF note leaves open, None if nothing."""
    if header.orientation == UPRIGHT or tuple(shape) != header.shape:
        return None  # nothing to turn, or turned
    if header.is_turned and given is not None and header.shape[0] != header.shape[1]:
        return None  # the annotations were drawn on the image as stored
    why = "its width and height do not say"
    if given is None:
        why = "no width and height in add_image() say"
    return (
        f"has an EXIF note to turn or mirror it (orientation {header.orientation}) and "
        f"is read as stored; {why} which of both was annotated. Draw its objects "
        "(visualize.display_instances): where they lie beside what they show, they "
        "were drawn on the turned image; then add_image(..., exif='apply') is right, "
        "or open_dataset(..., exif='apply') (mrcnn: --option exif=apply)"
    )
