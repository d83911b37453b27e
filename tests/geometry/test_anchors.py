from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry import anchors as A
from mrcnn.geometry.coordinates import norm_boxes, norm_boxes_tensor


def anchors_by_loops(scales, ratios, shape, feature_stride, anchor_stride):
    """The definition, one anchor at a time."""
    boxes = []
    for row in range(0, shape[0], anchor_stride):
        for column in range(0, shape[1], anchor_stride):
            y, x = row * feature_stride, column * feature_stride
            for ratio in ratios:
                for scale in scales:
                    h, w = scale / ratio**0.5, scale * ratio**0.5
                    boxes.append([y - h / 2, x - w / 2, y + h / 2, x + w / 2])
    return np.array(boxes).reshape(-1, 4)


def test_anchors_of_one_cell_have_one_area_and_the_asked_ratios():
    sizes = A.anchor_sizes(64, [0.5, 1, 2])
    np.testing.assert_allclose(sizes.prod(axis=1), 64 * 64)
    np.testing.assert_allclose(sizes[:, 1] / sizes[:, 0], [0.5, 1, 2])


def test_order_is_rows_columns_ratios_scales():
    anchors = A.generate_anchors([4, 8], [1, 4], (2, 3), 16, 1)
    assert anchors.shape == (2 * 3 * 2 * 2, 4)
    centers = (anchors[:, :2] + anchors[:, 2:]) / 2
    np.testing.assert_array_equal(centers[:4], 0)  # four anchors at the first cell
    np.testing.assert_array_equal(centers[4:8], [[0, 16]] * 4)  # then to the right
    np.testing.assert_array_equal(centers[12:16], [[16, 0]] * 4)  # then the next row
    sizes = anchors[:4, 2:] - anchors[:4, :2]
    np.testing.assert_array_equal(sizes, [[4, 4], [8, 8], [2, 8], [4, 16]])


@settings(max_examples=40, deadline=None)
@given(
    scales=st.lists(st.integers(1, 256), min_size=1, max_size=3),
    ratios=st.lists(st.sampled_from([0.25, 0.5, 1, 2, 3.5]), min_size=1, max_size=3),
    shape=st.tuples(st.integers(0, 6), st.integers(0, 6)),
    feature_stride=st.sampled_from([1, 4, 16]),
    anchor_stride=st.integers(1, 3),
)
def test_anchors_equal_their_definition(
    scales, ratios, shape, feature_stride, anchor_stride
):
    arguments = (scales, ratios, shape, feature_stride, anchor_stride)
    np.testing.assert_allclose(
        A.generate_anchors(*arguments), anchors_by_loops(*arguments), atol=1e-4
    )


def test_a_number_is_a_list_of_one_scale():
    np.testing.assert_array_equal(
        A.generate_anchors(32, [1, 2], (3, 2), 8, 1),
        A.generate_anchors([32], [1, 2], (3, 2), 8, 1),
    )


def test_pyramid_joins_levels_finest_first():
    anchors = A.generate_pyramid_anchors(
        (8, (16, 20)), [1], [(4, 6), (2, 3)], [4, 8], 1
    )
    assert anchors.shape == (24 + 12, 4)
    np.testing.assert_array_equal(anchors[0], [-4, -4, 4, 4])
    np.testing.assert_array_equal(
        anchors[24:26], [[-8] * 2 + [8] * 2, [-10] * 2 + [10] * 2]
    )


@settings(max_examples=20, deadline=None)
@given(
    scales=st.lists(
        st.one_of(
            st.integers(1, 512), st.lists(st.floats(1, 512), min_size=1, max_size=2)
        ),
        min_size=1,
        max_size=3,
    ),
    ratios=st.lists(st.sampled_from([0.5, 1, 2]), min_size=1, max_size=3),
    anchor_stride=st.integers(1, 3),
    data=st.data(),
)
def test_twins_are_equal(scales, ratios, anchor_stride, data):
    side = st.integers(1, 7)
    levels = [
        (data.draw(st.tuples(side, side)), 4 * 2**level) for level in range(len(scales))
    ]
    feature_shapes, strides = zip(*levels, strict=True)
    arguments = (scales, ratios, feature_shapes, strides, anchor_stride)
    np.testing.assert_array_equal(
        A.generate_pyramid_anchors(*arguments), A.pyramid_anchors_tensor(*arguments)
    )


