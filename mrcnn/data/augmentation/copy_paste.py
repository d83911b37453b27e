"""Copy-paste augmentation: pastes objects of other images onto an image."""

from __future__ import annotations

from dataclasses import KW_ONLY, dataclass
from typing import Any, ClassVar

import numpy as np

from mrcnn.data.augmentation.augment import augment
from mrcnn.data.image_gt import load_image_gt
from mrcnn.geometry.crops import tight_crop


@dataclass(eq=False, repr=False)
class CopyPaste:
    """Pastes objects of a random image, mirrored and scaled, onto an image.

    Simple Copy-Paste (2012.07177) sec. 3: new images from the objects that a data set
    has; most useful where it has few images. Deviation: there, the objects of an image
    move together; here, each is scaled and placed on its own.

    Use it as `augmentation=`, alone or before another one: `CopyPaste(dataset, config,
    then=imgaug_augmenter)`. Law: the result depends on the arguments and the state of
    `rng` alone.

    Args:
        dataset: a prepared Dataset to take objects from, with the classes of the one
            that is trained on; an InMemoryDataset, if loading is slow.
        config: the Config of the training, for the size of images.
        probability: share of images that get something pasted.
        max_objects: 1 to this many objects are pasted.
        scale: (least, greatest) factor on an object's size in its own image.
        min_visible: ratio of an object's pixels that pasting has to leave, or the
            object is dropped.
        then: augmentation to apply afterwards, see `augment`.

    Raises:
        ValueError: the data set is not prepared or a number is out of its range.
    """

    dataset: Any
    config: Any
    _: KW_ONLY
    probability: float = 0.5
    max_objects: int = 3
    scale: tuple[float, float] = (0.5, 1.5)
    min_visible: float = 0.3
    then: Any = None
    # `augment` passes the class ids too, and gets them back.
    changes_objects: ClassVar[bool] = True

    def __post_init__(self):
        """Checks the data set and the numbers."""
        if not len(getattr(self.dataset, "image_ids", ())):
            raise ValueError(
                "CopyPaste(dataset): has no images; call prepare() after add_image()."
            )
        low, high = self.scale
        for name, is_right, rule in (
            ("probability", 0 <= self.probability <= 1, "must be 0 to 1"),
            ("max_objects", self.max_objects >= 1, "must be 1 or more"),
            ("scale", 0 < low <= high, "must rise, and be above 0"),
            ("min_visible", 0 <= self.min_visible <= 1, "must be 0 to 1"),
        ):
            if not is_right:
                raise ValueError(f"CopyPaste({name}={getattr(self, name)}): {rule}.")

    def __call__(
        self,
        image: np.ndarray,
        mask: np.ndarray,
        class_ids: np.ndarray,
        rng: np.random.Generator,
    ) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
        """Returns image [H, W, channels], bool mask [H, W, n'], int32 class_ids [n'].

        Args:
            image: uint8 [H, W, channels], px; padding is black. It is not changed.
            mask: bool [H, W, n], px.
            class_ids: int32 [n].
            rng: source of the randomness.
        """
        if rng.random() < self.probability:
            image, mask, class_ids = self._paste(image, mask, class_ids, rng)
        if self.then is not None:
            image, mask, class_ids = augment(image, mask, class_ids, self.then, rng)
        return image, mask, class_ids

    def _paste(self, image, mask, class_ids, rng):
        """Returns image, mask and class ids with the objects of one image pasted."""
        # 1. An image as the network sees it, and some of its objects. A crowd is not
        #    one thing that could lie elsewhere.
        source, _, source_ids, _, source_mask = load_image_gt(
            self.dataset, self.config, int(rng.choice(self.dataset.image_ids)), rng=rng
        )
        candidates = np.flatnonzero(source_ids > 0)
        count = min(int(rng.integers(1, self.max_objects + 1)), len(candidates))
        chosen = rng.choice(candidates, count, replace=False)

        # 2. Each covers those before it.
        image, window = image.copy(), tight_crop(image.any(axis=-1)).box
        if not any(window):  # black throughout
            window = 0, 0, *image.shape[:2]
        areas = mask.sum(axis=(0, 1))
        for i in chosen:
            crop = tight_crop(source_mask[..., i])
            patch, shape = self._vary(crop.of(source), crop.mask, rng)
            pasted = _place(image, patch, shape, window, rng)
            mask = np.dstack([mask & ~pasted[..., np.newaxis], pasted])
            areas = np.append(areas, pasted.sum())
        class_ids = np.concatenate([class_ids, source_ids[chosen]])

        # 3. Drop what can hardly be seen any more. Of a crowd every pixel counts: it
        #    only says where nothing is to be learned.
        visible = mask.sum(axis=(0, 1))
        seen = (visible >= self.min_visible * areas) | (class_ids < 0)
        seen &= visible > 0
        return image, mask[..., seen], class_ids[seen]

    def _vary(self, patch, shape, rng):
        """Returns an object's box, pixels and bool mask, scaled and mirrored."""
        import cv2  # a tenth of the time that scikit-image takes

        factor = np.exp(rng.uniform(*np.log(self.scale)))
        height, width = (max(1, round(factor * side)) for side in shape.shape)
        shape = cv2.resize(shape.astype(np.uint8) * 255, (width, height)) >= 128
        # OpenCV loses the axis of a single channel.
        patch = cv2.resize(patch, (width, height)).reshape(height, width, -1)
        if rng.random() < 0.5:
            patch, shape = patch[:, ::-1], shape[:, ::-1]
        return patch, shape


def _place(image, patch, shape, window, rng) -> np.ndarray:
    """Writes a patch into `image`, its center anywhere in the window.

    Returns:
        bool [H, W], the pixels written; parts outside the window are cut off.
    """
    y1, x1, y2, x2 = window
    height, width = shape.shape
    top = int(rng.integers(y1, y2)) - height // 2
    left = int(rng.integers(x1, x2)) - width // 2
    y1, x1 = max(top, y1), max(left, x1)
    y2, x2 = min(top + height, y2), min(left + width, x2)
    part = np.s_[y1 - top : y2 - top, x1 - left : x2 - left]
    pasted = np.zeros(image.shape[:2], bool)
    pasted[y1:y2, x1:x2] = shape[part]
    image[pasted] = patch[part][shape[part]]
    return pasted
