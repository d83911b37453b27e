"""Objects whose masks are files: one a mask, or one file of labels for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np

from mrcnn.data.files.mask_reader import MaskPage, read_pages
from mrcnn.data.files.mask_values import class_numbers, label_numbers, object_mask
from mrcnn.data.outlines.shapes import Shape, check_mask_size
from mrcnn.geometry.crops import Crop, no_crop, tight_crop

# Endings of files that may hold a stack; they are opened to count its pages.
STACK_SUFFIXES = (".gif", ".tif", ".tiff", ".webp")
# Above it labels are numbered anew: boxes are found in a table of all values.
MAX_TABLE = 65535


@dataclass(frozen=True)
class MaskFile(Shape):
    """The mask of one object in a file: pixels that are not 0, or are `value`.

    A mask of two values or colors has its object where it is brighter, also where a
    palette or a note in the file (TIFF) tells viewers otherwise; where edges are soft,
    as in a JPEG, it is cut at the middle of its range. Alpha counts where it is not the
    same everywhere.

    Attributes:
        path: an image file of the same size as the image.
        value: None for a file of one object; else the label of the object, from 1, in a
            label image that several objects share.
        page: of a stack (TIFF, GIF) with one object a page, from 0; None for a file of
            one page.
        separate: True when each connected part of the mask, or of a label, is an object
            of its own; `value` is then the number of the part, from 1.
    """

    path: str | Path
    value: int | None = None
    page: int | None = None
    separate: bool = False

    def __post_init__(self):
        """Checks the label."""
        if self.value == 0:
            raise ValueError(
                f"{type(self).__name__}({str(self.path)!r}, value=0): 0 is the "
                "background; labels of objects start at 1."
            )

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        files = {} if files is None else files
        if self.value is not None:
            return self._crop_of_label(height, width, files)
        if self.page is None:
            page = _page_of(self)
        else:  # a stack is decoded once for all its objects
            key = str(self.path), "pages"
            if key not in files:
                files[key] = read_pages(self.path)
            page = files[key][self.page]
        self._check_size(page.values, height, width)
        return tight_crop(_named(self.path, object_mask, page))

    def _crop_of_label(self, height: int, width: int, files: dict) -> Crop:
        """Returns the crop of the pixels that are `value`."""
        key = str(self.path), self.page, self.separate
        if key not in files:
            files[key] = _labels_and_boxes(self)
        labels, boxes = files[key]
        self._check_size(labels, height, width)
        box = boxes.get(int(self.value))
        if box is None:
            return no_crop()
        y1, x1, y2, x2 = box
        return Crop(box, labels[y1:y2, x1:x2] == self.value)

    def _check_size(self, values: np.ndarray, height: int, width: int) -> None:
        """Raises MaskSizeError unless the file has the size of the image."""
        check_mask_size(values.shape, height, width, f"mask file {str(self.path)!r}")


@dataclass(frozen=True)
class LabelValue(MaskFile):
    """A `MaskFile` that is one value of a label image."""

    def __post_init__(self):
        """Checks the label."""
        super().__post_init__()
        if self.value is None:
            raise TypeError(
                f"LabelValue({str(self.path)!r}): give the value of the object's "
                "pixels, or use MaskFile."
            )


def masks_of_file(path: str | Path, separate: bool = False) -> list[MaskFile]:
    """Returns the objects of a mask file: one a page.

    Args:
        path: the file. One that cannot be read is one object, whose `crop` raises.
        separate: each connected part of a page is an object.
    """
    path = str(path)
    if not separate and Path(path).suffix.lower() not in STACK_SUFFIXES:
        return [MaskFile(path)]
    try:
        pages = range(len(read_pages(path)))
        masks = [MaskFile(path, page=i if len(pages) > 1 else None) for i in pages]
        if not separate:
            return masks
        return [
            LabelValue(path, number, mask.page, separate=True)
            for mask in masks
            for number in range(1, len(part_values(path, mask.page)) + 1)
        ]
    except (OSError, ValueError):
        return [MaskFile(path)]


def read_labels(path: str | Path) -> np.ndarray:
    """Returns a label image, int [H, W]; 0 is the background.

    Raises:
        FileNotFoundError, OSError: as `read_pages`.
        ValueError: it has colors, fractions, negative numbers, soft edges or several
            pages.
    """
    return _named(path, label_numbers, _page_of(MaskFile(path)))


def label_values(path: str | Path) -> list[int]:
    """Returns the labels in a label image, ascending, without the 0."""
    return [int(value) for value in np.unique(read_labels(path)) if value]


def part_values(path: str | Path, page: int | None = None) -> list[int]:
    """Returns the value of each connected part of a mask, a class map or label image.

    Part k of `MaskFile(path, k, page, separate=True)` is at place k - 1.

    Raises:
        FileNotFoundError, OSError, ValueError: as `read_labels`; soft edges and colors
            can be read.
    """
    from skimage.measure import label

    numbers = _named(path, class_numbers, _page_of(MaskFile(path, page=page)))
    parts = label(numbers, background=0)
    values = np.zeros([int(parts.max(initial=0)) + 1], np.int64)
    values[parts] = numbers
    return values[1:].tolist()


def _page_of(mask: MaskFile) -> MaskPage:
    """Returns the page of a mask; raises ValueError where it must be chosen."""
    pages = read_pages(mask.path)
    if mask.page is None and len(pages) > 1:
        raise ValueError(
            f"mask file {str(mask.path)!r}: is a stack of {len(pages)} pages; save "
            "each as a file of its own, or give the page of each object: "
            "MaskFile(path, page=0)."
        )
    return pages[mask.page or 0]


def _named(path, read, page: MaskPage) -> np.ndarray:
    """Returns what a function reads of a page; its errors name the file."""
    try:
        return read(page)
    except ValueError as error:
        raise ValueError(f"mask file {str(path)!r}: {error}") from error


def _labels_and_boxes(mask: MaskFile) -> tuple[np.ndarray, dict]:
    """Returns a label image [H, W], and the box (y1, x1, y2, x2) of each label."""
    from skimage.measure import label, regionprops

    page = _page_of(mask)
    labels = _named(mask.path, class_numbers if mask.separate else label_numbers, page)
    if mask.separate:
        labels = label(labels, background=0)
    values, numbered = None, labels
    if labels.max(initial=0) > MAX_TABLE:
        values, inverse = np.unique(labels, return_inverse=True)
        numbered = inverse.reshape(labels.shape) + 1
        values = np.concatenate([[0], values])
    boxes = {
        int(region.label if values is None else values[region.label]): region.bbox
        for region in regionprops(numbered)
    }
    return labels, boxes
