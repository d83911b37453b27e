from __future__ import annotations

import json
import lzma
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.engine.graph import build_model
from mrcnn.engine.weights.model_weights import model_tensors, save_weights
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.engine.weights.weight_loading import load_file
from tests.engine.tiny import StubConfig, assert_same_weights, make_config, weights_of
from tests.engine.weight_models import fill, make_model, save


@pytest.fixture(scope="module")
def models():
    """Models of both modes in which no two tensors are equal."""
    return {mode: fill(make_model(mode)) for mode in ("inference", "training")}


@pytest.fixture(scope="module")
def source(models):
    return models["inference"]


@pytest.fixture(scope="module")
def other():
    return {mode: make_model(mode, SEED=9) for mode in ("inference", "training")}


@pytest.fixture
def model(other):
    """A model of the same structure with other weights."""
    return fill(other["inference"], seed=1)


def rewritten(file, path, rename, names=np.bytes_):
    """Writes a copy; `rename(group, layer, variable)` is a tensor's name there."""
    with h5py.File(file) as old, h5py.File(path, "w") as new:
        kind = "S" if names is np.bytes_ else h5py.string_dtype()

        def put(item, key, values):
            item.attrs.create(key, np.array(values, dtype=kind))

        put(new, "layer_names", list(old.attrs["layer_names"]))
        for group in (name.decode() for name in old.attrs["layer_names"]):
            stored = []
            for tensor in (n.decode() for n in old[group].attrs["weight_names"]):
                layer, variable = tensor.removesuffix(":0").split("/")
                stored.append(rename(group, layer, variable).encode())
                new[f"{group}/{stored[-1].decode()}"] = old[group][tensor][()]
            put(new.require_group(group), "weight_names", stored)
    return path


KERAS_1 = {
    "kernel": "W",
    "bias": "b",
    "moving_mean": "running_mean",
    "moving_variance": "running_std",
}


def as_keras_1(group, layer, variable):
    return f"{layer}_{KERAS_1.get(variable, variable)}:0"


def as_second_model(group, layer, variable):
    return f"{layer}_1/{variable}:0"


def short(group, layer, variable):
    return f"{variable}:0" if group == layer else f"{layer}/{variable}:0"


def deep(group, layer, variable):
    return f"mask_rcnn/{group}/{layer}/{variable}:0"


def time_distributed(group, layer, variable):
    inner = "" if group == "rpn_model" else "conv2d_7/"
    return f"{layer}/{inner}{variable}:0"


def of_keras_3(group, layer, variable):
    return f"{layer}/{variable}"


SPELLINGS = [
    as_keras_1, as_second_model, short, deep, time_distributed, of_keras_3,
]  # fmt: skip


# The old layout


@pytest.mark.parametrize("names", [np.bytes_, str])
@pytest.mark.parametrize("rename", SPELLINGS)
def test_every_spelling_of_old_files_fills_every_layer(
    file, source, model, tmp_path, rename, names
):
    path = rewritten(file, tmp_path / "w.h5", rename, names)
    report = load_file(model, path)
    assert len(report.matched) == len(model_tensors(source))
    assert not report.unexpected
    assert_same_weights(weights_of(source), weights_of(model))


@pytest.mark.parametrize("rename", [short, deep, of_keras_3, as_keras_1])
def test_most_spellings_need_no_model_to_be_understood(file, source, tmp_path, rename):
    tensors = read_weights(rewritten(file, tmp_path / "w.h5", rename))
    assert tensors.keys() == model_tensors(source).keys()


def test_whole_model_files_are_read(file, source, model, tmp_path):
    with h5py.File(file) as old, h5py.File(tmp_path / "model.h5", "w") as new:
        old.copy(old, new, name="model_weights")
        new.attrs["model_config"] = "{}"
        new.create_group("optimizer_weights").attrs["weight_names"] = [b"iterations:0"]
    load_file(model, tmp_path / "model.h5")
    assert_same_weights(weights_of(source), weights_of(model))


