"""The translation of keras.applications' weights, against its own models."""

from __future__ import annotations

import hashlib

import keras
import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.data.files.downloads import DownloadError
from mrcnn.engine.weights import imagenet
from mrcnn.engine.weights.imagenet import (
    adapt_first_convolution,
    bgr_to_rgb,
    check_architecture,
    check_config,
    convert,
    imagenet_file,
    is_applications_file,
    layer_table,
)
from mrcnn.engine.weights.model_weights import assign_tensors, model_tensors
from mrcnn.nn.backbones import resnet

APPLICATIONS = {
    "resnet50": keras.applications.ResNet50,
    "resnet101": keras.applications.ResNet101,
}
# Where C2..C5 leave the models.
TAPS = {
    "resnet50": (
        (
            "conv2_block3_out",
            "conv3_block4_out",
            "conv4_block6_out",
            "conv5_block3_out",
        ),
        ("res2c_out", "res3d_out", "res4f_out", "res5c_out"),
    ),
}


def tensors_of(model):
    return {name: value.numpy() for name, value in model_tensors(model).items()}


def random_value(name, shape, rng):
    """Statistics and biases that matter, activations that stay in range."""
    variable = name.split("/")[1]
    if variable == "kernel":
        return rng.normal(0, np.sqrt(1 / np.prod(shape[:3])), shape)
    if variable == "gamma":
        # Block outputs are sums: small last branches keep them from growing.
        return rng.uniform(0.05, 0.15, shape)
    if variable == "moving_variance":
        return rng.uniform(0.003, 0.3, shape)
    return rng.normal(0, 0.3, shape)


@pytest.fixture(scope="module")
def theirs():
    """keras.applications' ResNet-50 with random weights in every tensor."""
    model = keras.applications.ResNet50(weights=None, include_top=False)
    rng = np.random.default_rng(0)
    for name, variable in model_tensors(model).items():
        variable.assign(random_value(name, variable.shape, rng))
    return model


def make_ours(architecture, stem_pool="pad"):
    image = keras.Input([None, None, 3])
    maps = resnet(image, architecture, train_bn=False, stem_pool=stem_pool)
    return keras.Model(image, maps[1:])


def features(model, names, images):
    taps = keras.Model(model.input, [model.get_layer(n).output for n in names])
    return [np.asarray(x) for x in taps(images)]


def test_our_backbone_gives_the_features_of_keras_applications(theirs):
    tensors = convert(tensors_of(theirs), "resnet50")
    ours = make_ours("resnet50")
    report = assign_tensors(ours, tensors)
    assert not report.missing + report.unexpected + report.mismatched
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, [2, 64, 128, 3]).astype(np.float32)  # RGB
    preprocessed = keras.applications.resnet.preprocess_input(images.copy())
    their_taps, our_taps = TAPS["resnet50"]
    wanted = features(theirs, their_taps, preprocessed)
    given = features(ours, our_taps, images - np.float32(imagenet.MEAN_RGB))
    for level, (a, b) in enumerate(zip(wanted, given, strict=True), 2):
        assert a.shape == b.shape
        assert np.mean(a > 0) > 0.05, f"C{level} is nearly dead: compares nothing"
        error = np.max(np.abs(a - b)) / np.max(np.abs(a))
        assert error < 1e-4, f"C{level}"


@pytest.mark.parametrize("neglected", ["colors", "epsilon", "stem"])
def test_each_part_of_the_convention_shows_in_the_features(theirs, neglected):
    """The comparison above would notice what it is there for."""
    own = tensors_of(theirs)
    tensors = convert(own, "resnet50")
    if neglected == "colors":
        tensors["conv1/kernel"] = own["conv1_conv/kernel"]
    if neglected == "epsilon":
        tensors = convert(own, "resnet50", epsilon=imagenet.APPLICATIONS_EPSILON)
    stem = "same" if neglected == "stem" else "pad"
    ours = make_ours("resnet50", stem_pool=stem)
    assign_tensors(ours, tensors)
    rng = np.random.default_rng(1)
    images = rng.integers(0, 256, [1, 64, 64, 3]).astype(np.float32)
    preprocessed = keras.applications.resnet.preprocess_input(images.copy())
    (wanted,) = features(theirs, TAPS["resnet50"][0][:1], preprocessed)
    given = np.asarray(ours(images - np.float32(imagenet.MEAN_RGB))[0])
    assert np.max(np.abs(given - wanted)) / np.max(np.abs(wanted)) > 1e-2


