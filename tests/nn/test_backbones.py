"""Backbones: names, strides and padding that old weight files were trained with."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.nn.backbones import (
    basic_block,
    build_backbone,
    conv_block,
    identity_block,
    resnet,
)
from mrcnn.nn.norms import BatchNorm, GroupNorm


def build(architecture, **kwargs):
    image = keras.Input([None, None, 3])
    maps = resnet(image, architecture, **{"width": 4, "norm_groups": 2, **kwargs})
    return keras.Model(image, [x for x in maps if x is not None])


def names(model):
    return {layer.name for layer in model.layers}


@pytest.mark.parametrize("architecture", ["resnet18", "resnet50", "resnet101"])
def test_maps_have_strides_4_4_8_16_32_on_a_non_square_image(architecture):
    model = build(architecture)
    maps = model(np.zeros((2, 64, 128, 3), np.float32))
    assert [tuple(x.shape[1:3]) for x in maps] == [
        (16, 32),
        (16, 32),
        (8, 16),
        (4, 8),
        (2, 4),
    ]
    wide = 4 if architecture == "resnet18" else 16
    assert [x.shape[-1] for x in maps] == [4, wide, 2 * wide, 4 * wide, 8 * wide]


@pytest.mark.parametrize(
    ("architecture", "last_blocks"),
    [
        ("resnet18", "bbbb"),
        ("resnet50", "cdfc"),
        ("resnet101", "cdwc"),
    ],
)
def test_stages_end_in_the_public_layers(architecture, last_blocks):
    model = build(architecture)
    ends = [f"res{stage}{block}_out" for stage, block in enumerate(last_blocks, 2)]
    for output, name in zip(model.outputs[1:], ends, strict=True):
        assert output is model.get_layer(name).output
    for stage, block in enumerate(last_blocks, 2):
        assert f"res{stage}{chr(ord(block) + 1)}_out" not in names(model)


def test_names_of_a_bottleneck_block():
    built = names(build("resnet50"))
    for branch in ("3a_branch1", "3a_branch2a", "3a_branch2b", "3a_branch2c"):
        assert {f"res{branch}", f"bn{branch}"} <= built
    assert {"conv1", "bn_conv1"} <= built
    assert "res3b_branch1" not in built  # an identity block


def test_bottleneck_strides_sit_on_the_first_1x1_convolutions():
    model = build("resnet50")
    strides = {
        name: model.get_layer(f"res{name}").strides
        for name in ("2a_branch2a", "3a_branch2a", "3a_branch1", "3a_branch2b")
    }
    assert strides == {
        "2a_branch2a": (1, 1),
        "3a_branch2a": (2, 2),
        "3a_branch1": (2, 2),
        "3a_branch2b": (1, 1),
    }


def test_resnet18_projects_only_where_the_shape_changes():
    built = names(build("resnet18"))
    assert "res2a_branch1" not in built
    assert {"res3a_branch1", "res4a_branch1", "res5a_branch1"} <= built
    assert "res2a_branch2c" not in built


def test_stem_looks_three_pixels_to_each_side():
    # A kernel that copies its centre: output (i, j) is pixel (2i, 2j). Padding "same"
    # would look at (2i + 1, 2j + 1) on an even image.
    model = build("resnet18", width=1)
    conv = model.get_layer("conv1")
    kernel = np.zeros((7, 7, 3, 1), np.float32)
    kernel[3, 3, 0, 0] = 1
    conv.set_weights([kernel, np.zeros(1, np.float32)])
    image = np.random.default_rng(0).random((1, 64, 64, 3)).astype(np.float32)
    out = keras.Model(model.input, conv.output)(image)
    np.testing.assert_allclose(out[0, :, :, 0], image[0, ::2, ::2, 0], rtol=1e-6)


@pytest.mark.parametrize(
    ("stem_pool", "before", "after"),
    [("same", 0, 1), ("pad", 1, 0)],  # rows of border that a cell of C1 looks at
)
def test_stem_pools_below_and_right_or_all_around(stem_pool, before, after):
    model = build("resnet18", stem_pool=stem_pool)
    x = np.random.default_rng(0).random((1, 8, 12, 4)).astype(np.float32)
    pool = keras.Model(model.get_layer("conv1_relu").output, model.outputs[0])
    padded = np.pad(x, [(0, 0), (before, after), (before, after), (0, 0)])
    windows = np.lib.stride_tricks.sliding_window_view(padded, (3, 3), axis=(1, 2))
    np.testing.assert_array_equal(pool(x), windows[:, ::2, ::2].max(axis=(-2, -1)))


def test_unknown_stem_pools_are_an_error():
    with pytest.raises(ValueError, match="stem_pool='valid'.*same, pad"):
        build("resnet18", stem_pool="valid")


def test_batch_norm_has_the_epsilon_and_mode_of_the_old_package():
    model = build("resnet50", train_bn=False)
    norms = [x for x in model.layers if isinstance(x, BatchNorm)]
    assert len(norms) == 53
    assert {x.epsilon for x in norms} == {1e-3}
    assert {x.train_bn for x in norms} == {False}
    convs = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert len(convs) == 53
    assert all(x.use_bias for x in convs)
    assert {type(x.kernel_initializer) for x in convs} == {
        keras.initializers.GlorotUniform
    }


def test_group_norm_replaces_every_batch_norm():
    model = build("resnet18", norm="group")
    assert not any(isinstance(x, BatchNorm) for x in model.layers)
    norms = [x for x in model.layers if isinstance(x, GroupNorm)]
    assert len(norms) == 20
    assert {x.groups for x in norms} == {2}
    convs = [x for x in model.layers if isinstance(x, keras.layers.Conv2D)]
    assert {type(x.kernel_initializer) for x in convs} == {keras.initializers.HeNormal}


def test_without_stage5_c5_is_none():
    image = keras.Input([64, 64, 3])
    maps = resnet(image, "resnet18", stage5=False, width=4)
    assert len(maps) == 5
    assert maps[4] is None
    assert "res5a_out" not in names(keras.Model(image, maps[:4]))


def test_blocks_can_be_built_on_their_own():
    x = keras.Input([8, 12, 16])
    identity = identity_block(x, 3, [4, 4, 16], 2, "b", use_bias=False)
    assert identity.shape == (None, 8, 12, 16)
    convs = [
        layer
        for layer in keras.Model(x, identity).layers
        if isinstance(layer, keras.layers.Conv2D)
    ]
    assert [layer.use_bias for layer in convs] == [False] * 3
    conv = conv_block(x, 3, [4, 4, 32], 3, "a")
    assert conv.shape == (None, 4, 6, 32)
    assert basic_block(x, 3, 16, 2, "c").shape == (None, 8, 12, 16)


def test_any_number_of_image_channels():
    image = keras.Input([64, 64, 1])
    model = keras.Model(image, resnet(image, "resnet18", width=4))
    assert model.get_layer("conv1").kernel.shape == (7, 7, 1, 4)


def test_unknown_architecture_names_the_known_ones():
    with pytest.raises(ValueError, match="'resnet51'.*resnet18, resnet50, resnet101"):
        resnet(keras.Input([64, 64, 3]), "resnet51")


def test_build_backbone_by_name_equals_resnet():
    image = keras.Input([None, None, 3])
    maps = build_backbone(
        "resnet18", image, train_bn=False, norm="group", norm_groups=2, width=4
    )
    _, *layers = keras.Model(image, maps).layers
    _, *expected = build("resnet18", train_bn=False, norm="group").layers
    assert [x.get_config() for x in layers] == [x.get_config() for x in expected]


def test_build_backbone_calls_the_users_function():
    received = {}

    def backbone(input_image, stage5, train_bn):
        received.update(stage5=stage5, train_bn=train_bn)
        return tuple(input_image for _ in range(5))

    image = keras.Input([64, 64, 3])
    maps = build_backbone(backbone, image, train_bn=False, width=4)
    assert received == {"stage5": True, "train_bn": False}
    assert len(maps) == 5 and maps[0] is image


def test_build_backbone_counts_the_maps_of_the_users_function():
    image = keras.Input([64, 64, 3])
    with pytest.raises(ValueError, match="returned 4 feature maps"):
        build_backbone(lambda x, stage5, train_bn: [x] * 4, image)
