import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.nn.target_layer import DetectionTargetLayer
from mrcnn.targets.roi_targets import roi_targets_tensor
from tests.nn.layer_check import check_layer

OPTIONS = {
    "num_rois": 8,
    "positive_ratio": 0.5,
    "positive_iou": 0.4,
    "mask_shape": (10, 12),
    "use_mini_mask": True,
    "bbox_std_dev": (0.1, 0.1, 0.2, 0.2),
}


def batch_of(batch, num_proposals=40, num_gt=5, seed=0):
    rng = np.random.default_rng(seed)
    corners = rng.random((batch, num_proposals + num_gt, 2)) * 0.6
    sizes = 0.1 + 0.3 * rng.random(corners.shape)
    boxes = np.concatenate([corners, corners + sizes], axis=-1).astype(np.float32)
    return [
        tf.constant(boxes[:, num_gt:]),
        tf.constant(rng.integers(-1, 4, (batch, num_gt)), tf.int32),
        tf.constant(boxes[:, :num_gt]),
        tf.constant(rng.random((batch, 14, 14, num_gt)) < 0.7),
    ]


@pytest.mark.parametrize("batch", [1, 3])
def test_layer_is_the_function(batch):
    inputs = batch_of(batch)
    layer = DetectionTargetLayer(seed=5, **OPTIONS)
    expected = roi_targets_tensor(*inputs, seed=[5, 0], **OPTIONS)
    outputs = layer(inputs)
    shapes = layer.compute_output_shape([tuple(x.shape) for x in inputs])
    for ours, target, shape in zip(outputs, expected, shapes, strict=True):
        np.testing.assert_array_equal(ours, target)
        assert tuple(ours.shape) == shape
        assert ours.dtype == target.dtype


def test_training_draws_anew_and_validation_does_not():
    inputs = batch_of(1)
    layer = DetectionTargetLayer(**OPTIONS)
    first, second = (layer(inputs, training=True)[0] for _ in range(2))
    assert np.any(first != second)
    for_validation = [layer(inputs, training=False)[0] for _ in range(2)]
    np.testing.assert_array_equal(*for_validation)

    # The same seed draws the same again, whether or not it was validated in between.
    again = DetectionTargetLayer(**OPTIONS)
    np.testing.assert_array_equal(again(inputs, training=True)[0], first)
    again(inputs, training=False)
    np.testing.assert_array_equal(again(inputs, training=True)[0], second)


def test_layers_of_different_seeds_draw_differently():
    inputs = batch_of(1)
    one, two = (DetectionTargetLayer(seed=s, **OPTIONS)(inputs)[0] for s in (1, 2))
    assert np.any(one != two)


def test_a_seed_is_not_needed():
    layer = DetectionTargetLayer(seed=None, **OPTIONS)
    assert layer.get_config()["seed"] is None
    layer(batch_of(1), training=True)


def test_layer_in_a_model_survives_serialization_and_any_batch_size():
    layer = DetectionTargetLayer(seed=3, name="proposal_targets", **OPTIONS)
    check_layer(layer, batch_of(3), dynamic_axes=2)
    inputs = [
        keras.Input((None, 4)),
        keras.Input((None,), dtype="int32"),
        keras.Input((None, 4)),
        keras.Input((None, None, None), dtype="bool"),
    ]
    model = keras.Model(inputs, layer(inputs))
    assert model.output_shape == [
        (None, 8, 4), (None, 8), (None, 8, 4), (None, 8, 10, 12),
    ]  # fmt: skip
    dtypes = ["float32", "int32", "float32", "float32"]
    assert [x.dtype for x in model.outputs] == dtypes

    copy = keras.models.model_from_json(model.to_json())
    assert copy.get_layer("proposal_targets").get_config() == layer.get_config()
    for batch in (1, 3):
        values = batch_of(batch)
        eager = layer(values, training=False)
        graph = tf.function(lambda *x: copy(list(x), training=False))(*values)
        for ours, other in zip(eager, graph, strict=True):
            np.testing.assert_allclose(ours, other, atol=1e-5)
            assert ours.dtype == other.dtype
    assert layer.supports_jit is False


def test_layer_inside_fit_sees_training():
    """`fit` samples anew each step; two steps on one batch see different RoIs."""
    layer = DetectionTargetLayer(**OPTIONS)
    inputs = [
        keras.Input((None, 4)),
        keras.Input((None,), dtype="int32"),
        keras.Input((None, 4)),
        keras.Input((None, None, None), dtype="bool"),
    ]
    model = keras.Model(inputs, layer(inputs)[0])
    values = batch_of(1)
    step = tf.function(lambda *x: model(list(x), training=True))
    assert np.any(step(*values) != step(*values))
