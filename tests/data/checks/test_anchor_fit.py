from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.data.checks.anchor_fit import (
    AnchorChoice,
    _geometric_means,
    cluster_sizes,
    concentric_iou,
    fit_anchors,
    suggest_anchors,
)
from mrcnn.geometry.anchors import anchor_sizes, generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps

SHAPES = [(24, 32), (12, 16), (6, 8)]  # of an image of 96 x 128 px
STRIDES = [4, 8, 16]
SQUARE = np.array([(64, 64), (32, 32), (16, 16)])  # of an image of 256 x 256 px
NOW = AnchorChoice((32, 64, 128), [0.5, 1, 2])


def random_boxes(rng, count):
    corner = rng.uniform(-10, 120, [count, 2])
    return np.hstack([corner, corner + rng.uniform(1, 90, [count, 2])])


@given(
    st.integers(0, 1000),
    st.sampled_from([(8, 16, 32), ((8, 10), (16, 20), (32, 40)), (60, 3, 300)]),
    st.sampled_from([[1], [0.5, 1, 2], [0.2, 3]]),
    st.sampled_from([1, 2, 3]),
)
def test_best_iou_is_that_of_all_anchors(seed, scales, ratios, anchor_stride):
    boxes = random_boxes(np.random.default_rng(seed), 20)
    fit = fit_anchors(
        boxes,
        SHAPES,
        scales=scales,
        ratios=ratios,
        feature_strides=STRIDES,
        anchor_stride=anchor_stride,
    )
    anchors = generate_pyramid_anchors(scales, ratios, SHAPES, STRIDES, anchor_stride)
    expected = compute_overlaps(anchors, boxes).max(axis=0)
    np.testing.assert_allclose(fit.iou, expected, atol=1e-5)


def test_level_and_size_are_those_of_the_best_anchor():
    scales, ratios = [(8, 12), (16, 24), (32, 48)], [0.5, 2]
    sizes = anchor_sizes(scales[1], ratios)  # ratio by ratio
    height, width = sizes[2]  # the first scale of the second ratio
    box = [40 - height / 2, 48 - width / 2, 40 + height / 2, 48 + width / 2]
    fit = fit_anchors(
        [box], SHAPES, scales=scales, ratios=ratios, feature_strides=STRIDES
    )
    assert (fit.iou[0], fit.level[0], fit.size_ix[0]) == (pytest.approx(1), 1, 2)


def test_boxes_of_images_of_several_sizes():
    # The same place has anchors in the large image only.
    grids = np.array([[(24, 32)], [(4, 4)]])
    boxes = [[72, 72, 88, 88]] * 2
    fit = fit_anchors(boxes, grids, scales=[16], ratios=[1], feature_strides=[4])
    np.testing.assert_allclose(fit.iou, [1, 0])


def test_no_box():
    fit = fit_anchors(
        np.zeros([0, 4]), SHAPES, scales=[8, 8, 8], ratios=[1], feature_strides=STRIDES
    )
    assert [len(part) for part in fit] == [0, 0, 0]


def boxes_of(rng, sizes):
    """Boxes of some sizes, spread by a tenth, at random places."""
    sizes = sizes * np.exp(rng.normal(0, 0.1, sizes.shape))
    corners = rng.uniform(0, 256 - sizes.max(axis=1, keepdims=True), sizes.shape)
    return np.hstack([corners, corners + sizes]).astype(np.float32)


def ious_of(boxes, choice, grids):
    return fit_anchors(boxes, grids, **choice._asdict(), feature_strides=STRIDES).iou


def suggest(boxes, now=NOW, **kwargs):
    grids = np.repeat(SQUARE[np.newaxis], len(boxes), axis=0)
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


def test_suggestion_finds_the_sizes_that_boxes_were_made_of():
    rng = np.random.default_rng(2)
    sides = np.repeat([20.0, 45.0, 100.0], 100)[:, np.newaxis]
    roots = np.sqrt(rng.choice([0.4, 1.0, 1.6], 300))[:, np.newaxis]
    boxes = boxes_of(rng, sides * np.hstack([1 / roots, roots]))
    choice, grids = suggest(boxes)
    np.testing.assert_allclose(choice.scales, [20, 45, 100], rtol=0.1)
    np.testing.assert_allclose(choice.ratios, [0.4, 1.0, 1.6], rtol=0.1)
    before, after = (ious_of(boxes, c, grids) for c in (NOW, choice))
    assert np.mean(after >= 0.7) > 0.8 > 0.5 > np.mean(before >= 0.7)


@pytest.mark.parametrize(("least", "seed"), [(6, 0), (6, 1), (20, 4), (20, 10)])
def test_suggestion_reaches_no_fewer_boxes_than_now(least, seed):
    rng = np.random.default_rng(seed)
    boxes = boxes_of(rng, rng.uniform(least, 110, [60, 2]))
    choice, grids = suggest(boxes)
    before, after = (ious_of(boxes, each, grids) for each in (NOW, choice))
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
    assert ious_of(np.array([[20, 20, 52, 84]]), choice, grids)[0] >= 0.7
    assert len(choice.scales) == len(choice.ratios) == 3


def test_group_without_values_keeps_the_mean_that_it_had():
    means = _geometric_means(np.array([1.0, 4, 9]), np.array([0, 0, 2]), [7, 7, 7])
    np.testing.assert_allclose(means, [2, 7, 9])