def test_a_whole_model_inside_one_group_is_read(file, source, model, tmp_path):
    # As a model that is one layer of another, for several GPUs.
    with h5py.File(file) as old, h5py.File(tmp_path / "w.h5", "w") as new:
        new.attrs["layer_names"] = [b"input_1", b"mask_rcnn"]
        new.create_group("input_1").attrs["weight_names"] = np.array([], "S")
        names = []
        for group in (name.decode() for name in old.attrs["layer_names"]):
            for name in (n.decode() for n in old[group].attrs["weight_names"]):
                new[f"mask_rcnn/{name}"] = old[group][name][()]
                names.append(name.encode())
        new["mask_rcnn"].attrs["weight_names"] = names
    load_file(model, tmp_path / "w.h5")
    assert_same_weights(weights_of(source), weights_of(model))


def test_lists_that_keras_split_are_read(file, source, model, tmp_path):
    path = tmp_path / "w.h5"
    shutil.copy(file, path)
    with h5py.File(path, "a") as opened:
        for item, key in (
            (opened, "layer_names"),
            (opened["rpn_model"], "weight_names"),
        ):
            for i, part in enumerate(np.array_split(item.attrs[key], 3)):
                item.attrs[f"{key}{i}"] = part
            del item.attrs[key]
    load_file(model, path)
    assert_same_weights(weights_of(source), weights_of(model))


def test_the_h5_that_keras_3_writes_of_a_whole_model_is_read(tmp_path):
    # TrainingModel and nested layers need no saving here: a model of plain layers does.
    def build():
        x = keras.Input([8, 8, 3])
        inner = keras.Sequential(
            [keras.Input([8, 8, 4]), keras.layers.Conv2D(2, 1, name="b")], name="inner"
        )
        y = keras.layers.Conv2D(4, 1, name="a")(x)
        return keras.Model(x, inner(keras.layers.BatchNormalization(name="n")(y)))

    written, read = fill(build()), build()
    written.save(tmp_path / "model.h5")
    load_file(read, tmp_path / "model.h5")
    assert_same_weights(
        {name: v.numpy() for name, v in model_tensors(written).items()},
        {name: v.numpy() for name, v in model_tensors(read).items()},
    )


