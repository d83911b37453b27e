from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry import coordinates as C
from mrcnn.geometry.resize_plan import plan_resize

from .strategies import boxes_norm, boxes_px, in_graph, shapes

TWINS = settings(max_examples=30, deadline=None)


@pytest.mark.parametrize("norm", [C.norm_boxes, C.norm_boxes_tensor])
def test_norm_of_drawn_cases(norm):
    boxes = [
        [0, 0, 101, 201],  # the whole image becomes the unit square
        [0, 0, 1, 1],  # the first pixel has no extent
        [50, 100, 51, 101],  # nor has the middle one
        [100, 200, 101, 201],  # nor the last one
        [-100, 0, 51, 401],  # over the border
    ]
    expected = [
        [0, 0, 1, 1],
        [0, 0, 0, 0],
        [0.5, 0.5, 0.5, 0.5],
        [1, 1, 1, 1],
        [-1, 0, 0.5, 2],
    ]
    normed = np.asarray(norm(np.array(boxes), (101, 201, 3)))
    np.testing.assert_allclose(normed, expected, atol=1e-7)
    assert normed.dtype == np.float32


@settings(max_examples=50, deadline=None)
@given(boxes_px(min_side=0), shapes)
def test_denorm_undoes_norm_of_whole_pixels(boxes, shape):
    pixels = C.denorm_boxes(C.norm_boxes(boxes, shape), shape)
    np.testing.assert_array_equal(pixels, boxes)
    assert pixels.dtype == np.int32


@TWINS
@given(boxes_px(min_side=0), shapes)
def test_twins_are_equal_on_whole_pixels(boxes, shape):
    normed = C.norm_boxes(boxes, shape)
    twin = C.norm_boxes_tensor(boxes, shape)
    np.testing.assert_array_equal(normed, twin)
    np.testing.assert_array_equal(C.denorm_boxes_tensor(twin, shape), boxes)


@TWINS
@given(boxes_norm(), shapes)
def test_denorm_twins_are_equal_at_one_half_too(boxes, shape):
    pixels = C.denorm_boxes(boxes, shape)
    np.testing.assert_array_equal(C.denorm_boxes_tensor(boxes, shape), pixels)
    graph = in_graph(C.denorm_boxes_tensor, ([None, 4], "float32"), ([None], "int32"))
    np.testing.assert_array_equal(graph(boxes, shape), pixels)


def test_one_pixel_images_do_not_divide_by_zero():
    box = [[0, 0, 1, 1]]
    normed = C.norm_boxes(box, (1, 1))
    np.testing.assert_array_equal(normed, [[0, 0, 0, 0]])
    np.testing.assert_array_equal(C.denorm_boxes(normed, (1, 1)), box)
    np.testing.assert_array_equal(C.norm_boxes_tensor(box, (1, 1)), normed)


def test_nothing_in_nothing_out():
    assert C.norm_boxes([], (10, 20)).shape == (0, 4)
    assert C.denorm_boxes(np.zeros((0, 4)), (10, 20)).shape == (0, 4)
    assert C.norm_to_orig([], [0, 0, 10, 20], (10, 20), (5, 5)).shape == (0, 4)


@pytest.mark.parametrize("shape", [(0, 5), (5,), 5, (-1, 3)])
@pytest.mark.parametrize("convert", [C.norm_boxes, C.denorm_boxes])
def test_shapes_without_pixels_raise(convert, shape):
    with pytest.raises(ValueError, match=r"boxes\(shape\): a shape"):
        convert([[0, 0, 1, 1]], shape)


def test_twins_take_the_shape_as_a_tensor_in_a_graph():
    import tensorflow as tf

    @tf.function(
        input_signature=[
            tf.TensorSpec([None, None, 4], tf.float32),
            tf.TensorSpec([None], tf.float32),  # as image_meta holds it
        ]
    )
    def there_and_back(boxes, shape):
        normed = C.norm_boxes_tensor(boxes, shape)
        return normed, C.denorm_boxes_tensor(normed, shape)

    for batch in (1, 3):
        boxes = np.tile([[3, 5, 60, 128], [0, 0, 64, 128]], (batch, 1, 1)).astype("f")
        normed, pixels = there_and_back(boxes, [64.0, 128.0, 3.0])
        np.testing.assert_allclose(normed, C.norm_boxes(boxes, (64, 128)), rtol=1e-6)
        np.testing.assert_array_equal(pixels, boxes)


# --- orig ---------------------------------------------------------------------------


def test_the_window_is_the_whole_original_image():
    window, image_shape = (64, 0, 448, 512), (512, 512, 3)
    boxes = C.norm_boxes([window, (64, 0, 256, 256)], image_shape)
    np.testing.assert_array_equal(
        C.norm_to_orig(boxes, window, image_shape, (480, 640, 3)),
        [[0, 0, 480, 640], [0, 0, 240, 320]],
    )


def test_a_window_of_one_pixel_gives_finite_boxes():
    boxes = C.norm_to_orig([[0, 0, 1, 1]], (3, 0, 4, 8), (8, 8), (1, 300))
    np.testing.assert_array_equal(boxes[:, [1, 3]], [[0, 300]])


@settings(max_examples=40, deadline=None)
@given(boxes_px(1, 4), st.sampled_from([64, 100, 512]))
def test_boxes_come_back_from_the_model_image(boxes, max_dim):
    shape = (400, 600, 3)  # the canvas of boxes_px
    plan = plan_resize(shape, max_dim=max_dim)
    boxes_in_model = boxes * plan.scale + np.tile(plan.window[:2], 2)
    normed = C.norm_boxes(boxes_in_model, (max_dim, max_dim))
    original = C.norm_to_orig(normed, plan.window, (max_dim, max_dim), shape)
    # One model pixel, and what rounding to whole pixels costs.
    np.testing.assert_allclose(original, boxes, atol=1 + 1 / plan.scale)


@pytest.mark.parity
@pytest.mark.parametrize("name", ["000000047112", "14898532020_ba6199dd22_k", "square"])
def test_detections_become_the_boxes_that_the_old_package_returned(shared, name):
    recorded = np.load(shared / "parity" / f"expected_{name}.npz")
    original_shape = recorded["image_meta"][1:4].astype(int)
    detections = recorded["detections"]
    detections = detections[detections[:, 4] > 0]
    boxes = C.norm_to_orig(
        detections[:, :4], recorded["window"], recorded["molded_shape"], original_shape
    )
    boxes = boxes[(boxes[:, 2] > boxes[:, 0]) & (boxes[:, 3] > boxes[:, 1])]
    np.testing.assert_array_equal(boxes, recorded["rois"])
