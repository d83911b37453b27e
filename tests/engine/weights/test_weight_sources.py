"""Words, addresses and paths for `load_weights`; first kernels for other images."""

from __future__ import annotations

import logging
from pathlib import Path

import numpy as np
import pytest

from mrcnn.data.files.downloads import COCO_MODEL_URL, DownloadError
from mrcnn.engine.graph import build_model
from mrcnn.engine.weights import imagenet, weight_sources
from mrcnn.engine.weights.model_weights import save_weights
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.engine.weights.weight_loading import load_file
from mrcnn.model import MaskRCNN
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    changed,
    make_config,
    weights_of,
)
from tests.engine.weight_models import fill, values_of


@pytest.fixture
def stub(tmp_path, monkeypatch):
    monkeypatch.setenv("MRCNN_CACHE", str(tmp_path / "cache"))
    return MaskRCNN("inference", StubConfig(), tmp_path / "logs")


@pytest.fixture
def coco_file(stub, tmp_path, monkeypatch):
    """What the word "coco" fetches: the weights of a stub."""
    path = tmp_path / "cache" / "mask_rcnn_coco.h5"
    save_weights(stub.keras_model, path)

    def download(url):
        assert url == COCO_MODEL_URL
        return path

    monkeypatch.setattr(weight_sources, "download", download)
    return path


def test_coco_is_fetched_and_loaded(stub, coco_file):
    wanted = weights_of(stub.keras_model)
    fill(stub.keras_model, 4)
    report = stub.load_weights("coco")
    assert_same_weights(wanted, weights_of(stub.keras_model))
    assert not report.missing + report.adapted


@pytest.mark.parametrize("filepath", ["coco", "path"])
def test_coco_weights_warn_of_another_convention(stub, coco_file, filepath):
    stub.config = make_config(
        TinyConfig,
        STEM_POOL="pad",
        ROI_OP="align",
        ROI_LEVEL_ROUNDING="floor",
        MEAN_PIXEL=np.zeros(3),
    )
    with pytest.warns(UserWarning) as caught:
        stub.load_weights("coco" if filepath == "coco" else coco_file)
    texts = [str(warning.message) for warning in caught]
    for told in (
        "STEM_POOL = 'same'; 'pad' shifts",
        "ROI_OP = 'crop'; 'align' shifts",
        "ROI_LEVEL_ROUNDING = 'round'; 'floor' shifts",
        "minus the mean",
    ):
        assert len([text for text in texts if told in text]) == 1
    assert {warning.filename for warning in caught} == {__file__}


def test_last_is_the_newest_checkpoint_whose_run_goes_on(stub, tmp_path):
    run = tmp_path / "logs" / "tiny20310405T1200"
    wanted = weights_of(stub.keras_model)
    save_weights(stub.keras_model, run / "mask_rcnn_tiny_0009.h5")
    fill(stub.keras_model, 4)
    stub.load_weights("last")
    assert_same_weights(wanted, weights_of(stub.keras_model))
    assert stub.epoch == 9 and stub.log_dir == str(run)


def test_last_without_a_checkpoint_is_an_error(stub):
    with pytest.raises(FileNotFoundError, match="no checkpoint of 'tiny'"):
        stub.load_weights("last")


def test_an_address_is_fetched_into_the_cache(stub, tmp_path):
    source = tmp_path / "web" / "weights.h5"
    save_weights(stub.keras_model, source)
    wanted = weights_of(stub.keras_model)
    for _ in range(2):
        fill(stub.keras_model, 4)
        stub.load_weights(source.as_uri())
        assert_same_weights(wanted, weights_of(stub.keras_model))
        source.unlink(missing_ok=True)  # the second time the cache has it


def test_what_can_not_be_fetched_changes_nothing(stub, tmp_path):
    before, log_dir = weights_of(stub.keras_model), stub.log_dir
    with pytest.raises(DownloadError, match="by hand"):
        stub.load_weights((tmp_path / "nowhere.h5").as_uri())
    assert_same_weights(before, weights_of(stub.keras_model))
    assert stub.log_dir == log_dir


