"""Which anchors are object, which are background, and which stay out of the loss."""

from __future__ import annotations

from collections.abc import Iterator
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.boxes import as_boxes, box_areas, compute_overlaps

# Neighbors among the anchors that `match_boxes` takes or leaves together.
GROUP_SIZE = 128
# Objects whose overlaps are held at once.
GT_CHUNK = 8
# Bounds on float32 ratios are taken this much wider than they are.
SAFETY = 1e-3

# An anchor that shares more than this ratio (IoU) with a crowd is never background.
CROWD_IOU = 0.001


class AnchorMatch(NamedTuple):
    """Label of every anchor, and its object.

    Attributes:
        match: int32 [A], 1 object, -1 background, 0 neutral.
        gt_ix: int32 [A], the gt with the highest IoU (0 where there is none).
    """

    match: np.ndarray
    gt_ix: np.ndarray


def match_anchors(
    overlaps: np.ndarray,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    crowd_overlaps: np.ndarray | None = None,
) -> AnchorMatch:
    """Returns the label and the best gt of every anchor.

    Faster R-CNN (arXiv:1506.01497) sec. 3.1.2: an anchor is positive when its IoU with
    any gt reaches `positive_iou`, or when no anchor overlaps some gt more than it does;
    it is negative when it is not positive and its highest IoU is below `negative_iou`.
    Anchors over a crowd are neutral instead of negative: its objects are not known.

    An anchor that is positive only because it is the best one of a gt still regresses
    towards the gt it overlaps most, its `gt_ix`.

    Args:
        overlaps: float [A, G], IoU of anchors with gt boxes that are no crowds; G may
            be 0.
        positive_iou: ratio from which an anchor is positive.
        negative_iou: ratio below which an anchor is negative.
        crowd_overlaps: float [A, K], IoU of anchors with crowd boxes, or None.

    Returns:
        AnchorMatch(match, gt_ix).
    """
    num_anchors, num_gt = overlaps.shape
    if num_gt:
        gt_ix = overlaps.argmax(axis=1)
        best_iou = overlaps[np.arange(num_anchors), gt_ix]
    else:
        gt_ix = np.zeros(num_anchors, np.int32)
        best_iou = np.zeros(num_anchors, np.float32)

    is_negative = best_iou < negative_iou
    if crowd_overlaps is not None and crowd_overlaps.shape[1]:
        is_negative &= crowd_overlaps.max(axis=1) <= CROWD_IOU

    is_positive = best_iou >= positive_iou
    if num_gt and num_anchors:
        # Every gt gets its best anchors, ties included; a gt that no anchor touches
        # gets none (all anchors would be its "best").
        iou_of_gt = overlaps.max(axis=0)
        is_best = (overlaps == iou_of_gt) & (iou_of_gt > 0)
        is_positive |= is_best.any(axis=1)

    match = np.zeros(num_anchors, np.int32)
    match[is_negative] = -1
    match[is_positive] = 1
    return AnchorMatch(match, gt_ix.astype(np.int32))


class AnchorGroups(NamedTuple):
    """Anchors, K groups of GROUP_SIZE neighbors, and what all of a group share.

    Attributes:
        anchors: float32 [K, GROUP_SIZE, 4]; the last one is repeated to fill up.
        hulls: float32 [K, (y1, x1, y2, x2)], around all of a group.
        max_sides: float32 [K, (height, width)], the largest of a group.
        min_areas: float32 [K].
        max_areas: float32 [K].
    """

    anchors: np.ndarray
    hulls: np.ndarray
    max_sides: np.ndarray
    min_areas: np.ndarray
    max_areas: np.ndarray


class _Pairs(NamedTuple):
    """Groups of anchors beside boxes.

    Attributes:
        group_ix: int [P].
        box_ix: int [P].
        overlaps: float32 [P, GROUP_SIZE], IoU.
    """

    group_ix: np.ndarray
    box_ix: np.ndarray
    overlaps: np.ndarray


