"""Augmentation of an image and its masks by one and the same random transform."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

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


def augment(
    image: np.ndarray,
    mask: np.ndarray,
    augmentation: Any | Callable,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray]:
    """Returns the image and its masks, both changed by the same random transform.

    Law: the result depends on the arguments and the state of `rng` alone.

    Args:
        image: [H, W, channels], px.
        mask: bool [H, W, N], px.
        augmentation: an imgaug augmenter (of its parts those in MASK_AUGMENTERS reach
            the masks, colors do not), or any function
            `augmentation(image, mask, rng) -> image, mask`. It is not changed.
        rng: source of the randomness.

    Returns:
        image of the same shape, and mask: bool [H, W, N]. Boxes are to be taken from
        the masks anew; a mask may have become empty.

    Raises:
        TypeError: `augmentation` is neither.
        ValueError: it changed the size of the image or the number of masks.
    """
    if hasattr(augmentation, "to_deterministic"):
        new_image, new_mask = _augment_by_imgaug(image, mask, augmentation, rng)
    elif callable(augmentation):
        new_image, new_mask = _augment_by_function(image, mask, augmentation, rng)
    else:
        raise TypeError(
            f"augment(augmentation={augmentation!r}): give an imgaug augmenter or a "
            "function (image, mask, rng) -> (image, mask)."
        )
    if new_image.shape != image.shape or new_mask.shape != mask.shape:
        raise ValueError(
            f"augment(augmentation={augmentation!r}): image and masks went in as "
            f"{image.shape} and {mask.shape} and came out as {new_image.shape} and "
            f"{new_mask.shape}; use augmenters that keep the size (in imgaug: "
            "keep_size=True, or KeepSizeByResize around them)."
        )
    return new_image, new_mask


def _augment_by_function(image, mask, function, rng):
    """Calls a plain function and takes bool masks out of what it returns."""
    result = function(image, mask, rng)
    if not isinstance(result, tuple) or len(result) != 2:
        raise TypeError(
            f"augment(augmentation={function!r}): the function must return (image, "
            f"mask); received {type(result).__name__}."
        )
    image, mask = np.asarray(result[0]), np.asarray(result[1])
    # A float mask has been interpolated; every other type says yes or no.
    return image, mask >= 0.5 if mask.dtype.kind == "f" else mask.astype(bool)


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
