from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.engine.graph import build_model
from mrcnn.engine.layer_groups import set_trainable
from mrcnn.engine.training.training_model import LOSS_NAMES, decayed_weights
from tests.engine.tiny import (
    StubConfig,
    make_config,
    make_trainer,
    train,
)

LOSSES = dict(zip(LOSS_NAMES, (1.0, 2.0, 4.0, 8.0, 16.0), strict=True))


@pytest.fixture
def model():
    return build_model("training", make_config(WEIGHT_DECAY=0.0))


def total(model, losses=LOSSES):
    return float(model.compute_loss(y_pred=constants(losses)))


def constants(losses):
    return {name: tf.constant(value) for name, value in losses.items()}


def l2_by_hand(model, by_size):
    """0.01 * sum(w^2) / size, or 0.01 / 2 * sum(w^2), without gamma and beta."""
    sums = 0.0
    for weight in model.trainable_weights:
        if weight.path.split("/")[-1] not in ("gamma", "beta"):
            squares = np.sum(np.square(weight.numpy(), dtype=np.float64))
            sums += squares / (weight.numpy().size if by_size else 2)
    return 0.01 * sums


def test_the_loss_is_the_sum_of_the_five(model):
    assert total(model) == 31


def test_each_loss_is_multiplied_with_its_weight(model):
    model.set_loss_terms({"rpn_bbox_loss": 0.5, "mrcnn_mask_loss": 0.0})
    assert total(model) == 1 + 0.5 * 2 + 4 + 8


def test_loss_weights_come_from_the_config():
    weights = {**StubConfig.LOSS_WEIGHTS, "mrcnn_class_loss": 10.0}
    config = make_config(LOSS_WEIGHTS=weights, WEIGHT_DECAY=0.0)
    assert total(build_model("training", config)) == 31 + 9 * 4


@pytest.mark.parametrize("by_size", [True, False])
def test_weight_decay_is_added_in_the_form_of_the_config(by_size):
    config = make_config(WEIGHT_DECAY=0.01, WEIGHT_DECAY_BY_SIZE=by_size)
    model = build_model("training", config)
    expected = l2_by_hand(model, by_size)
    assert expected > 1e-3
    assert total(model) - 31 == pytest.approx(expected, rel=1e-2)
    zeros = dict.fromkeys(LOSS_NAMES, 0.0)
    assert total(model, zeros) == pytest.approx(expected, rel=1e-5)


def test_adamw_decays_weights_itself_and_not_in_the_loss():
    config = make_config(WEIGHT_DECAY=0.01, OPTIMIZER="adamw")
    assert total(build_model("training", config)) == 31


def test_gradient_of_the_papers_form_is_decay_times_weight(model):
    model.set_loss_terms(weight_decay=0.01, weight_decay_by_size=False)
    kernel = model.get_layer("fpn_p2").kernel
    with tf.GradientTape() as tape:
        y_pred = {name: tf.constant(0.0) for name in LOSS_NAMES}
        loss = model.compute_loss(y_pred=y_pred)
    gradient = tape.gradient(loss, kernel.value)
    np.testing.assert_allclose(gradient, 0.01 * kernel.numpy(), rtol=1e-5)


def test_frozen_weights_and_normalization_are_not_decayed(model):
    names = {weight.path.split("/")[-1] for weight in decayed_weights(model)}
    assert names == {"kernel", "bias"}
    assert len(decayed_weights(model)) < len(model.trainable_weights)
    set_trainable(model, "rpn_class_raw")
    assert [w.path for w in decayed_weights(model)] == [
        "rpn_class_raw/kernel",
        "rpn_class_raw/bias",
    ]


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_a_loss_that_is_not_finite_is_an_error_with_all_five(model, value):
    with pytest.raises(tf.errors.InvalidArgumentError, match="not finite"):
        total(model, {**LOSSES, "rpn_bbox_loss": value})


