"""Door: MaskRCNN and the names of the old `mrcnn.model`.

    import mrcnn.model as modellib
    from mrcnn.model import MaskRCNN, load_image_gt, mold_image, log

Behind it are the rooms `mrcnn.engine`, `mrcnn.nn`, `mrcnn.data` and `mrcnn.classic`.
"""

from __future__ import annotations

from mrcnn.classic.batches import DataGenerator, data_generator
from mrcnn.classic.images import mold_image, unmold_image
from mrcnn.classic.layers import (
    DetectionLayer,
    DetectionTargetLayer,
    ProposalLayer,
    detection_targets_graph,
    refine_detections_graph,
)
from mrcnn.classic.losses import (
    mrcnn_bbox_loss_graph,
    mrcnn_class_loss_graph,
    mrcnn_mask_loss_graph,
    rpn_bbox_loss_graph,
    rpn_class_loss_graph,
)
from mrcnn.classic.subgraphs import (
    build_fpn_mask_graph,
    fpn_classifier_graph,
    resnet_graph,
    rpn_graph,
)
from mrcnn.classic.targets import (
    build_detection_targets,
    build_rpn_targets,
    generate_random_rois,
)
from mrcnn.classic.tensors import (
    apply_box_deltas_graph,
    batch_pack_graph,
    clip_boxes_graph,
    denorm_boxes_graph,
    log2_graph,
    norm_boxes_graph,
    overlaps_graph,
    parse_image_meta_graph,
    trim_zeros_graph,
)
from mrcnn.data import feature_shapes as compute_backbone_shapes
from mrcnn.data import load_image_gt
from mrcnn.engine import (
    EvaluationCallback,
    MaskRCNN,
    NonFiniteLossError,
    TimeBudget,
    log,
)
from mrcnn.geometry.image_meta import compose_image_meta, parse_image_meta
from mrcnn.nn.backbones import conv_block, identity_block
from mrcnn.nn.losses import smooth_l1_loss
from mrcnn.nn.norms import BatchNorm
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.nn.rpn import build_rpn_model

__all__ = [
    "BatchNorm",
    "DataGenerator",
    "DetectionLayer",
    "DetectionTargetLayer",
    "EvaluationCallback",
    "MaskRCNN",
    "NonFiniteLossError",
    "ProposalLayer",
    "PyramidROIAlign",
    "TimeBudget",
    "apply_box_deltas_graph",
    "batch_pack_graph",
    "build_detection_targets",
    "build_fpn_mask_graph",
    "build_rpn_model",
    "build_rpn_targets",
    "clip_boxes_graph",
    "compose_image_meta",
    "compute_backbone_shapes",
    "conv_block",
    "data_generator",
    "denorm_boxes_graph",
    "detection_targets_graph",
    "fpn_classifier_graph",
    "generate_random_rois",
    "identity_block",
    "load_image_gt",
    "log",
    "log2_graph",
    "mold_image",
    "mrcnn_bbox_loss_graph",
    "mrcnn_class_loss_graph",
    "mrcnn_mask_loss_graph",
    "norm_boxes_graph",
    "overlaps_graph",
    "parse_image_meta",
    "parse_image_meta_graph",
    "refine_detections_graph",
    "resnet_graph",
    "rpn_bbox_loss_graph",
    "rpn_class_loss_graph",
    "rpn_graph",
    "smooth_l1_loss",
    "trim_zeros_graph",
    "unmold_image",
]
