"""Scales and ratios of anchors that suit boxes, found by k-means with 1 - IoU."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import numpy as np

from mrcnn.data.checks.anchor_fit import AnchorFit, fit_anchors

MAX_ROUNDS = 30
STARTS = 5
# Boxes that are clustered; more of them are drawn from at random.
MAX_BOXES = 20_000
# A scale below this many strides leaves gaps between the anchors of its level.
MIN_STRIDES = 1.0
# The scales of now are tried in these sizes as well.
FACTORS = (0.5, 0.7, 1.0, 1.4, 2.0)


class AnchorChoice(NamedTuple):
    """Anchors of a pyramid, as Config has them.

    Attributes:
        scales: RPN_ANCHOR_SCALES, px, one a level; tuples where a level has several.
        ratios: RPN_ANCHOR_RATIOS, width / height, rising.
    """

    scales: tuple
    ratios: list[float]


def concentric_iou(sizes, centers) -> np.ndarray:
    """Returns the IoU of boxes with one center: YOLO9000 (1612.08242), sec. 2.

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
        sizes: [N, (height, width)], positive.
        k: how many; boxes of fewer different sizes give fewer.
        rng: generator or seed of the starts.

    Returns:
        float64 [k or fewer, (height, width)], by rising area, then rising width.

    Raises:
        ValueError: there is no box, or k is less than 1.
    """
    sizes = np.asarray(sizes, np.float64).reshape(-1, 2)
    if not len(sizes) or k < 1:
        raise ValueError(
            f"cluster_sizes(sizes, k={k}): {len(sizes)} boxes; at least one box and "
            "one cluster are needed."
        )
    rng = np.random.default_rng(rng)
    best, best_iou = None, -1.0
    for _ in range(STARTS):
        centers = _start(sizes, k, rng)
        for _ in range(MAX_ROUNDS):
            owner = concentric_iou(sizes, centers).argmax(axis=1)
            moved = np.stack(
                [
                    np.exp(np.log(sizes[owner == i]).mean(axis=0))
                    if np.any(owner == i)
                    else center
                    for i, center in enumerate(centers)
                ]
            )
            if np.allclose(moved, centers):
                break
            centers = moved
        mean_iou = concentric_iou(sizes, centers).max(axis=1).mean()
        if mean_iou > best_iou:
            best, best_iou = centers, mean_iou
    return best[np.lexsort([best[:, 1], best.prod(axis=1)])]


def _start(sizes: np.ndarray, k: int, rng: np.random.Generator) -> np.ndarray:
    """Draws k centers from the boxes, each with the odds of its distance squared."""
    centers = sizes[rng.integers(len(sizes))][np.newaxis]
    while len(centers) < k:
        odds = (1 - concentric_iou(sizes, centers).max(axis=1)) ** 2
        if odds.sum() < 1e-12:
            break  # every box is a center
        chosen = rng.choice(len(sizes), p=odds / odds.sum())
        centers = np.concatenate([centers, sizes[chosen][np.newaxis]])
    return centers


def suggest_anchors(
    boxes_px: np.ndarray,
    feature_shapes: np.ndarray,
    now: AnchorChoice,
    feature_strides: Sequence[int],
    anchor_stride: int = 1,
    seed: int = 0,
) -> AnchorChoice:
    """Returns anchors, as many as now, that fit the boxes better; now, if none do.

    1. k-means on the sides of the squares of the boxes' areas gives the scales, and on
       the boxes made equal in area the ratios; also with scales raised to the strides
       of their levels.
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
    levels, ratios = len(now.scales), np.ravel(now.ratios)
    per_level = np.size(now.scales[0])
    sizes = (boxes_px[:, 2:] - boxes_px[:, :2]).astype(np.float64)
    sides = np.sqrt(sizes.prod(axis=1, keepdims=True))

    def fit(choice: AnchorChoice) -> AnchorFit:
        return fit_anchors(
            boxes_px,
            feature_shapes,
            scales=choice.scales,
            ratios=choice.ratios,
            feature_strides=feature_strides,
            anchor_stride=anchor_stride,
        )

    # 1. Clusters of sizes and of forms, without the pyramid.
    centers = cluster_sizes(np.repeat(sides, 2, axis=1), levels * per_level, rng)
    scales = _filled(centers[:, 0], levels * per_level).reshape(levels, per_level)
    forms = cluster_sizes(sizes / sides, len(ratios), rng)
    ratios = _filled(forms[:, 1] / forms[:, 0], len(ratios))
    least = MIN_STRIDES * np.asarray(feature_strides, np.float64)[:, np.newaxis]
    current = np.reshape([np.ravel(s) for s in now.scales], scales.shape)
    starts = [_choice(scales, ratios), _choice(np.maximum(scales, least), ratios)]
    for factor in FACTORS:
        starts += [_choice(current * factor, r) for r in (now.ratios, ratios)]
    # 2. and 3. Rounds of k-means on the pyramid itself.
    fit_now = fit(now)
    best, best_score = now, _score(fit_now)
    for choice in starts:
        for _ in range(MAX_ROUNDS):
            fitted = fit(choice)
            if _score(fitted) > best_score and reaches_as_many(fitted, fit_now):
                best, best_score = choice, _score(fitted)
            moved = _move(choice, fitted, sizes, sides[:, 0])
            if moved == choice:
                break
            choice = moved
    return best


def reaches_as_many(fit: AnchorFit, other: AnchorFit) -> bool:
    """Returns whether anchors reach an IoU of 0.5 with as many boxes as others do."""
    return np.count_nonzero(fit.iou >= 0.5) >= np.count_nonzero(other.iou >= 0.5)


def _score(fit: AnchorFit) -> tuple[float, float]:
    """What a choice is taken for: recalls, then the mean IoU."""
    recalls = np.mean(fit.iou >= 0.5) + np.mean(fit.iou >= 0.7)
    return float(recalls), float(fit.iou.mean(dtype=np.float64))


def _move(choice, fit: AnchorFit, sizes, sides) -> AnchorChoice:
    """Scales and ratios as the geometric means of the boxes that they serve."""
    scales = np.array([np.ravel(s) for s in choice.scales], np.float64)
    ratios = np.array(choice.ratios, np.float64)
    ratio_ix, scale_ix = np.divmod(fit.size_ix, scales.shape[1])
    for level, column in np.ndindex(scales.shape):
        mine = (fit.level == level) & (scale_ix == column) & (fit.iou > 0)
        if mine.any():
            scales[level, column] = np.exp(np.log(sides[mine]).mean())
    forms = np.log(sizes[:, 1] / sizes[:, 0])
    for i in range(len(ratios)):
        mine = (ratio_ix == i) & (fit.iou > 0)
        if mine.any():
            ratios[i] = np.exp(forms[mine].mean())
    return _choice(scales, ratios)


def _choice(scales: np.ndarray, ratios) -> AnchorChoice:
    """Returns numbers [L, s] and [r] as Config has them, rounded."""
    scales = np.maximum(np.rint(scales), 1).astype(int)
    ratios = np.maximum(np.sort(np.round(np.ravel(ratios), 2)), 0.01)
    rows = [tuple(row) if len(row) > 1 else row[0] for row in scales.tolist()]
    return AnchorChoice(tuple(rows), ratios.tolist())


def _filled(values: np.ndarray, count: int) -> np.ndarray:
    """Returns `count` rising numbers; of too few, the last again with factors of 2."""
    values = np.sort(values)
    more = values[-1] * 2.0 ** np.arange(1, count - len(values) + 1)
    return np.concatenate([values, more])
