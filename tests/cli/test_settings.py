from __future__ import annotations

import numpy as np
import pytest

from mrcnn.cli.errors import CommandError
from mrcnn.cli.settings import PRESETS, apply_settings, check_config
from mrcnn.config import Config, PaperConfig


def config_of(*settings, base=Config):
    config = base()
    apply_settings(config, settings)
    return config


@pytest.mark.parametrize(
    ("setting", "value"),
    [
        ("IMAGE_MAX_DIM=512", 512),
        ("IMAGE_MAX_DIM=128.0", 128),
        ("SEED=1e3", 1000),
        ("IMAGE_MIN_SCALE=1.5", 1.5),
        ("LEARNING_RATE=1e-4", 1e-4),
        ("LEARNING_RATE = 0.5", 0.5),
        ("STEPS_PER_EPOCH=none", None),
        ("KEEP_CHECKPOINTS=3", 3),
        ("USE_MINI_MASK=false", False),
        ("TRAIN_BN=None", None),
        ("BACKBONE=resnet50", "resnet50"),
        ("NAME=2024", "2024"),
        ("RPN_ANCHOR_SCALES=8,16,32,64,128", (8, 16, 32, 64, 128)),
        ("RPN_ANCHOR_RATIOS=[1, 2]", [1, 2]),
        ("BATCH_SIZE=3", 3),
    ],
)
def test_values_have_the_type_of_the_config(setting, value):
    name = setting.partition("=")[0].strip()
    found = getattr(config_of(setting), name)
    assert found == value and type(found) is type(value)


def test_arrays_stay_arrays():
    mean = config_of("MEAN_PIXEL=1,2,3").MEAN_PIXEL
    assert isinstance(mean, np.ndarray) and mean.tolist() == [1, 2, 3]


def test_a_part_of_a_dict_leaves_the_rest():
    weights = config_of("LOSS_WEIGHTS={'mrcnn_mask_loss': 2}").LOSS_WEIGHTS
    assert weights["mrcnn_mask_loss"] == 2 and weights["rpn_class_loss"] == 1.0


def test_the_class_keeps_its_values():
    config_of("RPN_ANCHOR_RATIOS=1,2,3,4", "IMAGE_MAX_DIM=64")
    assert Config.RPN_ANCHOR_RATIOS == [0.5, 1, 2] and Config.IMAGE_MAX_DIM == 1024


@pytest.mark.parametrize(
    ("setting", "message"),
    [
        ("IMAGE_MAXDIM=3", "did you mean IMAGE_MAX_DIM"),
        ("image_max_dim=3", "did you mean IMAGE_MAX_DIM"),
        ("ZZZ=3", "mrcnn info --preset small"),
        ("COMPUTE_BACKBONE_SHAPE=3", "no value of Config"),
        ("IMAGE_MAX_DIM", "write NAME=VALUE"),
        ("IMAGE_MAX_DIM=big", "IMAGE_MAX_DIM=1024"),
        ("IMAGE_MAX_DIM=true", "IMAGE_MAX_DIM=1024"),
        ("IMAGE_MAX_DIM=128.5", "IMAGE_MAX_DIM=128.5: is a whole number"),
        ("NUM_CLASSES=inf", "NUM_CLASSES=1"),
        ("USE_MINI_MASK=1", "USE_MINI_MASK=true"),
        ("RPN_ANCHOR_SCALES=8", "RPN_ANCHOR_SCALES=32,64,128,256,512"),
        ("LOSS_WEIGHTS={'mask': 2}", "mrcnn_mask_loss"),
    ],
)
def test_mistakes_are_reported_with_a_remedy(setting, message):
    with pytest.raises(CommandError, match="--set") as error:
        config_of(setting)
    assert message in str(error.value)


def test_values_of_a_run_may_be_the_users_own():
    config = Config()
    config.OWN_FACTOR = 2
    apply_settings(config, ["OWN_FACTOR=3"])
    assert config.OWN_FACTOR == 3


@pytest.mark.parametrize("name", PRESETS)
def test_presets_can_work(name):
    config = PRESETS[name]()
    config.NAME, config.NUM_CLASSES = "test", 2
    check_config(config, 2)
    assert isinstance(config, PaperConfig) == (name == "paper")


def test_impossible_values_are_reported_in_one_line():
    config = config_of("NAME=a", "IMAGE_MAX_DIM=1000", "ROI_OP=best")
    with pytest.raises(CommandError) as error:
        check_config(config)
    text = str(error.value)
    assert "\n" not in text and "IMAGE_MAX_DIM" in text and "ROI_OP" in text
