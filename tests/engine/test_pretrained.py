"""Words, addresses and paths for `load_weights`, and what the weights expect."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import h5py
import keras
import numpy as np
import pytest

from mrcnn.data.downloads import COCO_MODEL_URL, DownloadError
from mrcnn.engine import imagenet, pretrained
from mrcnn.engine.graph import build_model
from mrcnn.engine.layers import HEADS
from mrcnn.engine.pretrained import load_file
from mrcnn.engine.weights import model_tensors, read_weights, save_weights
from mrcnn.model import MaskRCNN
from mrcnn.nn.backbones import resnet
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    changed,
    make_config,
    weights_of,
)


class Resnet50Config(TinyConfig):
    """The backbone that ImageNet weights fit, with tiny heads."""

    BACKBONE = "resnet50"
    BACKBONE_WIDTH = 64
    NORM = "batch"
    STEM_POOL = "pad"


def write_file(path, tensors):
    """Writes tensors by "layer/variable" as Keras 2 laid them out."""
    groups = {}
    for name in tensors:
        groups.setdefault(name.split("/")[0], []).append(name)
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([n.encode() for n in groups])
        for layer, names in groups.items():
            group = file.create_group(layer)
            keys = [f"{name}:0" for name in names]
            group.attrs["weight_names"] = np.array([key.encode() for key in keys])
            for name, key in zip(names, keys, strict=True):
                group[key] = tensors[name]
    return path


def values_of(model):
    return {name: value.numpy() for name, value in model_tensors(model).items()}


def randomize(model, seed):
    rng = np.random.default_rng(seed)
    for variable in model_tensors(model).values():
        variable.assign(rng.uniform(0.5, 1.5, variable.shape))
    return model


@pytest.fixture(scope="module")
def theirs():
    """Tensors of a ResNet-50 of keras.applications."""
    model = keras.applications.ResNet50(weights=None, include_top=False)
    return values_of(randomize(model, 1))


@pytest.fixture(scope="module")
def file_of_applications(theirs, tmp_path_factory):
    return write_file(tmp_path_factory.mktemp("imagenet") / "notop.h5", theirs)


@pytest.fixture(scope="module")
def built_trainer(tmp_path_factory):
    folder = tmp_path_factory.mktemp("resnet50")
    return MaskRCNN("training", Resnet50Config(), folder)


@pytest.fixture
def trainer(built_trainer, monkeypatch):
    """A ResNet-50 to load into, with the weights of no file and its own Config."""
    for variable in model_tensors(built_trainer.keras_model).values():
        variable.assign(keras.ops.full(variable.shape, 2.0))
    monkeypatch.setattr(built_trainer, "config", Resnet50Config())
    return built_trainer


@pytest.fixture
def local_imagenet(file_of_applications, monkeypatch):
    """The file stands for what the web has for each backbone; notes which."""
    asked = []

    def imagenet_file(backbone, verbose=1):
        asked.append(backbone)
        return file_of_applications

    monkeypatch.setattr(imagenet, "imagenet_file", imagenet_file)
    return asked


def is_head(name):
    return re.fullmatch(HEADS, name.split("/")[0]) is not None


def test_imagenet_fills_the_backbone_and_leaves_the_heads(
    trainer, local_imagenet, theirs, caplog
):
    before = values_of(trainer.keras_model)
    with caplog.at_level(logging.INFO, logger="mrcnn"):
        report = trainer.load_weights("imagenet")
    after = values_of(trainer.keras_model)
    assert local_imagenet == ["resnet50"]
    assert len(report.matched) == len(theirs)
    assert report.missing and all(map(is_head, report.missing))
    assert not report.unexpected + report.mismatched + report.excluded
    wanted = imagenet.convert(theirs, "resnet50")
    for name, value in after.items():
        source = before if is_head(name) else wanted
        np.testing.assert_array_equal(value, source[name], name)
    assert "conv1/kernel" in report.adapted
    assert "bn5c_branch2c/gamma" in report.adapted
    (line,) = [record.getMessage() for record in caplog.records]
    assert f"{len(theirs)} tensors loaded" in line and "notop.h5" in line


def test_the_old_way_to_load_imagenet_weights_works(trainer, local_imagenet, theirs):
    path = trainer.get_imagenet_weights()
    assert isinstance(path, str) and Path(path).is_file()
    report = trainer.load_weights(path, by_name=True)
    assert len(report.matched) == len(theirs)
    kernel = trainer.keras_model.get_layer("conv1").kernel.numpy()
    np.testing.assert_array_equal(kernel, theirs["conv1_conv/kernel"][:, :, ::-1])


def test_imagenet_with_the_stem_of_the_old_package_is_noted(
    trainer, local_imagenet, caplog
):
    trainer.config.STEM_POOL = "same"
    with caplog.at_level(logging.INFO, logger="mrcnn"):
        trainer.load_weights("imagenet")
    assert "trained with STEM_POOL = 'pad'" in caplog.text


def test_the_config_decides_how_the_stem_pools(trainer, training_graph):
    names = {layer.name for layer in trainer.keras_model.layers}
    assert "pool1_pad" in names  # Resnet50Config
    names = {layer.name for layer in training_graph.keras_model.layers}
    assert "pool1_pad" not in names  # the default


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"BACKBONE": "resnet18"}, "no ImageNet weights for BACKBONE='resnet18'"),
        ({"NORM": "group"}, "NORM='group'"),
        ({"BACKBONE_WIDTH": 8}, "BACKBONE_WIDTH=8"),
    ],
)
def test_backbones_without_imagenet_weights_are_refused(
    trainer, local_imagenet, file_of_applications, values, message
):
    before, log_dir = weights_of(trainer.keras_model), trainer.log_dir
    for name, value in values.items():
        setattr(trainer.config, name, value)
    for filepath in ("imagenet", file_of_applications):
        with pytest.raises(ValueError, match=message):
            trainer.load_weights(filepath)
    with pytest.raises(ValueError, match=message):
        trainer.get_imagenet_weights()
    assert local_imagenet == []
    assert_same_weights(before, weights_of(trainer.keras_model))
    assert trainer.log_dir == log_dir


def test_a_file_of_another_depth_is_refused_unless_what_fits_is_wanted(
    trainer, theirs, tmp_path
):
    deeper = {**theirs, "conv4_block7_1_conv/kernel": np.zeros([1, 1, 1024, 256])}
    path = write_file(tmp_path / "deeper.h5", deeper)
    before = weights_of(trainer.keras_model)
    with pytest.raises(ValueError, match="isn't the resnet50.*conv4_block7_1_conv"):
        trainer.load_weights(path)
    assert_same_weights(before, weights_of(trainer.keras_model))
    report = trainer.load_weights(path, strict=False)
    assert len(report.matched) == len(theirs)
    assert report.unexpected == ["conv4_block7_1_conv/kernel"]


def test_a_file_of_keras_applications_that_lacks_a_tensor_is_refused(
    trainer, theirs, tmp_path
):
    fewer = dict(theirs)
    del fewer["conv3_block2_1_bn/beta"]
    path = write_file(tmp_path / "fewer.h5", fewer)
    before = weights_of(trainer.keras_model)
    with pytest.raises(ValueError, match="bn3b_branch2a/beta"):
        trainer.load_weights(path)
    assert_same_weights(before, weights_of(trainer.keras_model))


@pytest.mark.parametrize(
    ("name", "is_bgr"),
    [
        ("resnet50_weights_tf_dim_ordering_tf_kernels_notop.h5", True),
        ("backbone_of_mine.h5", False),
    ],
)
def test_files_of_a_backbone_with_our_names_need_no_heads(
    trainer, theirs, tmp_path, name, is_bgr
):
    ours = imagenet.convert(theirs, "resnet50")
    report = trainer.load_weights(write_file(tmp_path / name, ours), by_name=True)
    assert len(report.matched) == len(ours)
    assert all(map(is_head, report.missing))
    kernel = trainer.keras_model.get_layer("conv1").kernel.numpy()
    wanted = ours["conv1/kernel"]
    np.testing.assert_array_equal(kernel, wanted[:, :, ::-1] if is_bgr else wanted)
    assert report.adapted == (["conv1/kernel"] if is_bgr else [])


def test_a_backbone_with_our_names_has_to_be_complete(trainer, theirs, tmp_path):
    ours = imagenet.convert(theirs, "resnet50")
    del ours["res5c_branch2c/bias"]
    before = weights_of(trainer.keras_model)
    with pytest.raises(ValueError, match="no res5c_branch2c/bias"):
        trainer.load_weights(write_file(tmp_path / "mine.h5", ours))
    assert_same_weights(before, weights_of(trainer.keras_model))


def test_detecting_with_the_backbone_only_draws_a_warning(
    trainer, local_imagenet, monkeypatch
):
    monkeypatch.setattr(trainer, "mode", "inference")
    with pytest.warns(UserWarning, match="heads are random") as caught:
        trainer.load_weights("imagenet")
    assert caught[0].filename == __file__


@pytest.mark.parametrize(
    ("mean", "message"),
    [
        ([103.9, 116.8, 123.7], "order BGR: turn it round"),
        ([0.0, 0.0, 0.0], r"minus the mean \[123.7, 116.8, 103.9\].*is \[0.0, 0.0"),
        ([127.5, 127.5, 127.5], "minus the mean"),
    ],
)
def test_a_mean_far_from_that_of_the_weights_draws_a_warning(
    trainer, local_imagenet, mean, message
):
    trainer.config.MEAN_PIXEL = np.array(mean)
    with pytest.warns(UserWarning, match=message):
        trainer.load_weights("imagenet")


def test_the_usual_mean_draws_no_warning(trainer, local_imagenet, recwarn):
    trainer.load_weights("imagenet")
    trainer.config.MEAN_PIXEL = np.array([120.0, 115.0, 100.0])
    trainer.load_weights("imagenet")
    assert not [w for w in recwarn if "load_weights" in str(w.message)]


def test_statistics_of_batchnorm_find_no_place_in_groupnorm(tmp_path):
    def backbone(norm):
        image = keras.Input([None, None, 3])
        maps = resnet(image, "resnet18", norm=norm, width=8, train_bn=False)
        return keras.Model(image, maps[1:])

    save_weights(backbone("batch"), tmp_path / "batch.h5")
    model = backbone("group")
    before = weights_of(model)
    with pytest.raises(ValueError, match='bn_conv1/moving_variance; set NORM = "batch'):
        load_file(model, tmp_path / "batch.h5")
    assert_same_weights(before, weights_of(model))


def test_models_without_such_a_backbone_refuse_files_of_keras_applications(
    file_of_applications,
):
    model = build_model("inference", StubConfig())
    with pytest.raises(ValueError, match="resnet50 or resnet101 with BatchNorm"):
        load_file(model, file_of_applications)


# Other numbers of channels


def tiny_model(channels=3, **values):
    mean = [123.7, 116.8, 103.9, 114.8][:channels]
    values = {"IMAGE_CHANNEL_COUNT": channels, "MEAN_PIXEL": np.array(mean), **values}
    return build_model("inference", make_config(TinyConfig, **values))


@pytest.fixture(scope="module")
def file_of_rgb(tmp_path_factory):
    path = tmp_path_factory.mktemp("rgb") / "rgb.h5"
    save_weights(randomize(tiny_model(), 3), path)
    return path


@pytest.mark.parametrize("channels", [1, 4])
def test_a_first_kernel_for_rgb_is_adapted_to_other_channels(file_of_rgb, channels):
    model = tiny_model(channels)
    report, is_imagenet = load_file(model, file_of_rgb)
    assert report.adapted == ["conv1/kernel"] and not is_imagenet
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
    report, _ = load_file(model, file_of_rgb, exclude="conv1")
    assert report.adapted == []
    assert set(report.excluded) == {"conv1/kernel", "conv1/bias"}
    paths = changed(before, weights_of(model))
    assert paths and not [path for path in paths if path.startswith("conv1/")]


def test_a_first_kernel_of_another_width_is_no_matter_of_channels(file_of_rgb):
    model = tiny_model(4, BACKBONE_WIDTH=16)
    with pytest.raises(ValueError, match="conv1/kernel"):
        load_file(model, file_of_rgb)


def test_imagenet_for_grey_images(file_of_applications, theirs):
    image = keras.Input([None, None, 1])
    model = keras.Model(image, resnet(image, "resnet50", train_bn=False)[1:])
    report, is_imagenet = load_file(model, file_of_applications)
    assert is_imagenet and report.adapted.count("conv1/kernel") == 1
    kernel = model.get_layer("conv1").kernel.numpy()
    wanted = theirs["conv1_conv/kernel"].sum(axis=2, keepdims=True)
    np.testing.assert_allclose(kernel, wanted, rtol=1e-5)


# Words and addresses


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

    monkeypatch.setattr(pretrained, "download", download)
    return path


def test_coco_is_fetched_and_loaded(stub, coco_file):
    wanted = weights_of(stub.keras_model)
    randomize(stub.keras_model, 4)
    report = stub.load_weights("coco")
    assert_same_weights(wanted, weights_of(stub.keras_model))
    assert not report.missing + report.adapted


@pytest.mark.parametrize("filepath", ["coco", "path"])
def test_coco_weights_warn_of_another_convention(stub, coco_file, filepath):
    stub.config = make_config(TinyConfig, STEM_POOL="pad", MEAN_PIXEL=np.zeros(3))
    with pytest.warns(UserWarning) as caught:
        stub.load_weights("coco" if filepath == "coco" else coco_file)
    texts = [str(warning.message) for warning in caught]
    assert any("STEM_POOL = 'same'; 'pad' shifts" in text for text in texts)
    assert any("minus the mean" in text for text in texts)


def test_last_is_the_newest_checkpoint_whose_run_goes_on(stub, tmp_path):
    run = tmp_path / "logs" / "tiny20310405T1200"
    wanted = weights_of(stub.keras_model)
    save_weights(stub.keras_model, run / "mask_rcnn_tiny_0009.h5")
    randomize(stub.keras_model, 4)
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
        randomize(stub.keras_model, 4)
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
