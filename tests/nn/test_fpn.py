"""FPN: names, shapes, and the sums of the top-down path."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.nn.fpn import fpn


def build(channels=2, depths=(3, 4, 5, 6)):
    stages = [keras.Input([None, None, depth]) for depth in depths]
    return keras.Model(stages, fpn(stages, channels=channels))


def test_layers_have_the_public_names():
    expected = {"fpn_p5upsampled", "fpn_p4upsampled", "fpn_p3upsampled"}
    expected |= {"fpn_p4add", "fpn_p3add", "fpn_p2add", "fpn_p6"}
    expected |= {f"fpn_c{k}p{k}" for k in (2, 3, 4, 5)}
    expected |= {f"fpn_p{k}" for k in (2, 3, 4, 5)}
    built = {x.name for x in build().layers}
    assert {name for name in built if name.startswith("fpn")} == expected


@pytest.mark.parametrize("batch", [1, 3])
def test_maps_halve_from_p2_to_p6_on_a_non_square_image(batch):
    sizes = [(16, 24), (8, 12), (4, 6), (2, 3)]  # P5 has an odd side
    model = build(channels=7)
    maps = model(
        [
            np.zeros((batch, *size, depth), np.float32)
            for size, depth in zip(sizes, (3, 4, 5, 6), strict=True)
        ]
    )
    assert [tuple(x.shape) for x in maps] == [
        (batch, *size, 7) for size in [*sizes, (1, 2)]
    ]


def test_each_level_adds_the_coarser_ones():
    # Laterals sum over channels, smoothing copies: P_k = sum C_k + upsampled P_(k+1).
    model = build(channels=1)
    for layer in model.layers:
        if not isinstance(layer, keras.layers.Conv2D):
            continue
        kernel = np.zeros(layer.kernel.shape, np.float32)
        center = kernel.shape[0] // 2
        kernel[center, center] = 1
        layer.set_weights([kernel, np.zeros(1, np.float32)])
    rng = np.random.default_rng(0)
    sizes = [(16, 24), (8, 12), (4, 6), (2, 3)]
    stages = [
        rng.random((1, *size, depth)).astype(np.float32)
        for size, depth in zip(sizes, (3, 4, 5, 6), strict=True)
    ]
    p2, p3, p4, p5, p6 = (x[0, :, :, 0] for x in model(stages))

    expected = [stage[0].sum(-1) for stage in stages]
    for k in (2, 1, 0):
        expected[k] = expected[k] + expected[k + 1].repeat(2, 0).repeat(2, 1)
    for real, wanted in zip((p2, p3, p4, p5), expected, strict=True):
        np.testing.assert_allclose(real, wanted, rtol=1e-5)
    np.testing.assert_array_equal(p6, p5[::2, ::2])


def test_missing_stages_are_refused():
    image = keras.Input([8, 8, 3])
    with pytest.raises(ValueError, match="four maps"):
        fpn([image] * 5)
    with pytest.raises(ValueError, match="stage5=True"):
        fpn([image, image, image, None])
