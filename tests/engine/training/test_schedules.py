from __future__ import annotations

import math

import keras
import numpy as np
import pytest

from mrcnn.config import PaperConfig
from mrcnn.engine.training.run_training import make_optimizer
from mrcnn.engine.training.schedules import WarmupSchedule, make_schedule
from tests.engine.tiny import TinyConfig, make_config


def rates(schedule, steps):
    return [float(schedule(step)) for step in steps]


def test_steps_divide_by_ten_at_each_drop():
    schedule = WarmupSchedule(0.02, 90, kind="steps", drops=(2 / 3, 8 / 9))
    # 90 steps: drops at 60 and 80
    np.testing.assert_allclose(
        rates(schedule, [0, 59, 60, 79, 80, 200]),
        [0.02, 0.02, 0.002, 0.002, 0.0002, 0.0002],
        rtol=1e-5,
    )


def test_without_drops_the_rate_stays():
    schedule = WarmupSchedule(0.5, 10, kind="steps", drops=())
    assert rates(schedule, [0, 9]) == [0.5, 0.5]


def test_cosine_falls_to_half_in_the_middle_and_to_zero_at_the_end():
    schedule = WarmupSchedule(0.4, 100, kind="cosine")
    at_quarter = 0.4 * (1 + math.cos(math.pi / 4)) / 2
    np.testing.assert_allclose(
        rates(schedule, [0, 25, 50, 100, 150]),
        [0.4, at_quarter, 0.2, 0, 0],
        atol=1e-7,
    )


def test_warmup_rises_linearly_from_factor_to_one():
    schedule = WarmupSchedule(0.3, 100, warmup_steps=10, warmup_factor=1 / 3)
    np.testing.assert_allclose(
        rates(schedule, [0, 5, 10, 99]), [0.1, 0.2, 0.3, 0.3], rtol=1e-5
    )


def test_warmup_multiplies_the_schedule():
    schedule = WarmupSchedule(
        1.0, 20, kind="steps", drops=(0.25,), warmup_steps=10, warmup_factor=0
    )
    # step 5: half warm, dropped once
    np.testing.assert_allclose(rates(schedule, [4, 5]), [0.4, 0.05], rtol=1e-5)


def test_schedule_survives_its_config():
    schedule = WarmupSchedule(
        0.3, 40, kind="cosine", drops=(0.5,), warmup_steps=7, warmup_factor=0.1
    )
    saved = keras.saving.serialize_keras_object(schedule)
    again = keras.saving.deserialize_keras_object(saved)
    assert isinstance(again, WarmupSchedule)
    assert again.get_config() == schedule.get_config()
    assert rates(again, range(50)) == rates(schedule, range(50))


def test_constant_config_gives_a_number():
    assert make_schedule(TinyConfig(), 0.01, 100) == 0.01


def test_constant_config_with_warmup_gives_a_schedule():
    config = make_config(
        TinyConfig, LEARNING_RATE_WARMUP_STEPS=4, LEARNING_RATE_WARMUP_FACTOR=0.5
    )
    schedule = make_schedule(config, 0.2, 100)
    np.testing.assert_allclose(
        rates(schedule, [0, 2, 4, 100]), [0.1, 0.15, 0.2, 0.2], rtol=1e-5
    )


def test_rate_is_scaled_linearly_to_the_batch():
    config = make_config(TinyConfig, LEARNING_RATE_BATCH=16)  # batches of 2
    assert make_schedule(config, 0.02, 100) == pytest.approx(0.0025)


def test_paper_config_warms_up_and_drops_twice():
    config = make_config(PaperConfig, BATCH_SIZE=16)
    schedule = make_schedule(config, config.LEARNING_RATE, 9000)
    np.testing.assert_allclose(
        rates(schedule, [0, 500, 5999, 6000, 8000]),
        [0.02 / 3, 0.02, 0.02, 0.002, 0.0002],
        rtol=1e-4,
    )


def default_optimizer(config, learning_rate, total_steps):
    """What `train` makes when it is given no optimizer."""
    rate = make_schedule(config, learning_rate, total_steps)
    return make_optimizer(config, rate, config.LEARNING_MOMENTUM)


def test_default_optimizer_is_sgd_as_config_says():
    config = make_config(
        TinyConfig,
        LEARNING_RATE=0.07,
        LEARNING_MOMENTUM=0.8,
        GRADIENT_CLIP_NORM=3.0,
    )
    optimizer = default_optimizer(config, None, 100)
    assert isinstance(optimizer, keras.optimizers.SGD)
    assert float(optimizer.learning_rate) == pytest.approx(0.07)
    assert optimizer.momentum == 0.8
    # Not `clipnorm`, which Keras applies to each variable alone.
    assert (optimizer.global_clipnorm, optimizer.clipnorm) == (3.0, None)
    assert float(default_optimizer(config, 0.5, 100).learning_rate) == 0.5


def test_no_clip_norm_means_no_clipping():
    config = make_config(TinyConfig, GRADIENT_CLIP_NORM=None)
    assert default_optimizer(config, 0.1, 100).global_clipnorm is None


def test_adamw_decays_kernels_and_nothing_else():
    config = make_config(
        TinyConfig,
        OPTIMIZER="adamw",
        WEIGHT_DECAY=0.1,
        LEARNING_RATE=0.5,
        GRADIENT_CLIP_NORM=2.0,
    )
    optimizer = default_optimizer(config, None, 100)
    assert isinstance(optimizer, keras.optimizers.AdamW)
    assert optimizer.global_clipnorm == 2.0
    names = ("kernel", "bias", "gamma", "beta")
    variables = [keras.Variable([1.0, 2.0], name=name) for name in names]
    optimizer.apply([np.zeros(2, np.float32)] * 4, variables)
    # w - rate * decay * w, without a gradient
    np.testing.assert_allclose(variables[0], [0.95, 1.9], rtol=1e-6)
    for variable in variables[1:]:
        np.testing.assert_array_equal(variable, [1.0, 2.0])


@pytest.mark.parametrize("number", [0.25, 1, np.float32(0.25), np.int64(1)])
def test_numbers_of_any_type_are_shaped_by_the_config(number):
    config = make_config(TinyConfig, LEARNING_RATE_SCHEDULE="cosine")
    optimizer = default_optimizer(config, number, 100)
    assert isinstance(optimizer._learning_rate, WarmupSchedule)
    assert optimizer._learning_rate.learning_rate == number


def test_a_schedule_is_taken_as_it_is():
    schedule = keras.optimizers.schedules.PiecewiseConstantDecay([10], [0.3, 0.1])
    config = make_config(
        TinyConfig, LEARNING_RATE_SCHEDULE="cosine", LEARNING_RATE_BATCH=16
    )
    assert default_optimizer(config, schedule, 100)._learning_rate is schedule
