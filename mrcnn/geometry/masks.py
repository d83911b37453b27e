"""Stacks of masks [H, W, N]: their boxes, resizing with the image, overlaps.

Masks in the box frame (mini masks and those of the mask head) are in `box_masks`.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_list, as_number, as_whole
from mrcnn.geometry.box_masks import as_masks
from mrcnn.geometry.crops import Crop, crop_overlaps
from mrcnn.geometry.interpolation import nearest_pixels
from mrcnn.geometry.resize_plan import scaled_shape

MAX_SCALE = 1e4  # makes one pixel larger than any picture


def _any_column(mask: np.ndarray) -> np.ndarray:
    """Returns bool [H, N]: `mask.any(axis=1)` of a bool stack that is not empty.

    Lays the right half over the left until one column remains: long runs of memory
    instead of N bytes at a time, 6 to 20 times faster for up to 20 masks.
    """
    while mask.shape[1] > 1:
        half = mask.shape[1] // 2
        folded = mask[:, :half] | mask[:, half : 2 * half]
        if mask.shape[1] % 2:
            folded[:, 0] |= mask[:, -1]
        mask = folded
    return mask[:, 0]


def extract_bboxes(mask) -> np.ndarray:
    """Returns the tight box of every mask.

    Args:
        mask: bool or number [H, W, N]; a pixel belongs to the object unless it is 0.

    Returns:
        int32 [N, (y1, x1, y2, x2)], half open, same frame as the mask; zeros for an
        empty mask.

    Raises:
        ValueError: if `mask` is not [H, W, N].

    >>> mask = np.zeros((5, 7, 1), bool)
    >>> mask[1:3, 2:6] = True
    >>> extract_bboxes(mask).tolist()
    [[1, 2, 3, 6]]
    """
    mask = as_masks(mask, "extract_bboxes(mask)")
    height, width, _ = mask.shape
    if mask.size == 0:
        return np.zeros((mask.shape[2], 4), np.int32)
    mask = mask.astype(bool, copy=False)
    rows = _any_column(mask)
    columns = mask.any(axis=0)
    boxes = np.stack(
        [
            rows.argmax(axis=0),
            columns.argmax(axis=0),
            height - rows[::-1].argmax(axis=0),
            width - columns[::-1].argmax(axis=0),
        ],
        axis=1,
    )
    boxes[~rows.any(axis=0)] = 0
    return boxes.astype(np.int32)


def crop_masks(masks) -> list[Crop]:
    """Returns the tight crop of every mask of a stack.

    Law: `stack_crops(crop_masks(masks), masks.shape)` is `masks`, see `geometry.crops`.

    Args:
        masks: bool or number [H, W, N]; a pixel is of the object unless it is 0.

    Raises:
        ValueError: `masks` is not [H, W, N].
    """
    masks = as_masks(masks, "crop_masks(masks)")
    return [
        Crop((y1, x1, y2, x2), np.ascontiguousarray(masks[y1:y2, x1:x2, i] != 0))
        for i, (y1, x1, y2, x2) in enumerate(extract_bboxes(masks).tolist())
    ]


def resize_mask(mask, scale: float, padding, crop=None) -> np.ndarray:
    """Returns masks resized as `resize_image` resized their image.

    Each pixel takes the value of the nearest one. Deviation: the old package aligned
    the centers of the corner pixels (`scipy.ndimage.zoom`), which moved masks against
    their image by up to half an original pixel; here both use half-pixel centers.

    Args:
        mask: [H0, W0, N], any dtype, orig.
        scale: as returned by `resize_image`.
        padding: as returned by `resize_image`: [(top, bottom), (left, right), (0, 0)].
        crop: as returned by `resize_image`: (y, x, height, width) or None.

    Returns:
        [H, W, N], the dtype of the input, px: the same height and width as the image.

    Raises:
        ValueError: if `mask` is not [H, W, N], or the crop does not fit.

    >>> mask = np.array([[1, 0]])[:, :, None]
    >>> resize_mask(mask, 2, [(0, 0), (1, 0), (0, 0)])[:, :, 0].tolist()
    [[0, 1, 1, 0, 0], [0, 1, 1, 0, 0]]
    """
    mask = as_masks(mask, "resize_mask(mask)")
    if 0 in mask.shape[:2]:
        raise ValueError(
            f"resize_mask(mask): masks of shape {mask.shape} have no pixel; without "
            "objects they are [H, W, 0]."
        )
    scale = as_number(scale, "resize_mask(scale)", low=0, high=MAX_SCALE)
    if crop is not None:
        crop = [
            as_whole(side, "resize_mask(crop)")
            for side in as_list(crop, "resize_mask(crop)", 4)
        ]
    (top, bottom), (left, right) = _paddings(padding)
    rows, columns = nearest_mask_pixels(mask.shape, scale, crop)
    resized = np.zeros(
        (top + len(rows) + bottom, left + len(columns) + right, mask.shape[2]),
        dtype=mask.dtype,
    )
    resized[top : top + len(rows), left : left + len(columns)] = np.take(
        np.take(mask, rows, axis=0), columns, axis=1
    )
    return resized


def _paddings(padding) -> list[list[int]]:
    """Returns [[top, bottom], [left, right]], px, of the `padding` of `resize_mask`."""
    where = "resize_mask(padding)"
    pairs = [as_list(pair, where, 2) for pair in as_list(padding, where)[:2]]
    if len(pairs) < 2:
        raise ValueError(f"{where}: [(top, bottom), (left, right)] is needed.")
    return [[as_whole(px, where, low=0) for px in pair] for pair in pairs]


def nearest_mask_pixels(
    shape, scale: float, crop=None
) -> tuple[np.ndarray, np.ndarray]:
    """Returns which rows and columns `resize_mask` takes, before it pads.

    Args:
        shape: (height, width, ...) of the masks, orig.
        scale: as returned by `resize_image`.
        crop: as returned by `resize_image`: (y, x, height, width) or None.

    Returns:
        int [height], int [width] of the resized masks; both ascend.

    Raises:
        ValueError: if the crop does not fit.

    >>> [pixels.tolist() for pixels in nearest_mask_pixels((4, 2), 0.5)]
    [[1, 3], [1]]
    """
    height, width = scaled_shape(shape, scale)
    rows = nearest_pixels(shape[0], height)
    columns = nearest_pixels(shape[1], width)
    if crop is not None:
        y, x, crop_height, crop_width = crop
        if y < 0 or x < 0 or y + crop_height > height or x + crop_width > width:
            raise ValueError(
                f"resize_mask(crop={tuple(crop)}): does not fit masks of "
                f"({height}, {width}) after scaling; masks and image must have the "
                f"same original size."
            )
        rows, columns = rows[y : y + crop_height], columns[x : x + crop_width]
    return rows, columns


def compute_overlaps_masks(masks1, masks2) -> np.ndarray:
    """Returns the IoU of every mask of one stack with every mask of another.

    Args:
        masks1: bool or float [H, W, N]; a pixel belongs to the object above 0.5.
        masks2: bool or float [H, W, M], same height and width.

    Returns:
        float32 [N, M], 0..1; 0 where both masks are empty.

    Raises:
        ValueError: if the heights or widths differ.

    >>> masks = np.array([[[1, 1], [0, 1]]], bool)
    >>> compute_overlaps_masks(masks, masks).tolist()
    [[1.0, 0.5], [0.5, 1.0]]
    """
    where = "compute_overlaps_masks(masks1, masks2)"
    return crop_overlaps(*crop_pair(masks1, masks2, where))


def crop_pair(masks1, masks2, where: str) -> tuple[list[Crop], list[Crop]]:
    """Returns the crops of two stacks of masks of one image.

    Args:
        masks1: bool or float [H, W, N]; a pixel belongs to the object above 0.5.
        masks2: bool or float [H, W, M], same height and width.
        where: "function(argument)", named in the error.

    Raises:
        ValueError: if the heights or widths differ.
    """
    stacks = [as_masks(masks, where) for masks in (masks1, masks2)]
    shapes = [masks.shape[:2] for masks in stacks if masks.shape[2]]
    if len(set(shapes)) > 1:
        raise ValueError(
            f"{where}: images of different size, {shapes[0]} and {shapes[1]}; resize "
            f"them before."
        )
    return tuple(crop_masks(masks > 0.5) for masks in stacks)
