"""Applies albumentations transforms to an image and its masks."""

from __future__ import annotations

import copy
import random
from collections.abc import Iterator

import numpy as np

from mrcnn.data.augmentation.imgaug_adapter import MASK_CUT, MASK_ON, is_one_of
from mrcnn.geometry.masks import extract_bboxes

PACKAGE = "albumentations"
COMPOSITIONS = frozenset(("BaseCompose",))
# What can be passed to a transform that needs more than the image.
GIVEN = frozenset(("image", "masks", "bboxes"))
# Transforms that need boxes and do not list them in `targets_as_params`.
BOX_READERS = frozenset(
    ("BBoxSafeRandomCrop", "RandomSizedBBoxSafeCrop", "AtLeastOneBBoxRandomCrop")
    + ("ConstrainedCoarseDropout",)
)
# Attributes, and what they are set to. A user's number there is meant for the classes
# of a label image, not for masks of objects. PixelDropout would drop other pixels of
# the masks than of the image.
MASK_FILLS = (("fill_mask", 0), ("mask_drop_value", None))
# cv2.INTER_NEAREST, the default for masks, is off by up to half a pixel of the source
# when it resizes; cv2.INTER_LINEAR, cut at one half, is not.
NEAREST, LINEAR = 0, 1
# The arguments of BboxParams that are taken over; format and labels are our own.
BOX_LIMITS = ("min_area", "min_visibility", "min_width", "min_height")
BOX_LIMITS += ("check_each_transform", "max_accept_ratio")


def is_albumentations(augmentation) -> bool:
    """Returns True for a transform or a composition of albumentations."""
    bases = type(augmentation).__mro__
    return any(base.__module__.split(".")[0] == PACKAGE for base in bases)


