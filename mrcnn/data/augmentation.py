"""Augmentation of an image and its masks by one and the same random transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

# imgaug augmenters that move pixels, and the containers that may hold them. Only these
# are run on masks; a subclass counts as its base class.
MASK_AUGMENTERS = frozenset(
    # containers
    ("Sequential", "SomeOf", "OneOf", "Sometimes", "KeepSizeByResize")
    + ("WithPolarWarping",)
    # movers
    + ("Fliplr", "Flipud", "Rot90", "CropAndPad", "Affine", "AffineCv2", "Resize")
    + ("PiecewiseAffine", "PerspectiveTransform", "ElasticTransformation", "Jigsaw")
)
# OpenCV 5 stops at 128 channels, OpenCV 4 at 512: stacks go through it in slices.
MAX_CHANNELS = 100
# Masks travel as 0 and 255: interpolated outlines are cut at one half, exactly.
MASK_ON, MASK_CUT = np.uint8(255), 128
FILL_ATTRIBUTES = ("cval", "pad_cval")


class Augmented(NamedTuple):
    """An image after augmentation.

    Attributes:
        image: [H, W, channels], px, the shape it had.
        mask: bool [H, W, N], px; a mask may have become empty.
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

    Args:
        image: [H, W, channels], px.
        mask: bool [H, W, N], px.
        class_ids: int32 [N].
        augmentation: an imgaug augmenter (of its parts those in MASK_AUGMENTERS reach
            the masks, colors do not), or any function
            `augmentation(image, mask, rng) -> image, mask`, which keeps the number and
            order of the objects. A function with the attribute `changes_objects` is
            called as `augmentation(image, mask, class_ids, rng)` and returns all three.
            It is not changed.
        rng: source of the randomness.

    Returns:
        Augmented(image, mask, class_ids). Boxes are to be taken from the masks anew.

    Raises:
        TypeError: `augmentation` is neither, or returned something else.
        ValueError: it changed the size of the image, or the number of masks is not
            that of the class ids.
    """
    class_ids = np.asarray(class_ids)
    if hasattr(augmentation, "to_deterministic"):
        new_image, new_mask = _augment_by_imgaug(image, mask, augmentation, rng)
    elif callable(augmentation):
        new_image, new_mask, class_ids = _augment_by_function(
            image, mask, class_ids, augmentation, rng
        )
    else:
        raise TypeError(
            f"augment(augmentation={augmentation!r}): give an imgaug augmenter or a "
            "function (image, mask, rng) -> (image, mask)."
        )
    if new_image.shape != image.shape or new_mask.shape[:2] != mask.shape[:2]:
        raise ValueError(
            f"augment(augmentation={augmentation!r}): image and masks went in as "
            f"{image.shape} and {mask.shape} and came out as {new_image.shape} and "
            f"{new_mask.shape}; use augmenters that keep the size (in imgaug: "
            "keep_size=True, or KeepSizeByResize around them)."
        )
    if new_mask.shape[2:] != class_ids.shape:
        raise ValueError(
            f"augment(augmentation={augmentation!r}): masks of the shape "
            f"{new_mask.shape} came out for class ids of the shape {class_ids.shape}; "
            "return one mask a class id. A function that adds or drops objects sets "
            "changes_objects = True, gets the class ids too and returns them."
        )
    return Augmented(new_image, new_mask, class_ids)


def _augment_by_function(image, mask, class_ids, function, rng):
    """Calls a plain function; its masks become bool and its class ids int32."""
    names, given = ("image", "mask"), (image, mask)
    if getattr(function, "changes_objects", False):
        names, given = (*names, "class_ids"), (*given, class_ids)
    result = function(*given, rng)
    if not isinstance(result, tuple) or len(result) != len(names):
        raise TypeError(
            f"augment(augmentation={function!r}): the function must return "
            f"({', '.join(names)}); received {_described(result)}."
        )
    image, mask = np.asarray(result[0]), np.asarray(result[1])
    # A float mask has been interpolated; every other type says yes or no.
    mask = mask >= 0.5 if mask.dtype.kind == "f" else mask.astype(bool)
    class_ids = np.asarray(result[2] if len(result) > 2 else class_ids)
    if class_ids.size and class_ids.dtype.kind not in "iu":
        raise TypeError(
            f"augment(augmentation={function!r}): class ids must be integers; received "
            f"{class_ids.dtype}."
        )
    return image, mask, class_ids.astype(np.int32)


def _described(result) -> str:
    """Returns what a function has returned, for an error."""
    if isinstance(result, tuple):
        return f"a tuple of {len(result)}"
    return type(result).__name__


def _augment_by_imgaug(image, mask, augmentation, rng):
    """Runs an imgaug augmenter on the image, and its movers on the masks."""
    import imgaug

    # 1. One draw decides everything that follows.
    fixed = augmentation.deepcopy()
    fixed.seed_(int(rng.integers(2**31)))
    fixed = fixed.to_deterministic()
    image = fixed.augment_image(np.ascontiguousarray(image))

    # 2. The same on masks: movers only, and what comes in from outside is no object.
    mask_twin = fixed.deepcopy()
    for augmenter in [mask_twin, *mask_twin.get_all_children(flat=True)]:
        for name in FILL_ATTRIBUTES:
            if hasattr(augmenter, name):
                setattr(augmenter, name, imgaug.parameters.Deterministic(0))
    hooks = imgaug.HooksImages(
        activator=lambda images, augmenter, parents, default: _moves_pixels(augmenter)
    )
    # As a list of one: imgaug takes a single array of many channels for many images.
    slices = [
        mask_twin.augment_images(
            [part.astype(np.uint8, order="C") * MASK_ON], hooks=hooks
        )[0]
        for part in np.split(
            mask, range(MAX_CHANNELS, mask.shape[-1], MAX_CHANNELS), axis=-1
        )
        if part.size
    ]
    if not slices:
        return image, mask
    return image, np.concatenate(slices, axis=-1) >= MASK_CUT


def _moves_pixels(augmenter) -> bool:
    """True when an augmenter, or a class it derives from, belongs on masks."""
    return any(base.__name__ in MASK_AUGMENTERS for base in type(augmenter).__mro__)