@pytest.mark.parametrize(
    ("generate", "norm"),
    [
        (A.generate_pyramid_anchors, norm_boxes),
        (A.pyramid_anchors_tensor, norm_boxes_tensor),
    ],
)
def test_norm_anchors_are_rounded_once(generate, norm):
    # The sides of ratio 0.5 are 32 / sqrt(0.5): px anchors in float32 would be rounded,
    # and a sixth of the norm ones would then differ from what old weights met.
    shapes, strides = [(16, 24), (8, 12)], [4, 8]
    anchors = generate([32, 64], [0.5, 1, 2], shapes, strides, 1)
    exact = np.concatenate(
        [
            anchors_by_loops([scale], [0.5, 1, 2], shape, stride, 1)
            for scale, shape, stride in zip([32, 64], shapes, strides, strict=True)
        ]
    )
    expected = (exact - [0, 0, 1, 1]) / [63, 95, 63, 95]
    np.testing.assert_array_equal(norm(anchors, (64, 96)), expected.astype(np.float32))


def test_twin_takes_shapes_as_tensors_in_a_graph():
    import tensorflow as tf

    scales, ratios, strides = (32, 64), (0.5, 1, 2), (4, 8)

    @tf.function(input_signature=[tf.TensorSpec([2, 2], tf.int32)])
    def stacked(shapes):
        return A.pyramid_anchors_tensor(scales, ratios, shapes, strides, 2)

    @tf.function(input_signature=[tf.TensorSpec([None, None, None, 8], tf.float32)] * 2)
    def of_maps(fine, coarse):
        shapes = [tf.shape(fine)[1:3], tf.shape(coarse)[1:3]]
        return A.pyramid_anchors_tensor(scales, ratios, shapes, strides, 2)

    for fine, coarse in [((8, 12), (4, 6)), ((5, 3), (3, 2))]:
        expected = A.generate_pyramid_anchors(
            scales, ratios, [fine, coarse], strides, 2
        )
        np.testing.assert_array_equal(stacked([fine, coarse]), expected)
        shapes = tf.constant([fine, coarse])
        eager = A.pyramid_anchors_tensor(scales, ratios, shapes, strides, 2)
        np.testing.assert_array_equal(eager, expected)
        maps = [np.zeros((1, *shape, 8), np.float32) for shape in (fine, coarse)]
        np.testing.assert_array_equal(of_maps(*maps), expected)


def test_anchors_per_location_counts_ratios_and_scales():
    assert A.anchors_per_location((32, 64), [0.5, 1, 2]) == 3
    assert A.anchors_per_location(((32, 45), (64, 90)), [1, 2]) == 4
    assert A.anchors_per_location([32], 1) == 1


@pytest.mark.parametrize("scales", [(32, (64, 90)), ()])
def test_levels_must_have_the_same_number_of_scales(scales):
    with pytest.raises(ValueError, match="same number of scales"):
        A.anchors_per_location(scales, [1])


@pytest.mark.parametrize(
    ("scales", "ratios", "name"),
    [
        (0, [1], "scales"),
        (32, [1, -1], "ratios"),
        (32, [], "ratios"),
        ([], [1], "scales"),
    ],
)
def test_sizes_must_be_positive(scales, ratios, name):
    with pytest.raises(ValueError, match=rf"anchor_sizes\({name}="):
        A.generate_anchors(scales, ratios, (1, 1), 4, 1)


@pytest.mark.parametrize(("stride", "anchor_stride"), [(0, 1), (4, 0)])
def test_strides_must_be_positive(stride, anchor_stride):
    with pytest.raises(ValueError, match="strides must be positive"):
        A.generate_anchors(32, [1], (1, 1), stride, anchor_stride)


@pytest.mark.parametrize(
    "generate", [A.generate_pyramid_anchors, A.pyramid_anchors_tensor]
)
def test_levels_must_agree(generate):
    with pytest.raises(ValueError, match="2 scales, 1 shapes and 2 strides"):
        generate([8, 16], [1], [(4, 4)], [4, 8], 1)
    with pytest.raises(ValueError, match="at least one level"):
        generate([], [1], [], [], 1)


@pytest.mark.parity
def test_anchors_equal_those_recorded_from_the_old_package(shared):
    recorded = np.load(shared / "parity" / "expected_square.npz")
    strides = (4, 8, 16, 32, 64)
    anchors = A.generate_pyramid_anchors(
        (32, 64, 128, 256, 512),
        (0.5, 1, 2),
        [(512 // stride, 512 // stride) for stride in strides],
        strides,
        1,
    )
    selected = norm_boxes(anchors, (512, 512))[recorded["anchor_sel"]]
    np.testing.assert_allclose(selected, recorded["anchors_sel"], atol=2e-7)