def match_boxes(
    anchors: np.ndarray,
    gt_boxes: np.ndarray,
    positive_iou: float = 0.7,
    negative_iou: float = 0.3,
    crowd_boxes: np.ndarray | None = None,
    *,
    groups: AnchorGroups | None = None,
) -> AnchorMatch:
    """Returns `match_anchors` of boxes, without their [A, G] overlaps.

    Few of a quarter of a million anchors can match an object: only groups of anchors
    that lie near it and have about its size are measured.

    Law: `match` is that of `match_anchors(compute_overlaps(anchors, gt_boxes), ...)`,
    and so is `gt_ix` wherever `match` is 1; elsewhere it is 0.

    Args:
        anchors: [A, (y1, x1, y2, x2)], any frame, neighbors next to each other.
        gt_boxes: [G, (y1, x1, y2, x2)], same frame; G may be 0.
        positive_iou: see `match_anchors`.
        negative_iou: see `match_anchors`.
        crowd_boxes: [K, (y1, x1, y2, x2)], same frame, or None.
        groups: `group_anchors(anchors)`, where the same anchors are matched often.

    Returns:
        AnchorMatch(match, gt_ix).

    Raises:
        ValueError: groups are those of more or fewer anchors.
    """
    anchors = as_boxes(anchors, "match_boxes(anchors)")
    gt_boxes = as_boxes(gt_boxes, "match_boxes(gt_boxes)")
    crowd_boxes = as_boxes(
        [] if crowd_boxes is None else crowd_boxes, "match_boxes(crowd_boxes)"
    )
    enough = min(positive_iou, negative_iou)
    if enough <= 0 or not len(anchors):  # no anchor can be left out
        match, gt_ix = match_anchors(
            compute_overlaps(anchors, gt_boxes),
            positive_iou,
            negative_iou,
            compute_overlaps(anchors, crowd_boxes),
        )
        return AnchorMatch(match, np.where(match == 1, gt_ix, 0).astype(np.int32))
    if groups is None:
        groups = group_anchors(anchors)
    elif len(groups.anchors) != -(-len(anchors) // GROUP_SIZE):
        raise ValueError(
            f"match_boxes(groups): {len(groups.anchors)} groups are not those of "
            f"{len(anchors)} anchors; pass group_anchors(anchors)."
        )
    match = np.full(groups.anchors.shape[:2], -1, np.int32)
    is_positive = np.zeros(match.shape, bool)

    # 1. Over a crowd nothing is background.
    near = _may_overlap(groups, crowd_boxes, CROWD_IOU)
    for pairs in _measured(groups, crowd_boxes, near):
        _mark(match, 0, pairs, pairs.overlaps > CROWD_IOU)

    # 2. Anchors that reach a threshold, and the best of the objects that have such.
    near = _may_overlap(groups, gt_boxes, enough)
    best_iou = np.zeros(len(gt_boxes), np.float32)
    for pairs in _measured(groups, gt_boxes, near):
        best = _best_of_box(pairs, best_iou)
        is_best = (pairs.overlaps == best) & (best >= enough) & (best > 0)
        _mark(match, 0, pairs, pairs.overlaps >= negative_iou)
        _mark(is_positive, True, pairs, (pairs.overlaps >= positive_iou) | is_best)

    # 3. The best anchors of the other objects, among all that touch them.
    other_boxes = gt_boxes[best_iou < enough]
    near = _may_overlap(groups, other_boxes, best_iou[best_iou < enough])
    best_iou = np.zeros(len(other_boxes), np.float32)
    for pairs in _measured(groups, other_boxes, near):
        best = _best_of_box(pairs, best_iou)
        _mark(is_positive, True, pairs, (pairs.overlaps == best) & (best > 0))

    # 4. Positives regress towards the object that they overlap most.
    match[is_positive] = 1
    match = match.reshape(-1)[: len(anchors)]
    gt_ix = np.zeros(len(anchors), np.int32)
    positive_ix = np.flatnonzero(match == 1)
    if len(positive_ix):
        overlaps = compute_overlaps(anchors[positive_ix], gt_boxes)
        gt_ix[positive_ix] = overlaps.argmax(axis=1)
    return AnchorMatch(match, gt_ix)


def group_anchors(anchors: np.ndarray) -> AnchorGroups:
    """Returns anchors in groups, which takes longer than to match a few boxes.

    Args:
        anchors: [A, (y1, x1, y2, x2)], A at least 1; neighbors next to each other.
    """
    anchors = as_boxes(anchors, "group_anchors(anchors)")
    missing = -len(anchors) % GROUP_SIZE
    if missing:
        anchors = np.pad(anchors, ((0, missing), (0, 0)), mode="edge")
    # Coordinate by coordinate in memory: all arithmetic runs along whole groups.
    y1, x1, y2, x2 = members = np.ascontiguousarray(anchors.T).reshape(
        4, -1, GROUP_SIZE
    )
    heights, widths = np.maximum(members[2:] - members[:2], 0)
    areas = heights * widths
    return AnchorGroups(
        np.moveaxis(members, 0, -1),
        np.stack([y1.min(1), x1.min(1), y2.max(1), x2.max(1)], axis=1),
        np.stack([heights.max(1), widths.max(1)], axis=1),
        areas.min(1),
        areas.max(1),
    )


def _may_overlap(groups: AnchorGroups, boxes: np.ndarray, iou) -> np.ndarray:
    """Returns bool [K, N]: could any of a group have this IoU with a box, or more?

    Args:
        groups: AnchorGroups.
        boxes: float32 [N, 4].
        iou: ratio, one for all or [N]; 0 asks for any overlap.
    """
    hulls, areas = groups.hulls[:, None], box_areas(boxes)
    sides = np.minimum(hulls[..., 2:], boxes[:, 2:])
    sides -= np.maximum(hulls[..., :2], boxes[:, :2])
    sides = np.clip(sides, 0, groups.max_sides[:, None])
    shared = np.minimum(sides[..., 0] * sides[..., 1], groups.max_areas[:, None])
    least_area = groups.min_areas[:, None]
    union = np.maximum(np.maximum(least_area, areas), least_area + areas - shared)
    return (shared > 0) & (shared >= np.asarray(iou) * (1 - SAFETY) * union)


def _measured(
    groups: AnchorGroups, boxes: np.ndarray, near: np.ndarray
) -> Iterator[_Pairs]:
    """Yields the near pairs of groups and boxes; all pairs of a box come together."""
    for start in range(0, len(boxes), GT_CHUNK):
        box_ix, group_ix = np.nonzero(near[:, start : start + GT_CHUNK].T)
        if len(box_ix):
            box_ix += start
            overlaps = compute_overlaps(groups.anchors[group_ix], boxes[box_ix, None])
            yield _Pairs(group_ix, box_ix, overlaps[..., 0])


def _best_of_box(pairs: _Pairs, best_iou: np.ndarray) -> np.ndarray:
    """Returns the highest IoU of each pair's box: [P, 1]; notes it in `best_iou`."""
    np.maximum.at(best_iou, pairs.box_ix, pairs.overlaps.max(axis=1))
    return best_iou[pairs.box_ix, None]


def _mark(labels: np.ndarray, label, pairs: _Pairs, chosen: np.ndarray) -> None:
    """Writes a label for the anchors chosen, bool [P, GROUP_SIZE], into [K, ...]."""
    pair, member = np.nonzero(chosen)
    labels[pairs.group_ix[pair], member] = label
