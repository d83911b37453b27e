from __future__ import annotations

import ast
import re

import h5py
import keras
import numpy as np
import pytest

from mrcnn.data.files.atomic import atomic_file
from mrcnn.engine.graph import build_model
from mrcnn.engine.weights.model_weights import (
    assign_tensors,
    model_tensors,
    save_weights,
)
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.engine.weights.weight_loading import load_file
from tests.engine.tiny import StubConfig, assert_same_weights, changed, weights_of
from tests.engine.weight_models import make_model

# The layers that every script leaves out when its classes are not those of COCO.
# `mrcnn_bbox` has no weights.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


@pytest.fixture(scope="module")
def built():
    return {"same": make_model(SEED=9), "classes": make_model(NUM_CLASSES=7, SEED=9)}


@pytest.fixture
def model(built):
    """A model of the same structure; nothing in it is what the file holds."""
    return zeroed(built["same"])


@pytest.fixture
def seven_classes(built):
    return zeroed(built["classes"])


def zeroed(model):
    for variable in model_tensors(model).values():
        variable.assign(np.zeros(variable.shape))
    return model


def edited(file, folder, edit):
    """Returns a copy of a weight file after `edit(tensors)`, a dict of arrays."""
    path = folder / "edited.h5"
    path.write_bytes(file.read_bytes())
    tensors = read_weights(file)
    before = set(tensors)
    edit(tensors)
    with h5py.File(path, "a") as opened:
        listed = [name.decode() for name in opened.attrs["layer_names"]]
        for name in before - set(tensors):
            layer, variable = name.split("/")
            group = opened[layer]
            kept = [
                n for n in group.attrs["weight_names"] if variable not in n.decode()
            ]
            group.attrs["weight_names"] = np.array(kept, dtype="S")
            del group[f"{layer}/{variable}:0"]
        for name in tensors:
            layer, variable = name.split("/")
            if name in before and layer in listed:
                del opened[layer][f"{layer}/{variable}:0"]
                opened[layer][f"{layer}/{variable}:0"] = tensors[name]
            elif name not in before:
                group = opened.require_group(layer)
                names = [*group.attrs.get("weight_names", ()), f"{name}:0".encode()]
                group.attrs["weight_names"] = np.array(names, dtype="S")
                group[f"{name}:0"] = tensors[name]
                listed += [layer] if layer not in listed else []
        opened.attrs["layer_names"] = np.array([n.encode() for n in listed])
    return path


def assert_refused(model, path, *parts, **kwargs):
    """Checks the error's text, and that no bit of the model has changed."""
    before = weights_of(model)
    with pytest.raises(ValueError) as error:
        load_file(model, path, **kwargs)
    assert_same_weights(before, weights_of(model))
    text = str(error.value)
    for part in (str(path), *parts):
        assert part in text
    return text


# Round trip and layout


@pytest.mark.parametrize("mode", ["inference", "training"])
def test_weights_round_trip_bit_by_bit_and_between_the_modes(source, file, mode):
    other = make_model(mode, SEED=9)
    report = load_file(other, file)
    assert_same_weights(weights_of(source), weights_of(other))
    assert sorted(report.matched) == sorted(model_tensors(source))
    assert not report.missing + report.unexpected + report.mismatched + report.excluded
    assert "bn2a_branch2a/moving_variance" in report.matched


def test_groups_and_tensors_are_listed_as_old_readers_expect_them(file):
    with h5py.File(file) as opened:
        # A list of bytes of fixed length: the old code calls `decode` on each.
        assert opened.attrs["layer_names"].dtype.kind == "S"
        layers = [name.decode() for name in opened.attrs["layer_names"]]
        rpn = [name.decode() for name in opened["rpn_model"].attrs["weight_names"]]
        bn = [name.decode() for name in opened["bn_conv1"].attrs["weight_names"]]
        assert list(opened["input_image"].attrs["weight_names"]) == []
        assert opened.attrs["backend"].decode() == "tensorflow"
        assert opened.attrs["keras_version"].decode().startswith("2.")
        assert opened[f"rpn_model/{rpn[0]}"].shape == (3, 3, 16, 16)
    assert layers[0] == "input_image" and len(layers) == len(set(layers))
    assert rpn == [
        "rpn_conv_shared/kernel:0",
        "rpn_conv_shared/bias:0",
        "rpn_class_raw/kernel:0",
        "rpn_class_raw/bias:0",
        "rpn_bbox_pred/kernel:0",
        "rpn_bbox_pred/bias:0",
    ]
    names = ("gamma", "beta", "moving_mean", "moving_variance")
    assert bn == [f"bn_conv1/{name}:0" for name in names]


