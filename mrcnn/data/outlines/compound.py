"""One object out of several shapes of different kinds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.data.outlines.shapes import Polygons, Shape, extent_of
from mrcnn.geometry.crops import join_crops


def join_shapes(shapes: Sequence[Shape]) -> Shape:
    """Returns one outline of the pixels of one or several."""
    if len(shapes) == 1:
        return shapes[0]
    if all(isinstance(shape, Polygons) for shape in shapes):
        return Polygons([ring for shape in shapes for ring in shape.rings])
    return Compound(tuple(shapes))


@dataclass(frozen=True)
class Compound(Shape):
    """All pixels of several shapes, for example of a rectangle and a line.

    Several outlines alone are one `Polygons`.

    Attributes:
        shapes: its parts, which may overlap.
    """

    shapes: Sequence[Shape]

    def extent(self):
        """Returns the box around the points of all parts."""
        extents = [shape.extent() for shape in self.shapes]
        corners = [np.reshape(e, (2, 2)) for e in extents if e is not None]
        return extent_of(corners)

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        return join_crops([shape.crop(height, width, files) for shape in self.shapes])
