"""Backbones: image in, feature maps C1..C5 at strides 4, 4, 8, 16, 32 out."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import NamedTuple

from keras import layers

from mrcnn.nn.base import check_choice
from mrcnn.nn.norms import kernel_initializer, make_norm

# Blocks of the stages 2..5 (Deep Residual Learning 1512.03385 table 1).
STAGE_BLOCKS = {
    "resnet18": (2, 2, 2, 2),
    "resnet50": (3, 4, 6, 3),
    "resnet101": (3, 4, 23, 3),
}
BASIC_ARCHITECTURES = ("resnet18",)
STEM_POOLS = ("same", "pad")


class _Style(NamedTuple):
    """What all convolutions of one backbone have in common."""

    train_bn: bool | None
    norm: str
    norm_groups: int
    use_bias: bool = True


def _conv_norm(x, filters, kernel_size, branch, style, strides=1, relu=True):
    """Convolution res{branch}, normalization bn{branch}, perhaps a ReLU."""
    x = layers.Conv2D(
        filters,
        kernel_size,
        strides=strides,
        padding="same",
        use_bias=style.use_bias,
        kernel_initializer=kernel_initializer(style.norm),
        name=f"res{branch}",
    )(x)
    x = make_norm(style.norm, f"bn{branch}", style.train_bn, style.norm_groups)(x)
    return layers.Activation("relu", name=f"res{branch}_relu")(x) if relu else x


def _join(x, shortcut, stage, block):
    """Sum and last ReLU of a block; its name is public (res4f_out is C4)."""
    x = layers.Add(name=f"res{stage}{block}_add")([x, shortcut])
    return layers.Activation("relu", name=f"res{stage}{block}_out")(x)


def _bottleneck(x, kernel_size, filters, branch, style, strides=1):
    """1x1, kxk, 1x1. The stride sits on the first 1x1, as in the original ResNet."""
    narrow, middle, wide = filters
    x = _conv_norm(x, narrow, 1, f"{branch}2a", style, strides)
    x = _conv_norm(x, middle, kernel_size, f"{branch}2b", style)
    return _conv_norm(x, wide, 1, f"{branch}2c", style, relu=False)


def identity_block(
    input_tensor,
    kernel_size: int,
    filters: Sequence[int],
    stage: int,
    block: str,
    use_bias: bool = True,
    train_bn: bool | None = True,
    *,
    norm: str = "batch",
    norm_groups: int = 32,
):
    """Returns a bottleneck block whose shortcut is the identity.

    Source: Deep Residual Learning (1512.03385) fig. 5 right.

    Args:
        input_tensor: [B, H, W, filters[2]].
        kernel_size: side of the middle convolution.
        filters: channels of the three convolutions.
        stage: 2..5, for the layer names.
        block: "a", "b", .., for the layer names.
        use_bias: whether the convolutions have a bias.
        train_bn: see `norms.BatchNorm`.
        norm: "batch" or "group".
        norm_groups: see `norms.GroupNorm`.

    Returns:
        [B, H, W, filters[2]].
    """
    style = _Style(train_bn, norm, norm_groups, use_bias)
    branch = f"{stage}{block}_branch"
    x = _bottleneck(input_tensor, kernel_size, filters, branch, style)
    return _join(x, input_tensor, stage, block)


def conv_block(
    input_tensor,
    kernel_size: int,
    filters: Sequence[int],
    stage: int,
    block: str,
    strides: tuple[int, int] = (2, 2),
    use_bias: bool = True,
    train_bn: bool | None = True,
    *,
    norm: str = "batch",
    norm_groups: int = 32,
):
    """Returns a bottleneck block whose shortcut is a strided 1x1 convolution.

    Arguments as `identity_block`, and `strides` of the first convolution of both
    branches. Returns [B, H/strides[0], W/strides[1], filters[2]], rounded up.
    """
    style = _Style(train_bn, norm, norm_groups, use_bias)
    branch = f"{stage}{block}_branch"
    x = _bottleneck(input_tensor, kernel_size, filters, branch, style, strides)
    shortcut = _conv_norm(
        input_tensor, filters[2], 1, f"{branch}1", style, strides, relu=False
    )
    return _join(x, shortcut, stage, block)


def basic_block(
    input_tensor,
    kernel_size: int,
    filters: int,
    stage: int,
    block: str,
    strides: int = 1,
    train_bn: bool | None = True,
    *,
    norm: str = "batch",
    norm_groups: int = 32,
):
    """Returns the two-convolution block of ResNet-18 (1512.03385 fig. 5 left).

    The shortcut is the identity where shapes allow it and a strided 1x1 convolution
    elsewhere. Arguments as `identity_block`, with one number of channels.
    """
    style = _Style(train_bn, norm, norm_groups)
    branch = f"{stage}{block}_branch"
    x = _conv_norm(input_tensor, filters, kernel_size, f"{branch}2a", style, strides)
    x = _conv_norm(x, filters, kernel_size, f"{branch}2b", style, relu=False)
    shortcut = input_tensor
    if strides != 1 or input_tensor.shape[-1] != filters:
        shortcut = _conv_norm(
            input_tensor, filters, 1, f"{branch}1", style, strides, relu=False
        )
    return _join(x, shortcut, stage, block)


def resnet(
    input_image,
    architecture: str,
    stage5: bool = True,
    train_bn: bool | None = None,
    *,
    norm: str = "batch",
    norm_groups: int = 32,
    width: int = 64,
    stem_pool: str = "same",
) -> list:
    """Returns the feature maps [C1, C2, C3, C4, C5] of a ResNet.

    Args:
        input_image: [B, H, W, channels], H and W divisible by 64 for an FPN.
        architecture: "resnet18", "resnet50" or "resnet101".
        stage5: False leaves out the last stage; C5 is None then.
        train_bn: see `norms.BatchNorm`.
        norm: "batch" or "group".
        norm_groups: see `norms.GroupNorm`.
        width: channels of C1; the other widths follow (64 in the paper).
        stem_pool: "same" pads the input of the max pooling below and to the right,
            as the old package; "pad" on all sides, as keras.applications.

    Raises:
        ValueError: the architecture or stem_pool is unknown.
    """
    check_choice("resnet", "architecture", architecture, tuple(STAGE_BLOCKS))
    check_choice("resnet", "stem_pool", stem_pool, STEM_POOLS)
    is_basic = architecture in BASIC_ARCHITECTURES
    common = {"train_bn": train_bn, "norm": norm, "norm_groups": norm_groups}

    # Stage 1, the stem. The padding is explicit: "same" would pad one side only.
    x = layers.ZeroPadding2D(3, name="conv1_pad")(input_image)
    x = layers.Conv2D(
        width,
        7,
        strides=2,
        kernel_initializer=kernel_initializer(norm),
        name="conv1",
    )(x)
    x = make_norm(norm, "bn_conv1", train_bn, norm_groups)(x)
    x = layers.Activation("relu", name="conv1_relu")(x)
    # C1 is taken after the pooling, as in the old package: its stride is 4.
    padding = "same"
    if stem_pool == "pad":  # zeros serve: the ReLU left nothing below them
        x, padding = layers.ZeroPadding2D(1, name="pool1_pad")(x), "valid"
    x = layers.MaxPooling2D(3, strides=2, padding=padding, name="pool1")(x)
    maps = [x]

    num_stages = 4 if stage5 else 3
    for stage, num_blocks in enumerate(STAGE_BLOCKS[architecture][:num_stages], 2):
        narrow = width * 2 ** (stage - 2)
        strides = 1 if stage == 2 else 2
        for ix in range(num_blocks):
            block = chr(ord("a") + ix)
            if is_basic:
                x = basic_block(
                    x, 3, narrow, stage, block, strides if ix == 0 else 1, **common
                )
                continue
            filters = (narrow, narrow, 4 * narrow)
            if ix == 0:
                x = conv_block(
                    x, 3, filters, stage, block, (strides, strides), **common
                )
            else:
                x = identity_block(x, 3, filters, stage, block, **common)
        maps.append(x)
    return maps if stage5 else [*maps, None]


def build_backbone(
    backbone: str | Callable,
    input_image,
    *,
    train_bn: bool | None = None,
    **design,
) -> list:
    """Returns the feature maps C1..C5 of a named or of the user's own backbone.

    Args:
        backbone: a name for `resnet`, or a callable
            `f(input_image, stage5=True, train_bn=...) -> [C1, .., C5]`.
        input_image: [B, H, W, channels].
        train_bn: see `norms.BatchNorm`; passed on to a callable.
        **design: norm, norm_groups, width and stem_pool of `resnet`; a callable
            chooses its own.

    Raises:
        ValueError: the callable does not return five maps.
    """
    if not callable(backbone):
        return resnet(input_image, backbone, train_bn=train_bn, **design)
    maps = list(backbone(input_image, stage5=True, train_bn=train_bn))
    if len(maps) != 5:
        raise ValueError(
            f"build_backbone(backbone={backbone!r}): the callable returned "
            f"{len(maps)} feature maps; return the five maps [C1, C2, C3, C4, C5]."
        )
    return maps
