"""Augmentations put together for a purpose, to use as they are or to start from."""

from __future__ import annotations

from mrcnn.data.augmentation.copy_paste import CopyPaste


def few_photographs(dataset, config) -> CopyPaste:
    """Returns a strong augmentation for some dozens of photographs, many epochs.

    Objects of other photographs are pasted; then the image is mirrored, zoomed, tilted,
    moved, and changed in light and color. Not for classes that differ by color or
    direction, such as letters.

    Args:
        dataset: the prepared training Dataset, best an InMemoryDataset, as most images
            need a second one to be loaded.
        config: the Config of the training.
    """
    from imgaug import augmenters as iaa

    move = iaa.Affine(scale=(0.6, 1.5), rotate=(-15, 15), translate_percent=(-0.1, 0.1))
    light = iaa.SomeOf(
        (1, 2),
        [
            iaa.Multiply((0.6, 1.4)),
            iaa.LinearContrast((0.6, 1.5)),
            iaa.AddToHueAndSaturation((-50, 50)),
            iaa.Grayscale((0, 1)),
            iaa.GaussianBlur((0, 1)),
        ],
    )
    flow = iaa.Sequential(
        [iaa.Fliplr(0.5), iaa.Sometimes(0.9, move), iaa.Sometimes(0.8, light)]
    )
    return CopyPaste(
        dataset, config, probability=0.6, max_objects=4, scale=(0.3, 1.3), then=flow
    )
