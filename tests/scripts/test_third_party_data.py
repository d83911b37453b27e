"""What scripts of other people do with Config and Dataset.

The numbers are those of the list of such habits: 1 and 2 of twelve.
"""

from __future__ import annotations

import warnings

import numpy as np
import pytest
import skimage.draw

import mrcnn.model as modellib
from mrcnn import utils
from mrcnn.config import Config
from mrcnn.data.formats.via.via_dataset import polygon_mask
from tests.engine.tiny import StubConfig

# 1. Subclasses of Config


class SetsBefore(StubConfig):
    def __init__(self, classes):
        self.NUM_CLASSES = 1 + len(classes)
        self.CLASS_LIST = classes
        self.IMAGES_PER_GPU = 3
        super().__init__()


class SetsAfter(StubConfig):
    def __init__(self, classes):
        super().__init__()
        self.NUM_CLASSES = 1 + len(classes)
        self.CLASS_LIST = classes
        self.IMAGES_PER_GPU = 3


class SkipsInit(StubConfig):
    def __init__(self, classes):
        self.NUM_CLASSES = 1 + len(classes)
        self.CLASS_LIST = classes
        self.IMAGES_PER_GPU = 3


@pytest.mark.parametrize("kind", [SetsBefore, SetsAfter, SkipsInit])
def test_1_config_may_be_set_before_after_or_without_init(kind, tmp_path):
    config = kind(classes=["cat", "dog", "cow"])
    assert config.CLASS_LIST == ["cat", "dog", "cow"]
    assert config.BATCH_SIZE == 3
    assert config.IMAGE_META_SIZE == 12 + 4
    assert config.IMAGE_SHAPE.tolist() == [64, 64, 3]

    model = modellib.MaskRCNN(mode="training", config=config, model_dir=tmp_path)
    logits = model.keras_model.get_layer("mrcnn_class_logits")
    assert logits.bias.shape == (4,)
    assert model.keras_model.get_layer("input_image_meta").output.shape == (None, 16)


def test_1_attributes_of_ones_own_are_kept_without_a_word(capsys):
    with warnings.catch_warnings():
        warnings.simplefilter("error")

        class AnimalConfig(Config):
            NAME = "animals"
            HEAD_EPOCHS, ALL_EPOCHS = 4, 12
            DATASET_DIR = "/data/animals"
            CLASS_LIST = ("cat", "dog")

            def describe(self):
                return f"{self.NAME}: {self.HEAD_EPOCHS} + {self.ALL_EPOCHS} epochs"

        config = AnimalConfig()
        config.experiment = "first"
    assert config.describe() == "animals: 4 + 12 epochs"
    config.display()
    assert "HEAD_EPOCHS" in capsys.readouterr().out
    assert config.to_dict()["experiment"] == "first"


def test_1_derived_values_follow_the_instance():
    config = StubConfig()
    config.NUM_CLASSES = 1 + 80
    config.GPU_COUNT = 2
    config.IMAGE_MAX_DIM = 128
    assert config.IMAGE_META_SIZE == 12 + 81
    assert config.BATCH_SIZE == 4
    assert config.IMAGE_SHAPE.tolist() == [128, 128, 3]
    config.BATCH_SIZE = 1  # what is assigned wins
    assert (config.BATCH_SIZE, StubConfig().BATCH_SIZE) == (1, 2)


def test_1_batch_size_may_change_after_the_model_is_built(model, monkeypatch):
    image = np.full([48, 64, 3], 90, np.uint8)
    monkeypatch.setattr(model.config, "BATCH_SIZE", 3)
    results = model.detect([image] * 3)
    monkeypatch.setattr(model.config, "BATCH_SIZE", 1)
    again = model.detect([image] * 3)
    for first, second in zip(results, again, strict=True):
        np.testing.assert_array_equal(first["rois"], second["rois"])


# 2. Subclasses of Dataset


