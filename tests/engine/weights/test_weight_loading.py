"""Files of ImageNet and of other backbones: what they fill, and what they expect."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import keras
import numpy as np
import pytest

from mrcnn.engine.graph import build_model
from mrcnn.engine.layer_groups import HEADS
from mrcnn.engine.weights import imagenet
from mrcnn.engine.weights.model_weights import model_tensors, save_weights
from mrcnn.engine.weights.weight_loading import load_file
from mrcnn.model import MaskRCNN
from mrcnn.nn.backbones import resnet
from tests.engine.tiny import (
    StubConfig,
    TinyConfig,
    assert_same_weights,
    make_config,
    weights_of,
)
from tests.engine.weight_models import fill, values_of, write_file


class Resnet50Config(TinyConfig):
    """The backbone that ImageNet weights fit, with tiny heads."""

    BACKBONE = "resnet50"
    BACKBONE_WIDTH = 64
    NORM = "batch"
    STEM_POOL = "pad"


@pytest.fixture(scope="module")
def theirs():
    """Tensors of a ResNet-50 of keras.applications."""
    model = keras.applications.ResNet50(weights=None, include_top=False)
    return values_of(fill(model, 1))


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
    unfilled = line.split("left as they are: ")[1].split(", ")
    assert unfilled == list(dict.fromkeys(n.split("/")[0] for n in report.missing))


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


def test_a_model_with_these_names_itself_takes_the_file_as_it_is(
    theirs, file_of_applications
):
    model = keras.applications.ResNet50(weights=None, include_top=False)
    report = load_file(model, file_of_applications)
    assert not report.adapted + report.missing
    for name, value in values_of(model).items():
        np.testing.assert_array_equal(value, theirs[name], name)


# Files without heads, and inference


@pytest.fixture(scope="module")
def stub_without_heads(tmp_path_factory):
    """The backbone of StubConfig as a file; it has no layer conv1."""
    values = values_of(fill(build_model("inference", StubConfig()), 5))
    backbone = {n: value for n, value in values.items() if not is_head(n)}
    return write_file(tmp_path_factory.mktemp("stub") / "backbone.h5", backbone)


def test_a_backbone_alone_can_not_detect_unless_one_insists(
    stub_without_heads, tmp_path
):
    model = MaskRCNN("inference", StubConfig(), tmp_path)
    before = weights_of(model.keras_model)
    with pytest.raises(ValueError, match="backbone only.*random.*strict=False"):
        model.load_weights(stub_without_heads)
    with pytest.raises(ValueError, match="backbone only"):
        model.keras_model.load_weights(stub_without_heads)
    assert_same_weights(before, weights_of(model.keras_model))
    with pytest.warns(UserWarning, match="heads are random") as caught:
        report = model.load_weights(stub_without_heads, strict=False)
    assert caught[0].filename == __file__
    assert len(report.matched) == 10 and all(map(is_head, report.missing))
    with pytest.warns(UserWarning, match="heads are random") as caught:
        model.keras_model.load_weights(stub_without_heads, strict=False)
    assert caught[0].filename == __file__


def test_who_excludes_the_heads_means_it(stub_without_heads, recwarn):
    model = build_model("inference", StubConfig())
    heads = [name.split("/")[0] for name in model_tensors(model) if is_head(name)]
    report = model.load_weights(stub_without_heads, exclude=heads)
    assert len(report.matched) == 10 and not report.missing and not len(recwarn)


@pytest.mark.parametrize("by", ["MaskRCNN", "keras_model"])
def test_imagenet_in_inference_always_draws_a_warning(tmp_path, by):
    config = make_config(TinyConfig, MEAN_PIXEL=np.array(imagenet.MEAN_RGB))
    model = MaskRCNN("inference", config, tmp_path)
    values = values_of(fill(model.keras_model, 5))
    path = write_file(
        tmp_path / "resnet18_weights_tf_dim_ordering_tf_kernels_notop.h5",
        {n: value for n, value in values.items() if not is_head(n)},
    )
    with pytest.warns(UserWarning, match="heads are random") as caught:
        (model if by == "MaskRCNN" else model.keras_model).load_weights(path)
    assert caught[0].filename == __file__


def test_a_backbone_without_conv1_may_be_called_as_the_old_files_of_keras(
    stub_without_heads, tmp_path, recwarn
):
    path = tmp_path / "mine_tf_dim_ordering_tf_kernels.h5"
    path.write_bytes(stub_without_heads.read_bytes())
    model = build_model("training", StubConfig())
    # No warning of a mean: it isn't taken for a file of ImageNet.
    config = make_config(StubConfig, MEAN_PIXEL=np.zeros(3))
    report = load_file(model, path, config=config)
    assert len(report.matched) == 10 and not report.adapted and not recwarn


# What the weights expect


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


def test_imagenet_for_grey_images(file_of_applications, theirs):
    image = keras.Input([None, None, 1])
    model = keras.Model(image, resnet(image, "resnet50", train_bn=False)[1:])
    report = load_file(model, file_of_applications)
    assert report.adapted.count("conv1/kernel") == 1
    kernel = model.get_layer("conv1").kernel.numpy()
    wanted = theirs["conv1_conv/kernel"].sum(axis=2, keepdims=True)
    np.testing.assert_allclose(kernel, wanted, rtol=1e-5)
