"""Objects whose masks are files: one a mask, or one file of labels for all."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

import numpy as np
from PIL import Image

from mrcnn.data.outlines.shapes import Shape, check_mask_size
from mrcnn.geometry.crops import Crop, no_crop, tight_crop

# Modes whose last channel is alpha, which says nothing about the object.
ALPHA_MODES = ("LA", "La", "RGBA", "RGBa")
# Above it labels are numbered anew: boxes are found in a table of all values.
MAX_TABLE = 65535


@dataclass(frozen=True)
class MaskFile(Shape):
    """The mask of one object in a file: pixels that are not 0, or are `value`.

    Attributes:
        path: an image file of the same size as the image. All channels but alpha
            count; where the file has a palette, its indices count.
        value: None for all pixels that are not 0; else the label of the object, from
            1, in a label image that several objects share.
    """

    path: str | Path
    value: int | None = None

    def __post_init__(self):
        """Checks the label."""
        if self.value == 0:
            raise ValueError(
                f"{type(self).__name__}({str(self.path)!r}, value=0): 0 is the "
                "background; labels of objects start at 1."
            )

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        if self.value is not None:
            return self._crop_of_label(height, width, {} if files is None else files)
        values = read_mask_file(self.path)
        self._check_size(values, height, width)
        is_object = values != 0
        return tight_crop(is_object.any(axis=2) if is_object.ndim == 3 else is_object)

    def _crop_of_label(self, height: int, width: int, files: dict) -> Crop:
        """Returns the crop of the pixels that are `value`."""
        key = str(self.path)
        if key not in files:
            files[key] = _read_labels_and_boxes(self.path)
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


def read_mask_file(path: str | Path) -> np.ndarray:
    """Returns a file's values as stored, [H, W] or [H, W, channels], without alpha.

    Raises:
        FileNotFoundError: there is no such file.
        OSError: it is no image, or damaged.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"read_mask_file({str(path)!r}): no such file.")
    try:
        with Image.open(path) as image:
            array = np.asarray(image)
            has_alpha = image.mode in ALPHA_MODES
    except (OSError, SyntaxError) as error:
        raise OSError(
            f"read_mask_file({str(path)!r}): the file is damaged or no image "
            f"({error}); replace or remove it."
        ) from error
    return array[..., :-1] if has_alpha else array


def read_labels(path: str | Path) -> np.ndarray:
    """Returns a label image, int [H, W]; 0 is the background.

    Raises:
        FileNotFoundError, OSError: as `read_mask_file`.
        ValueError: it has colors, fractions or negative numbers.
    """
    labels = read_mask_file(path)
    if labels.ndim == 3 and (labels == labels[..., :1]).all():
        labels = labels[..., 0]  # grey, saved as an image in color
    if labels.ndim != 2 or labels.dtype.kind not in "bui" or labels.min() < 0:
        raise ValueError(
            f"read_labels({str(path)!r}): labels are whole numbers from 0, one a "
            f"pixel; received {labels.dtype} {labels.shape}."
        )
    return labels.astype(np.uint8) if labels.dtype == bool else labels


def label_values(path: str | Path) -> list[int]:
    """Returns the labels in a label image, ascending, without the 0."""
    return [int(value) for value in np.unique(read_labels(path)) if value]


def _read_labels_and_boxes(path) -> tuple[np.ndarray, dict]:
    """Returns a label image [H, W], and the box (y1, x1, y2, x2) of each label."""
    from skimage.measure import regionprops

    labels = read_labels(path)
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
