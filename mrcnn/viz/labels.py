"""Labels of boxes that stay inside the image and out of each other's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, text_color

Rectangle = tuple[float, float, float, float]
"""(left, bottom, right, top), y upwards."""

RANK_COST = 0.05  # of a place that is one further in the order of reading
PADDING = 1.5  # points around the text
SMALLEST, LARGEST = 7.0, 13.0  # points, by the size of the axes


def make_labels(
    boxes: np.ndarray,
    texts: Sequence[str | None],
    colors: Sequence[Color],
    image_shape: tuple[int, int],
) -> Any:
    """An artist for all labels of one image, to be added to the axes that show it.

    It places the labels when the figure is drawn, since the size of a text in the image
    depends on the final size of the figure. Each label sits on the upper left corner of
    its box, or somewhere else at the box where it hides less: see `place_label`.

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

    entries = zip(range(len(boxes)), texts, colors, strict=True)
    entries = [(i, text, color) for i, text, color in entries if text]

    class Labels(Artist):
        def draw(self, renderer):
            if not self.get_visible():
                return
            inches = min(self.axes.bbox.width, self.axes.bbox.height) / self.figure.dpi
            pad = PADDING * self.figure.dpi / 72
            bounds = _to_display(self.axes, (0, 0, *image_shape[:2]))
            on_screen = [_to_display(self.axes, box) for box in boxes]
            self.placed = []
            for i, text, color in entries:
                artist = Text(
                    text=text,
                    fontsize=float(np.clip(6 + 0.5 * inches, SMALLEST, LARGEST)),
                    color=text_color(color),
                    transform=IdentityTransform(),
                    verticalalignment="bottom",
                    bbox={"facecolor": color, "edgecolor": "none", "pad": PADDING},
                )
                artist.set_figure(self.figure)
                extent = artist.get_window_extent(renderer)
                size = (extent.width + 2 * pad, extent.height + 2 * pad)
                place = place_label(i, size, bounds, on_screen, self.placed)
                self.placed.append(place)
                artist.set_position((place[0] + pad, place[1] + pad))
                artist.draw(renderer)

    labels = Labels()
    labels.set_zorder(5)
    labels.set_in_layout(False)
    return labels


def place_label(
    index: int,
    size: tuple[float, float],
    bounds: Rectangle,
    boxes: Sequence[Rectangle],
    taken: Sequence[Rectangle],
) -> Rectangle:
    """Where a label goes: inside `bounds`, at its box, where it hides the least.

    It may hide part of earlier labels (the worst), small boxes (nearly as bad) or large
    boxes (hardly matters); of equal places the first in the order of reading wins.

    Args:
        index: of the label's own box.
        size: width and height of the label.
        bounds: the label stays in here, at the left and top if it is too large.
        boxes: all boxes of the image.
        taken: places of earlier labels.

    Returns:
        The place, (left, bottom, right, top) as all rectangles here, y upwards.
    """
    left, bottom, right, top = boxes[index]
    width, height = size
    corners = [
        *[(x, y) for x in (left, right - width) for y in (top, bottom - height)],
        *[(x, y) for x in (right, left - width) for y in (top - height, bottom)],
        (left, top - height),  # inside: for boxes that fill the image
    ]
    best_cost, best = float("inf"), None
    for rank, (x, y) in enumerate(corners):
        x = max(min(x, bounds[2] - width), bounds[0])
        y = min(max(y, bounds[1]), bounds[3] - height)
        place = (x, y, x + width, y + height)
        # In labels: how many of the size of this one are hidden.
        cost = rank * RANK_COST
        cost += 2 * sum(_common(place, other) for other in taken) / (width * height)
        cost += sum(_common(place, box) / max(_area(box), 1e-6) for box in boxes)
        if cost < best_cost:
            best_cost, best = cost, place
    return best


def _to_display(ax, box):
    """(left, bottom, right, top) on the screen of a box (y1, x1, y2, x2) in px."""
    y1, x1, y2, x2 = box
    # imshow puts pixel centers at whole numbers.
    corners = np.array([(x1, y1), (x2, y2)], float) - 0.5
    (xa, ya), (xb, yb) = ax.transData.transform(corners)
    return min(xa, xb), min(ya, yb), max(xa, xb), max(ya, yb)


def _area(rectangle):
    """Area of a rectangle."""
    return (rectangle[2] - rectangle[0]) * (rectangle[3] - rectangle[1])


def _common(a, b):
    """Area that two rectangles share."""
    width = min(a[2], b[2]) - max(a[0], b[0])
    height = min(a[3], b[3]) - max(a[1], b[1])
    return max(width, 0) * max(height, 0)
