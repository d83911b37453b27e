"""load_image_gt: one image of a data set and its objects, as the network sees them."""

from __future__ import annotations

import contextlib
import warnings
from collections.abc import Iterator

import numpy as np

from mrcnn.data.augmentation import augment as augment_image
from mrcnn.geometry.image_meta import compose_image_meta
from mrcnn.geometry.images import resize_image
from mrcnn.geometry.masks import extract_bboxes, minimize_mask, resize_mask
from mrcnn.geometry.resize_plan import check_model_sides

# Set on an exception that names its image already.
NAMED = "_mrcnn_names_image"


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
    left, take boxes from the masks, shrink the masks to their boxes if asked.

    Args:
        dataset: a prepared Dataset.
        config: a Config.
        image_id: inside id, as in `dataset.image_ids`.
        augment: deprecated; mirrors every second image left to right.
        augmentation: see `mrcnn.data.augmentation.augment`.
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
    with naming_image(dataset, image_id):
        # 1. Load, and check what the user's class has returned.
        image = _checked_image(dataset.load_image(image_id), config, image_id)
        mask, class_ids = dataset.load_mask(image_id)
        mask, class_ids = checked_objects(mask, class_ids, image, dataset, image_id)
        original_shape = image.shape

        # 2. Resize.
        image, window, scale, padding, crop = resize_image(
            image,
            min_dim=config.IMAGE_MIN_DIM,
            max_dim=config.IMAGE_MAX_DIM,
            min_scale=config.IMAGE_MIN_SCALE,
            mode=config.IMAGE_RESIZE_MODE,
            rng=rng,
        )
        check_model_sides(image.shape, f"load_image_gt(image_id={image_id})")
        if mask.shape[-1]:
            mask = resize_mask(mask, scale, padding, crop)
        else:
            mask = np.zeros([*image.shape[:2], 0], dtype=bool)

        # 3. Augment.
        if augment:
            warnings.warn(
                "load_image_gt(augment=True) is deprecated; use "
                "augmentation=imgaug.augmenters.Fliplr(0.5).",
                DeprecationWarning,
                stacklevel=2,
            )
            if rng.integers(2):
                image, mask = np.fliplr(image), np.fliplr(mask)
                y1, x1, y2, x2 = window
                width = image.shape[1]
                window = (y1, width - x2, y2, width - x1)
        if augmentation is not None:
            image, mask, class_ids = augment_image(
                image, mask, class_ids, augmentation, rng
            )
            class_ids = _checked_class_ids(
                class_ids, dataset, f"augmentation={augmentation!r}"
            )

        # 4. Keep the objects that are still seen.
        bbox = extract_bboxes(mask)
        seen = bbox[:, 2] > bbox[:, 0]
        if not seen.all():
            mask, class_ids, bbox = mask[..., seen], class_ids[seen], bbox[seen]
        if use_mini_mask:
            mask = _mini_masks(bbox, mask, tuple(config.MINI_MASK_SHAPE))

        # 5. Describe.
        image_meta = compose_image_meta(
            image_id,
            original_shape,
            image.shape,
            window,
            scale,
            active_class_ids(dataset, image_id),
        )
    return image, image_meta, class_ids, bbox, mask


