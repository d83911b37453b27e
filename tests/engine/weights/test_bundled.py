"""Models that come with the package: found by name, loaded, warned about."""

from __future__ import annotations

import contextlib
import warnings

import h5py
import numpy as np
import pytest

from mrcnn.engine.weights import bundled
from mrcnn.engine.weights.model_weights import save_weights
from mrcnn.engine.weights.run_config import restore_config, write_run_config
from mrcnn.model import MaskRCNN
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    changed,
    make_config,
    weights_of,
)
from tests.engine.weight_models import fill


@pytest.fixture(autouse=True)
def folder(tmp_path, monkeypatch):
    """The folder of the bundled models, empty."""
    home = tmp_path / "pretrained"
    home.mkdir()
    monkeypatch.setattr(bundled, "BUNDLED", home)
    return home


@pytest.fixture
def stub(folder, tmp_path):
    return MaskRCNN("inference", StubConfig(), tmp_path / "logs")


@pytest.fixture
def moon(stub, folder):
    """The weights of a stub as a bundled model; the stub has others then."""
    path = folder / "moon.h5"
    save_weights(stub.keras_model, path)
    write_run_config(path.with_suffix(".json"), stub.config, ["BG", "box", "bar"])
    wanted = weights_of(stub.keras_model)
    fill(stub.keras_model, 4)
    return wanted


@contextlib.contextmanager
def no_warnings():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        yield


def test_files_are_known_by_their_names(folder, tmp_path):
    for name in ("sun.h5", "moon.h5", "sun.json", "notes.md"):
        (folder / name).touch()
    assert bundled.bundled_names() == ["moon", "sun"]
    assert bundled.bundled_file("sun") == folder / "sun.h5"
    assert bundled.is_bundled(folder / "sun.h5")
    assert bundled.is_bundled(folder / ".." / "pretrained" / "sun.h5")
    assert not bundled.is_bundled(tmp_path / "sun.h5")
    with pytest.raises(ValueError, match=r"name='mars'.* there is moon, sun\."):
        bundled.bundled_file("mars")


def test_weights_without_their_json_are_an_installation_gone_wrong(folder):
    (folder / "sun.h5").touch()
    with pytest.raises(FileNotFoundError, match=r"sun\.json is missing; install"):
        bundled.bundled_run("sun")


def test_the_word_loads_whatever_lies_in_the_present_folder(
    stub, moon, tmp_path, monkeypatch
):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "moon").write_text("something else")
    with no_warnings():
        report = stub.load_weights("moon")
    assert_same_weights(moon, weights_of(stub.keras_model))
    assert not report.missing + report.unexpected + report.mismatched
    assert stub.epoch == 0 and str(tmp_path / "logs") in stub.log_dir


def test_excluded_layers_keep_their_weights(stub, moon):
    before = weights_of(stub.keras_model)
    stub.load_weights("moon", exclude=["mrcnn_mask"])
    after = weights_of(stub.keras_model)
    kept = before.keys() - changed(before, after)
    assert kept and all(path.startswith("mrcnn_mask/") for path in kept)


def test_numbers_of_half_precision_become_float32(stub, moon, folder):
    with h5py.File(folder / "moon.h5", "r+") as file:
        group = file["mrcnn_mask/mrcnn_mask"]
        half = group["kernel:0"][()].astype(np.float16)
        del group["kernel:0"]
        group["kernel:0"] = half
    stub.load_weights("moon")
    kernel = stub.keras_model.get_layer("mrcnn_mask").kernel
    assert kernel.dtype == "float32"
    np.testing.assert_array_equal(kernel, half.astype(np.float32))


def test_the_error_for_a_misspelt_word_lists_those_there_are(stub, moon):
    with pytest.raises(FileNotFoundError, match="coco, imagenet, last, moon"):
        stub.load_weights("mon")


@pytest.mark.parametrize("by", ["word", "path"])
def test_the_error_for_another_architecture_names_the_config_that_fits(
    moon, folder, tmp_path, by
):
    model = MaskRCNN("inference", make_config(TinyConfig), tmp_path / "logs")
    before = weights_of(model.keras_model)
    with pytest.raises(ValueError, match="BACKBONE") as error:
        model.load_weights("moon" if by == "word" else folder / "moon.h5")
    assert "mrcnn.pretrained.moon_config()" in str(error.value)
    assert_same_weights(before, weights_of(model.keras_model))


def test_files_of_others_are_not_said_to_be_bundled(moon, folder, tmp_path):
    (tmp_path / "own.h5").write_bytes((folder / "moon.h5").read_bytes())
    model = MaskRCNN("inference", make_config(TinyConfig), tmp_path / "logs")
    with pytest.raises(ValueError) as error:
        model.load_weights(tmp_path / "own.h5")
    assert "pretrained" not in str(error.value)


@pytest.mark.parametrize(
    ("name", "value"),
    [
        ("MEAN_PIXEL", np.array([43.5, 39.6, 48.2])),
        ("RPN_ANCHOR_SCALES", (16, 24, 32, 64, 96)),
        ("RPN_ANCHOR_RATIOS", [0.7, 1, 1.4]),
        ("RPN_BBOX_STD_DEV", np.array([0.1, 0.1, 0.1, 0.1])),
        ("BBOX_STD_DEV", np.array([0.1, 0.1, 0.1, 0.1])),
        ("NORM_GROUPS", 4),
        ("ROI_OP", "align"),
        ("ROI_LEVEL_ROUNDING", "floor"),
        ("STEM_POOL", "pad"),
        ("IMAGE_MIN_SCALE", 2.0),
        ("IMAGE_MIN_DIM", 64),
        ("IMAGE_RESIZE_MODE", "none"),
    ],
)
def test_a_value_the_shapes_do_not_show_is_warned_of(stub, moon, name, value):
    stub.config = make_config(StubConfig, **{name: value})
    with pytest.warns(UserWarning, match=rf"the Config differs .*{name} = ") as caught:
        stub.load_weights("moon")
    (warning,) = caught
    assert warning.filename == __file__
    assert "mrcnn.pretrained.moon_config()" in str(warning.message)
    assert str(warning.message).count(" = ") == 1
    # It was loaded all the same.
    assert_same_weights(moon, weights_of(stub.keras_model))


@pytest.mark.parametrize(
    "values",
    [
        {"NAME": "other", "IMAGES_PER_GPU": 7, "DETECTION_MIN_CONFIDENCE": 0.1},
        {"MEAN_PIXEL": np.array([122.0, 118.0, 104.0])},  # that of other data
        {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 128},  # pieces to train on
    ],
)
def test_what_does_no_harm_is_not_warned_of(stub, moon, values):
    stub.config = make_config(StubConfig, **values)
    with no_warnings():
        stub.load_weights("moon")


def test_config_for_training_cuts_pieces_and_sees_all_images():
    config = make_config(StubConfig, IMAGE_RESIZE_MODE="pad64", VALIDATION_STEPS=3)
    config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM = 0, 192
    bundled.set_for_training(config)
    assert config.IMAGE_MIN_DIM == 192 and config.IMAGE_SHAPE.tolist() == [192, 192, 3]
    assert config.IMAGE_RESIZE_MODE == "crop" and config.BATCH_SIZE == 4
    assert config.STEPS_PER_EPOCH is None and config.VALIDATION_STEPS is None


def test_run_restores_the_config(moon):
    run = bundled.bundled_run("moon")
    assert run.class_names == ["BG", "box", "bar"]
    with pytest.raises(ValueError, match="BACKBONE was the function"):
        restore_config(run)
