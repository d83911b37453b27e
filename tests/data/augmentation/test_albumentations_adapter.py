from __future__ import annotations

import os
import pickle
from concurrent.futures import ThreadPoolExecutor

import cv2
import numpy as np
import pytest

from mrcnn.data.augmentation.augment import augment
from mrcnn.data.generator import DataGenerator
from tests.data.painted import HEIGHT, WIDTH, painted_scene
from tests.data.tiny import TinyConfig, TinyDataset, assert_same_batch

# It would ask the network for a newer version of itself.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
A = pytest.importorskip(
    "albumentations",
    reason="albumentations is not installed: pip install albumentations",
)

LINEAR = cv2.INTER_LINEAR
BOXES = A.BboxParams(format="coco", label_fields=["class_labels"])


def augmented(augmentation, seed=0, scene=None):
    scene = painted_scene() if scene is None else scene
    return augment(*scene, augmentation, np.random.default_rng(seed))


@pytest.mark.parametrize(
    "augmentation",
    [
        A.RandomBrightnessContrast(p=1),
        A.GaussianBlur(p=1),
        A.CLAHE(p=1),
        A.CoarseDropout(p=1),
        A.PixelDropout(0.3, mask_drop_value=255, p=1),
        A.SelectiveChannelTransform([A.GaussNoise(p=1), A.PixelDropout(p=1)], p=1),
        A.Compose([A.HueSaturationValue(p=1), A.OneOf([A.ToGray(), A.InvertImg()])]),
        A.Lambda(image=lambda image, **kwargs: 255 - image, p=1),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_colors_change_and_masks_do_not(augmentation):
    image, mask, class_ids = painted_scene()
    image = image // 2 + 60
    new_image, new_mask, _ = augmented(augmentation, 0, (image, mask, class_ids))
    assert (new_image != image).any()
    np.testing.assert_array_equal(new_mask, mask)


def test_functions_of_a_lambda_are_called_on_image_and_masks():
    def mirror(array, **kwargs):
        return array[:, ::-1]

    image, mask, _ = painted_scene()
    result = augmented(A.Lambda(image=mirror, mask=mirror, p=1))
    np.testing.assert_array_equal(result.image, image[:, ::-1])
    np.testing.assert_array_equal(result.mask, mask[:, ::-1])


@pytest.mark.parametrize(
    "augmentation",
    [
        A.Affine(translate_px=(40, 40), fill=255, fill_mask=255, p=1),
        A.Compose([A.Pad(10, fill=255, fill_mask=255)], mask_interpolation=LINEAR),
        A.CoarseDropout((9, 9), fill=255, fill_mask=255, p=1),
    ],
    ids=lambda transform: type(transform).__name__,
)
def test_what_is_filled_in_is_not_an_object(augmentation):
    scene = painted_scene()
    image, mask, _ = augmented(augmentation, 0, scene)
    filled = (image == 255).all(axis=-1)
    assert filled.any() and not mask[filled].any()
    assert 0 < mask.sum() <= scene[1].sum()


def test_outlines_keep_to_half_a_pixel():
    mask = np.zeros([90, 120, 1], bool)
    mask[30:60, 30:90] = True
    scene = (mask * np.uint8(255)).repeat(3, axis=-1), mask, np.array([1])
    for transform in (A.Resize(50, 70), A.Resize(200, 301), A.Rotate(p=1)):
        image, new_mask, _ = augmented(transform, 1, scene)
        np.testing.assert_array_equal(new_mask[..., 0], image[..., 0] >= 128)


def test_object_that_leaves_the_image_keeps_its_place_without_a_pixel():
    result = augmented(A.Crop(64, 0, 128, 96))
    assert result.class_ids.tolist() == [1, 2] * 6
    gone = ~result.mask.any(axis=(0, 1))
    assert gone.tolist() == [True, True, False, False] * 3  # the left half


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({}, [1, 2, 2] * 3),
        ({"min_visibility": 0.3}, [1, 2, 2] * 3),
        ({"min_visibility": 0.7}, [2, 2] * 3),
        ({"min_width": 12, "check_each_transform": False}, [2, 2] * 3),
        ({"min_area": 1e5}, []),
    ],
)
@pytest.mark.parametrize("box_format", ["coco", "pascal_voc", "yolo", "albumentations"])
def test_objects_whose_box_is_refused_are_dropped(limits, expected, box_format):
    image, mask, _ = painted_scene()
    class_ids = np.array([-1, 1, 2, 2] * 3)
    params = A.BboxParams(box_format, label_fields=["a", "b"], **limits)
    # Cuts the first column off and leaves half of the second.
    crop = A.Compose([A.Crop(48, 0, 128, 96)], bbox_params=params)
    result = augmented(crop, 0, (image, mask, class_ids))
    assert result.class_ids.tolist() == expected
    np.testing.assert_array_equal(
        result.mask.sum(axis=(0, 1)) > 0, np.ones(len(expected), bool)
    )
    kept = [k for k in range(12) if k % 4 >= 4 - len(expected) // 3]
    np.testing.assert_array_equal(result.mask, mask[:, 48:, kept])


def test_object_that_had_no_pixel_before_is_left_to_the_caller():
    image, mask, class_ids = painted_scene()
    mask[..., 1] = False
    flip = A.Compose([A.HorizontalFlip(p=1)], bbox_params=BOXES)
    result = augmented(flip, 0, (image, mask, class_ids))
    np.testing.assert_array_equal(result.mask, mask[:, ::-1])
    assert result.class_ids.tolist() == [1, 2] * 6


@pytest.mark.parametrize("params", [None, BOXES])
@pytest.mark.parametrize("change", [slice(1, None), [0, *range(12)]])
def test_transform_that_changes_the_number_of_masks_is_refused(params, change):
    class Count(A.NoOp):
        def apply_to_masks(self, masks, **kwargs):
            return masks[change]

    with pytest.raises(ValueError, match=r"class ids of the shape \(12,\)"):
        augmented(A.Compose([Count(p=1)], bbox_params=params))


def test_crop_that_is_safe_for_boxes_cuts_no_object():
    safe, scene = A.BBoxSafeRandomCrop(), painted_scene()
    for seed in range(5):
        result = augmented(safe, seed, scene)
        np.testing.assert_array_equal(
            result.mask.sum(axis=(0, 1)), scene[1].sum(axis=(0, 1))
        )


def busy():
    return A.Compose(
        [A.HorizontalFlip(), A.Rotate((-45, 45), p=1), A.ColorJitter(p=1)]
        + [A.OneOf([A.ElasticTransform(30, 5), A.GridDistortion()], p=1)]
        + [A.RandomSizedCrop((50, 90), (70, 90), p=1)]
    )


def test_other_seeds_give_other_results():
    assert len({augmented(busy(), seed).image.tobytes() for seed in range(8)}) == 8


def test_draws_of_two_transforms_are_independent():
    image, mask, class_ids = painted_scene()
    both = A.Compose([A.HorizontalFlip(), A.VerticalFlip()], seed=1)
    found = set()
    for seed in range(24):
        new = augmented(both, seed, (image, mask, class_ids)).mask
        corner = np.argwhere(new[..., 0])[0]
        found.add((bool(corner[1] > WIDTH // 2), bool(corner[0] > HEIGHT // 2)))
    assert len(found) == 4


def test_state_of_the_transform_is_of_no_matter_and_is_not_changed():
    used, fresh = busy(), busy()
    for transform in (used, fresh):
        transform.set_random_seed(3)
    image = painted_scene()[0]
    np.testing.assert_array_equal(augmented(used, 7).image, augmented(busy(), 7).image)
    np.testing.assert_array_equal(
        used(image=image)["image"], fresh(image=image)["image"]
    )


def test_settings_of_the_transform_are_not_changed():
    pad = A.Pad(10, fill_mask=255)
    flow = A.Compose([pad, A.Resize(50, 70)], bbox_params=BOXES)
    augmented(flow)
    assert pad.fill_mask == 255
    assert flow[1].mask_interpolation == cv2.INTER_NEAREST
    assert flow.main_compose and flow.processors["bboxes"].params.format == "coco"


def test_inputs_are_not_changed():
    scene = painted_scene()
    for augmentation in (busy(), A.NoOp(p=1), A.Erasing(p=1), A.InvertImg(p=1)):
        result = augmented(augmentation, 7, scene)
        assert not np.shares_memory(result.image, scene[0])
    for part, before in zip(scene, painted_scene(), strict=True):
        np.testing.assert_array_equal(part, before)


def test_threads_may_share_a_transform():
    flow, scene = busy(), painted_scene()
    expected = [augmented(flow, seed, scene) for seed in range(24)]
    with ThreadPoolExecutor(4) as pool:
        found = list(pool.map(lambda seed: augmented(flow, seed, scene), range(24)))
    for one, other in zip(found, expected, strict=True):
        np.testing.assert_array_equal(one.image, other.image)
        np.testing.assert_array_equal(one.mask, other.mask)


def test_batches_stay_pure_also_in_a_spawned_worker():
    def batch(augmentation):
        dataset, config = TinyDataset(), TinyConfig()
        return DataGenerator(dataset, config, augmentation=augmentation).make_batch(
            1, 2
        )

    flow = A.Compose([A.HorizontalFlip(), A.Rotate(p=1), A.GaussNoise(p=1)])
    assert_same_batch(batch(flow), batch(pickle.loads(pickle.dumps(flow))))
    assert (batch(flow)["input_image"] != batch(None)["input_image"]).any()


def test_images_of_one_channel_and_of_floats_keep_their_type():
    image, mask, class_ids = painted_scene()
    grey = augmented(A.Rotate(p=1), 0, (image[..., :1], mask, class_ids))
    assert grey.image.shape == (HEIGHT, WIDTH, 1)
    soft = (image / 255).astype(np.float32)
    moved = augmented(A.Rotate(p=1), 0, (soft, mask, class_ids))
    assert moved.image.dtype == np.float32
    np.testing.assert_array_equal(moved.mask, grey.mask)


@pytest.mark.parametrize(
    ("augmentation", "said"),
    [
        (A.Normalize(), r"went in as uint8 and came out as float32; leave out Normal"),
        (A.Compose([A.ToFloat(p=1)]), "came out as float32"),
        (A.HorizontalFlip, r"HorizontalFlip\): that is a class; .* HorizontalFlip\(\)"),
        (A.Compose, r"Compose\): that is a class"),
        ([A.HorizontalFlip()], r"several in an imgaug Sequential or an albument.*Com"),
    ],
)
def test_what_changes_the_type_or_is_none_is_refused(augmentation, said):
    with pytest.raises(TypeError, match=said):
        augmented(augmentation)


@pytest.mark.parametrize(
    ("augmentation", "said"),
    [
        (A.MaskDropout(), r"MaskDropout needs \['mask'\]; an image comes with `masks`"),
        (
            A.Compose([A.ConstrainedCoarseDropout(mask_indices=[1])]),
            r"ConstrainedCoarseDropout needs \['mask'\]",
        ),
        (A.Mosaic(), r"Mosaic needs \['mosaic_metadata'\].*Leave it out"),
        (A.OverlayElements(), r"OverlayElements needs \['overlay_metadata'\]"),
        (A.OneOf([A.RandomCropNearBBox()]), r"needs \['cropping_bbox'\]"),
        (A.CenterCrop3D((2, 2, 2)), r"CenterCrop3D changes .*'volume'.*, not images"),
        (
            A.SelectiveChannelTransform([A.Sequential([A.Rotate()])]),
            "SelectiveChannelTransform changes channels by Rotate where masks cannot",
        ),
        (
            A.Compose([A.HorizontalFlip()], keypoint_params={"format": "xy"}),
            "Compose has keypoint_params, but there are no keypoints; leave them out",
        ),
        (
            A.Lambda(image=lambda image, **kwargs: image[..., :1], p=1),
            r"went in as \(96, 128, 3\) and came out as \(96, 128, 1\).*its channels",
        ),
    ],
)
def test_what_an_image_with_masks_cannot_have_is_refused(augmentation, said):
    for seed in range(2):  # also when chance would have left it out
        with pytest.raises(ValueError, match=said):
            augmented(augmentation, seed)
