"""Merges the detections of overlapping tiles: each object is counted once.

Neighboring tiles both see an object near their border. Detections of two tiles are
taken for one object by these rules, in this order:

1. Both lie clear of the borders inside the image: IoU of the masks.
2. One is cut by the border of its tile, the other is whole: IoU of the cut one with
   that part of the whole one that its tile could see; or most of the cut one lies on
   the whole one.
3. Both are cut: IoU in the rectangle that both tiles see.

Views of one class come first, but those of two may show one object too: a tile that
sees less of it may take it for something else.

Of the views of one object, the whole one that is farthest from the border of its tile
is kept; the cut ones are dropped. Where no tile saw it whole, because it is larger than
the overlap, the parts are joined. Two detections of one tile stay two objects.

What one tile alone has found, though another sees the place better (farther from its
border), counts if it is whole and most of it is free of all that other tiles have found
there, taken together: a tile may miss an object, whatever its place. What is cut in all
its views and could be seen whole by another tile is left out: at borders the network
finds things that are none.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple

import numpy as np

from mrcnn.geometry.crops import Crop, aligned, covered, crop_boxes, shared_area

# IoU of two masks, where both could be seen, from which they show one object.
SAME_IOU = 0.5
# Part of a cut detection that lies on a whole one, from which it is a part of it.
CONTAINED = 0.7
# Part of what one tile alone has found that lies on objects of other tiles, from which
# it is dropped: it shows one of them or, as a clump, several of them, only worse.
COVERED = 0.3
# A box that ends this close to the border of its tile is cut by it: part of the side
# of the tile, and px at least. Boxes are not exact.
EDGE_SHARE = 1 / 64
MIN_EDGE = 2


class View(NamedTuple):
    """A detection as one tile saw it.

    Attributes:
        tile: which tile.
        crop: its box, px of the whole image, and the mask in it.
        class_id: of the detection.
        score: probability.
        margin: px between the box and the nearest border of the tile inside the image;
            infinity where the tile has none.
        is_cut: the border of the tile may have cut it.
    """

    tile: int
    crop: Crop
    class_id: int
    score: float
    margin: float
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
    objects, doubtful = [], []
    for rows in _groups(views, tiles):
        view = _one_object([views[i] for i in rows])
        # Two tiles with a border in common may find the same thing that is none.
        is_doubtful = len(rows) == 1 or view.is_cut
        if is_doubtful and _is_seen_better(view, tiles, image_shape):
            doubtful.append(view)
        else:
            objects.append(view)
    # The best placed ones first: they may lie on each other.
    doubtful.sort(key=lambda view: -view.margin)
    objects = _without_covered(objects, [v for v in doubtful if not v.is_cut])
    objects = _without_parts(objects)
    objects.sort(key=lambda view: -view.score)
    return {
        "rois": crop_boxes([v.crop for v in objects]),
        "class_ids": np.array([v.class_id for v in objects], np.int32),
        "scores": np.array([v.score for v in objects], np.float32),
        "masks": [v.crop.mask for v in objects],
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
            crop = Crop((top + y1, left + x1, bottom + y1, right + x1), mask)
            margin = float(_margins(crop.box, tile[np.newaxis], image_shape)[0])
            yield View(number, crop, class_id, score, margin, margin < edge)


def edge_width(side: int) -> int:
    """Returns how near to its border, px, a tile of this side (px) cuts objects.

    Of what lies on the seam of two tiles that overlap by less than twice as much, both
    see a part, and hardly a pixel in common: it is counted twice.
    """
    return max(MIN_EDGE, round(int(side) * EDGE_SHARE))


def _edge(tile) -> int:
    return edge_width(max(tile[2] - tile[0], tile[3] - tile[1]))


def _margins(box, tiles, image_shape) -> np.ndarray:
    """Returns the px from a box to the nearest border of each tile, < 0 if outside.

    The border of the image counts as infinitely far: it cuts nothing that another tile
    could see whole.
    """
    tiles = np.asarray(tiles)
    gaps = np.concatenate([box[:2] - tiles[:, :2], tiles[:, 2:] - box[2:]], axis=1)
    inner = np.concatenate([tiles[:, :2] > 0, tiles[:, 2:] < image_shape[:2]], axis=1)
    return np.where(inner, gaps, np.inf).min(axis=1)


def _is_seen_better(view: View, tiles, image_shape) -> bool:
    """Returns whether a view is clearly farther from the border of another tile."""
    margins = _margins(view.crop.box, tiles, image_shape)
    # Of a joined view no tile is known, but tiles are of one size.
    return bool(margins.max() > view.margin + _edge(tiles[view.tile]))


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
    """Returns how surely two views of different tiles show one object; 0 if not.

    Views of one class are surer than any others.
    """
    shared = shared_area(one.crop, other.crop)
    if shared == 0:
        return 0.0
    same_class = one.class_id == other.class_id
    areas = [
        # Of what is whole, and of two cut ones, the part that the other tile could see.
        _area_in(tiles[b.tile], a.crop) if b.is_cut else a.crop.area
        for a, b in ((one, other), (other, one))
    ]
    sure = shared / (sum(areas) - shared)
    if one.is_cut == other.is_cut:
        return same_class + sure if sure >= SAME_IOU else 0.0
    area = (one if one.is_cut else other).crop.area
    if sure < SAME_IOU and shared < CONTAINED * area:
        return 0.0
    return same_class + max(sure, SAME_IOU * shared / area)


def _area_in(tile, crop: Crop) -> int:
    """Returns the number of pixels of an object that lie in a tile."""
    y1, x1, y2, x2 = (int(side) for side in tile)
    everything = np.broadcast_to(True, (y2 - y1, x2 - x1))
    return shared_area(crop, Crop((y1, x1, y2, x2), everything))


def _groups(views: list[View], tiles) -> list[list[int]]:
    """Returns which views show one object, joined pair by pair, the surest first.

    Two views of one tile are never joined.
    """
    groups = [[i] for i in range(len(views))]
    group_of = list(groups)
    for _, i, j in sorted(_links(views, tiles), key=lambda link: (-link[0], *link[1:])):
        one, other = group_of[i], group_of[j]
        seen_by = [views[k].tile for k in one + other]
        if len(set(seen_by)) < len(seen_by):
            continue
        for k in other:
            group_of[k] = one
        one += other
        other.clear()
    return [group for group in groups if group]


def _one_object(views: list[View]) -> View:
    """Returns the view that stands for an object: the best whole one, or all joined."""
    whole = [view for view in views if not view.is_cut]
    if whole:
        return max(whole, key=lambda view: (view.margin, view.score))
    if len(views) == 1:
        return views[0]
    # The boxes of the model are kept, which need not be tight around their masks.
    boxes = crop_boxes([view.crop for view in views])
    (y1, x1), (y2, x2) = boxes[:, :2].min(axis=0), boxes[:, 2:].max(axis=0)
    joined = Crop(
        (int(y1), int(x1), int(y2), int(x2)), np.zeros([y2 - y1, x2 - x1], bool)
    )
    for view in views:
        joined.mask[:] |= aligned(joined, view.crop)
    best = max(views, key=lambda view: view.score)
    return best._replace(tile=-1, crop=joined)


def _without_covered(objects: list[View], doubtful: list[View]) -> list[View]:
    """Returns the objects and, in turn, each doubtful one that is free of those."""
    views = [*objects, *doubtful]
    places, counts = _Places(views), np.arange(len(views)) < len(objects)
    for i in range(len(objects), len(views)):
        near = places.meeting(views[i])
        near = [views[j] for j in near[counts[near]].tolist()]
        others = [view.crop for view in near if view.tile != views[i].tile]
        counts[i] = covered(views[i].crop, others) < COVERED
    return [views[i] for i in np.flatnonzero(counts).tolist()]


def _without_parts(objects: list[View]) -> list[View]:
    """Returns the objects that are no cut part of one that another tile saw better."""
    places, kept = _Places(objects), []
    areas = np.array([view.crop.area for view in objects])
    for i, view in enumerate(objects):
        near = places.meeting(view) if view.is_cut else np.zeros(0, int)
        is_part = any(
            objects[j].tile != view.tile
            and objects[j].class_id == view.class_id
            and shared_area(view.crop, objects[j].crop) >= CONTAINED * areas[i]
            for j in near[areas[near] > areas[i]]
        )
        if not is_part:
            kept.append(view)
    return kept


class _Places:
    """Boxes of views, ordered from top to bottom so that few are looked at for each."""

    def __init__(self, views: list[View]):
        boxes = crop_boxes([view.crop for view in views])
        self.order = np.argsort(boxes[:, 0], kind="stable")
        self.boxes = boxes[self.order]
        self.tallest = max((boxes[:, 2] - boxes[:, 0]).tolist(), default=0)

    def meeting(self, view: View) -> np.ndarray:
        """Returns which boxes share a pixel with that of a view, in their order."""
        y1, x1, y2, x2 = view.crop.box
        start, stop = self.boxes[:, 0].searchsorted((y1 - self.tallest, y2))
        boxes = self.boxes[start:stop]
        low = np.maximum(boxes[:, :2], (y1, x1))
        high = np.minimum(boxes[:, 2:], (y2, x2))
        return np.sort(self.order[start:stop][(low < high).all(axis=1)])
