"""Draws instances into an array with OpenCV: fast enough for each frame of a video."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.arguments import as_number, as_whole
from mrcnn.geometry.box_masks import MAX_PX
from mrcnn.viz.draw import Color, as_rgb, text_color
from mrcnn.viz.instances import instances_of
from mrcnn.viz.labels import fit_sizes, place_labels

SMALLEST_TEXT, LARGEST_TEXT = 11, 40  # px
TEXT_SHARE = 1 / 36  # height of a label, of the shorter side of the image
LEAST_TEXT = 9  # px, where many labels have to share the image
MARGIN = 2  # px around a text
MAX_SCALE, MAX_THICKNESS = 100, 255  # OpenCV draws no thicker line
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
    color_by: str = "instance",
    alpha: float = 0.45,
    scale: float = 1.0,
    thickness: int | None = None,
) -> np.ndarray:
    """Returns an image with its instances drawn into it, as an array of its size.

    What `display_instances` draws, without matplotlib's figures: for videos, and for
    files as large as the image. Labels keep inside the image and out of each other's
    way; those that find no place are left out.

        frame = draw_instances(
            frame, r["rois"], r["masks"], r["class_ids"], names, r["scores"],
            color_by="class",
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
        color_by: "instance", a color each, or "class", a color each class: that of a
            video, where detections change their order from frame to frame.
        alpha: weight of the color of a mask, 0..1.
        scale: px of the result for one of the image: small images have no room for
            lines and labels.
        thickness: of lines, px of the result; None, 1 for every 500 of it.

    Returns:
        uint8 [H * scale, W * scale, 3], RGB; `image` is left as it is.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    import cv2

    given = (boxes, masks, class_ids, class_names, scores)
    style = (colors, captions, color_by)
    shown = instances_of("draw_instances", image, *given, *style)
    alpha = as_number(alpha, "draw_instances(alpha)", 0, 1)
    scale = as_number(scale, "draw_instances(scale)", high=MAX_SCALE)
    if not scale > 0:
        raise ValueError(f"draw_instances(scale={scale}): must be more than 0.")
    if thickness is not None:
        thickness = as_whole(thickness, "draw_instances(thickness)", 1, MAX_THICKNESS)
    drawn = as_rgb(image)
    if masks is not None and show_mask:
        shown.paint(drawn, alpha)
    if scale != 1:
        size = [max(1, round(side * scale)) for side in drawn.shape[1::-1]]
        method = cv2.INTER_AREA if scale < 1 else cv2.INTER_LINEAR
        drawn = cv2.resize(drawn, size, interpolation=method)
    # At their own size outlines are chains of pixels: nothing to smooth.
    line = cv2.LINE_8 if scale == 1 else cv2.LINE_AA
    if thickness is None:
        thickness = max(1, round(min(drawn.shape[:2]) / 500))
    for i in shown.large_first():
        crop, color = shown.crops[i], _to_uint8(shown.colors[i])
        if masks is not None:
            # Along the outermost pixels, also of holes.
            how = cv2.RETR_CCOMP, cv2.CHAIN_APPROX_NONE
            outlines, _ = cv2.findContours(crop.mask.astype(np.uint8), *how)
            # Pixel centers lie at whole numbers, before and after scaling.
            first = np.add(crop.box[1::-1], 0.5)
            outlines = [(points + first) * scale - 0.5 for points in outlines]
            outlines = [np.round(points).astype(np.int32) for points in outlines]
            cv2.polylines(drawn, outlines, True, color, thickness, line)
        if show_bbox:
            # OpenCV knows no coordinates beyond these.
            box = np.clip(np.round(shown.boxes[i] * scale), -MAX_PX, MAX_PX)
            y1, x1, y2, x2 = box.astype(int).tolist()
            cv2.rectangle(drawn, (x1, y1), (x2 - 1, y2 - 1), color, thickness)
    _draw_labels(drawn, shown.boxes * scale, shown.captions, shown.colors)
    return drawn


def draw_title(image: np.ndarray, text: str) -> np.ndarray:
    """Returns an image with a line of text above it, cut to the width of the image.

    Args:
        image: uint8 [H, W, 3], RGB.
        text: the line.

    Returns:
        uint8 [H + height of the line, W, 3]: light letters on dark ground.
    """
    width = image.shape[1]
    ink = _text_image(text or " ", _text_size(image))
    line = np.pad(ink, ((MARGIN, MARGIN), (2 * MARGIN, width)))[:, :width]
    low, high = TITLE_GREYS
    grey = np.round(low + (high - low) * line).astype(np.uint8)
    return np.concatenate([np.repeat(grey[..., None], 3, axis=-1), image])


def _draw_labels(image, boxes, texts, colors):
    """Writes as many texts as fit at boxes (y1, x1, y2, x2), the first ones first."""
    height, width = image.shape[:2]
    size, bounds = _text_size(image), (0, 0, width, height)
    extents = _text_extents(texts, size)
    if (ratio := fit_sizes(extents, bounds, LEAST_TEXT / size)) < 1:
        size = max(LEAST_TEXT, int(size * ratio))
        extents = _text_extents(texts, size)
    # Labels are placed with y upwards, as on matplotlib's screen.
    y1, x1, y2, x2 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    upwards = np.stack([x1, height - y2, x2, height - y1], axis=1)
    for i, (left, _, _, top) in place_labels(upwards, extents, bounds):
        ink = _text_image(texts[i], size)
        y, x = round(height - top), round(left)
        part = image[max(y, 0) : y + ink.shape[0], max(x, 0) : x + ink.shape[1]]
        ink = ink[: part.shape[0], : part.shape[1], None]
        letters = 0.0 if text_color(colors[i]) == "black" else 255.0
        background = np.array(_to_uint8(colors[i]), np.float32)
        part[:] = np.round(background + ink * (letters - background))


def _text_size(image):
    """Returns the size of the text in an image, px."""
    size = min(image.shape[:2]) * TEXT_SHARE
    return int(np.clip(size, SMALLEST_TEXT, LARGEST_TEXT))


def _to_uint8(color):
    """Returns a color as three numbers of 0..255."""
    return tuple(int(part) for part in np.round(np.multiply(color, 255)))


@functools.lru_cache(maxsize=8)
def _font(size):
    """Returns the font that comes with matplotlib: OpenCV's own has no accents."""
    import matplotlib
    from PIL import ImageFont

    path = Path(matplotlib.get_data_path()) / "fonts" / "ttf" / "DejaVuSans.ttf"
    return ImageFont.truetype(str(path), size)


def _text_extents(texts, size):
    """Returns the sizes of labels, px: int [N, (width, height)], zeros for no text."""
    height = sum(_font(size).getmetrics()) + MARGIN
    widths = [int(np.ceil(_font(size).getlength(text or ""))) for text in texts]
    sizes = [(w + 2 * MARGIN, height) if w else (0, 0) for w in widths]
    return np.array(sizes, int).reshape(-1, 2)


@functools.lru_cache(maxsize=1024)
def _text_image(text, size):
    """Returns how much ink each pixel of a label has: float32 [h, w], 0..1.

    The array is shared: never change it.
    """
    from PIL import Image, ImageDraw

    ink = Image.new("L", tuple(_text_extents([text], size)[0].tolist()))
    ImageDraw.Draw(ink).text((MARGIN, MARGIN // 2), text, 255, font=_font(size))
    return np.asarray(ink, np.float32) / 255
