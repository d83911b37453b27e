"""Applies imgaug augmenters to an image and its masks."""

from __future__ import annotations

import numpy as np

# imgaug augmenters that hold others and may be run on masks.
MASK_CONTAINERS = frozenset(("Sequential", "SomeOf", "OneOf", "Sometimes"))
# Those that move pixels; the first two hold others, which are run on masks too.
MASK_MOVERS = frozenset(
    ("KeepSizeByResize", "WithPolarWarping")
    + ("Fliplr", "Flipud", "Rot90", "CropAndPad", "Affine", "AffineCv2", "Resize")
    + ("CropToFixedSize", "PadToFixedSize")
    + ("PiecewiseAffine", "PerspectiveTransform", "ElasticTransformation", "Jigsaw")
)
# Only these are run on masks; a subclass counts as its base class.
MASK_AUGMENTERS = MASK_CONTAINERS | MASK_MOVERS
# Moves pixels of images; imgaug cannot do the same to masks.
IMAGE_MOVERS = frozenset(("ElasticTransform",))
# OpenCV 5 stops at 128 channels, OpenCV 4 at 512: stacks go through it in slices, and
# through an affine transform in half of the time when they are small.
MAX_CHANNELS = 20
# Augmenters that take three channels at most: PIL's, and OpenCV's resizing by area.
NARROW_MODULE, NARROW_AUGMENTERS = "pillike", frozenset(("Resize", "KeepSizeByResize"))
NARROW_CHANNELS = 3
# Masks are passed as 0 and 255: interpolated outlines are cut at one half, exactly.
MASK_ON, MASK_CUT = np.uint8(255), 128
FILL_ATTRIBUTES = ("cval", "pad_cval")


def is_imgaug(augmentation) -> bool:
    """Returns True for an imgaug augmenter, or an object with its methods."""
    return hasattr(augmentation, "to_deterministic")


def augment_by_imgaug(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    augmentation,
    rng: np.random.Generator,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns image [H', W', channels], bool masks [H', W', N], the same class ids.

    Law: the result depends on the arguments and the state of `rng` alone. Augmenters
    that move pixels change the masks, colors do not; what is filled in at the border is
    no object.

    Args:
        image: [H, W, channels], px; it is not changed.
        mask: bool [H, W, N], px.
        class_ids: int [N].
        augmentation: an imgaug augmenter; it is not changed.
        rng: source of the randomness.

    Raises:
        ValueError: the augmenter moves pixels of the image where masks cannot follow.
    """
    import imgaug

    check_that_masks_can_follow(augmentation)
    # 1. One draw decides everything that follows.
    fixed = augmentation.deepcopy()
    seed_all(fixed, int(rng.integers(2**31)))
    fixed = fixed.to_deterministic()
    image = fixed.augment_image(np.ascontiguousarray(image))
    count = mask.shape[-1]
    if not count:
        return image, np.zeros([*image.shape[:2], 0], dtype=bool), class_ids

    # 2. The same on masks: MASK_AUGMENTERS only, and a border of zeros.
    mask_twin, step = fixed.deepcopy(), MAX_CHANNELS
    for augmenter in with_children(mask_twin):
        module = type(augmenter).__module__.split(".")[-1]
        if module == NARROW_MODULE or is_one_of(augmenter, NARROW_AUGMENTERS):
            step = NARROW_CHANNELS
        for name in FILL_ATTRIBUTES:
            if hasattr(augmenter, name):
                setattr(augmenter, name, imgaug.parameters.Deterministic(0))
    if step == NARROW_CHANNELS:  # and no less: PIL knows no image of two channels
        mask = np.pad(mask, ((0, 0), (0, 0), (0, -count % step)))
    hooks = imgaug.HooksImages(
        activator=lambda images, augmenter, *_: is_one_of(augmenter, MASK_AUGMENTERS)
    )
    # As a list of one: imgaug takes a single array of many channels for many images.
    slices = [
        mask_twin.augment_images(
            [part.astype(np.uint8, order="C") * MASK_ON], hooks=hooks
        )[0]
        for part in np.split(mask, range(step, mask.shape[-1], step), axis=-1)
    ]
    mask = np.concatenate(slices, axis=-1)[..., :count] >= MASK_CUT
    return image, mask, class_ids


def seed_all(augmenter, seed: int) -> None:
    """Seeds an imgaug augmenter and all below it.

    imgaug's `seed_` leaves out a SomeOf or Sequential that is the only child of a
    Sometimes or a blend, and seeds what that holds: its own draws would come from the
    global source.
    """
    import imgaug

    augmenter.seed_(seed)
    source = imgaug.random.RNG(seed)
    for parent in with_children(augmenter):
        for children in parent.get_children_lists():
            is_only_child = isinstance(children, imgaug.augmenters.Augmenter)
            if is_only_child and children is not parent:
                children.random_state = source.derive_rng_()


def check_that_masks_can_follow(augmentation) -> None:
    """Raises ValueError for an augmenter that would move pixels of the image alone."""
    for augmenter in with_children(augmentation):
        if is_one_of(augmenter, IMAGE_MOVERS):
            raise ValueError(
                f"augment(augmentation=...): {type(augmenter).__name__} of "
                f"{type(augmenter).__module__} moves pixels of images only, the masks "
                "would stay; use imgaug.augmenters.ElasticTransformation."
            )
        if is_one_of(augmenter, MASK_AUGMENTERS):
            continue
        for child in augmenter.get_all_children(flat=True):
            if is_one_of(child, MASK_MOVERS):
                raise ValueError(
                    f"augment(augmentation=...): {type(child).__name__} inside of "
                    f"{type(augmenter).__name__} moves pixels where masks cannot "
                    "follow; put it before or after it, in a Sequential."
                )


def with_children(augmenter) -> list:
    """Returns an augmenter and all that it holds."""
    return [augmenter, *augmenter.get_all_children(flat=True)]


def is_one_of(augmenter, names: frozenset[str]) -> bool:
    """Returns True if the class of an augmenter, or a base of it, has such a name."""
    return any(base.__name__ in names for base in type(augmenter).__mro__)
