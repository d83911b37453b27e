"""Learning-rate schedules: linear scaling, warm-up, steps, cosine."""

from __future__ import annotations

import math
import numbers

import keras
import tensorflow as tf


@keras.saving.register_keras_serializable("mrcnn")
class WarmupSchedule(keras.optimizers.schedules.LearningRateSchedule):
    """Warm-up, then a constant rate, steps, or half a cosine.

    The warm-up rises linearly from `warmup_factor * learning_rate` (Goyal et al.,
    1706.02677 sec. 2.2). "steps" multiplies the rate by 0.1 at each of `drops`, given
    as fractions of `total_steps` (Mask R-CNN 1703.06870 sec. 3.1 drops at 120k of
    160k). "cosine" falls from the rate to 0 (SGDR, 1608.03983 eq. 5).
    """

    def __init__(
        self,
        learning_rate: float,
        total_steps: int,
        *,
        kind: str = "constant",
        drops=(2 / 3, 8 / 9),
        warmup_steps: int = 0,
        warmup_factor: float = 1 / 3,
    ):
        super().__init__()
        self.learning_rate = float(learning_rate)
        self.total_steps = int(total_steps)
        self.kind = kind
        self.drops = tuple(float(d) for d in drops)
        self.warmup_steps = int(warmup_steps)
        self.warmup_factor = float(warmup_factor)

    def __call__(self, step):
        """Returns the rate, a float32 scalar, of step 0, 1, ... of this training."""
        step = tf.cast(step, tf.float32)
        total = float(max(self.total_steps, 1))
        rate = tf.constant(self.learning_rate, tf.float32)
        if self.kind == "steps":
            passed = [tf.cast(step >= d * total, tf.float32) for d in self.drops]
            rate *= tf.pow(0.1, tf.add_n(passed)) if passed else 1.0
        elif self.kind == "cosine":
            progress = tf.clip_by_value(step / total, 0.0, 1.0)
            rate *= 0.5 * (1.0 + tf.cos(math.pi * progress))
        if self.warmup_steps:
            done = tf.clip_by_value(step / self.warmup_steps, 0.0, 1.0)
            rate *= self.warmup_factor + (1.0 - self.warmup_factor) * done
        return rate

    def get_config(self):
        """Returns the constructor's arguments, which are all the attributes."""
        return dict(vars(self))


def is_number(value) -> bool:
    """Returns whether a learning rate is a number, of NumPy too, and no schedule."""
    return isinstance(value, numbers.Real)


def make_schedule(config, learning_rate, total_steps: int):
    """Returns a learning rate as Config's LEARNING_RATE_* shape it.

    Args:
        config: a Config.
        learning_rate: the rate for LEARNING_RATE_BATCH images a step, scaled linearly
            to BATCH_SIZE (1706.02677 sec. 2.1); LEARNING_RATE_BATCH None = no scaling.
            None for LEARNING_RATE; a Keras LearningRateSchedule is returned as it is.
        total_steps: optimizer steps of the whole call of `train`.

    Returns:
        A float when the rate is constant, else a Keras LearningRateSchedule.
    """
    if learning_rate is None:
        learning_rate = config.LEARNING_RATE
    if not is_number(learning_rate):
        return learning_rate
    learning_rate = float(learning_rate)
    if config.LEARNING_RATE_BATCH:
        learning_rate *= config.BATCH_SIZE / config.LEARNING_RATE_BATCH
    kind, warmup_steps = (
        config.LEARNING_RATE_SCHEDULE,
        config.LEARNING_RATE_WARMUP_STEPS,
    )
    if kind == "constant" and not warmup_steps:
        return learning_rate
    return WarmupSchedule(
        learning_rate,
        total_steps,
        kind=kind,
        drops=config.LEARNING_RATE_DROPS,
        warmup_steps=warmup_steps,
        warmup_factor=config.LEARNING_RATE_WARMUP_FACTOR,
    )
