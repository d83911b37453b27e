"""Labels of boxes that stay inside the image and out of each other's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, text_color

PADDING = 1.5  # points around the text
SMALLEST, LARGEST = 6.0, 13.0  # points, by the size of the axes


def make_labels(
    boxes: np.ndarray,
    texts: Sequence[str | None],
    colors: Sequence[Color],
    image_shape: tuple[int, int],
) -> Any:
    """An artist for all labels of one image, to be added to the axes that show it.

    It places the labels when the figure is drawn, since the size of a text in the image
    depends on the final size of the figure. Each label sits on the upper left corner of
    its box; if that is outside the image or taken by an earlier label, it moves to the
    corner that is least taken.

    Args:
        boxes: [N, (y1, x1, y2, x2)], px of the image.
        texts: N texts; empty ones are left out.
        colors: N backgrounds; the text on it is black or white.
        image_shape: (H, W), px.

    Returns:
        A matplotlib Artist; after drawing, its attribute `placed` lists the places
        (left, bottom, right, top) on the screen.
    """
    from matplotlib.artist import Artist
    from matplotlib.text import Text
    from matplotlib.transforms import IdentityTransform

    entries = zip(boxes, texts, colors, strict=True)
    entries = [(box, text, color) for box, text, color in entries if text]

    class Labels(Artist):
        def draw(self, renderer):
            if not self.get_visible():
                return
            inches = min(self.axes.bbox.width, self.axes.bbox.height) / self.figure.dpi
            pad = PADDING * self.figure.dpi / 72
            bounds = _to_display(self.axes, (0, 0, *image_shape[:2]))
            self.placed = []
            for box, text, color in entries:
                artist = Text(
                    text=text,
                    fontsize=float(np.clip(5 + 0.6 * inches, SMALLEST, LARGEST)),
                    color=text_color(color),
                    transform=IdentityTransform(),
                    verticalalignment="bottom",
                    bbox={"facecolor": color, "edgecolor": "none", "pad": PADDING},
                )
                artist.set_figure(self.figure)
                extent = artist.get_window_extent(renderer)
                size = (extent.width + 2 * pad, extent.height + 2 * pad)
                box = _to_display(self.axes, box)
                place = place_label(box, size, bounds, self.placed)
                self.placed.append(place)
                artist.set_position((place[0] + pad, place[1] + pad))
                artist.draw(renderer)

    labels = Labels()
    labels.set_zorder(5)
    labels.set_in_layout(False)
    return labels


def place_label(
    box: tuple[float, float, float, float],
    size: tuple[float, float],
    bounds: tuple[float, float, float, float],
    taken: Sequence[tuple[float, float, float, float]],
) -> tuple[float, float, float, float]:
    """Where a label goes: inside `bounds`, on the best free corner of its box.

    All rectangles are (left, bottom, right, top), y upwards, any one unit.

    Args:
        box: what the label belongs to.
        size: width and height of the label.
        bounds: the label stays in here, at its left and top if it is too large.
        taken: places of earlier labels.

    Returns:
        The place; of all corners the one least covered by `taken`, the first of these.
    """
    left, bottom, right, top = box
    width, height = size
    best = None
    for x in (left, right - width):
        for y in (top, top - height, bottom - height, bottom):
            x1 = max(min(x, bounds[2] - width), bounds[0])
            y1 = min(max(y, bounds[1]), bounds[3] - height)
            place = (x1, y1, x1 + width, y1 + height)
            covered = sum(_common_area(place, other) for other in taken)
            if best is None or covered < best[0]:
                best = (covered, place)
    return best[1]


def _to_display(ax, box):
    """(left, bottom, right, top) on the screen of a box (y1, x1, y2, x2) in px."""
    y1, x1, y2, x2 = box
    # imshow puts pixel centers at whole numbers.
    corners = np.array([(x1, y1), (x2, y2)], float) - 0.5
    (xa, ya), (xb, yb) = ax.transData.transform(corners)
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def _common_area(a, b):
    """Area that two rectangles share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
