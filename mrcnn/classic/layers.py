"""The layers that used to take a Config, and their functions for one image."""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.nn import detections, proposals, target_layer
from mrcnn.targets.roi_targets import roi_targets_tensor


def _floats(values) -> tuple[float, ...]:
    return tuple(float(value) for value in values)


def _proposal_values(config) -> dict:
    return {
        "pre_nms_limit": config.PRE_NMS_LIMIT,
        "bbox_std_dev": _floats(config.RPN_BBOX_STD_DEV),
    }


def _target_values(config) -> dict:
    return {
        "num_rois": config.TRAIN_ROIS_PER_IMAGE,
        "positive_ratio": config.ROI_POSITIVE_RATIO,
        "positive_iou": config.ROI_POSITIVE_IOU,
        "mask_shape": tuple(config.MASK_SHAPE),
        "use_mini_mask": config.USE_MINI_MASK,
        "bbox_std_dev": _floats(config.BBOX_STD_DEV),
    }


def _detection_values(config) -> dict:
    return {
        "min_confidence": config.DETECTION_MIN_CONFIDENCE,
        "nms_threshold": config.DETECTION_NMS_THRESHOLD,
        "max_instances": config.DETECTION_MAX_INSTANCES,
        "bbox_std_dev": _floats(config.BBOX_STD_DEV),
        "class_rule": config.DETECTION_CLASS_RULE,
    }


@keras.saving.register_keras_serializable("mrcnn", "ClassicProposalLayer")
class ProposalLayer(proposals.ProposalLayer):
    """`nn.proposals.ProposalLayer` that reads its numbers from a Config.

    Call arguments: [rpn_probs [B, A, 2], rpn_bbox [B, A, 4], anchors [B, A, 4] norm].

    Args:
        proposal_count: rows of the result.
        nms_threshold: ratio (IoU).
        config: PRE_NMS_LIMIT and RPN_BBOX_STD_DEV are read here; None is the defaults
            of Config.
        **kwargs: arguments of `nn.proposals.ProposalLayer`.
    """

    def __init__(self, proposal_count, nms_threshold, config=None, **kwargs):
        values = _proposal_values(config or Config()) | kwargs
        super().__init__(proposal_count, nms_threshold, **values)


@keras.saving.register_keras_serializable("mrcnn", "ClassicDetectionLayer")
class DetectionLayer(detections.DetectionLayer):
    """`nn.detections.DetectionLayer` that reads its numbers from a Config.

    Call arguments: [rois [B, R, 4] norm, mrcnn_class [B, R, C], mrcnn_bbox
    [B, R, C, 4], image_meta [B, 12 + C]].

    Args:
        config: the DETECTION_ values and BBOX_STD_DEV are read here; None is the
            defaults of Config.
        **kwargs: arguments of `nn.detections.DetectionLayer`.
    """

    def __init__(self, config=None, **kwargs):
        super().__init__(**(_detection_values(config or Config()) | kwargs))


@keras.saving.register_keras_serializable("mrcnn", "ClassicDetectionTargetLayer")
class DetectionTargetLayer(target_layer.DetectionTargetLayer):
    """`nn.target_layer.DetectionTargetLayer` that reads its numbers from a Config.

    As in the old package the class id of padding is 0: scripts index lists of names
    and one-hot vectors with it.

    Call arguments: [proposals [B, R, 4] norm, gt_class_ids [B, G], gt_boxes [B, G, 4]
    norm, gt_masks [B, h, w, G]].

    Returns: [rois [B, T, 4] norm, target_class_ids int32 [B, T], target_deltas
    [B, T, 4], target_masks [B, T, mh, mw]].

    Args:
        config: the ROI_ values, TRAIN_ROIS_PER_IMAGE, MASK_SHAPE, USE_MINI_MASK and
            BBOX_STD_DEV are read here; None is the defaults of Config.
        **kwargs: arguments of `nn.target_layer.DetectionTargetLayer`.
    """

    def __init__(self, config=None, **kwargs):
        super().__init__(**(_target_values(config or Config()) | kwargs))

    def call(self, inputs, training=None):
        """Returns [rois, target_class_ids, target_deltas, target_masks]."""
        rois, class_ids, deltas, masks = super().call(inputs, training=training)
        return [rois, tf.maximum(class_ids, 0), deltas, masks]


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
    values = _target_values(config)
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
    return detections.refine_detections(*batch, **_detection_values(config))[-1][0]
