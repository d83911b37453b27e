"""The two heads: class and box of a RoI, and its mask (Mask R-CNN fig. 4)."""

from __future__ import annotations

import keras
from keras import layers

from mrcnn.nn.norms import kernel_initializer, make_norm
from mrcnn.nn.roi_selection import FoldRois, UnfoldRois, fold_rois, unfold_rois


def box_head(
    pooled,
    *,
    num_classes: int,
    fc_size: int = 1024,
    norm: str = "batch",
    norm_groups: int = 32,
    train_bn: bool | None = None,
):
    """Returns class logits, class probabilities and box deltas of each RoI.

    Two fully connected layers (written as convolutions, the first as large as the
    pooled map), then one for the classes and one for the boxes: FPN (1612.03144)
    sec. 4.2. Deviation: the two layers are normalized, as in the old package.

    Args:
        pooled: [B, R, h, w, channels]; h, w and channels are static.
        num_classes: C, with the background.
        fc_size: units of the two layers.
        norm: "batch" or "group".
        norm_groups: see `norms.GroupNorm`.
        train_bn: see `norms.BatchNorm`.

    Returns:
        logits float32 [B, R, C]; probs float32 [B, R, C]; deltas float32 [B, R, C,
        (dy, dx, log dh, log dw)] in units of BBOX_STD_DEV, one box a class.
    """
    x = FoldRois(name="mrcnn_class_fold")(pooled)
    kernel_sizes = (tuple(pooled.shape[2:4]), 1)
    for ix, kernel_size in enumerate(kernel_sizes, 1):
        x = layers.Conv2D(
            fc_size,
            kernel_size,
            kernel_initializer=kernel_initializer(norm),
            name=f"mrcnn_class_conv{ix}",
        )(x)
        x = make_norm(norm, f"mrcnn_class_bn{ix}", train_bn, norm_groups)(x)
        x = layers.Activation("relu", name=f"mrcnn_class_relu{ix}")(x)
    x = layers.Reshape((fc_size,), name="pool_squeeze")(x)
    x = UnfoldRois(name="mrcnn_class_unfold")([x, pooled])

    # The last layers are float32: they are small, and scores are compared.
    logits = layers.Dense(num_classes, dtype="float32", name="mrcnn_class_logits")(x)
    probs = layers.Activation("softmax", dtype="float32", name="mrcnn_class")(logits)
    deltas = layers.Dense(4 * num_classes, dtype="float32", name="mrcnn_bbox_fc")(x)
    deltas = layers.Reshape((-1, num_classes, 4), dtype="float32", name="mrcnn_bbox")(
        deltas
    )
    return logits, probs, deltas


def mask_head(
    pooled,
    *,
    num_classes: int,
    channels: int = 256,
    norm: str = "batch",
    norm_groups: int = 32,
    train_bn: bool | None = None,
):
    """Returns one mask a class for each RoI.

    Four 3x3 convolutions, a 2x2 deconvolution, a 1x1 convolution with a sigmoid a
    class, so that classes do not compete: Mask R-CNN (1703.06870) sec. 3. Deviation:
    the four convolutions are normalized, as in the old package.

    Args:
        pooled: [B, R, h, w, channels]; h, w and channels are static.
        num_classes: C, with the background.
        channels: width of the convolutions.
        norm: "batch" or "group".
        norm_groups: see `norms.GroupNorm`.
        train_bn: see `norms.BatchNorm`.

    Returns:
        float32 [B, R, 2h, 2w, C], probability that a cell belongs to the object, box.
    """
    initializer = kernel_initializer(norm)
    x = FoldRois(name="mrcnn_mask_fold")(pooled)
    for ix in (1, 2, 3, 4):
        x = layers.Conv2D(
            channels,
            3,
            padding="same",
            kernel_initializer=initializer,
            name=f"mrcnn_mask_conv{ix}",
        )(x)
        x = make_norm(norm, f"mrcnn_mask_bn{ix}", train_bn, norm_groups)(x)
        x = layers.Activation("relu", name=f"mrcnn_mask_relu{ix}")(x)
    x = layers.Conv2DTranspose(
        channels,
        2,
        strides=2,
        activation="relu",
        kernel_initializer=initializer,
        name="mrcnn_mask_deconv",
    )(x)
    x = UnfoldRois(name="mrcnn_mask_unfold")([x, pooled])
    return RoiConv2D(
        num_classes, 1, activation="sigmoid", dtype="float32", name="mrcnn_mask"
    )(x)


@keras.saving.register_keras_serializable("mrcnn")
class RoiConv2D(layers.Conv2D):
    """A convolution on the maps of RoIs: [B, R, h, w, c] in, [B, R, h', w', filters].

    Scripts read masks by the layer's name, so the layer that computes them has to be
    the one that returns them in the shape of RoIs. Arguments as `Conv2D`.
    """

    def call(self, inputs):
        """Returns the convolved maps."""
        return unfold_rois(super().call(fold_rois(inputs)), inputs)

    def compute_output_shape(self, input_shape):
        """Returns (B, R, h', w', filters)."""
        batch, count, *rest = input_shape
        folded_shape = super().compute_output_shape((None, *rest))
        return (batch, count, *folded_shape[1:])
