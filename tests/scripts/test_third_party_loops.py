"""What scripts of other people do image by image: calls, evaluation, batches.

The numbers are those of the list of such habits: 5, 8 and 11 of twelve.
"""

from __future__ import annotations

import inspect

import imgaug.augmenters as iaa
import matplotlib.pyplot as plt
import numpy as np

import mrcnn.model as modellib
from mrcnn import utils, visualize
from tests.engine.tiny import StubConfig, TinyDataset

# 5. Keyword arguments


def test_5_everything_can_be_called_by_keyword(model):
    dataset, config = TinyDataset(), model.config
    image, image_meta, class_ids, bbox, mask = modellib.load_image_gt(
        dataset=dataset,
        config=config,
        image_id=3,
        augment=False,
        augmentation=iaa.Fliplr(0.5),
        use_mini_mask=False,
    )
    r = model.detect(images=[image], verbose=0)[0]
    truth = {"gt_boxes": bbox, "gt_class_ids": class_ids, "gt_masks": mask}
    found = {
        "pred_boxes": r["rois"],
        "pred_class_ids": r["class_ids"],
        "pred_scores": r["scores"],
        "pred_masks": r["masks"],
    }
    ap, precisions, recalls, overlaps = utils.compute_ap(
        **truth, **found, iou_threshold=0.5
    )
    assert 0 <= ap <= 1 and overlaps.shape == (len(r["rois"]), len(class_ids))
    matches = utils.compute_matches(
        **truth, **found, iou_threshold=0.5, score_threshold=0.0
    )
    assert len(matches) == 3
    resized, window, scale, padding, crop = utils.resize_image(
        image=image, min_dim=64, max_dim=128, min_scale=0, mode="square"
    )
    assert resized.shape == (128, 128, 3) and crop is None
    utils.resize_mask(mask=mask, scale=scale, padding=padding, crop=crop)
    anchors = utils.generate_pyramid_anchors(
        scales=config.RPN_ANCHOR_SCALES,
        ratios=config.RPN_ANCHOR_RATIOS,
        feature_shapes=modellib.compute_backbone_shapes(
            config=config, image_shape=image.shape
        ),
        feature_strides=config.BACKBONE_STRIDES,
        anchor_stride=config.RPN_ANCHOR_STRIDE,
    )
    rpn_match, rpn_bbox = modellib.build_rpn_targets(
        image_shape=image.shape,
        anchors=anchors,
        gt_class_ids=class_ids,
        gt_boxes=bbox,
        config=config,
    )
    assert (rpn_match == 1).any() and rpn_bbox.shape == (32, 4)
    visualize.display_instances(
        image=image,
        boxes=r["rois"],
        masks=r["masks"],
        class_ids=r["class_ids"],
        class_names=dataset.class_names,
        scores=r["scores"],
        title="Predictions",
        figsize=(2, 2),
        show_mask=True,
        show_bbox=True,
        colors=visualize.random_colors(N=len(r["rois"]), bright=True),
        captions=None,
    )


def test_5_methods_keep_their_parameter_names():
    names = {
        method: list(inspect.signature(getattr(modellib.MaskRCNN, method)).parameters)
        for method in ("train", "load_weights", "unmold_detections", "run_graph")
    }
    assert names["train"][1:9] == [
        *("train_dataset", "val_dataset", "learning_rate", "epochs", "layers"),
        *("augmentation", "custom_callbacks", "no_augmentation_sources"),
    ]
    assert names["load_weights"][1:4] == ["filepath", "by_name", "exclude"]
    assert names["unmold_detections"][1:] == [
        *("detections", "mrcnn_mask", "original_image_shape", "image_shape", "window")
    ]
    assert names["run_graph"][1:] == ["images", "outputs", "image_metas"]


# 8. Evaluation loops


def test_8_the_loop_over_images_gives_a_mean_ap(model):
    dataset, config = TinyDataset(), model.config
    image_ids = np.random.default_rng(0).choice(dataset.image_ids, 3)
    APs = []
    for image_id in image_ids:
        image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
            dataset, config, image_id, use_mini_mask=False
        )
        molded_images = np.expand_dims(modellib.mold_image(image, config), 0)
        assert molded_images.dtype == np.float32
        r = model.detect([image], verbose=0)[0]
        AP, precisions, recalls, overlaps = utils.compute_ap(
            gt_bbox,
            gt_class_id,
            gt_mask,
            r["rois"],
            r["class_ids"],
            r["scores"],
            r["masks"],
        )
        APs.append(AP)
    assert 0 <= np.mean(APs) <= 1


