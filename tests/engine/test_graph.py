from __future__ import annotations

import copy
import random
import subprocess
import sys

import keras
import numpy as np
import pytest

from mrcnn.data.generator import DataGenerator
from mrcnn.engine import MaskRCNN
from mrcnn.engine.graph import INFERENCE_OUTPUTS, build_model
from mrcnn.engine.training.training_model import LOSS_NAMES
from tests.conftest import ROOT
from tests.engine.tiny import (
    EmptyDataset,
    TinyConfig,
    TinyDataset,
    assert_same_weights,
    changed,
    make_config,
    weights_of,
)

IMPOSSIBLE = {
    "NAME": None,
    "IMAGE_MAX_DIM": 100,  # not a multiple of 64
    "RPN_ANCHOR_SCALES": (8, 16, 32, 64),  # four for five strides
    "POOL_SIZE": 0,
    "MASK_POOL_SIZE": 0,
    "NUM_CLASSES": 1,
    "MEAN_PIXEL": [1.0, 2.0],  # for three channels
    "IMAGE_CHANNEL_COUNT": 0,
    "MASK_SHAPE": [14, 14],  # not twice MASK_POOL_SIZE
    "BACKBONE": "vgg16",
    "COMPUTE_BACKBONE_SHAPE": None,  # with a backbone of one's own
    "NORM": "layer",
    "ROI_OP": "warp",
    "ROI_REDUCE": "sum",
    "ROI_LEVEL_ROUNDING": "ceil",
    "IMAGE_RESIZE_MODE": "stretch",
    "RPN_ANCHOR_RATIOS": [],
    "RPN_BBOX_STD_DEV": [0.1, 0.1, 0.2],
    "BBOX_STD_DEV": [0.1, 0.1, 0.2, 0.0],
    "TRAIN_ROIS_PER_IMAGE": 0,
    "ROI_POSITIVE_RATIO": 1.5,
    "DETECTION_MIN_CONFIDENCE": 70,
    "DETECTION_MAX_INSTANCES": -1,
    "IMAGES_PER_GPU": 0,
    "LEARNING_RATE_SCHEDULE": "linear",
    "LOSS_WEIGHTS": {"mask_loss": 1.0},
    "GRADIENT_CLIP_NORM": 0,
    "SEED": -1,
}


def batch_of(dataset, config, size=2, index=0):
    config = copy.copy(config)
    config.BATCH_SIZE = size
    return DataGenerator(dataset, config, shuffle=False).make_batch(0, index)


def detection_inputs(model, count):
    rng = np.random.default_rng(5)
    images = rng.uniform(-100, 100, [count, 64, 64, 3]).astype(np.float32)
    _, metas, _ = model.mold_inputs([np.zeros([48, 64, 3], np.uint8)] * count)
    return [images, metas]


def probe(model, *names):
    """Returns a model from the inputs to the outputs of layers."""
    return keras.Model(model.inputs, [model.get_layer(name).output for name in names])


def test_training_model_takes_truth_and_ends_in_five_scalars(training_graph):
    model = training_graph.keras_model
    assert model.name == "mask_rcnn"
    assert [t.name for t in model.inputs] == [
        "input_image",
        "input_image_meta",
        "input_rpn_match",
        "input_rpn_bbox",
        "input_gt_class_ids",
        "input_gt_boxes",
        "input_gt_masks",
    ]
    assert tuple(model.output) == LOSS_NAMES
    for loss in model.output.values():
        assert loss.shape == () and loss.dtype == "float32"


def test_inference_model_takes_two_inputs_and_gives_seven_outputs(detector):
    model, config = detector.keras_model, detector.config
    assert [t.name for t in model.inputs] == ["input_image", "input_image_meta"]
    rois, found = config.POST_NMS_ROIS_INFERENCE, config.DETECTION_MAX_INSTANCES
    classes, anchors = config.NUM_CLASSES, (256 + 64 + 16 + 4 + 1) * 3
    shapes = {
        "detections": (2, found, 6),
        "mrcnn_class": (2, rois, classes),
        "mrcnn_bbox": (2, rois, classes, 4),
        "mrcnn_mask": (2, found, 28, 28, classes),
        "rpn_rois": (2, rois, 4),
        "rpn_class": (2, anchors, 2),
        "rpn_bbox": (2, anchors, 4),
    }
    values = model(detection_inputs(detector, 2), training=False)
    assert tuple(shapes) == INFERENCE_OUTPUTS
    for name, symbolic, value in zip(shapes, model.outputs, values, strict=True):
        assert value.shape == shapes[name], name
        assert value.dtype == "float32", name
        known = zip(symbolic.shape, value.shape, strict=True)
        assert all(a in (None, b) for a, b in known), name


