from __future__ import annotations

import re
import warnings

import keras
import numpy as np
import pytest

from mrcnn.engine import MaskRCNN
from mrcnn.engine.training.training_model import LOSS_NAMES, decayed_weights
from tests.engine.tiny import (
    NearlyEmptyDataset,
    Spy,
    TinyConfig,
    TinyDataset,
    assert_same_weights,
    changed,
    make_config,
    make_trainer,
    train,
    weights_of,
)

ALL_KEYS = {"loss", *LOSS_NAMES}


# One traced run of two epochs, three steps each, with validation: see conftest.py.


def test_history_has_the_five_losses_and_their_sum_plain_and_val(run):
    assert isinstance(run.history, keras.callbacks.History)
    assert run.history.epoch == [0, 1]
    assert set(run.history.history) == ALL_KEYS | {f"val_{key}" for key in ALL_KEYS}
    for values in run.history.history.values():
        assert len(values) == 2 and np.all(np.isfinite(values))


def test_loss_is_the_sum_of_the_five_and_the_l2_term(run):
    history, config = run.history.history, run.trainer.config
    # After the last validation nothing was trained: its L2 term can be computed. Its
    # last batch is smaller than the others.
    squares = [
        np.mean(w.numpy() ** 2) for w in decayed_weights(run.trainer.keras_model)
    ]
    l2 = config.WEIGHT_DECAY * np.sum(squares)
    parts = sum(history[f"val_{name}"][-1] for name in LOSS_NAMES)
    assert len(run.val.image_ids) % config.BATCH_SIZE == 1
    assert 0 < l2 < 0.1 * parts
    assert history["val_loss"][-1] == pytest.approx(parts + l2, rel=1e-5)
    parts = sum(history[name][-1] for name in LOSS_NAMES)
    assert parts < history["loss"][-1] < parts + 2 * l2


def test_each_epoch_asks_for_its_own_batches_in_order(run):
    first, second = (
        [key for dataset, *key in run.asked if dataset is run.data and key[0] == epoch]
        for epoch in (0, 1)
    )
    assert first == [[0, 0], [0, 1], [0, 2]]
    assert second == [[1, 0], [1, 1], [1, 2]]


def test_each_validation_asks_for_every_image_once(run):
    asked = [key for dataset, *key in run.asked if dataset is run.val]
    assert asked == 2 * [[0, 0], [0, 1], [0, 2]]  # 5 images: 2 + 2 + 1


def test_the_step_is_traced_once(run):
    """It takes seconds, and longer than all the rest before the first step."""
    assert len(run.traces) == 1


def test_a_checkpoint_an_epoch_in_the_folder_of_the_run(run):
    assert re.fullmatch(r".*/tiny\d{8}T\d{4}", run.trainer.log_dir)
    for epoch in (0, 1):  # written before custom callbacks run
        assert f"mask_rcnn_tiny_{epoch + 1:04d}.h5" in run.spy.files[epoch]
        assert f"mask_rcnn_tiny_{epoch + 2:04d}.h5" not in run.spy.files[epoch]
    assert run.spy.epochs_done == {0: 1, 1: 2}
    assert run.trainer.epoch == 2
    assert run.trainer.find_last() == f"{run.trainer.log_dir}/mask_rcnn_tiny_0002.h5"


def test_the_last_checkpoint_holds_the_trained_weights(run):
    detector = MaskRCNN("inference", run.trainer.config, run.trainer.model_dir)
    report = detector.load_weights(run.trainer.find_last())
    assert not report.missing and not report.unexpected
    assert detector.epoch == 2 and detector.log_dir == run.trainer.log_dir
    assert_same_weights(
        weights_of(run.trainer.keras_model), weights_of(detector.keras_model)
    )


@pytest.mark.parametrize("part", ["train", "validation"])
def test_tensorboard_files_have_the_losses(run, part):
    accumulator = pytest.importorskip(
        "tensorboard.backend.event_processing.event_accumulator"
    )
    events = accumulator.EventAccumulator(f"{run.trainer.log_dir}/{part}")
    events.Reload()
    tags = set(events.Tags()["tensors"])
    assert {f"epoch_{name}" for name in ALL_KEYS} <= tags
    assert [e.step for e in events.Tensors("epoch_mrcnn_mask_loss")] == [0, 1]


