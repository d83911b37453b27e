from __future__ import annotations

import numpy as np
import pytest

from mrcnn.data.checks.model_objects import model_objects
from mrcnn.data.image_gt import load_image_gt
from tests.data.planted import PlantConfig, PlantDataset


@pytest.mark.parametrize(
    ("mode", "low", "high"),
    [("square", 64, 128), ("square", 192, 192), ("square", 32, 64), ("pad64", 150, 0)],
)
def test_boxes_are_those_of_loading(tmp_path, mode, low, high):
    config = PlantConfig()
    config.IMAGE_RESIZE_MODE = mode
    config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM = low, high
    dataset = PlantDataset(tmp_path)
    image, _, class_ids, boxes, _ = load_image_gt(dataset, config, 1)
    objects = model_objects(dataset.objects(1), dataset.image_size(1), config)
    assert objects.size == image.shape[:2]
    np.testing.assert_array_equal(objects.boxes, boxes)
    np.testing.assert_array_equal(objects.class_ids, class_ids)


def test_crops_are_of_the_whole_scaled_image(tmp_path):
    config = PlantConfig()
    config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "crop", 192
    dataset = PlantDataset(tmp_path)
    before = dataset.objects(0)
    objects = model_objects(before, dataset.image_size(0), config)
    assert objects.size == (192, 256)
    np.testing.assert_array_equal(objects.boxes, 2 * before.boxes)