def augment_by_albumentations(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    augmentation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns image [H', W', channels], bool masks [H', W', n], class ids [n].

    Law: the result depends on the arguments and the state of `rng` alone; `seed=` of a
    Compose has no effect.

    Only `bbox_params` drop objects (n < N): those whose box they refuse (`min_area`,
    `min_visibility` ...). They get the boxes of the masks, whatever format and label
    fields they name. What is filled in at the border is no object.

    Args:
        image: [H, W, channels], px; it is not changed.
        mask: bool [H, W, N], px.
        class_ids: int [N].
        augmentation: a transform or a composition (Compose, OneOf, ReplayCompose ...);
            it is not changed.
        rng: source of the randomness.

    Raises:
        TypeError: it changes the type of the pixels.
        ValueError: it needs something that an image with masks does not have.
    """
    import albumentations

    # 1. A copy of its own, so that threads do not share a state.
    twin = copy.deepcopy(augmentation)
    transforms = list(_all_transforms(twin))
    for transform in transforms:
        if fault := _fault(transform):
            raise ValueError(
                f"augment(augmentation=...): {type(transform).__name__} {fault}."
            )
        for name, fill in MASK_FILLS:
            if getattr(transform, name, None) is not None:
                setattr(transform, name, fill)
        if getattr(transform, "mask_interpolation", None) == NEAREST:
            transform.mask_interpolation = LINEAR
    # A Compose around it, also around a Compose: the outermost one alone prepares and
    # filters boxes. Of several bbox_params the outermost count.
    params = [
        t.processors["bboxes"].params
        for t in transforms
        if _is_composition(t) and "bboxes" in t.processors
    ]
    limits = {name: getattr(params[0], name) for name in BOX_LIMITS if params}
    boxes = None
    if params or any(is_one_of(t, BOX_READERS) for t in transforms):
        boxes = albumentations.BboxParams(format="pascal_voc", **limits)
    compose = albumentations.Compose([twin], bbox_params=boxes)
    # One state for all: with `set_random_seed` each transform would start with the same
    # numbers, and two that are done half of the time be done together or not at all.
    seed = int(rng.integers(2**63))
    compose.set_random_state(np.random.default_rng(seed), random.Random(seed))

    # 2. Masks first, [N, H, W]; never none, for transforms that look for one.
    count = mask.shape[-1]
    data = {"image": np.array(image, order="C"), "masks": _masks_first(mask)}
    if boxes is not None:
        data["bboxes"] = _boxes(mask, class_ids)
    result = compose(**data)
    new_image = result["image"]
    received = str(getattr(new_image, "dtype", type(new_image).__name__))
    if received != str(image.dtype):
        raise TypeError(
            f"augment(augmentation={augmentation!r}): the image went in as "
            f"{image.dtype} and came out as {received}; leave out Normalize, ToFloat, "
            "ToTensorV2 and the like: the network's input is made afterwards."
        )
    masks = np.asarray(result["masks"])[: None if count else 0]
    new_mask = masks.transpose(1, 2, 0) >= MASK_CUT

    # 3. Drop the objects whose boxes were refused.
    if params and len(masks) == count:  # or `augment` refuses the masks
        kept = ~mask.any(axis=(0, 1))  # had no box to begin with
        kept[np.asarray(result["bboxes"]).reshape(-1, 6)[:, 5].astype(int)] = True
        new_mask, class_ids = new_mask[..., kept], class_ids[kept]
    return new_image, new_mask, class_ids


def _masks_first(mask: np.ndarray) -> np.ndarray:
    """Returns uint8 [N, H, W], MASK_ON where bool [H, W, N] is True; blank for none."""
    import cv2  # a tenth of the time that NumPy takes to transpose

    height, width, count = mask.shape
    if not count:
        return np.zeros([1, height, width], dtype=np.uint8)
    pixels = np.ascontiguousarray(mask).view(np.uint8).reshape(-1, count)
    return cv2.transpose(pixels).reshape(count, height, width) * MASK_ON


def _all_transforms(transform) -> Iterator:
    """Yields a transform and all that it holds."""
    yield transform
    if _is_composition(transform):
        for child in transform.transforms:
            yield from _all_transforms(child)


def _is_composition(transform) -> bool:
    """Returns True for Compose, OneOf and their like."""
    return is_one_of(transform, COMPOSITIONS)


def _fault(transform) -> str | None:
    """Returns why a transform or a composition cannot be used, or None."""
    if not hasattr(transform, "set_random_state"):
        return "has no set_random_state(); install albumentations 2.0.8 or newer"
    if _is_composition(transform):
        if "keypoints" in transform.processors:
            return "has keypoint_params, but there are no keypoints; leave them out"
        if type(transform).__name__ == "SelectiveChannelTransform":
            for part in filter(_changes_masks, _all_transforms(transform)):
                return (
                    f"changes channels by {type(part).__name__} where masks cannot "
                    "follow; leave it out"
                )
        return None
    missing = set(transform.targets_as_params) - GIVEN
    # Without a label image it does nothing, and gives no error.
    if getattr(transform, "mask_indices", None) is not None:
        missing.add("mask")
    if missing:
        return (
            f"needs {sorted(missing)}; an image comes with `masks` and `bboxes` only. "
            "Leave it out"
        )
    if "image" not in transform.targets:
        return f"changes {sorted(transform.targets)}, not images; leave it out"
    if "masks" not in transform.targets and hasattr(transform, "apply_to_mask"):
        return "moves pixels of images only, the masks would stay; leave it out"
    return None


def _changes_masks(transform) -> bool:
    """Returns False for colors, and for dropouts that leave masks alone."""
    fills = {
        getattr(transform, name) for name, _ in MASK_FILLS if hasattr(transform, name)
    }
    return hasattr(transform, "apply_to_mask") and fills != {None}


def _boxes(mask: np.ndarray, class_ids: np.ndarray) -> np.ndarray:
    """Returns the boxes of masks with a pixel.

    Returns:
        float32 [n, (x1, y1, x2, y2, class id, index of the mask)], px.
    """
    y1, x1, y2, x2 = extract_bboxes(mask).T
    rows = np.stack([x1, y1, x2, y2, class_ids, np.arange(len(class_ids))], axis=-1)
    return rows[x2 > x1].astype(np.float32)
