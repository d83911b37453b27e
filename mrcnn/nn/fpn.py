"""Feature pyramid: C2..C5 in, P2..P6 of equal width out (FPN 1612.03144 sec. 3)."""

from __future__ import annotations

from collections.abc import Sequence

from keras import layers


def fpn(stages: Sequence, channels: int = 256) -> list:
    """Returns the feature maps [P2, P3, P4, P5, P6].

    The top-down path adds the upsampled coarser map to a 1x1 convolution of each
    stage; a 3x3 convolution then smooths what upsampling left (sec. 3). P6 is every
    second cell of P5 and serves the RPN only (sec. 4.1, footnote 2).

    Args:
        stages: [C2, C3, C4, C5], [B, H/2^k, W/2^k, any], H and W divisible by 32.
        channels: width of every output.

    Raises:
        ValueError: there are not four stages.
    """
    if len(stages) != 4 or any(stage is None for stage in stages):
        raise ValueError(
            f"fpn(stages={list(stages)}): needs the four maps [C2, C3, C4, C5]; "
            "build the backbone with stage5=True and leave out C1."
        )
    tops: dict[int, object] = {}
    for level in (5, 4, 3, 2):
        x = layers.Conv2D(channels, 1, name=f"fpn_c{level}p{level}")(stages[level - 2])
        if level < 5:
            coarser = layers.UpSampling2D(2, name=f"fpn_p{level + 1}upsampled")(
                tops[level + 1]
            )
            x = layers.Add(name=f"fpn_p{level}add")([coarser, x])
        tops[level] = x
    maps = [
        layers.Conv2D(channels, 3, padding="same", name=f"fpn_p{level}")(tops[level])
        for level in (2, 3, 4, 5)
    ]
    p6 = layers.MaxPooling2D(1, strides=2, name="fpn_p6")(maps[-1])
    return [*maps, p6]
