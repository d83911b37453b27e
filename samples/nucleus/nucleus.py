"""Find nuclei in microscope images: Data Science Bowl 2018.

    python samples/nucleus/nucleus.py train --dataset nucleus --weights imagenet
    python samples/nucleus/nucleus.py train --dataset nucleus --preset small
    python samples/nucleus/nucleus.py evaluate --dataset nucleus --weights last
    python samples/nucleus/nucleus.py detect --dataset nucleus --subset stage1_test \\
        --weights last                          # writes submit.csv and drawings

The data set is what the competition's files unpack to: stage1_train/<id>/images/ and
<id>/masks/, one png a nucleus; stage1_test and stage2_final have images only.

This trains networks of one's own, as the sample of the old package does. The one that
comes with the package, `mrcnn detect --weights nucleus`, is made by train_bundled.py,
with the data set and the small network of this script.
"""

from __future__ import annotations

import argparse
import datetime
import sys
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mrcnn import evaluation, visualize
from mrcnn.config import Config, SmallConfig
from mrcnn.data import MaskFolderDataset

# Also where this file is imported from another folder.
sys.path.append(str(Path(__file__).parent))
from dsb2018_csv import (  # noqa: E402, F401  (old names of this script)
    HEADER,
    mask_to_rle,
    rle_decode,
    rle_encode,
)

DEFAULT_LOGS_DIR = Path("logs")
RESULTS_DIR = Path("results/nucleus")
COCO_WEIGHTS_PATH = Path("mask_rcnn_coco.h5")
WEIGHTS_HELP = "coco, last, imagenet, none or a file"
# Layers whose shapes depend on the number of classes: not taken over from COCO.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]
SUBSET_HELP = "train, val or a folder such as stage1_test"
TRAIN_FOLDER = "stage1_train"
# Images of stage1_train that are not trained on: those of the old package.
VAL_IMAGE_IDS = (Path(__file__).parent / "val_image_ids.txt").read_text().split()


