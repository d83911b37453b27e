"""What the pictures of the tests show, and how to read a picture."""

from __future__ import annotations

import numpy as np

NAMES = ["BG", "cat", "dog"]
HEIGHT, WIDTH = 40, 70


def scene(n=2):
    """(image, boxes, masks, class_ids, scores): n squares beside each other."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    boxes = np.array([(10, 20 * i + 2, 24, 20 * i + 16) for i in range(n)])
    masks = np.zeros((HEIGHT, WIDTH, n), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes.reshape(-1, 4)):
        masks[y1 + 2 : y2, x1:x2, i] = True
    class_ids = np.arange(n, dtype=np.int32) % 2 + 1
    return image, boxes.reshape(-1, 4), masks, class_ids, np.linspace(0.9, 0.5, n)


def crops_of(masks, boxes):
    """Masks in the size of their boxes, as detect(masks="crop") gives them."""
    return [masks[y1:y2, x1:x2, i] for i, (y1, x1, y2, x2) in enumerate(boxes)]


def shown(ax):
    """The image on the axes."""
    return np.asarray(ax.images[0].get_array())


def patches(ax, kind):
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def texts(ax, monkeypatch):
    """The labels, read while they are drawn."""
    from matplotlib.text import Text

    drawn = []
    draw = Text.draw

    def spy(self, renderer):
        drawn.append(self.get_text())
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", spy)
    ax.axis("off")
    ax.figure.canvas.draw()
    return [text for text in drawn if text and text != ax.get_title()]
