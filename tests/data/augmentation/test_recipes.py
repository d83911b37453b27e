from __future__ import annotations

import numpy as np

from mrcnn.data.augmentation import recipes
from mrcnn.data.augmentation.augment import augment
from mrcnn.data.generator import DataGenerator
from mrcnn.data.image_gt import load_image_gt
from tests.data.tiny import TinyConfig, TinyDataset, assert_same_batch


def test_few_photographs_change_in_pixels_objects_and_number():
    dataset, config = TinyDataset(), TinyConfig()
    augmentation = recipes.few_photographs(dataset, config)
    image, _, class_ids, _, mask = load_image_gt(dataset, config, 3)
    counts = set()
    for seed in range(30):
        rng = np.random.default_rng(seed)
        new = augment(image, mask, class_ids, augmentation, rng)
        assert new.image.shape == image.shape and new.image.dtype == np.uint8
        assert new.mask.shape == (64, 64, len(new.class_ids))
        counts.add(len(new.class_ids))
    assert min(counts) <= 3 < max(counts)


def test_few_photographs_leave_batches_pure():
    dataset, config = TinyDataset(), TinyConfig()
    batches = [
        DataGenerator(
            dataset, config, augmentation=recipes.few_photographs(dataset, config)
        ).make_batch(0, 1)
        for _ in range(2)
    ]
    assert_same_batch(*batches)
    plain = DataGenerator(dataset, config).make_batch(0, 1)
    assert (plain["input_image"] != batches[0]["input_image"]).any()
