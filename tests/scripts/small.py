"""The smallest configurations, a picture to detect in, what two results share."""

from __future__ import annotations

import numpy as np

from tests.engine.tiny import StubConfig


class SmallConfig(StubConfig):
    """What the scripts start from: the smallest network that does everything."""

    NAME = "small"
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


class InferenceConfig(SmallConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    DETECTION_MIN_CONFIDENCE = 0


def picture(height=48, width=64, seed=3):
    rng = np.random.default_rng(seed)
    return rng.integers(0, 256, [height, width, 3]).astype(np.uint8)


def assert_same(first, second):
    assert len(first["rois"])
    for key in ("rois", "class_ids", "masks"):
        np.testing.assert_array_equal(first[key], second[key])
    np.testing.assert_allclose(first["scores"], second["scores"], atol=1e-6)
