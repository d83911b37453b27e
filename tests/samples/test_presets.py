"""The small networks of the samples, value by value: published numbers hang on them."""

from __future__ import annotations

import pytest

from mrcnn.config import Config
from tests.samples.conftest import load_sample

NETWORK = {
    "BACKBONE": "resnet18",
    "BACKBONE_WIDTH": 32,
    "NORM": "group",
    "TOP_DOWN_PYRAMID_SIZE": 64,
    "RPN_CHANNELS": 64,
    "MASK_HEAD_CHANNELS": 64,
    "ROI_OP": "align",
    "OPTIMIZER": "adamw",
    "WEIGHT_DECAY": 0.05,
}
PHOTOGRAPHS = {
    **NETWORK,
    "FPN_CLASSIF_FC_LAYERS_SIZE": 256,
    "POST_NMS_ROIS_TRAINING": 400,
    "TRAIN_ROIS_PER_IMAGE": 64,
    "LEARNING_RATE_SCHEDULE": "cosine",
    "LEARNING_RATE_WARMUP_STEPS": 200,
    "WEIGHTS": "none",
}
USUAL = {
    **PHOTOGRAPHS,
    "POST_NMS_ROIS_INFERENCE": 300,
    "LEARNING_RATE_WARMUP_FACTOR": 0.1,
    "DETECTION_CLASS_RULE": "all",
    "EPOCHS": 60,
}
# What differs from Config, the values that follow from others left out.
PRESETS = {
    "balloon.SmallBalloonConfig": {
        **USUAL,
        "NAME": "smallballoon",
        "NUM_CLASSES": 2,
        "IMAGE_MIN_DIM": 384,
        "IMAGE_MAX_DIM": 448,
        "RPN_ANCHOR_SCALES": [[11, 16], [23, 32], [45, 64], [90, 128], [181, 256]],
        "MAX_GT_INSTANCES": 50,
        "STEPS_PER_EPOCH": 100,
        "KEEP_CHECKPOINTS": 2,
        "LAYERS": "all",
        "FROM_SCRATCH": True,
    },
    "coco.SmallCocoConfig": {
        **USUAL,
        "NAME": "smallcoco",
        "NUM_CLASSES": 81,
        "IMAGE_MIN_DIM": 320,
        "IMAGE_MAX_DIM": 384,
        "RPN_ANCHOR_SCALES": [12, 24, 48, 96, 192],
        "STAGES": [[None, "all", 1.0]],
    },
    "nucleus.SmallNucleusConfig": {
        **PHOTOGRAPHS,
        "NAME": "smallnucleus",
        "NUM_CLASSES": 2,
        "IMAGES_PER_GPU": 4,
        "IMAGE_MIN_DIM": 256,
        "IMAGE_MAX_DIM": 256,
        "IMAGE_MIN_SCALE": 2.0,
        "IMAGE_RESIZE_MODE": "crop",
        "MEAN_PIXEL": [43.53, 39.56, 48.22],
        "RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128],
        "RPN_NMS_THRESHOLD": 0.9,
        "RPN_TRAIN_ANCHORS_PER_IMAGE": 64,
        "MAX_GT_INSTANCES": 200,
        "DETECTION_MAX_INSTANCES": 400,
        "DETECTION_MIN_CONFIDENCE": 0,
        "STEPS_PER_EPOCH": None,
        "VALIDATION_STEPS": None,
        "EPOCHS": 40,
        "STAGES": [[None, "all"]],
    },
    "voc.SmallVocConfig": {
        **USUAL,
        "NAME": "smallvoc",
        "NUM_CLASSES": 21,
        "IMAGE_MIN_DIM": 256,
        "IMAGE_MAX_DIM": 320,
        "RPN_ANCHOR_SCALES": [16, 32, 64, 128, 256],
        "STEPS_PER_EPOCH": None,
        "VALIDATION_STEPS": None,
        "STAGES": [[None, "all", 1.0]],
    },
    "shapes.ShapesConfig": {
        **NETWORK,
        "NAME": "shapes",
        "NUM_CLASSES": 4,
        "IMAGES_PER_GPU": 8,
        "IMAGE_MIN_DIM": 128,
        "IMAGE_MAX_DIM": 128,
        "STEPS_PER_EPOCH": 100,
        "VALIDATION_STEPS": 5,
        "FPN_CLASSIF_FC_LAYERS_SIZE": 128,
        "RPN_ANCHOR_SCALES": [8, 16, 32, 64, 128],
        "POST_NMS_ROIS_TRAINING": 200,
        "POST_NMS_ROIS_INFERENCE": 100,
        "TRAIN_ROIS_PER_IMAGE": 32,
        "MAX_GT_INSTANCES": 8,
        "DETECTION_MAX_INSTANCES": 20,
        "DETECTION_CLASS_RULE": "all",
    },
}
DERIVED = {"BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE"}


@pytest.mark.parametrize("preset", PRESETS)
def test_values_are_those_that_numbers_were_measured_with(preset):
    sample, name = preset.split(".")
    values, defaults = (
        getattr(load_sample(sample), name)().to_dict(),
        Config().to_dict(),
    )
    differences = {
        key: value
        for key, value in values.items()
        if key not in DERIVED and (key not in defaults or value != defaults[key])
    }
    assert differences == PRESETS[preset]
