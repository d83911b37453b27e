"""Settings that only meet end to end: each trains one step, and its weights detect."""

from __future__ import annotations

import keras
import numpy as np
import pytest

from mrcnn.config import PaperConfig
from mrcnn.engine import MaskRCNN
from mrcnn.nn.norms import BatchNorm
from tests.engine.tiny import (
    CLASSES,
    NearlyEmptyDataset,
    StubConfig,
    TinyDataset,
    changed,
    make_config,
    train,
    weights_of,
)

pytestmark = pytest.mark.usefixtures("eager")


class TwoOf(TinyDataset):
    """Pictures of the two `sizes` in turn, an object in the upper left of each."""

    sizes = ((64, 128), (128, 64))

    def load_image(self, image_id):
        rng = np.random.default_rng(image_id)
        return rng.integers(0, 256, [*self.sizes[image_id % 2], 3], np.uint8)

    def load_mask(self, image_id):
        masks = np.zeros([*self.sizes[image_id % 2], 1], bool)
        masks[5:25, 8:28] = True
        return masks, np.ones([1], np.int32)


class TwoOddOf(TwoOf):
    sizes = ((50, 90), (100, 40))


class Grey(TinyDataset):
    def load_image(self, image_id):
        return super().load_image(image_id)[..., :1]


class FourChannels(TinyDataset):
    def load_image(self, image_id):
        image = super().load_image(image_id)
        return np.concatenate([image, image[..., :1]], axis=-1)


class EightyClasses(TinyDataset):
    def __init__(self):
        super().__init__()
        for class_id in range(1 + len(CLASSES), 81):
            self.add_class("tiny", class_id, f"class {class_id}")
        self.prepare()


class TinyPaperConfig(PaperConfig, StubConfig):
    TRAIN_ROIS_PER_IMAGE = 12


def wide_backbone(input_image, stage5=True, train_bn=None):
    """A backbone of twice the usual strides, with the package's BatchNorm in it."""
    x = keras.layers.AveragePooling2D(2)(input_image / 128.0)
    stages = []
    for i in range(1, 6):
        x = keras.layers.Conv2D(
            8, 3, strides=2, padding="same", use_bias=False, name=f"res{i}_wide"
        )(x)
        x = BatchNorm(train_bn=train_bn, name=f"bn{i}_wide")(x)
        stages.append(x)
    return stages


