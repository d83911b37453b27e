"""Axes that show an image, and what is drawn on them: boxes, outlines, labels."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.viz.draw import Color, mask_outlines, text_color
from mrcnn.viz.labels import make_labels
from mrcnn.viz.mask_forms import Crop

CROWDED = 60
"""Shapes in one image from which on thin lines keep them apart."""
MARGIN = 0.1
"""Of the image, to be seen around it."""


class Canvas:
    """One image with shapes on it; its own figure, unless axes are given.

    Args:
        image: uint8 [H, W, 3], RGB.
        ax: matplotlib axes to draw on; None makes a figure.
        figsize: width and height of that figure, inches.
        title: text above the image.
        save_path: what `finish` will be given.
        num_shapes: how many boxes or masks will be drawn.
    """

    def __init__(
        self,
        image: np.ndarray,
        ax: Any,
        figsize: tuple,
        title: str,
        save_path: str | Path | None = None,
        num_shapes: int = 1,
    ):
        self.own = ax is None
        self.save_path = save_path
        if self.own:
            ax = new_figure(save_path, figsize=figsize).add_subplot()
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
        for points in mask_outlines(crop.mask):
            points = points + (crop.left, crop.top)
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
        low = np.concatenate([boxes[:, :2], [(0, 0)]]).min(axis=0)
        high = np.concatenate([boxes[:, 2:], [shape]]).max(axis=0)
        top, left = np.maximum(low - 1, -MARGIN * shape) * (low < 0) - 0.5
        bottom, right = (
            np.where(high > shape, np.minimum(high + 1, (1 + MARGIN) * shape), shape)
            - 0.5
        )
        self.ax.set(xlim=(left, right), ylim=(bottom, top))

    def finish(self) -> None:
        """Save the figure, or show it if it is our own; given axes are left open."""
        finish(self.ax.figure, self.own, self.save_path)


def new_figure(save_path: str | Path | None, **arguments: Any) -> Any:
    """A matplotlib figure: to be shown, or, with a path, only to be saved.

    What is only saved needs neither a display nor the backend that is chosen, and
    leaves no window behind.

    Args:
        save_path: what `finish` will be given.
        **arguments: of the figure.
    """
    if save_path is not None:
        from matplotlib.figure import Figure

        return Figure(**arguments)
    from matplotlib import pyplot as plt

    return plt.figure(**arguments)


def finish(figure: Any, own: bool, save_path: str | Path | None = None) -> None:
    """Save a figure to a path, or show it if it is our own.

    Args:
        figure: matplotlib figure.
        own: it was made by `new_figure`, nobody else will show it.
        save_path: write this file instead; its folder is made if it isn't there.
    """
    if save_path is not None:
        Path(save_path).parent.mkdir(parents=True, exist_ok=True)
        figure.savefig(save_path, bbox_inches="tight")
    elif own:
        from matplotlib import pyplot as plt

        with warnings.catch_warnings():
            # Without a display there is nothing to show: the figure stays current,
            # and plt.savefig writes it.
            warnings.filterwarnings("ignore", message=".*non-interactive")
            plt.show()
