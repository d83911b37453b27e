"""Balloons, written as scripts for the old package were.

    python tests/scripts/balloon_style.py train --dataset=balloon --weights=coco.h5
    python tests/scripts/balloon_style.py splash --weights=last --image=photo.jpg

The network is a stub: this is about calls, not about balloons.
"""

import json
import os
import sys

import numpy as np
import skimage.color
import skimage.draw
import skimage.io

ROOT_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(ROOT_DIR)  # To find local version of the library

import mrcnn.model as modellib  # noqa: E402
from mrcnn import utils  # noqa: E402
from tests.engine.tiny import StubConfig  # noqa: E402

MODEL_DIR = os.path.join(ROOT_DIR, "logs")
COCO_WEIGHTS_PATH = os.path.join(ROOT_DIR, "mask_rcnn_coco.h5")


class BalloonConfig(StubConfig):
    NAME = "balloon"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1  # Background + balloon
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1
    DETECTION_MIN_CONFIDENCE = 0.9
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    MAX_GT_INSTANCES = 30


class BalloonDataset(utils.Dataset):
    # The first scripts gave skimage no shape: outlines that reach the border raise.
    clip = True

    def load_balloon(self, dataset_dir, subset):
        self.add_class("balloon", 1, "balloon")
        assert subset in ["train", "val"]
        dataset_dir = os.path.join(dataset_dir, subset)
        with open(os.path.join(dataset_dir, "via_region_data.json")) as f:
            annotations = json.load(f)
        for a in annotations.values():
            if not a["regions"]:
                continue
            # VIA 1.x kept the regions in a dict, VIA 2.x in a list.
            regions = a["regions"]
            regions = regions.values() if isinstance(regions, dict) else regions
            polygons = [region["shape_attributes"] for region in regions]
            image_path = os.path.join(dataset_dir, a["filename"])
            height, width = skimage.io.imread(image_path).shape[:2]
            self.add_image(
                "balloon",
                image_id=a["filename"],
                path=image_path,
                width=width,
                height=height,
                polygons=polygons,
            )

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super(self.__class__, self).load_mask(image_id)
        shape = (info["height"], info["width"])
        mask = np.zeros([*shape, len(info["polygons"])], dtype=np.uint8)
        for i, p in enumerate(info["polygons"]):
            clip = shape if self.clip else None
            rr, cc = skimage.draw.polygon(p["all_points_y"], p["all_points_x"], clip)
            mask[rr, cc, i] = 1
        return mask.astype(bool), np.ones([mask.shape[-1]], dtype=np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] == "balloon":
            return info["path"]
        return super(self.__class__, self).image_reference(image_id)


def load_dataset(dataset_dir, subset):
    dataset = BalloonDataset()
    dataset.load_balloon(dataset_dir, subset)
    dataset.prepare()
    return dataset


def train(model, dataset_dir):
    dataset_train = load_dataset(dataset_dir, "train")
    dataset_val = load_dataset(dataset_dir, "val")
    print("Training network heads")
    model.train(
        dataset_train,
        dataset_val,
        learning_rate=model.config.LEARNING_RATE,
        epochs=1,
        layers="heads",
    )


def color_splash(image, mask):
    gray = skimage.color.gray2rgb(skimage.color.rgb2gray(image)) * 255
    if mask.shape[-1] > 0:
        mask = np.sum(mask, -1, keepdims=True) >= 1
        return np.where(mask, image, gray).astype(np.uint8)
    return gray.astype(np.uint8)


def detect_and_color_splash(model, image_path):
    image = skimage.io.imread(image_path)
    r = model.detect([image], verbose=1)[0]
    file_name = os.path.join(model.model_dir, "splash.png")
    skimage.io.imsave(file_name, color_splash(image, r["masks"]), check_contrast=False)
    print("Saved to ", file_name)
    return r


def evaluate(model, dataset_dir):
    dataset = load_dataset(dataset_dir, "val")
    APs = []
    for image_id in dataset.image_ids:
        image, meta, class_ids, bbox, mask = modellib.load_image_gt(
            dataset, model.config, image_id, use_mini_mask=False
        )
        r = model.detect([image], verbose=0)[0]
        AP, _, _, _ = utils.compute_ap(
            bbox, class_ids, mask, r["rois"], r["class_ids"], r["scores"], r["masks"]
        )
        APs.append(AP)
    print("mAP: ", np.mean(APs))
    return np.mean(APs)


def main(argv=None):
    import argparse

    parser = argparse.ArgumentParser(description="Train Mask R-CNN to detect balloons.")
    parser.add_argument("command", help="'train', 'evaluate' or 'splash'")
    parser.add_argument("--dataset", help="Directory of the Balloon dataset")
    parser.add_argument("--weights", required=True, help="a file, 'coco' or 'last'")
    parser.add_argument("--logs", default=MODEL_DIR)
    parser.add_argument("--image")
    args = parser.parse_args(argv)

    if args.command == "train":
        config = BalloonConfig()
    else:

        class InferenceConfig(BalloonConfig):
            # One image at a time: batch size = GPU_COUNT * IMAGES_PER_GPU
            GPU_COUNT = 1
            IMAGES_PER_GPU = 1
            DETECTION_MIN_CONFIDENCE = 0

        config = InferenceConfig()
    config.display()

    mode = "training" if args.command == "train" else "inference"
    model = modellib.MaskRCNN(mode=mode, config=config, model_dir=args.logs)

    if args.weights.lower() == "coco":
        weights_path = COCO_WEIGHTS_PATH
        if not os.path.exists(weights_path):
            utils.download_trained_weights(weights_path)
    elif args.weights.lower() == "last":
        weights_path = model.find_last()
    else:
        weights_path = args.weights

    if mode == "training":
        # The last layers need another number of classes.
        model.load_weights(
            weights_path,
            by_name=True,
            exclude=["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"],
        )
        train(model, args.dataset)
        return model
    model.load_weights(weights_path, by_name=True)
    if args.command == "evaluate":
        return evaluate(model, args.dataset)
    return detect_and_color_splash(model, args.image)


if __name__ == "__main__":
    main()
