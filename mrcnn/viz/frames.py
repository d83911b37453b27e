"""Instances painted into an array by OpenCV: fast enough for every frame of a film."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, apply_mask, as_rgb, text_color
from mrcnn.viz.instances import (
    captions_of,
    checked_boxes,
    chosen_colors,
    large_first,
)
from mrcnn.viz.labels import fit_sizes, place_labels
from mrcnn.viz.mask_forms import mask_crops

SMALLEST_TEXT, LARGEST_TEXT = 11, 40  # px
TEXT_SHARE = 1 / 36  # height of a label, of the shorter side of the image
LEAST_TEXT = 9  # px, where many labels have to share the image
MARGIN = 2  # px around a text
TITLE_GREYS = (40, 240)  # ground and letters of a title


def draw_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: Any,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    *,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[Color] | None = None,
    captions: Sequence[str | None] | None = None,
    color_by: str | None = None,
    alpha: float = 0.45,
    scale: float = 1.0,
    thickness: int | None = None,
) -> np.ndarray:
    """The picture of an image with its instances, pixel for pixel, as an array.

    What `display_instances` draws, without matplotlib's figures: for films, and for
    files as large as the image. Labels keep inside the image and out of each other's
    way; those without room are left out.

        frame = draw_instances(
            frame, r["rois"], r["masks"], r["class_ids"], names, r["scores"]
        )

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3] RGB, uint8 or 0..1.
        boxes: [N, (y1, x1, y2, x2)], px; zero rows are padding.
        masks: in any form that `display_instances` takes, or None.
        class_ids: int [N]; negative ones are crowds of the class.
        class_names: the name of class id i at i.
        scores: float [N], probability, written behind the name.
        show_mask: fill the masks; their outlines are drawn in any case.
        show_bbox: draw the boxes; without masks they are all there is to see.
        colors: N colors (red, green, blue), 0..1; those of `color_by` by default.
        captions: N texts to write instead of name and score, None or "" for none.
        color_by: "instance", a color each, or "class": detections change their order
            from frame to frame, but not their class. None, "class" if there are
            several.
        alpha: weight of the color of a mask, 0..1.
        scale: pixels of the picture for one of the image: lines and labels need room
            in a small one.
        thickness: of lines, px of the picture; None, 1 for every 500 of it.

    Returns:
        uint8 [H * scale, W * scale, 3], RGB; `image` is left as it is.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    import cv2

    where = "draw_instances"
    boxes = checked_boxes(boxes, where, class_ids, scores, captions)
    crops = mask_crops(masks, boxes, np.shape(image), where)
    colors = chosen_colors(colors, class_ids, class_names, color_by, where)
    if captions is None:
        captions = captions_of(class_ids, class_names, scores)
    if not scale > 0:
        raise ValueError(f"{where}(scale={scale}): must be more than 0.")
    picture = as_rgb(image)
    real = large_first(crops, np.flatnonzero(np.any(boxes != 0, axis=1)))
    if masks is not None and show_mask:
        for i in real:
            apply_mask(crops[i].of(picture), crops[i].mask, colors[i], alpha)
    if scale != 1:
        size = [max(1, round(side * scale)) for side in picture.shape[1::-1]]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        picture = cv2.resize(picture, size, interpolation=method)
    # At their own size outlines are chains of pixels: nothing to smooth.
    line = cv2.LINE_8 if scale == 1 else cv2.LINE_AA
    if thickness is None:
        thickness = max(1, round(min(picture.shape[:2]) / 500))
    for i in real:
        color = _to_uint8(colors[i])
        if masks is not None:
            # Pixel centers lie at whole numbers, before and after scaling.
            first = np.add((crops[i].left, crops[i].top), 0.5)
            outlines = [
                np.round((points + first) * scale - 0.5).astype(np.int32)
                for points in _outlines(crops[i].mask)
            ]
            cv2.polylines(picture, outlines, True, color, thickness, line)
        if show_bbox:
            y1, x1, y2, x2 = np.round(boxes[i] * scale).astype(int).tolist()
            cv2.rectangle(picture, (x1, y1), (x2 - 1, y2 - 1), color, thickness)
    kept = sorted(real)
    _draw_labels(picture, boxes[kept] * scale, [(captions[i], colors[i]) for i in kept])
    return picture


