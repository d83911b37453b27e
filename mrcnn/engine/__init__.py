"""MaskRCNN: its graph, training, detection and weight files.

Only this sub-package builds a model from a Config and runs it.

- the files beside this one: `MaskRCNN`, its Keras graph (one trunk, two tails), and
  inspection of its layers and tensors;
- `training`: `train()`, from the data to the last checkpoint;
- `detection`: from images to results, whole or in tiles;
- `weights`: weight files of any layout, and the files beside them.

Import all names from here, not from the files inside.
"""

from __future__ import annotations

import lazy_loader

# Imported when asked for: importing one of them does not import all.
__getattr__, __dir__, __all__ = lazy_loader.attach(
    __name__,
    submod_attrs={
        "detection.molding": ["as_image", "tiled_image"],
        "detection.tile_merging": ["edge_width"],
        "detection.tiling": ["detect_tiled", "tile_boxes"],
        "graph": ["detection_values", "proposal_values", "target_values"],
        "inspection": ["log", "run_to"],
        "mask_rcnn": ["MaskRCNN"],
        "network": ["Network"],
        "training.evaluation_callback": ["EvaluationCallback"],
        "training.run_folder": ["RunLockedError"],
        "training.run_training": ["NonFiniteLossError"],
        "training.training_model": ["TrainingModel"],
        "weights.bundled": [
            "BUNDLED",
            "bundled_file",
            "bundled_names",
            "bundled_run",
            "is_bundled",
            "is_example",
            "set_for_training",
        ],
        "weights.checkpoints": ["find_last", "list_checkpoints"],
        "weights.imagenet": ["is_applications_file"],
        "weights.model_weights": ["CLASS_LAYERS", "model_tensors"],
        "weights.run_config": ["read_run_config", "restore_config", "write_run_config"],
        "weights.weight_files": ["read_weights"],
        "weights.weight_loading": ["load_file"],
        "weights.weight_shapes": ["anchors_per_cell", "config_values"],
        "weights.weight_sources": ["fetch", "find_source"],
    },
)