def test_another_mode_is_an_error_that_names_the_two():
    with pytest.raises(ValueError, match=r"mode='train'.*\"training\".*\"inference\""):
        build_model("train", TinyConfig())


@pytest.mark.parametrize("name", IMPOSSIBLE)
def test_an_impossible_value_fails_when_the_model_is_built(name, tmp_path):
    config = make_config(TinyConfig, **{name: IMPOSSIBLE[name]})
    if name == "COMPUTE_BACKBONE_SHAPE":
        config.BACKBONE = lambda input_image, stage5=True, train_bn=None: []
    with pytest.raises(ValueError, match=rf"{name}=.*: "):
        MaskRCNN("inference", config, tmp_path)


def test_saved_models_compute_the_same_in_a_fresh_process(
    training_graph, detector, tmp_path
):
    batch = batch_of(TinyDataset(), training_graph.config, index=1)
    losses = training_graph.keras_model(batch, training=False)
    images = detection_inputs(detector, 2)
    outputs = detector.keras_model(images, training=False)
    training_graph.keras_model.save(tmp_path / "training.keras")
    detector.keras_model.save(tmp_path / "inference.keras")
    np.savez(tmp_path / "batch.npz", **batch)
    np.savez(tmp_path / "losses.npz", **{k: np.asarray(v) for k, v in losses.items()})
    np.savez(tmp_path / "images.npz", *images)
    np.savez(tmp_path / "outputs.npz", *map(np.asarray, outputs))
    assert losses["mrcnn_mask_loss"] > 0 and np.any(outputs[0])

    script = """
import sys, pathlib, keras, numpy as np, mrcnn.model
folder = pathlib.Path(sys.argv[1])
def read(name):
    with np.load(folder / name) as file:
        return dict(file)
def load(name):
    return keras.saving.load_model(folder / name)
losses = load("training.keras")(read("batch.npz"), training=False)
for name, value in read("losses.npz").items():
    np.testing.assert_allclose(losses[name], value, rtol=1e-5, err_msg=name)
images = list(read("images.npz").values())
outputs = load("inference.keras")(images, training=False)
for value, other in zip(outputs, read("outputs.npz").values(), strict=True):
    np.testing.assert_allclose(value, other, rtol=1e-5, atol=1e-6)
print("the same")
"""
    done = subprocess.run(
        [sys.executable, "-c", script, str(tmp_path)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=240,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert "the same" in done.stdout


def test_batch_size_is_dynamic(detector):
    images, metas = detection_inputs(detector, 3)
    three = detector.keras_model([images, metas], training=False)
    one = detector.keras_model([images[:1], metas[:1]], training=False)
    found = np.count_nonzero(one[0][0, :, 4])
    assert found > 0
    for name, single, several in zip(INFERENCE_OUTPUTS, one, three, strict=True):
        assert single.shape[0] == 1 and several.shape[0] == 3
        # Masks of padding rows mean nothing.
        rows = slice(found if name == "mrcnn_mask" else None)
        np.testing.assert_allclose(
            single[0, rows], several[0, rows], rtol=1e-4, atol=1e-4, err_msg=name
        )


def test_training_takes_one_image_and_three(training_graph):
    for size in (1, 3):
        batch = batch_of(TinyDataset(), training_graph.config, size, index=1)
        losses = training_graph.keras_model(batch, training=True)
        assert all(np.isfinite(loss) for loss in losses.values())


@pytest.mark.parametrize("shape", [(64, 64), (64, 128), (192, 64)])
def test_get_anchors_equals_the_layer_in_the_graph(detector, shape):
    image = np.zeros([2, *shape, 3], np.float32)
    meta = np.zeros([2, detector.config.IMAGE_META_SIZE], np.float32)
    in_graph = probe(detector.keras_model, "anchors")([image, meta])
    anchors = detector.get_anchors(image.shape[1:])
    assert anchors.dtype == np.float32 and anchors.shape[0] > 0
    for row in np.asarray(in_graph[0] if isinstance(in_graph, list) else in_graph):
        np.testing.assert_allclose(row, anchors, atol=1e-6)


def test_mask_head_sees_exactly_the_positive_rois(training_graph):
    # images 2 and 3: two and three objects; image 4: none
    batch = batch_of(TinyDataset(count=5), training_graph.config, size=5)
    targets, positives, masks = probe(
        training_graph.keras_model, "proposal_targets", "positive_rois", "mrcnn_mask"
    )(batch, training=False)
    rois, class_ids, _, target_masks = map(np.asarray, targets)
    image_ix, roi_ix = np.nonzero(class_ids > 0)
    assert set(image_ix) == {1, 2, 3}  # whatever has objects, and nothing else
    np.testing.assert_array_equal(positives[0][0], rois[image_ix, roi_ix])
    np.testing.assert_array_equal(positives[1][0], image_ix)
    np.testing.assert_array_equal(positives[2][0], class_ids[image_ix, roi_ix])
    np.testing.assert_array_equal(positives[3][0], target_masks[image_ix, roi_ix])
    assert masks.shape == (1, len(image_ix), 28, 28, 3)


def test_a_batch_without_objects_has_finite_losses_and_none_for_boxes(training_graph):
    batch = batch_of(EmptyDataset(), training_graph.config)
    losses = training_graph.keras_model(batch, training=True)
    assert losses["rpn_class_loss"] > 0 and losses["mrcnn_class_loss"] > 0
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"):
        assert losses[name] == 0


def test_without_rpn_rois_the_given_ones_are_sampled():
    config = make_config(TinyConfig, USE_RPN_ROIS=False)
    model = build_model("training", config)
    batch = batch_of(TinyDataset(), config, size=1, index=0)  # no objects
    rois_px = np.array([[[0, 0, 20, 30], [8, 4, 40, 60], [0, 0, 0, 0]]], np.float32)
    assert model.inputs[-1].name == "input_rois"
    rois, class_ids, _, _ = probe(model, "proposal_targets")(
        {**batch, "input_rois": rois_px}, training=False
    )
    taken = np.asarray(rois)[np.asarray(class_ids) == 0]
    expected = (rois_px[0, :2] - [0, 0, 1, 1]) / 63
    np.testing.assert_allclose(sorted(map(tuple, taken)), expected, atol=1e-6)


def test_initial_weights_follow_the_seed_and_leave_other_generators_alone():
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    first = weights_of(build_model("inference", TinyConfig()))
    drawn = np.random.rand(), random.random()  # noqa: NPY002
    np.random.seed(3)  # noqa: NPY002
    random.seed(3)
    assert drawn == (np.random.rand(), random.random())  # noqa: NPY002

    assert_same_weights(first, weights_of(build_model("inference", TinyConfig())))
    other = build_model("inference", make_config(TinyConfig, SEED=1))
    assert "conv1/kernel" in changed(first, weights_of(other))


def test_half_precision_leaves_geometry_and_outputs_in_float32():
    before = keras.config.dtype_policy()
    keras.config.set_dtype_policy("mixed_bfloat16")
    try:
        model = build_model("inference", TinyConfig())
    finally:
        keras.config.set_dtype_policy(before)
    assert model.get_layer("res2a_branch2a").compute_dtype == "bfloat16"
    assert model.get_layer("ROI").compute_dtype == "float32"
    image = np.random.default_rng(0).uniform(-99, 99, [1, 64, 64, 3])
    meta = np.zeros([1, 15], np.float32)
    meta[0, 4:7], meta[0, 7:11] = (64, 64, 3), (0, 0, 64, 64)
    for output in model([image.astype(np.float32), meta], training=False):
        assert output.dtype == "float32" and np.all(np.isfinite(output))