@pytest.mark.parametrize("backbone", sorted(APPLICATIONS))
def test_the_table_covers_names_and_shapes_completely(backbone):
    theirs = APPLICATIONS[backbone](weights=None, include_top=False)
    shapes = {name: value.shape for name, value in model_tensors(theirs).items()}
    ours = model_tensors(make_ours(backbone))
    table = layer_table(backbone)
    assert {name.split("/")[0] for name in shapes} == set(table)
    assert len(set(table.values())) == len(table)
    renamed = {}
    for name, shape in shapes.items():
        layer, variable = name.split("/")
        renamed[f"{table[layer]}/{variable}"] = tuple(shape)
    assert renamed == {name: tuple(value.shape) for name, value in ours.items()}


def test_files_are_those_keras_applications_names():
    from keras.src.applications import resnet as source

    assert imagenet.BASE_URL == source.BASE_WEIGHTS_PATH
    for backbone, md5 in imagenet.HASHES.items():
        assert md5 == source.WEIGHTS_HASHES[backbone][1]


def test_the_mean_is_what_preprocess_input_subtracts():
    black = np.zeros([1, 1, 1, 3], np.float32)
    bgr = keras.applications.resnet.preprocess_input(black)[0, 0, 0]
    np.testing.assert_allclose(-bgr[::-1], imagenet.MEAN_RGB, rtol=1e-6)
    # Our default agrees with it to a tenth of a grey level.
    assert np.max(np.abs(Config.MEAN_PIXEL - imagenet.MEAN_RGB)) < 0.1


def test_the_epsilon_is_that_of_the_layers_of_keras_applications(theirs):
    assert theirs.get_layer("conv1_bn").epsilon == imagenet.APPLICATIONS_EPSILON


def test_convert_folds_the_epsilon_into_gamma_and_changes_nothing_else():
    rng = np.random.default_rng(0)
    tensors = {
        "conv2_block1_0_bn/gamma": rng.normal(1, 1, 4).astype(np.float32),
        "conv2_block1_0_bn/beta": rng.normal(0, 1, 4).astype(np.float32),
        "conv2_block1_0_bn/moving_mean": rng.normal(0, 1, 4).astype(np.float32),
        "conv2_block1_0_bn/moving_variance": np.float32([0, 1e-3, 0.1, 1]),
        "predictions/kernel": np.ones([4, 5], np.float32),
    }
    before = {name: value.copy() for name, value in tensors.items()}
    converted = convert(tensors, "resnet50", epsilon=2e-3)
    old, new = "conv2_block1_0_bn", "bn2a_branch1"
    variance = before[f"{old}/moving_variance"]
    np.testing.assert_allclose(
        converted[f"{new}/gamma"] / np.sqrt(variance + 2e-3),
        before[f"{old}/gamma"] / np.sqrt(variance + 1.001e-5),
        rtol=1e-5,
    )
    assert converted[f"{new}/gamma"].dtype == np.float32
    for variable in ("beta", "moving_mean", "moving_variance"):
        assert np.array_equal(
            converted[f"{new}/{variable}"], before[f"{old}/{variable}"]
        )
    assert "predictions/kernel" in converted  # unknown: reported, not dropped
    for name, value in tensors.items():
        assert np.array_equal(value, before[name])


def test_bgr_to_rgb_gives_the_same_answer_for_a_turned_image():
    rng = np.random.default_rng(0)
    kernel, patch = rng.normal(size=[7, 7, 3, 5]), rng.normal(size=[7, 7, 3])
    np.testing.assert_allclose(
        np.einsum("hwc,hwcn", patch[..., ::-1], kernel),
        np.einsum("hwc,hwcn", patch, bgr_to_rgb(kernel)),
    )


@pytest.mark.parametrize("channels", [1, 2, 3, 4, 6])
def test_an_image_of_equal_channels_answers_as_in_rgb(channels):
    rng = np.random.default_rng(0)
    kernel = rng.normal(size=[7, 7, 3, 5]).astype(np.float32)
    patch = rng.normal(size=[7, 7])
    adapted = adapt_first_convolution(kernel, channels)
    assert adapted.shape == (7, 7, channels, 5) and adapted.dtype == np.float32
    grey = np.repeat(patch[..., None], channels, axis=2)
    np.testing.assert_allclose(
        np.einsum("hwc,hwcn", grey, adapted),
        np.einsum("hwc,hwcn", np.repeat(patch[..., None], 3, axis=2), kernel),
        rtol=1e-4,
        atol=1e-5,
    )


def test_further_channels_keep_rgb_apart():
    kernel = np.random.default_rng(0).normal(size=[3, 3, 3, 2])
    adapted = adapt_first_convolution(kernel, 4)
    np.testing.assert_allclose(adapted[:, :, :3], kernel * 3 / 4)
    np.testing.assert_allclose(adapted[:, :, 3], kernel.mean(axis=2) * 3 / 4)
    assert np.array_equal(adapt_first_convolution(kernel, 3), kernel)


