"""The Keras model for training: five named losses, their weighted sum, L2, checks."""

from __future__ import annotations

import math

import keras
import tensorflow as tf

from mrcnn.config_checks import LOSS_NAMES
from mrcnn.engine.network import Network


def decayed_weights(model: keras.Model) -> list:
    """Returns the trainable variables that weight decay acts on.

    Scales and offsets of normalization layers (gamma, beta) are left out: shrinking
    them is no regularisation of what the layer computes.
    """
    return [w for w in model.trainable_weights if w.name not in ("gamma", "beta")]


def _batch_size(x) -> tf.Tensor:
    return tf.shape(keras.tree.flatten(x)[0])[0]


def _check_values(what: str) -> tf.Variable:
    """Returns a variable for a value that has to be finite and the five losses."""
    return tf.Variable(
        tf.zeros([1 + len(LOSS_NAMES)]),
        trainable=False,
        name=f"checked_{what}",
        # Each replica has its own; nan in one of them is nan in the mean.
        synchronization=tf.VariableSynchronization.ON_READ,
        aggregation=tf.VariableAggregation.MEAN,
    )


@keras.saving.register_keras_serializable("mrcnn")
class TrainingModel(Network):
    """A functional model whose outputs are its losses.

    The outputs are a dict of float32 scalars by loss name. `fit` minimises their
    weighted sum plus the L2 term, and reports each of them. A sum or a gradient that is
    not finite raises InvalidArgumentError before any weight is changed.
    """

    def set_loss_terms(
        self,
        loss_weights: dict[str, float] | None = None,
        weight_decay: float = 0.0,
        weight_decay_by_size: bool = True,
    ) -> None:
        """Sets what the losses are multiplied with and how weights are decayed.

        Call it before `compile`: the values are constants of the compiled step.

        Args:
            loss_weights: factor of each loss by name; a missing name counts 1.
            weight_decay: factor wd of the L2 term.
            weight_decay_by_size: True adds wd * sum(w^2) / size(w) for each tensor;
                False adds wd / 2 * sum(w^2), whose gradient is the papers' wd * w.
        """
        weights = loss_weights or {}
        self._loss_factors = {n: float(weights.get(n, 1.0)) for n in LOSS_NAMES}
        self._weight_decay = float(weight_decay)
        self._weight_decay_by_size = bool(weight_decay_by_size)
        if not hasattr(self, "_means"):
            names = [*LOSS_NAMES, *(f"weighted_{name}" for name in LOSS_NAMES)]
            self._means = {name: keras.metrics.Mean(name=name) for name in names}
            self._checks = {what: _check_values(what) for what in ("loss", "gradient")}
        with self.distribute_strategy.scope():
            for values in self._checks.values():
                values.assign(tf.zeros_like(values))

    @property
    def metrics(self):
        """Returns what is reported: weighted losses only where they differ."""
        if all(factor == 1.0 for factor in self._loss_factors.values()):
            hidden = {id(self._means[f"weighted_{name}"]) for name in LOSS_NAMES}
            return [m for m in super().metrics if id(m) not in hidden]
        return super().metrics

    def _checked(self, what: str, value: tf.Tensor, losses: dict):
        """Returns a context whose operations wait until `value` was found to be finite.

        The values are kept for `failed_check`: an error of TensorFlow has them in its
        text only.
        """
        values = tf.stack([value, *(losses[name] for name in LOSS_NAMES)])
        kept = self._checks[what].assign(values)
        with tf.control_dependencies([kept]):
            named = [part for name in LOSS_NAMES for part in (name, losses[name])]
            message = [f"the {what} is not finite:", *named]
            check = tf.debugging.Assert(tf.math.is_finite(value), message)
        # Executed eagerly it has raised, or returned None.
        return tf.control_dependencies([] if check is None else [check])

    def failed_check(self) -> tuple[str, dict[str, float]] | None:
        """Returns which check of the latest step failed, and the five losses then.

        Returns:
            ("loss" or "gradient", losses by name); None when both were finite.
        """
        with self.distribute_strategy.scope():
            for what, variable in self._checks.items():
                value, *losses = variable.numpy().tolist()
                if not math.isfinite(value):
                    return what, dict(zip(LOSS_NAMES, losses, strict=True))
        return None

    def _regularization(self) -> tf.Tensor:
        if not self._weight_decay:
            return tf.constant(0.0)
        terms = []
        for weight in decayed_weights(self):
            value = tf.cast(weight.value, tf.float32)
            divisor = tf.cast(tf.size(value), tf.float32)
            divisor = divisor if self._weight_decay_by_size else 2.0
            terms.append(tf.reduce_sum(tf.square(value)) / divisor)
        return self._weight_decay * tf.add_n(terms) if terms else tf.constant(0.0)

    def compute_loss(
        self, x=None, y=None, y_pred=None, sample_weight=None, training=True
    ):
        """Returns the weighted sum of the five losses plus the L2 term, a scalar."""
        factors = self._loss_factors
        total = tf.add_n([factors[name] * y_pred[name] for name in LOSS_NAMES])
        total += self._regularization()
        with self._checked("loss", total, y_pred):
            one = tf.identity(1.0)
        # A factor, so that the gradients too wait for the check.
        total *= one
        # Replicas add their gradients; the mean over the global batch needs 1 / n.
        return total / tf.distribute.get_strategy().num_replicas_in_sync

    def add_loss(self, loss) -> None:
        """Raises: Keras 3 adds no loss to a functional model.

        Raises:
            NotImplementedError: always; says what to do instead.
        """
        raise NotImplementedError(
            "add_loss(): the losses of this model are its outputs and are summed by "
            "name; weigh them with Config's LOSS_WEIGHTS. For a further one, override "
            "MaskRCNN.build() and wrap compute_loss of the model it returns."
        )

    def train_step(self, data):
        """Returns the metrics after one step, which is that of Keras with a check.

        A pixel that is no number need not show in the loss: ReLU on the CPU may make
        0 of it. It shows in the gradient.
        """
        x, _, _ = keras.utils.unpack_x_y_sample_weight(data)
        with tf.GradientTape() as tape:
            y_pred = self(x, training=True)
            loss = self.compute_loss(x=x, y_pred=y_pred, training=True)
            scaled_loss = self.optimizer.scale_loss(loss)
        self._loss_tracker.update_state(
            loss * tf.distribute.get_strategy().num_replicas_in_sync,
            sample_weight=_batch_size(x),
        )
        weights = self.trainable_weights
        gradients = tape.gradient(scaled_loss, weights)
        # With loss scaling (float16) infinite gradients are the optimizer's business.
        if not isinstance(self.optimizer, keras.optimizers.LossScaleOptimizer):
            norm = tf.linalg.global_norm(gradients)
            with self._checked("gradient", norm, y_pred):
                gradients = [None if g is None else tf.identity(g) for g in gradients]
        self.optimizer.apply_gradients(zip(gradients, weights, strict=True))
        return self.compute_metrics(x, None, y_pred)

    def compute_metrics(self, x, y, y_pred, sample_weight=None):
        """Returns the running means of `loss` and of the five losses by name."""
        # As Keras weighs `loss`: the last batch of a pass may be smaller.
        count = _batch_size(x)
        for name in LOSS_NAMES:
            self._means[name].update_state(y_pred[name], sample_weight=count)
            weighted = self._loss_factors[name] * y_pred[name]
            self._means[f"weighted_{name}"].update_state(weighted, sample_weight=count)
        return self.get_metrics_result()

    def get_config(self):
        """Returns the graph, and the terms of the loss beside it."""
        terms = {
            "loss_weights": self._loss_factors,
            "weight_decay": self._weight_decay,
            "weight_decay_by_size": self._weight_decay_by_size,
        }
        return {**super().get_config(), "loss_terms": terms}

    @classmethod
    def from_config(cls, config, custom_objects=None):
        """Returns the model of a `get_config`."""
        graph = {key: value for key, value in config.items() if key != "loss_terms"}
        model = super().from_config(graph, custom_objects=custom_objects)
        model.set_loss_terms(**config["loss_terms"])
        return model