class KnownAnswers:
    """Detects what is there, all but the class of the second object."""

    def detect(self, images, verbose=0):
        (truth,) = (self.truth for _ in images)
        class_ids, boxes, masks = truth
        named = class_ids.copy()
        named[1:2] = 3 - named[1:2]
        scores = np.linspace(0.9, 0.7, len(named))
        return [
            {"rois": boxes, "class_ids": named, "scores": scores, "masks": masks},
        ]


def test_8_the_loop_gives_the_ap_of_known_answers():
    dataset, config, model = TinyDataset(), StubConfig(), KnownAnswers()
    APs = {}
    for image_id in (0, 1, 3):  # with that many objects
        image, _, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
            dataset, config, image_id, use_mini_mask=False
        )
        model.truth = gt_class_id, gt_bbox, gt_mask
        r = model.detect([image], verbose=0)[0]
        AP, precisions, recalls, overlaps = utils.compute_ap(
            *(gt_bbox, gt_class_id, gt_mask),
            *(r["rois"], r["class_ids"], r["scores"], r["masks"]),
        )
        APs[image_id] = AP
    # Found at ranks 1 and 3 of three: a third at precision 1, a third at 2 / 3.
    np.testing.assert_allclose([APs[0], APs[1], APs[3]], [1, 1, 1 / 3 + 2 / 9])


def test_8_a_perfect_answer_has_ap_1():
    _, _, class_ids, boxes, masks = modellib.load_image_gt(
        TinyDataset(), StubConfig(), 3, use_mini_mask=False
    )
    scores = np.array([0.9, 0.8, 0.7])
    truth = boxes, class_ids, masks
    AP, precisions, recalls, overlaps = utils.compute_ap(
        *truth, boxes, class_ids, scores, masks
    )
    assert AP == 1 and recalls[-1] == 1 and precisions[-1] == 0
    np.testing.assert_array_equal(overlaps, np.eye(3))
    found = boxes, class_ids, scores, masks
    assert utils.compute_ap_range(*truth, *found, verbose=0) == 1


# 11. The generator with RoIs and targets


def test_11_the_generator_unpacks_into_nine_and_three_arrays():
    config = StubConfig()
    g = modellib.data_generator(
        TinyDataset(),
        config,
        shuffle=True,
        random_rois=12,
        batch_size=4,
        detection_targets=True,
    )
    (
        [
            normalized_images,
            image_meta,
            rpn_match,
            rpn_bbox,
            gt_class_ids,
            gt_boxes,
            gt_masks,
            rpn_rois,
            rois,
        ],
        [mrcnn_class_ids, mrcnn_bbox, mrcnn_mask],
    ) = next(g)

    assert normalized_images.shape == (4, 64, 64, 3)
    assert image_meta.shape == (4, 12 + 3)
    assert rpn_match.shape[2:] == (1,) and rpn_bbox.shape == (4, 32, 4)
    assert gt_class_ids.shape == (4, 4) and gt_boxes.shape == (4, 4, 4)
    assert gt_masks.shape == (4, 14, 14, 4)
    assert rpn_rois.shape == (4, 12, 4)
    assert rois.shape == (4, config.TRAIN_ROIS_PER_IMAGE, 4)
    assert mrcnn_class_ids.shape == (4, 9, 1)
    assert mrcnn_bbox.shape == (4, 9, 3, 4) and mrcnn_mask.shape == (4, 9, 28, 28, 3)
    # The rest of the cell: of the first image with objects, what each RoI is to say.
    b = int(np.argmax((mrcnn_class_ids > 0).any(axis=(1, 2))))
    assert np.where(mrcnn_class_ids[b, :, 0] > 0)[0].size
    image = modellib.unmold_image(normalized_images[b], config)
    assert image.dtype == np.uint8
    _, ax = plt.subplots()
    visualize.draw_boxes(image, boxes=rois[b][:3], ax=ax)
    y1, x1, y2, x2 = rois[b][0]
    assert len(ax.patches) == 3
    assert ax.patches[0].get_xy() == (x1 - 0.5, y1 - 0.5)
    assert (ax.patches[0].get_height(), ax.patches[0].get_width()) == (y2 - y1, x2 - x1)
    plt.close("all")


def test_11_without_options_there_are_seven_arrays_and_no_outputs():
    batch, outputs = next(modellib.data_generator(TinyDataset(), StubConfig()))
    images, meta, rpn_match, rpn_bbox, class_ids, boxes, masks = batch
    assert len(images) == 1 and len(outputs) == 0
