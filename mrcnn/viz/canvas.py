"""Axes that show an image, and what is drawn on them: boxes, outlines, labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, mask_outlines, text_color
from mrcnn.viz.labels import make_labels


class Canvas:
    """One image with shapes on it; its own figure, unless axes are given.

    Args:
        image: uint8 [H, W, 3], RGB.
        ax: matplotlib axes to draw on; None makes a figure.
        figsize: width and height of that figure, inches.
        title: text above the image.
    """

    def __init__(self, image: np.ndarray, ax: Any, figsize: tuple, title: str):
        self.own = ax is None
        if self.own:
            from matplotlib import pyplot as plt

            _, ax = plt.subplots(figsize=figsize)
        self.ax = ax
        self.shape = image.shape[:2]
        ax.imshow(image)
        ax.axis("off")
        ax.set_title(title)

    def box(self, box: np.ndarray, color: Color, **style: Any) -> None:
        """Draw the frame of a box (y1, x1, y2, x2), px, half-open."""
        from matplotlib.patches import Rectangle

        y1, x1, y2, x2 = (float(side) for side in box)
        style = {"linewidth": 1.5, **style}
        # Pixel centers are at whole numbers, borders half a pixel before.
        corner = (x1 - 0.5, y1 - 0.5)
        self.ax.add_patch(
            Rectangle(corner, x2 - x1, y2 - y1, fill=False, edgecolor=color, **style)
        )

    def outline(self, mask: np.ndarray, color: Color) -> None:
        """Draw the outlines of a mask, bool [H, W]."""
        from matplotlib.patches import Polygon
        from matplotlib.patheffects import withStroke

        # A rim in black or white: the line shows on a ground of its own color.
        rim = withStroke(linewidth=2.5, foreground=text_color(color), alpha=0.35)
        style = {"edgecolor": color, "linewidth": 1.5, "path_effects": [rim]}
        for points in mask_outlines(mask):
            self.ax.add_patch(Polygon(points, closed=True, fill=False, **style))

    def labels(
        self, boxes: np.ndarray, texts: Sequence[str | None], colors: Sequence[Color]
    ) -> None:
        """Write a text at each box [N, (y1, x1, y2, x2)], px; "" writes none."""
        self.ax.add_artist(make_labels(boxes, texts, colors, self.shape))

    def finish(self, save_path: str | Path | None = None) -> None:
        """Save the figure, or show it if it is our own; given axes are left open."""
        finish(self.ax.figure, self.own, save_path)


def finish(figure: Any, own: bool, save_path: str | Path | None = None) -> None:
    """Save a figure to a path, or show it if it is our own.

    Args:
        figure: matplotlib figure.
        own: it was made by this room, nobody else will show it.
        save_path: write this file instead; an own figure is closed then.
    """
    from matplotlib import pyplot as plt

    if save_path is not None:
        figure.savefig(save_path, bbox_inches="tight")
        if own:
            plt.close(figure)
    elif own:
        with warnings.catch_warnings():
            # Without a display there is nothing to show: the figure stays current,
            # and plt.savefig writes it.
            warnings.filterwarnings("ignore", message=".*non-interactive")
            plt.show()
