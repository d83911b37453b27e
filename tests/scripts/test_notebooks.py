"""The cells of the old notebooks that look inside a model.

They ask for tensors by the names of layers and of TensorFlow operations.
"""

from __future__ import annotations

import matplotlib.pyplot as plt
import numpy as np
import pytest
import tensorflow as tf

import mrcnn.model as modellib
from mrcnn import utils, visualize
from tests.engine.tiny import TinyConfig, TinyDataset
from tests.scripts.small import SmallConfig

DEVICE = "/cpu:0"  # /cpu:0 or /gpu:0

NMS_NAMES = [
    "ROI/rpn_non_max_suppression:0",
    "ROI/rpn_non_max_suppression/NonMaxSuppressionV2:0",
    "ROI/rpn_non_max_suppression/NonMaxSuppressionV3:0",
]


@pytest.fixture
def cell(model):
    """What the first cells of a notebook leave behind: image and truth."""
    dataset = TinyDataset()
    image_id = 3
    image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
        dataset, model.config, image_id, use_mini_mask=False
    )
    return dataset, image, image_meta, class_ids, bbox, mask


@pytest.fixture(autouse=True)
def _close():
    yield
    plt.close("all")


def test_a_config_made_from_the_class_of_another(tmp_path):
    config = SmallConfig()

    class InferenceConfig(config.__class__):
        GPU_COUNT = 1
        IMAGES_PER_GPU = 1

    config = InferenceConfig()
    config.display()
    with tf.device(DEVICE):
        model = modellib.MaskRCNN(mode="inference", model_dir=tmp_path, config=config)
    assert model.config.BATCH_SIZE == 1
    assert model.keras_model.name == "mask_rcnn"


def test_targets_of_the_rpn_from_the_anchors_of_the_last_image(model, cell):
    dataset, image, image_meta, gt_class_id, gt_bbox, gt_mask = cell
    results = model.detect([image], verbose=1)
    ax = plt.subplots(1, figsize=(2, 2))[1]
    r = results[0]
    visualize.display_instances(
        *(image, r["rois"], r["masks"], r["class_ids"]),
        *(dataset.class_names, r["scores"]),
        ax=ax,
        title="Predictions",
    )
    assert ax.get_title() == "Predictions"

    target_rpn_match, target_rpn_bbox = modellib.build_rpn_targets(
        image.shape, model.anchors, gt_class_id, gt_bbox, model.config
    )
    positive_anchor_ix = np.where(target_rpn_match[:] == 1)[0]
    positive_anchors = model.anchors[positive_anchor_ix]
    assert len(positive_anchors) >= len(gt_bbox)
    deltas = target_rpn_bbox[: len(positive_anchors)] * model.config.RPN_BBOX_STD_DEV
    refined_anchors = utils.apply_box_deltas(positive_anchors, deltas)
    # They lead from the anchors to the objects: to the pixel as notebooks apply them,
    # exactly in norm, where the network does.
    matched = utils.compute_overlaps(refined_anchors, gt_bbox).argmax(axis=1)
    assert np.abs(refined_anchors - gt_bbox[matched]).max() < 1
    anchors_norm = utils.norm_boxes(positive_anchors, image.shape[:2])
    np.testing.assert_array_equal(
        utils.denorm_boxes(
            utils.apply_box_deltas(anchors_norm, deltas), image.shape[:2]
        ),
        gt_bbox[matched],
    )
    visualize.draw_boxes(
        image, boxes=positive_anchors, refined_boxes=refined_anchors, ax=ax
    )


@pytest.mark.parametrize("nms_name", NMS_NAMES)
def test_steps_of_the_proposal_layer_by_their_old_names(model, cell, nms_name):
    image = cell[1]
    pillar = model.keras_model.get_layer("ROI").output
    nms_node = model.ancestor(pillar, nms_name)
    rpn = model.run_graph(
        [image],
        [
            ("rpn_class", model.keras_model.get_layer("rpn_class").output),
            ("pre_nms_anchors", model.ancestor(pillar, "ROI/pre_nms_anchors:0")),
            ("refined_anchors", model.ancestor(pillar, "ROI/refined_anchors:0")),
            (
                "refined_anchors_clipped",
                model.ancestor(pillar, "ROI/refined_anchors_clipped:0"),
            ),
            ("post_nms_anchor_ix", nms_node),
            ("proposals", model.keras_model.get_layer("ROI").output),
        ],
    )
    limit = 20
    sorted_anchor_ids = np.argsort(rpn["rpn_class"][:, :, 1].flatten())[::-1]
    best = utils.norm_boxes(model.anchors[sorted_anchor_ids[:limit]], image.shape[:2])
    np.testing.assert_allclose(rpn["pre_nms_anchors"][0, :limit], best, atol=1e-6)

    height, width = image.shape[:2]
    refined = rpn["refined_anchors"][0, :limit] * [height, width, height, width]
    assert refined.shape == (limit, 4)
    clipped = rpn["refined_anchors_clipped"][0]
    np.testing.assert_array_equal(np.clip(rpn["refined_anchors"][0], 0, 1), clipped)
    # NMS picks rows of the clipped anchors, and these are the proposals.
    ixs = rpn["post_nms_anchor_ix"]
    np.testing.assert_array_equal(clipped[ixs], rpn["proposals"][0, : len(ixs)])


