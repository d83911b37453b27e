from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings

from mrcnn.geometry import boxes as B

from .strategies import box_pairs, boxes_and_deltas, boxes_px

UNIT = [0, 0, 1, 1]
TWINS = settings(max_examples=30, deadline=None)


def draw_boxes(boxes, height, width) -> np.ndarray:
    """Independent picture of px boxes: bool [N, height, width]."""
    y, x = np.mgrid[:height, :width]
    return np.array(
        [(y >= y1) & (y < y2) & (x >= x1) & (x < x2) for y1, x1, y2, x2 in boxes],
        dtype=bool,
    ).reshape(-1, height, width)


# --- areas and overlaps -------------------------------------------------------------


def test_area_counts_pixels_and_is_zero_for_boxes_inside_out():
    boxes = [
        [0, 0, 10, 20],  # 10 high, 20 wide
        [3, 3, 3, 9],  # no height
        [9, 0, 3, 5],  # inside out
        [9, 9, 3, 3],  # inside out twice: still no area
    ]
    np.testing.assert_array_equal(B.box_areas(boxes), [200, 0, 0, 0])


def test_iou_of_drawn_cases():
    boxes = [
        [0, 0, 10, 10],  # the same
        [0, 5, 10, 15],  # half of each: 50 of 150
        [0, 10, 10, 20],  # touches: half open boxes share nothing
        [2, 2, 4, 7],  # inside: 10 of 100
        [50, 50, 60, 60],  # far away
    ]
    iou = B.compute_iou([0, 0, 10, 10], boxes, 100, B.box_areas(boxes))
    np.testing.assert_allclose(iou, [1, 1 / 3, 0, 0.1, 0], rtol=1e-6)
    assert iou.dtype == np.float32


def test_iou_of_two_empty_boxes_is_zero_not_nan():
    np.testing.assert_array_equal(
        B.compute_overlaps([[5, 5, 5, 5]], [[5, 5, 5, 5], [0, 0, 9, 9]]), [[0, 0]]
    )


def test_overlaps_of_nothing_are_empty():
    some = [[0, 0, 1, 1], [0, 0, 2, 2]]
    assert B.compute_overlaps([], some).shape == (0, 2)
    assert B.compute_overlaps(some, np.zeros((0, 4))).shape == (2, 0)
    assert B.compute_overlaps([], []).shape == (0, 0)


@settings(max_examples=40, deadline=None)
@given(boxes_px(canvas=8, min_side=0), boxes_px(canvas=8, min_side=0))
def test_overlaps_equal_counted_pixels(boxes1, boxes2):
    pixels1, pixels2 = draw_boxes(boxes1, 16, 32), draw_boxes(boxes2, 16, 32)
    both = (pixels1[:, None] & pixels2[None]).sum(axis=(2, 3))
    either = (pixels1[:, None] | pixels2[None]).sum(axis=(2, 3))
    expected = both / np.maximum(either, 1)
    np.testing.assert_allclose(B.compute_overlaps(boxes1, boxes2), expected, rtol=1e-6)


@TWINS
@given(boxes_px(min_side=0), boxes_px(min_side=0))
def test_overlaps_twins_are_equal(boxes1, boxes2):
    np.testing.assert_allclose(
        B.compute_overlaps(boxes1, boxes2),
        B.compute_overlaps_tensor(boxes1, boxes2),
        rtol=1e-6,
    )


@pytest.mark.parametrize("batch", [1, 3])
def test_overlaps_of_a_batch_are_those_of_its_images(batch):
    rng = np.random.default_rng(batch)
    corners = rng.uniform(0, 50, (batch, 6, 2))
    boxes = np.concatenate([corners, corners + rng.uniform(0, 40, (batch, 6, 2))], -1)
    expected = np.stack([B.compute_overlaps(b[:4], b[3:]) for b in boxes])
    np.testing.assert_array_equal(
        B.compute_overlaps(boxes[:, :4], boxes[:, 3:]), expected
    )
    np.testing.assert_allclose(
        B.compute_overlaps_tensor(boxes[:, :4], boxes[:, 3:]), expected, rtol=1e-6
    )