class NucleusConfig(Config):
    """ResNet-50 on pieces of images at double size. Wants a GPU."""

    NAME = "nucleus"
    NUM_CLASSES = 1 + 1  # background and nucleus
    BACKBONE = "resnet50"
    IMAGES_PER_GPU = 6
    STEPS_PER_EPOCH = (657 - len(VAL_IMAGE_IDS)) // IMAGES_PER_GPU
    VALIDATION_STEPS = max(1, len(VAL_IMAGE_IDS) // IMAGES_PER_GPU)
    IMAGE_RESIZE_MODE = "crop"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 512
    IMAGE_MIN_SCALE = 2.0
    MEAN_PIXEL = np.array([43.53, 39.56, 48.22])  # of these images
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    RPN_NMS_THRESHOLD = 0.9  # nuclei lie close
    RPN_TRAIN_ANCHORS_PER_IMAGE = 64
    POST_NMS_ROIS_TRAINING = 1000
    POST_NMS_ROIS_INFERENCE = 2000
    TRAIN_ROIS_PER_IMAGE = 128
    MAX_GT_INSTANCES = 200
    DETECTION_MAX_INSTANCES = 400
    DETECTION_MIN_CONFIDENCE = 0
    EPOCHS = 40  # this and what follows is the sample's own, read by train()
    STAGES = ((20, "heads"), (None, "all"))  # up to which epoch; None: the last
    WEIGHTS = None  # must be named


class NucleusInferenceConfig(NucleusConfig):
    """Whole images, one at a time."""

    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    RPN_NMS_THRESHOLD = 0.7


class SmallNucleusConfig(SmallConfig, NucleusConfig):
    """A small network for machines without a GPU, trained from scratch."""

    NAME = "smallnucleus"
    IMAGES_PER_GPU = 4
    STEPS_PER_EPOCH = VALIDATION_STEPS = None  # all images once
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = 256
    POST_NMS_ROIS_INFERENCE = 1000
    STAGES = ((None, "all"),)
    WEIGHTS = "none"


class SmallNucleusInferenceConfig(NucleusInferenceConfig, SmallNucleusConfig):
    """The small network on whole images."""

    DETECTION_MIN_CONFIDENCE = 0.5
    DETECTION_CLASS_RULE = "all"


PRESETS = {
    "full": (NucleusConfig, NucleusInferenceConfig),
    "small": (SmallNucleusConfig, SmallNucleusInferenceConfig),
}


class NucleusDataset(MaskFolderDataset):
    """Images with one mask file a nucleus."""

    def load_nucleus(self, dataset_dir, subset):
        """Add a subset: "val" (VAL_IMAGE_IDS), "train" (the rest), or a folder."""
        root, split = Path(dataset_dir), None
        if subset in ("train", "val"):
            root, split = root / TRAIN_FOLDER, {"validation": VAL_IMAGE_IDS}
        self.load_mask_folders(root, subset, split, "nucleus", source="nucleus")

    def image_reference(self, image_id):
        """The id of the image, which its folder is named by."""
        return self.image_info[image_id]["id"]


def make_dataset(dataset_dir, subset):
    """A prepared NucleusDataset."""
    dataset = NucleusDataset()
    dataset.load_nucleus(dataset_dir, subset)
    dataset.prepare()
    return dataset


def make_augmentation():
    """Under a microscope there is no up: any quarter turn, mirrored, light, focus."""
    from imgaug import augmenters as iaa

    turns = [iaa.Fliplr(1.0), iaa.Flipud(1.0), iaa.Rot90((1, 3))]
    light = [iaa.Multiply((0.8, 1.5)), iaa.GaussianBlur((0.0, 3.0))]
    return iaa.SomeOf((0, 3), turns + light)


def train(model, dataset_dir, subset="train", epochs=None, resume=False):
    """Train in the stages of the model's config, up to `epochs` in total."""
    config = model.config
    train_set, val_set = (make_dataset(dataset_dir, s) for s in (subset, "val"))
    total, done = epochs or config.EPOCHS, 0
    for end, layers in config.STAGES:
        end = min(end or total, total)
        if end == done:
            break
        done = end
        model.train(
            train_set,
            val_set,
            learning_rate=config.LEARNING_RATE,
            epochs=end,
            layers=layers,
            augmentation=make_augmentation(),
            resume=resume,
        )
    print(f"Weights are in {model.log_dir}")


def detect(model, dataset_dir, subset, output=RESULTS_DIR, limit=0):
    """Write submit.csv and each image, outlined, to a new folder; returns the csv."""
    dataset = make_dataset(dataset_dir, subset)
    folder = Path(output) / f"submit_{datetime.datetime.now():%Y%m%dT%H%M%S}"
    folder.mkdir(parents=True)
    lines = [HEADER]
    for i in tqdm(dataset.image_ids[: limit or None], desc="detect", unit="image"):
        image, name = dataset.load_image(i), dataset.image_info[i]["id"]
        found = model.detect([image])[0]
        boxes, masks, count = found["rois"], found["masks"], len(found["rois"])
        lines.append(mask_to_rle(name, masks, found["scores"]))
        visualize.display_instances(
            *(image, boxes, masks, found["class_ids"], dataset.class_names),
            title=f"{count} nuclei",
            captions=[None] * count,
            show_mask=False,
            show_bbox=False,
            save_path=folder / f"{name}.png",
        )
    csv = folder / "submit.csv"
    csv.write_text("\n".join(lines) + "\n", encoding="utf-8")
    print(f"Saved {csv.resolve()}")
    return csv


def evaluate(model, dataset_dir, subset="val", limit=0):
    """Print COCO's numbers (100 nuclei an image) and the competition's score."""
    dataset = make_dataset(dataset_dir, subset)
    result = evaluation.evaluate(model, dataset, dataset.image_ids[: limit or None])
    print(f"Data Science Bowl 2018: {result.dsb2018().score:.3f}")
    return result


def load_weights(model, weights):
    """Load "coco", "last", "imagenet", "none", or a file."""
    exclude = CLASS_LAYERS if weights == "coco" else None
    if weights == "coco" and COCO_WEIGHTS_PATH.is_file():  # else it is fetched
        weights = COCO_WEIGHTS_PATH
    if weights != "none":
        model.load_weights(weights, by_name=True, exclude=exclude)


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("train", "train on a subset, validate on val"),
        ("detect", "write submit.csv, and images with outlines"),
        ("evaluate", "print COCO's numbers and the competition's score"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        add = command.add_argument
        add("--dataset", type=Path, required=True, help="holds stage1_train")
        subset = {"train": "train", "evaluate": "val"}.get(name)
        add("--subset", default=subset, required=not subset, help=SUBSET_HELP)
        add("--weights", help=WEIGHTS_HELP)
        add("--preset", choices=PRESETS, default="full")
        add("--logs", type=Path, default=DEFAULT_LOGS_DIR, help="folder of the runs")
        if name == "train":
            add("--epochs", type=int, help="in total")
            add("--steps", type=int, help="batches an epoch; so many validate at most")
            add("--seed", type=int, default=0)
            add("--resume", action="store_true", help="the newest run")
        else:
            add("--limit", type=int, default=0, help="images; 0 for all")
        if name == "detect":
            add("--output", type=Path, default=RESULTS_DIR, help="a folder")
    return parser


def problems(args):
    """What is wrong with the arguments, one text each; nothing has been done yet."""
    training, weights = args.command == "train", args.weights
    if weights is None:
        yield f"--weights is missing: name {WEIGHTS_HELP}"
    elif weights in ("coco", "imagenet"):
        if args.preset == "small" or not training:
            yield f"--weights {weights}: only good to train the full preset from"
    elif weights == "none" and not training:
        yield f"--weights none: {args.command} needs a trained network"
    elif weights not in ("last", "none") and not Path(weights).is_file():
        yield f"--weights {weights}: no such file"
    try:
        for subset in (args.subset, "val") if training else (args.subset,):
            make_dataset(args.dataset, subset)
    except (OSError, ValueError) as error:
        yield f"--dataset {args.dataset}: {error}"
    if not training and args.limit < 0:
        yield f"--limit {args.limit}: 1 or more, or 0 for all"
    if args.command == "detect" and args.output.is_file():
        yield f"--output {args.output}: is a file; name a folder"


def main(argv=None):
    """Run one command; the return value is the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    training = args.command == "train"
    config = PRESETS[args.preset][not training]()
    config.SEED = getattr(args, "seed", 0)
    if args.weights is None and training:
        args.weights = config.WEIGHTS
    for problem in problems(args):
        parser.error(problem)
    if training and args.steps is not None:
        config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = args.steps

    from mrcnn.model import MaskRCNN

    mode = "training" if training else "inference"
    model = MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    try:
        load_weights(model, args.weights)
    except OSError as error:  # no checkpoint, no connection
        parser.error(str(error))
    if training:
        train(model, args.dataset, args.subset, args.epochs, args.resume)
    elif args.command == "detect":
        detect(model, args.dataset, args.subset, args.output, args.limit)
    else:
        evaluate(model, args.dataset, args.subset, args.limit)
    return 0


if __name__ == "__main__":
    sys.exit(main())
