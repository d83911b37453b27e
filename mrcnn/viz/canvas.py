"""Figures that are shown or saved, and axes with an image, boxes and labels."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.crops import Crop
from mrcnn.viz.draw import Color, mask_outlines, text_color
from mrcnn.viz.labels import make_labels

CROWDED = 60
"""From so many shapes in one image on, lines are thinner."""
MARGIN = 0.1
"""Part of the image that may be shown around it."""


class Canvas:
    """Axes that show one image, and shapes on it.

    Args:
        ax: matplotlib axes, as of `open_axes`.
        image: uint8 [H, W, 3], RGB.
        title: text above the image.
        num_shapes: how many boxes or masks will be drawn.
    """

    def __init__(self, ax: Any, image: np.ndarray, title: str, num_shapes: int = 1):
        self.ax = ax
        self.shape = image.shape[:2]
        self.linewidth = 1.5 if num_shapes < CROWDED else 1.0
        ax.imshow(image)
        ax.axis("off")
        ax.autoscale(False)
        ax.set_title(title)

    def box(self, box: np.ndarray, color: Color, **style: Any) -> None:
        """Draw the frame of a box (y1, x1, y2, x2), px, half-open."""
        from matplotlib.patches import Rectangle

        y1, x1, y2, x2 = (float(side) for side in box)
        style = {"linewidth": self.linewidth, **style}
        # Pixel centers are at whole numbers, borders half a pixel before.
        corner = (x1 - 0.5, y1 - 0.5)
        self.ax.add_patch(
            Rectangle(corner, x2 - x1, y2 - y1, fill=False, edgecolor=color, **style)
        )

    def outline(self, crop: Crop, color: Color, **style: Any) -> None:
        """Draw the outlines of a mask."""
        from matplotlib.patches import Polygon
        from matplotlib.patheffects import withStroke

        width = self.linewidth
        # A rim in black or white: the line shows on a ground of its own color.
        rim = withStroke(linewidth=width + 1, foreground=text_color(color), alpha=0.35)
        style = {"linewidth": width, "path_effects": [rim], **style}
        y1, x1, *_ = crop.box
        for points in mask_outlines(crop.mask):
            points = points + (x1, y1)
            self.ax.add_patch(
                Polygon(points, closed=True, fill=False, edgecolor=color, **style)
            )

    def labels(
        self, boxes: np.ndarray, texts: Sequence[str | None], colors: Sequence[Color]
    ) -> None:
        """Write a text at each box [N, (y1, x1, y2, x2)], px; "" writes none."""
        self.ax.add_artist(make_labels(boxes, texts, colors, self.shape))

    def look_around(self, boxes: np.ndarray) -> None:
        """Show what of boxes [N, 4] lies beyond the image, up to `MARGIN`."""
        shape = np.array(self.shape)
        boxes = np.reshape(boxes, (-1, 4))
        low = boxes[:, :2].min(axis=0, initial=0)
        high = np.maximum(boxes[:, 2:].max(axis=0, initial=0), shape)
        # A line at the border of a box needs a pixel more.
        top, left = np.clip(low - (low < 0), -MARGIN * shape, 0) - 0.5
        bottom, right = (
            np.clip(high + (high > shape), shape, (1 + MARGIN) * shape) - 0.5
        )
        self.ax.set(xlim=(left, right), ylim=(bottom, top))


@contextlib.contextmanager
def open_figure(
    save_path: str | Path | None, ax: Any = None, **arguments: Any
) -> Iterator[Any]:
    """Yields a matplotlib figure to draw on; afterwards it is saved or shown.

    A figure that is only saved needs neither a display nor the backend that is chosen,
    and leaves no window behind.

    Args:
        save_path: write this file instead of showing the figure; its folder is made
            if it isn't there.
        ax: draw on the figure of these axes; it is never shown, somebody else does so.
        **arguments: of a new figure.
    """
    if ax is not None:
        figure = ax.figure
    elif save_path is not None:
        from matplotlib.figure import Figure

        figure = Figure(**arguments)
    else:
        from matplotlib import pyplot as plt

        figure = plt.figure(**arguments)
    yield figure
    if save_path is not None:
        Path(save_path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(save_path, bbox_inches="tight")
    elif ax is None:
        with warnings.catch_warnings():
            # Without a display there is nothing to show: the figure stays current,
            # and plt.savefig writes it.
            warnings.filterwarnings("ignore", message=".*non-interactive")
            plt.show()


@contextlib.contextmanager
def open_axes(ax: Any, save_path: str | Path | None, **arguments: Any) -> Iterator[Any]:
    """Yields `ax`, or the axes of a new figure if that is None: see `open_figure`."""
    with open_figure(save_path, ax, **arguments) as figure:
        yield figure.add_subplot() if ax is None else ax


@contextlib.contextmanager
def open_grid(
    rows: int, columns: int, save_path: str | Path | None, figsize: tuple
) -> Iterator[np.ndarray]:
    """Yields axes [rows, columns] of a new figure, hidden until something is drawn."""
    with open_figure(save_path, figsize=figsize, layout="constrained") as figure:
        axes = figure.subplots(rows, columns, squeeze=False)
        for ax in axes.flat:
            ax.axis("off")
        yield axes
