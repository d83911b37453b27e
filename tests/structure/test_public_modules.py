"""Public modules keep the names of the old package, with parameters and defaults."""

from __future__ import annotations

import functools
import importlib
import inspect

import numpy as np
import pytest

from mrcnn.config import Config
from tests.samples.conftest import load_sample
from tests.structure import old_names

MODULES = {
    "model": old_names.MODEL,
    "utils": old_names.UTILS,
    "visualize": old_names.VISUALIZE,
    "parallel_model": old_names.PARALLEL_MODEL,
}
SAMPLES = {
    "balloon": old_names.BALLOON,
    "coco": old_names.COCO,
    "nucleus": old_names.NUCLEUS,
    "shapes": old_names.SHAPES,
}
# What a sample asks of its caller beyond the old parameters, and why.
NEEDED_NOW = {
    # The old function read the folder from the command line through a global.
    "balloon.train": {"dataset_dir"},
    # Images that every machine draws alike come from a random stream.
    "shapes.ShapesDataset.random_shape": {"rng"},
    "shapes.ShapesDataset.random_image": {"rng"},
}


def cases(texts):
    return [
        pytest.param(place, name, signature, id=f"{place}.{name}")
        for place, text in texts.items()
        for name, signature in old_names.heads(text).items()
    ]


def found(module, name):
    """The function, class or method of a dotted name."""
    return functools.reduce(getattr, name.split("."), module)


def signature_without_self(module, name):
    parameters = list(inspect.signature(found(module, name)).parameters.values())
    return parameters[1:] if "." in name else parameters


def misfits(parameters, old, needed_now=()):
    """What a caller who writes down the old parameters would stumble over."""
    problems, parameters = [], list(parameters)
    for old_parameter in old.parameters.values():
        if old_parameter.kind is old_parameter.VAR_KEYWORD:
            if not any(p.kind is p.VAR_KEYWORD for p in parameters):
                problems.append("takes no further keywords")
            continue
        if not parameters or parameters[0].name != old_parameter.name:
            problems.append(f"{old_parameter.name} is not where it was")
            continue
        parameter = parameters.pop(0)
        if parameter.kind is not parameter.POSITIONAL_OR_KEYWORD:
            problems.append(f"{parameter.name} is {parameter.kind.description}")
        # A default where there was none harms nobody.
        had_default = old_parameter.default is not inspect.Parameter.empty
        if had_default and (
            parameter.default != old_parameter.default
            or type(parameter.default) is not type(old_parameter.default)
        ):
            problems.append(f"{parameter.name}={parameter.default!r}")
    for parameter in parameters:
        is_variadic = parameter.kind in (
            parameter.VAR_KEYWORD,
            parameter.VAR_POSITIONAL,
        )
        is_needed = parameter.default is inspect.Parameter.empty and not is_variadic
        if is_needed and parameter.name not in needed_now:
            problems.append(f"{parameter.name} is needed now")
    return problems


@pytest.mark.parametrize(
    ("new", "problems"),
    [
        (lambda a, b=1, *, c=2: 0, []),
        (lambda a, b=1, **more: 0, []),
        (lambda b=1, a=0: 0, ["a is not where it was"]),
        (lambda a, *, b=1: 0, ["b is keyword-only"]),
        (lambda a, b=2: 0, ["b=2"]),
        (lambda a, b=True: 0, ["b=True"]),
        (lambda a, b=1, *, c: 0, ["c is needed now"]),
        (lambda a: 0, ["b is not where it was"]),
    ],
)
def test_the_comparison_itself(new, problems):
    old = old_names.heads("name(a, b=1)")["name"]
    parameters = inspect.signature(new).parameters.values()
    assert misfits(parameters, old) == problems


@pytest.mark.parametrize(("module", "name", "old"), cases(MODULES))
def test_module_keeps_the_old_name(module, name, old):
    module = importlib.import_module(f"mrcnn.{module}")
    assert misfits(signature_without_self(module, name), old) == []
    assert name.split(".")[0] in module.__all__


