"""The layers that used to take a Config."""

from __future__ import annotations

import keras
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.engine import detection_values, proposal_values, target_values
from mrcnn.nn import detections, proposals, target_layer


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
        values = proposal_values(config or Config()) | kwargs
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
        super().__init__(**(detection_values(config or Config()) | kwargs))


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
        super().__init__(**(target_values(config or Config()) | kwargs))

    def call(self, inputs, training=None):
        """Returns [rois, target_class_ids, target_deltas, target_masks]."""
        rois, class_ids, deltas, masks = super().call(inputs, training=training)
        return [rois, tf.maximum(class_ids, 0), deltas, masks]
