"""load_image_gt: one image of a data set and its objects, as the network sees them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np

from mrcnn.data.augmentation.augment import augment as augment_image
from mrcnn.data.load_checks import checked_class_ids, checked_image, checked_objects
from mrcnn.data.objects import (
    Objects,
    mask_objects,
    mini_masks,
    resize_objects,
    seen_objects,
)
from mrcnn.geometry.bit_depth import shown_values, using_range
from mrcnn.geometry.crops import stack_crops
from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.geometry.images import ResizedImage, resize_image
from mrcnn.geometry.resize_plan import check_model_sides

# Attribute of an exception whose text names its image already: the inside id.
NAMED = "_mrcnn_image_id"


def load_image_gt(
    dataset,
    config,
    image_id: int,
    augment: bool = False,
    augmentation=None,
    use_mini_mask: bool = False,
    rng: np.random.Generator | int | None = None,
) -> tuple[np.ndarray, np.ndarray, np.ndarray, np.ndarray, np.ndarray]:
    """Returns an image and its ground truth, resized as `config` says.

    Steps: load, resize and pad (or crop), augment, drop objects that have no pixel
    left, take boxes from the masks, shrink the masks to their boxes if asked. An image
    that the augmentation gave another size is resized and padded (or cropped) again.

    Objects are kept as crops: full masks are made only for an augmentation, without
    `use_mini_mask`, and by a data set that only has `load_mask`. Law: the result is the
    same, bit for bit, as from full masks.

    Args:
        dataset: a prepared Dataset.
        config: a Config.
        image_id: inside id, as in `dataset.image_ids`.
        augment: deprecated; mirrors every second image left to right.
        augmentation: see `mrcnn.data.augment`.
        use_mini_mask: True: masks cover their boxes, in `config.MINI_MASK_SHAPE`.
        rng: generator or seed of crop and augmentation; None draws a new one.

    Returns:
        image: uint8 [H, W, channels], px, RGB, the mean not subtracted.
        image_meta: float [12 + C], see `compose_image_meta`.
        class_ids: int32 [n], 1 to C - 1; negative for a crowd.
        bbox: int32 [n, (y1, x1, y2, x2)], px.
        mask: bool [H, W, n], px, or [56, 56, n], box, as mini masks.

    Raises:
        ValueError, TypeError: image, masks or class ids do not fit each other, or the
            resized sides are no multiples of 64, which the network needs.
        Exception: what `load_image`, `load_mask` or the augmentation raised, of the
            same type, with the image's id and path added.
    """
    rng = np.random.default_rng(rng)
    where = f"load_image_gt(image_id={image_id})"
    with naming_image(dataset, image_id):
        # 1. Load, check what the user's class has returned, and resize.
        with using_range(config.IMAGE_RANGE):
            original = dataset.load_image(image_id)
        original = checked_image(original, config, image_id)
        original = shown_values(
            original, config.IMAGE_RANGE, where, mean_pixel=config.MEAN_PIXEL
        )
        image, window, scale, *how = _resize(original, config, rng, where)
        objects = checked_objects(dataset, image_id, original.shape)
        objects = resize_objects(objects, original.shape, scale, *how)

        # 2. Augment.
        if augment:
            warnings.warn(
                "load_image_gt(augment=True) is deprecated; use "
                "augmentation=imgaug.augmenters.Fliplr(0.5).",
                DeprecationWarning,
                stacklevel=2,
            )
            if rng.integers(2):
                mask = np.fliplr(stack_crops(objects.crops, image.shape))
                objects = mask_objects(mask, objects.class_ids)
                image, width = np.fliplr(image), image.shape[1]
                y1, x1, y2, x2 = window
                window = (y1, width - x2, y2, width - x1)
        if augmentation is not None:
            shape = image.shape
            image, objects = _augment(image, objects, augmentation, rng, dataset)
            if image.shape[:2] != shape[:2]:
                shape, scaled = image.shape, scale
                image, window, scale, *how = _resize(
                    image, config, rng, f"{where}, after the augmentation", again=True
                )
                objects = resize_objects(objects, shape, scale, *how)
                scale *= scaled

        # 3. Keep the objects that still have a pixel.
        objects = seen_objects(objects)
        if use_mini_mask:
            mask = mini_masks(objects, config.MINI_MASK_SHAPE)
        else:
            mask = stack_crops(objects.crops, image.shape)

        # 4. Describe.
        image_meta = compose_image_meta(
            image_id,
            original.shape,
            image.shape,
            window,
            scale,
            active_class_ids(dataset, image_id),
        )
    return image, image_meta, objects.class_ids, objects.boxes, mask


def resize_settings(config) -> dict:
    """Returns the arguments of `resize_image` and `plan_resize` that a Config sets."""
    return {
        "min_dim": config.IMAGE_MIN_DIM,
        "max_dim": config.IMAGE_MAX_DIM,
        "min_scale": config.IMAGE_MIN_SCALE,
        "mode": config.IMAGE_RESIZE_MODE,
    }


def _resize(
    image: np.ndarray, config, rng, where: str, again: bool = False
) -> ResizedImage:
    """Returns `resize_image` as config says, after checking the size.

    Args:
        image: [H, W, channels].
        config: a Config.
        rng: places the crop.
        where: for the text of an error.
        again: True after IMAGE_MIN_SCALE has been applied.
    """
    settings = resize_settings(config) | ({"min_scale": None} if again else {})
    resized = resize_image(image, **settings, rng=rng)
    check_model_sides(resized.image.shape, where)
    return resized


def _augment(
    image: np.ndarray, objects: Objects, augmentation, rng, dataset
) -> tuple[np.ndarray, Objects]:
    """Returns image and objects changed by an augmentation, which takes full masks."""
    mask = stack_crops(objects.crops, image.shape)
    image, mask, class_ids = augment_image(
        image, mask, objects.class_ids, augmentation, rng
    )
    where = f"augmentation={augmentation!r}"
    return image, mask_objects(mask, checked_class_ids(class_ids, dataset, where))


def active_class_ids(dataset, image_id: int) -> np.ndarray:
    """Returns 1 for every class that the image's source annotates: int32 [C].

    An object of any other class may be in the image without being annotated, so the
    class loss must not count it as background.
    """
    active = np.zeros([dataset.num_classes], dtype=np.int32)
    active[dataset.source_class_ids[dataset.image_info[image_id]["source"]]] = 1
    return active


def image_label(dataset, image_id: int) -> str:
    """Returns "image id 7, path ...": how errors name an image."""
    try:
        info = dataset.image_info[image_id]
        return f"image id {image_id}, path {info.get('path') or info.get('id')}"
    except (AttributeError, IndexError, KeyError, TypeError):
        return f"image id {image_id}"


@contextlib.contextmanager
def naming_image(dataset, image_id: int) -> Iterator[None]:
    """Adds the name of the image to the text of an exception raised inside."""
    try:
        yield
    except Exception as error:
        if hasattr(error, NAMED):
            raise
        named = with_text(error, image_label(dataset, image_id))
        setattr(named, NAMED, image_id)
        if named is error:
            raise
        raise named from error


def with_text(error: Exception, text: str) -> Exception:
    """Returns an exception of the same type whose text ends with `text`.

    A type whose constructor does not take one text is kept as it is, with a note.
    """
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    message = f"{said} ({text})"
    new = None
    with contextlib.suppress(Exception):  # a constructor may want, and do, anything
        new = type(error)(message)
    if type(new) is not type(error) or text not in str(new):
        if hasattr(error, "add_note"):
            new = error
            new.add_note(text)
        else:
            new = RuntimeError(f"{type(error).__name__}: {message}")
    return new