def polygon(xs, ys):
    return {"name": "polygon", "all_points_x": xs, "all_points_y": ys}


SQUARE = polygon([4, 4, 20, 20], [4, 20, 20, 4])
# A vertex at x == width, another at y == height, as annotation tools write them.
ON_BORDER = polygon([40, 64, 64, 40], [30, 30, 48, 48])


class ShopDataset(utils.Dataset):
    mask_type = np.uint8

    def load_shop(self, polygons=(SQUARE,)):
        info = {"width": 64, "height": 48, "polygons": list(polygons)}
        self.add_image("shop", image_id="a.jpg", path="shop/a.jpg", **info)
        self.add_image("elsewhere", image_id=17, path="elsewhere/17.jpg")
        # Classes after images; the first of them has the id 0.
        self.add_class("shop", 0, "cup")
        self.add_class("shop", 1, "jug")

    def load_image(self, image_id):
        return np.full([48, 64, 3], 50, np.uint8)

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "shop":
            return super(self.__class__, self).load_mask(image_id)
        shape = [info["height"], info["width"], len(info["polygons"])]
        mask = np.zeros(shape, dtype=self.mask_type)
        for i, p in enumerate(info["polygons"]):
            rr, cc = skimage.draw.polygon(p["all_points_y"], p["all_points_x"])
            mask[rr, cc, i] = 1
        class_ids = [self.class_names.index("jug")] * shape[-1]
        return mask, np.array(class_ids, dtype=np.int32)


def make_shop(**kwargs):
    dataset = ShopDataset()
    dataset.load_shop(**kwargs)
    dataset.prepare()
    return dataset


def test_2_prepare_numbers_classes_anew_whatever_came_first():
    dataset = make_shop()
    assert dataset.class_names == ["BG", "cup", "jug"]
    assert dataset.num_classes == 3 and dataset.num_images == 2
    assert dataset.map_source_class_id("shop.0") == 1
    assert dataset.get_source_class_id(2, "shop") == 1
    assert dataset.image_from_source_map == {"shop.a.jpg": 0, "elsewhere.17": 1}
    assert dataset.source_class_ids["elsewhere"] == [0]
    assert dataset.source_image_link(1) == "elsewhere/17.jpg"


@pytest.mark.parametrize("mask_type", [np.uint8, bool, np.float32])
def test_2_masks_of_any_number_type_become_bool(mask_type, monkeypatch):
    monkeypatch.setattr(ShopDataset, "mask_type", mask_type)
    dataset = make_shop()
    loaded = modellib.load_image_gt(dataset, StubConfig(), 0, use_mini_mask=False)
    _, _, class_ids, boxes, masks = loaded
    assert masks.dtype == bool and class_ids.tolist() == [2]
    drawn, _ = dataset.load_mask(0)
    assert masks.sum() == (drawn != 0).sum() == 17 * 17
    assert boxes.tolist() == utils.extract_bboxes(masks).tolist()


def test_2_images_of_another_source_have_no_objects():
    dataset = make_shop()
    image, meta, class_ids, boxes, masks = modellib.load_image_gt(
        dataset, StubConfig(), 1
    )
    assert class_ids.shape == (0,) and boxes.shape == (0, 4)
    assert masks.shape == (*image.shape[:2], 0)
    # Nor do they train cups and jugs as background: their source doesn't know them.
    parsed = modellib.parse_image_meta(meta[np.newaxis])
    assert parsed["active_class_ids"][0].tolist() == [1, 0, 0]


def test_2_a_vertex_on_the_border_is_named_with_its_image():
    dataset = make_shop(polygons=[ON_BORDER])
    with pytest.raises(IndexError, match=r"out of bounds.*image id 0, path shop/a.jpg"):
        modellib.load_image_gt(dataset, StubConfig(), 0)
    masks = polygon_mask([ON_BORDER], height=48, width=64)
    assert utils.extract_bboxes(masks).tolist() == [[30, 40, 48, 64]]
