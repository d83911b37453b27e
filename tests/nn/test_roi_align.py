"""Coordinates, levels and RoI operators: worked examples, and against plain NumPy."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from mrcnn.nn.roi_align import (
    bin_sizes,
    boxes_norm_to_map,
    boxes_to_map,
    roi_align,
    roi_crop,
    roi_levels,
)
from mrcnn.nn.roi_pool import roi_pool, roi_pool_bins
from tests.nn.roi_references import (
    roi_align_numpy,
    roi_crop_numpy,
    roi_level_numpy,
    roi_pool_numpy,
)


def texture(kind, height, width, channels=2):
    """A map with values in -1..1: "smooth" waves, or white "noise"."""
    if kind == "noise":
        rng = np.random.default_rng(0)
        return rng.uniform(-1, 1, (height, width, channels)).astype(np.float32)
    y, x = np.mgrid[:height, :width]
    waves = [np.sin(y / 9 + k) * np.cos(x / 11 - k) for k in range(channels)]
    return np.stack(waves, axis=-1).astype(np.float32)


def boxes_around(height, width, rng, count=6):
    """Boxes inside, across and outside the border of a map, in map units."""
    size = np.array([height, width])

    def some(low, high):
        centers = rng.uniform(low, high, (count, 2)) * size
        sides = np.exp(rng.uniform(-1, np.log(0.5 * min(height, width)), (count, 2)))
        return np.concatenate([centers - sides / 2, centers + sides / 2], axis=1)

    inside = np.clip(some(0.2, 0.8), 0, [height, width] * 2)
    across = np.concatenate([some(-0.05, 0.05), some(0.95, 1.05)])
    outside = np.array(
        [[-20, -20, -10, -5], [height + 3, 0, height + 9, 5], [0, -9.5, 4, -2]]
    )
    special = np.array(
        [
            [0, 0, height, width],  # the whole map
            [-3 * height, -1, 4 * height, 5 * width],  # more than the map
            [0, 0, 0, 0],  # padding
            [3.3, 4.4, 3.3, 4.4],  # a point
            [1.5, 0, 1.6, width],  # a line
        ]
    )
    return np.concatenate([inside, across, outside, special]).astype(np.float32)


# ---- coordinates ---------------------------------------------------------------


def test_worked_example_of_the_map_frame():
    # The RoI (33, 65, 150, 200) px at stride 16 and its 2x2 bins.
    box = boxes_to_map(np.array([33.0, 65.0, 150.0, 200.0]), 16)
    np.testing.assert_array_equal(box, [2.0625, 4.0625, 9.375, 12.5])
    np.testing.assert_array_equal(bin_sizes(box, (2, 2)), [3.65625, 4.21875])


def test_norm_to_map_undoes_the_norm_of_px_boxes():
    boxes_px = np.array([[33, 65, 150, 200], [0, 0, 480, 640]], np.float32)
    boxes_norm = (boxes_px - [0, 0, 1, 1]) / [479, 639, 479, 639]
    boxes = boxes_norm_to_map(boxes_norm, (480, 640), 16)
    np.testing.assert_allclose(boxes, boxes_px / 16, rtol=1e-6)


# ---- levels ----------------------------------------------------------------------


@pytest.mark.parametrize(
    ("side_px", "nearest", "floor"),
    [
        (20, 2, 2),  # clamped
        (112, 3, 3),
        (150, 3, 3),
        (170, 4, 3),  # log2(170 / 224) = -0.40
        (224, 4, 4),  # the canonical box
        (320, 5, 4),  # log2(320 / 224) = 0.51
        (448, 5, 5),
        (1024, 5, 5),  # clamped
    ],
)
def test_level_of_a_box(side_px, nearest, floor):
    box = np.array([[0, 0, side_px, side_px]], np.float32) / 1024
    assert roi_levels(box, (1024, 1024)).numpy().tolist() == [nearest]
    assert roi_levels(box, (1024, 1024), "floor").numpy().tolist() == [floor]


@pytest.mark.parametrize("rounding", ["round", "floor"])
def test_levels_equal_the_formula(rounding):
    corners = np.sort(np.random.default_rng(0).random((500, 2, 2)), axis=1)
    boxes = corners.reshape(500, 4).astype(np.float32)
    shape = tf.constant([1024, 768])
    levels = roi_levels(boxes, shape, rounding)
    assert levels.dtype == tf.int32
    expected = [roi_level_numpy(box, (1024, 768), rounding) for box in boxes]
    assert levels.numpy().tolist() == expected
    assert set(expected) == {2, 3, 4, 5}


def test_levels_of_boxes_without_area_are_the_finest():
    boxes = [[0, 0, 0, 0], [0.5, 0.5, 0.5, 0.9], [0.9, 0.1, 0.1, 0.9]]
    assert roi_levels(boxes, (512, 512)).numpy().tolist() == [2, 2, 2]
    assert roi_levels(np.zeros((0, 4)), (512, 512)).shape == (0,)


# ---- roi_crop ----------------------------------------------------------------------


def test_crop_of_the_whole_map_at_its_own_size_is_the_map():
    feature = texture("noise", 6, 9)
    out = roi_crop(feature[None], np.array([[0, 0, 1, 1]], np.float32), [0], (6, 9))
    np.testing.assert_allclose(out[0], feature, atol=1e-6)


def test_crop_equals_numpy():
    feature = texture("smooth", 12, 17)
    boxes = boxes_around(12, 17, np.random.default_rng(0)) / [11, 16, 11, 16]
    boxes = boxes.astype(np.float32)
    out = roi_crop(feature[None], boxes, np.zeros(len(boxes), np.int32), (7, 5))
    np.testing.assert_allclose(out, roi_crop_numpy(feature, boxes, (7, 5)), atol=1e-5)


# ---- roi_align ---------------------------------------------------------------------


@pytest.mark.parametrize("pool_shape", [(7, 7), (14, 14), (2, 5)])
@pytest.mark.parametrize(("height", "width"), [(16, 20), (50, 40), (256, 192)])
@pytest.mark.parametrize(("kind", "tolerance"), [("smooth", 1e-5), ("noise", 1e-4)])
def test_align_equals_numpy(kind, tolerance, height, width, pool_shape):
    feature = texture(kind, height, width)
    boxes = boxes_around(height, width, np.random.default_rng(1))
    out = roi_align(feature[None], boxes, np.zeros(len(boxes), np.int32), pool_shape)
    expected = roi_align_numpy(feature, boxes, pool_shape)
    assert np.abs(out - expected).max() <= tolerance
    # The case means something: some of it is inside, some outside.
    assert (expected == 0).all(axis=(1, 2, 3)).any()
    assert np.abs(expected).max() > 0.3


@pytest.mark.parametrize("reduce", ["average", "max"])
@pytest.mark.parametrize("ratio", [1, 2, 3])
@pytest.mark.parametrize("pool_shape", [(1, 1), (1, 3), (4, 4)])
def test_align_with_any_sampling_ratio_and_reduction(pool_shape, ratio, reduce):
    feature = texture("smooth", 16, 20)
    boxes = boxes_around(16, 20, np.random.default_rng(2), count=3)
    batch_ix = np.zeros(len(boxes), np.int32)
    out = roi_align(feature[None], boxes, batch_ix, pool_shape, ratio, reduce)
    function = {"average": np.mean, "max": np.max}[reduce]
    expected = roi_align_numpy(feature, boxes, pool_shape, ratio, function)
    assert np.abs(out - expected).max() <= 1e-5


def test_align_of_whole_cells_is_those_cells():
    # Each bin is one cell and its one sample the centre of it: nothing is blended.
    feature = texture("noise", 8, 10)
    box = np.array([[2, 3, 6, 8]], np.float32)
    out = roi_align(feature[None], box, [0], (4, 5), sampling_ratio=1)
    np.testing.assert_allclose(out[0], feature[2:6, 3:8], atol=1e-6)


def test_align_moves_with_the_box_by_fractions_of_a_cell():
    # On a ramp the value is the coordinate: bins of a box shifted by 0.25 are 0.25
    # larger. RoIPool would not move.
    ramp = np.arange(16, dtype=np.float32)[None, :, None, None]
    ramp = np.tile(ramp, [1, 1, 16, 1])
    boxes = np.array([[3, 3, 10, 10], [3.25, 3.25, 10.25, 10.25]], np.float32)
    align = roi_align(ramp, boxes, [0, 0], (7, 7)).numpy()
    np.testing.assert_allclose(align[1] - align[0], 0.25, atol=1e-5)
    pool = roi_pool(ramp, boxes, [0, 0], (7, 7)).numpy()
    np.testing.assert_array_equal(pool[0], pool[1])


def test_align_reads_the_image_of_each_box():
    features = np.stack([np.full((4, 4, 1), k, np.float32) for k in (1, 2, 3)])
    boxes = np.tile(np.array([[1, 1, 3, 3]], np.float32), [4, 1])
    out = roi_align(features, boxes, [2, 0, 1, 2], (1, 1))
    assert out.numpy().ravel().tolist() == [3, 1, 2, 3]


# ---- roi_pool ----------------------------------------------------------------------


@pytest.mark.parametrize(("top", "left"), [(0, 0), (4.2, 32.0)])
def test_pool_keeps_20_of_the_20_78_cells_of_a_665_px_box(top, left):
    # The 665 px box of an 800 px image at stride 32.
    box = boxes_to_map(np.array([[top, left, top + 665, left + 665]], np.float32), 32)
    np.testing.assert_allclose(box[0, 2] - box[0, 0], 20.78, atol=0.01)
    for bins in roi_pool_bins(tf.constant(box), (7, 7)):
        cells = bins.numpy()[0]
        assert cells[-1, 1] - cells[0, 0] == 20
        # 20 / 7 = 2.86 cells a bin: whole bins of 3 or 4 cells that overlap.
        assert set(cells[:, 1] - cells[:, 0]) <= {3, 4}


@pytest.mark.parametrize("pool_shape", [(7, 7), (14, 14), (2, 3), (1, 1)])
@pytest.mark.parametrize(("height", "width"), [(16, 20), (50, 40)])
def test_pool_equals_numpy(height, width, pool_shape):
    feature = texture("noise", height, width) - 2  # negative: 0 is not a maximum
    boxes = boxes_around(height, width, np.random.default_rng(3))
    out = roi_pool(feature[None], boxes, np.zeros(len(boxes), np.int32), pool_shape)
    np.testing.assert_array_equal(out, roi_pool_numpy(feature, boxes, pool_shape))


def test_pool_reads_the_image_of_each_box():
    features = np.stack([np.full((4, 4, 1), k, np.float32) for k in (1, 2, 3)])
    boxes = np.tile(np.array([[1, 1, 3, 3]], np.float32), [4, 1])
    out = roi_pool(features, boxes, [2, 0, 1, 2], (1, 1))
    assert out.numpy().ravel().tolist() == [3, 1, 2, 3]


def test_pool_sends_the_gradient_to_the_maximum_only():
    feature = np.zeros((1, 4, 4, 1), np.float32)
    feature[0, 1, 2] = feature[0, 2, 1] = 5  # the first of equal ones wins
    variable = tf.Variable(feature)
    with tf.GradientTape() as tape:
        box = tf.constant([[0.0, 0.0, 4.0, 4.0]])
        out = tf.reduce_sum(3 * roi_pool(variable, box, tf.constant([0]), (1, 1)))
    gradient = tf.convert_to_tensor(tape.gradient(out, variable)).numpy()
    assert gradient[0, 1, 2] == 3
    assert np.abs(gradient).sum() == 3


@pytest.mark.parametrize("operator", [roi_crop, roi_align, roi_pool])
def test_operators_take_no_boxes(operator):
    feature = tf.Variable(np.ones((2, 5, 6, 3), np.float32))
    with tf.GradientTape() as tape:
        out = operator(feature, tf.zeros((0, 4)), tf.zeros((0,), tf.int32), (7, 7))
        total = tf.reduce_sum(out)
    assert out.shape == (0, 7, 7, 3)
    gradient = tf.convert_to_tensor(tape.gradient(total, feature))
    np.testing.assert_array_equal(gradient, np.zeros(feature.shape))
