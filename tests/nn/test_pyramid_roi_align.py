"""PyramidROIAlign: each RoI gets the features of its own box, from its own level."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.nn.roi_align import PyramidROIAlign
from tests.nn.layer_check import check_layer, dtype_policy
from tests.nn.roi_references import (
    roi_align_numpy,
    roi_crop_numpy,
    roi_level_numpy,
    roi_pool_numpy,
)

ROOT = Path(__file__).resolve().parents[2]
STRIDES = (4, 8, 16, 32)


def square_norm(side_px, image_side):
    """One square box in the top left corner, norm."""
    return np.array([[0, 0, side_px, side_px]], np.float32) / image_side


def meta_of(batch, height, width):
    shape = (height, width, 3)
    meta = compose_image_meta(0, shape, shape, (0, 0, height, width), 1.0, [1, 1])
    return np.stack([meta] * batch).astype(np.float32)


def pyramid(batch, height, width, channels=2, seed=0):
    rng = np.random.default_rng(seed)
    return [
        rng.uniform(-1, 1, (batch, height // s, width // s, channels)).astype(
            np.float32
        )
        for s in STRIDES
    ]


def rois_of_all_levels(batch, count, seed=0):
    """Boxes in norm, in random order of size; the last of each image is padding."""
    rng = np.random.default_rng(seed)
    sides = np.exp(rng.uniform(np.log(0.02), 0, (batch, count, 1)))
    sides = np.clip(sides * rng.uniform(0.7, 1.4, (batch, count, 2)), 0, 1)
    corners = rng.random((batch, count, 2)) * (1 - sides)
    boxes = np.concatenate([corners, corners + sides], axis=-1)
    boxes[:, count - 1 :] = 0
    return boxes.astype(np.float32)


def expected_features(op, boxes, images, maps, image_shape, rounding="round"):
    """Pools one box after the other with the NumPy operators."""
    out = []
    height, width = image_shape
    for box, image in zip(boxes, images, strict=True):
        ix = roi_level_numpy(box, image_shape, rounding) - 2
        feature = maps[ix][image]
        scale = np.array([height, width, height, width]) - 1.0
        on_map = (box * scale + [0, 0, 1, 1]) / STRIDES[ix]
        if op == "crop":
            out.append(roi_crop_numpy(feature, box[None], (3, 3))[0])
        elif op == "align":
            out.append(roi_align_numpy(feature, on_map[None], (3, 3))[0])
        else:
            out.append(roi_pool_numpy(feature, on_map[None], (3, 3))[0])
    return np.stack(out)


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
@pytest.mark.parametrize(
    ("batch", "count", "image_shape"), [(1, 12, (512, 512)), (3, 7, (512, 384))]
)
def test_each_roi_gets_the_features_of_its_own_box(op, batch, count, image_shape):
    boxes = rois_of_all_levels(batch, count)
    maps = pyramid(batch, *image_shape)
    inputs = [boxes, meta_of(batch, *image_shape), *maps]
    layer = PyramidROIAlign((3, 3), roi_op=op)
    (out,) = check_layer(layer, inputs, dynamic_axes=3)
    assert out.shape == (batch, count, 3, 3, 2)
    flat = boxes.reshape(-1, 4)
    levels = {roi_level_numpy(box, image_shape, "round") for box in flat}
    assert levels == {2, 3, 4, 5}
    expected = expected_features(
        op, flat, np.repeat(np.arange(batch), count), maps, image_shape
    )
    np.testing.assert_allclose(out.reshape(expected.shape), expected, atol=1e-4)


def test_level_rounding_chooses_the_level():
    # 320 px: log2(320 / 224) = 0.51. Maps that hold their level's number tell it.
    maps = [np.full((1, 512 // s, 512 // s, 1), k) for k, s in enumerate(STRIDES, 2)]
    inputs = [square_norm(320, 512)[None], meta_of(1, 512, 512), *maps]
    inputs = [x.astype(np.float32) for x in inputs]
    for rounding, level in (("round", 5), ("floor", 4)):
        layer = PyramidROIAlign((2, 2), roi_op="align", level_rounding=rounding)
        np.testing.assert_allclose(layer(inputs), np.full((1, 1, 2, 2, 1), level))


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
def test_batch_ix_says_which_image_a_box_lies_on(op):
    boxes = rois_of_all_levels(1, 9)
    batch_ix = np.array([[2, 0, 1, 1, 2, 0, 0, 2, 1]], np.int32)
    maps = pyramid(3, 512, 512)
    (out,) = check_layer(
        PyramidROIAlign((3, 3), roi_op=op),
        [boxes, meta_of(3, 512, 512), *maps],
        call_kwargs={"batch_ix": batch_ix},
        dynamic_axes=2,
    )
    expected = expected_features(op, boxes[0], batch_ix[0], maps, (512, 512))
    np.testing.assert_allclose(out[0], expected, atol=1e-4)


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
@pytest.mark.parametrize("count", [0, 1, 4])
def test_levels_without_boxes_and_their_gradients(op, count):
    # All boxes lie on P2: the other three levels have none.
    boxes = np.tile(square_norm(30, 128), [1, count, 1])[:, :count]
    maps = [tf.Variable(x) for x in pyramid(1, 128, 128)]
    layer = PyramidROIAlign((7, 7), roi_op=op)
    with tf.GradientTape() as tape:
        out = layer([boxes, meta_of(1, 128, 128), *maps])
        loss = tf.reduce_sum(out)
    assert out.shape == (1, count, 7, 7, 2)
    gradients = [tf.convert_to_tensor(g).numpy() for g in tape.gradient(loss, maps)]
    assert (np.abs(gradients[0]).sum() > 0) == (count > 0)
    for gradient in gradients[1:]:
        np.testing.assert_array_equal(gradient, np.zeros_like(gradient))


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
def test_no_gradient_reaches_the_boxes(op):
    boxes = tf.Variable(rois_of_all_levels(1, 5))
    maps = [tf.Variable(x) for x in pyramid(1, 512, 512)]
    with tf.GradientTape() as tape:
        out = PyramidROIAlign((3, 3), roi_op=op)([boxes, meta_of(1, 512, 512), *maps])
        loss = tf.reduce_sum(out**2)
    to_boxes, *to_maps = tape.gradient(loss, [boxes, *maps])
    assert to_boxes is None
    assert all(gradient is not None for gradient in to_maps)


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf, 1e38])
def test_boxes_of_a_network_that_diverged_do_not_crash(op, bad):
    boxes = np.full((1, 3, 4), bad, np.float32)
    boxes[0, 1] = [0.1, 0.1, 0.9, 0.9]
    boxes[0, 2, :2] = 0
    maps = pyramid(1, 128, 128)
    out = PyramidROIAlign((3, 3), roi_op=op)([boxes, meta_of(1, 128, 128), *maps])
    assert np.isfinite(out).all()
    good = PyramidROIAlign((3, 3), roi_op=op)(
        [boxes[:, 1:2], meta_of(1, 128, 128), *maps]
    )
    np.testing.assert_allclose(out[:, 1:2], good, atol=1e-6)


@pytest.mark.parametrize("op", ["crop", "align", "pool"])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_mixed_precision_keeps_coordinates_in_float32(op, policy):
    # At 1000 px bfloat16 has steps of 4 px: rounded boxes would be far off.
    boxes = rois_of_all_levels(2, 8)
    maps = pyramid(2, 512, 512)
    dtype = policy.removeprefix("mixed_")
    with dtype_policy(policy):
        layer = PyramidROIAlign((3, 3), roi_op=op)
    inputs = [boxes, meta_of(2, 512, 512), *(tf.cast(x, dtype) for x in maps)]
    (out,) = check_layer(layer, inputs, dynamic_axes=3)
    rounded = [tf.cast(tf.cast(x, dtype), tf.float32).numpy() for x in maps]
    expected = PyramidROIAlign((3, 3), roi_op=op)([*inputs[:2], *rounded])
    assert out.dtype == tf.as_dtype(dtype).as_numpy_dtype
    np.testing.assert_allclose(out.astype(np.float32), expected, atol=0.004)


def test_layer_is_kept_out_of_xla():
    # crop_and_resize has no XLA kernel: Keras asks each layer before it compiles.
    assert PyramidROIAlign((7, 7)).supports_jit is False


def test_layer_works_inside_a_functional_model_of_unknown_sizes():
    boxes, meta = keras.Input([None, 4]), keras.Input([14])
    maps = [keras.Input([None, None, 2]) for _ in STRIDES]
    batch_ix = keras.Input([None], dtype="int32")
    out = PyramidROIAlign((3, 3))([boxes, meta, *maps], batch_ix=batch_ix)
    assert out.shape == (None, None, 3, 3, 2)
    model = keras.Model([boxes, meta, *maps, batch_ix], out)
    for batch, count, side in ((1, 1, 128), (3, 4, 256)):
        values = rois_of_all_levels(1, count)
        # The functional model broadcasts nothing: row 0 of the boxes is all of them.
        result = model(
            [
                values,
                meta_of(batch, side, side),
                *pyramid(batch, side, side),
                np.zeros((1, count), np.int32),
            ]
        )
        assert result.shape == (1, count, 3, 3, 2)


@pytest.mark.parametrize(
    ("kwargs", "message"),
    [
        ({"pool_shape": (0, 7)}, "pool_shape=.0, 7."),
        ({"pool_shape": (7,)}, "pool_shape"),
        ({"roi_op": "warp"}, "roi_op='warp'.*crop, align, pool"),
        ({"reduce": "sum"}, "reduce='sum'.*average, max"),
        ({"level_rounding": "ceil"}, "level_rounding='ceil'.*round, floor"),
        ({"sampling_ratio": 0}, "sampling_ratio=0"),
        ({"strides": (4, 8)}, "strides=.4, 8."),
    ],
)
def test_impossible_arguments_are_named(kwargs, message):
    with pytest.raises(ValueError, match=message):
        PyramidROIAlign(**{"pool_shape": (7, 7), **kwargs})


DETERMINISM = """
import keras, numpy as np, tensorflow as tf
from mrcnn.nn.roi_align import PyramidROIAlign
from tests.nn import test_pyramid_roi_align as here

