"""A data set kept in memory, shrunk: for epochs that should not wait for files."""

from __future__ import annotations

import copy
from typing import NamedTuple

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.load_checks import checked_objects
from mrcnn.geometry.images import resize_image
from mrcnn.geometry.masks import resize_mask

NO_PADDING = ((0, 0), (0, 0))


class _Kept(NamedTuple):
    """An image in memory; its masks as bits, in the order of their array."""

    image: np.ndarray
    mask_bits: np.ndarray
    mask_shape: tuple[int, ...]
    class_ids: np.ndarray


class InMemoryDataset(Dataset):
    """Another data set's images and masks, loaded once, shrunk, and kept.

    Decoding a photograph and drawing its masks at full size costs more than training
    on it small. Law: in the resize mode "square", with `max_side = IMAGE_MAX_DIM`, the
    network sees the same pixels as without it; images are shrunk by the function that
    would shrink them later. The other modes do not shrink, so neither should this.

    An image is loaded when it is first asked for. Threads share what is kept; each
    worker process keeps its own.
    """

    def __init__(self, dataset: Dataset, max_side: int | None = None):
        """Takes over images, classes and ids; loads nothing yet.

        Args:
            dataset: a prepared Dataset; stays as it is.
            max_side: px, of the longer side; images that are smaller already, and all
                with None, keep their size. An image takes H * W * channels bytes, an
                object H * W / 8.
        """
        if not hasattr(dataset, "num_classes"):
            raise ValueError(
                "InMemoryDataset(dataset): the data set is not prepared; call "
                "dataset.prepare() first."
            )
        if max_side is not None and max_side < 1:
            raise ValueError(
                f"InMemoryDataset(max_side={max_side}): must be 1 px or more, or None."
            )
        # All that a data set is, whatever a subclass has made of it.
        super().__init__()
        self.prepare()
        for name in vars(self):
            setattr(self, name, copy.copy(getattr(dataset, name)))
        self._image_ids = np.array(dataset.image_ids)
        self.original = dataset
        self.max_side = max_side
        self._memory: dict[int, _Kept] = {}

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the image as the original does, shrunk; a copy of its own."""
        return self._kept(image_id).image.copy()

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns bool [H, W, n] and int32 [n] as the original does, shrunk."""
        kept = self._kept(image_id)
        size = int(np.prod(kept.mask_shape))
        masks = np.unpackbits(kept.mask_bits, count=size).view(bool)
        return masks.reshape(kept.mask_shape), kept.class_ids.copy()

    def image_reference(self, image_id: int) -> str:
        """Returns the reference the original gives."""
        return self.original.image_reference(image_id)

    def source_image_link(self, image_id: int) -> str:
        """Returns the link the original gives."""
        return self.original.source_image_link(image_id)

    def _kept(self, image_id: int) -> _Kept:
        """Returns what is kept of an image, after loading it the first time."""
        kept = self._memory.get(image_id)
        if kept is None:
            kept = self._memory[image_id] = self._load(image_id)
        return kept

    def _load(self, image_id: int) -> _Kept:
        """Loads an image and its objects from the original, and shrinks them."""
        image = np.asarray(self.original.load_image(image_id))
        masks, class_ids = self.original.load_mask(image_id)
        # Before shrinking, which may hide that masks do not fit their image.
        masks, class_ids = checked_objects(masks, class_ids, image, self, image_id)
        if self.max_side is not None and max(image.shape[:2]) > self.max_side:
            image, (y1, x1, y2, x2), scale, *_ = resize_image(
                image, max_dim=self.max_side, mode="square"
            )
            image = image[y1:y2, x1:x2]
            if masks.shape[-1]:
                masks = resize_mask(masks, scale, NO_PADDING)
        if not masks.shape[-1]:
            masks = np.zeros([*image.shape[:2], 0], bool)
        # Copies: what is kept is neither the original's array nor part of a larger one.
        return _Kept(image.copy(), np.packbits(masks), masks.shape, class_ids)