@pytest.mark.parametrize("filepath", ["COCO", "nowhere.h5", Path("coco")])
def test_a_missing_file_names_the_words_there_are(stub, filepath):
    with pytest.raises(FileNotFoundError, match="coco, imagenet, last") as error:
        stub.load_weights(filepath)
    assert repr(str(filepath)) in str(error.value)


# The one line, and who is warned


@pytest.fixture
def file(stub, tmp_path):
    path = tmp_path / "weights.h5"
    save_weights(stub.keras_model, path)
    return path


def test_one_line_is_seen_without_any_logging_set_up(stub, file, capsys):
    stub.load_weights(file)
    (line,) = capsys.readouterr().out.splitlines()
    assert line.startswith(f"{file}: ") and "tensors loaded, 0 excluded" in line


def test_callbacks_that_copy_weights_stay_silent(stub, file, capsys, monkeypatch):
    stub.keras_model.load_weights(file)
    monkeypatch.setattr(logging.getLogger("mrcnn"), "level", logging.WARNING)
    stub.load_weights(file)
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("by", ["MaskRCNN", "keras_model"])
def test_with_logging_set_up_the_line_is_logged_once(stub, file, capsys, caplog, by):
    with caplog.at_level(logging.INFO, logger="mrcnn"):
        (stub if by == "MaskRCNN" else stub.keras_model).load_weights(file)
    (record,) = caplog.records
    assert "tensors loaded" in record.getMessage() and capsys.readouterr().out == ""


@pytest.mark.parametrize("by", ["MaskRCNN", "keras_model"])
def test_what_was_left_out_is_told_where_the_user_called(stub, tmp_path, by):
    path = tmp_path / "seven.h5"
    seven = make_config(StubConfig, NUM_CLASSES=7)
    save_weights(build_model("inference", seven), path)
    owner = stub if by == "MaskRCNN" else stub.keras_model
    # Any false value but None means False.
    with pytest.warns(UserWarning, match=r"^load_weights\(filepath=") as caught:
        owner.load_weights(path, strict=np.False_)
    assert [warning.filename for warning in caught] == [__file__]


# Other numbers of channels


def tiny_model(channels=3, **values):
    mean = [123.7, 116.8, 103.9, 114.8][:channels]
    values = {"IMAGE_CHANNEL_COUNT": channels, "MEAN_PIXEL": np.array(mean), **values}
    return build_model("inference", make_config(TinyConfig, **values))


@pytest.fixture(scope="module")
def file_of_rgb(tmp_path_factory):
    path = tmp_path_factory.mktemp("rgb") / "rgb.h5"
    save_weights(fill(tiny_model(), 3), path)
    return path


@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_kernel_for_rgb_is_adapted_to_other_channels(file_of_rgb, channels):
    model = tiny_model(channels)
    report = load_file(model, file_of_rgb)
    assert report.adapted == ["conv1/kernel"]
    assert "(1 adapted)" in report.summary()
    assert not report.missing + report.unexpected + report.mismatched
    tensors = read_weights(file_of_rgb)
    wanted = imagenet.adapt_first_convolution(tensors["conv1/kernel"], channels)
    values = values_of(model)
    np.testing.assert_array_equal(values["conv1/kernel"], wanted)
    np.testing.assert_array_equal(values["conv1/bias"], tensors["conv1/bias"])


def test_an_excluded_first_convolution_is_not_adapted(file_of_rgb):
    model = tiny_model(1)
    before = weights_of(model)
    report = load_file(model, file_of_rgb, exclude="conv1")
    assert report.adapted == []
    assert set(report.excluded) == {"conv1/kernel", "conv1/bias"}
    paths = changed(before, weights_of(model))
    assert paths and not [path for path in paths if path.startswith("conv1/")]


def test_a_first_kernel_of_another_width_is_no_matter_of_channels(file_of_rgb):
    model = tiny_model(4, BACKBONE_WIDTH=16)
    with pytest.raises(ValueError, match="conv1/kernel"):
        load_file(model, file_of_rgb)