def active_class_ids(dataset, image_id: int) -> np.ndarray:
    """Returns 1 for every class that the image's source annotates: int32 [C].

    An object of any other class may be in the picture without being annotated, so the
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
    """Lets an exception out with its type, its text and the name of the image."""
    try:
        yield
    except Exception as error:
        if getattr(error, NAMED, False):
            raise
        named = with_text(error, image_label(dataset, image_id))
        if named is error:
            raise
        raise named from error


def with_text(error: Exception, text: str) -> Exception:
    """Returns an exception of the same type that says the same and `text`.

    A type whose constructor does not take one text is kept as it is, with a note.
    """
    said = error.args[0] if isinstance(error, KeyError) and error.args else error
    message = f"{said} ({text})"
    try:
        new = type(error)(message)
    except Exception:  # a constructor may want, and do, anything
        new = None
    if type(new) is not type(error) or text not in str(new):
        if hasattr(error, "add_note"):
            new = error
            new.add_note(text)
        else:
            new = RuntimeError(f"{type(error).__name__}: {message}")
    setattr(new, NAMED, True)
    return new


def checked_objects(
    mask, class_ids, image: np.ndarray, dataset, image_id: int
) -> tuple[np.ndarray, np.ndarray]:
    """Returns what `load_mask` gave, bool [H, W, N] and int32 [N], or raises.

    Args:
        mask: masks, bool or numbers.
        class_ids: one a mask.
        image: [H, W, ...], that the masks have to fit.
        dataset: a prepared Dataset, for the number of its classes.
        image_id: for the text of an error.

    Raises:
        ValueError, TypeError: image, masks or class ids do not fit each other.
    """
    mask = np.asarray(mask)
    class_ids = np.asarray(class_ids)
    height, width = image.shape[:2]
    where = f"load_mask(image_id={image_id})"
    if mask.dtype == object or mask.dtype.kind not in "buif":
        raise TypeError(
            f"{where}: masks must be one bool array [H, W, N]; received "
            f"{mask.dtype} {mask.shape}. Use np.stack(list_of_masks, axis=-1)."
        )
    if mask.ndim != 3 or (mask.shape[:2] != (height, width) and mask.shape[-1]):
        raise ValueError(
            f"{where}: masks must be bool [H, W, N] matching the image "
            f"({height}, {width}); received {mask.dtype} {mask.shape}. "
            f"{_shape_remedy(mask.shape, height, width)}"
        )
    if class_ids.shape != (mask.shape[-1],):
        raise ValueError(
            f"{where}: {mask.shape[-1]} masks came with class ids of the shape "
            f"{class_ids.shape}; return one class id a mask."
        )
    class_ids = _checked_class_ids(class_ids, dataset, where)
    return mask.astype(bool, copy=False), class_ids


def _checked_image(image, config, image_id: int) -> np.ndarray:
    """Returns the image as [H, W, channels] with the channels that config tells."""
    image = np.asarray(image)
    if image.ndim == 2:
        image = image[..., np.newaxis]
    channels = config.IMAGE_CHANNEL_COUNT
    if image.ndim != 3 or 0 in image.shape or image.shape[-1] != channels:
        raise ValueError(
            f"load_image(image_id={image_id}): must return [H, W, {channels}] "
            f"(config.IMAGE_CHANNEL_COUNT = {channels}); received {image.dtype} "
            f"{image.shape}. Override load_image, or change IMAGE_CHANNEL_COUNT and "
            "MEAN_PIXEL."
        )
    return image


def _checked_class_ids(class_ids: np.ndarray, dataset, where: str) -> np.ndarray:
    """Returns class ids as int32 if the data set has such classes, or raises."""
    if class_ids.size and class_ids.dtype.kind not in "uib":
        whole = class_ids.dtype.kind == "f" and np.all(class_ids == class_ids // 1)
        if not whole:
            raise TypeError(
                f"{where}: class ids must be integers; received {class_ids.dtype}. "
                "Use self.class_names.index(name)."
            )
    class_ids = class_ids.astype(np.int32)
    # Negative ids are crowds of the class -id.
    wrong = (class_ids == 0) | (np.abs(class_ids) >= dataset.num_classes)
    if wrong.any():
        raise ValueError(
            f"{where}: class ids {sorted(set(class_ids[wrong].tolist()))} are outside "
            f"1..{dataset.num_classes - 1} (0 is the background). prepare() numbers "
            "classes anew: return self.map_source_class_id('source.id') or "
            "self.class_names.index(name), not the ids given to add_class()."
        )
    return class_ids


def _shape_remedy(shape: tuple, height: int, width: int) -> str:
    """Returns what to do about masks of a wrong shape."""
    if shape == (height, width):
        return "Return mask[..., np.newaxis] for a single object."
    if len(shape) == 3 and shape[1:] == (height, width):
        return "They are [N, H, W]: return mask.transpose(1, 2, 0)."
    if len(shape) == 3 and shape[:2] == (width, height):
        return "They are transposed: return mask.transpose(1, 0, 2)."
    return (
        "If the file was turned by its EXIF note, give width and height to "
        "add_image(); if it was resized, draw the masks for its real size."
    )


def _mini_masks(bbox: np.ndarray, mask: np.ndarray, shape: tuple) -> np.ndarray:
    """Returns minimize_mask, also for no object at all."""
    if not len(bbox):
        return np.zeros([*shape, 0], dtype=bool)
    return minimize_mask(bbox, mask, shape)