@pytest.mark.parity
def test_a_real_file_loads_whole_and_is_written_as_it_was(shared, tmp_path):
    old = tmp_path / "old.h5"
    with lzma.open(shared / "parity" / "weights.h5.xz") as packed, open(old, "wb") as f:
        shutil.copyfileobj(packed, f)
    values = json.loads((shared / "parity" / "config.json").read_text())
    config = make_config(Config)
    for name in ("NAME", "BACKBONE", "NUM_CLASSES", "IMAGE_MIN_DIM", "IMAGE_MAX_DIM"):
        setattr(config, name, values[name])
    model = build_model("inference", config)
    report = load_file(model, old)
    assert len(report.matched) == 384
    assert not report.missing + report.unexpected + report.mismatched
    save_weights(model, tmp_path / "new.h5")
    found = []

    def compare(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(f"{name} {item.shape}")
            assert item.dtype == original[name].dtype == np.float32
            assert np.array_equal(item, original[name]), name

    with h5py.File(old) as original, h5py.File(tmp_path / "new.h5") as new:
        new.visititems(compare)
        for group in new:
            lists = [
                f[group].attrs["weight_names"] for f in (new, original) if group in f
            ]
            texts = [
                [n.decode() if isinstance(n, bytes) else n for n in x] for x in lists
            ]
            assert all(text == texts[0] for text in texts)  # also the order
    layout = (shared / "parity" / "layout.txt").read_text().splitlines()
    assert sorted(found) == sorted(line.strip() for line in layout if line.strip())


# The layouts of Keras 3


def without_names(path):
    """Takes the names of layers out of a file, as early Keras 3 wrote it."""

    def strip(_, item):
        item.attrs.pop("name", None)

    content = path
    if path.suffix == ".keras":
        content = path.with_name("model.weights.h5")
        with zipfile.ZipFile(path) as archive:
            archive.extract("model.weights.h5", path.parent)
            config = archive.read("config.json")
    with h5py.File(content, "a") as opened:
        assert opened["layers/conv2d/vars"].attrs["name"] == "conv1"
        opened.visititems(strip)
    if path.suffix == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            archive.write(content, content.name)
            archive.writestr("config.json", config)
    return path


@pytest.mark.parametrize("named", [True, False])
@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("writer", ["inference", "training"])
def test_files_of_keras_3_load_right_in_every_mode_or_are_refused(
    models, other, tmp_path, writer, ending, named
):
    path = save(models[writer], tmp_path / f"w{ending}")
    if not named:
        without_names(path)
    for reader, model in other.items():
        fill(model, seed=1)
        before = weights_of(model)
        if named or ending == ".keras" or reader == writer:
            report = load_file(model, path)
            assert not report.unexpected
            assert_same_weights(weights_of(models[writer]), weights_of(model))
        else:
            # The first "dense" is the class head in one mode, the box head in another.
            with pytest.raises(ValueError, match="did not store the names of layers"):
                load_file(model, path)
            assert_same_weights(before, weights_of(model))


def test_a_nameless_file_of_another_structure_is_refused(source, tmp_path):
    path = without_names(save(source, tmp_path / "w.weights.h5"))
    for model in (make_model(NUM_CLASSES=7), make_model(NORM="group"), None):
        with pytest.raises(ValueError, match="did not store the names of layers"):
            read_weights(path, model)


def test_another_number_of_classes_is_told_for_keras_3_files_too(source, tmp_path):
    path = save(source, tmp_path / "w.weights.h5")
    with pytest.raises(ValueError, match="has 3 classes, the model NUM_CLASSES = 7"):
        load_file(make_model(NUM_CLASSES=7), path)


def test_the_name_of_a_wrapped_layer_is_that_of_its_wrapper(tmp_path):
    x = keras.Input([2, 3])
    wrapped = keras.layers.TimeDistributed(keras.layers.Dense(4), name="head")
    written = fill(keras.Model(x, wrapped(x)))
    save(written, tmp_path / "w.weights.h5")
    plain = keras.layers.Dense(4, name="head")
    read = keras.Model(x, plain(x))
    load_file(read, tmp_path / "w.weights.h5")
    assert np.array_equal(plain.kernel, wrapped.layer.kernel)


def test_bfloat16_survives_both_layouts(tmp_path):
    def build(dtype):
        x = keras.Input([3])
        return keras.Model(x, keras.layers.Dense(4, name="a", dtype=dtype)(x))

    written, read = fill(build("bfloat16")), build("float32")
    expected = np.asarray(written.get_layer("a").kernel).astype(np.float32)
    save(written, tmp_path / "w.weights.h5")
    save_weights(written, tmp_path / "w.h5")
    for name in ("w.weights.h5", "w.h5"):
        load_file(fill(read, seed=1), tmp_path / name)
        assert np.array_equal(read.get_layer("a").kernel, expected)


def test_reading_needs_no_model_for_named_files(source, tmp_path):
    for path in (tmp_path / "w.weights.h5", tmp_path / "w.keras"):
        tensors = read_weights(save(source, path))
        assert tensors.keys() == model_tensors(source).keys()


def test_a_backbone_of_the_users_own_round_trips_in_every_layout(tmp_path):
    written, read = (
        build_model("inference", make_config(StubConfig, SEED=seed)) for seed in (1, 2)
    )
    save_weights(fill(written), tmp_path / "w.h5")
    for path in (tmp_path / "w.h5", save(written, tmp_path / "w.weights.h5")):
        load_file(fill(read, seed=1), path)
        assert_same_weights(weights_of(written), weights_of(read))
