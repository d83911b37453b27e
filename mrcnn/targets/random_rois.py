"""RoIs drawn at random, for training or inspecting the heads without an RPN."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

# This share of the RoIs lies around objects; the rest anywhere on the image.
SHARE_NEAR_OBJECTS = 0.9


def random_rois(
    image_shape: Sequence[int],
    count: int,
    gt_boxes_px: np.ndarray,
    *,
    rng: np.random.Generator,
) -> np.ndarray:
    """Returns RoIs of which most overlap an object.

    Nine tenths lie around the objects, the same number around each: their corners are
    anywhere in the box and up to its height above and below, its width left and right.
    The rest, or all without objects, have corners anywhere on the image.

    Args:
        image_shape: (H, W, ...), px.
        count: number of RoIs.
        gt_boxes_px: number [G, (y1, x1, y2, x2)], px, inside the image; G may be 0.
        rng: source of the randomness.

    Returns:
        int32 [count, (y1, x1, y2, x2)], px, inside the image, at least 1 px a side,
        in the order of the gt boxes.

    Raises:
        ValueError: the image has no pixel, or `count` is negative.
    """
    sides = np.array(image_shape[:2], np.int64)
    if len(sides) != 2 or (sides < 1).any() or count < 0:
        raise ValueError(
            f"random_rois(image_shape={tuple(image_shape)}, count={count}): needs an "
            "image of at least one pixel and a count of 0 or more."
        )
    boxes = np.asarray(gt_boxes_px, np.int64).reshape(-1, 4)
    per_box = int(SHARE_NEAR_OBJECTS * count) // len(boxes) if len(boxes) else 0
    num_anywhere = count - per_box * len(boxes)

    # Where the corners of each RoI may lie: the pixels from `low` up to `high`.
    size = np.maximum(boxes[:, 2:] - boxes[:, :2], 1)
    low = np.clip(boxes[:, :2] - size, 0, sides - 1)
    high = np.clip(boxes[:, 2:] + size, low + 1, sides)
    low = np.concatenate([low.repeat(per_box, axis=0), np.zeros((num_anywhere, 2))])
    high = np.concatenate(
        [high.repeat(per_box, axis=0), np.tile(sides, (num_anywhere, 1))]
    )

    # Two pixels a side; both belong to the RoI, so none is empty.
    pixels = rng.integers(
        low.astype(np.int64), high.astype(np.int64), size=(2, count, 2)
    )
    first, last = pixels.min(axis=0), pixels.max(axis=0)
    return np.concatenate([first, last + 1], axis=1).astype(np.int32)