def draw_title(picture: np.ndarray, text: str) -> np.ndarray:
    """A picture with a line of text above it, as much of it as there is room for.

    Args:
        picture: uint8 [H, W, 3], RGB.
        text: the line.

    Returns:
        uint8 [H + height of the line, W, 3]: light letters on dark ground.
    """
    height, width = picture.shape[:2]
    size = int(np.clip(min(height, width) * TEXT_SHARE, SMALLEST_TEXT, LARGEST_TEXT))
    ink = _text_image(text or " ", size)
    line = np.zeros((ink.shape[0] + 2 * MARGIN, width), np.float32)
    part = line[MARGIN : MARGIN + ink.shape[0], 2 * MARGIN :]
    part[:, : ink.shape[1]] = ink[:, : part.shape[1]]
    low, high = TITLE_GREYS
    grey = np.round(low + (high - low) * line).astype(np.uint8)
    return np.concatenate([np.repeat(grey[..., None], 3, axis=-1), picture])


def _outlines(mask):
    """Outlines [n, 1, (x, y)] of a mask, along its outermost pixels, holes too."""
    import cv2

    outlines, _ = cv2.findContours(
        mask.astype(np.uint8), cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
    )
    return outlines


def _draw_labels(picture, boxes, labels):
    """Write texts at boxes (y1, x1, y2, x2), the first ones first, where is room."""
    height, width = picture.shape[:2]
    size = int(np.clip(min(height, width) * TEXT_SHARE, SMALLEST_TEXT, LARGEST_TEXT))
    extents = np.array([_text_extent(text or "", size) for text, _ in labels])
    extents = extents.reshape(-1, 2)
    bounds = (0, 0, width, height)
    ratio = fit_sizes(extents, bounds, LEAST_TEXT / size)
    if ratio < 1:
        size = max(LEAST_TEXT, int(size * ratio))
        extents = np.array([_text_extent(text or "", size) for text, _ in labels])
    # Labels are placed with y upwards, as on matplotlib's screen.
    y1, x1, y2, x2 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    upwards = np.stack([x1, height - y2, x2, height - y1], axis=1)
    for i, (left, _, _, top) in place_labels(upwards, extents, bounds):
        text, color = labels[i]
        ink = _text_image(text, size)
        y, x = round(height - top), round(left)
        part = picture[max(y, 0) : y + ink.shape[0], max(x, 0) : x + ink.shape[1]]
        ink = ink[: part.shape[0], : part.shape[1], None]
        letters = 0.0 if text_color(color) == "black" else 255.0
        background = np.array(_to_uint8(color), np.float32)
        part[:] = np.round(background + ink * (letters - background))


def _to_uint8(color):
    """A color as three numbers of 0..255."""
    return tuple(int(part) for part in np.round(np.multiply(color, 255)))


@functools.lru_cache(maxsize=8)
def _font(size):
    """The font that comes with matplotlib: OpenCV's own has no accents."""
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def _text_extent(text, size):
    """(width, height) of a label, px; zeros for no text."""
    if not text:
        return 0, 0
    ascent, descent = _font(size).getmetrics()
    return (
        int(np.ceil(_font(size).getlength(text))) + 2 * MARGIN,
        ascent + descent + MARGIN,
    )


@functools.lru_cache(maxsize=1024)
def _text_image(text, size):
    """How much ink each pixel of a label has: float32 [h, w], 0..1, not to change."""
    from PIL import Image, ImageDraw

    ink = Image.new("L", _text_extent(text, size))
    ImageDraw.Draw(ink).text((MARGIN, MARGIN // 2), text, 255, font=_font(size))
    return np.asarray(ink, np.float32) / 255
