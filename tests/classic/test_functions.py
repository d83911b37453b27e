"""The old functions on tensors give the numbers that their NumPy twins give."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn import utils
from mrcnn.classic import functions
from mrcnn.classic.functions import batch_slice
from mrcnn.config import Config
from mrcnn.model import (
    apply_box_deltas_graph,
    batch_pack_graph,
    clip_boxes_graph,
    compose_image_meta,
    denorm_boxes_graph,
    log2_graph,
    mold_image,
    norm_boxes_graph,
    overlaps_graph,
    parse_image_meta_graph,
    trim_zeros_graph,
    unmold_image,
)

BOXES = np.array([[0, 0, 10, 20], [5, 5, 15, 10], [30, 40, 48, 64]], np.float32)
GT = np.array([[0, 0, 10, 10], [4, 6, 16, 10], [29, 41, 47, 63]], np.float32)
SHAPE = (48, 64)  # not square


def test_box_functions_agree_with_utils():
    deltas = utils.box_refinement_graph(BOXES, GT)
    np.testing.assert_allclose(deltas, utils.box_refinement(BOXES, GT), rtol=1e-6)
    np.testing.assert_allclose(apply_box_deltas_graph(BOXES, deltas), GT, atol=1e-5)
    np.testing.assert_allclose(
        overlaps_graph(tf.constant(BOXES), tf.constant(GT)),
        utils.compute_overlaps(BOXES, GT),
        rtol=1e-6,
    )


def test_clip_boxes_graph_cuts_to_the_window():
    window = np.array([2, 2, 12, 12], np.float32)
    clipped = clip_boxes_graph(tf.constant(BOXES), window).numpy()
    assert clipped.tolist() == [[2, 2, 10, 12], [5, 5, 12, 10], [12, 12, 12, 12]]


def test_norm_and_denorm_take_the_shape_as_a_tensor():
    norm = norm_boxes_graph(tf.constant(BOXES), tf.constant(SHAPE))
    np.testing.assert_allclose(norm, utils.norm_boxes(BOXES, SHAPE), rtol=1e-6)
    px = denorm_boxes_graph(norm, tf.constant(SHAPE))
    assert px.dtype == tf.int32
    assert px.numpy().tolist() == BOXES.tolist()


def test_log2_graph_of_powers_of_two():
    values = log2_graph(tf.constant([1.0, 8.0, 0.25], tf.float32))
    np.testing.assert_allclose(values, [0, 3, -2], atol=1e-6)


def test_trim_zeros_graph_returns_rows_and_mask():
    padded = np.concatenate([BOXES[:2], np.zeros((2, 4), np.float32)])
    rows, mask = trim_zeros_graph(padded, name="trim_gt_boxes")
    assert rows.numpy().tolist() == BOXES[:2].tolist()
    assert mask.numpy().tolist() == [True, True, False, False]
    # A box from the top left corner with a negative side is no padding either.
    assert trim_zeros_graph([[-1.0, 0, 1, 0]])[1].numpy().tolist() == [True]


def test_batch_pack_graph_joins_the_first_rows_of_each_image():
    x = tf.reshape(tf.range(12), [3, 4])
    assert batch_pack_graph(x, tf.constant([2, 0, 3]), 3).numpy().tolist() == [
        0, 1,  # image 0
        8, 9, 10,  # image 2
    ]  # fmt: skip


def test_parse_image_meta_graph_names_the_parts():
    rows = [
        compose_image_meta(i, (40, 30, 3), (64, 64, 3), (12, 17, 52, 47), 1.5, [1, 0])
        for i in (7, 8)
    ]
    meta = parse_image_meta_graph(tf.constant(np.stack(rows)))
    assert meta["image_id"].numpy().tolist() == [7, 8]
    assert meta["window"].numpy().tolist() == [[12, 17, 52, 47]] * 2
    assert meta["active_class_ids"].numpy().tolist() == [[1, 0]] * 2


def modes(function):
    """The function itself, and traced with unknown leading axes."""
    spec = tf.TensorSpec([None, 3], tf.float32)
    return [function, tf.function(function, input_signature=[spec])]


@pytest.mark.parametrize("mode", [0, 1], ids=["eager", "traced"])
def test_batch_slice_stacks_one_result(mode):
    x = tf.constant([[1.0, 5, 2], [7, 0, 3]])
    top = modes(lambda x: batch_slice(x, lambda row: tf.nn.top_k(row, 2).values, 2))
    assert top[mode](x).numpy().tolist() == [[5, 2], [7, 3]]


@pytest.mark.parametrize("mode", [0, 1], ids=["eager", "traced"])
def test_batch_slice_stacks_each_of_several_results(mode):
    x = tf.constant([[1.0, 5, 2], [7, 0, 3]])

    def one_image(row, offset):
        return tf.reduce_max(row), row + offset

    function = modes(
        lambda x: batch_slice([x, x[:, 0]], one_image, 2, names=["best", "moved"])
    )
    best, moved = function[mode](x)
    assert best.numpy().tolist() == [5, 7]
    assert moved.numpy().tolist() == [[2, 6, 3], [14, 7, 10]]


def test_batch_slice_gathers_boxes_by_index_as_old_layers_did():
    boxes = tf.constant(np.stack([BOXES, GT]))
    ix = tf.constant([[2, 0], [1, 1]])
    gathered = batch_slice([boxes, ix], tf.gather, 2, names=["pre_nms_anchors"])
    np.testing.assert_array_equal(gathered[0], BOXES[[2, 0]])
    np.testing.assert_array_equal(gathered[1], GT[[1, 1]])


def test_batch_slice_works_inside_a_layer_of_a_model():
    class Best(keras.layers.Layer):
        def call(self, x):
            return batch_slice([x], lambda row: tf.reduce_max(row, axis=0), 2)

        def compute_output_shape(self, shape):
            return (2, *shape[2:])

    inputs = keras.Input([None, 3], batch_size=2)
    model = keras.Model(inputs, Best()(inputs))
    x = np.arange(24, dtype=np.float32).reshape(2, 4, 3)
    np.testing.assert_array_equal(model.predict(x, verbose=0), x.max(axis=1))


def test_batch_slice_refuses_a_batch_of_another_size():
    x = tf.zeros([3, 3])
    with pytest.raises(ValueError, match=r"batch_size=2.*holds 3 images"):
        batch_slice([x], tf.identity, 2)
    traced = modes(lambda x: batch_slice(x, tf.identity, 2))[1]
    with pytest.raises(tf.errors.InvalidArgumentError, match="batch_slice"):
        traced(x)


def test_batch_slice_refuses_names_that_do_not_fit():
    with pytest.raises(ValueError, match="returned 1 tensors"):
        batch_slice(tf.zeros([1, 3]), tf.identity, 1, names=["a", "b"])


@pytest.mark.parametrize("verbose", [0, 1])
def test_download_trained_weights_fetches_the_old_release(
    monkeypatch, tmp_path, verbose
):
    calls = []

    def fake(url, path=None, **options):
        calls.append((url, path, options))
        return path

    monkeypatch.setattr(functions, "download", fake)
    path = str(tmp_path / "mask_rcnn_coco.h5")
    assert utils.download_trained_weights(path, verbose=verbose) == path
    assert calls == [(utils.COCO_MODEL_URL, path, {"verbose": verbose})]


def test_mold_image_subtracts_the_mean_and_unmold_image_adds_it():
    config = Config()
    image = np.random.default_rng(0).integers(0, 256, (6, 8, 3)).astype(np.uint8)
    molded = mold_image(image, config)
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded, image - config.MEAN_PIXEL, atol=1e-4)
    np.testing.assert_array_equal(unmold_image(molded, config), image)


def test_mold_mask_says_what_to_call_instead():
    with pytest.raises(NotImplementedError, match="minimize_mask"):
        utils.mold_mask(np.zeros((4, 4, 1)), Config())
