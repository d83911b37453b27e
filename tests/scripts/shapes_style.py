"""Shapes, written as the notebook that trains on them for the old package was.

    python tests/scripts/shapes_style.py logs

The network is a stub: this is about calls, not about shapes.
"""

import math
import os
import random
import sys

import matplotlib.pyplot as plt
import numpy as np
import skimage.draw

ROOT_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(ROOT_DIR)  # To find local version of the library

import mrcnn.model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from mrcnn.model import log  # noqa: E402
from tests.engine.tiny import StubConfig  # noqa: E402

MODEL_DIR = os.path.join(ROOT_DIR, "logs")


class ShapesConfig(StubConfig):
    NAME = "shapes"
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 3  # background + 3 shapes
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 64
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)  # anchor side in pixels
    TRAIN_ROIS_PER_IMAGE = 32
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1


class ShapesDataset(utils.Dataset):
    """Draws its pictures when they are asked for; there are no files."""

    def load_shapes(self, count, height, width):
        self.add_class("shapes", 1, "square")
        self.add_class("shapes", 2, "circle")
        self.add_class("shapes", 3, "triangle")
        for i in range(count):
            bg_color, shapes = self.random_image(height, width)
            self.add_image(
                "shapes",
                image_id=i,
                path=None,
                width=width,
                height=height,
                bg_color=bg_color,
                shapes=shapes,
            )

    def load_image(self, image_id):
        info = self.image_info[image_id]
        bg_color = np.array(info["bg_color"]).reshape([1, 1, 3])
        image = np.ones([info["height"], info["width"], 3], dtype=np.uint8)
        image = image * bg_color.astype(np.uint8)
        for shape, color, dims in info["shapes"]:
            image[self.draw_shape(image.shape[:2], shape, dims)] = color
        return image

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] == "shapes":
            return info["shapes"]
        return super(self.__class__, self).image_reference(image_id)

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        shapes = info["shapes"]
        mask = np.zeros([info["height"], info["width"], len(shapes)], dtype=np.uint8)
        for i, (shape, _, dims) in enumerate(shapes):
            mask[..., i] = self.draw_shape(mask.shape[:2], shape, dims)
        # What lies above hides what lies below.
        free = np.logical_not(mask[..., -1])
        for i in range(len(shapes) - 2, -1, -1):
            mask[..., i] = mask[..., i] * free
            free = np.logical_and(free, np.logical_not(mask[..., i]))
        class_ids = np.array([self.class_names.index(s[0]) for s in shapes])
        return mask.astype(bool), class_ids.astype(np.int32)

    def draw_shape(self, size, shape, dims):
        x, y, s = dims
        if shape == "square":
            corners = [y - s, y - s, y + s, y + s], [x - s, x + s, x + s, x - s]
        elif shape == "triangle":
            half = s / math.sin(math.radians(60))
            corners = [y - s, y + s, y + s], [x, x - half, x + half]
        mask = np.zeros(size, dtype=bool)
        if shape == "circle":
            mask[skimage.draw.disk((y, x), s, shape=size)] = True
        else:
            mask[skimage.draw.polygon(*corners, shape=size)] = True
        return mask

    def random_image(self, height, width):
        bg_color = [random.randint(0, 255) for _ in range(3)]
        shapes = []
        for _ in range(random.randint(1, 4)):
            shape = random.choice(["square", "circle", "triangle"])
            color = tuple(random.randint(0, 255) for _ in range(3))
            s = random.randint(6, height // 5)
            y = random.randint(s, height - s - 1)
            x = random.randint(s, width - s - 1)
            shapes.append((shape, color, (x, y, s)))
        return bg_color, shapes


def main(model_dir=MODEL_DIR):
    config = ShapesConfig()
    config.display()

    dataset_train = ShapesDataset()
    dataset_train.load_shapes(6, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
    dataset_train.prepare()
    dataset_val = ShapesDataset()
    dataset_val.load_shapes(3, config.IMAGE_SHAPE[0], config.IMAGE_SHAPE[1])
    dataset_val.prepare()

    rng = np.random.default_rng(0)
    for image_id in rng.choice(dataset_train.image_ids, 2):
        image = dataset_train.load_image(image_id)
        mask, class_ids = dataset_train.load_mask(image_id)
        visualize.display_top_masks(image, mask, class_ids, dataset_train.class_names)

    model = modellib.MaskRCNN(mode="training", config=config, model_dir=model_dir)
    init_with = "none"  # imagenet, coco, or last
    if init_with == "imagenet":
        model.load_weights(model.get_imagenet_weights(), by_name=True)
    elif init_with == "last":
        model.load_weights(model.find_last(), by_name=True)

    # The head branches, then all layers at a tenth of the rate.
    model.train(
        dataset_train,
        dataset_val,
        learning_rate=config.LEARNING_RATE,
        epochs=1,
        layers="heads",
    )
    model.train(
        dataset_train,
        dataset_val,
        learning_rate=config.LEARNING_RATE / 10,
        epochs=2,
        layers="all",
    )
    model_path = os.path.join(model_dir, "mask_rcnn_shapes.h5")
    model.keras_model.save_weights(model_path)

    class InferenceConfig(ShapesConfig):
        GPU_COUNT = 1
        IMAGES_PER_GPU = 1
        DETECTION_MIN_CONFIDENCE = 0

    inference_config = InferenceConfig()
    model = modellib.MaskRCNN(
        mode="inference", config=inference_config, model_dir=model_dir
    )
    model_path = model.find_last()
    print("Loading weights from ", model_path)
    model.load_weights(model_path, by_name=True)

    image_id = random.choice(dataset_val.image_ids)
    original_image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
        dataset_val, inference_config, image_id, use_mini_mask=False
    )
    log("original_image", original_image)
    log("image_meta", image_meta)
    log("gt_class_id", gt_class_id)
    log("gt_bbox", gt_bbox)
    log("gt_mask", gt_mask)
    _, ax = plt.subplots(1, 1, figsize=(4, 4))
    visualize.display_instances(
        original_image, gt_bbox, gt_mask, gt_class_id, dataset_train.class_names, ax=ax
    )
    results = model.detect([original_image], verbose=1)
    r = results[0]
    visualize.display_instances(
        original_image,
        r["rois"],
        r["masks"],
        r["class_ids"],
        dataset_val.class_names,
        r["scores"],
        ax=ax,
    )

    APs = []
    for image_id in dataset_val.image_ids:
        image, image_meta, gt_class_id, gt_bbox, gt_mask = modellib.load_image_gt(
            dataset_val, inference_config, image_id, use_mini_mask=False
        )
        results = model.detect([image], verbose=0)
        r = results[0]
        AP, precisions, recalls, overlaps = utils.compute_ap(
            gt_bbox,
            gt_class_id,
            gt_mask,
            r["rois"],
            r["class_ids"],
            r["scores"],
            r["masks"],
        )
        APs.append(AP)
    print("mAP: ", np.mean(APs))
    return model, r, np.mean(APs)


if __name__ == "__main__":
    main(*sys.argv[1:2])
