"""A data set, two configurations and helpers so small that a step takes no time.

Processes that tests start import it by name, so it lies beside the tests.
"""

from __future__ import annotations

import contextlib
import os
import signal
import warnings

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.engine import MaskRCNN

HEIGHT, WIDTH = 48, 64  # not square
CLASSES = ("box", "bar")


class TinyConfig(Config):
    """ResNet-18, an eighth as wide, on images of 64 x 64 px."""

    NAME = "tiny"
    NUM_CLASSES = 1 + len(CLASSES)
    IMAGES_PER_GPU = 2
    IMAGE_MIN_DIM = 48
    IMAGE_MAX_DIM = 64
    STEPS_PER_EPOCH = 3
    VALIDATION_STEPS = None

    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 8
    NORM = "group"
    TOP_DOWN_PYRAMID_SIZE = 16
    RPN_CHANNELS = 16
    MASK_HEAD_CHANNELS = 16
    FPN_CLASSIF_FC_LAYERS_SIZE = 16

    RPN_ANCHOR_SCALES = (8, 12, 16, 32, 48)
    RPN_TRAIN_ANCHORS_PER_IMAGE = 32
    PRE_NMS_LIMIT = 60
    POST_NMS_ROIS_TRAINING = 20
    POST_NMS_ROIS_INFERENCE = 20
    TRAIN_ROIS_PER_IMAGE = 9
    MINI_MASK_SHAPE = (14, 14)
    MAX_GT_INSTANCES = 4
    DETECTION_MAX_INSTANCES = 6


def stub_backbone(input_image, stage5=True, train_bn=None):
    """Five convolutions: C1..C5 of a graph that is traced in a third of the time."""
    stages, x = [], input_image / 128.0
    for i in range(1, 6):
        x = keras.layers.Conv2D(
            8, 3, strides=2, padding="same", activation="relu", name=f"res{i}_stub"
        )(x)
        stages.append(x)
    return stages


def stub_shapes(config, image_shape):
    return [
        [side // stride for side in image_shape[:2]] for stride in (4, 8, 16, 32, 64)
    ]


class StubConfig(TinyConfig):
    """With a backbone of the user's own."""

    BACKBONE = stub_backbone
    COMPUTE_BACKBONE_SHAPE = staticmethod(stub_shapes)


class TinyDataset(Dataset):
    """Pictures of noise; picture i shows i % 4 objects: 0, 4 and 8 show none."""

    def __init__(self, count=8, source="tiny", first=0):
        super().__init__()
        for class_id, name in enumerate(CLASSES, start=1):
            self.add_class(source, class_id, name)
        for i in range(first, first + count):
            self.add_image(source, f"id{i}", f"folder/{i}.png", number=i)
        self.prepare()

    def load_image(self, image_id):
        number = self.image_info[image_id]["number"]
        rng = np.random.default_rng(number)
        image = rng.integers(0, 256, [HEIGHT, WIDTH, 3]).astype(np.uint8)
        masks, _ = self.load_mask(image_id)
        image[masks.any(axis=2)] = 20 * number % 256
        return image

    def load_mask(self, image_id):
        count = self.image_info[image_id]["number"] % 4
        masks = np.zeros([HEIGHT, WIDTH, count], dtype=bool)
        for i in range(count):
            masks[5 + 10 * i : 25 + 10 * i, 20 * i : 20 * i + 16, i] = True
        return masks, np.arange(count, dtype=np.int32) % len(CLASSES) + 1


class EmptyDataset(TinyDataset):
    """No picture shows an object."""

    def load_mask(self, image_id):
        return np.zeros([HEIGHT, WIDTH, 0], bool), np.zeros([0], np.int32)


class NearlyEmptyDataset(TinyDataset):
    """One picture shows an object, one that the first epoch does not come to."""

    def load_mask(self, image_id):
        config = TinyConfig()
        generator = DataGenerator(self, config, steps=config.STEPS_PER_EPOCH)
        seen = np.ravel([generator.image_ids_of(0, i) for i in range(len(generator))])
        shown = min(set(range(len(self.image_info))) - set(seen.tolist()))
        masks = np.ones([HEIGHT, WIDTH, int(image_id == shown)], bool)
        return masks, np.ones([masks.shape[2]], np.int32)


class NanDataset(TinyDataset):
    """The pixels of the pictures in `broken` are no numbers."""

    broken = (5,)

    def load_image(self, image_id):
        image = super().load_image(image_id).astype(np.float32)
        return image * (np.nan if image_id in self.broken else 1.0)


class BrokenMaskDataset(TinyDataset):
    """`load_mask` of picture 5 fails."""

    def load_mask(self, image_id):
        if self.image_info[image_id]["number"] == 5:
            raise LookupError("annotation broken")
        return super().load_mask(image_id)


class DeadlyDataset(TinyDataset):
    """Picture 5 kills the worker process that loads it, as a lack of memory does."""

    parent = os.getpid()

    def load_mask(self, image_id):
        number = self.image_info[image_id]["number"]
        if number == 5 and os.getpid() != self.parent:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().load_mask(image_id)


class Spy(keras.callbacks.Callback):
    """Takes notes; `at[(event, epoch, batch)]` is called when that comes."""

    def __init__(self, mrcnn=None, at=None):
        super().__init__()
        self.mrcnn, self.at, self.epoch = mrcnn, at or {}, 0
        self.files, self.epochs_done, self.rates, self.before = {}, {}, [], None

    def _event(self, name, batch=None):
        if (name, self.epoch, batch) in self.at:
            self.at[name, self.epoch, batch]()

    def on_epoch_begin(self, epoch, logs=None):
        self.epoch = epoch

    def on_train_batch_begin(self, batch, logs=None):
        self.before = weights_of(self.model)
        self._event("batch", batch)

    def on_epoch_end(self, epoch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))
        if self.mrcnn is not None:
            self.files[epoch] = sorted(os.listdir(self.mrcnn.log_dir))
            self.epochs_done[epoch] = self.mrcnn.epoch
        self._event("epoch end")


