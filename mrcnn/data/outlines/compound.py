"""One object out of several shapes of different kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.data.outlines.shapes import Crop, Shape, no_crop, tight_crop


@dataclass(frozen=True)
class Compound(Shape):
    """All pixels of several shapes, for example of a rectangle and a line.

    Several outlines alone are one `Polygons`.

    Attributes:
        shapes: its parts, which may overlap.
    """

    shapes: Sequence[Shape]

    def bounds(self, height, width):
        """Returns the box around the boxes of all parts."""
        boxes = [shape.bounds(height, width) for shape in self.shapes]
        boxes = [box for box in boxes if box[0] < box[2] and box[1] < box[3]]
        if not boxes:
            return 0, 0, 0, 0
        y1, x1, y2, x2 = zip(*boxes, strict=True)
        return min(y1), min(x1), max(y2), max(x2)

    def crop(self, height, width, files=None) -> Crop:
        """Returns the tight box of the object, and its mask there."""
        top, left, bottom, right = self.bounds(height, width)
        if top >= bottom or left >= right:
            return no_crop()
        mask = np.zeros([bottom - top, right - left], dtype=bool)
        for shape in self.shapes:
            part = shape.crop(height, width, files)
            y1, x1, y2, x2 = part.box.tolist()
            if y1 < y2:
                mask[y1 - top : y2 - top, x1 - left : x2 - left] |= part.mask
        return tight_crop(mask, top, left)
