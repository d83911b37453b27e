"""A learning rate, or a frozen layer, that is not what the user wrote is told."""

from __future__ import annotations

import warnings

import keras
import numpy as np
import pytest

from mrcnn.model import MaskRCNN
from tests.engine.tiny import (
    TinyDataset,
    make_trainer,
    stub_backbone,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")


class OldSchedule(keras.callbacks.Callback):
    """As scripts for Keras 2 set the rate."""

    def __init__(self, event):
        super().__init__()
        self.rates = []
        setattr(self, event, self.set_rate)

    def set_rate(self, number, logs=None):
        self.model.optimizer.lr = 0.125

    def on_train_batch_end(self, batch, logs=None):
        self.rates.append(float(self.model.optimizer.learning_rate))


@pytest.mark.parametrize(
    "event", ["on_train_begin", "on_epoch_begin", "on_train_batch_begin"]
)
def test_optimizer_lr_of_keras_2_is_obeyed_and_told(tmp_path, event):
    trainer = make_trainer(tmp_path, model_class=MaskRCNN, STEPS_PER_EPOCH=2)
    callback = OldSchedule(event)
    with pytest.warns(UserWarning, match=r"write optimizer\.learning_rate = 0\.125"):
        train(trainer, custom_callbacks=[callback])
    assert callback.rates == [0.125, 0.125]


def test_optimizer_lr_beside_a_schedule_is_told(tmp_path):
    values = {"LEARNING_RATE_SCHEDULE": "cosine", "LEARNING_RATE": 0.01}
    trainer = make_trainer(tmp_path, model_class=MaskRCNN, STEPS_PER_EPOCH=1, **values)
    with pytest.warns(UserWarning, match="nothing was changed.*LEARNING_RATE_SCHEDULE"):
        train(trainer, custom_callbacks=[OldSchedule("on_epoch_begin")])


def test_optimizer_lr_in_a_fit_of_ones_own(tmp_path):
    from mrcnn.model import DataGenerator

    trainer = make_trainer(tmp_path, model_class=MaskRCNN)
    trainer.compile(0.01, 0.9)
    trainer.keras_model.optimizer.lr = 0.25
    batches = DataGenerator(TinyDataset(4), trainer.config)
    with pytest.warns(UserWarning, match=r"optimizer\.lr = 0\.25"):
        trainer.keras_model.fit_generator(batches, 1, verbose=0)
    assert float(trainer.keras_model.optimizer.learning_rate) == 0.25


@pytest.mark.parametrize(
    ("values", "optimizer", "said"),
    [
        ({"LEARNING_RATE_SCHEDULE": "cosine"}, None, "LEARNING_RATE_SCHEDULE='cosine'"),
        ({"LEARNING_RATE_WARMUP_STEPS": 5}, None, "LEARNING_RATE_WARMUP_STEPS=5"),
        ({"LEARNING_RATE_BATCH": 16}, None, "LEARNING_RATE_BATCH=16"),
        ({}, 0.5, "learning_rate of its own, 0.5"),
        ({"LEARNING_RATE_SCHEDULE": "cosine", "LEARNING_RATE": 0.01}, None, None),
        ({}, 0.01, None),
        ({}, None, None),
    ],
)
def test_a_learning_rate_that_is_not_used_is_told(tmp_path, values, optimizer, said):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1, **values)
    optimizer = optimizer and keras.optimizers.SGD(optimizer)
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        train(trainer, learning_rate=0.01, optimizer=optimizer)
    texts = [str(w.message) for w in record if "learning_rate=0.01" in str(w.message)]
    assert len(texts) == (said is not None)
    assert said is None or said in texts[0]


@pytest.mark.parametrize(("train_bn", "layers"), [(False, "all"), (False, "heads")])
def test_batch_normalization_of_keras_in_a_backbone_is_told(tmp_path, train_bn, layers):
    def backbone(input_image, stage5=True, train_bn=None):
        maps = stub_backbone(input_image)
        norm = keras.layers.BatchNormalization(name="own_norm")
        return [*maps[:4], norm(maps[4], training=train_bn)]

    values = {"BACKBONE": backbone, "TRAIN_BN": train_bn, "STEPS_PER_EPOCH": 1}
    trainer = make_trainer(tmp_path, **values)
    before = weights_of(trainer.keras_model)["own_norm/moving_mean"]
    with warnings.catch_warnings(record=True) as record:
        warnings.simplefilter("always")
        train(trainer, layers=layers)
    told = [str(w.message) for w in record if "own_norm" in str(w.message)]
    after = weights_of(trainer.keras_model)["own_norm/moving_mean"]
    # Whether they move is what Keras does; that nobody says so was the fault.
    assert np.array_equal(before, after) == (not told) == (layers == "heads")
    assert layers == "heads" or "TRAIN_BN=False does not hold for 1 " in told[0]