def test_the_check_that_failed_is_remembered_until_the_next_training(model):
    assert model.failed_check() is None
    total(model)
    assert model.failed_check() is None
    with pytest.raises(tf.errors.InvalidArgumentError):
        total(model, {**LOSSES, "rpn_bbox_loss": np.nan})
    what, losses = model.failed_check()
    assert what == "loss" and np.isnan(losses.pop("rpn_bbox_loss"))
    assert losses == {n: v for n, v in LOSSES.items() if n != "rpn_bbox_loss"}
    model.set_loss_terms()  # as each `compile` does
    assert model.failed_check() is None


def test_a_gradient_that_is_not_finite_is_told_from_a_loss(model):
    with pytest.raises(tf.errors.InvalidArgumentError, match="the gradient is not"):
        model._checked("gradient", tf.constant(np.inf), LOSSES)
    assert model.failed_check() == ("gradient", LOSSES)


def test_a_failed_check_is_remembered_under_a_strategy():
    strategy = tf.distribute.MirroredStrategy(["CPU:0"])
    with strategy.scope():
        model = build_model("training", make_config())
    losses = {**LOSSES, "rpn_bbox_loss": np.nan}

    @tf.function
    def step():
        return strategy.run(lambda: model.compute_loss(y_pred=constants(losses)))

    with pytest.raises(tf.errors.InvalidArgumentError, match="rpn_bbox_loss"):
        step()
    assert model.failed_check()[0] == "loss"


def test_gradients_wait_for_the_check_of_the_loss(model):
    """So that no optimizer, however quick, moves a weight before."""
    kernel = model.get_layer("fpn_p2").kernel

    @tf.function
    def step():
        with tf.GradientTape() as tape:
            y_pred = {n: tf.reduce_sum(kernel.value) for n in LOSS_NAMES}
            loss = model.compute_loss(y_pred=y_pred)
        kernel.value.assign_sub(tape.gradient(loss, kernel.value))

    graph = step.get_concrete_function().graph
    found, todo = set(), [op for op in graph.get_operations() if "Assign" in op.type]
    assert todo
    while todo:
        op = todo.pop()
        if op.name not in found:
            found.add(op.name)
            todo += [*op.control_inputs, *(t.op for t in op.inputs)]
    assert any("Assert" in name for name in found)


def test_replicas_share_the_loss(model, monkeypatch):
    class TwoReplicas:
        num_replicas_in_sync = 2

    monkeypatch.setattr(tf.distribute, "get_strategy", TwoReplicas)
    assert total(model) == 31 / 2


def test_loss_terms_survive_saving(tmp_path):
    weights = {**StubConfig.LOSS_WEIGHTS, "mrcnn_class_loss": 10.0}
    config = make_config(
        LOSS_WEIGHTS=weights, WEIGHT_DECAY=0.01, WEIGHT_DECAY_BY_SIZE=False
    )
    model = build_model("training", config)
    model.save(tmp_path / "model.keras")
    again = keras.saving.load_model(tmp_path / "model.keras")
    assert total(again) == pytest.approx(total(model), rel=1e-6)
    assert total(again) > 31 + 9 * 4


@pytest.mark.usefixtures("eager")
def test_weights_other_than_one_are_reported_raw_and_weighted(tmp_path):
    weights = {**StubConfig.LOSS_WEIGHTS, "mrcnn_class_loss": 10.0}
    trainer = make_trainer(tmp_path, LOSS_WEIGHTS=weights, WEIGHT_DECAY=0.0)
    history = train(trainer).history
    assert set(history) == {
        "loss",
        *LOSS_NAMES,
        *(f"weighted_{name}" for name in LOSS_NAMES),
    }
    for name in LOSS_NAMES:
        factor = 10 if name == "mrcnn_class_loss" else 1
        assert history[f"weighted_{name}"][0] == pytest.approx(
            factor * history[name][0], rel=1e-5
        )
    assert sum(history[f"weighted_{n}"][0] for n in LOSS_NAMES) == pytest.approx(
        history["loss"][0], rel=1e-5
    )
