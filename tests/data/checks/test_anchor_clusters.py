from __future__ import annotations

import numpy as np
import pytest

from mrcnn.data.checks.anchor_clusters import (
    AnchorChoice,
    cluster_sizes,
    concentric_iou,
    suggest_anchors,
)
from mrcnn.data.checks.anchor_fit import fit_anchors

STRIDES = [4, 8, 16]
SHAPES = np.array([(64, 64), (32, 32), (16, 16)])  # of 256 x 256 px
NOW = AnchorChoice((32, 64, 128), [0.5, 1, 2])


def boxes_of(rng, sizes):
    """Boxes of some sizes, spread by a tenth, at random places."""
    sizes = sizes * np.exp(rng.normal(0, 0.1, sizes.shape))
    corners = rng.uniform(0, 256 - sizes.max(axis=1, keepdims=True), sizes.shape)
    return np.hstack([corners, corners + sizes]).astype(np.float32)


def mean_iou(boxes, choice, grids):
    return fit_anchors(
        boxes,
        grids,
        scales=choice.scales,
        ratios=choice.ratios,
        feature_strides=STRIDES,
    ).iou


def suggest(boxes, now=NOW, **kwargs):
    grids = np.repeat(SHAPES[np.newaxis], len(boxes), axis=0)
    return suggest_anchors(boxes, grids, now, STRIDES, **kwargs), grids


def test_concentric_iou_of_nested_and_crossed_boxes():
    ious = concentric_iou([[10, 20], [20, 10]], [[10, 20], [5, 5]])
    np.testing.assert_allclose(ious, [[1, 25 / 200], [100 / 300, 25 / 200]])


def test_clusters_are_found_whatever_the_seed():
    rng = np.random.default_rng(0)
    centers = np.array([[10, 10], [40, 15], [80, 90], [15, 60]])
    sizes = np.repeat(centers, 50, axis=0) * np.exp(rng.normal(0, 0.05, [200, 2]))
    for seed in range(5):
        found = cluster_sizes(sizes, 4, seed)
        order = np.lexsort([centers[:, 1], centers.prod(axis=1)])
        np.testing.assert_allclose(found, centers[order], rtol=0.03)


def test_clusters_of_squares_are_squares_and_of_one_area_have_it():
    rng = np.random.default_rng(1)
    squares = np.repeat(rng.uniform(5, 90, [100, 1]), 2, axis=1)
    found = cluster_sizes(squares, 3)
    np.testing.assert_allclose(found[:, 0], found[:, 1])
    roots = np.exp(rng.normal(0, 0.5, [100, 1]))
    forms = cluster_sizes(np.hstack([1 / roots, roots]), 3)
    np.testing.assert_allclose(forms.prod(axis=1), 1)


def test_fewer_sizes_than_clusters():
    found = cluster_sizes([[5, 5], [5, 5], [9, 3]], 4)
    np.testing.assert_allclose(found, [[5, 5], [9, 3]])


def test_nothing_to_cluster_is_refused():
    with pytest.raises(ValueError, match="at least one box"):
        cluster_sizes([], 3)
    with pytest.raises(ValueError, match="k=0"):
        cluster_sizes([[1, 1]], 0)


def test_suggestion_finds_the_sizes_that_boxes_were_made_of():
    rng = np.random.default_rng(2)
    sides = np.repeat([20.0, 45.0, 100.0], 100)[:, np.newaxis]
    roots = np.sqrt(rng.choice([0.4, 1.0, 1.6], 300))[:, np.newaxis]
    boxes = boxes_of(rng, sides * np.hstack([1 / roots, roots]))
    choice, grids = suggest(boxes)
    np.testing.assert_allclose(choice.scales, [20, 45, 100], rtol=0.1)
    np.testing.assert_allclose(choice.ratios, [0.4, 1.0, 1.6], rtol=0.1)
    before, after = (mean_iou(boxes, c, grids) for c in (NOW, choice))
    assert np.mean(after >= 0.7) > 0.8 > 0.5 > np.mean(before >= 0.7)


@pytest.mark.parametrize(("least", "seed"), [(6, 0), (6, 1), (20, 4), (20, 10)])
def test_suggestion_reaches_no_fewer_boxes_than_now(least, seed):
    rng = np.random.default_rng(seed)
    boxes = boxes_of(rng, rng.uniform(least, 110, [60, 2]))
    choice, grids = suggest(boxes)
    before, after = (mean_iou(boxes, each, grids) for each in (NOW, choice))
    at50, at70 = (np.mean(after >= x) - np.mean(before >= x) for x in (0.5, 0.7))
    assert at50 >= 0 and at50 + at70 > 0


def test_suggestion_has_as_many_anchors_of_whole_px_and_is_repeatable():
    rng = np.random.default_rng(3)
    boxes = boxes_of(rng, rng.uniform(6, 110, [80, 2]))
    now = AnchorChoice(((16, 24), (32, 48), (64, 96)), [1, 2])
    choice, _ = suggest(boxes, now)
    assert choice == suggest(boxes, now)[0]
    assert np.shape(choice.scales) == (3, 2) and len(choice.ratios) == 2
    assert all(isinstance(s, int) for level in choice.scales for s in level)
    assert choice.ratios == sorted(choice.ratios)


def test_one_box_alone():
    choice, grids = suggest(np.array([[20, 20, 52, 84]], np.float32))
    assert mean_iou(np.array([[20, 20, 52, 84]]), choice, grids)[0] >= 0.7
    assert len(choice.scales) == len(choice.ratios) == 3