def test_heads_run_on_an_image_by_names_and_by_outputs(model, cell):
    dataset, image = cell[:2]

    def get_output(name):
        return model.keras_model.get_layer(name).output

    mrcnn = model.run_graph(
        [image],
        [
            ("proposals", get_output("ROI")),
            ("probs", get_output("mrcnn_class")),
            ("deltas", get_output("mrcnn_bbox")),
            ("masks", get_output("mrcnn_mask")),
            ("detections", get_output("mrcnn_detection")),
            ("input_image", get_output("input_image")),
            ("rpn_bbox", "rpn_bbox"),
        ],
    )
    assert list(mrcnn)[:2] == ["proposals", "probs"]
    det_class_ids = mrcnn["detections"][0, :, 4].astype(np.int32)
    det_count = np.append(np.where(det_class_ids == 0)[0], len(det_class_ids))[0]
    det_class_ids = det_class_ids[:det_count]
    captions = [dataset.class_names[i] for i in det_class_ids]
    assert captions and "BG" not in captions
    det_masks = [mrcnn["masks"][0, i, :, :, c] for i, c in enumerate(det_class_ids)]
    det_boxes = utils.denorm_boxes(
        mrcnn["detections"][0, :det_count, :4], image.shape[:2]
    )
    full = [
        utils.unmold_mask(m, det_boxes[i], image.shape) for i, m in enumerate(det_masks)
    ]
    found = model.detect([image])[0]
    np.testing.assert_array_equal(det_boxes, found["rois"])
    np.testing.assert_array_equal(np.stack(full, axis=-1), found["masks"])
    # The proposal with the best score of its class leads to the first detection.
    assert mrcnn["probs"][0, :, 1:].max() == mrcnn["detections"][0, 0, 5]
    np.testing.assert_array_equal(
        mrcnn["input_image"][0], modellib.mold_image(image, model.config)
    )


def test_a_molded_image_goes_with_its_meta(model, cell):
    _, image, image_meta = cell[:3]
    molded = modellib.mold_image(image, model.config)
    outputs = [("detections", model.keras_model.get_layer("mrcnn_detection").output)]
    from_meta = model.run_graph(
        molded[np.newaxis], outputs, image_metas=image_meta[np.newaxis]
    )
    parsed = modellib.parse_image_meta(image_meta[np.newaxis])
    assert parsed["window"][0].tolist() == [8, 0, 56, 64]
    r = model.detect_molded(molded[np.newaxis], image_meta[np.newaxis])[0]
    boxes = utils.denorm_boxes(from_meta["detections"][0, :, :4], image.shape[:2])
    np.testing.assert_array_equal(r["rois"], boxes[: len(r["rois"])])
    assert r["masks"].shape[:2] == image.shape[:2]


def test_feature_maps_of_every_stage_of_resnet_101(tmp_path):
    class Notebook(TinyConfig):
        BACKBONE = "resnet101"
        IMAGES_PER_GPU = 1

    model = modellib.MaskRCNN("inference", Notebook(), tmp_path)
    names = ["input_image", "res2c_out", "res3c_out", "res4w_out", "res5c_out"]
    activations = model.run_graph(
        [np.full([64, 64, 3], 9, np.uint8)],
        [(name, model.keras_model.get_layer(name).output) for name in names],
    )
    sides = [activations[name].shape[1] for name in names]
    assert sides == [64, 16, 8, 4, 2]
    visualize.display_images(
        np.transpose(activations["res2c_out"][0, :, :, :4], [2, 0, 1]), cols=4
    )


def test_statistics_of_the_weights(model, capsys):
    visualize.display_weight_stats(model)
    assert "mrcnn_mask_deconv/kernel" in capsys.readouterr().out
    names = [layer.name for layer in model.get_trainable_layers()]
    assert {"fpn_c5p5", "rpn_conv_shared", "mrcnn_mask"} <= set(names)


def test_identity_of_an_output_is_refused_by_keras_and_not_needed(model, cell):
    output = model.keras_model.get_layer("ROI").output
    with pytest.raises(ValueError, match="KerasTensor"):
        tf.identity(output, name="proposals")
    assert model.run_graph([cell[1]], [("proposals", output)])["proposals"].any()


def test_a_name_that_is_not_there_lists_those_that_are(model):
    pillar = model.keras_model.get_layer("ROI").output
    with pytest.raises(ValueError, match="ROI/refined_anchors_clipped"):
        model.ancestor(pillar, "ROI/strided_slice_19:0")
    with pytest.raises(ValueError, match="mrcnn_detection"):
        model.run_graph([np.zeros([64, 64, 3], np.uint8)], [("x", "mrcnn_detections")])
