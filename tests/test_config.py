from __future__ import annotations

import copy
import pickle
import subprocess
import sys
import warnings

import numpy as np
import pytest

from mrcnn.config import Config, PaperConfig, SmallConfig
from tests.toy_config import ToyConfig, small_backbone, small_shapes


class TestDefaults:
    @pytest.mark.parametrize("name", ["MEAN_PIXEL", "BBOX_STD_DEV", "RPN_BBOX_STD_DEV"])
    def test_arrays_support_arithmetic_as_before(self, name):
        assert isinstance(getattr(Config(), name) * 2, np.ndarray)

    def test_new_attributes_default_to_what_the_old_package_computed(self):
        config = Config()
        assert config.ROI_OP == "crop"
        assert config.ROI_LEVEL_ROUNDING == "round"
        assert config.DETECTION_CLASS_RULE == "best"
        assert config.WEIGHT_DECAY_BY_SIZE is True
        assert config.OPTIMIZER == "sgd"
        assert config.LEARNING_RATE_SCHEDULE == "constant"
        assert config.LEARNING_RATE_BATCH is None

    def test_paper_config_differs_only_in_what_the_design_lists(self):
        config, paper = Config().to_dict(), PaperConfig().to_dict()
        assert {name: paper[name] for name in paper if paper[name] != config[name]} == {
            "STEM_POOL": "pad",
            "ROI_OP": "align",
            "ROI_LEVEL_ROUNDING": "floor",
            "TRAIN_ROIS_PER_IMAGE": 512,
            "ROI_POSITIVE_RATIO": 0.25,
            "LEARNING_RATE": 0.02,
            "LEARNING_RATE_BATCH": 16,
            "LEARNING_RATE_SCHEDULE": "steps",
            "LEARNING_RATE_WARMUP_STEPS": 500,
            "WEIGHT_DECAY_BY_SIZE": False,
            "DETECTION_MIN_CONFIDENCE": 0.05,
            "DETECTION_NMS_THRESHOLD": 0.5,
            "DETECTION_CLASS_RULE": "all",
        }

    def test_small_config_differs_in_what_a_small_network_needs(self):
        config, small = Config().to_dict(), SmallConfig().to_dict()
        assert {name: small[name] for name in small if small[name] != config[name]} == {
            "BACKBONE": "resnet18",
            "BACKBONE_WIDTH": 32,
            "NORM": "group",
            "TOP_DOWN_PYRAMID_SIZE": 64,
            "RPN_CHANNELS": 64,
            "MASK_HEAD_CHANNELS": 64,
            "FPN_CLASSIF_FC_LAYERS_SIZE": 256,
            "ROI_OP": "align",
            "POST_NMS_ROIS_TRAINING": 400,
            "TRAIN_ROIS_PER_IMAGE": 64,
            "OPTIMIZER": "adamw",
            "WEIGHT_DECAY": 0.05,
            "LEARNING_RATE_SCHEDULE": "cosine",
            "LEARNING_RATE_WARMUP_STEPS": 200,
        }
        assert small.keys() == config.keys()

    def test_small_config_before_another_leaves_its_other_values(self):
        class Own(ToyConfig):
            IMAGE_MAX_DIM = 448
            BACKBONE_WIDTH = 64

        class Small(SmallConfig, Own):
            pass

        assert (Small().BACKBONE_WIDTH, Small().IMAGE_MAX_DIM) == (32, 448)
        assert Small().NAME == "toy"
        Small().validate()

    @pytest.mark.parametrize("base", [Config, PaperConfig, SmallConfig])
    def test_defaults_are_possible_once_named_and_counted(self, base):
        config = base()
        config.NAME, config.NUM_CLASSES = "toy", 2
        config.validate(num_dataset_classes=2)


