from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.data.checks.anchor_fit import fit_anchors
from mrcnn.geometry.anchors import anchor_sizes, generate_pyramid_anchors
from mrcnn.geometry.boxes import compute_overlaps

SHAPES = [(24, 32), (12, 16), (6, 8)]  # of an image of 96 x 128 px
STRIDES = [4, 8, 16]


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
