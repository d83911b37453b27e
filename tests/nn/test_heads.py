"""Heads: shapes, names, folded RoIs, and the tensors of a real old weight file."""

from __future__ import annotations

import re

import keras
import numpy as np
import pytest

from mrcnn.nn.backbones import resnet
from mrcnn.nn.fpn import fpn
from mrcnn.nn.heads import RoiConv2D, box_head, mask_head
from mrcnn.nn.norms import BatchNorm, GroupNorm
from mrcnn.nn.rpn import apply_rpn, build_rpn_model
from tests.nn.layer_check import check_layer, dtype_policy

CLASSES = 5


def random(*shape):
    return np.random.default_rng(0).normal(size=shape).astype(np.float32)


def box_model(pool=3, channels=4, **kwargs):
    pooled = keras.Input([None, pool, pool, channels])
    outputs = box_head(pooled, num_classes=CLASSES, fc_size=8, **kwargs)
    return keras.Model(pooled, list(outputs))


def mask_model(pool=4, channels=4, **kwargs):
    pooled = keras.Input([None, pool, pool, channels])
    return keras.Model(
        pooled, mask_head(pooled, num_classes=CLASSES, channels=6, **kwargs)
    )


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (1, 6), (3, 4)])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_box_head_gives_a_score_and_a_box_for_each_class(batch, count, norm):
    model = box_model(norm=norm, norm_groups=2)
    logits, probs, deltas = model(random(batch, count, 3, 3, 4))
    assert logits.shape == probs.shape == (batch, count, CLASSES)
    assert deltas.shape == (batch, count, CLASSES, 4)
    exp = np.exp(logits - np.max(logits, axis=-1, keepdims=True))
    np.testing.assert_allclose(probs, exp / exp.sum(-1, keepdims=True), rtol=1e-5)
    assert model.output_shape == [
        (None, None, CLASSES),
        (None, None, CLASSES),
        (None, None, CLASSES, 4),
    ]


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (1, 6), (3, 4)])
@pytest.mark.parametrize("norm", ["batch", "group"])
def test_mask_head_gives_a_mask_of_twice_the_pool_size_for_each_class(
    batch, count, norm
):
    model = mask_model(norm=norm, norm_groups=2)
    masks = model(random(batch, count, 4, 4, 4)).numpy()
    assert masks.shape == (batch, count, 8, 8, CLASSES)
    assert ((masks > 0) & (masks < 1)).all()
    assert model.output_shape == (None, None, 8, 8, CLASSES)


@pytest.mark.parametrize("build", [box_model, mask_model])
def test_each_roi_is_seen_alone(build):
    # Folding mixes no rows: one RoI at a time gives the same.
    model = build(train_bn=False)
    pooled = random(3, 4, *model.input_shape[2:])
    together = _as_list(model(pooled))
    for b in range(3):
        for r in range(4):
            alone = _as_list(model(pooled[b : b + 1, r : r + 1]))
            for x, y in zip(alone, together, strict=True):
                np.testing.assert_allclose(x[0, 0], y[b, r], rtol=1e-4, atol=1e-5)


def _as_list(outputs):
    return outputs if isinstance(outputs, list) else [outputs]


def test_deltas_of_a_class_are_four_neighbours_of_the_dense_layer():
    model = box_model()
    layer = model.get_layer("mrcnn_bbox_fc")
    kernel, bias = layer.get_weights()
    layer.set_weights([np.zeros_like(kernel), np.arange(bias.size, dtype=np.float32)])
    _, _, deltas = model(random(2, 3, 3, 3, 4))
    expected = np.arange(4 * CLASSES).reshape(CLASSES, 4)
    np.testing.assert_array_equal(deltas[1, 2], expected)


def test_layers_have_the_public_names():
    built = {x.name for x in box_model().layers} | {x.name for x in mask_model().layers}
    expected = {f"mrcnn_class_{kind}{k}" for kind in ("conv", "bn") for k in (1, 2)}
    expected |= {
        f"mrcnn_mask_{kind}{k}" for kind in ("conv", "bn") for k in range(1, 5)
    }
    expected |= {"mrcnn_class_logits", "mrcnn_class", "mrcnn_bbox_fc", "mrcnn_bbox"}
    expected |= {"pool_squeeze", "mrcnn_mask_deconv", "mrcnn_mask"}
    assert expected <= built


def test_named_layers_return_what_scripts_read_from_them():
    # run_graph reads these layers by name and indexes [image, roi].
    model = box_model()
    for name, rank in (
        ("mrcnn_class", 3),
        ("mrcnn_class_logits", 3),
        ("mrcnn_bbox", 4),
    ):
        assert len(model.get_layer(name).output.shape) == rank
    model = mask_model()
    assert model.get_layer("mrcnn_mask").output is model.output