def only_names(backbone):
    return {f"{layer}/kernel": np.zeros(1) for layer in layer_table(backbone)}


def test_files_of_keras_applications_are_recognized():
    assert is_applications_file(only_names("resnet50"))
    assert not is_applications_file({"conv1/kernel": np.zeros(1)})


def test_check_architecture_names_what_the_file_is():
    check_architecture(only_names("resnet101"), "resnet101")
    with_top = {**only_names("resnet50"), "predictions/bias": np.zeros(1)}
    check_architecture(with_top, "resnet50")
    with pytest.raises(ValueError, match="isn't the resnet101.*holds resnet50.*BACKB"):
        check_architecture(only_names("resnet50"), "resnet101")
    deeper = {**only_names("resnet50"), "conv3_block8_1_conv/kernel": np.zeros(1)}
    with pytest.raises(ValueError, match="has a layer conv3_block8_1_conv"):
        check_architecture(deeper, "resnet50")
    preactivated = only_names("resnet50")
    del preactivated["conv1_bn/kernel"]
    with pytest.raises(ValueError, match="has no layer conv1_bn"):
        check_architecture(preactivated, "resnet50")


def own_backbone(input_image, stage5=True, train_bn=None):
    raise AssertionError("is only named, not built")


@pytest.mark.parametrize(
    ("values", "message"),
    [
        ({"BACKBONE": "resnet18"}, "BACKBONE='resnet18'.*only for 'resnet50'.*group"),
        ({"BACKBONE": own_backbone}, "BACKBONE=own_backbone.*names of its own layers"),
        ({"NORM": "group"}, "NORM='group'.*statistics of BatchNorm.*'batch'"),
        ({"BACKBONE_WIDTH": 32}, "BACKBONE_WIDTH=32.*BACKBONE_WIDTH = 64"),
    ],
)
def test_backbones_without_imagenet_weights_are_an_error_that_says_so(values, message):
    config = Config()
    for name, value in values.items():
        setattr(config, name, value)
    with pytest.raises(ValueError, match=rf"^get_imagenet_weights\(\): .*{message}"):
        check_config(config)


def test_both_backbones_of_keras_applications_pass():
    config = Config()
    for config.BACKBONE in ("resnet50", "resnet101"):
        check_config(config)


@pytest.fixture
def caches(tmp_path, monkeypatch):
    """Two empty caches, and an address that this folder stands for."""
    monkeypatch.setenv("MRCNN_CACHE", str(tmp_path / "ours"))
    monkeypatch.setenv("KERAS_HOME", str(tmp_path / "keras"))
    (tmp_path / "web").mkdir()
    (tmp_path / "keras" / "models").mkdir(parents=True)
    monkeypatch.setattr(imagenet, "BASE_URL", (tmp_path / "web").as_uri() + "/")
    return tmp_path


CONTENT = b"\x89HDF\r\n\x1a\nnot really"


def name_of(backbone):
    return f"{backbone}_weights_tf_dim_ordering_tf_kernels_notop.h5"


def put(folder, monkeypatch, backbone, content=CONTENT):
    path = folder / name_of(backbone)
    path.write_bytes(content)
    monkeypatch.setitem(imagenet.HASHES, backbone, hashlib.md5(CONTENT).hexdigest())
    return path


def test_each_backbone_has_its_own_file_and_is_fetched_once(caches, monkeypatch):
    source = put(caches / "web", monkeypatch, "resnet101")
    path = imagenet_file("resnet101", verbose=0)
    assert path == caches / "ours" / name_of("resnet101")
    source.unlink()
    assert imagenet_file("resnet101", verbose=0) == path


def test_what_keras_has_fetched_is_taken(caches, monkeypatch):
    path = put(caches / "keras" / "models", monkeypatch, "resnet50")
    assert imagenet_file("resnet50", verbose=0) == path
    assert not (caches / "ours").exists()


def test_an_old_file_of_the_same_name_at_keras_is_left_alone(caches, monkeypatch):
    path = put(caches / "keras" / "models", monkeypatch, "resnet50", b"of 2017")
    with pytest.raises(DownloadError, match=rf"{name_of('resnet50')}.*by hand"):
        imagenet_file("resnet50", verbose=0)
    assert path.read_bytes() == b"of 2017"


def test_a_file_of_another_backbone_is_no_good(caches, monkeypatch):
    put(caches / "web", monkeypatch, "resnet50", CONTENT + b"!")
    with pytest.raises(DownloadError, match="md5 checksum"):
        imagenet_file("resnet50", verbose=0)
