from __future__ import annotations

import h5py
import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.engine.graph import build_model
from mrcnn.engine.weights import (
    atomic_file,
    load_weights,
    model_tensors,
    read_weights,
    save_weights,
)
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    changed,
    make_config,
    weights_of,
)

# The layers that every script leaves out when its classes are not those of COCO.
# `mrcnn_bbox` has no weights.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


def make_model(mode="inference", base=TinyConfig, **values):
    return build_model(mode, make_config(base, **values))


@pytest.fixture(scope="module")
def source():
    """A model in which no two tensors are equal, moving statistics included."""
    model = make_model(NORM="batch")
    rng = np.random.default_rng(0)
    for variable in model_tensors(model).values():
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture(scope="module")
def file(source, tmp_path_factory):
    path = tmp_path_factory.mktemp("weights") / "source.h5"
    save_weights(source, path)
    return path


def test_weights_round_trip_bit_by_bit_and_between_the_modes(source, file):
    other = make_model("training", NORM="batch", SEED=9)
    report = load_weights(other, file)
    assert_same_weights(weights_of(source), weights_of(other))
    assert sorted(report.matched) == sorted(model_tensors(source))
    assert not report.missing + report.unexpected + report.mismatched + report.excluded
    assert "bn2a_branch2a/moving_variance" in report.matched


def test_tensors_of_a_nested_model_are_one_group_in_order(file):
    with h5py.File(file) as opened:
        layers = [name.decode() for name in opened.attrs["layer_names"]]
        rpn = [name.decode() for name in opened["rpn_model"].attrs["weight_names"]]
        bn = [name.decode() for name in opened["bn_conv1"].attrs["weight_names"]]
        assert list(opened["input_image"].attrs["weight_names"]) == []
        assert opened.attrs["backend"].decode() == "tensorflow"
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


def test_random_seeds_are_not_in_the_file(tmp_path):
    model = make_model("training", StubConfig)
    assert any("seed_generator" in v.path for v in model.variables)
    save_weights(model, tmp_path / "w.h5")
    assert not [name for name in read_weights(tmp_path / "w.h5") if "seed" in name]


def test_the_layout_is_that_of_a_real_file(shared, tmp_path):
    config = make_config(Config, NAME="coco", BACKBONE="resnet50", NUM_CLASSES=81)
    save_weights(build_model("inference", config), tmp_path / "w.h5")
    found = []

    def note(name, item):
        if isinstance(item, h5py.Dataset):
            found.append(f"{name} {item.shape}")

    with h5py.File(tmp_path / "w.h5") as opened:
        opened.visititems(note)
    real = (shared / "parity" / "layout.txt").read_text().split("\n")
    assert sorted(found) == sorted(line.strip() for line in real if line.strip())


def test_whole_model_files_are_read(file, source, tmp_path):
    with h5py.File(file) as old, h5py.File(tmp_path / "model.h5", "w") as new:
        old.copy(old, new, name="model_weights")
    other = make_model(NORM="batch", SEED=9)
    load_weights(other, tmp_path / "model.h5")
    assert_same_weights(weights_of(source), weights_of(other))


def test_other_classes_are_an_error_that_names_shapes_and_remedy(file):
    model = make_model(NORM="batch", NUM_CLASSES=5, SEED=9)
    before = weights_of(model)
    with pytest.raises(ValueError) as error:
        load_weights(model, file)
    assert_same_weights(before, weights_of(model))
    text = str(error.value)
    assert str(file) in text
    logits = "mrcnn_class_logits/kernel is (16, 3) in the file, (16, 5) in the model"
    assert logits in text
    remedy = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"]
    assert f"exclude={remedy}" in text
    load_weights(model, file, exclude=remedy)  # the remedy works


def test_the_usual_exclusions_keep_exactly_these_layers(file, source):
    model = make_model(NORM="batch", NUM_CLASSES=5, SEED=9)
    before = weights_of(model)
    report = load_weights(model, file, exclude=CLASS_LAYERS)
    excluded = {"mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_mask"}
    assert {name.split("/")[0] for name in report.excluded} == excluded
    assert changed(before, weights_of(model)) == {
        w.path for w in model.weights if w.path.split("/")[0] not in excluded
    }


