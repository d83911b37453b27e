"""The old `*_graph` functions of heads, targets, detections and losses."""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.engine import detection_values, target_values
from mrcnn.nn import detections, losses
from mrcnn.nn.backbones import resnet
from mrcnn.nn.heads import box_head, mask_head
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.targets.roi_targets import roi_targets_tensor


def resnet_graph(
    input_image,
    architecture: str,
    stage5: bool = False,
    train_bn: bool | None = True,
) -> list:
    """Returns the feature maps [C1, C2, C3, C4, C5] of a ResNet, see `nn.backbones`.

    Args:
        input_image: [B, H, W, channels].
        architecture: "resnet50", "resnet101" or "resnet18".
        stage5: False leaves out the last stage; C5 is None then.
        train_bn: see `nn.norms.BatchNorm`.
    """
    return resnet(input_image, architecture, stage5=stage5, train_bn=train_bn)


def fpn_classifier_graph(
    rois,
    feature_maps,
    image_meta,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
    fc_layers_size: int = 1024,
):
    """Returns what the box head says about RoIs, see `nn.heads.box_head`.

    Args:
        rois: [B, R, (y1, x1, y2, x2)], norm.
        feature_maps: [P2, P3, P4, P5]; a P6 behind them is not used.
        image_meta: [B, 12 + C].
        pool_size: side of the pooled map.
        num_classes: C, with the background.
        train_bn: see `nn.norms.BatchNorm`.
        fc_layers_size: units of the two hidden layers.

    Returns:
        logits float32 [B, R, C], probs float32 [B, R, C], deltas float32 [B, R, C, 4].
    """
    pool = PyramidROIAlign([pool_size, pool_size], name="roi_align_classifier")
    return box_head(
        pool([rois, image_meta, *feature_maps[:4]]),
        num_classes=num_classes,
        fc_size=fc_layers_size,
        train_bn=train_bn,
    )


def build_fpn_mask_graph(
    rois,
    feature_maps,
    image_meta,
    pool_size: int,
    num_classes: int,
    train_bn: bool | None = True,
):
    """Returns one mask a class for each RoI, see `nn.heads.mask_head`.

    Args:
        rois: [B, R, (y1, x1, y2, x2)], norm.
        feature_maps: [P2, P3, P4, P5]; a P6 behind them is not used.
        image_meta: [B, 12 + C].
        pool_size: side of the pooled map; masks are twice as large.
        num_classes: C, with the background.
        train_bn: see `nn.norms.BatchNorm`.

    Returns:
        float32 [B, R, 2 pool_size, 2 pool_size, C], probability, box.
    """
    pool = PyramidROIAlign([pool_size, pool_size], name="roi_align_mask")
    return mask_head(
        pool([rois, image_meta, *feature_maps[:4]]),
        num_classes=num_classes,
        train_bn=train_bn,
    )


def detection_targets_graph(proposals, gt_class_ids, gt_boxes, gt_masks, config):
    """Returns sampled RoIs of one image and their targets: `roi_targets_tensor`.

    Each call draws a new sample; `keras.utils.set_random_seed` fixes the row of them.

    Args:
        proposals: float32 [R, (y1, x1, y2, x2)], norm, zero rows are padding.
        gt_class_ids: int32 [G], 0 = padding, negative = crowd.
        gt_boxes: float32 [G, (y1, x1, y2, x2)], norm.
        gt_masks: bool [h, w, G], box frame with USE_MINI_MASK, else of the image.
        config: a Config.

    Returns:
        rois float32 [T, 4], norm; class_ids int32 [T], 0 for background and padding;
        deltas float32 [T, 4] / BBOX_STD_DEV; masks float32 [T, mh, mw], 0 or 1.
    """
    values = target_values(config)
    batch = (
        tf.convert_to_tensor(x)[tf.newaxis]
        for x in (proposals, gt_class_ids, gt_boxes, gt_masks)
    )
    seed = keras.random.randint([2], 0, 2**31 - 1, dtype="int32")
    rois, class_ids, deltas, masks = roi_targets_tensor(*batch, **values, seed=seed)
    return rois[0], tf.maximum(class_ids[0], 0), deltas[0], masks[0]


def refine_detections_graph(rois, probs, deltas, window, config):
    """Returns the detections of one image: `nn.detections.refine_detections`.

    Args:
        rois: float32 [R, (y1, x1, y2, x2)], norm.
        probs: float32 [R, C], probability.
        deltas: float32 [R, C, (dy, dx, log dh, log dw)] / BBOX_STD_DEV.
        window: float32 [(y1, x1, y2, x2)], norm, the image without padding.
        config: a Config.

    Returns:
        float32 [DETECTION_MAX_INSTANCES, (y1, x1, y2, x2, class_id, score)], norm,
        zero rows are padding.
    """
    batch = (tf.convert_to_tensor(x)[tf.newaxis] for x in (rois, probs, deltas, window))
    return detections.refine_detections(*batch, **detection_values(config))[-1][0]


def rpn_bbox_loss_graph(config, target_bbox, rpn_match, rpn_bbox):
    """Returns `nn.losses.rpn_bbox_loss`, float32 [].

    Args:
        config: not read: the batch may have any size.
        target_bbox: [B, N, (dy, dx, log dh, log dw)], row i belongs to the i-th
            positive anchor of the image.
        rpn_match: [B, A, 1], 1 object, -1 background, 0 not sampled.
        rpn_bbox: [B, A, (dy, dx, log dh, log dw)].
    """
    return losses.rpn_bbox_loss(target_bbox, rpn_match, rpn_bbox)