@pytest.mark.parametrize("build", [box_model, mask_model])
def test_train_bn_and_norm_reach_every_layer(build):
    for train_bn in (None, False):
        norms = [x for x in build(train_bn=train_bn).layers if isinstance(x, BatchNorm)]
        assert len(norms) in (2, 4)
        assert all(x.train_bn is train_bn for x in norms)
    model = build(norm="group", norm_groups=2)
    assert not any(isinstance(x, BatchNorm) for x in model.layers)
    norms = [x for x in model.layers if isinstance(x, GroupNorm)]
    assert len(norms) in (2, 4)
    assert {x.groups for x in norms} == {2}
    convs = [x for x in model.layers if re.search(r"_conv\d", x.name)]
    assert {type(x.kernel_initializer) for x in convs} == {keras.initializers.HeNormal}


@pytest.mark.parametrize("build", [box_model, mask_model])
@pytest.mark.parametrize("policy", ["mixed_bfloat16", "mixed_float16"])
def test_outputs_are_float32_under_mixed_precision(build, policy):
    with dtype_policy(policy):
        model = build()
    conv = next(x for x in model.layers if x.name.endswith("conv1"))
    assert conv.compute_dtype == policy.removeprefix("mixed_")
    outputs = _as_list(model(random(2, 3, *model.input_shape[2:])))
    assert {x.dtype.name for x in outputs} == {"float32"}
    plain = build()
    plain.set_weights(model.get_weights())
    for x, y in zip(
        outputs, _as_list(plain(random(2, 3, *model.input_shape[2:]))), strict=True
    ):
        np.testing.assert_allclose(x, y, atol=0.05)


@pytest.mark.parametrize("build", [box_model, mask_model])
def test_heads_can_be_saved_and_loaded(build, tmp_path):
    model = build(norm="group", norm_groups=2)
    model.save(tmp_path / "head.keras")
    loaded = keras.saving.load_model(tmp_path / "head.keras")
    pooled = random(2, 3, *model.input_shape[2:])
    for x, y in zip(_as_list(loaded(pooled)), _as_list(model(pooled)), strict=True):
        np.testing.assert_array_equal(x, y)


def test_box_head_trains_on_more_images_than_it_was_traced_with():
    model = box_model()
    model.compile("sgd", ["mse", None, "mse"])
    for batch, count in ((1, 3), (2, 5)):
        pooled = random(batch, count, 3, 3, 4)
        logits = np.zeros((batch, count, CLASSES), np.float32)
        deltas = np.zeros((batch, count, CLASSES, 4), np.float32)
        losses = model.train_on_batch(pooled, [logits, None, deltas])
        assert np.isfinite(losses).all()


@pytest.mark.parametrize(("batch", "count"), [(1, 1), (3, 2)])
@pytest.mark.parametrize("padding", ["valid", "same"])
def test_roi_convolution_equals_a_convolution_of_each_map(batch, count, padding):
    x = random(batch, count, 5, 6, 3)
    layer = RoiConv2D(4, 3, padding=padding, activation="sigmoid")
    (out,) = check_layer(layer, x, dynamic_axes=2)
    plain = keras.layers.Conv2D(4, 3, padding=padding, activation="sigmoid")
    plain.build(x.shape[1:])
    plain.set_weights(layer.get_weights())
    for one, maps in zip(out, x, strict=True):
        np.testing.assert_allclose(one, plain(maps), rtol=1e-5, atol=1e-6)


def test_tensors_are_those_of_an_old_weight_file(shared):
    # ResNet-50, 81 classes, all widths as in matterport's layout.
    layout = (shared / "parity" / "layout.txt").read_text()
    expected = {}
    for line in layout.splitlines():
        path, shape = line.split(":0 ")
        _, layer, variable = path.split("/")
        expected[f"{layer}/{variable}"] = tuple(
            int(n) for n in re.findall(r"\d+", shape)
        )
    image = keras.Input([None, None, 3])
    maps = fpn(resnet(image, "resnet50", train_bn=False)[1:])
    rpn_model = build_rpn_model(1, 3, 256)
    pooled, mask_pooled = (
        keras.Input([None, 7, 7, 256]),
        keras.Input([None, 14, 14, 256]),
    )
    model = keras.Model(
        [image, pooled, mask_pooled],
        [
            *apply_rpn(rpn_model, maps),
            *box_head(pooled, num_classes=81),
            mask_head(mask_pooled, num_classes=81),
        ],
    )
    real = {"/".join(w.path.split("/")[-2:]): tuple(w.shape) for w in model.weights}
    assert real == expected