@pytest.mark.parametrize(
    "call",
    [
        lambda: B.box_areas([1, 2, 3]),
        lambda: B.box_areas(7),
        lambda: B.compute_overlaps([[0, 0, 1]], [[0, 0, 1, 1]]),
        lambda: B.compute_overlaps([[0, 0, 1, 1]], [[0, 0, 1, 1, 1]]),
        lambda: B.box_refinement([[0, 0, 1]], [[0, 0, 1, 1]]),
        lambda: B.apply_box_deltas([[0, 0, 1, 1]], [[0, 0]]),
    ],
)
def test_boxes_without_four_numbers_raise_and_name_the_function(call):
    with pytest.raises(ValueError, match=r"\w+\(\w+\): boxes need 4 numbers"):
        call()


def test_iou_needs_one_area_a_box():
    with pytest.raises(ValueError, match="one area for each box"):
        B.compute_iou(UNIT, [UNIT, UNIT], 1, [1])


# --- deltas -------------------------------------------------------------------------


def test_refinement_of_drawn_cases():
    box = [[10, 10, 30, 50]]  # 20 high, 40 wide, center (20, 30)
    gt = [
        [10, 10, 30, 50],  # the same
        [15, 10, 35, 50],  # a quarter of the height down
        [10, 50, 30, 90],  # a width to the right
        [0, 10, 40, 50],  # twice as high around the same center
    ]
    np.testing.assert_allclose(
        B.box_refinement(np.repeat(box, 4, axis=0), gt),
        [[0, 0, 0, 0], [0.25, 0, 0, 0], [0, 1, 0, 0], [0, 0, np.log(2), 0]],
        atol=1e-7,
    )


@settings(max_examples=50, deadline=None)
@given(box_pairs())
def test_decoding_undoes_encoding(pair):
    boxes, gt_boxes = pair
    decoded = B.apply_box_deltas(boxes, B.box_refinement(boxes, gt_boxes))
    np.testing.assert_allclose(decoded, gt_boxes, atol=1e-5)


@settings(max_examples=50, deadline=None)
@given(boxes_and_deltas())
def test_encoding_undoes_decoding(drawn):
    # 1e-3: the size of a moved box is a difference of float32 numbers.
    boxes, deltas = drawn
    encoded = B.box_refinement(boxes, B.apply_box_deltas(boxes, deltas))
    np.testing.assert_allclose(encoded, deltas, atol=1e-3)


@TWINS
@given(box_pairs())
def test_refinement_twins_are_equal(pair):
    np.testing.assert_allclose(
        B.box_refinement(*pair), B.box_refinement_tensor(*pair), rtol=1e-5, atol=1e-5
    )


@TWINS
@given(boxes_and_deltas())
def test_apply_deltas_twins_are_equal(drawn):
    np.testing.assert_allclose(
        B.apply_box_deltas(*drawn),
        B.apply_box_deltas_tensor(*drawn),
        rtol=1e-5,
        atol=1e-5,
    )


@pytest.mark.parametrize("refine", [B.box_refinement, B.box_refinement_tensor])
def test_refinement_of_padding_rows_is_finite(refine):
    zero, one_pixel_high = [0, 0, 0, 0], [0.5, 0.2, 0.5, 0.4]
    boxes = np.array([zero, zero, UNIT, one_pixel_high], np.float32)
    gt_boxes = np.array([zero, UNIT, zero, one_pixel_high], np.float32)
    deltas = np.asarray(refine(boxes, gt_boxes))
    assert np.isfinite(deltas).all()
    np.testing.assert_array_equal(deltas[[0, 3]], 0)


def test_no_real_box_is_as_small_as_the_floor():
    # Two pixels are the smallest box with an extent in the norm frame.
    assert B.MIN_BOX_SIDE < 1 / 8192


@pytest.mark.parametrize("apply", [B.apply_box_deltas, B.apply_box_deltas_tensor])
def test_log_scale_has_no_limit(apply):
    box = np.array([[0, 0, 10, 10]], np.float32)
    deltas = np.array([[0, 0, np.log(4), np.log(2)]], np.float32)
    np.testing.assert_allclose(apply(box, deltas), [[-15, -5, 25, 15]], rtol=1e-6)


@pytest.mark.parametrize("apply", [B.apply_box_deltas, B.apply_box_deltas_tensor])
def test_endless_boxes_come_back_when_clipped(apply):
    wild = np.array([[0, 0, 1000, 1000]], np.float32)  # exp(1000) is infinite
    boxes = apply(np.array([[0.2, 0.2, 0.4, 0.4]], np.float32), wild)
    np.testing.assert_array_equal(B.clip_boxes_tensor(boxes, UNIT), [UNIT])