class PlannedError(Exception):
    """What a test raises to end a training."""


def fail():
    raise PlannedError


@contextlib.contextmanager
def eagerly():
    """Runs training steps without tracing them: right for few steps."""
    tf.config.run_functions_eagerly(True)
    try:
        with warnings.catch_warnings():
            # That the batches are made by a traced function all the same.
            warnings.filterwarnings("ignore", message=".*does not apply to tf.data")
            yield
    finally:
        tf.config.run_functions_eagerly(False)


def make_config(base=StubConfig, **values):
    config = base()
    for name, value in values.items():
        setattr(config, name, value)
    return config


def make_trainer(folder, base=StubConfig, model_class=MaskRCNN, **values):
    return model_class("training", make_config(base, **values), folder)


def make_detector(folder, model_class=MaskRCNN):
    """Returns a MaskRCNN with weights, drawn at random, that detect in every image."""
    config = make_config(TinyConfig, DETECTION_MIN_CONFIDENCE=0.0)
    model = model_class("inference", config, folder)
    rng = np.random.default_rng(0)
    # Seldom background, and with these kernels both other classes.
    biases = {"mrcnn_class_logits": [-2, 3, 0], "mrcnn_mask": [-1, 0, 1]}
    for name, values in biases.items():
        kernel, bias = model.keras_model.get_layer(name).weights
        kernel.assign(rng.normal(0, 2, kernel.shape))
        bias.assign(values)
    return model


def train(trainer, dataset=None, val=None, *, epochs=1, layers="all", **kwargs):
    """Trains in silence; the data set is a TinyDataset unless one is given."""
    dataset = TinyDataset() if dataset is None else dataset
    kwargs = {"learning_rate": 0.01, "verbose": 0, **kwargs}
    return trainer.train(dataset, val, epochs=epochs, layers=layers, **kwargs)


def weights_of(model):
    """Returns the weights by path, random seeds left out."""
    return {
        w.path: np.array(w.numpy())
        for w in model.weights
        if "seed_generator" not in w.path
    }


def changed(before, after):
    """Returns the paths of the weights that differ in any bit."""
    assert before.keys() == after.keys()
    return {path for path in before if not np.array_equal(before[path], after[path])}


def assert_same_weights(before, after):
    assert not changed(before, after)
