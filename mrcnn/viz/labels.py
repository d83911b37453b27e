"""Labels of boxes, placed inside the image and out of each other's way."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, text_color
from mrcnn.viz.mask_forms import check_counts

Rectangle = tuple[float, float, float, float]
"""(left, bottom, right, top), y upwards."""

RANK_COST = 0.05  # of a place that is one later in the list of places
LABEL_COST = 10  # of hiding all of another label; 1 is the cost of hiding all of a box
MOST_HIDDEN = 0.03  # of a label, by others; if it is more, the label is left out
MOST_COVERED = 0.2  # of the image, by labels
PADDING = 1.5  # points around the text
SMALLEST, LARGEST = 7.0, 13.0  # points, by the size of the axes
LEAST = 5.5  # points, where many labels have to share the image
NO_ROOM = "{} labels without room"


def make_labels(
    boxes: np.ndarray,
    texts: Sequence[str | None],
    colors: Sequence[Color],
    image_shape: tuple[int, int],
) -> Any:
    """Returns an artist of all labels of an image, to add to the axes that show it.

    It places the labels when the figure is drawn, since the size of a text in the image
    depends on the final size of the figure. Each label sits on the upper left corner of
    its box, or somewhere else at the box where it hides less: see `place_labels`. Many
    labels are written smaller. A label that fits nowhere is left out; how many these
    are is written in the lower right corner of the image.

    Args:
        boxes: [N, (y1, x1, y2, x2)], px of the image.
        texts: N texts; empty ones are left out.
        colors: N backgrounds; the text on it is black or white.
        image_shape: (H, W), px.

    Returns:
        A matplotlib Artist; after drawing, its attribute `placed` lists the places
        (left, bottom, right, top) on the screen, and `num_left_out` counts the labels
        that are left out.
    """
    from matplotlib.artist import Artist
    from matplotlib.text import Text
    from matplotlib.transforms import IdentityTransform

    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    check_counts("make_labels", len(boxes), texts=texts, colors=colors)
    written = [i for i, text in enumerate(texts) if text]

    class Labels(Artist):
        drawn_at = None

        def draw(self, renderer):
            if not self.get_visible():
                return
            bounds = _to_display(self.axes, [(0, 0, *image_shape[:2])])[0]
            key = (*bounds, self.figure.dpi)
            if key != self.drawn_at:  # a figure is drawn twice to be saved
                self.artists = self._place(renderer, bounds)
                self.drawn_at = key
            for text in self.artists:
                text.draw(renderer)

        def _place(self, renderer, bounds):
            """Returns the texts to draw, at their places; sets `placed`."""
            pixels = self.figure.dpi / 72
            inches = min(self.axes.bbox.width, self.axes.bbox.height) / self.figure.dpi
            points = float(np.clip(6 + 0.5 * inches, SMALLEST, LARGEST))
            artists = {i: self._text(texts[i], points, colors[i]) for i in written}
            sizes = np.zeros((len(boxes), 2))
            for i, artist in artists.items():
                sizes[i] = artist.get_window_extent(renderer).size
            shrink = fit_sizes(sizes, bounds, LEAST / points)
            sizes = np.where(sizes > 0, sizes * shrink + 2 * PADDING * pixels, 0)
            on_screen = _to_display(self.axes, boxes)
            found = place_labels(on_screen, sizes, bounds)
            self.placed = [place for _, place in found]
            self.num_left_out = len(written) - len(found)
            shown = [artists[i] for i, _ in found]
            for artist, place in zip(shown, self.placed, strict=True):
                artist.set_fontsize(points * shrink)
                artist.set_position(np.add(place[:2], PADDING * pixels))
            if self.num_left_out:
                note = NO_ROOM.format(self.num_left_out)
                note = self._text(note, max(points * shrink, SMALLEST), (0, 0, 0))
                note.set_horizontalalignment("right")
                note.set_position((bounds[2] - 3 * pixels, bounds[1] + 3 * pixels))
                shown.append(note)
            return shown

        def _text(self, text, points, color):
            artist = Text(
                text=text,
                fontsize=points,
                color=text_color(color),
                transform=IdentityTransform(),
                verticalalignment="bottom",
                parse_math=False,
                bbox={"facecolor": color, "edgecolor": "none", "pad": PADDING},
            )
            artist.set_figure(self.figure)
            return artist

    labels = Labels()
    labels.set_zorder(5)
    labels.set_in_layout(False)
    return labels


def fit_sizes(sizes: np.ndarray, bounds: Rectangle, least: float) -> float:
    """Returns the factor for the sizes of labels at which the image stays visible.

    Args:
        sizes: [N, (width, height)].
        bounds: of the image.
        least: ratio below which texts can't be read.

    Returns:
        A ratio from `least` to 1: together the labels cover `MOST_COVERED` of the image
        at most, if that can be.
    """
    covered = float(np.prod(np.asarray(sizes, np.float64).reshape(-1, 2), axis=1).sum())
    most = MOST_COVERED * _areas(np.array([bounds]))[0]
    ratio = np.sqrt(most / covered) if covered > 0 else 1.0
    return float(min(1.0, max(ratio, least)))


def place_labels(
    boxes: np.ndarray, sizes: np.ndarray, bounds: Rectangle
) -> list[tuple[int, Rectangle]]:
    """Returns where the labels of an image go; the first ones choose first.

    Args:
        boxes: float [N, (left, bottom, right, top)], y upwards.
        sizes: float [N, (width, height)] of the labels; 0 for none.
        bounds: labels stay in here.

    Returns:
        (row of its box, place) of each label; those that would hide earlier ones are
        left out.
    """
    boxes, taken, found = np.asarray(boxes).reshape(-1, 4), np.zeros((0, 4)), []
    for i in np.flatnonzero(np.all(np.asarray(sizes).reshape(-1, 2) > 0, axis=1)):
        place = place_label(i, tuple(sizes[i]), bounds, boxes, taken)
        area = sizes[i][0] * sizes[i][1]
        if _common(np.array([place]), taken).sum() <= MOST_HIDDEN * area:
            found.append((int(i), place))
            taken = np.concatenate([taken, [place]])
    return found


def place_label(
    index: int,
    size: tuple[float, float],
    bounds: Rectangle,
    boxes: Sequence[Rectangle] | np.ndarray,
    taken: Sequence[Rectangle] | np.ndarray,
) -> Rectangle:
    """Returns where a label goes: inside `bounds`, at its box, where it hides least.

    It may hide part of earlier labels (the worst), small boxes (nearly as bad) or large
    boxes (hardly matters); of equal places the first of the list wins.

    Args:
        index: of the label's own box.
        size: width and height of the label.
        bounds: the label stays in here, at the left and top if it is too large.
        boxes: all boxes of the image.
        taken: places of earlier labels.

    Returns:
        The place, (left, bottom, right, top) as all rectangles here, y upwards.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    taken = np.asarray(taken, np.float64).reshape(-1, 4)
    left, bottom, right, top = boxes[index]
    width, height = size
    middle, center = (left + right - width) / 2, (bottom + top - height) / 2
    corners = [
        *[(x, y) for x in (left, right - width) for y in (top, bottom - height)],
        *[(x, y) for x in (right, left - width) for y in (top - height, bottom)],
        *[(middle, top), (middle, bottom - height)],
        *[(right, center), (left - width, center)],
        (left, top - height),  # inside: for boxes that fill the image
    ]
    x, y = np.array(corners).T
    x = np.maximum(np.minimum(x, bounds[2] - width), bounds[0])
    y = np.minimum(np.maximum(y, bounds[1]), bounds[3] - height)
    places = np.stack([x, y, x + width, y + height], axis=1)
    # In labels: how many of the size of this one are hidden.
    cost = RANK_COST * np.arange(len(places))
    cost += LABEL_COST * _common(places, taken).sum(axis=1) / (width * height)
    cost += (_common(places, boxes) / np.maximum(_areas(boxes), 1e-6)).sum(axis=1)
    return tuple(places[np.argmin(cost)].tolist())


def _to_display(ax, boxes):
    """Returns [N, (left, bottom, right, top)] on the screen of boxes in px."""
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    # imshow puts pixel centers at whole numbers.
    first = ax.transData.transform(boxes[:, 1::-1] - 0.5)
    second = ax.transData.transform(boxes[:, :1:-1] - 0.5)
    corners = np.minimum(first, second), np.maximum(first, second)
    return np.concatenate(corners, axis=1)


def _areas(rectangles):
    """Returns areas of rectangles [N, 4]."""
    return np.prod(rectangles[:, 2:] - rectangles[:, :2], axis=1)


def _common(a, b):
    """Returns areas that some rectangles share with others: [N, M]."""
    low = np.maximum(a[:, None, :2], b[None, :, :2])
    high = np.minimum(a[:, None, 2:], b[None, :, 2:])
    return np.prod(np.maximum(high - low, 0), axis=2)
