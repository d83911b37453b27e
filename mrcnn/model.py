"""MaskRCNN, and the functions and layers that the old `mrcnn.model` had.

    import mrcnn.model as modellib
    from mrcnn.model import MaskRCNN, load_image_gt, mold_image, log

They are defined in `mrcnn.engine`, `mrcnn.nn`, `mrcnn.geometry`, `mrcnn.data` and
`mrcnn.classic`.
"""

from __future__ import annotations

from mrcnn.classic.batches import DataGenerator, data_generator
from mrcnn.classic.functions import (
    batch_pack_graph,
    log2_graph,
    mold_image,
    trim_zeros_graph,
    unmold_image,
)
from mrcnn.classic.graph_functions import (
    build_fpn_mask_graph,
    detection_targets_graph,
    fpn_classifier_graph,
    refine_detections_graph,
    resnet_graph,
    rpn_bbox_loss_graph,
)
from mrcnn.classic.keras_2 import MaskRCNN
from mrcnn.classic.layers import DetectionLayer, DetectionTargetLayer, ProposalLayer
from mrcnn.classic.old_imports import attach
from mrcnn.classic.targets import (
    build_detection_targets,
    build_rpn_targets,
    generate_random_rois,
)
from mrcnn.data import feature_shapes as compute_backbone_shapes
from mrcnn.data import load_image_gt
from mrcnn.engine import EvaluationCallback, NonFiniteLossError, log
from mrcnn.geometry.boxes import apply_box_deltas_tensor as apply_box_deltas_graph
from mrcnn.geometry.boxes import clip_boxes_tensor as clip_boxes_graph
from mrcnn.geometry.boxes import compute_overlaps_tensor as overlaps_graph
from mrcnn.geometry.coordinates import denorm_boxes_tensor as denorm_boxes_graph
from mrcnn.geometry.coordinates import norm_boxes_tensor as norm_boxes_graph
from mrcnn.geometry.image_meta import compose_image_meta, parse_image_meta
from mrcnn.geometry.image_meta import parse_image_meta_tensor as parse_image_meta_graph
from mrcnn.nn.backbones import conv_block, identity_block
from mrcnn.nn.losses import mrcnn_bbox_loss as mrcnn_bbox_loss_graph
from mrcnn.nn.losses import mrcnn_class_loss as mrcnn_class_loss_graph
from mrcnn.nn.losses import mrcnn_mask_loss as mrcnn_mask_loss_graph
from mrcnn.nn.losses import rpn_class_loss as rpn_class_loss_graph
from mrcnn.nn.losses import smooth_l1_loss
from mrcnn.nn.norms import BatchNorm
from mrcnn.nn.roi_align import PyramidROIAlign
from mrcnn.nn.rpn import build_rpn_model
from mrcnn.nn.rpn import rpn_layers as rpn_graph

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

# And what scripts read through the old module, as `np`: imported when asked for.
__getattr__, __dir__ = attach(__name__, __all__)