class TestDerived:
    def test_values_follow_their_sources(self):
        config = ToyConfig()
        config.IMAGES_PER_GPU, config.GPU_COUNT = 3, 2
        config.NUM_CLASSES = 81
        config.IMAGE_MAX_DIM, config.IMAGE_CHANNEL_COUNT = 512, 4
        assert config.BATCH_SIZE == 6
        assert config.IMAGE_META_SIZE == 93  # 12 + 81
        np.testing.assert_array_equal(config.IMAGE_SHAPE, [512, 512, 4])

    def test_image_shape_is_the_minimum_in_crop_mode(self):
        config = ToyConfig()
        config.IMAGE_RESIZE_MODE, config.IMAGE_MIN_DIM = "crop", 512
        np.testing.assert_array_equal(config.IMAGE_SHAPE, [512, 512, 3])

    def test_image_shape_is_an_integer_array(self):
        assert ToyConfig().IMAGE_SHAPE.dtype.kind == "i"

    def test_assigned_value_wins_until_it_is_deleted(self):
        config = ToyConfig()
        config.BATCH_SIZE = 7
        config.IMAGES_PER_GPU = 4
        assert config.BATCH_SIZE == 7
        del config.BATCH_SIZE
        assert config.BATCH_SIZE == 4

    def test_one_instance_does_not_change_another(self):
        first, second = ToyConfig(), ToyConfig()
        first.BATCH_SIZE = 7
        assert second.BATCH_SIZE == 2

    def test_subclass_may_set_them_as_class_attributes(self):
        class Fixed(ToyConfig):
            BATCH_SIZE = 5
            IMAGE_SHAPE = np.array([64, 128, 3])

        assert Fixed().BATCH_SIZE == 5
        assert Fixed().IMAGE_SHAPE.tolist() == [64, 128, 3]
        Fixed().validate()

    @pytest.mark.parametrize("where", ["class", "init", "instance"])
    def test_channels_of_an_assigned_image_shape_count(self, where):
        shape = [128, 128, 8]

        class Many(ToyConfig):
            MEAN_PIXEL = [100.0] * 8
            if where == "class":
                IMAGE_SHAPE = shape

            def __init__(self):
                super().__init__()
                if where == "init":
                    self.IMAGE_SHAPE = np.array(shape)

        config = Many()
        if where == "instance":
            config.IMAGE_SHAPE = shape
        assert config.IMAGE_CHANNEL_COUNT == 8
        assert type(config.IMAGE_CHANNEL_COUNT) is int
        config.validate()
        assert Many.from_dict(config.to_dict()).to_dict() == config.to_dict()
        assert ToyConfig().IMAGE_CHANNEL_COUNT == 3

    def test_an_image_shape_of_other_channels_than_those_set_is_an_error(self):
        class Both(ToyConfig):
            IMAGE_CHANNEL_COUNT = 4
            IMAGE_SHAPE = [128, 128, 8]

        with pytest.raises(ValueError, match="has 8 channels.*make them equal"):
            Both().validate()

    def test_subclass_may_set_them_as_properties(self):
        class Property(ToyConfig):
            @property
            def BATCH_SIZE(self):
                return self.IMAGES_PER_GPU + 100

        assert Property().BATCH_SIZE == 102
        assert Property().to_dict()["BATCH_SIZE"] == 102

    def test_subclass_need_not_call_super_init(self):
        class Silent(ToyConfig):
            def __init__(self, images):
                self.IMAGES_PER_GPU = images

        config = Silent(5)
        assert config.BATCH_SIZE == 5
        config.validate()

    def test_attributes_set_before_super_init_count(self):
        class Before(ToyConfig):
            def __init__(self, classes):
                self.NUM_CLASSES = classes
                super().__init__()

        assert Before(7).IMAGE_META_SIZE == 19

    def test_class_access_says_what_it_is(self):
        assert "IMAGES_PER_GPU" in Config.BATCH_SIZE.__doc__


