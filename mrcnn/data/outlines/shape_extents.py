"""Where an outline lies before the border of its image cuts it."""

from __future__ import annotations

import math

import numpy as np

from mrcnn.data.outlines.compound import Compound
from mrcnn.data.outlines.shapes import Ellipse, Polygons, Polyline, Rectangle, Shape


def shape_extent(shape: Shape) -> tuple[float, float, float, float] | None:
    """Returns (y1, x1, y2, x2) around the points of an outline, orig, not clipped.

    None for what cannot lie outside (run lengths, mask files), for an outline without
    points, and for kinds that are not known here.
    """
    if isinstance(shape, Rectangle):
        return shape.y1, shape.x1, shape.y2, shape.x2
    if isinstance(shape, Ellipse):
        cos, sin = math.cos(shape.theta), math.sin(shape.theta)
        y = math.hypot(shape.rx * sin, shape.ry * cos)
        x = math.hypot(shape.rx * cos, shape.ry * sin)
        return shape.cy - y, shape.cx - x, shape.cy + y, shape.cx + x
    if isinstance(shape, Compound):
        parts = [shape_extent(part) for part in shape.shapes]
        points = [[part[:2], part[2:]] for part in parts if part is not None]
    elif isinstance(shape, Polygons):
        points = [ring for ring in shape.rings if len(ring)]
    elif isinstance(shape, Polyline):
        points = [shape.points] if len(shape.points) else []
    else:
        return None
    if not points:
        return None
    stacked = np.concatenate([np.asarray(p, np.float64) for p in points])
    (y1, x1), (y2, x2) = stacked.min(axis=0).tolist(), stacked.max(axis=0).tolist()
    return y1, x1, y2, x2
