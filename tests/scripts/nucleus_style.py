"""Nuclei, written as scripts for the old package were.

    python tests/scripts/nucleus_style.py train --dataset=nucleus --weights=coco.h5
    python tests/scripts/nucleus_style.py detect --dataset=nucleus --weights=last

The network is a stub: this is about calls, not about nuclei.
"""

import datetime
import os
import sys

import numpy as np
import skimage.io
from imgaug import augmenters as iaa

ROOT_DIR = os.path.abspath(os.path.join(os.path.dirname(__file__), "..", ".."))
sys.path.append(ROOT_DIR)  # To find local version of the library

from mrcnn import model as modellib  # noqa: E402
from mrcnn import utils, visualize  # noqa: E402
from tests.engine.tiny import StubConfig  # noqa: E402

DEFAULT_LOGS_DIR = os.path.join(ROOT_DIR, "logs")
NUM_VAL_IMAGES = 1


class NucleusConfig(StubConfig):
    NAME = "nucleus"
    IMAGES_PER_GPU = 2
    NUM_CLASSES = 1 + 1  # Background + nucleus
    STEPS_PER_EPOCH = 1
    VALIDATION_STEPS = 1
    DETECTION_MIN_CONFIDENCE = 0
    # Random crops
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    IMAGE_MIN_SCALE = 2.0
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_NMS_THRESHOLD = 0.9
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)
    TRAIN_ROIS_PER_IMAGE = 16
    MAX_GT_INSTANCES = 200


class NucleusInferenceConfig(NucleusConfig):
    GPU_COUNT = 1
    IMAGES_PER_GPU = 1
    # Whole images, padded to multiples of 64
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MIN_SCALE = 0
    RPN_NMS_THRESHOLD = 0.7


class NucleusDataset(utils.Dataset):
    def load_nucleus(self, dataset_dir, subset):
        """One folder an image; "val" is the first of them, "train" the others."""
        self.add_class("nucleus", 1, "nucleus")
        dataset_dir = os.path.join(dataset_dir, "stage1_train")
        image_ids = sorted(next(os.walk(dataset_dir))[1])
        if subset == "val":
            image_ids = image_ids[:NUM_VAL_IMAGES]
        elif subset == "train":
            image_ids = image_ids[NUM_VAL_IMAGES:]
        for image_id in image_ids:
            self.add_image(
                "nucleus",
                image_id=image_id,
                path=os.path.join(dataset_dir, image_id, f"images/{image_id}.png"),
            )

    def load_mask(self, image_id):
        info = self.image_info[image_id]
        # The masks lie beside the folder of the image, one file each.
        path = info["path"]
        mask_dir = os.path.join(os.path.dirname(os.path.dirname(path)), "masks")
        mask = []
        for f in sorted(next(os.walk(mask_dir))[2]):
            if f.endswith(".png"):
                m = skimage.io.imread(os.path.join(mask_dir, f)).astype(bool)
                mask.append(m)
        mask = np.stack(mask, axis=-1)
        return mask, np.ones([mask.shape[-1]], dtype=np.int32)

    def image_reference(self, image_id):
        info = self.image_info[image_id]
        if info["source"] == "nucleus":
            return info["id"]
        return super(self.__class__, self).image_reference(image_id)


def train(model, dataset_dir, subset):
    dataset_train = NucleusDataset()
    dataset_train.load_nucleus(dataset_dir, subset)
    dataset_train.prepare()
    dataset_val = NucleusDataset()
    dataset_val.load_nucleus(dataset_dir, "val")
    dataset_val.prepare()
    augmentation = iaa.SomeOf(
        (0, 2),
        [
            iaa.Fliplr(0.5),
            iaa.Flipud(0.5),
            iaa.OneOf([iaa.Affine(rotate=90), iaa.Affine(rotate=180)]),
            iaa.Multiply((0.8, 1.5)),
            iaa.GaussianBlur(sigma=(0.0, 5.0)),
        ],
    )
    print("Train network heads")
    model.train(
        dataset_train,
        dataset_val,
        learning_rate=model.config.LEARNING_RATE,
        epochs=1,
        augmentation=augmentation,
        layers="heads",
    )


