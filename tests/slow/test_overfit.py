"""A ResNet-50 from scratch fits four photographs: the whole chain can learn."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn import evaluation
from mrcnn.config import Config
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.via.via_dataset import polygon_mask, read_via
from mrcnn.data.in_memory import InMemoryDataset

NUM_PHOTOS = 4
STEPS = 350


class FitConfig(Config):
    """ResNet-50 with the smallest heads that keep the structure."""

    NAME = "fit"
    NUM_CLASSES = 2
    IMAGES_PER_GPU = 2
    NORM = "group"
    BACKBONE = "resnet50"
    ROI_OP = "align"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 256
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CHANNELS = 64
    MASK_HEAD_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    POST_NMS_ROIS_TRAINING = 200
    POST_NMS_ROIS_INFERENCE = 100
    TRAIN_ROIS_PER_IMAGE = 64
    MAX_GT_INSTANCES = 20
    DETECTION_MAX_INSTANCES = 30
    DETECTION_MIN_CONFIDENCE = 0
    STEPS_PER_EPOCH = STEPS
    DETECTION_CLASS_RULE = "all"
    OPTIMIZER = "adamw"
    LEARNING_RATE = 0.001
    LEARNING_RATE_SCHEDULE = "cosine"
    LEARNING_RATE_WARMUP_STEPS = 30
    KEEP_CHECKPOINTS = 1


class Photos(Dataset):
    """The first balloon photographs of the training folder."""

    def load_photos(self, folder, count):
        """Adds `count` photographs of a VIA folder."""
        self.add_class("balloon", 1, "balloon")
        for photo in read_via(folder / "via_region_data.json")[:count]:
            path = folder / photo["filename"]
            self.add_image("balloon", path.name, str(path), regions=photo["regions"])

    def load_mask(self, image_id):
        """The outlined balloons."""
        height, width = self.load_image(image_id).shape[:2]
        masks = polygon_mask(self.image_info[image_id]["regions"], height, width)
        return masks, np.ones(masks.shape[-1], np.int32)


@pytest.mark.slow
def test_resnet50_fits_four_balloon_photographs(shared, tmp_path):
    from mrcnn.model import MaskRCNN

    photos = Photos()
    photos.load_photos(shared / "data" / "balloon" / "train", NUM_PHOTOS)
    photos.prepare()
    config = FitConfig()
    photos = InMemoryDataset(photos, max_side=config.IMAGE_MAX_DIM)

    trainer = MaskRCNN("training", config, tmp_path)
    trainer.train(photos, None, config.LEARNING_RATE, 1, "all", verbose=2)

    model = MaskRCNN("inference", config, tmp_path)
    model.load_weights(trainer.find_last())
    metrics = evaluation.evaluate_detections(evaluation.dataset_records(model, photos))
    print(evaluation.format_metrics(metrics))
    assert metrics["segm"]["AP50"] >= 0.95
