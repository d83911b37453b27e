from __future__ import annotations

import numpy as np
import pytest

from mrcnn.config import Config
from mrcnn.config_checks import LOSS_NAMES, find_near_match
from tests.toy_config import ToyConfig, small_backbone, small_shapes


def problems_of(**values):
    """The error text of a ToyConfig with these values."""
    config = ToyConfig()
    for name, value in values.items():
        setattr(config, name, value)
    with pytest.raises(ValueError) as error:
        config.validate()
    return str(error.value)


class TestNearMatch:
    @pytest.mark.parametrize(
        ("name", "near"),
        [
            ("STEPS_PER_EPOC", "STEPS_PER_EPOCH"),
            ("NUM_CLASES", "NUM_CLASSES"),
            ("IMAGE_PER_GPU", "IMAGES_PER_GPU"),
            ("LEARNIG_RATE", "LEARNING_RATE"),
            ("COMPUTE_BACKBONE_SHAPES", "COMPUTE_BACKBONE_SHAPE"),
            ("NUM_CLASSES", None),  # right
            ("num_clases", None),  # the user's own style
            ("EPOCHS", None),
        ],
    )
    def test_near_match(self, name, near):
        known = [name for name in vars(Config) if name.isupper()]
        assert find_near_match(name, known) == near

    def test_no_two_known_names_hide_each_other(self):
        known = [name for name in vars(Config) if name.isupper()]
        assert [name for name in known if find_near_match(name, known)] == []