def rle_encode(mask):
    """Start and length of each run of ones, column by column, from 1."""
    assert mask.ndim == 2
    column = np.concatenate([[0], mask.T.flatten().astype(np.int8), [0]])
    edges = np.where(np.diff(column) != 0)[0] + 1
    edges[1::2] = edges[1::2] - edges[:-1:2]
    return " ".join(str(x) for x in edges)


def rle_decode(rle, shape):
    numbers = np.array(rle.split(), dtype=int)
    mask = np.zeros([shape[0] * shape[1]], dtype=bool)
    for start, length in zip(numbers[::2] - 1, numbers[1::2], strict=True):
        mask[start : start + length] = True
    return mask.reshape(shape[1], shape[0]).T


def mask_to_rle(image_id, mask, scores):
    if mask.shape[-1] == 0:
        return f"{image_id},"
    # A pixel belongs to the best of the instances that claim it.
    order = np.argsort(scores)[::-1] + 1
    ranks = np.reshape(order, [1, 1, -1])
    mask = np.max(mask * ranks, -1)
    lines = []
    for o in order:
        m = np.where(mask == o, 1, 0)
        if m.sum() == 0.0:
            continue
        lines.append(f"{image_id}, {rle_encode(m)}")
    return "\n".join(lines)


def detect(model, dataset_dir, subset, results_dir):
    submit_dir = f"submit_{datetime.datetime.now():%Y%m%dT%H%M%S}"
    submit_dir = os.path.join(results_dir, submit_dir)
    os.makedirs(submit_dir)
    dataset = NucleusDataset()
    dataset.load_nucleus(dataset_dir, subset)
    dataset.prepare()
    submission = []
    for image_id in dataset.image_ids:
        image = dataset.load_image(image_id)
        r = model.detect([image], verbose=0)[0]
        source_id = dataset.image_info[image_id]["id"]
        submission.append(mask_to_rle(source_id, r["masks"], r["scores"]))
        visualize.display_instances(
            image,
            r["rois"],
            r["masks"],
            r["class_ids"],
            dataset.class_names,
            r["scores"],
            show_bbox=False,
            show_mask=False,
            title="Predictions",
            figsize=(3, 3),
        )
    submission = "ImageId,EncodedPixels\n" + "\n".join(submission)
    file_path = os.path.join(submit_dir, "submit.csv")
    with open(file_path, "w") as f:
        f.write(submission)
    print("Saved to ", submit_dir)
    return file_path


def evaluate(model, dataset_dir):
    dataset = NucleusDataset()
    dataset.load_nucleus(dataset_dir, "val")
    dataset.prepare()
    APs = []
    for image_id in dataset.image_ids:
        image, meta, class_ids, bbox, mask = modellib.load_image_gt(
            dataset, model.config, image_id, use_mini_mask=False
        )
        meta = meta[np.newaxis]
        molded = modellib.mold_image(image, model.config)
        r = model.detect_molded(molded[np.newaxis], meta, verbose=1)[0]
        found = r["rois"], r["class_ids"], r["scores"], r["masks"]
        APs.append(utils.compute_ap_range(bbox, class_ids, mask, *found, verbose=1))
    print("Mean AP over thresholds: ", np.mean(APs))
    return np.mean(APs)


def main(argv=None):
    import argparse

    parser = argparse.ArgumentParser(description="Mask R-CNN for nuclei counting")
    parser.add_argument("command", help="'train', 'detect' or 'evaluate'")
    parser.add_argument("--dataset", required=True)
    parser.add_argument("--weights", required=True, help="a file or 'last'")
    parser.add_argument("--logs", default=DEFAULT_LOGS_DIR)
    parser.add_argument("--subset", default="val")
    args = parser.parse_args(argv)

    training = args.command == "train"
    config = NucleusConfig() if training else NucleusInferenceConfig()
    config.display()
    mode = "training" if training else "inference"
    model = modellib.MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    last = args.weights.lower() == "last"
    weights_path = model.find_last() if last else args.weights
    if training and not last:
        heads = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
        model.load_weights(weights_path, by_name=True, exclude=heads)
    else:
        model.load_weights(weights_path, by_name=True)

    if training:
        train(model, args.dataset, args.subset)
        return model
    if args.command == "evaluate":
        return evaluate(model, args.dataset)
    return detect(model, args.dataset, args.subset, args.logs)


if __name__ == "__main__":
    main()
