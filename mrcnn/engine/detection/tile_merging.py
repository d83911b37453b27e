"""Detections of overlapping tiles, merged across seams.

Neighbors see an object near their border twice. Detections of two tiles are taken for
one object by these rules, in this order:

1. Both lie clear of the borders inside the image: IoU of the masks.
2. One is cut by the border of its tile, the other is whole: IoU of the cut one with
   that part of the whole one that its tile could see; or most of the cut one lies on
   the whole one.
3. Both are cut: IoU in the rectangle that both tiles see.

Views of one class come first, but those of two may show one object too: a tile that
sees less of it may take it for something else.

Of what is one object the whole view counts that is farthest from the border of its
tile; the cut ones are dropped. Where no tile saw it whole, because it is larger than
the overlap, the parts are joined. Two detections of one tile stay two objects.

What one tile alone has found, though another sees the place better (farther from its
border), counts if it is whole and most of it is free of all that other tiles have found
there, taken together: a tile may miss an object, whatever its place. What is cut in all
its views and could be seen whole by another tile is left out: borders make such things
up.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

# IoU of two masks, where both could be seen, from which they show one object.
SAME_IOU = 0.5
# Part of a cut detection that lies on a whole one, from which it is a part of it.
CONTAINED = 0.7
# Part of what one tile alone has found that lies on objects of other tiles, from which
# it is they, seen worse: one or, for a clump that was not taken apart, several.
COVERED = 0.3
# A box that ends this close to the border of its tile is cut by it: part of the side
# of the tile, and px at least. Boxes are not exact.
EDGE_SHARE = 1 / 64
MIN_EDGE = 2


class View(NamedTuple):
    """A detection as one tile saw it.

    Attributes:
        tile: which tile.
        box: (y1, x1, y2, x2), px of the whole image.
        mask: bool [y2 - y1, x2 - x1].
        class_id: of the detection.
        score: probability.
        room: px between the box and the nearest border of the tile inside the image;
            infinity where the tile has none.
        is_cut: the border of the tile may have cut it.
    """

    tile: int
    box: tuple[int, int, int, int]
    mask: np.ndarray
    class_id: int
    score: float
    room: float
    is_cut: bool


def merge_tiles(
    results: Sequence[dict], tiles: np.ndarray, image_shape: tuple[int, ...]
) -> dict[str, Any]:
    """Returns the detections of overlapping tiles as those of one image.

    The rules are those of the module. A cut detection that no tile sees better stays,
    unless it lies almost wholly on a larger object.

    Args:
        results: one dict a tile, of `detect(masks="crop")`: boxes in px of the tile.
        tiles: int [T, (y1, x1, y2, x2)], px of the image.
        image_shape: (height, width, ...) of the image, px.

    Returns:
        rois, class_ids, scores and masks; see `detect_tiled`.
    """
    views = list(_views(results, tiles, image_shape))
    groups = _Groups(views)
    for _, i, j in sorted(_links(views, tiles), key=lambda link: (-link[0], *link[1:])):
        groups.join(i, j)
    objects, doubtful = [], []
    for rows in groups.rows():
        view = _one_object([views[i] for i in rows])
        # Two tiles with a border in common may see the same that it has made up.
        is_doubtful = len(rows) == 1 or view.is_cut
        if is_doubtful and _is_seen_better(view, tiles, image_shape):
            doubtful.append(view)
        else:
            objects.append(view)
    # The best placed ones first: they may lie on each other.
    doubtful.sort(key=lambda view: -view.room)
    objects = _without_covered(objects, [v for v in doubtful if not v.is_cut])
    objects = _without_parts(objects)
    objects.sort(key=lambda view: -view.score)
    return {
        "rois": np.array([v.box for v in objects], np.int32).reshape(-1, 4),
        "class_ids": np.array([v.class_id for v in objects], np.int32),
        "scores": np.array([v.score for v in objects], np.float32),
        "masks": [v.mask for v in objects],
    }


def _views(results, tiles, image_shape) -> Iterator[View]:
    """Yields all detections in px of the image."""
    for number, (tile, result) in enumerate(zip(tiles, results, strict=True)):
        y1, x1 = (int(side) for side in tile[:2])
        edge = _edge(tile)
        rows = zip(
            np.asarray(result["rois"]).tolist(),
            result["masks"],
            np.asarray(result["class_ids"]).tolist(),
            np.asarray(result["scores"]).tolist(),
            strict=True,
        )
        for (top, left, bottom, right), mask, class_id, score in rows:
            mask = np.asarray(mask) != 0
            if not mask.any():
                continue
            box = (top + y1, left + x1, bottom + y1, right + x1)
            room = float(_rooms(box, tile[np.newaxis], image_shape)[0])
            yield View(number, box, mask, class_id, score, room, room < edge)


def edge_width(side: int) -> int:
    """Returns how near to its border, px, a tile of this side (px) cuts objects.

    Of what lies on the seam of two tiles that overlap by less than twice as much, both
    see a part, and hardly a pixel in common: it is counted twice.
    """
    return max(MIN_EDGE, round(int(side) * EDGE_SHARE))


def _edge(tile) -> int:
    return edge_width(max(tile[2] - tile[0], tile[3] - tile[1]))


def _rooms(box, tiles, image_shape) -> np.ndarray:
    """Px from a box to the nearest border of each tile, below 0 for one outside.

    The border of the image counts as infinitely far: it cuts nothing that another tile
    could see whole.
    """
    tiles = np.asarray(tiles)
    gaps = np.concatenate([box[:2] - tiles[:, :2], tiles[:, 2:] - box[2:]], axis=1)
    inner = np.concatenate([tiles[:, :2] > 0, tiles[:, 2:] < image_shape[:2]], axis=1)
    return np.where(inner, gaps, np.inf).min(axis=1)


def _is_seen_better(view: View, tiles, image_shape) -> bool:
    """Whether another tile sees the place of a view clearly farther from its border."""
    rooms = _rooms(view.box, tiles, image_shape)
    # Of a joined view no tile is known, but tiles are of one size.
    return bool(rooms.max() > view.room + _edge(tiles[view.tile]))


def _links(views: list[View], tiles) -> Iterator[tuple[float, int, int]]:
    """Yields (how sure, i, j) of pairs of views that show one object."""
    places = _Places(views)
    tile_of = np.array([view.tile for view in views], int)
    for i, view in enumerate(views):
        near = places.meeting(view)
        for j in near[tile_of[near] > view.tile].tolist():
            sure = _agreement(view, views[j], tiles)
            if sure > 0:
                yield sure, i, j


def _agreement(one: View, other: View, tiles) -> float:
    """How surely two views of different tiles show one object; 0 for different ones.

    Views of one class are surer than any others.
    """
    same_class = one.class_id == other.class_id
    shared = _shared(one, other)
    if shared == 0:
        return 0.0
    if not one.is_cut and not other.is_cut:
        sure = shared / (_area(one) + _area(other) - shared)
        return same_class + sure if sure >= SAME_IOU else 0.0
    if one.is_cut and other.is_cut:
        common = _intersection(tiles[one.tile], tiles[other.tile])
        sure = shared / (_area(one, common) + _area(other, common) - shared)
        return same_class + sure if sure >= SAME_IOU else 0.0
    cut, whole = (one, other) if one.is_cut else (other, one)
    sure = shared / (_area(cut) + _area(whole, tiles[cut.tile]) - shared)
    if sure < SAME_IOU and shared < CONTAINED * _area(cut):
        return 0.0
    return same_class + max(sure, SAME_IOU * shared / _area(cut))


class _Groups:
    """Views that show one object, joined pair by pair; two of one tile never are."""

    def __init__(self, views: list[View]):
        self.group = list(range(len(views)))
        self.members = [[i] for i in range(len(views))]
        self.tiles = [{view.tile} for view in views]

    def join(self, i: int, j: int) -> None:
        """Joins the groups of two views, unless one tile has seen both."""
        a, b = self.group[i], self.group[j]
        if a == b or self.tiles[a] & self.tiles[b]:
            return
        for k in self.members[b]:
            self.group[k] = a
        self.members[a] += self.members[b]
        self.tiles[a] |= self.tiles[b]
        self.members[b], self.tiles[b] = [], set()

    def rows(self) -> Iterator[list[int]]:
        """Yields the views of each group."""
        return (rows for rows in self.members if rows)


def _one_object(views: list[View]) -> View:
    """What the views of one object say together."""
    whole = [view for view in views if not view.is_cut]
    if whole:
        return max(whole, key=lambda view: (view.room, view.score))
    if len(views) == 1:
        return views[0]
    boxes = np.array([view.box for view in views])
    y1, x1 = boxes[:, :2].min(axis=0).tolist()
    y2, x2 = boxes[:, 2:].max(axis=0).tolist()
    mask = np.zeros((y2 - y1, x2 - x1), bool)
    for view in views:
        top, left, bottom, right = view.box
        mask[top - y1 : bottom - y1, left - x1 : right - x1] |= view.mask
    best = max(views, key=lambda view: view.score)
    return best._replace(tile=-1, box=(y1, x1, y2, x2), mask=mask)


def _without_covered(objects: list[View], doubtful: list[View]) -> list[View]:
    """Adds the doubtful ones, in their order, unless they lie on what there is then."""
    views = [*objects, *doubtful]
    places, counts = _Places(views), np.arange(len(views)) < len(objects)
    for i in range(len(objects), len(views)):
        near = places.meeting(views[i])
        near = [views[j] for j in near[counts[near]].tolist()]
        others = [view for view in near if view.tile != views[i].tile]
        counts[i] = _covered(views[i], others) < COVERED
    return [views[i] for i in np.flatnonzero(counts).tolist()]


def _covered(view: View, others: list[View]) -> float:
    """The part of a view that lies on the others, taken together: 0..1."""
    top, left = view.box[:2]
    free = view.mask.copy()
    for other in others:
        box = y1, x1, y2, x2 = _intersection(view.box, other.box)
        free[y1 - top : y2 - top, x1 - left : x2 - left] &= ~_inside(other, box)
    area = _area(view)
    return (area - np.count_nonzero(free)) / area


def _without_parts(objects: list[View]) -> list[View]:
    """Leaves out what is cut and lies on an object that another tile saw better."""
    places, kept = _Places(objects), []
    areas = np.array([_area(view) for view in objects])
    for i, view in enumerate(objects):
        near = places.meeting(view) if view.is_cut else np.zeros(0, int)
        is_part = any(
            objects[j].tile != view.tile
            and objects[j].class_id == view.class_id
            and _shared(view, objects[j]) >= CONTAINED * areas[i]
            for j in near[areas[near] > areas[i]]
        )
        if not is_part:
            kept.append(view)
    return kept


class _Places:
    """Boxes of views, ordered from top to bottom so that few are looked at for each."""

    def __init__(self, views: list[View]):
        boxes = np.array([view.box for view in views], int).reshape(-1, 4)
        self.order = np.argsort(boxes[:, 0], kind="stable")
        self.boxes = boxes[self.order]
        self.tallest = max((boxes[:, 2] - boxes[:, 0]).tolist(), default=0)

    def meeting(self, view: View) -> np.ndarray:
        """Which boxes have a pixel in common with that of a view, in their order."""
        y1, _, y2, _ = view.box
        start, stop = self.boxes[:, 0].searchsorted((y1 - self.tallest, y2))
        boxes = self.boxes[start:stop]
        low = np.maximum(boxes[:, :2], view.box[:2])
        high = np.minimum(boxes[:, 2:], view.box[2:])
        return np.sort(self.order[start:stop][(low < high).all(axis=1)])


def _intersection(box, other) -> tuple[int, int, int, int]:
    y1, x1 = np.maximum(box[:2], other[:2]).tolist()
    y2, x2 = np.minimum(box[2:], other[2:]).tolist()
    return y1, x1, max(y1, y2), max(x1, x2)


def _inside(view: View, box) -> np.ndarray:
    """The pixels of a mask in a box that lies within its own."""
    y1, x1, y2, x2 = box
    top, left = view.box[:2]
    return view.mask[y1 - top : y2 - top, x1 - left : x2 - left]


def _area(view: View, box=None) -> int:
    """Pixels of a mask, in a box or in all."""
    if box is None:
        return int(np.count_nonzero(view.mask))
    return int(np.count_nonzero(_inside(view, _intersection(view.box, box))))


def _shared(one: View, other: View) -> int:
    """Pixels that two masks share."""
    box = _intersection(one.box, other.box)
    return int(np.count_nonzero(_inside(one, box) & _inside(other, box)))
