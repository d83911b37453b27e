"""Models that several scripts look at: one that detects, one that was trained."""

from __future__ import annotations

from types import SimpleNamespace

import keras
import numpy as np
import pytest

import mrcnn.model as modellib
from mrcnn import utils
from tests.engine.tiny import TinyDataset, eagerly
from tests.scripts.small import InferenceConfig, SmallConfig


class MeanAveragePrecision(keras.callbacks.Callback):
    """Evaluates a second model on the newest checkpoint after each epoch."""

    def __init__(self, train_model, inference_model, dataset):
        super().__init__()
        self.train_model = train_model
        self.inference_model = inference_model
        self.dataset = dataset
        self.seen = []

    def on_epoch_end(self, epoch, logs=None):
        path = self.train_model.find_last()
        self.inference_model.load_weights(path, by_name=True)
        scores = []
        for image_id in self.dataset.image_ids:
            image, _, class_ids, boxes, masks = modellib.load_image_gt(
                self.dataset, self.inference_model.config, image_id, use_mini_mask=False
            )
            r = self.inference_model.detect([image], verbose=0)[0]
            ap, _, _, _ = utils.compute_ap(
                *(boxes, class_ids, masks),
                *(r["rois"], r["class_ids"], r["scores"], r["masks"]),
            )
            scores.append(ap)
        logs["val_map"] = float(np.mean(scores))
        self.seen.append((epoch, path, logs["val_map"]))


@pytest.fixture
def eager():
    """Training steps of this test are not traced."""
    with eagerly():
        yield


@pytest.fixture(scope="session")
def model(tmp_path_factory):
    """An inference model, weights drawn at random, that detects in every picture."""
    folder = tmp_path_factory.mktemp("logs")
    model = modellib.MaskRCNN("inference", InferenceConfig(), folder)
    rng = np.random.default_rng(0)
    # Seldom background, and with these kernels both other classes.
    biases = {"mrcnn_class_logits": [-2, 3, 0], "mrcnn_mask": [-1, 0, 1]}
    for name, values in biases.items():
        kernel, bias = model.keras_model.get_layer(name).weights
        kernel.assign(rng.normal(0, 2, kernel.shape))
        bias.assign(values)
    return model


@pytest.fixture(scope="session")
def training(tmp_path_factory):
    """Two epochs of the heads, with callbacks as scripts bring them."""
    folder = tmp_path_factory.mktemp("logs")
    dataset_train, dataset_val = TinyDataset(4), TinyDataset(2, first=1)
    model = modellib.MaskRCNN(mode="training", config=SmallConfig(), model_dir=folder)
    second = modellib.MaskRCNN("inference", InferenceConfig(), folder)
    evaluation = MeanAveragePrecision(model, second, dataset_val)
    stopping = keras.callbacks.EarlyStopping(monitor="val_loss", patience=5)
    with eagerly():
        model.train(
            dataset_train,
            dataset_val,
            learning_rate=model.config.LEARNING_RATE,
            epochs=2,
            layers="heads",
            custom_callbacks=[evaluation, stopping],
        )
    return SimpleNamespace(
        model=model, second=second, evaluation=evaluation, stopping=stopping
    )