# --- clipping and padding -----------------------------------------------------------


def test_clip_of_drawn_cases():
    boxes = np.array(
        [
            [2, 3, 8, 18],  # inside
            [-5, -5, 30, 30],  # larger than the window
            [20, 0, 30, 5],  # below: an empty box on the rim
        ]
    )
    window = np.array([0, 0, 10, 20])  # wider than high
    np.testing.assert_array_equal(
        B.clip_boxes_tensor(boxes, window),
        [[2, 3, 8, 18], [0, 0, 10, 20], [10, 0, 10, 5]],
    )


def test_clip_takes_a_window_for_each_image():
    boxes = np.tile(np.array([-9, -9, 99, 99], np.float32), (3, 2, 1))
    windows = np.array([[0, 0, 1, 1], [2, 3, 4, 5], [0, 1, 9, 2]], np.float32)
    clipped = B.clip_boxes_tensor(boxes, windows[:, None])
    np.testing.assert_array_equal(clipped, np.repeat(windows[:, None], 2, axis=1))


def test_trim_keeps_rows_that_sum_to_zero():
    rows = np.array([[1, -1, 0, 0], [0, 0, 0, 0], [0, 0, 0, 2]], np.float32)
    np.testing.assert_array_equal(B.trim_zeros(rows), rows[[0, 2]])
    trimmed, mask = B.trim_zeros_tensor(rows)
    np.testing.assert_array_equal(trimmed, rows[[0, 2]])
    np.testing.assert_array_equal(mask, [True, False, True])


def test_trim_of_all_padding_and_of_no_padding():
    assert B.trim_zeros(np.zeros((5, 4))).shape == (0, 4)
    assert B.trim_zeros_tensor(np.zeros((5, 4)))[0].shape == (0, 4)
    full = np.arange(1, 13).reshape(3, 4)
    np.testing.assert_array_equal(B.trim_zeros(full), full)


def test_trim_needs_rows():
    with pytest.raises(ValueError, match=r"trim_zeros\(x\)"):
        B.trim_zeros([1, 2, 3])


# --- graphs -------------------------------------------------------------------------


def test_twins_run_in_a_graph_with_unknown_sizes():
    import tensorflow as tf

    unknown = tf.TensorSpec([None, None, 4], tf.float32)

    @tf.function(input_signature=[unknown, unknown])
    def all_twins(boxes, gt_boxes):
        deltas = B.box_refinement_tensor(boxes, gt_boxes)
        decoded = B.apply_box_deltas_tensor(boxes, deltas)
        clipped = B.clip_boxes_tensor(decoded, tf.constant([0.0, 0.0, 1.0, 1.0]))
        rows = B.trim_zeros_tensor(boxes[0])[0]
        return B.compute_overlaps_tensor(boxes, gt_boxes), deltas, clipped, rows

    rng = np.random.default_rng(0)
    for batch, count in [(1, 4), (3, 2), (2, 0)]:
        corners = rng.uniform(0, 0.5, (2, batch, count, 2))
        sizes = rng.uniform(0.1, 0.6, (2, batch, count, 2))
        boxes, gt_boxes = np.concatenate([corners, corners + sizes], -1).astype("f")
        overlaps, deltas, clipped, rows = all_twins(boxes, gt_boxes)
        np.testing.assert_allclose(
            overlaps, B.compute_overlaps(boxes, gt_boxes), rtol=1e-5, atol=1e-6
        )
        np.testing.assert_allclose(
            deltas, B.box_refinement(boxes, gt_boxes), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_allclose(
            clipped, np.clip(gt_boxes, 0, 1), rtol=1e-5, atol=1e-5
        )
        np.testing.assert_array_equal(rows, boxes[0])


def test_inputs_are_never_changed():
    boxes = np.array([[0.1, 0.2, 0.9, 1.4]], np.float32)
    boxes.setflags(write=False)
    B.compute_overlaps(boxes, boxes)
    B.compute_iou(boxes[0], boxes, 1.0, B.box_areas(boxes))
    B.apply_box_deltas(boxes, B.box_refinement(boxes, boxes))