class TestOwnCopies:
    def test_changing_a_dict_changes_one_instance(self):
        config = ToyConfig()
        config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0
        config.MEAN_PIXEL[0] = 0
        config.RPN_ANCHOR_RATIOS.append(3)
        assert ToyConfig().LOSS_WEIGHTS["mrcnn_mask_loss"] == 1.0
        assert Config.MEAN_PIXEL[0] == 123.7
        assert PaperConfig().RPN_ANCHOR_RATIOS == [0.5, 1, 2]

    @pytest.mark.parametrize("clone", [copy.copy, copy.deepcopy])
    def test_copies_keep_assigned_values(self, clone):
        config = ToyConfig()
        config.BATCH_SIZE = 7
        assert clone(config).to_dict() == config.to_dict()

    def test_pickle_keeps_assigned_and_own_values(self):
        config = ToyConfig()
        config.BATCH_SIZE, config.HEAD_EPOCHS = 7, 4
        assert pickle.loads(pickle.dumps(config)).to_dict() == config.to_dict()

    def test_class_of_an_instance_can_be_subclassed(self):
        # As the notebooks do.
        class Inference(ToyConfig().__class__):
            IMAGES_PER_GPU = 1

        assert Inference().BATCH_SIZE == 1


class TestCallables:
    def test_function_as_class_attribute_gets_no_self(self):
        class Own(ToyConfig):
            BACKBONE = small_backbone
            COMPUTE_BACKBONE_SHAPE = small_shapes

        config = Own()
        config.validate()
        assert config.BACKBONE("image", stage5=False) == ("image", False, None)
        shapes = config.COMPUTE_BACKBONE_SHAPE(config, (128, 128, 3))
        assert shapes[0] == [32, 32]

    def test_method_still_gets_self(self):
        class Own(ToyConfig):
            def BACKBONE(self, input_image, stage5=True, train_bn=None):
                return self.NAME, input_image

        assert Own().BACKBONE("image") == ("toy", "image")

    def test_staticmethod_and_instance_attribute_work(self):
        class Own(ToyConfig):
            BACKBONE = staticmethod(small_backbone)

        assert Own().BACKBONE("image")[0] == "image"
        config = ToyConfig()
        config.BACKBONE = small_backbone
        assert config.BACKBONE("image")[0] == "image"


class TestMisspelling:
    def test_class_attribute_draws_a_warning_with_the_near_match(self):
        with pytest.warns(
            UserWarning, match="STEPS_PER_EPOC .*STEPS_PER_EPOCH"
        ) as seen:

            class Wrong(ToyConfig):
                STEPS_PER_EPOC = 10

        assert len(seen) == 1
        assert seen[0].filename == __file__  # The line of the user, not ours.
        assert Wrong().STEPS_PER_EPOC == 10  # Kept all the same.

    def test_instance_attribute_draws_one_warning_at_its_line(self):
        config = ToyConfig()
        with pytest.warns(UserWarning, match="DETECTION_MIN_CONFIDENCE") as seen:
            config.DETECTION_MIN_CONFIDENSE = 0.9
            config.DETECTION_MIN_CONFIDENSE = 0.8
        assert len(seen) == 1
        assert seen[0].filename == __file__

    def test_subclass_of_a_misspelt_class_does_not_repeat_it(self):
        with pytest.warns(UserWarning):

            class Wrong(ToyConfig):
                LEARNING_RAT = 0.1

        with warnings.catch_warnings():
            warnings.simplefilter("error")

            class Heir(Wrong):
                IMAGES_PER_GPU = 1

            Heir().validate()

    def test_own_attributes_are_kept_in_silence(self):
        with warnings.catch_warnings():
            warnings.simplefilter("error")

            class Own(ToyConfig):
                HEAD_EPOCHS = 20
                DATASET_DIR = "balloon"
                CLASS_NAMES = ["a", "b"]
                AUGMENT = True
                images_per_gpus = 3

                def image_shapes(self):
                    return None

            config = Own()
            config.FINE_TUNE_EPOCHS = 40
            config.validate()
        assert (config.HEAD_EPOCHS, config.FINE_TUNE_EPOCHS) == (20, 40)


def test_config_is_read_without_tensorflow():
    code = (
        "import sys; from mrcnn.config import Config; Config().display(); "
        "print('tensorflow' in sys.modules)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.strip().endswith("False")
