"""Masks in the box frame: mini masks, and how masks of the mask head become pixels.

In the box frame a mask is a small array [h, w] that covers exactly its box;
`interpolation.resize_bilinear` goes from there to pixels and back. The tensor twin
interpolates in float64, step by step as NumPy does: both fall on the same side of a
threshold.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_number, as_numbers, as_sides
from mrcnn.geometry.crops import Crop, paste, stack_crops
from mrcnn.geometry.interpolation import resize_bilinear

MAX_PX = 1e6  # the largest pictures have sides of 1e5; whole numbers end at 9e18


def as_masks(masks, where: str) -> np.ndarray:
    """Returns a mask stack as an array; raises unless it is numbers [H, W, N]."""
    masks = as_numbers(masks, where)
    if masks.ndim != 3:
        raise ValueError(
            f"{where}: expected a stack of masks [H, W, N]; received shape "
            f"{masks.shape}. A single mask goes in as mask[:, :, None]."
        )
    return masks


def _as_int_boxes(bbox, where: str, count: int | None = None) -> np.ndarray:
    """Returns px boxes as int [N, 4], rounding floats; one box if `count` is None."""
    bbox = as_numbers(bbox, where)
    if count == 0 and bbox.size == 0:
        return np.zeros((0, 4), np.int64)
    wanted = () if count is None else (count,)
    if bbox.ndim == 0 or bbox.shape[-1] < 4 or bbox.shape[:-1] != wanted:
        raise ValueError(
            f"{where}: boxes (y1, x1, y2, x2) of shape {(*wanted, 4)} are needed, one "
            f"for each mask; received shape {bbox.shape}."
        )
    bbox = bbox[..., :4]
    if not np.all((bbox >= -MAX_PX) & (bbox <= MAX_PX)):
        raise ValueError(
            f"{where}: a box reaches beyond {MAX_PX:g} px or holds NaN; leave it out."
        )
    return np.rint(bbox).astype(np.int64)


def minimize_mask(bbox, mask, mini_shape) -> np.ndarray:
    """Returns mini masks: what lies in each mask's box, resized to one small shape.

    Saves memory in training; see `expand_mask` for the (lossy) way back.

    Args:
        bbox: int [N, (y1, x1, y2, x2)], same frame as the masks, within the image.
        mask: bool or number [H, W, N].
        mini_shape: (height, width) of the mini masks.

    Returns:
        bool [height, width, N], box frame: where interpolation exceeds one half.

    Raises:
        ValueError: if a box is empty or reaches over the image, or shapes disagree.

    >>> mask = np.zeros((8, 8, 1), bool)
    >>> mask[2:6, 2:6] = True
    >>> minimize_mask([[2, 2, 6, 6]], mask, (2, 2))[:, :, 0].tolist()
    [[True, True], [True, True]]
    """
    mask = as_masks(mask, "minimize_mask(mask)")
    height, width, count = mask.shape
    boxes = _as_int_boxes(bbox, "minimize_mask(bbox)", count)
    shape = as_sides(mini_shape, "minimize_mask(mini_shape)")
    mini_mask = np.zeros((*shape, count), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes.tolist()):
        if not (0 <= y1 < y2 <= height and 0 <= x1 < x2 <= width):
            raise ValueError(
                f"minimize_mask(bbox[{i}]={[y1, x1, y2, x2]}): the box is empty or "
                f"not within the image ({height}, {width}); drop masks without pixels "
                f"and take boxes from extract_bboxes."
            )
        mini_mask[:, :, i] = minimize_crop(mask[y1:y2, x1:x2, i] != 0, shape)
    return mini_mask


def minimize_crop(crop: np.ndarray, mini_shape: tuple[int, int]) -> np.ndarray:
    """Returns the mini mask of one mask that is given inside its box alone.

    Args:
        crop: bool [h, w], box frame, not empty.
        mini_shape: (height, width) of the mini mask.

    Returns:
        bool `mini_shape`, box frame: where interpolation exceeds one half.
    """
    return resize_bilinear(crop, mini_shape) > 0.5


def expand_mask(bbox, mini_mask, image_shape) -> np.ndarray:
    """Returns full masks from mini masks, for looking at them.

    Law: a mask that fills its box survives `minimize_mask` and `expand_mask`; any other
    keeps its box's place and, roughly, its area.

    Args:
        bbox: int [N, (y1, x1, y2, x2)], px; parts outside the image are left out.
        mini_mask: bool [h, w, N], box frame.
        image_shape: (height, width, ...) of the image.

    Returns:
        bool [height, width, N], px.

    >>> mini_mask = np.ones((2, 2, 1), bool)
    >>> expand_mask([[1, 1, 2, 3]], mini_mask, (3, 4))[:, :, 0].astype(int).tolist()
    [[0, 0, 0, 0], [0, 1, 1, 0], [0, 0, 0, 0]]
    """
    mini_mask = as_masks(mini_mask, "expand_mask(mini_mask)")
    boxes = _as_int_boxes(bbox, "expand_mask(bbox)", mini_mask.shape[2])
    image_shape = as_sides(image_shape, "expand_mask(image_shape)")
    crops = [
        Crop(tuple(box), _fill_box(mini_mask[:, :, i] != 0, box) > 0.5)
        for i, box in enumerate(boxes.tolist())
    ]
    return stack_crops(crops, image_shape)


def _fill_box(mask: np.ndarray, box) -> np.ndarray:
    """Returns a mask resized to its px box: float64 [y2 - y1, x2 - x1], or no pixel."""
    shape = max(0, box[2] - box[0]), max(0, box[3] - box[1])
    return resize_bilinear(mask, shape) if min(shape) else np.zeros(shape)


def paste_crop(mask, bbox, threshold: float = 0.5) -> np.ndarray:
    """Returns a mask of the mask head in the size of its box.

    Args:
        mask: float [h, w], probability, box frame.
        bbox: [(y1, x1, y2, x2)], orig or px; may reach over the image.
        threshold: a pixel belongs to the object at this probability or above.

    Returns:
        bool [y2 - y1, x2 - x1]; without pixels for an empty box.

    Raises:
        ValueError: if `mask` is not [h, w].

    >>> paste_crop(np.array([[0.9, 0.1]]), [0, 0, 1, 4]).astype(int).tolist()
    [[1, 1, 0, 0]]
    """
    mask = _as_one_mask(mask, "paste_crop(mask)")
    return _fill_box(mask, _as_int_boxes(bbox, "paste_crop(bbox)")) >= threshold


def _as_one_mask(mask, where: str) -> np.ndarray:
    """Returns a mask in its box as an array, not empty, or raises."""
    mask = as_numbers(mask, where)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(
            f"{where}: expected one mask [h, w]; received shape {mask.shape}."
        )
    return mask


def unmold_mask(mask, bbox, image_shape, threshold: float = 0.5) -> np.ndarray:
    """Returns a mask of the mask head in the size of the image.

    Args:
        mask: float [h, w], probability, box frame.
        bbox: [(y1, x1, y2, x2)], orig; parts outside the image are left out.
        image_shape: (height, width, ...) of the image.
        threshold: a pixel belongs to the object at this probability or above.

    Returns:
        bool [height, width], orig.

    >>> unmold_mask(np.ones((2, 2)), [1, -2, 3, 1], (3, 3)).astype(int).tolist()
    [[0, 0, 0], [1, 0, 0], [1, 0, 0]]
    """
    mask = _as_one_mask(mask, "unmold_mask(mask)")
    box = _as_int_boxes(bbox, "unmold_mask(bbox)")
    threshold = as_number(threshold, "unmold_mask(threshold)")
    full = np.zeros(as_sides(image_shape, "unmold_mask(image_shape)"), dtype=bool)
    paste(full, Crop(tuple(box.tolist()), paste_crop(mask, box, threshold)))
    return full
