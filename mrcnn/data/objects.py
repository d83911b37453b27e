"""Objects: the objects of an image, each in its box; resizing them, mini masks."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, NamedTuple

import numpy as np

from mrcnn.data.outlines.shapes import MaskSizeError
from mrcnn.geometry.box_masks import minimize_crop
from mrcnn.geometry.crops import Crop, crop_boxes, tight_crop
from mrcnn.geometry.masks import crop_masks, nearest_mask_pixels

if TYPE_CHECKING:
    from mrcnn.data.outlines.annotation import Annotation


class Objects(NamedTuple):
    """The objects of an image, each as its tight box and its mask in that box.

    Attributes:
        crops: list of N `mrcnn.geometry.crops.Crop`, each `Crop(box=(y1, x1, y2, x2),
            mask=bool [y2 - y1, x2 - x1])`, orig; the box of an object without a pixel
            is (0, 0, 0, 0).
        class_ids: int32 [N], inside ids from 1; negative for a crowd.
        size: (height, width) of the image that the objects were drawn for, px; None if
            it is not known: they are taken to fit.
        annotations: list of the N `Annotation` that the crops were drawn from; None:
            they were not drawn from annotations.
    """

    crops: list[Crop]
    class_ids: np.ndarray
    size: tuple[int, int] | None = None
    annotations: list[Annotation] | None = None

    @property
    def boxes(self) -> np.ndarray:
        """The boxes of the objects: int32 [N, (y1, x1, y2, x2)]."""
        return crop_boxes(self.crops)


def mask_objects(masks, class_ids, where: str = "mask_objects()") -> Objects:
    """Returns the objects of a stack of masks.

    Law: `stack_crops(mask_objects(masks, class_ids).crops, masks.shape)` is `masks`.

    Args:
        masks: bool or number [H, W, N]; a pixel is of the object unless it is 0.
        class_ids: [N]; kept as they are, see `load_checks.checked_objects`.
        where: names the method that gave the masks, in an error.

    Raises:
        TypeError: the masks are no array of numbers.
        MaskSizeError: the masks are not [H, W, N].
    """
    masks = np.asarray(masks)
    if masks.dtype.kind not in "buif":
        raise TypeError(
            f"{where}: masks must be one bool array [H, W, N]; received "
            f"{masks.dtype} {masks.shape}. Use np.stack(list_of_masks, axis=-1)."
        )
    if masks.ndim != 3:
        raise MaskSizeError(
            f"{where}: masks must be bool [H, W, N] matching the image; received "
            f"{masks.dtype} {masks.shape}. Return mask[..., np.newaxis] for a single "
            "object."
        )
    crops = crop_masks(masks)
    # An empty stack of any height and width fits every image.
    return Objects(crops, np.asarray(class_ids), masks.shape[:2] if crops else None)


def resize_objects(
    objects: Objects, shape: Sequence[int], scale: float, padding, crop=None
) -> Objects:
    """Returns objects resized as `resize_image` resized their image.

    Law: their full masks are `resize_mask` of the full masks before, bit for bit. An
    object may lose its last pixel.

    Args:
        objects: Objects, orig.
        shape: (height, width, ...) of the image, orig.
        scale: as returned by `resize_image`.
        padding: as returned by `resize_image`: [(top, bottom), (left, right), ...].
        crop: as returned by `resize_image`: (y, x, height, width) or None.

    Returns:
        Objects, px, their boxes tight, their size that of the resized image.
    """
    rows, columns = nearest_mask_pixels(shape, scale, crop)
    (top, bottom), (left, right) = padding[:2]
    crops = []
    for (y1, x1, y2, x2), mask in objects.crops:
        # Rows and columns ascend: those of a box are neighbors.
        first_row, end_row = np.searchsorted(rows, (y1, y2)).tolist()
        first_column, end_column = np.searchsorted(columns, (x1, x2)).tolist()
        resized = mask.take(rows[first_row:end_row] - y1, axis=0)
        resized = resized.take(columns[first_column:end_column] - x1, axis=1)
        crops.append(tight_crop(resized, top + first_row, left + first_column))
    size = top + len(rows) + bottom, left + len(columns) + right
    return objects._replace(crops=crops, size=size)


def seen_objects(objects: Objects) -> Objects:
    """Returns the objects that have a pixel, in their order."""
    seen = [i for i, crop in enumerate(objects.crops) if crop.mask.size]
    crops = [objects.crops[i] for i in seen]
    return Objects(crops, objects.class_ids[seen], objects.size)


def mini_masks(objects: Objects, mini_shape: Sequence[int]) -> np.ndarray:
    """Returns the mini masks of objects: bool [height, width, N], box frame.

    Law: they are `minimize_mask` of the full masks, bit for bit.

    Args:
        objects: Objects, none without a pixel.
        mini_shape: (height, width) of the mini masks.
    """
    shape = (int(mini_shape[0]), int(mini_shape[1]))
    masks = [minimize_crop(crop.mask, shape) for crop in objects.crops]
    return np.stack(masks, axis=-1) if masks else np.zeros([*shape, 0], bool)
