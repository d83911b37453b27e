"""Public module: everything that draws; the code is in `mrcnn.viz`."""

from mrcnn.classic.old_imports import attach
from mrcnn.viz.differences import display_differences
from mrcnn.viz.draw import apply_mask, draw_box, random_colors
from mrcnn.viz.draw_boxes import draw_boxes, draw_rois
from mrcnn.viz.frames import draw_instances
from mrcnn.viz.grids import (
    display_images,
    display_top_masks,
    display_truth_and_detections,
)
from mrcnn.viz.instances import display_instances
from mrcnn.viz.plots import plot_overlaps, plot_precision_recall
from mrcnn.viz.tables import display_table, display_weight_stats
from mrcnn.viz.training_curves import plot_training
from mrcnn.viz.video import map_video

__all__ = [
    "apply_mask",
    "display_differences",
    "display_images",
    "display_instances",
    "display_table",
    "display_top_masks",
    "display_truth_and_detections",
    "display_weight_stats",
    "draw_box",
    "draw_boxes",
    "draw_instances",
    "draw_rois",
    "map_video",
    "plot_overlaps",
    "plot_precision_recall",
    "plot_training",
    "random_colors",
]

# And what scripts read through the old module, as `np`: imported when asked for.
__getattr__, __dir__ = attach(__name__, __all__)
