from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from mrcnn.data.generator import DataGenerator
from mrcnn.model import EvaluationCallback, NonFiniteLossError
from tests.engine.tiny import (
    BrokenMaskDataset,
    DeadlyDataset,
    NanDataset,
    Spy,
    TinyDataset,
    assert_same_weights,
    make_config,
    make_trainer,
    train,
    weights_of,
)


def step_of(dataset, image_id, epoch=0, **values):
    """Returns the step of an epoch that trains an image, and that step's images."""
    config = make_config(**values)
    generator = DataGenerator(
        dataset, config, seed=config.SEED, steps=config.STEPS_PER_EPOCH
    )
    for index in range(len(generator)):
        image_ids = generator.image_ids_of(epoch, index).tolist()
        if image_id in image_ids:
            return index, image_ids
    raise AssertionError("the image is not in this epoch")


def test_a_loss_that_is_not_finite_names_step_and_images(tmp_path):
    """Traced, as in real life; without clipping the update needs no joint norm."""
    data, values = NanDataset(), {"STEPS_PER_EPOCH": None, "SEED": 1}
    trainer = make_trainer(tmp_path, GRADIENT_CLIP_NORM=None, **values)
    step, image_ids = step_of(data, 5, **values)
    spy = Spy()
    assert step > 0  # it happens in the midst of the epoch
    with pytest.raises(NonFiniteLossError) as error:
        train(trainer, data, custom_callbacks=[spy])
    text = str(error.value)
    assert f"epoch 1, step {step + 1} " in text
    assert re.search(r"\(rpn_class_loss \S+, rpn_bbox_loss \S+, .*mask_loss", text)
    labels = [f"image id {i}, path folder/{i}.png" for i in range(8)]
    named = [label for label in labels if label in text]
    assert named == [labels[i] for i in sorted(image_ids)]
    assert_same_weights(spy.before, weights_of(trainer.keras_model))
    assert not list(tmp_path.rglob("*.h5"))


@pytest.mark.usefixtures("eager")
def test_a_validation_loss_that_is_not_finite_names_the_images(tmp_path):
    class LaterDataset(NanDataset):
        """Its picture 5 breaks after the first validation, of three steps."""

        loaded = 0

        def load_image(self, image_id):
            self.loaded += 1
            self.broken = (5,) if self.loaded > 6 else ()
            return super().load_image(image_id)

    val = LaterDataset(6, first=20)  # images 4 and 5 are its third batch
    with pytest.raises(
        NonFiniteLossError, match="validation after epoch 2, step 3"
    ) as error:
        train(make_trainer(tmp_path), TinyDataset(), val, epochs=3)
    text = str(error.value)
    assert "image id 4, path folder/24.png; image id 5, path folder/25.png" in text
    assert "image id 0," not in text


@pytest.mark.usefixtures("eager")
@pytest.mark.parametrize(
    ("workers", "processes"), [(0, False), (1, False), (2, False), (2, True)]
)
def test_an_error_in_load_mask_ends_train_as_it_is(tmp_path, workers, processes):
    values = {"STEPS_PER_EPOCH": 4, "SEED": 1, "ON_DATA_ERROR": "raise"}
    data = BrokenMaskDataset()
    trainer = make_trainer(tmp_path, **values)
    step, _ = step_of(data, 5, **values)
    with pytest.raises(LookupError) as error:
        train(trainer, data, workers=workers, use_multiprocessing=processes)
    assert type(error.value) is LookupError
    assert "annotation broken" in str(error.value)
    assert "image id 5, path folder/5.png" in str(error.value)
    assert int(trainer.keras_model.optimizer.iterations) == step > 0


@pytest.mark.usefixtures("eager")
def test_an_error_in_validation_data_ends_train_as_it_is(tmp_path):
    trainer = make_trainer(tmp_path, ON_DATA_ERROR="raise")
    with pytest.raises(LookupError, match="annotation broken.*folder/5.png"):
        train(trainer, TinyDataset(), BrokenMaskDataset())


@pytest.mark.usefixtures("eager")
def test_a_killed_worker_ends_train_with_an_error(tmp_path):
    data = DeadlyDataset()
    with pytest.raises(RuntimeError, match=r"worker process \d+ ended \(signal 9\)"):
        train(make_trainer(tmp_path), data, workers=2, use_multiprocessing=True)


@pytest.mark.usefixtures("eager")
def test_an_error_in_a_callback_comes_out_as_it_is(tmp_path):
    class Faulty(keras.callbacks.Callback):
        def on_train_batch_end(self, batch, logs=None):
            raise ZeroDivisionError("mine")

    with pytest.raises(ZeroDivisionError, match="^mine$"):
        train(make_trainer(tmp_path), custom_callbacks=[Faulty()])


@pytest.mark.usefixtures("eager")
def test_after_an_error_the_model_can_train(tmp_path):
    trainer = make_trainer(tmp_path, ON_DATA_ERROR="raise")
    with pytest.raises(LookupError):
        train(trainer, BrokenMaskDataset())
    history = train(trainer, TinyDataset()).history
    assert np.all(np.isfinite(history["loss"]))


def renamed(*names):
    """A data set with as many classes, of other names."""
    dataset = TinyDataset(3)
    dataset.class_names = ["BG", *names]
    return dataset


@pytest.mark.parametrize("names", [("bar", "box"), ("box", "rod")])
def test_classes_of_another_order_or_name_are_refused(training_graph, names):
    with pytest.raises(ValueError, match=r"val_dataset.*order") as error:
        train(training_graph, val=renamed(*names))
    assert str(["BG", *names]) in str(error.value)
    assert "['BG', 'box', 'bar']" in str(error.value)


def test_classes_of_an_evaluation_are_those_of_the_training(
    training_graph, monkeypatch
):
    monkeypatch.setattr(type(training_graph), "build", lambda *_, **__: None)
    callback = EvaluationCallback(training_graph, renamed("bar", "box"))
    with pytest.raises(ValueError, match="EvaluationCallback"):
        train(training_graph, custom_callbacks=[callback])
