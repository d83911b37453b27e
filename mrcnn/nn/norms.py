"""Normalization layers: BatchNorm that obeys TRAIN_BN, GroupNorm for small batches."""

from __future__ import annotations

import keras
from keras import ops

from mrcnn.nn.base import ConfiguredLayer, check_choice

NORM_KINDS = ("batch", "group")


@keras.saving.register_keras_serializable("mrcnn")
class BatchNorm(keras.layers.BatchNormalization):
    """Batch normalization whose mode is a property of the layer.

    With one or two images a batch the statistics of the batch are noise, so a network
    that starts from trained weights keeps theirs. `layer(x, training=False)` does not
    do that in Keras 3: a functional model overrides the flag during `fit`.

    The stored statistics move in training only, whatever `train_bn` says: a layer
    that detects, in any number of threads, never changes.

    Args:
        train_bn: which statistics normalize. None: those of the batch in training and
            the stored ones otherwise, as Keras does. False: always the stored ones,
            which stay as they are (gamma and beta are still trained unless
            `trainable` is False). True: those of the batch, in training, validation
            and detection, so that an output depends on what else is in its batch. A
            layer with `trainable=False` uses the stored ones under each of them.
        **kwargs: arguments of `keras.layers.BatchNormalization`.
    """

    def __init__(self, *, train_bn: bool | None = None, **kwargs):
        super().__init__(**kwargs)
        self.train_bn = train_bn

    def __call__(self, inputs, *args, training=None, **kwargs):
        """Returns the normalized inputs; `training` becomes `train_bn` in a graph.

        Custom backbones of old scripts write `BatchNorm(name="bn")(x,
        training=train_bn)`; `fit` would otherwise override it.
        """
        is_new = not self.built and isinstance(inputs, keras.KerasTensor)
        if is_new and training is not None and self.train_bn is None:
            self.train_bn = bool(training)
        return super().__call__(inputs, *args, training=training, **kwargs)

    def call(self, inputs, training=None, mask=None):
        """Returns the normalized inputs, same shape, compute dtype."""
        if self.train_bn is None:
            return super().call(inputs, training=training, mask=mask)
        if training or not self.train_bn:
            return super().call(inputs, training=self.train_bn, mask=mask)
        # What is assigned to a variable in this scope is forgotten at its end.
        with keras.StatelessScope():
            return super().call(inputs, training=True, mask=mask)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {**super().get_config(), "train_bn": self.train_bn}


@keras.saving.register_keras_serializable("mrcnn")
class GroupNorm(ConfiguredLayer):
    """Group normalization (1803.08494 eq. 7): statistics of one sample only.

    It learns from scratch at any batch size. The number of groups fits itself to the
    channels, so one setting serves a narrow stem and a wide head.

    Args:
        groups: wanted number of groups. Used is the largest divisor of the number of
            channels that is not above `groups` nor above a quarter of the channels
            (a group of one channel would erase the values of a 1x1 map).
        epsilon: added to the variance.
        **kwargs: arguments of `keras.layers.Layer`.
    """

    ARGUMENTS = ("groups", "epsilon")

    def __init__(self, *, groups: int = 32, epsilon: float = 1e-3, **kwargs):
        super().__init__(**kwargs)
        if groups < 1:
            raise ValueError(
                f"GroupNorm(groups={groups}): needs at least one group; pass 1 or more."
            )
        self.groups = int(groups)
        self.epsilon = float(epsilon)

    def build(self, input_shape):
        """Makes gamma and beta, one number a channel."""
        channels = input_shape[-1]
        limit = max(1, min(self.groups, channels // 4))
        self.used_groups = next(g for g in range(limit, 0, -1) if channels % g == 0)
        self.gamma = self.add_weight(
            shape=(channels,), initializer="ones", name="gamma", autocast=False
        )
        self.beta = self.add_weight(
            shape=(channels,), initializer="zeros", name="beta", autocast=False
        )
        self.built = True

    def call(self, inputs):
        """Returns the normalized inputs.

        The moments of a group follow from those of its channels, so that no
        activation map is reshaped; they are float32 under every policy.

        Args:
            inputs: float [N, ..., channels].

        Returns:
            compute dtype, the shape of the inputs.
        """
        x = ops.cast(inputs, "float32")
        spatial = tuple(range(1, len(x.shape) - 1))
        mean, variance = x, ops.zeros_like(x)
        if spatial:
            mean, variance = ops.moments(x, axes=spatial)  # [N, channels]
        shape = (-1, self.used_groups, x.shape[-1] // self.used_groups)
        mean, variance = ops.reshape(mean, shape), ops.reshape(variance, shape)
        group_mean = ops.mean(mean, axis=-1, keepdims=True)
        group_variance = ops.mean(
            variance + ops.square(mean - group_mean), axis=-1, keepdims=True
        )
        gamma = ops.reshape(ops.cast(self.gamma, "float32"), shape[1:])
        beta = ops.reshape(ops.cast(self.beta, "float32"), shape[1:])
        scale = ops.rsqrt(group_variance + self.epsilon) * gamma
        offset = beta - group_mean * scale
        broadcast = (-1, *(1 for _ in spatial), x.shape[-1])
        x = x * ops.reshape(scale, broadcast) + ops.reshape(offset, broadcast)
        return ops.cast(x, self.compute_dtype)

    def compute_output_shape(self, input_shape):
        """Returns the shape of the inputs."""
        return tuple(input_shape)


def make_norm(
    kind: str,
    name: str,
    train_bn: bool | None = None,
    groups: int = 32,
) -> keras.layers.Layer:
    """Returns a normalization layer.

    Args:
        kind: "batch" or "group".
        name: the layer's name.
        train_bn: see BatchNorm; "group" has no stored statistics and ignores it.
        groups: see GroupNorm; "batch" ignores it.

    Raises:
        ValueError: kind is another word.
    """
    check_choice("make_norm", "kind", kind, NORM_KINDS)
    if kind == "batch":
        return BatchNorm(train_bn=train_bn, name=name)
    return GroupNorm(groups=groups, name=name)


def kernel_initializer(kind: str) -> str:
    """Returns the initializer of convolutions that a normalization of `kind` follows.

    Keras' own for "batch", as the old package; for "group", which is there for
    training from scratch, the one made for ReLU networks (1502.01852 eq. 10).
    """
    return "he_normal" if kind == "group" else "glorot_uniform"
