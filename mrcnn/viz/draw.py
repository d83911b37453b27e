"""Colors, and masks and boxes painted into arrays."""

from __future__ import annotations

import colorsys
from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.geometry.bit_depth import shown_values
from mrcnn.geometry.crops import tight_crop
from mrcnn.viz.mask_forms import mask_crops

Color = tuple[float, float, float]
"""Red, green, blue, each 0..1."""

# Hues this part of the circle apart don't repeat, and neighbors in the list differ.
HUE_STEP = 0.618033988749895
# Relative luminance at which black and white text have the same contrast (WCAG 2).
EQUAL_CONTRAST = 0.179
# Of colors that show on dark ground, and carry black text.
LEAST_LUMINANCE = 0.2


def random_colors(N: int, bright: bool = True) -> list[Color]:
    """Returns N colors that are easy to tell apart, the same ones in every call.

    Deviation: in the old package they were shuffled; here instance i keeps its color
    from image to image, and the first colors of a long list are the short list.

    Args:
        N: how many.
        bright: full brightness, else 0.7 of it.

    Returns:
        N tuples (red, green, blue), each 0..1.
    """
    value = 1.0 if bright else 0.7
    colors = []
    for i in range(N):
        # Every second color is paler: neighbors in hue differ in one thing more.
        hue, saturation = (i * HUE_STEP) % 1, 0.65 if i % 2 else 0.95
        # Pure blue can't be seen on a dark ground: as pale as it takes.
        while luminance(colorsys.hsv_to_rgb(hue, saturation, 1.0)) < LEAST_LUMINANCE:
            saturation -= 0.05
        colors.append(colorsys.hsv_to_rgb(hue, saturation, value))
    return colors


def instance_colors(
    class_ids: Sequence[int], color_by: str = "instance"
) -> list[Color]:
    """Returns a color for each instance, the same ones in every image.

    Args:
        class_ids: int [N], negative ones are crowds of the class.
        color_by: "instance", a color each: the first instance, the second, ... look
            alike in all images; "class", a color each class.

    Returns:
        N colors of `random_colors`.
    """
    if color_by not in ("instance", "class"):
        raise ValueError(
            f"instance_colors(color_by={color_by!r}): use 'instance' or 'class'."
        )
    if color_by == "instance":
        return random_colors(len(class_ids))
    indices = [max(abs(int(class_id)) - 1, 0) for class_id in class_ids]
    colors = random_colors(max(indices, default=-1) + 1)
    return [colors[i] for i in indices]


def luminance(color: Color) -> float:
    """Returns the relative luminance of a color, 0..1 (WCAG 2, of sRGB)."""
    parts = np.asarray(color, np.float64)
    linear = np.where(parts <= 0.04045, parts / 12.92, ((parts + 0.055) / 1.055) ** 2.4)
    return float(np.dot(linear, [0.2126, 0.7152, 0.0722]))


def text_color(background: Color) -> str:
    """Returns "black" or "white": the one that can be read on a background."""
    return "black" if luminance(background) > EQUAL_CONTRAST else "white"


def as_rgb(image: Any) -> np.ndarray:
    """Returns a copy of any image as uint8 RGB to draw on.

    Args:
        image: [H, W], [H, W, 1] grey, [H, W, 3] RGB or [H, W, 4] RGBA (alpha is
            dropped); of more channels the first three are shown. uint8 or bool, or
            numbers of 0..255, or 0..1 when none is larger than 1. Of 16-bit images, the
            bits that are used are shown, as by IMAGE_RANGE = "auto" of a Config.

    Returns:
        uint8 [H, W, 3].

    Raises:
        ValueError: another shape, or values above 65535.
    """
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[:, :, None]
    if image.ndim != 3 or image.shape[2] == 0:
        raise ValueError(
            f"as_rgb(image): expected [H, W] or [H, W, channels], received shape "
            f"{image.shape}; give one image without a batch axis."
        )
    image = image[:, :, :3] if image.shape[2] >= 3 else image[:, :, [0, 0, 0]]
    image = shown_values(image, None, "as_rgb(image)")
    if image.dtype == bool:
        return image.astype(np.uint8, order="C") * 255
    if np.issubdtype(image.dtype, np.floating):
        scale = 255 if image.size and image.max() <= 1 else 1
        image = np.clip(np.nan_to_num(image) * scale, 0, 255).round()
    # In C's order, the only one that OpenCV draws into.
    return np.clip(image, 0, 255).astype(np.uint8, order="C")


def apply_mask(
    image: np.ndarray, mask: np.ndarray, color: Color, alpha: float = 0.5
) -> np.ndarray:
    """Returns the image, painted in place where the mask is set.

    Args:
        image: [H, W, 3], 0..255.
        mask: bool or 0/1 [H, W].
        color: red, green, blue, each 0..1.
        alpha: weight of the color, 0..1.

    Returns:
        The same array.
    """
    mask = np.asarray(mask) != 0
    if image.ndim != 3 or image.shape[2] != 3 or mask.shape != image.shape[:2]:
        raise ValueError(
            f"apply_mask(image, mask): expected [H, W, 3] and [H, W], received "
            f"{image.shape} and {mask.shape}; make other images RGB first."
        )
    painted = image[mask] * (1 - alpha) + np.multiply(color, 255) * alpha
    image[mask] = np.round(painted).astype(image.dtype)
    return image


def draw_box(image: np.ndarray, box: np.ndarray, color: Any) -> np.ndarray:
    """Returns the image with a frame 2 px wide, painted in place, inside the box.

    Args:
        image: [H, W, C].
        box: (y1, x1, y2, x2), px of this image; parts outside aren't drawn.
        color: C values in the range of the image.

    Returns:
        The same array.
    """
    y1, x1, y2, x2 = (round(float(side)) for side in box)
    frame = np.ones((max(y2 - y1, 0), max(x2 - x1, 0)), bool)
    frame[2:-2, 2:-2] = False
    (crop,) = mask_crops([frame], [(y1, x1, y2, x2)], image.shape, "draw_box")
    crop.of(image)[crop.mask] = color
    return image


def mask_outlines(mask: np.ndarray) -> list[np.ndarray]:
    """Returns the closed outlines of a mask, those of its holes too.

    Args:
        mask: bool [H, W].

    Returns:
        An array [n, (x, y)] an outline, px, pixel centers at whole numbers, so that
        an outline runs between the last pixel inside and the first outside.
    """
    from skimage.measure import find_contours

    crop = tight_crop(np.asarray(mask))
    y1, x1, *_ = crop.box
    # A frame of zeros closes the outlines of masks that touch the border.
    contours = find_contours(np.pad(crop.mask != 0, 1).astype(np.float32), 0.5)
    return [contour[:, ::-1] + (x1 - 1, y1 - 1) for contour in contours]