keras.utils.set_random_seed(0)
tf.config.experimental.enable_op_determinism()
for op in ("crop", "align", "pool"):
    for batch, boxes in (
        (2, here.rois_of_all_levels(2, 40)),
        (1, here.square_norm(30, 512)[None]),  # one RoI, three empty levels
    ):
        layer = PyramidROIAlign((7, 7), roi_op=op)
        meta = here.meta_of(batch, 512, 512)
        maps = [tf.constant(x) for x in here.pyramid(batch, 512, 512)]

        @tf.function
        def gradients(*maps):
            with tf.GradientTape() as tape:
                tape.watch(maps)
                out = layer([boxes, meta, *maps])
                loss = tf.reduce_sum(out * out)
            return loss, [tf.convert_to_tensor(g) for g in tape.gradient(loss, maps)]

        loss, first = gradients(*maps)
        for _ in range(3):
            for a, b in zip(first, gradients(*maps)[1]):
                np.testing.assert_array_equal(a, b)
        # The loss is quadratic in the maps, so sum(gradient * map) = 2 * loss: no
        # update was lost.
        total = sum(float(tf.reduce_sum(a * b)) for a, b in zip(first, maps))
        np.testing.assert_allclose(total, 2 * float(loss), rtol=1e-4)
print("deterministic")
"""


def test_gradients_are_complete_and_equal_under_op_determinism():
    # In a process of its own: determinism cannot be turned off again. Without it
    # crop_and_resize loses updates on a CPU with several threads.
    env = {**os.environ, "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": "-1"}
    result = subprocess.run(
        [sys.executable, "-c", DETERMINISM],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=200,
        check=False,
    )
    assert result.returncode == 0, result.stderr[-3000:]
    assert result.stdout.strip().endswith("deterministic")
