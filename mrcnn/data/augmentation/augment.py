"""Augmentation: one random transform changes an image and its masks alike."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from mrcnn.data.augmentation.albumentations_adapter import (
    augment_by_albumentations,
    is_albumentations,
)
from mrcnn.data.augmentation.imgaug_adapter import augment_by_imgaug, is_imgaug
from mrcnn.geometry.arguments import as_numbers
from mrcnn.geometry.box_masks import as_masks


class Augmented(NamedTuple):
    """An image after augmentation.

    Attributes:
        image: [H, W, channels], px; its size may have changed.
        mask: bool [H, W, N], px, of the image's size; one may have become empty.
        class_ids: int32 [N].
    """

    image: np.ndarray
    mask: np.ndarray
    class_ids: np.ndarray


def augment(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    augmentation: Any | Callable,
    rng: np.random.Generator,
) -> Augmented:
    """Returns the image and its objects, changed by the same random transform.

    Law: the result depends on the arguments and the state of `rng` alone.

    Three kinds of augmentation are taken:
        imgaug augmenters: flips, crops, affine and elastic ones ... change the masks,
            colors do not.
        albumentations transforms (`pip install albumentations`): one transform
            or a composition. Of `bbox_params` the limits are obeyed: an object whose
            box they refuse is dropped; format and label fields are of no matter.
            `keypoint_params` and transforms that need other data than an image and
            its masks are refused. It requires opencv-python-headless and imgaug
            requires opencv-python; imgaug's package `imaug` installs both, in one
            version, and the two share one module cv2: keep their versions equal.
        functions: `augmentation(image, mask, rng) -> image, mask`, which keep the
            number and order of the objects. One with the attribute `changes_objects`
            is called as `augmentation(image, mask, class_ids, rng)` and returns all
            three.

    Args:
        image: [H, W, channels], px.
        mask: bool [H, W, N], px.
        class_ids: int32 [N].
        augmentation: as above. It is not changed, nor are the arrays by the first two
            kinds.
        rng: source of the randomness.

    Returns:
        Augmented(image, mask, class_ids). The size may have changed, of image and masks
        alike. Boxes are to be taken from the masks anew; those without a pixel left
        are still there.

    Raises:
        TypeError: `augmentation` is none of these, or returned something else.
        ValueError: image and masks came out in different sizes, the image with other
            channels, or the number of masks is not that of the class ids; or the
            augmentation needs more than an image with masks.
    """
    image = as_numbers(image, "augment(image)")
    mask = as_masks(mask, "augment(mask)")
    class_ids = as_numbers(class_ids, "augment(class_ids)")
    shapes = image.shape[:2], class_ids.shape
    if (
        image.ndim != 3
        or mask.shape[2:] != shapes[1]
        or (mask.size and mask.shape[:2] != shapes[0])
    ):
        raise ValueError(
            f"augment(image, mask, class_ids): [H, W, channels], [H, W, N] and [N] are "
            f"needed; received {image.shape}, {mask.shape} and {class_ids.shape}."
        )
    if isinstance(augmentation, type):
        name = augmentation.__name__
        raise TypeError(
            f"augment(augmentation={name}): that is a class; give an object: {name}()."
        )
    apply = next((apply for is_kind, apply in KINDS if is_kind(augmentation)), None)
    if apply is None:
        raise TypeError(
            f"augment(augmentation={augmentation!r}): give an imgaug augmenter, an "
            "albumentations transform or a function (image, mask, rng) -> (image, "
            "mask); several in an imgaug Sequential or an albumentations Compose."
        )
    new_image, new_mask, class_ids = apply(image, mask, class_ids, augmentation, rng)
    _check_shapes(image, mask, new_image, new_mask, class_ids, augmentation)
    return Augmented(new_image, new_mask, class_ids)


def _check_shapes(image, mask, new_image, new_mask, class_ids, augmentation) -> None:
    """Raises ValueError if the new image, masks and class ids do not fit together."""
    if new_image.shape[2:] != image.shape[2:] or 0 in new_image.shape:
        fault = (
            f"the image went in as {image.shape} and came out as {new_image.shape}; "
            "it must keep its channels and some pixels"
        )
    elif new_mask.shape[:2] != new_image.shape[:2]:
        fault = (
            f"image and masks went in as {image.shape} and {mask.shape} and came out "
            f"as {new_image.shape} and {new_mask.shape}; height and width must be the "
            "same for both: do to the masks what is done to the image"
        )
    elif new_mask.shape[2:] != class_ids.shape:
        fault = (
            f"masks of the shape {new_mask.shape} came out for class ids of the shape "
            f"{class_ids.shape}; return one mask a class id. A function that adds or "
            "drops objects sets changes_objects = True, gets the class ids too and "
            "returns them"
        )
    else:
        return
    raise ValueError(f"augment(augmentation={augmentation!r}): {fault}.")


def _augment_by_function(image, mask, class_ids, function, rng):
    """Calls a plain function; its masks become bool and its class ids int32."""
    given = {"image": image, "mask": mask}
    if getattr(function, "changes_objects", False):
        given["class_ids"] = class_ids
    result = function(*given.values(), rng)
    if not isinstance(result, tuple) or len(result) != len(given):
        received = type(result).__name__
        if isinstance(result, tuple):
            received = f"a tuple of {len(result)}"
        raise TypeError(
            f"augment(augmentation={function!r}): the function must return "
            f"({', '.join(given)}); received {received}."
        )
    image, mask, class_ids = map(np.asarray, (*result, class_ids)[:3])
    # A float mask has been interpolated; of every other type, 0 is False.
    mask = mask >= 0.5 if mask.dtype.kind == "f" else mask.astype(bool)
    if mask.ndim == 3 and not mask.shape[-1]:  # there was nothing to resize
        mask = np.zeros([*image.shape[:2], 0], dtype=bool)
    if class_ids.size and class_ids.dtype.kind not in "iu":
        raise TypeError(
            f"augment(augmentation={function!r}): class ids must be integers; received "
            f"{class_ids.dtype}."
        )
    return image, mask, class_ids.astype(np.int32)


# How each kind of augmentation is recognized, and what applies it.
KINDS = (
    (is_imgaug, augment_by_imgaug),
    (is_albumentations, augment_by_albumentations),
    (callable, _augment_by_function),
)
