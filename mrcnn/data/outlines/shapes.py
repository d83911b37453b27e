"""Outlines of objects, kept as they were annotated and drawn only where they lie."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import NamedTuple

import numpy as np

from mrcnn.data.outlines.run_lengths import draw_runs, read_counts, runs_box

# px; pycocotools walks along the outline, and its integers end at 4e8.
MAX_COORDINATE = 1e6
DEFAULT_LINE_WIDTH = 3  # px


class Crop(NamedTuple):
    """An object's box, tight, and what is in it.

    Attributes:
        box: int32 [(y1, x1, y2, x2)], orig, half-open; zeros without a pixel.
        mask: bool [y2 - y1, x2 - x1].
    """

    box: np.ndarray
    mask: np.ndarray


class Shape:
    """What tells the pixels of one object. Pixel (0, 0) covers 0 to 1 both ways.

    Subclasses say `bounds` and `_draw_in`; coordinates are px, orig, and may lie on
    and beyond the border of the image. Law: `draw` is zeros with the mask of `crop`
    put into its box.
    """

    def bounds(self, height: int, width: int) -> tuple[int, int, int, int]:
        """Returns a box (y1, x1, y2, x2) in the image that has all pixels of it.

        Half-open, not always tight, and found without drawing.
        """
        raise NotImplementedError

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

    def draw(self, height: int, width: int, files: dict | None = None) -> np.ndarray:
        """Returns the mask of the object in its image: bool [height, width]."""
        mask = np.zeros([height, width], dtype=bool)
        paste(mask, self.crop(height, width, files))
        return mask

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
        return _bounds_of(self._closed_rings(), height, width)

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        from pycocotools import mask as coco_mask

        y1, x1, y2, x2 = self.bounds(height, width)
        if y1 >= y2 or x1 >= x2:
            return no_crop()
        # Run lengths of the whole image, as COCO has them: moved into a box of its
        # own, a polygon is rounded otherwise. They cost as much as its outline.
        flat = [ring[:, ::-1].ravel().tolist() for ring in self._closed_rings()]
        rle = coco_mask.merge(coco_mask.frPyObjects(flat, height, width))
        return _crop_of_runs(read_counts(rle["counts"]), height)

    def _closed_rings(self) -> list[np.ndarray]:
        """Rings that enclose something. pycocotools takes two points for a box."""
        return [ring for ring in self.rings if len(ring) > 2]


@dataclass(frozen=True, eq=False)
class Rle(Shape):
    """Run lengths as COCO has them, column by column, background first.

    Attributes:
        counts: compressed (str or bytes), or the lengths as a list.
        size: (height, width) that they were made for; None when not told.
    """

    counts: str | bytes | Sequence[int]
    size: tuple[int, int] | None = None

    def bounds(self, height, width):
        """Returns the tight box."""
        return runs_box(self._runs(height, width), height)

    def crop(self, height, width, files=None):
        """Returns the tight box of the object, and its mask there."""
        return _crop_of_runs(self._runs(height, width), height)

    def _runs(self, height: int, width: int) -> np.ndarray:
        """Returns the lengths of the runs, after checking that they fit the image."""
        if self.size is not None and tuple(self.size) != (height, width):
            raise ValueError(
                f"Rle(size={tuple(self.size)}): the image is ({height}, {width}) in "
                "height and width; the mask belongs to another size of it."
            )
        runs = read_counts(self.counts)
        if runs.sum() != height * width:
            raise ValueError(
                f"Rle(counts): the runs are {runs.sum()} px long together, the image "
                f"({height}, {width}) has {height * width}; mask and image do not "
                "belong together."
            )
        return runs


@dataclass(frozen=True)
class Rectangle(Shape):
    """A box, half-open: y2 and x2 are outside. Sides are rounded to whole pixels."""

    y1: float
    x1: float
    y2: float
    x2: float

    def __post_init__(self):
        """Checks the coordinates."""
        _check_numbers([self.y1, self.x1, self.y2, self.x2], "Rectangle")

    def bounds(self, height, width):
        """Returns the box itself, cut to the image."""
        sides = [round(side) for side in (self.y1, self.x1, self.y2, self.x2)]
        return _clip(*sides, height, width)

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

    def bounds(self, height, width):
        """Returns the box around the ellipse, cut to the image."""
        if self.ry <= 0 or self.rx <= 0:
            return 0, 0, 0, 0
        cos, sin = math.cos(self.theta), math.sin(self.theta)
        half_height = math.hypot(self.rx * sin, self.ry * cos)
        half_width = math.hypot(self.rx * cos, self.ry * sin)
        return _clip(
            math.floor(self.cy - half_height),
            math.floor(self.cx - half_width),
            math.ceil(self.cy + half_height),
            math.ceil(self.cx + half_width),
            height,
            width,
        )

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
        return _bounds_of([self.points], height, width, self.line_width / 2)

    def _draw_in(self, box, height, width, files):
        y1, x1, y2, x2 = box
        mask = np.zeros([y2 - y1, x2 - x1], dtype=bool)
        points = self.points - (y1, x1)
        # One point: a segment from it to itself.
        ends = points[1:] if len(points) > 1 else points
        for start, end in zip(points, ends, strict=False):
            self._draw_segment(mask, start, end)
        return mask

    def _draw_segment(self, mask, start, end) -> None:
        """Sets the pixels near a segment, in the box around it alone."""
        radius = self.line_width / 2
        y1, x1, y2, x2 = _bounds_of([np.stack([start, end])], *mask.shape, radius)
        rows, columns = np.ogrid[y1:y2, x1:x2]
        y, x = rows + 0.5 - start[0], columns + 0.5 - start[1]
        dy, dx = end - start
        along = np.clip((y * dy + x * dx) / max(dy * dy + dx * dx, 1e-12), 0, 1)
        near = (y - along * dy) ** 2 + (x - along * dx) ** 2 <= radius**2
        mask[y1:y2, x1:x2] |= near


def no_crop() -> Crop:
    """Returns the crop of an object without a pixel: box of zeros, mask [0, 0]."""
    return Crop(np.zeros([4], np.int32), np.zeros([0, 0], dtype=bool))


def tight_crop(mask: np.ndarray, y1: int = 0, x1: int = 0) -> Crop:
    """Returns the pixels of a bool [h, w] mask that starts at (y1, x1) of its image."""
    rows = np.flatnonzero(mask.any(axis=1))
    if not len(rows):
        return no_crop()
    columns = np.flatnonzero(mask.any(axis=0))
    top, bottom = int(rows[0]), int(rows[-1]) + 1
    left, right = int(columns[0]), int(columns[-1]) + 1
    box = np.array([y1 + top, x1 + left, y1 + bottom, x1 + right], np.int32)
    return Crop(box, mask[top:bottom, left:right])


def paste(mask: np.ndarray, crop: Crop) -> None:
    """Puts a crop into a bool [H, W] mask, whose box it replaces."""
    y1, x1, y2, x2 = crop.box.tolist()
    mask[y1:y2, x1:x2] = crop.mask


def _crop_of_runs(runs: np.ndarray, height: int) -> Crop:
    """Returns the crop of run lengths of an image so high."""
    box = runs_box(runs, height)
    return Crop(np.array(box, np.int32), draw_runs(runs, height, box))


def _clip(y1, x1, y2, x2, height, width) -> tuple[int, int, int, int]:
    """Returns a box of whole numbers, cut to the image."""
    top, bottom = (min(max(int(y), 0), height) for y in (y1, y2))
    left, right = (min(max(int(x), 0), width) for x in (x1, x2))
    return top, left, bottom, right


def _bounds_of(point_lists, height, width, margin=0.0):
    """Returns the box around points [N, (y, x)] and a margin, cut to the image."""
    point_lists = [points for points in point_lists if len(points)]
    if not point_lists:
        return 0, 0, 0, 0
    points = np.concatenate(point_lists)
    low, high = points.min(axis=0) - margin, points.max(axis=0) + margin
    return _clip(*np.floor(low), *np.ceil(high), height, width)


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
