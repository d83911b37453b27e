"""Outlines of objects: kept as annotated, drawn only inside their boxes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import numpy as np

from mrcnn.data.outlines.run_lengths import draw_runs, read_counts, runs_box
from mrcnn.geometry.crops import Box, Crop, no_crop, paste, tight_crop

# px; pycocotools walks along the outline, and its integers end at 4e8.
MAX_COORDINATE = 1e6
DEFAULT_LINE_WIDTH = 3  # px


# (y1, x1, y2, x2), px, orig, not cut to an image.
Extent = tuple[float, float, float, float]


class MaskSizeError(ValueError):
    """A mask was made for another size of its image."""


class MaskCountError(ValueError):
    """There are more or fewer class ids than masks."""


class Shape:
    """The outline of one object: which pixels of its image are the object's.

    Pixel (0, 0) covers 0 to 1 both ways. Coordinates are px, orig, and may lie on and
    beyond the border of the image. Subclasses define `crop`, or `bounds` and
    `_draw_in`. Law: `draw` is zeros with the mask of `crop` put into its box.
    """

    def extent(self) -> Extent | None:
        """Returns the box around the points of the outline, not cut to the image.

        None for what cannot lie outside (run lengths, mask files), and for an outline
        without points.
        """
        return None

    def bounds(self, height: int, width: int) -> Box:
        """Returns a box in the image that has all pixels of the object.

        Half-open. Where it is found without drawing, it is not always tight.
        """
        return self.crop(height, width).box

    def crop(self, height: int, width: int, files: dict | None = None) -> Crop:
        """Returns the tight box of the object, and its mask there.

        Args:
            height: of the image, px.
            width: of the image, px.
            files: a dict for what is read of files, shared by the objects of one
                image so that each file is decoded once; None keeps nothing.
        """
        box = self.bounds(height, width)
        if box[0] >= box[2] or box[1] >= box[3]:
            return no_crop()
        return tight_crop(self._draw_in(box, height, width, files), box[0], box[1])

    def _draw_in(self, box, height, width, files) -> np.ndarray:
        """Returns what the object has inside a box: bool [y2 - y1, x2 - x1]."""
        raise NotImplementedError


@dataclass(frozen=True, eq=False)
class Polygons(Shape):
    """One or several outlines; the object is all that any of them encloses.

    Drawn by pycocotools, on its grid of a fifth of a pixel: masks are those that COCO
    makes of the same points, bit for bit. A ring that crosses itself is filled by the
    even-odd rule; one of less than three points has no pixel.

    Attributes:
        rings: arrays [N, (y, x)], px, closed by themselves.
    """

    rings: Sequence[np.ndarray]

    def __post_init__(self):
        """Checks the points."""
        rings = tuple(_as_points(ring, "Polygons(rings)") for ring in self.rings)
        object.__setattr__(self, "rings", rings)

    @classmethod
    def from_xy(cls, rings: Iterable) -> Polygons:
        """Returns the polygons of rings [x0, y0, x1, y1, ...] or [(x, y), ...]."""
        return cls([_swap_xy(ring, "Polygons.from_xy(rings)") for ring in rings])

    def bounds(self, height, width):
        """Returns the box around all points, cut to the image."""
        return _bounds_of(extent_of(self._closed_rings()), height, width)

    def extent(self):
        """Returns the box around the points of all rings."""
        return extent_of(self.rings)

    def _draw_in(self, box, height, width, files):
        from pycocotools import mask as coco_mask

        # Run lengths of the whole image, as COCO has them: moved into a box of its
        # own, a polygon is rounded otherwise. They cost as much as its outline.
        flat = [ring[:, ::-1].ravel().tolist() for ring in self._closed_rings()]
        rle = coco_mask.merge(coco_mask.frPyObjects(flat, height, width))
        return draw_runs(read_counts(rle["counts"]), height, box)

    def _closed_rings(self) -> list[np.ndarray]:
        """Rings that enclose something. pycocotools takes two points for a box."""
        return [ring for ring in self.rings if len(ring) > 2]


@dataclass(frozen=True, eq=False)
class Rle(Shape):
    """Run lengths as COCO has them, column by column, background first.

    Attributes:
        counts: compressed (str or bytes), or the lengths as a list.
        size: (height, width) that they were made for; None when it is not known.
    """

    counts: str | bytes | Sequence[int]
    size: tuple[int, int] | None = None

    @classmethod
    def from_part(cls, part: np.ndarray, y1: int, x1: int, height: int, width: int):
        """Returns the run lengths of a mask [h, w] whose first pixel is at (y1, x1).

        Args:
            part: 0 or False is background; may hang over the border.
            y1: px, orig.
            x1: px, orig.
            height: of the image, px.
            width: of the image, px.
        """
        from pycocotools import mask as coco_mask

        full = np.zeros([height, width], dtype=np.uint8, order="F")
        box = (y1, x1, y1 + part.shape[0], x1 + part.shape[1])
        paste(full, Crop(box, part))
        return cls(coco_mask.encode(full)["counts"], (height, width))

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        if self.size is not None:
            where = f"Rle(size={tuple(self.size)})"
            check_mask_size(self.size, height, width, where)
        runs = read_counts(self.counts)
        if runs.sum() != height * width:
            raise MaskSizeError(
                f"Rle(counts): the runs are {runs.sum()} px long together, the image "
                f"({height}, {width}) has {height * width}; mask and image do not "
                "belong together."
            )
        box = runs_box(runs, height)
        return Crop(box, draw_runs(runs, height, box))


@dataclass(frozen=True)
class Rectangle(Shape):
    """A box, half-open: y2 and x2 are outside. Sides are rounded to whole pixels."""

    y1: float
    x1: float
    y2: float
    x2: float

    def __post_init__(self):
        """Checks the coordinates."""
        _check_numbers(self.extent(), "Rectangle")

    def extent(self):
        """Returns the box itself."""
        return self.y1, self.x1, self.y2, self.x2

    def turned(self, degrees: float) -> Polygons:
        """Returns the box turned around its center, clockwise on the screen."""
        sin, cos = math.sin(math.radians(degrees)), math.cos(math.radians(degrees))
        corners = np.array(
            [
                (self.y1, self.x1),
                (self.y1, self.x2),
                (self.y2, self.x2),
                (self.y2, self.x1),
            ]
        )
        center = corners.mean(axis=0)
        y, x = (corners - center).T
        return Polygons([np.stack([x * sin + y * cos, x * cos - y * sin], 1) + center])

    def bounds(self, height, width):
        """Returns the box itself, cut to the image."""
        return _bounds_of([round(side) for side in self.extent()], height, width)

    def _draw_in(self, box, height, width, files):
        return np.ones([box[2] - box[0], box[3] - box[1]], dtype=bool)


@dataclass(frozen=True)
class Ellipse(Shape):
    """An ellipse or, with two equal radii, a circle: pixels with their center inside.

    Attributes:
        cy: center, px.
        cx: center, px.
        ry: half the height before it is turned, px.
        rx: half the width before it is turned, px.
        theta: radians, clockwise on the screen.
    """

    cy: float
    cx: float
    ry: float
    rx: float
    theta: float = 0.0

    def __post_init__(self):
        """Checks the coordinates."""
        _check_numbers([self.cy, self.cx, self.ry, self.rx, self.theta], "Ellipse")

    def extent(self):
        """Returns the box around the ellipse."""
        cos, sin = math.cos(self.theta), math.sin(self.theta)
        y = math.hypot(self.rx * sin, self.ry * cos)
        x = math.hypot(self.rx * cos, self.ry * sin)
        return self.cy - y, self.cx - x, self.cy + y, self.cx + x

    def bounds(self, height, width):
        """Returns the box around the ellipse, cut to the image."""
        has_pixels = self.ry > 0 and self.rx > 0
        return _bounds_of(self.extent() if has_pixels else None, height, width)

    def _draw_in(self, box, height, width, files):
        from skimage.draw import ellipse

        y1, x1, y2, x2 = box
        mask = np.zeros([y2 - y1, x2 - x1], dtype=bool)
        # scikit-image has pixel centers at whole numbers, and turns the other way.
        rows, columns = ellipse(
            self.cy - y1 - 0.5,
            self.cx - x1 - 0.5,
            self.ry,
            self.rx,
            shape=mask.shape,
            rotation=-self.theta,
        )
        mask[rows, columns] = True
        return mask


@dataclass(frozen=True, eq=False)
class Polyline(Shape):
    """A line drawn with a pen: pixels with their center within half its width.

    Attributes:
        points: array [N, (y, x)], px, not closed; a single point is a dot.
        line_width: of the pen, px.
    """

    points: np.ndarray
    line_width: float = DEFAULT_LINE_WIDTH

    def __post_init__(self):
        """Checks points and width."""
        object.__setattr__(self, "points", _as_points(self.points, "Polyline(points)"))
        if not 0 < self.line_width <= MAX_COORDINATE:
            raise ValueError(
                f"Polyline(line_width={self.line_width}): must be more than 0 px."
            )

    @classmethod
    def from_xy(cls, points, line_width: float = DEFAULT_LINE_WIDTH) -> Polyline:
        """Returns the line through points [x0, y0, x1, y1, ...] or [(x, y), ...]."""
        return cls(_swap_xy(points, "Polyline.from_xy(points)"), line_width)

    def bounds(self, height, width):
        """Returns the box around the drawn line, cut to the image."""
        return _bounds_of(self.extent(), height, width, self.line_width / 2)

    def extent(self):
        """Returns the box around the points, the width of the pen left out."""
        return extent_of([self.points])

    def _draw_in(self, box, height, width, files):
        y1, x1, y2, x2 = box
        mask = np.zeros([y2 - y1, x2 - x1], dtype=bool)
        points = self.points - (y1, x1)
        # One point: a segment from it to itself.
        ends = points[1:] if len(points) > 1 else points
        radius = self.line_width / 2
        for start, end in zip(points, ends, strict=False):
            # The pixels near the segment, looked for in the box around it.
            around = (*np.minimum(start, end), *np.maximum(start, end))
            top, left, bottom, right = _bounds_of(around, *mask.shape, radius)
            rows, columns = np.ogrid[top:bottom, left:right]
            y, x = rows + 0.5 - start[0], columns + 0.5 - start[1]
            dy, dx = end - start
            along = np.clip((y * dy + x * dx) / max(dy * dy + dx * dx, 1e-12), 0, 1)
            near = (y - along * dy) ** 2 + (x - along * dx) ** 2 <= radius**2
            mask[top:bottom, left:right] |= near
        return mask


def check_mask_size(size: Sequence[int], height: int, width: int, where: str) -> None:
    """Raises MaskSizeError unless a mask has the size of its image.

    Args:
        size: (height, width, ...) of the mask, px.
        height: of the image, px.
        width: of the image, px.
        where: names the mask in the error.
    """
    if tuple(size[:2]) != (height, width):
        raise MaskSizeError(
            f"{where}: the mask is {tuple(size[:2])} in height and width, the image is "
            f"({height}, {width}); a mask must have the size of its image."
        )


def extent_of(point_lists: Iterable[np.ndarray]) -> Extent | None:
    """Returns the box around all points of lists [N, (y, x)]; None without a point."""
    point_lists = [points for points in point_lists if len(points)]
    if not point_lists:
        return None
    points = np.concatenate(point_lists)
    return (*points.min(axis=0).tolist(), *points.max(axis=0).tolist())


def _bounds_of(extent, height: int, width: int, margin: float = 0.0) -> Box:
    """Returns the pixels of an image that an extent and a margin around it touch."""
    if extent is None:
        return 0, 0, 0, 0
    y1, x1 = (math.floor(side - margin) for side in extent[:2])
    y2, x2 = (math.ceil(side + margin) for side in extent[2:])
    top, bottom = (min(max(y, 0), height) for y in (y1, y2))
    left, right = (min(max(x, 0), width) for x in (x1, x2))
    return top, left, bottom, right


def _as_points(points, where: str) -> np.ndarray:
    """Returns float64 [N, 2], or raises for what are no points of an image."""
    array = np.asarray(points, dtype=np.float64)
    if array.size == 0:
        return np.zeros([0, 2])
    if array.ndim != 2 or array.shape[1] != 2:
        raise ValueError(
            f"{where}: points are pairs, [N, 2]; received the shape {array.shape}."
        )
    _check_numbers(array, where)
    return array


def _swap_xy(points, where: str) -> np.ndarray:
    """Returns [N, (y, x)] of [(x, y), ...] or of [x0, y0, x1, y1, ...]."""
    array = np.asarray(points, dtype=np.float64)
    if array.ndim == 1:
        if array.size % 2:
            raise ValueError(
                f"{where}: {array.size} numbers are no pairs of x and y; the "
                "annotation is damaged."
            )
        array = array.reshape(-1, 2)
    return array[:, ::-1] if array.ndim == 2 else array


def _check_numbers(numbers, where: str) -> None:
    """Raises for coordinates that no image has."""
    array = np.asarray(numbers, dtype=np.float64)
    if not np.all(np.abs(array) <= MAX_COORDINATE):
        raise ValueError(
            f"{where}: has coordinates from {array.min():g} to {array.max():g} px; the "
            "annotation is damaged."
        )
