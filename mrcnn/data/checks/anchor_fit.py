"""How well anchors fit boxes, and which scales and ratios would fit them better.

The better ones are found by k-means with the distance 1 - IoU.
"""

from __future__ import annotations

import functools
from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.geometry.anchors import anchor_sizes
from mrcnn.geometry.boxes import as_boxes

MAX_ROUNDS = 30
STARTS = 5
# Of more boxes than these, so many are drawn at random and clustered.
MAX_BOXES = 20_000
# The present scales are tried in these sizes as well.
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)


class AnchorChoice(NamedTuple):
    """Anchors of a pyramid, as Config has them.

    Attributes:
        scales: RPN_ANCHOR_SCALES, px, one a level; tuples where a level has several.
        ratios: RPN_ANCHOR_RATIOS, width / height, rising.
    """

    scales: tuple
    ratios: list[float]


class AnchorFit(NamedTuple):
    """The best anchor of each box.

    Attributes:
        iou: float32 [N], its IoU with the box, ratio; 0 when no anchor touches it.
        level: int [N], its level, 0 for the finest.
        size_ix: int [N], which of `anchor_sizes` of that level it is.
    """

    iou: np.ndarray
    level: np.ndarray
    size_ix: np.ndarray


def fit_anchors(
    boxes_px,
    feature_shapes,
    *,
    scales: Sequence,
    ratios: Sequence[float],
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
) -> AnchorFit:
    """Returns the best of all anchors of the pyramid for each box.

    The IoU with an anchor of a given size falls with the distance of the centers, in
    each direction for itself; so of each size only the anchor whose center is nearest
    needs a look. Law: `iou` is the largest in the box's column of
    `compute_overlaps(generate_pyramid_anchors(...), boxes)`.

    Args:
        boxes_px: [N, (y1, x1, y2, x2)], px.
        feature_shapes: int [L, (height, width)] of the feature maps; or [N, L, 2],
            where boxes come from images of several sizes.
        scales: for each level a number, or a sequence of several, px.
        ratios: width / height.
        feature_strides: [L], px of the image for one cell of the map.
        anchor_stride: cells between two anchors.

    Returns:
        AnchorFit.
    """
    boxes = as_boxes(boxes_px, "fit_anchors(boxes_px)").astype(np.float64)
    low, high = boxes[:, np.newaxis, :2], boxes[:, np.newaxis, 2:]
    areas = np.prod(high - low, axis=-1)
    grid = np.broadcast_to(feature_shapes, (len(boxes), len(scales), 2))
    centers = (boxes[:, :2] + boxes[:, 2:]) / 2
    ious = []
    for level, (scale, stride) in enumerate(zip(scales, feature_strides, strict=True)):
        step = stride * anchor_stride
        last = -(-grid[:, level] // anchor_stride) - 1
        nearest = np.clip(np.rint(centers / step), 0, last) * step
        sizes = anchor_sizes(scale, ratios)
        offsets = sizes / 2
        sides = np.minimum(high, nearest[:, np.newaxis] + offsets)
        sides -= np.maximum(low, nearest[:, np.newaxis] - offsets)
        shared = np.prod(np.maximum(sides, 0), axis=-1)
        ious.append(shared / (areas + np.prod(sizes, axis=-1) - shared))
    level, size_ix = np.divmod(np.hstack(ious).argmax(axis=1), len(sizes))
    iou = np.hstack(ious).max(axis=1)
    return AnchorFit(np.maximum(iou, 0).astype(np.float32), level, size_ix)


def concentric_iou(sizes, centers) -> np.ndarray:
    """Returns the IoU of boxes that have one center: YOLO9000 (1612.08242), sec. 2.

    Args:
        sizes: [N, (height, width)].
        centers: [K, (height, width)], same unit.

    Returns:
        float64 [N, K], 0..1.

    >>> concentric_iou([[2, 4]], [[2, 2], [4, 4]]).tolist()
    [[0.5, 0.5]]
    """
    sizes = np.asarray(sizes, np.float64)[:, np.newaxis]
    centers = np.asarray(centers, np.float64)[np.newaxis]
    shared = np.minimum(sizes, centers).prod(axis=2)
    return shared / (sizes.prod(axis=2) + centers.prod(axis=2) - shared)


def cluster_sizes(sizes, k: int, rng: np.random.Generator | int = 0) -> np.ndarray:
    """Returns the k box sizes that k-means with the distance 1 - IoU finds.

    Each box belongs to the center it overlaps most; a center is the geometric mean of
    its boxes, so that boxes of one area have centers of that area, and squares have
    squares. The best of several starts (k-means++, Arthur and Vassilvitskii 2007) is
    the one of the largest mean IoU.

    Args:
        sizes: [N, (height, width)], positive; at least one.
        k: how many, 1 or more; boxes of fewer different sizes give fewer.
        rng: generator or seed of the starts.

    Returns:
        float64 [k or fewer, (height, width)], by rising area, then rising width.
    """
    sizes = np.asarray(sizes, np.float64)
    rng = np.random.default_rng(rng)
    best, best_iou = None, -1.0
    for _ in range(STARTS):
        centers = _start(sizes, k, rng)
        for _ in range(MAX_ROUNDS):
            owner = concentric_iou(sizes, centers).argmax(axis=1)
            moved = _geometric_means(sizes, owner, centers)
            if np.allclose(moved, centers):
                break
            centers = moved
        mean_iou = concentric_iou(sizes, centers).max(axis=1).mean()
        if mean_iou > best_iou:
            best, best_iou = centers, mean_iou
    return best[np.lexsort([best[:, 1], best.prod(axis=1)])]


def _start(sizes: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draws k centers from the boxes; odds are the squared distances to the others."""
    centers = sizes[rng.integers(len(sizes))][np.newaxis]
    while len(centers) < k:
        odds = (1 - concentric_iou(sizes, centers).max(axis=1)) ** 2
        if odds.sum() < 1e-12:
            break  # every box is a center
        chosen = rng.choice(len(sizes), p=odds / odds.sum())
        centers = np.concatenate([centers, sizes[chosen][np.newaxis]])
    return centers


def _geometric_means(values, owner, otherwise) -> np.ndarray:
    """Returns the geometric mean of each group's values; `otherwise` for empty groups.

    Args:
        values: [N, ...], positive.
        owner: int [N], the group of each value, 0..G - 1.
        otherwise: [G, ...].
    """
    means = np.array(otherwise, np.float64)
    for i in np.unique(owner):
        means[i] = np.exp(np.log(values[owner == i]).mean(axis=0))
    return means


def suggest_anchors(
    boxes_px: np.ndarray,
    feature_shapes: np.ndarray,
    now: AnchorChoice,
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
    seed: int = 0,
) -> AnchorChoice:
    """Returns as many anchors that fit the boxes better; `now`, if none do.

    1. k-means on the sides of the squares of the boxes' areas gives the scales, and on
       the boxes made equal in area the ratios; also with scales raised to the strides
       of their levels, as smaller ones leave gaps between the anchors.
    2. From there, and from the scales of now times FACTORS, k-means goes on with the
       IoU of the real pyramid, whose centers lie a stride apart.
    3. Of all rounds whose recall at IoU 0.5 is that of now or more, the one with the
       largest sum of recalls at 0.5 and 0.7 is taken, then of the largest mean IoU.

    Args:
        boxes_px: float [N, (y1, x1, y2, x2)], px, not empty.
        feature_shapes: int [N, L, (height, width)] of the maps of each box's image.
        now: what Config has, and how many scales a level and ratios there are to be.
        feature_strides: [L], px.
        anchor_stride: cells between two anchors.
        seed: of starts, and of the draw among more than MAX_BOXES boxes.

    Returns:
        AnchorChoice; scales in whole px, ratios with two decimals.
    """
    rng = np.random.default_rng(seed)
    if len(boxes_px) > MAX_BOXES:
        drawn = rng.choice(len(boxes_px), MAX_BOXES, replace=False)
        boxes_px, feature_shapes = boxes_px[drawn], feature_shapes[drawn]
    sizes = (boxes_px[:, 2:] - boxes_px[:, :2]).astype(np.float64)
    fit = functools.partial(
        fit_anchors,
        boxes_px,
        feature_shapes,
        feature_strides=feature_strides,
        anchor_stride=anchor_stride,
    )
    # 1. Clusters of sizes and of forms, without the pyramid.
    current = _scales_of(now)
    sides = np.sqrt(sizes.prod(axis=1, keepdims=True))
    centers = cluster_sizes(np.repeat(sides, 2, axis=1), current.size, rng)
    scales = _filled(centers[:, 0], current.size).reshape(current.shape)
    forms = cluster_sizes(sizes / sides, len(now.ratios), rng)
    ratios = _filled(forms[:, 1] / forms[:, 0], len(now.ratios))
    least = np.reshape(feature_strides, (-1, 1))
    starts = [_choice(scales, ratios), _choice(np.maximum(scales, least), ratios)]
    for factor in FACTORS:
        starts += [_choice(current * factor, r) for r in (now.ratios, ratios)]
    # 2. and 3. Rounds of k-means on the pyramid itself.
    fit_now = fit(**now._asdict())
    best, best_score = now, _score(fit_now)
    for choice in starts:
        for _ in range(MAX_ROUNDS):
            fitted = fit(**choice._asdict())
            if _score(fitted) > best_score and reaches_as_many(fitted, fit_now):
                best, best_score = choice, _score(fitted)
            moved = _move(choice, fitted, sizes)
            if moved == choice:
                break
            choice = moved
    return best


def reaches_as_many(fit: AnchorFit, other: AnchorFit) -> bool:
    """Returns True if anchors reach an IoU of 0.5 with as many boxes as others do."""
    return np.count_nonzero(fit.iou >= 0.5) >= np.count_nonzero(other.iou >= 0.5)


def _score(fit: AnchorFit) -> tuple[float, float]:
    """Returns what choices are compared by: recalls, then the mean IoU."""
    recalls = np.mean(fit.iou >= 0.5) + np.mean(fit.iou >= 0.7)
    return float(recalls), float(fit.iou.mean(dtype=np.float64))


def _move(choice: AnchorChoice, fit: AnchorFit, sizes: np.ndarray) -> AnchorChoice:
    """Returns scales and ratios as the geometric means of the boxes they fit best."""
    scales = _scales_of(choice)
    hit = fit.iou > 0
    height, width = sizes[hit].T
    ratio_ix, scale_ix = np.divmod(fit.size_ix[hit], scales.shape[1])
    scale_ix += fit.level[hit] * scales.shape[1]
    moved = _geometric_means(np.sqrt(height * width), scale_ix, scales.ravel())
    ratios = _geometric_means(width / height, ratio_ix, choice.ratios)
    return _choice(moved.reshape(scales.shape), ratios)


def _scales_of(choice: AnchorChoice) -> np.ndarray:
    """Returns the scales as float64 [L, s], px."""
    return np.array([np.ravel(scales) for scales in choice.scales], np.float64)


def _choice(scales: np.ndarray, ratios) -> AnchorChoice:
    """Returns numbers [L, s] and [r] as Config has them, rounded."""
    scales = np.maximum(np.rint(scales), 1).astype(int)
    ratios = np.maximum(np.sort(np.round(ratios, 2)), 0.01)
    rows = [tuple(row) if len(row) > 1 else row[0] for row in scales.tolist()]
    return AnchorChoice(tuple(rows), ratios.tolist())


def _filled(values: np.ndarray, count: int) -> np.ndarray:
    """Returns `count` rising numbers; of too few, the last again with factors of 2."""
    values = np.sort(values)
    more = values[-1] * 2.0 ** np.arange(1, count - len(values) + 1)
    return np.concatenate([values, more])
