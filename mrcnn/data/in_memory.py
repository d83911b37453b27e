"""InMemoryDataset: keeps the shrunk images of a data set in memory."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.load_checks import check_prepared, checked_objects
from mrcnn.data.objects import resize_objects
from mrcnn.geometry.crops import stack_crops
from mrcnn.geometry.images import resize_image

NO_PADDING = ((0, 0), (0, 0))


class _Kept(NamedTuple):
    """An image in memory; its masks as bits, in the order of their array."""

    image: np.ndarray
    mask_bits: np.ndarray
    mask_shape: tuple[int, ...]
    class_ids: np.ndarray


class InMemoryDataset(Dataset):
    """Another data set's images and masks, loaded once, shrunk, and kept.

    Decoding a large photograph and drawing its masks takes longer than training on a
    small copy of it. Law: in the resize mode "square", with `max_side = IMAGE_MAX_DIM`,
    the network sees the same pixels as without it; images are shrunk by the function
    that would shrink them later. With another mode use `max_side = None`, as training
    then does not shrink images either.

    An image is loaded when it is used for the first time. Threads share the memory;
    each worker process has its own.
    """

    def __init__(self, dataset: Dataset, max_side: int | None = None):
        """Copies the lists of images and classes; loads no image yet.

        Args:
            dataset: a prepared Dataset; it is not changed.
            max_side: px: images whose longer side is longer are shrunk to it; None
                shrinks none. An image takes H * W * channels bytes of memory, an
                object H * W / 8.
        """
        check_prepared(dataset, "InMemoryDataset(dataset)")
        if max_side is not None and max_side < 1:
            raise ValueError(
                f"InMemoryDataset(max_side={max_side}): must be 1 px or more, or None."
            )
        # The attributes of a Dataset, with the values that a subclass gave them.
        super().__init__()
        self.prepare()
        for name in vars(self):
            setattr(self, name, copy.copy(getattr(dataset, name)))
        self._image_ids = np.array(dataset.image_ids)
        self.original = dataset
        self.max_side = max_side
        self._memory: dict[int, _Kept] = {}

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the shrunk image; a new array in each call."""
        return self._kept(image_id).image.copy()

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the shrunk masks, bool [H, W, n], and class ids, int32 [n]."""
        kept = self._kept(image_id)
        size = int(np.prod(kept.mask_shape))
        masks = np.unpackbits(kept.mask_bits, count=size).view(bool)
        return masks.reshape(kept.mask_shape), kept.class_ids.copy()

    def image_reference(self, image_id: int) -> str:
        """Returns the reference of the original data set."""
        return self.original.image_reference(image_id)

    def source_image_link(self, image_id: int) -> str:
        """Returns the link of the original data set."""
        return self.original.source_image_link(image_id)

    def _kept(self, image_id: int) -> _Kept:
        """Returns what is kept of an image, after loading it the first time."""
        if image_id not in self._memory:
            self._memory[image_id] = self._load(image_id)
        return self._memory[image_id]

    def _load(self, image_id: int) -> _Kept:
        """Loads an image and its objects from the original, and shrinks them."""
        image = np.asarray(self.original.load_image(image_id))
        # Checked before shrinking, which may hide that masks do not fit their image.
        objects = checked_objects(self.original, image_id, image.shape)
        if self.max_side is not None and max(image.shape[:2]) > self.max_side:
            shape = image.shape
            image, (y1, x1, y2, x2), scale, *_ = resize_image(
                image, max_dim=self.max_side, mode="square"
            )
            image = image[y1:y2, x1:x2]
            objects = resize_objects(objects, shape, scale, NO_PADDING)
        masks = stack_crops(objects.crops, image.shape)
        # A copy: what is kept is neither the original's array nor part of a larger one.
        image = image.copy()
        return _Kept(image, np.packbits(masks), masks.shape, objects.class_ids)
