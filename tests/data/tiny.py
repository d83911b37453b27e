"""A data set of twelve small images for the tests.

Workers that are spawned import it by name, so it lies beside the tests, not in one.
"""

from __future__ import annotations

import os
import signal
import time

import numpy as np

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset

HEIGHT, WIDTH = 48, 64  # not square


class TinyConfig(Config):
    NAME = "tiny"
    NUM_CLASSES = 3
    IMAGES_PER_GPU = 3
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (4, 8, 16, 32, 64)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 16
    MINI_MASK_SHAPE = (14, 14)
    MAX_GT_INSTANCES = 4


class TinyDataset(Dataset):
    """Image i is of the color i and has i % 4 objects: images 0, 4 and 8 have none."""

    def __init__(self, count=12):
        super().__init__()
        self.add_class("tiny", 1, "square")
        self.add_class("tiny", 2, "bar")
        for i in range(count):
            self.add_image("tiny", f"id{i}", f"folder/{i}.png")
        self.prepare()

    def load_image(self, image_id):
        return np.full([HEIGHT, WIDTH, 3], 20 * image_id, dtype=np.uint8)

    def load_mask(self, image_id):
        count = image_id % 4
        masks = np.zeros([HEIGHT, WIDTH, count], dtype=bool)
        for i in range(count):
            masks[4 * i : 4 * i + 10 + image_id, 15 * i : 15 * i + 12, i] = True
        return masks, np.arange(count, dtype=np.int32) % 2 + 1


class BrokenMaskDataset(TinyDataset):
    """Image 7 cannot be loaded; `error` is what its load_mask raises."""

    error: Exception = LookupError("annotation broken")

    def load_mask(self, image_id):
        if image_id == 7:
            raise self.error
        return super().load_mask(image_id)


class DeadlyDataset(TinyDataset):
    """Image 7 kills the process that loads it, as the out-of-memory killer does."""

    def load_mask(self, image_id):
        if image_id == 7:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load_mask(image_id)


class StuckDataset(TinyDataset):
    """Image 7 takes for ever."""

    def load_mask(self, image_id):
        if image_id == 7:
            time.sleep(3600)
        return super().load_mask(image_id)


def assert_same_batch(batch, other):
    """Batches are dicts of equal arrays."""
    assert batch.keys() == other.keys()
    for name, array in batch.items():
        assert array.dtype == other[name].dtype, name
        np.testing.assert_array_equal(array, other[name], err_msg=name)


# Keywords of PooledLoader, by who makes the batches.
LOADER_KINDS = {
    "in the caller": {"workers": 0},
    "one thread": {"workers": 1},
    "three threads": {"workers": 3},
    "one process": {"workers": 1, "use_multiprocessing": True},
    "two processes": {"workers": 2, "use_multiprocessing": True},
}


def wait_until(condition, seconds=10.0):
    end = time.monotonic() + seconds
    while not condition() and time.monotonic() < end:
        time.sleep(0.01)
    return condition()