class TestValidate:
    @pytest.mark.parametrize(
        ("name", "value", "remedy"),
        [
            ("NAME", None, "must be set"),
            ("NAME", " ", "must be set"),
            ("NAME", "../../x", "has '/' in it"),
            ("NAME", "/etc/x", "write letters, digits, - and _"),
            ("NAME", "a\\b", "names of the folder and files"),
            ("NAME", "a\nb\0", "has '\\x00', '\\n' in it"),
            ("NAME", "\ud800", "in it, and begins"),
            ("NAME", "\u00fc" * 100, "has 200 bytes"),
            ("NUM_CLASSES", 1, "count the background"),
            ("IMAGE_MAX_DIM", 1000, "use 960 or 1024"),
            ("IMAGE_MAX_DIM", 32, "use 64 or 128"),
            ("IMAGE_SHAPE", [128, 100, 3], "use 64 or 128"),
            ("IMAGE_SHAPE", [128, 128], "height, width, channels"),
            ("IMAGE_MIN_DIM", -1, "0 or more"),
            ("MEAN_PIXEL", [1.0], "IMAGE_CHANNEL_COUNT=3"),
            ("MEAN_PIXEL", "grey", "IMAGE_CHANNEL_COUNT=3"),
            ("MEAN_PIXEL", [1.0, 2.0, float("nan")], "IMAGE_CHANNEL_COUNT=3"),
            ("MEAN_PIXEL", 127.0, "write [127.0, 127.0, 127.0]"),
            ("RPN_ANCHOR_SCALES", (32, 64, 128, 256), "4 scales for 5 BACKBONE"),
            ("RPN_ANCHOR_SCALES", (0, 64, 128, 256, 512), "above 0"),
            ("RPN_ANCHOR_SCALES", ((8, 16), 32, 64, 128, 256), "equally many"),
            ("RPN_ANCHOR_SCALES", 32, "one item for each level"),
            ("RPN_ANCHOR_RATIOS", [], "one or more"),
            ("RPN_ANCHOR_RATIOS", 1, "write [1]"),
            ("RPN_ANCHOR_RATIOS", np.float32(1), "write [1]"),
            ("RPN_ANCHOR_RATIOS", np.array(1), "write [1]"),
            ("RPN_ANCHOR_RATIOS", [1, -1], "above 0"),
            ("RPN_BBOX_STD_DEV", [0.1, 0.1], "four numbers"),
            ("BBOX_STD_DEV", [0.1, 0.1, 0.2, 0], "four numbers above 0"),
            ("RPN_NEGATIVE_IOU", "0.3", "from 0 to 1"),
            ("RPN_NEGATIVE_IOU", 0.8, "RPN_POSITIVE_IOU=0.7"),
            ("BACKBONE_STRIDES", [4, 8, 16, 32, 128], "leave them so"),
            ("BACKBONE", "resnet34", "'resnet18', 'resnet50', 'resnet101'"),
            ("NORM", "layer", "'batch', 'group'"),
            ("STEM_POOL", "valid", "'same', 'pad'"),
            ("ROI_OP", "Align", "'crop', 'align', 'pool'"),
            ("IMAGE_RESIZE_MODE", "pad", "'none', 'square', 'pad64', 'crop'"),
            ("POOL_SIZE", 0, "1 or more"),
            ("POOL_SIZE", 7.5, "whole number"),
            ("GPU_COUNT", True, "whole number"),
            ("BATCH_SIZE", 0, "1 or more"),
            ("IMAGES_PER_GPU", None, "1 or more"),
            ("STEPS_PER_EPOCH", 0, "None means one pass"),
            ("KEEP_CHECKPOINTS", -1, "None means all"),
            ("MASK_SHAPE", [56, 56], "twice MASK_POOL_SIZE=14, that is [28, 28]"),
            ("MASK_SHAPE", 28, "(height, width)"),
            ("MINI_MASK_SHAPE", (0, 56), "(height, width)"),
            ("DETECTION_MIN_CONFIDENCE", 70, "from 0 to 1"),
            ("DETECTION_CLASS_RULE", "argmax", "'best', 'all'"),
            ("DETECTION_CLASS_RULE", None, "'best', 'all'"),
            ("LEARNING_RATE", -0.1, "0 or more"),
            ("LEARNING_RATE", float("nan"), "0 or more"),
            ("LEARNING_RATE_DROPS", (0.9, 0.5), "rising"),
            ("LEARNING_RATE_DROPS", 0.5, "write (0.5,)"),
            ("LEARNING_RATE_DROPS", (60000, 80000), "fractions"),
            ("LEARNING_RATE_SCHEDULE", "linear", "'cosine'"),
            ("OPTIMIZER", "adam", "'sgd', 'adamw'"),
            ("GRADIENT_CLIP_NORM", 0, "None means no clipping"),
            ("SEED", -1, "0 or more"),
            ("SEED", 1.5, "whole number"),
            ("LOSS_WEIGHTS", {"rpn_clas_loss": 1.0}, "'rpn_clas_loss'"),
            ("LOSS_WEIGHTS", {"rpn_class_loss": "1"}, "must be numbers"),
            ("LOSS_WEIGHTS", [1, 1, 1, 1, 1], "must be a dict"),
        ],
    )
    def test_impossible_value_is_named_with_its_remedy(self, name, value, remedy):
        text = problems_of(**{name: value})
        assert f"{name}=" in text
        assert remedy in text
        assert text.startswith("ToyConfig.validate(): 1 impossible value")

    def test_all_impossible_values_are_listed_at_once(self):
        text = problems_of(POOL_SIZE=0, NUM_CLASSES=1, IMAGE_MAX_DIM=1000)
        assert "3 impossible value" in text
        assert text.count("\n") == 3

    @pytest.mark.parametrize(
        ("name", "value"),
        [
            ("STEPS_PER_EPOCH", None),
            ("VALIDATION_STEPS", None),
            ("RPN_ANCHOR_SCALES", ((8, 12), (16, 24), (32, 48), (64, 96), (128, 256))),
            ("RPN_ANCHOR_SCALES", np.array([8, 16, 32, 64, 128])),
            ("BACKBONE_STRIDES", np.array([4, 8, 16, 32, 64])),
            ("BACKBONE", "resnet18"),
            ("TRAIN_BN", None),
            ("GRADIENT_CLIP_NORM", None),
            ("DETECTION_MIN_CONFIDENCE", 0),
            ("LEARNING_RATE_DROPS", ()),
            ("LOSS_WEIGHTS", {"rpn_class_loss": 2}),
            ("IMAGE_MIN_DIM", None),
            ("POOL_SIZE", np.int64(7)),
        ],
    )
    def test_possible_value_passes(self, name, value):
        config = ToyConfig()
        setattr(config, name, value)
        config.validate()

    def test_side_is_checked_by_the_attribute_it_comes_from(self):
        assert "IMAGE_MIN_DIM=800" in problems_of(IMAGE_RESIZE_MODE="crop")

    @pytest.mark.parametrize("mode", ["pad64", "none"])
    def test_modes_without_a_maximum_take_any(self, mode):
        config = ToyConfig()
        config.IMAGE_RESIZE_MODE, config.IMAGE_MAX_DIM = mode, 1333
        config.validate()

    def test_grey_images_need_their_mean_in_a_list(self):
        text = problems_of(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=127)
        assert "MEAN_PIXEL=127" in text and "write [127.0]." in text

    def test_callable_backbone_needs_its_shapes(self):
        text = problems_of(BACKBONE=small_backbone)
        assert "COMPUTE_BACKBONE_SHAPE=None" in text

    @pytest.mark.parametrize(
        "strides",
        [
            [4, 8, 16, 32],  # the FPN makes P6 all the same
            [4, 8, 16, 32, 64, 128],
            [4, 8, 16, 32, 32],  # P6 is half of P5
            [0, 0, 0, 0, 0],
        ],
    )
    def test_callable_backbone_gets_five_levels(self, strides):
        text = problems_of(
            BACKBONE=small_backbone,
            COMPUTE_BACKBONE_SHAPE=small_shapes,
            BACKBONE_STRIDES=strides,
            RPN_ANCHOR_SCALES=tuple(8 * 2**i for i in range(len(strides))),
        )
        assert f"BACKBONE_STRIDES={strides}" in text and "P2..P6" in text
        assert "1 impossible value" in text

    def test_callable_backbone_may_have_other_strides(self):
        config = ToyConfig()
        config.BACKBONE, config.COMPUTE_BACKBONE_SHAPE = small_backbone, small_shapes
        config.BACKBONE_STRIDES = np.array([2, 4, 8, 16, 32])
        config.validate()

    def test_loss_names_are_those_of_the_weights(self):
        assert tuple(Config.LOSS_WEIGHTS) == LOSS_NAMES

    def test_other_channels_with_their_mean_pass(self):
        config = ToyConfig()
        config.IMAGE_CHANNEL_COUNT, config.MEAN_PIXEL = 1, np.array([127.0])
        config.validate()

    def test_larger_masks_with_larger_pooling_pass(self):
        config = ToyConfig()
        config.MASK_POOL_SIZE, config.MASK_SHAPE = 28, [56, 56]
        config.validate()

    def test_number_of_classes_is_that_of_the_data_set(self):
        ToyConfig().validate(num_dataset_classes=3)
        with pytest.raises(ValueError, match="set NUM_CLASSES = 4"):
            ToyConfig().validate(num_dataset_classes=4)


@pytest.mark.parametrize("name", ["my model", "..", "z\u00fcrich", "a:b", "n" * 150])
def test_other_names_are_fine_as_ever(name):
    config = Config()
    config.NAME, config.NUM_CLASSES = name, 2
    config.validate()
