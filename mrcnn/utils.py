"""Dataset and functions on boxes, masks, anchors; average precision.

Importing this imports no TensorFlow.
"""

from __future__ import annotations

# Scripts that only `import xml` rely on it: the old module brought it in.
import xml.etree.ElementTree  # noqa: F401

from mrcnn.classic.functions import batch_slice, download_trained_weights, mold_mask
from mrcnn.classic.old_imports import attach
from mrcnn.data import COCO_MODEL_URL, Dataset
from mrcnn.evaluation.matches import (
    compute_ap,
    compute_ap_range,
    compute_matches,
    compute_recall,
)
from mrcnn.geometry.anchors import generate_anchors, generate_pyramid_anchors
from mrcnn.geometry.box_masks import expand_mask, minimize_mask, unmold_mask
from mrcnn.geometry.boxes import (
    apply_box_deltas,
    box_refinement,
    compute_iou,
    compute_overlaps,
    trim_zeros,
)
from mrcnn.geometry.boxes import box_refinement_tensor as box_refinement_graph
from mrcnn.geometry.coordinates import denorm_boxes, norm_boxes
from mrcnn.geometry.images import resize, resize_image
from mrcnn.geometry.masks import compute_overlaps_masks, extract_bboxes, resize_mask
from mrcnn.geometry.nms import non_max_suppression

__all__ = [
    "COCO_MODEL_URL",
    "Dataset",
    "apply_box_deltas",
    "batch_slice",
    "box_refinement",
    "box_refinement_graph",
    "compute_ap",
    "compute_ap_range",
    "compute_iou",
    "compute_matches",
    "compute_overlaps",
    "compute_overlaps_masks",
    "compute_recall",
    "denorm_boxes",
    "download_trained_weights",
    "expand_mask",
    "extract_bboxes",
    "generate_anchors",
    "generate_pyramid_anchors",
    "minimize_mask",
    "mold_mask",
    "non_max_suppression",
    "norm_boxes",
    "resize",
    "resize_image",
    "resize_mask",
    "trim_zeros",
    "unmold_mask",
]

# And what scripts read through the old module, as `np`: imported when asked for.
__getattr__, __dir__ = attach(__name__, __all__)