def wide_shapes(config, image_shape):
    return [
        [-(-side // stride) for side in image_shape[:2]]
        for stride in config.BACKBONE_STRIDES
    ]


def train_and_detect(folder, dataset, base=StubConfig, layers="all", **values):
    """Trains a step and detects in the data set's first two images with the result.

    Returns the trainer, the names of the weights that changed, and the results.
    """
    values = {"STEPS_PER_EPOCH": 1, **values}
    trainer = MaskRCNN("training", make_config(base, **values), folder)
    before = weights_of(trainer.keras_model)
    history = train(trainer, dataset, layers=layers).history
    assert all(np.isfinite(history[name][-1]) for name in history)
    after = weights_of(trainer.keras_model)
    assert all(np.isfinite(value).all() for value in after.values())

    config = make_config(base, **values, DETECTION_MIN_CONFIDENCE=0.0)
    detector = MaskRCNN("inference", config, folder)
    detector.load_weights(trainer.find_last())
    bias = detector.keras_model.get_layer("mrcnn_class_logits").bias
    bias.assign([-9.0, 1.0, *[0.0] * (config.NUM_CLASSES - 2)])
    weights = weights_of(detector.keras_model)
    images = [dataset.load_image(i) for i in range(2)]
    results = detector.detect(images)
    assert not changed(weights, weights_of(detector.keras_model))
    assert len(results) == len(images)
    for image, result in zip(images, results, strict=True):
        count = len(result["rois"])
        assert count > 0 and np.isfinite(result["scores"]).all()
        assert result["masks"].shape == (*image.shape[:2], count)
        assert (result["rois"] >= 0).all()
        assert (result["rois"][:, 2:] <= image.shape[:2]).all()
        assert ((result["class_ids"] > 0) & (result["scores"] > 0)).all()
        assert (result["class_ids"] < config.NUM_CLASSES).all()
    return trainer, changed(before, after), results


@pytest.mark.parametrize(
    ("dataset", "values"),
    [
        pytest.param(
            TinyDataset(),
            {
                "USE_MINI_MASK": False,
                "ROI_OP": "align",
                "ROI_REDUCE": "max",
                "ROI_SAMPLING_RATIO": 1,
            },
            id="full-size masks; RoIAlign, largest of one sample",
        ),
        pytest.param(
            TinyDataset(),
            {
                "ROI_OP": "pool",
                "RPN_ANCHOR_SCALES": ((8, 10), (12, 14), (16, 20), (32, 40), (48, 56)),
            },
            id="RoIPool; two scales a level",
        ),
        pytest.param(
            Grey(),
            {
                "IMAGE_CHANNEL_COUNT": 1,
                "MEAN_PIXEL": [127.0],
                "RPN_ANCHOR_RATIOS": [1],
                "RPN_ANCHOR_STRIDE": 2,
            },
            id="grey; one ratio at every second cell",
        ),
        pytest.param(
            FourChannels(),
            {
                "IMAGE_CHANNEL_COUNT": 4,
                "MEAN_PIXEL": [120.0, 110.0, 100.0, 90.0],
                "ROI_OP": "crop",
                "ROI_SAMPLING_RATIO": 1,
                "ROI_REDUCE": "max",
            },
            id="four channels; crop_and_resize",
        ),
        pytest.param(EightyClasses(), {"NUM_CLASSES": 81}, id="81 classes"),
    ],
)
def test_setting_trains_and_detects(tmp_path, dataset, values):
    _, trained, _ = train_and_detect(tmp_path, dataset, **values)
    for name in ("res1_stub", "fpn_p2", "rpn_class_raw", "mrcnn_bbox_fc"):
        assert any(name in path for path in trained), name


@pytest.mark.parametrize(
    ("mode", "dataset", "min_dim"),
    [
        ("pad64", TwoOddOf(), 72),  # no multiple of 64, as the default
        ("none", TwoOf(), None),
    ],
)
def test_images_keep_their_sizes(tmp_path, mode, dataset, min_dim):
    values = {"IMAGE_RESIZE_MODE": mode, "IMAGE_MIN_DIM": min_dim}
    values |= {"IMAGES_PER_GPU": 1, "STEPS_PER_EPOCH": 2}
    train_and_detect(tmp_path, dataset, **values)


def test_sides_that_do_not_fit_end_training_by_name(tmp_path):
    config = make_config(IMAGE_RESIZE_MODE="none", IMAGES_PER_GPU=1, STEPS_PER_EPOCH=1)
    trainer = MaskRCNN("training", config, tmp_path)
    with pytest.raises(ValueError, match="multiples of 64.*'pad64'.*image id"):
        train(trainer, TwoOddOf())


def test_random_crops_train(tmp_path):
    values = {"IMAGE_RESIZE_MODE": "crop", "IMAGE_MIN_DIM": 64, "STEPS_PER_EPOCH": 1}
    trainer = MaskRCNN("training", make_config(**values), tmp_path)
    before = weights_of(trainer.keras_model)
    assert np.isfinite(train(trainer, TwoOf()).history["loss"]).all()
    assert changed(before, weights_of(trainer.keras_model))


def test_recipe_of_the_papers(tmp_path):
    trainer, trained, _ = train_and_detect(tmp_path, TinyDataset(), TinyPaperConfig)
    assert trainer.config.ROI_OP == "align"
    assert any("mrcnn_class_conv1" in path for path in trained)


def test_backbone_of_other_strides_with_its_shapes(tmp_path):
    values = {
        "BACKBONE": wide_backbone,
        "COMPUTE_BACKBONE_SHAPE": wide_shapes,
        "BACKBONE_STRIDES": [8, 16, 32, 64, 128],
        "TRAIN_BN": None,
    }
    trainer, trained, _ = train_and_detect(tmp_path, TinyDataset(), **values)
    assert any("res5_wide" in path for path in trained)
    anchors = trainer.get_anchors((64, 128, 3))
    assert len(anchors) == 3 * (8 * 16 + 4 * 8 + 2 * 4 + 1 * 2 + 1 * 1)


@pytest.mark.parametrize(
    ("train_bn", "dataset"), [(None, NearlyEmptyDataset()), (True, TinyDataset())]
)
def test_batch_statistics(tmp_path, train_bn, dataset):
    values = {"NORM": "batch", "TRAIN_BN": train_bn}
    _, trained, _ = train_and_detect(tmp_path, dataset, **values)
    assert any("mrcnn_class_bn1/moving_mean" in path for path in trained)
    # Without objects too, the background is learned.
    for name in ("rpn_class_raw", "mrcnn_class_logits"):
        assert any(name in path for path in trained), name


@pytest.mark.filterwarnings("ignore:.*TRAIN_BN=False keeps the statistics")
def test_frozen_statistics(tmp_path):
    values = {"NORM": "batch", "TRAIN_BN": False}
    _, trained, _ = train_and_detect(tmp_path, TinyDataset(), **values)
    assert any("mrcnn_class_bn1/gamma" in path for path in trained)
    assert not any("moving" in path for path in trained)
