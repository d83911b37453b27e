"""An image whose colors say which object a pixel belongs to, wherever it has moved."""

from __future__ import annotations

import numpy as np
from scipy.ndimage import minimum_filter

from mrcnn.geometry.crops import stack_crops

HEIGHT, WIDTH = 96, 128  # not square
# Objects are full in blue, so that a pixel mixed with black differs from a pure one.
FULL = 255
STEP = 16  # between the reds, and the greens, of two objects


def painted_scene(rows: int = 3, columns: int = 4, gap: int = 6):
    """An image and its masks: a grid of rectangles, each of its own color, on black.

    Returns:
        image uint8 [96, 128, 3], mask bool [96, 128, rows * columns], px; class ids
        int32, 1, 2, 1, 2 ...
    """
    count = rows * columns
    image = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
    mask = np.zeros([HEIGHT, WIDTH, count], bool)
    ys = np.linspace(0, HEIGHT, rows + 1).astype(int)
    xs = np.linspace(0, WIDTH, columns + 1).astype(int)
    for k in range(count):
        i, j = divmod(k, columns)
        box = np.s_[ys[i] + gap : ys[i + 1] - gap, xs[j] + gap : xs[j + 1] - gap]
        image[box] = color_of(k)
        mask[..., k][box] = True
    return image, mask, np.arange(count, dtype=np.int32) % 2 + 1


def color_of(k: int) -> tuple[int, int, int]:
    """The color of object k, with a step between two objects."""
    return (k % 16 * STEP + STEP // 2, k // 16 * STEP + STEP // 2, FULL)


def assert_masks_are_where_the_colors_are(
    image: np.ndarray, mask: np.ndarray, agree: float = 0.97, overlap: float = 0.93
):
    """Holds every mask to the pixels of its object's color.

    Args:
        image: uint8 [H, W, 3], px, of `painted_scene`, moved.
        mask: bool [H, W, N], px, of all of its objects, in their order.
        agree: least share of the pure pixels that lie in their own mask.
        overlap: least IoU of all masks with all that is painted.
    """
    assert mask.shape[:2] == image.shape[:2]
    # 1. Pixels of one color, not mixed along an outline: whose are they?
    ys, xs = np.nonzero(minimum_filter(image[..., 2], 3, mode="nearest") >= FULL - 1)
    red, green = image[ys, xs, 0].astype(int), image[ys, xs, 1].astype(int)
    owner = red // STEP + 16 * (green // STEP)
    count = mask.shape[-1]
    owned = owner < count
    if count:
        assert owned.mean() > 0.99 if len(owner) else True
        assert mask[ys[owned], xs[owned], owner[owned]].mean() >= agree
        # An object seen by more than a few pixels has a mask.
        seen = np.bincount(owner[owned], minlength=count)
        assert mask.any(axis=(0, 1))[seen > 8].all()
    # 2. Nothing but painted pixels, and all of them, are some object's.
    painted, masked = image[..., 2] >= 128, mask.any(axis=-1)
    either = (painted | masked).sum()
    assert (painted & masked).sum() >= overlap * either
    # 3. Rectangles apart stay apart.
    assert (mask.sum(axis=-1) > 1).mean() < 0.01


def draw_outline(shape, height, width):
    """The mask of an outline in its image: bool [height, width]."""
    return stack_crops([shape.crop(height, width)], (height, width))[..., 0]