@pytest.mark.parametrize("name", MODULES)
def test_module_offers_what_it_lists(name):
    module = importlib.import_module(f"mrcnn.{name}")
    assert [name for name in module.__all__ if not hasattr(module, name)] == []
    assert module.__all__ == sorted(set(module.__all__))


@pytest.mark.parametrize(
    ("sample", "name", "old"),
    cases(SAMPLES),
)
def test_sample_keeps_the_old_name(sample, name, old):
    parameters = signature_without_self(load_sample(sample), name)
    assert misfits(parameters, old, NEEDED_NOW.get(f"{sample}.{name}", ())) == []


def test_samples_keep_their_numbers():
    balloon, shapes = load_sample("balloon"), load_sample("shapes")
    config = balloon.BalloonConfig()
    values = (config.NUM_CLASSES, config.IMAGES_PER_GPU, config.STEPS_PER_EPOCH)
    assert values == (2, 2, 100)
    assert config.DETECTION_MIN_CONFIDENCE == 0.9
    for sample in (balloon, load_sample("coco"), load_sample("nucleus")):
        assert {"COCO_WEIGHTS_PATH", "DEFAULT_LOGS_DIR"} <= set(vars(sample))
    config = shapes.ShapesConfig()
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    assert (config.IMAGES_PER_GPU, config.NUM_CLASSES) == (8, 4)


def test_samples_of_coco_and_nuclei_keep_their_numbers():
    config = load_sample("coco").CocoConfig()
    assert (config.NAME, config.NUM_CLASSES, config.IMAGES_PER_GPU) == ("coco", 81, 2)
    assert load_sample("coco").DEFAULT_YEAR == "2014"
    nucleus = load_sample("nucleus")
    config, inference = nucleus.NucleusConfig(), nucleus.NucleusInferenceConfig()
    assert (config.BACKBONE, config.IMAGE_MIN_SCALE) == ("resnet50", 2)
    assert (config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM) == ("crop", 512)
    rois = (config.POST_NMS_ROIS_TRAINING, config.POST_NMS_ROIS_INFERENCE)
    assert rois == (1000, 2000) and config.USE_MINI_MASK
    assert (config.MAX_GT_INSTANCES, config.DETECTION_MAX_INSTANCES) == (200, 400)
    assert (inference.IMAGE_RESIZE_MODE, inference.RPN_NMS_THRESHOLD) == ("pad64", 0.7)
    assert len(nucleus.VAL_IMAGE_IDS) == 25


@pytest.mark.parametrize("name", old_names.CONFIG)
def test_config_keeps_the_old_default(name):
    value, old = getattr(Config(), name), old_names.CONFIG[name]
    assert type(value) is type(old)
    np.testing.assert_array_equal(value, old)


def test_config_can_be_displayed():
    assert (
        misfits(
            inspect.signature(Config().display).parameters.values(),
            old_names.heads("display()")["display"],
        )
        == []
    )


def test_dataset_keeps_the_attributes_that_scripts_read():
    from mrcnn.utils import Dataset

    dataset = Dataset()
    dataset.add_class("farm", 3, "cow")
    dataset.add_image("farm", "a", "a.png")
    dataset.prepare()
    missing = [n for n in old_names.DATASET_ATTRIBUTES if not hasattr(dataset, n)]
    assert missing == []
    assert dataset.class_names == ["BG", "cow"]
    assert dataset.image_info == [{"id": "a", "source": "farm", "path": "a.png"}]


def test_coco_address_is_that_of_the_old_release():
    from mrcnn.utils import COCO_MODEL_URL

    assert COCO_MODEL_URL == (
        "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/"
        "mask_rcnn_coco.h5"
    )


def test_batch_norm_is_the_layer_of_keras():
    import keras

    from mrcnn.model import BatchNorm

    assert issubclass(BatchNorm, keras.layers.BatchNormalization)


def test_mask_rcnn_keeps_the_attributes_that_scripts_read(tmp_path):
    from mrcnn.model import MaskRCNN
    from tests.engine.tiny import StubConfig

    model = MaskRCNN("inference", StubConfig(), tmp_path)
    missing = [n for n in old_names.MASK_RCNN_ATTRIBUTES if not hasattr(model, n)]
    assert missing == []
    assert model.keras_model.name == "mask_rcnn"
