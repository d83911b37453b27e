"""Every kind of transform that moves pixels, held to colors."""

from __future__ import annotations

import inspect
import os

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.data.augmentation.augment import augment
from tests.data.painted import (
    HEIGHT,
    WIDTH,
    assert_masks_are_where_the_colors_are,
    painted_scene,
)

# It would ask the network for a newer version of itself.
os.environ.setdefault("NO_ALBUMENTATIONS_UPDATE", "1")
A = pytest.importorskip(
    "albumentations",
    reason="albumentations is not installed: pip install albumentations",
)

LINEAR, REFLECT = cv2.INTER_LINEAR, cv2.BORDER_REFLECT_101
BOXES = A.BboxParams(format="coco", label_fields=["class_labels"])

# Each kind that moves pixels and keeps the size of the image; then those that do not.
MOVERS = {
    "HorizontalFlip": A.HorizontalFlip(),
    "VerticalFlip": A.VerticalFlip(),
    "TimeReverse": A.TimeReverse(),
    "Rotate": A.Rotate((-60, 60), p=1),
    "SafeRotate": A.SafeRotate((-60, 60), p=1),
    "Affine": A.Affine(scale=(0.6, 1.5), rotate=(-60, 60), shear=(-8, 8), p=1),
    "Affine mirrored": A.Affine(rotate=(-40, 40), border_mode=REFLECT, p=1),
    "ShiftScaleRotate": A.ShiftScaleRotate(p=1),
    "Perspective": A.Perspective(p=1),
    "PiecewiseAffine": A.PiecewiseAffine(p=1),
    "ElasticTransform": A.ElasticTransform(alpha=30, sigma=5, p=1),
    "Elastic, linear": A.ElasticTransform(30, 5, mask_interpolation=LINEAR, p=1),
    "GridDistortion": A.GridDistortion(p=1),
    "GridElasticDeform": A.GridElasticDeform((4, 4), 5, p=1),
    "OpticalDistortion": A.OpticalDistortion(p=1),
    "ThinPlateSpline": A.ThinPlateSpline(p=1),
    "RandomGridShuffle": A.RandomGridShuffle((3, 4), p=1),
    "CropAndPad": A.CropAndPad(percent=(-0.2, 0.2), p=1),
    "Morphological": A.Morphological(scale=(1, 3), p=1),
    "NoOp": A.NoOp(),
    "Dropout": A.CoarseDropout(fill_mask=0, p=1),
    "GridDropout": A.GridDropout(fill_mask=0, p=1),
    "PixelDropout": A.PixelDropout(mask_drop_value=1, p=1),
    "Erasing": A.Erasing(fill_mask=0, p=1),
    "XYMasking": A.XYMasking(2, 2, 10, 10, fill=0, fill_mask=0, p=1),
    "TimeMasking": A.TimeMasking(p=1),
    "FrequencyMasking": A.FrequencyMasking(p=1),
    "Dropout in objects": A.ConstrainedCoarseDropout(
        (1, 2), (0.3, 0.4), (0.3, 0.4), fill_mask=0, bbox_labels=[1], p=1
    ),
    "OneOf": A.OneOf([A.VerticalFlip(), A.Rotate((-20, 20))], p=1),
    "SomeOf": A.SomeOf([A.HorizontalFlip(p=1), A.Rotate(p=1), A.Affine()], n=2),
    "RandomOrder": A.RandomOrder([A.HorizontalFlip(p=1), A.Rotate(p=1)], n=2),
    "Sequential": A.Sequential([A.HorizontalFlip(), A.NoOp()], p=1),
    "Compose": A.Compose([A.Compose([A.HorizontalFlip()]), A.Rotate(p=1)], seed=3),
    "Compose of nothing": A.Compose([]),
    "ReplayCompose": A.ReplayCompose([A.HorizontalFlip(), A.Rotate(p=1)]),
    "Compose with boxes": A.Compose(
        [A.HorizontalFlip(), A.SafeRotate(p=1)], bbox_params=BOXES, strict=True
    ),
    "Boxes within": A.Compose(
        [A.Compose([A.VerticalFlip()], bbox_params={"format": "yolo"}), A.Affine(p=1)]
    ),
}
RESIZERS = {
    "Transpose": A.Transpose(p=1),
    "RandomRotate90": A.Compose([A.RandomRotate90(p=1), A.PadIfNeeded(130, 130)]),
    "D4": A.Compose([A.D4(p=1), A.Pad(1)]),
    "SquareSymmetry": A.Compose([A.SquareSymmetry(p=1), A.Pad((1, 2, 3, 4))]),
    "Rotate": A.Rotate((20, 60), crop_border=True, p=1),
    "Affine": A.Affine(rotate=(10, 40), fit_output=True, p=1),
    "Perspective": A.Perspective((0.1, 0.2), keep_size=False, fit_output=True, p=1),
    "Crop": A.Crop(10, 10, 90, 70),
    "CenterCrop": A.CenterCrop(50, 70),
    "CenterCrop padded": A.CenterCrop(150, 150, pad_if_needed=True),
    "RandomCrop": A.RandomCrop(50, 70),
    "RandomResizedCrop": A.RandomResizedCrop((80, 120)),
    "RandomSizedCrop": A.RandomSizedCrop((40, 90), (64, 100)),
    "RandomCropFromBorders": A.RandomCropFromBorders(0.2, 0.2, 0.2, 0.2, p=1),
    "CropAndPad": A.CropAndPad(px=(5, 20), keep_size=False, p=1),
    "CropNonEmptyMaskIfExists": A.CropNonEmptyMaskIfExists(40, 40),
    "BBoxSafeRandomCrop": A.Compose([A.BBoxSafeRandomCrop(), A.Pad(1)]),
    "RandomSizedBBoxSafeCrop": A.RandomSizedBBoxSafeCrop(64, 64),
    "AtLeastOneBBoxRandomCrop": A.AtLeastOneBBoxRandomCrop(50, 50),
    "Pad": A.Pad(10),
    "PadIfNeeded": A.PadIfNeeded(150, 200),
    "Resize": A.Resize(70, 81),
    "RandomScale": A.Compose([A.RandomScale((0.2, 0.4), p=1)]),
    "LongestMaxSize": A.LongestMaxSize(200),
    "SmallestMaxSize": A.SmallestMaxSize(64),
    "Compose with boxes": A.Compose(
        [A.RandomResizedCrop((80, 120)), A.Rotate()], bbox_params=BOXES
    ),
}
KINDS = {f"{name} of old size": mover for name, mover in MOVERS.items()}
KINDS |= {f"{name} of new size": mover for name, mover in RESIZERS.items()}
SLOW = ("PiecewiseAffine", "GridElasticDeform")
# What an image with masks has not, or what is not about images.
REFUSED = {"MaskDropout", "Mosaic", "OverlayElements", "RandomCropNearBBox"}
VOLUMES = {"CubicSymmetry", "CenterCrop3D", "CoarseDropout3D", "Pad3D", "RandomCrop3D"}
VOLUMES |= {"PadIfNeeded3D"}
BASES = {"DualTransform", "Transform3D", "Lambda"}  # Lambda: a test of its own


