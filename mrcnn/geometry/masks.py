"""Masks: their boxes, mini masks, resizing, and pasting what the mask head says.

A stack of masks is [H, W, N]. In the box frame a mask is a small picture [h, w] that
covers exactly its box; `interpolation.resize_bilinear` goes from one to the other.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.interpolation import nearest_pixels, resize_bilinear
from mrcnn.geometry.resize_plan import scaled_shape

# Pixels that `compute_overlaps_masks` converts to float at once (16 MB for 64 masks).
_PIXEL_CHUNK = 1 << 16


def _as_masks(masks, where: str) -> np.ndarray:
    """Returns a mask stack as an array; raises ValueError unless it is [H, W, N]."""
    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(
            f"{where}: expected a stack of masks [H, W, N]; received shape "
            f"{masks.shape}. A single mask goes in as mask[:, :, None]."
        )
    return masks


def _as_int_boxes(bbox, where: str, count: int | None = None) -> np.ndarray:
    """Returns px boxes as int [N, 4], rounding floats; one box if `count` is None."""
    bbox = np.asarray(bbox)
    if count == 0 and bbox.size == 0:
        return np.zeros((0, 4), np.int64)
    wanted = () if count is None else (count,)
    if bbox.ndim == 0 or bbox.shape[-1] < 4 or bbox.shape[:-1] != wanted:
        raise ValueError(
            f"{where}: boxes (y1, x1, y2, x2) of shape {(*wanted, 4)} are needed, one "
            f"for each mask; received shape {bbox.shape}."
        )
    return np.rint(bbox[..., :4]).astype(np.int64)


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
    mask = _as_masks(mask, "extract_bboxes(mask)")
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
    mask = _as_masks(mask, "minimize_mask(mask)")
    height, width, count = mask.shape
    boxes = _as_int_boxes(bbox, "minimize_mask(bbox)", count)
    shape = (int(mini_shape[0]), int(mini_shape[1]))
    mini_mask = np.zeros((*shape, count), dtype=bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes.tolist()):
        if not (0 <= y1 < y2 <= height and 0 <= x1 < x2 <= width):
            raise ValueError(
                f"minimize_mask(bbox[{i}]={[y1, x1, y2, x2]}): the box is empty or "
                f"not within the image ({height}, {width}); drop masks without pixels "
                f"and take boxes from extract_bboxes."
            )
        crop = mask[y1:y2, x1:x2, i] != 0
        mini_mask[:, :, i] = resize_bilinear(crop, shape) > 0.5
    return mini_mask


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
    mini_mask = _as_masks(mini_mask, "expand_mask(mini_mask)")
    count = mini_mask.shape[2]
    boxes = _as_int_boxes(bbox, "expand_mask(bbox)", count)
    mask = np.zeros((*image_shape[:2], count), dtype=bool)
    for i, box in enumerate(boxes):
        shape = _box_shape(box)
        if min(shape) > 0:
            crop = resize_bilinear(mini_mask[:, :, i] != 0, shape) > 0.5
            _paste(mask[:, :, i], crop, box)
    return mask


def _box_shape(box: np.ndarray) -> tuple[int, int]:
    """Returns (height, width) of a px box; 0 for a box turned inside out."""
    return max(0, int(box[2] - box[0])), max(0, int(box[3] - box[1]))


def _paste(full: np.ndarray, crop: np.ndarray, box: np.ndarray) -> None:
    """Writes `crop`, which covers `box`, into `full` [H, W] as far as they overlap."""
    y1, x1 = np.maximum(box[:2], 0)
    y2, x2 = np.minimum(box[2:], full.shape)
    if y1 < y2 and x1 < x2:
        y0, x0 = box[:2]
        full[y1:y2, x1:x2] = crop[y1 - y0 : y2 - y0, x1 - x0 : x2 - x0]


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
    mask = np.asarray(mask)
    if mask.ndim != 2 or mask.size == 0:
        raise ValueError(
            f"paste_crop(mask): expected one mask [h, w]; received shape {mask.shape}."
        )
    shape = _box_shape(_as_int_boxes(bbox, "paste_crop(bbox)"))
    if min(shape) == 0:
        return np.zeros(shape, dtype=bool)
    return resize_bilinear(mask, shape) >= threshold


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
    crop = paste_crop(mask, bbox, threshold)
    full = np.zeros(tuple(image_shape[:2]), dtype=bool)
    _paste(full, crop, _as_int_boxes(bbox, "unmold_mask(bbox)"))
    return full


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
    mask = _as_masks(mask, "resize_mask(mask)")
    height, width = scaled_shape(mask.shape, scale)
    rows = nearest_pixels(mask.shape[0], height)
    columns = nearest_pixels(mask.shape[1], width)
    if crop is not None:
        y, x, crop_height, crop_width = crop
        if y < 0 or x < 0 or y + crop_height > height or x + crop_width > width:
            raise ValueError(
                f"resize_mask(crop={tuple(crop)}): does not fit masks of "
                f"({height}, {width}) after scaling; masks and image must have the "
                f"same original size."
            )
        rows, columns = rows[y : y + crop_height], columns[x : x + crop_width]
    (top, bottom), (left, right) = padding[0], padding[1]
    resized = np.zeros(
        (top + len(rows) + bottom, left + len(columns) + right, mask.shape[2]),
        dtype=mask.dtype,
    )
    resized[top : top + len(rows), left : left + len(columns)] = np.take(
        np.take(mask, rows, axis=0), columns, axis=1
    )
    return resized


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
    masks1 = _as_masks(masks1, "compute_overlaps_masks(masks1)")
    masks2 = _as_masks(masks2, "compute_overlaps_masks(masks2)")
    count1, count2 = masks1.shape[2], masks2.shape[2]
    if count1 == 0 or count2 == 0:
        return np.zeros((count1, count2), np.float32)
    if masks1.shape[:2] != masks2.shape[:2]:
        raise ValueError(
            f"compute_overlaps_masks(masks1, masks2): images of different size, "
            f"{masks1.shape[:2]} and {masks2.shape[:2]}; resize them before."
        )
    masks1, masks2 = masks1.reshape(-1, count1), masks2.reshape(-1, count2)
    # Slices of pixels: a float copy of two full stacks can take gigabytes, and
    # float32 counts exactly only up to 2 ** 24 pixels.
    intersections = np.zeros((count1, count2))
    areas1, areas2 = np.zeros(count1), np.zeros(count2)
    for start in range(0, len(masks1), _PIXEL_CHUNK):
        pixels1 = (masks1[start : start + _PIXEL_CHUNK] > 0.5).astype(np.float32)
        pixels2 = (masks2[start : start + _PIXEL_CHUNK] > 0.5).astype(np.float32)
        intersections += pixels1.T @ pixels2
        areas1 += pixels1.sum(axis=0)
        areas2 += pixels2.sum(axis=0)
    unions = areas1[:, None] + areas2 - intersections
    overlaps = np.divide(
        intersections, unions, out=np.zeros_like(unions), where=unions > 0
    )
    return overlaps.astype(np.float32)
