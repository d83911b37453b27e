"""Augmentations that change the size of the image."""

from __future__ import annotations

import numpy as np
import pytest
from imgaug import augmenters as iaa

from mrcnn.data.image_gt import load_image_gt
from mrcnn.geometry.box_masks import minimize_mask
from mrcnn.geometry.image_meta import parse_image_meta
from mrcnn.geometry.masks import extract_bboxes
from tests.data.photos import CONFIGS, HEIGHT, WIDTH, Photos, config_of
from tests.data.tiny import TinyDataset


def cut(image, mask, rng):
    """The right half."""
    half = image.shape[1] // 2
    return image[:, half:], mask[:, half:]


@pytest.mark.parametrize("use_mini_mask", [False, True])
def test_image_of_another_size_is_resized_and_padded_again(use_mini_mask):
    config = config_of(IMAGE_MIN_DIM=128)
    plain = load_image_gt(Photos(), config, 0)
    image, meta, class_ids, boxes, mask = load_image_gt(
        Photos(), config, 0, augmentation=cut, use_mini_mask=use_mini_mask
    )
    assert image.shape == (128, 128, 3)
    # The right half of 128 x 128 is 128 x 64, which gets 32 columns on both sides.
    expected = np.zeros_like(image)
    expected[:, 32:96] = plain[0][:, 64:]
    np.testing.assert_array_equal(image, expected)
    full = np.zeros_like(plain[4])
    full[:, 32:96] = plain[4][:, 64:]
    seen = full.any(axis=(0, 1))
    np.testing.assert_array_equal(class_ids, plain[2][seen])
    np.testing.assert_array_equal(boxes, extract_bboxes(full[..., seen]))
    if use_mini_mask:
        full = minimize_mask(boxes, full[..., seen], config.MINI_MASK_SHAPE)
        np.testing.assert_array_equal(mask, full)
    else:
        np.testing.assert_array_equal(mask, full[..., seen])
    parsed = parse_image_meta(meta[np.newaxis])
    assert parsed["window"][0].tolist() == [0, 32, 128, 96]
    assert parsed["original_image_shape"][0].tolist() == [HEIGHT, WIDTH, 3]


@pytest.mark.parametrize("name", CONFIGS)
def test_image_of_another_size_fits_the_network_in_every_mode(name):
    def piece(image, mask, rng):
        y, x = rng.integers(0, 20, 2)
        return image[y : y + 50, x : x + 99], mask[y : y + 50, x : x + 99]

    config = CONFIGS[name]
    for seed in range(3):
        image, meta, class_ids, boxes, mask = load_image_gt(
            Photos(), config, 0, augmentation=piece, rng=seed
        )
        assert image.shape[0] % 64 == image.shape[1] % 64 == 0
        assert mask.shape == (*image.shape[:2], len(class_ids))
        np.testing.assert_array_equal(boxes, extract_bboxes(mask))
        if name in ("reduced", "enlarged"):
            assert image.shape[0] == config.IMAGE_MAX_DIM
        if name == "pad64":  # IMAGE_MIN_SCALE was applied before, once
            assert image.shape == (64, 128, 3)


@pytest.mark.parametrize(
    "augmentation",
    [iaa.Rot90(1, keep_size=False), iaa.Crop(px=(9, 0, 90, 40), keep_size=False)],
    ids=["turned", "cut"],
)
def test_imgaug_may_change_the_size(augmentation):
    config = CONFIGS["pad64"]
    dataset = Photos()
    dataset.load_image = lambda i: dataset.load_mask(i)[0][..., :3] * np.uint8(200)
    plain = load_image_gt(dataset, config, 0)[0]
    image, _, class_ids, boxes, mask = load_image_gt(
        dataset, config, 0, augmentation=augmentation
    )
    assert image.shape[:2] != plain.shape[:2]
    assert image.shape[0] % 64 == image.shape[1] % 64 == 0
    assert class_ids.tolist() == [1, 2, -1, 2, 2][: len(class_ids)]
    np.testing.assert_array_equal(boxes, extract_bboxes(mask))
    # Its channels are the first masks: they have moved, and been padded, together.
    differs = (image > 100) != mask[..., :3]
    assert mask[..., :3].any(axis=(0, 1)).all() and differs.mean() < 0.01


def test_scale_is_that_of_both_resizings():
    def smaller(image, mask, rng):
        return image[::2, ::2], mask[::2, ::2]

    config = config_of(IMAGE_MIN_DIM=128)
    meta = load_image_gt(Photos(), config, 0, augmentation=smaller)[1]
    scale = parse_image_meta(meta[np.newaxis])["scale"][0]
    np.testing.assert_allclose(scale, 128 / WIDTH * 2)


def test_size_the_network_cannot_take_names_the_augmentation():
    config = config_of(IMAGE_RESIZE_MODE="none")

    class Fitting(TinyDataset):
        def load_image(self, image_id):
            return np.zeros([64, 128, 3], np.uint8)

        def load_mask(self, image_id):
            return np.ones([64, 128, 1], bool), [1]

    def odd(image, mask, rng):
        return image[:50], mask[:50]

    assert load_image_gt(Fitting(), config, 1)[0].shape == (64, 128, 3)
    with pytest.raises(ValueError, match="after the augmentation.* 50 x 128 px"):
        load_image_gt(Fitting(), config, 1, augmentation=odd)