def augmented(augmentation, seed=0, scene=None):
    scene = painted_scene() if scene is None else scene
    return augment(*scene, augmentation, np.random.default_rng(seed))


def numbered_scene(rows, columns, gap):
    """A scene whose objects have a class id each: 1, 2, 3 ..."""
    image, mask, class_ids = painted_scene(rows, columns, gap)
    return image, mask, np.arange(1, len(class_ids) + 1, dtype=np.int32)


def assert_kept_masks_are_where_the_colors_are(image, mask, class_ids, name, count):
    """Objects may be missing only from a composition with bbox_params."""
    if "oxes" not in name:
        assert class_ids.tolist() == list(range(1, count + 1))
    full = np.zeros([*mask.shape[:2], count], bool)
    full[..., class_ids - 1] = mask
    assert_masks_are_where_the_colors_are(image, full)


@pytest.mark.parametrize("name", KINDS)
@settings(max_examples=5)
@given(seed=st.integers(0, 2**32 - 1))
def test_every_mask_moves_with_its_color(name, seed):
    image, mask, class_ids = augmented(KINDS[name], seed, numbered_scene(3, 4, 6))
    assert image.dtype == np.uint8 and mask.dtype == bool
    if name.endswith("old size"):
        assert image.shape == (HEIGHT, WIDTH, 3)
    else:
        assert image.shape[:2] != (HEIGHT, WIDTH)
    assert_kept_masks_are_where_the_colors_are(image, mask, class_ids, name, 12)


@pytest.mark.filterwarnings("error::RuntimeWarning")
@pytest.mark.parametrize("name", KINDS)
def test_150_masks_move_with_their_colors(name):
    image, mask, class_ids = augmented(KINDS[name], 5, numbered_scene(10, 15, 1))
    assert_kept_masks_are_where_the_colors_are(image, mask, class_ids, name, 150)


@pytest.mark.parametrize("name", KINDS)
def test_image_without_objects_goes_through(name):
    image, mask, class_ids = painted_scene()
    result = augmented(KINDS[name], 3, (image, mask[..., :0], class_ids[:0]))
    assert result.mask.shape == (*result.image.shape[:2], 0)
    assert result.mask.dtype == bool and result.class_ids.shape == (0,)


def test_every_transform_that_moves_pixels_is_tested():
    def inside(transform):
        children = getattr(transform, "transforms", ())
        return {type(transform).__name__}.union(*map(inside, children))

    movers = {
        name
        for name, kind in vars(A).items()
        if inspect.isclass(kind) and issubclass(kind, A.DualTransform)
    }
    tested = set().union(*map(inside, KINDS.values()))
    assert movers - tested == REFUSED | VOLUMES | BASES


@pytest.mark.parametrize("name", [name for name in KINDS if not name.startswith(SLOW)])
def test_result_depends_on_the_rng_alone(name):
    first, _ = augmented(KINDS[name], 7), augmented(KINDS[name], 8)
    again = augmented(KINDS[name], 7)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
