"""Learning-rate schedules: linear scaling, warm-up, steps, cosine."""

from __future__ import annotations

import math

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
        """Returns the constructor's arguments."""
        return {
            "learning_rate": self.learning_rate,
            "total_steps": self.total_steps,
            "kind": self.kind,
            "drops": self.drops,
            "warmup_steps": self.warmup_steps,
            "warmup_factor": self.warmup_factor,
        }


def make_schedule(config, learning_rate: float, total_steps: int):
    """Returns a Config's learning rate: a float when constant, else a schedule.

    Args:
        config: a Config with the LEARNING_RATE_* values.
        learning_rate: rate for LEARNING_RATE_BATCH images a step, scaled linearly to
            BATCH_SIZE (1706.02677 sec. 2.1); LEARNING_RATE_BATCH None = no scaling.
        total_steps: optimizer steps of the whole training.
    """
    if config.LEARNING_RATE_BATCH:
        learning_rate *= config.BATCH_SIZE / config.LEARNING_RATE_BATCH
    if config.LEARNING_RATE_SCHEDULE == "constant":
        if not config.LEARNING_RATE_WARMUP_STEPS:
            return learning_rate
    return WarmupSchedule(
        learning_rate,
        total_steps,
        kind=config.LEARNING_RATE_SCHEDULE,
        drops=config.LEARNING_RATE_DROPS,
        warmup_steps=config.LEARNING_RATE_WARMUP_STEPS,
        warmup_factor=config.LEARNING_RATE_WARMUP_FACTOR,
    )