def test_training_goes_on_to_the_total_and_then_says_it_is_done(run, caplog):
    before = weights_of(run.trainer.keras_model)
    history = train(run.trainer, epochs=2)
    assert isinstance(history, keras.callbacks.History)
    assert history.epoch == [] and history.history == {}
    assert "2 epochs are done already" in caplog.text
    assert_same_weights(before, weights_of(run.trainer.keras_model))


# Short runs of one claim each.

pytestmark = pytest.mark.usefixtures("eager")


def test_stages_share_the_count_of_epochs(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    start = weights_of(trainer.keras_model)
    assert train(trainer, layers="heads").epoch == [0]
    heads = weights_of(trainer.keras_model)
    assert changed(start, heads)
    assert all(
        path.startswith(("mrcnn_", "rpn_", "fpn_")) for path in changed(start, heads)
    )
    assert train(trainer, epochs=3, layers="all").epoch == [1, 2]
    assert "res1_stub/kernel" in changed(heads, weights_of(trainer.keras_model))
    found = sorted(path.name for path in tmp_path.glob("*/mask_rcnn_*"))
    assert found == [f"mask_rcnn_tiny_000{i}.h5" for i in (1, 2, 3)]


def test_only_the_newest_checkpoints_are_kept(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1, KEEP_CHECKPOINTS=2)
    train(trainer, epochs=3)
    found = sorted(path.name for path in tmp_path.glob("*/*.h5"))
    checkpoints = ["mask_rcnn_tiny_0002.h5", "mask_rcnn_tiny_0003.h5"]
    states = ["training_state_0002.h5", "training_state_0003.h5"]
    assert found == [*checkpoints, *states]  # one pair to go back to


def test_without_validation_there_are_no_val_keys(tmp_path):
    assert set(train(make_trainer(tmp_path)).history) == ALL_KEYS


def test_one_pass_over_the_data_is_an_epoch_where_no_steps_are_set(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=None)
    train(trainer, TinyDataset(5))  # 2 + 2 + 1
    assert int(trainer.keras_model.optimizer.iterations) == 3


def test_images_without_objects_train(tmp_path):
    trainer = make_trainer(tmp_path, WEIGHT_DECAY=0.0)
    before = weights_of(trainer.keras_model)
    history = train(trainer, NearlyEmptyDataset()).history
    assert history["rpn_class_loss"][0] > 0 and history["mrcnn_class_loss"][0] > 0
    for name in ("rpn_bbox_loss", "mrcnn_bbox_loss", "mrcnn_mask_loss"):
        assert history[name] == [0]
    moved = changed(before, weights_of(trainer.keras_model))
    assert {"rpn_class_raw/kernel", "mrcnn_class_logits/kernel"} <= moved
    assert "mrcnn_mask/kernel" not in moved


def test_images_of_different_sizes_train(tmp_path):
    class SizesDataset(TinyDataset):
        """Two pictures of one size, then others."""

        sizes = ((64, 64), (64, 64), (64, 128), (128, 64))

        def load_image(self, image_id):
            return np.full([*self.sizes[image_id], 3], 50, np.uint8)

        def load_mask(self, image_id):
            masks = np.zeros([*self.sizes[image_id], 1], bool)
            masks[8:40, 10:50] = True
            return masks, np.array([1], np.int32)

    trainer = make_trainer(
        tmp_path,
        IMAGE_RESIZE_MODE="none",
        IMAGES_PER_GPU=1,
        STEPS_PER_EPOCH=None,
        USE_MINI_MASK=False,
    )
    data = SizesDataset(4)
    train(trainer, data, data)
    assert int(trainer.keras_model.optimizer.iterations) == 4


def losses_of(folder, dataset=None, seed=0, **kwargs):
    trainer = make_trainer(folder, SEED=seed)
    return train(trainer, dataset, **kwargs).history


def test_the_same_seed_gives_the_same_losses_whoever_loads(tmp_path):
    first = losses_of(tmp_path)
    assert losses_of(tmp_path) == first
    assert losses_of(tmp_path, workers=3) == first
    assert losses_of(tmp_path, workers=2, use_multiprocessing=True) == first
    assert losses_of(tmp_path, seed=1) != first


def test_a_users_optimizer_is_used(tmp_path):
    trainer = make_trainer(tmp_path)
    optimizer = keras.optimizers.Adam(0.001)
    train(trainer, optimizer=optimizer, learning_rate=None)
    assert trainer.keras_model.optimizer is optimizer
    assert int(optimizer.iterations) == 3


def test_a_schedule_sets_the_rate_of_each_step(tmp_path):
    trainer = make_trainer(tmp_path, LEARNING_MOMENTUM=0.0)
    before = weights_of(trainer.keras_model)
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([1], [0.0, 0.5])
    spy = Spy()
    train(trainer, learning_rate=schedule, custom_callbacks=[spy])  # steps 0, 1, 2
    assert_same_weights(before, spy.before)  # `before` the last step: rates were 0
    assert changed(before, weights_of(trainer.keras_model))  # the last was not


def test_the_schedule_of_the_config_spans_the_whole_call(tmp_path):
    trainer = make_trainer(tmp_path, LEARNING_RATE_SCHEDULE="cosine")
    spy = Spy()
    train(trainer, epochs=2, learning_rate=0.08, custom_callbacks=[spy])
    # 6 steps; the rate of the next step after 3 and after 6
    np.testing.assert_allclose(spy.rates, [0.04, 0.0], atol=1e-7)


@pytest.mark.parametrize("train_bn", [False, True, None])
def test_train_bn_decides_about_moving_statistics(tmp_path, train_bn):
    trainer = make_trainer(
        tmp_path, TinyConfig, NORM="batch", TRAIN_BN=train_bn, STEPS_PER_EPOCH=1
    )
    before = weights_of(trainer.keras_model)
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        train(trainer, TinyDataset(2, first=2))
    # Without weights loaded, False normalizes by nothing.
    told = any("TRAIN_BN=False keeps" in str(warning.message) for warning in caught)
    assert told == (train_bn is False)
    moved = changed(before, weights_of(trainer.keras_model))
    assert {"bn_conv1/gamma", "mrcnn_class_bn1/beta"} <= moved
    statistics = {path for path in before if "moving_" in path}
    assert moved & statistics == (set() if train_bn is False else statistics)


def test_custom_callbacks_can_end_the_training(tmp_path):
    class Stop(keras.callbacks.Callback):
        def on_epoch_end(self, epoch, logs=None):
            assert set(logs) == ALL_KEYS
            self.model.stop_training = epoch == 1

    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    assert train(trainer, epochs=5, custom_callbacks=[Stop()]).epoch == [0, 1]
    assert trainer.epoch == 2


def test_augmentation_is_applied_but_not_to_sources_left_out(tmp_path):
    seen = []

    def augmentation(image, mask, rng):
        seen.append(image.shape)
        return image, mask

    def count(**kwargs):
        seen.clear()
        train(
            make_trainer(tmp_path, STEPS_PER_EPOCH=None),
            TinyDataset(4),
            TinyDataset(2),
            augmentation=augmentation,
            **kwargs,
        )
        return len(seen)

    assert count(workers=0) == 4  # not the validation images
    assert count(workers=0, no_augmentation_sources=["tiny"]) == 0


def test_data_and_config_that_do_not_fit_are_errors_before_any_work(tmp_path):
    trainer = make_trainer(tmp_path)
    three = TinyDataset()
    three.add_class("tiny", 3, "third")
    three.prepare()
    with pytest.raises(ValueError, match=r"NUM_CLASSES=3.*has 4 classes"):
        train(trainer, three)
    with pytest.raises(ValueError, match=r"NUM_CLASSES=3.*has 4 classes"):
        train(trainer, TinyDataset(), three)
    with pytest.raises(ValueError, match="no images.*add_image"):
        train(trainer, TinyDataset(0))
    trainer.config.GRADIENT_CLIP_NORM = -1
    with pytest.raises(ValueError, match="GRADIENT_CLIP_NORM=-1"):
        train(trainer)
    assert list(tmp_path.iterdir()) == []


def test_training_needs_the_training_mode(tmp_path):
    model = MaskRCNN("inference", make_config(), tmp_path)
    with pytest.raises(ValueError, match=r"train\(\): .*mode='inference'"):
        train(model)
