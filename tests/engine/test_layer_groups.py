from __future__ import annotations

import re

import keras
import pytest

from mrcnn.engine.graph import build_model
from mrcnn.engine.layer_groups import leaf_layers, set_trainable, weighted_layers
from tests.engine.tiny import (
    TinyConfig,
    changed,
    make_config,
    make_trainer,
    train,
    weights_of,
)

HEADS = ("mrcnn_", "rpn_", "fpn_")


@pytest.fixture
def model():
    return build_model("training", TinyConfig())


@pytest.mark.parametrize(
    ("word", "prefixes"),
    [
        ("heads", HEADS),
        ("5+", ("res5", "bn5", *HEADS)),
        ("4+", ("res4", "bn4", "res5", "bn5", *HEADS)),
        ("3+", ("res3", "bn3", "res4", "bn4", "res5", "bn5", *HEADS)),
        ("all", ("",)),
    ],
)
def test_groups_train_the_stages_they_name(model, word, prefixes):
    chosen = set_trainable(model, word)
    every = [layer.name for layer in weighted_layers(model)]
    assert chosen == [name for name in every if name.startswith(prefixes)]
    training = {weight.path.split("/")[-2] for weight in model.trainable_weights}
    assert training == set(chosen)


def test_layers_with_weights_include_nested_ones_and_no_seeds(model):
    names = [layer.name for layer in weighted_layers(model)]
    assert {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"} < set(names)
    assert "proposal_targets" not in names  # has nothing but a random seed
    assert len(names) == len(set(names))


def test_leaves_know_the_models_around_them(model):
    parents = {layer.name: above for above, layer in leaf_layers(model)}
    assert parents["rpn_class_raw"] == ("rpn_model",)
    assert parents["fpn_p2"] == ()
    assert "rpn_model" not in parents


@pytest.mark.parametrize(
    ("regex", "chosen"),
    [
        ("rpn_class_raw", ["rpn_class_raw"]),  # nested, alone
        ("rpn_model", ["rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"]),
        ("fpn_p[23]|conv1", ["conv1", "fpn_p2", "fpn_p3"]),
        ("mrcnn_mask", ["mrcnn_mask"]),  # the full name: not mrcnn_mask_conv1
    ],
)
def test_regular_expressions_match_full_names_at_any_depth(model, regex, chosen):
    assert sorted(set_trainable(model, regex)) == sorted(chosen)
    assert len(model.trainable_weights) == 2 * len(chosen)  # kernel and bias


def test_a_later_choice_replaces_an_earlier_one(model):
    set_trainable(model, "rpn_class_raw")
    assert len(set_trainable(model, "all")) == len(weighted_layers(model))
    assert len(model.trainable_weights) == len(
        [w for w in model.weights if "seed_generator" not in w.path]
    )


def test_no_match_is_an_error_that_names_near_names(model):
    before = [w.path for w in model.trainable_weights]
    with pytest.raises(ValueError, match="'rpn_clas_raw'.*'rpn_class_raw'"):
        set_trainable(model, "rpn_clas_raw")
    with pytest.raises(ValueError, match="'ROI'.*no layer with weights"):
        set_trainable(model, "ROI")
    assert [w.path for w in model.trainable_weights] == before


def test_a_malformed_expression_is_an_error(model):
    with pytest.raises(ValueError, match=r"'res4\('.*not a regular expr"):
        set_trainable(model, "res4(")


@pytest.mark.usefixtures("eager")
def test_a_nested_layer_trains_alone(tmp_path):
    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    before = weights_of(trainer.keras_model)
    train(trainer, layers="rpn_class_raw", learning_rate=0.1)
    assert changed(before, weights_of(trainer.keras_model)) == {
        "rpn_class_raw/kernel",
        "rpn_class_raw/bias",
    }


@pytest.mark.parametrize("word", ["3+", "4+", "5+"])
def test_stages_of_a_backbone_that_has_none_are_an_error(word):
    def plain(input_image, **_):
        maps = [input_image]
        for i in range(5):
            conv = keras.layers.Conv2D(8, 3, 2, padding="same", name=f"block{i}")
            maps.append(conv(maps[-1]))
        return maps[1:]

    model = build_model("training", make_config(BACKBONE=plain))
    with pytest.raises(
        ValueError, match=rf"layers='{re.escape(word)}'.*only the heads"
    ):
        set_trainable(model, word)
    assert "block0" in set_trainable(model, "all")
