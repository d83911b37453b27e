"""A data set kept in memory, shrunk: for epochs that should not wait for files."""

from __future__ import annotations

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.geometry.images import resize_image
from mrcnn.geometry.masks import resize_mask


class InMemoryDataset(Dataset):
    """Another data set's images and masks, loaded once, shrunk, and kept.

    Decoding a photograph and drawing its masks at full size costs more than training
    on it small. With `max_side = IMAGE_MAX_DIM` the network sees the same pixels as
    without it: images are shrunk by the function that would shrink them later.
    """

    def __init__(self, dataset: Dataset, max_side: int | None = None):
        """Takes over images, classes and ids; loads nothing yet.

        Args:
            dataset: a prepared Dataset; stays as it is.
            max_side: px, of the longer side; images that are smaller already, and all
                with None, keep their size. An image takes H * W * channels bytes, an
                object H * W / 8.
        """
        super().__init__()
        if not hasattr(dataset, "num_classes"):
            raise ValueError(
                "InMemoryDataset(dataset): the data set is not prepared; call "
                "dataset.prepare() first."
            )
        self.__dict__.update(vars(dataset))
        self.original = dataset
        self.max_side = max_side
        self._memory: dict[int, tuple] = {}

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the image as the original does, shrunk; a copy of its own."""
        return self._kept(image_id)[0].copy()

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns bool [H, W, n] and int32 [n] as the original does, shrunk."""
        _, packed, shape, class_ids = self._kept(image_id)
        masks = np.unpackbits(packed, count=int(np.prod(shape))).view(bool)
        return masks.reshape(shape), class_ids.copy()

    def image_reference(self, image_id: int) -> str:
        """Returns the reference the original gives."""
        return self.original.image_reference(image_id)

    def _kept(self, image_id: int) -> tuple:
        """Returns (image, packed masks, their shape, class ids)."""
        kept = self._memory.get(image_id)
        if kept is None:
            image = self.original.load_image(image_id)
            masks, class_ids = self.original.load_mask(image_id)
            masks = np.asarray(masks).astype(bool)
            longer = max(image.shape[:2])
            if self.max_side is not None and longer > self.max_side:
                image, _, scale, padding, _ = resize_image(
                    image, max_dim=self.max_side, mode="square"
                )
                (top, bottom), (left, right), *_ = padding
                inside = np.s_[
                    top : image.shape[0] - bottom, left : image.shape[1] - right
                ]
                image = image[inside]
                if masks.shape[-1]:
                    masks = resize_mask(masks, scale, padding)[inside]
                else:
                    masks = np.zeros([*image.shape[:2], 0], bool)
            class_ids = np.asarray(class_ids)
            kept = (image, np.packbits(masks), masks.shape, class_ids)
            self._memory[image_id] = kept
        return kept