def test_a_nested_model_lists_its_moving_statistics_last(tmp_path):
    x = keras.Input([4])
    y = keras.layers.BatchNormalization(name="bn")(keras.layers.Dense(3, name="a")(x))
    inner = keras.Model(x, keras.layers.Dense(2, name="b")(y), name="inner")
    model = keras.Model(x, inner(x))
    model.trainable = False  # what is frozen at present doesn't matter
    save_weights(model, tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as opened:
        names = [name.decode() for name in opened["inner"].attrs["weight_names"]]
    assert names == [
        "a/kernel:0", "a/bias:0", "bn/gamma:0", "bn/beta:0", "b/kernel:0", "b/bias:0",
        "bn/moving_mean:0", "bn/moving_variance:0",
    ]  # fmt: skip


def test_the_reader_of_keras_finds_every_tensor_at_its_place(source, file, model):
    # Keras' own reader of the old layout takes tensors by their order in a group.
    keras.Model.load_weights(model, str(file), by_name=True)
    assert_same_weights(weights_of(source), weights_of(model))


def test_random_seeds_are_not_in_the_file(tmp_path):
    model = build_model("training", StubConfig())
    assert any("seed_generator" in v.path for v in model.variables)
    save_weights(model, tmp_path / "w.h5")
    assert not [name for name in read_weights(tmp_path / "w.h5") if "seed" in name]


def test_names_beyond_the_limit_of_an_attribute_are_split_and_read(tmp_path):
    x = y = keras.Input([1])
    for i in range(700):  # 700 names of 100 bytes
        y = keras.layers.Identity(name=f"{i:0100d}")(y)
    y = keras.layers.Dense(2, name="last")(y)
    save_weights(keras.Model(x, y), tmp_path / "w.h5")
    with h5py.File(tmp_path / "w.h5") as opened:
        assert {"layer_names0", "layer_names1"} < set(opened.attrs)
        assert "layer_names" not in opened.attrs
    assert sorted(read_weights(tmp_path / "w.h5")) == ["last/bias", "last/kernel"]


# What doesn't fit


def test_another_number_of_classes_explains_itself(file, seven_classes):
    text = assert_refused(
        seven_classes,
        file,
        "the file has 3 classes, the model NUM_CLASSES = 7",
        f"exclude={CLASS_LAYERS}",  # the line to paste
        "mrcnn_class_logits/kernel is (16, 3) in the file, (16, 7) in the model",
        "mrcnn_bbox_fc/bias is (12,) in the file, (28,) in the model",
        "mrcnn_mask/kernel is (1, 1, 16, 3) in the file, (1, 1, 16, 7) in the model",
    )
    pasted = re.search(r"exclude=(\[.*?\])", text)[1]
    load_file(seven_classes, file, exclude=ast.literal_eval(pasted))


@pytest.mark.parametrize("layer", ["mrcnn_bbox_fc", "mrcnn_mask"])
def test_a_head_left_in_tells_the_classes_too(file, seven_classes, layer):
    others = [name for name in CLASS_LAYERS if name != layer]
    told = "the file has 3 classes, the model NUM_CLASSES = 7"
    assert_refused(seven_classes, file, told, exclude=others)


def test_the_usual_exclusions_keep_exactly_these_layers(file, seven_classes):
    before = weights_of(seven_classes)
    report = load_file(seven_classes, file, exclude=CLASS_LAYERS)
    excluded = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert {name.split("/")[0] for name in report.excluded} == excluded
    assert not report.unexpected
    assert changed(before, weights_of(seven_classes)) == {
        w.path for w in seven_classes.weights if w.path.split("/")[0] not in excluded
    }


@pytest.mark.parametrize(
    ("exclude", "layers"),
    [
        ("conv1", {"conv1"}),
        (["rpn_class_raw"], {"rpn_class_raw"}),
        (["rpn_model"], {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"}),
    ],
)
def test_layers_are_excluded_by_name_or_by_the_model_around_them(
    file, model, exclude, layers
):
    report = load_file(model, file, exclude=exclude)
    assert {name.split("/")[0] for name in report.excluded} == layers
    assert len(report.excluded) == 2 * len(layers)


def test_an_unknown_exclusion_is_an_error(file, model):
    with pytest.raises(ValueError, match="mrcnn_clas_logits.*neither model nor file"):
        load_file(model, file, exclude=["mrcnn_clas_logits"])


def test_a_missing_tensor_is_an_error_that_names_it(file, model, tmp_path):
    path = edited(file, tmp_path, lambda tensors: tensors.pop("fpn_p2/bias"))
    assert_refused(model, path, "has no fpn_p2/bias.", "exclude=['fpn_p2']")
    before = weights_of(model)
    with pytest.warns(UserWarning, match="no fpn_p2/bias"):
        report = load_file(model, path, strict=False)
    assert report.missing == ["fpn_p2/bias"]
    every = {w.path for w in model.weights}
    assert changed(before, weights_of(model)) == every - {"fpn_p2/bias"}
    assert "185 tensors loaded, 0 excluded, 1 missing" in report.summary()


def test_a_tensor_of_another_shape_is_an_error_with_both_shapes(file, model, tmp_path):
    def widen(tensors):
        tensors["fpn_p2/bias"] = np.zeros(17, np.float32)

    path = edited(file, tmp_path, widen)
    both = "fpn_p2/bias is (17,) in the file, (16,) in the model"
    assert_refused(model, path, both, "exclude=['fpn_p2']")
    with pytest.warns(UserWarning, match=re.escape(both)):
        report = load_file(model, path, strict=False)
    assert report.mismatched == [("fpn_p2/bias", (17,), (16,))]


def test_an_extra_tensor_is_an_error_unless_its_layer_is_excluded(
    file, model, tmp_path
):
    path = edited(
        file, tmp_path, lambda tensors: tensors.update({"res4zz/kernel": np.ones(3)})
    )
    assert_refused(model, path, "no place for res4zz/kernel", "exclude=['res4zz']")
    with pytest.warns(UserWarning, match="no place for res4zz/kernel"):
        report = load_file(model, path, strict=False)
    assert report.unexpected == ["res4zz/kernel"]
    assert load_file(model, path, exclude=["res4zz"]).unexpected == []


def test_constants_that_old_graphs_kept_are_no_error(file, model, source, tmp_path):
    # Ports of the old package stored the anchors of their training graph.
    constant = {"anchors/Variable": np.zeros([1, 5, 4])}
    path = edited(file, tmp_path, lambda tensors: tensors.update(constant))
    assert load_file(model, path).unexpected == ["anchors/Variable"]
    assert_same_weights(weights_of(source), weights_of(model))


def test_every_fault_is_named_at_once(file, model, tmp_path):
    def spoil(tensors):
        del tensors["fpn_p2/bias"], tensors["conv1/kernel"]
        tensors["fpn_p3/bias"] = np.zeros(5)
        tensors["extra/kernel"] = np.zeros(5)

    names = ("conv1/kernel", "fpn_p2/bias", "fpn_p3/bias", "extra/kernel")
    assert_refused(model, edited(file, tmp_path, spoil), *names)


def test_a_deeper_backbone_in_the_file_is_an_error(file, model, tmp_path):
    # As with ResNet-101's file and ResNet-50: all that the model needs is there, of the
    # right shape, and yet the result would be noise.
    def deepen(tensors):
        for name in [n for n in tensors if re.match(r"(res|bn)4b_", n)]:
            for block in "cdef":
                tensors[name.replace("4b_", f"4{block}_")] = tensors[name]

    told = (
        "check BACKBONE",
        "no place for res4c_branch2a/kernel",
        "bn4f_branch2b/beta",
    )
    assert_refused(model, edited(file, tmp_path, deepen), *told)


def test_a_shallower_backbone_in_the_file_is_an_error(file, model, tmp_path):
    def cut(tensors):
        for name in [n for n in tensors if re.match(r"(res|bn)[345]b_", n)]:
            del tensors[name]

    told = ("check BACKBONE", "has no ", "res3b_branch2a/kernel", "bn5b_branch2b/beta")
    assert_refused(model, edited(file, tmp_path, cut), *told)


@pytest.mark.parametrize(
    ("layers", "attribute"),
    [
        (r"fpn_.*|mrcnn_(class|mask)_conv1", "TOP_DOWN_PYRAMID_SIZE"),
        (r"mrcnn_mask_.*", "MASK_HEAD_CHANNELS"),
        (r"fpn_.*|res2.*|bn2.*", "BACKBONE and NORM"),
    ],
)
def test_many_layers_of_another_shape_name_the_attribute(
    file, model, tmp_path, layers, attribute
):
    def widen(tensors):
        for name in tensors:
            if re.fullmatch(layers, name.split("/")[0]):
                tensors[name] = np.zeros(1, np.float32)

    told = ("layers differ", f"check {attribute}, or load")
    assert_refused(model, edited(file, tmp_path, widen), *told)


def test_nothing_in_common_is_an_error_even_when_lenient(tmp_path, model):
    other = keras.Sequential([keras.Input([2]), keras.layers.Dense(1, name="mine")])
    save_weights(other, tmp_path / "other.h5")
    told = ("nothing in it fits", "mine/kernel")
    assert_refused(model, tmp_path / "other.h5", *told, strict=False)


def test_needed_layers_are_all_that_must_be_filled(model):
    wanted = {"conv1/kernel": np.ones([7, 7, 3, 8]), "conv1/bias": np.ones(8)}
    report = assign_tensors(
        model,
        {**wanted, "fc1000/bias": np.ones(9)},
        needed=["conv1"],
        adapted=["conv1/kernel"],
    )
    assert report.matched == ["conv1/kernel", "conv1/bias"]
    assert report.adapted == ["conv1/kernel"]
    assert report.unexpected == ["fc1000/bias"]
    assert "bn_conv1/gamma" in report.missing
    assert "2 tensors loaded (1 adapted)" in report.summary()
    with pytest.raises(ValueError, match="has no rpn_conv_shared/kernel"):
        assign_tensors(model, wanted, needed=["conv1", "rpn_model"])


def test_values_that_are_no_numbers_are_warned_of(file, model, tmp_path):
    def diverge(tensors):
        tensors["conv1/bias"] = np.full_like(tensors["conv1/bias"], np.nan)

    with pytest.warns(UserWarning, match="finite in conv1/bias; the training diverged"):
        load_file(model, edited(file, tmp_path, diverge))


def test_two_variables_of_one_name_are_an_error(tmp_path):
    x = keras.Input([2])
    inner = keras.Model(x, keras.layers.Dense(1, name="same")(x), name="inner")
    model = keras.Model(x, keras.layers.Dense(1, name="same")(inner(x)))
    with pytest.raises(ValueError, match="two variables are called same/kernel"):
        save_weights(model, tmp_path / "w.h5")
    assert not list(tmp_path.iterdir())


def test_an_exception_while_writing_leaves_the_old_file_and_no_other(tmp_path):
    path = tmp_path / "new folder" / "file.h5"
    with atomic_file(path) as temporary:
        assert temporary.parent == path.parent and temporary.suffix != ".h5"
        temporary.write_text("old")
    with pytest.raises(OSError, match="disk full"), atomic_file(path) as temporary:
        temporary.write_text("half of the n")
        assert path.read_text() == "old"
        raise OSError("disk full")
    assert path.read_text() == "old"
    assert list(path.parent.iterdir()) == [path]
