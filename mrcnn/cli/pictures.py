"""Draws what `mrcnn detect` found: large, bright, and not too much of it."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.viz.draw import random_colors
from mrcnn.viz.frames import draw_instances, draw_title

# More objects than CROWDED, or CROWDED_OF_ONE_CLASS if all are of one class, get no
# boxes and names, which would hide them; the title counts them.
CROWDED, CROWDED_OF_ONE_CLASS = 40, 12
# px: an image whose shorter side is less is enlarged; if its objects are small, one
# whose shorter side is less than the second number.
SMALL_SIDE, SMALL_SIDE_OF_SMALL = 600, 1000
MOST_TIMES = 4
SMALL_OBJECT = 32  # px, the root of its area
# Where nothing in an image is brighter, it is drawn brighter: 0..255.
DARK = 128
# Distance of a color (red, green, blue, each 0..1) from the objects it should show up
# against.
CONTRAST = 0.6


def draw_image(
    image: np.ndarray, found: dict, class_names: Sequence[str]
) -> np.ndarray:
    """Returns an image with its objects drawn into it: uint8 [h, w, 3].

    Small images, and small objects, are drawn larger, dark images brighter. Many
    objects get outlines alone, and their number stands above the image.

    Args:
        image: uint8 [H, W, 1 or 3].
        found: as of `detect(masks="crop")`.
        class_names: name of class id i at i.
    """
    areas = [np.count_nonzero(mask) for mask in found["masks"]]
    scale = drawing_scale(image.shape, areas)
    image = brightened(image)
    color_by = "class" if len(class_names) > 2 else "instance"
    style = {"scale": scale, "color_by": color_by}
    if not is_crowded(found["class_ids"]):
        return draw_objects(image, found, class_names, **style)
    style |= {"show_mask": False, "thickness": max(1, min(3, scale))}
    if len(class_names) == 2:
        style["colors"] = _clear_colors(image, found)
    drawn = draw_objects(image, found, class_names, **style)
    counts = Counter(class_names[i] for i in found["class_ids"])
    title = ", ".join(f"{name}: {n}" for name, n in counts.most_common())
    return draw_title(drawn, title)


def is_crowded(class_ids: Sequence[int]) -> bool:
    """Returns whether there are too many objects to name each in the image."""
    of_one = len(set(map(int, class_ids))) == 1
    return len(class_ids) > (CROWDED_OF_ONE_CLASS if of_one else CROWDED)


def drawing_scale(shape, areas: Sequence[int] = ()) -> int:
    """Returns how many times larger an image is drawn.

    Args:
        shape: (height, width, ...), px.
        areas: of the objects in it, px.
    """
    is_small = len(areas) > 0 and np.median(areas) < SMALL_OBJECT**2
    side = SMALL_SIDE_OF_SMALL if is_small else SMALL_SIDE
    return max(1, min(MOST_TIMES, round(side / max(1, min(shape[:2])))))


def brightened(image: np.ndarray) -> np.ndarray:
    """Returns a dark image multiplied so that its brightest is white; else itself.

    Args:
        image: uint8 [H, W, channels].
    """
    import cv2

    step = max(1, min(image.shape[:2]) // 512)
    brightest = float(np.percentile(image[::step, ::step], 99.9))
    if not 0 < brightest < DARK:
        return image
    table = np.minimum(np.arange(256) * (255 / brightest), 255).astype(np.uint8)
    return cv2.LUT(image, table).reshape(image.shape)


def draw_objects(
    image: np.ndarray, found: dict, class_names: Sequence[str], **style: Any
) -> np.ndarray:
    """Returns `draw_instances` of detections; many get neither boxes nor names.

    Args:
        image: uint8 [H, W, 1 or 3].
        found: as of `detect(masks="crop")`.
        class_names: name of class id i at i.
        **style: of `draw_instances`.
    """
    ids, scores = found["class_ids"], found["scores"]
    if is_crowded(ids):
        style = {"captions": [None] * len(ids), "show_bbox": False, **style}
    objects = (found["rois"], found["masks"], ids, class_names, scores)
    return draw_instances(image, *objects, **style)


def _clear_colors(image, found) -> list:
    """Returns a color an object, none of them that of the objects themselves."""
    boxes, masks = found["rois"], found["masks"]
    inside = [
        image[y1:y2, x1:x2][mask].mean(axis=0)
        for (y1, x1, y2, x2), mask in zip(boxes, masks, strict=True)
        if mask.any()
    ]
    own = np.median(inside, axis=0) / 255 if inside else np.zeros(3)
    # Enough that as many are left.
    colors = random_colors(3 * len(boxes))
    colors.sort(key=lambda color: np.linalg.norm(color - own) < CONTRAST)
    return colors[: len(boxes)]
