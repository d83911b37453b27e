"""Interrupted and resumed in one process; tests/slow/test_resume.py really kills."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from tests.engine.tiny import (
    PlannedError,
    Spy,
    TinyDataset,
    assert_same_weights,
    eagerly,
    fail,
    make_trainer,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")


def run(folder, at=None, *, epochs=4, stages=(), **values):
    """Trains a new model, resuming what is in the folder.

    Args:
        at: where to fail, a key of `Spy.at`.
        stages: (epochs, layers) of calls of `train` before the last one.

    Returns:
        The losses of each epoch by number, the weights and the spy; None on failure.
    """
    values = {"STEPS_PER_EPOCH": 2, "LEARNING_RATE_SCHEDULE": "cosine", **values}
    trainer = make_trainer(folder, **values)
    spy = Spy(at={at: fail})
    losses = {}
    try:
        for total, layers in [*stages, (epochs, "all")]:
            history = train(
                trainer,
                TinyDataset(),
                epochs=total,
                layers=layers,
                custom_callbacks=[spy],
                resume=True,
            )
            for i, epoch in enumerate(history.epoch):
                losses[epoch] = {k: v[i] for k, v in history.history.items()}
    except PlannedError:
        return None
    return losses, weights_of(trainer.keras_model), spy


@pytest.fixture(scope="module")
def whole(tmp_path_factory):
    """The uninterrupted run."""
    with eagerly():
        return run(tmp_path_factory.mktemp("whole"))


def assert_continues(whole, resumed, epochs):
    losses, weights, spy = resumed
    assert losses == {epoch: whole[0][epoch] for epoch in epochs}
    assert_same_weights(whole[1], weights)
    assert spy.rates == whole[2].rates[-len(spy.rates) :]


def test_nothing_to_resume_starts_anew(whole):
    assert list(whole[0]) == [0, 1, 2, 3]


@pytest.mark.parametrize(
    ("at", "keep"),
    [
        (("batch", 2, 1), None),  # in the midst of the third epoch
        (("epoch end", 2, None), 1),  # its checkpoint written, its state not
    ],
)
def test_a_resumed_run_equals_an_uninterrupted_one(tmp_path, whole, at, keep):
    assert run(tmp_path, at, KEEP_CHECKPOINTS=keep) is None
    resumed = run(tmp_path, KEEP_CHECKPOINTS=keep)
    assert_continues(whole, resumed, [2, 3])
    runs = {path.parent for path in tmp_path.rglob("*.h5")}
    assert len(runs) == 1  # goes on in the folder of the run


def test_a_run_interrupted_twice_and_in_its_first_epoch(tmp_path, whole):
    assert run(tmp_path, ("batch", 0, 1)) is None
    assert run(tmp_path, ("batch", 3, 1)) is None
    assert_continues(whole, run(tmp_path), [3])


def test_a_folder_in_which_nothing_was_trained_does_not_hide_a_run(tmp_path):
    run(tmp_path, epochs=1)
    (tmp_path / "tiny20991231T2359").mkdir()
    assert list(run(tmp_path, epochs=2)[0]) == [1]


def test_checkpoints_without_their_state_are_told(tmp_path):
    run(tmp_path, epochs=1)
    for path in tmp_path.rglob("training_state_*.h5"):
        path.unlink()
    with pytest.warns(UserWarning, match="tiny_0001.h5 has no training_state.*a new"):
        assert list(run(tmp_path, epochs=1)[0]) == [0]
    assert len(list(tmp_path.rglob("mask_rcnn_tiny_0001.h5"))) == 2


def test_a_finished_run_is_not_trained_again(tmp_path, caplog):
    losses, weights, _ = run(tmp_path, epochs=1)
    assert list(losses) == [0]
    losses, again, _ = run(tmp_path, epochs=1)
    assert losses == {} and "1 epochs are done already" in caplog.text
    assert_same_weights(weights, again)


STAGES = [(2, "heads")]


@pytest.fixture(scope="module")
def whole_stages(tmp_path_factory):
    with eagerly():
        return run(tmp_path_factory.mktemp("stages"), stages=STAGES)


@pytest.mark.parametrize(
    ("at", "epochs"),
    [
        (("batch", 1, 1), [1, 2, 3]),  # in the first stage
        (("batch", 2, 1), [2, 3]),  # in the first epoch of the second stage
    ],
)
def test_a_script_of_stages_resumes_in_the_right_one(
    tmp_path, whole_stages, at, epochs
):
    assert run(tmp_path, at, stages=STAGES) is None
    assert_continues(whole_stages, run(tmp_path, stages=STAGES), epochs)


def test_other_arguments_start_a_new_optimizer_and_say_so(tmp_path, caplog):
    assert run(tmp_path, ("batch", 1, 0)) is None
    losses, _, _ = run(tmp_path, epochs=2)
    assert list(losses) == [1]
    assert "epochs=4" in caplog.text and "starts with a new optimizer" in caplog.text


@pytest.mark.parametrize(
    "make",
    [
        lambda: keras.optimizers.Adam(0.003),
        lambda: keras.optimizers.LossScaleOptimizer(
            keras.optimizers.SGD(0.001, momentum=0.9), initial_scale=2.0
        ),
    ],
)
def test_a_users_optimizer_is_continued(tmp_path, make):
    def losses(folder, *at):
        trainer = make_trainer(folder, STEPS_PER_EPOCH=2)
        return train(
            trainer,
            epochs=3,
            optimizer=make(),
            custom_callbacks=[Spy(at=dict.fromkeys(at, fail))],
            resume=True,
        ).history["loss"]

    whole = losses(tmp_path / "whole")
    with pytest.raises(PlannedError):
        losses(tmp_path, ("batch", 2, 0))
    np.testing.assert_array_equal(losses(tmp_path), whole[2:])


def test_another_optimizer_cannot_be_resumed(tmp_path):
    def once(optimizer, *at):
        trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
        spy = Spy(at=dict.fromkeys(at, fail))
        train(
            trainer, epochs=3, optimizer=optimizer, custom_callbacks=[spy], resume=True
        )

    with pytest.raises(PlannedError):
        once(keras.optimizers.Adam(0.003), ("batch", 1, 0))
    with pytest.raises(ValueError, match="written by Adam.*this run has SGD"):
        once(keras.optimizers.SGD(0.003))