@pytest.mark.parametrize(
    ("exclude", "layers"),
    [
        ("conv1", {"conv1"}),
        (["rpn_class_raw"], {"rpn_class_raw"}),
        (["rpn_model"], {"rpn_conv_shared", "rpn_class_raw", "rpn_bbox_pred"}),
    ],
)
def test_layers_are_excluded_by_name_or_by_the_model_around_them(file, exclude, layers):
    model = make_model(NORM="batch")
    report = load_weights(model, file, exclude=exclude)
    assert {name.split("/")[0] for name in report.excluded} == layers
    assert len(report.excluded) == 2 * len(layers)


def test_an_unknown_exclusion_is_an_error(file):
    with pytest.raises(ValueError, match="mrcnn_clas_logits.*no such layers"):
        load_weights(make_model(NORM="batch"), file, exclude=["mrcnn_clas_logits"])


def test_a_missing_tensor_is_an_error_that_names_it(file, tmp_path):
    path = tmp_path / "less.h5"
    path.write_bytes(file.read_bytes())
    with h5py.File(path, "a") as opened:
        group = opened["fpn_p2"]
        group.attrs["weight_names"] = [b"fpn_p2/kernel:0"]  # the bias is gone
        opened.create_group("extra").attrs["weight_names"] = [b"extra/kernel:0"]
        opened["extra"].create_dataset("extra/kernel:0", data=np.zeros(3))
        names = [*opened.attrs["layer_names"], b"extra"]
        opened.attrs["layer_names"] = np.array(names, dtype="S")
    model = make_model(NORM="batch", SEED=9)
    before = weights_of(model)
    with pytest.raises(ValueError, match=r"no fpn_p2/bias.*exclude=\['fpn_p2'\]"):
        load_weights(model, path)
    assert_same_weights(before, weights_of(model))

    report = load_weights(model, path, strict=False)
    assert report.missing == ["fpn_p2/bias"]
    assert report.unexpected == ["extra/kernel"]
    every = {w.path for w in model.weights}
    assert changed(before, weights_of(model)) == every - {"fpn_p2/bias"}
    assert "1 missing, 1 unexpected" in report.summary()


def test_another_architecture_is_an_error_that_says_so(file):
    with pytest.raises(ValueError, match="and [0-9]+ more.*check BACKBONE"):
        load_weights(make_model(NORM="batch", BACKBONE="resnet50"), file)


def test_nothing_in_common_is_an_error_even_when_lenient(tmp_path):
    other = keras.Sequential([keras.Input([2]), keras.layers.Dense(1, name="mine")])
    save_weights(other, tmp_path / "other.h5")
    with pytest.raises(ValueError, match="the file has no"):
        load_weights(make_model(), tmp_path / "other.h5", strict=False)


@pytest.mark.parametrize("part", [0.0, 0.3, 0.97])
def test_a_truncated_file_is_an_error_and_changes_nothing(file, tmp_path, part):
    whole = file.read_bytes()
    (tmp_path / "part.h5").write_bytes(whole[: int(part * len(whole))])
    model = make_model(NORM="batch", SEED=9)
    before = weights_of(model)
    with pytest.raises(ValueError, match="not a complete HDF5 weight file"):
        load_weights(model, tmp_path / "part.h5")
    assert_same_weights(before, weights_of(model))


def test_foreign_files_are_an_error(tmp_path):
    (tmp_path / "page.h5").write_text("<html>404 not found</html>")
    with h5py.File(tmp_path / "data.h5", "w") as opened:
        opened.create_dataset("measurements", data=np.zeros(3))
    model = make_model(base=StubConfig)
    model.save_weights(tmp_path / "keras.weights.h5")  # the layout of Keras 3
    for name in ("page.h5", "data.h5", "keras.weights.h5"):
        with pytest.raises(ValueError, match=f"{name}.*not a complete HDF5 weight"):
            load_weights(model, tmp_path / name)
    with pytest.raises(FileNotFoundError, match="absent.h5.*no such file"):
        load_weights(model, tmp_path / "absent.h5")
    with pytest.raises(FileNotFoundError, match="no such file"):
        load_weights(model, tmp_path)  # a folder


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
