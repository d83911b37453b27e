"""Train on the balloon photographs, measure, and paint all but the balloons grey.

    python samples/balloon/balloon.py train --dataset balloon --weights coco
    python samples/balloon/balloon.py train --dataset balloon --preset small
    python samples/balloon/balloon.py evaluate --dataset balloon --weights last
    python samples/balloon/balloon.py splash --weights last --image image_or_folder

The data set holds folders train and val, each with photographs and one
via_region_data.json, the export of the VGG Image Annotator (versions 1 and 2).
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np
from PIL import Image
from skimage.color import gray2rgb, rgb2gray
from tqdm import tqdm

from mrcnn import data, evaluation, utils, visualize
from mrcnn.config import Config, SmallConfig

DEFAULT_LOGS_DIR = Path("logs")
COCO_WEIGHTS_PATH = Path("mask_rcnn_coco.h5")
WEIGHTS_HELP = "coco, last, imagenet, none or a file"
ANNOTATIONS = "via_region_data.json"
# Layers whose shapes depend on the number of classes: not taken over from COCO.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


class BalloonConfig(Config):
    """ResNet-101 from COCO weights: the heads learn balloons. Wants a GPU."""

    NAME = "balloon"
    NUM_CLASSES = 1 + 1  # background and balloon
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = 100
    DETECTION_MIN_CONFIDENCE = 0.9
    EPOCHS = 30  # this and what follows is the sample's own, read by train()
    LAYERS = "heads"
    WEIGHTS = None  # must be named
    FROM_SCRATCH = False


class SmallBalloonConfig(SmallConfig, BalloonConfig):
    """A small network for machines without a GPU, trained from scratch."""

    NAME = "smallballoon"
    IMAGE_MIN_DIM = 384
    IMAGE_MAX_DIM = 448
    # Two a level, half an octave apart: 10 px and 300 px both match at IoU 0.7.
    RPN_ANCHOR_SCALES = ((11, 16), (23, 32), (45, 64), (90, 128), (181, 256))
    POST_NMS_ROIS_INFERENCE = 300
    MAX_GT_INSTANCES = 50
    KEEP_CHECKPOINTS = 2
    LEARNING_RATE_WARMUP_FACTOR = 0.1
    DETECTION_MIN_CONFIDENCE = 0.7
    DETECTION_CLASS_RULE = "all"

    EPOCHS = 60
    LAYERS = "all"
    WEIGHTS = "none"
    FROM_SCRATCH = True


PRESETS = {"full": BalloonConfig, "small": SmallBalloonConfig}


class BalloonDataset(utils.Dataset):
    """Photographs with balloons outlined in the VGG Image Annotator."""

    def load_balloon(self, dataset_dir, subset):
        """Add the annotated photographs of a subset, "train" or "val"."""
        if subset not in ("train", "val"):
            raise ValueError(f"load_balloon(subset={subset!r}): use 'train' or 'val'.")
        folder = Path(dataset_dir) / subset
        self.add_class("balloon", 1, "balloon")
        for photo in data.read_via(folder / ANNOTATIONS):
            if not photo["regions"]:
                continue
            path = folder / photo["filename"]
            size = {side: photo.get(side) for side in ("width", "height")}
            if None in size.values():
                with Image.open(path) as image:
                    size = {"width": image.width, "height": image.height}
            info = {"path": str(path), "regions": photo["regions"], **size}
            self.add_image("balloon", image_id=photo["filename"], **info)

    def load_mask(self, image_id):
        """One mask a balloon: bool [H, W, n], and int32 [n] ones."""
        info = self.image_info[image_id]
        if info["source"] != "balloon":
            return super().load_mask(image_id)
        masks = data.polygon_mask(info["regions"], info["height"], info["width"])
        return masks, np.ones(masks.shape[-1], np.int32)

    def image_reference(self, image_id):
        """The path of the photograph."""
        return self.image_info[image_id]["path"]


def make_dataset(dataset_dir, subset):
    """A prepared BalloonDataset."""
    dataset = BalloonDataset()
    dataset.load_balloon(dataset_dir, subset)
    dataset.prepare()
    return dataset


def check(dataset_dir, config):
    """Print what is wrong with photographs and outlines; raise where it's an error."""
    train_set, val_set = (make_dataset(dataset_dir, s) for s in ("train", "val"))
    for dataset, other in ((train_set, val_set), (val_set, None)):
        report = dataset.validate(config, against=other)
        report.raise_for_errors()
        print(report)  # warnings, if any


def make_augmentation(config, dataset):
    """What may happen to a photograph: mirror, zoom, tilt, light."""
    if config.FROM_SCRATCH:
        return data.few_photographs(dataset, config)
    from imgaug import augmenters as iaa

    move = iaa.Sometimes(0.7, iaa.Affine(scale=(0.7, 1.4), rotate=(-15, 15)))
    return iaa.Sequential([iaa.Fliplr(0.5), move, iaa.Multiply((0.7, 1.3))])


def train(model, dataset_dir, epochs=None, resume=False):
    """Train the layers that the model's config names; returns the History."""
    config = model.config
    train_set, val_set = (make_dataset(dataset_dir, s) for s in ("train", "val"))
    if config.FROM_SCRATCH:  # many epochs: decode each photograph once
        train_set = data.InMemoryDataset(train_set, max_side=config.IMAGE_MAX_DIM)
        val_set = data.InMemoryDataset(val_set, max_side=config.IMAGE_MAX_DIM)
    history = model.train(
        train_set,
        val_set,
        learning_rate=config.LEARNING_RATE,
        epochs=epochs or config.EPOCHS,
        layers=config.LAYERS,
        augmentation=make_augmentation(config, train_set),
        resume=resume,
    )
    print(f"Weights are in {model.log_dir}")
    return history


def evaluate(model, dataset_dir, subset="val"):
    """Print COCO AP for boxes and masks of a subset; returns the numbers."""
    dataset = make_dataset(dataset_dir, subset)
    metrics = evaluation.evaluate_detections(evaluation.dataset_records(model, dataset))
    print(f"{dataset.num_images} photographs of {subset}, all scores kept:")
    print(evaluation.format_metrics(metrics))
    return metrics


def color_splash(image, mask):
    """A uint8 [H, W, 3] image in grey, in color where any mask [H, W, n] is set."""
    grey = gray2rgb(np.round(rgb2gray(image) * 255).astype(np.uint8))
    return np.where(np.any(mask, axis=-1, keepdims=True), image, grey)


def detect_and_color_splash(model, image_path=None, video_path=None, output="."):
    """Splash an image, each image of a folder, or a video; returns the new paths."""
    if (image_path is None) == (video_path is None):
        raise ValueError("detect_and_color_splash(): give image_path or video_path.")

    def splash(image):
        return color_splash(image, model.detect([image])[0]["masks"])

    written = []
    with data.OwnFiles(output) as own:  # files of yours stay
        if video_path is not None:
            video = own.unfinished / "video.avi"
            visualize.map_video(splash, video_path, video, desc="splash")
            name = f"{Path(video_path).stem}_splash.avi"
            written.append(own.keep(video.name, name))
        paths = data.without_own(data.list_images(image_path)) if image_path else []
        for path in tqdm(paths, desc="splash", disable=len(paths) < 2):
            image = splash(data.read_image(path, exif="apply"))
            Image.fromarray(image).save(own.unfinished / "splash.png")
            written.append(own.keep("splash.png", f"{path.stem}_splash.png"))
    print("Saved", *(path.resolve() for path in written))
    return written


def load_weights(model, weights):
    """Load "coco", "last", "imagenet", "none", or a file."""
    if weights == "coco":  # fetched, unless it lies here
        path = COCO_WEIGHTS_PATH if COCO_WEIGHTS_PATH.is_file() else weights
        model.load_weights(path, by_name=True, exclude=CLASS_LAYERS)
    elif weights != "none":
        model.load_weights(weights, by_name=True)


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("train", "train on the subset train, validate on val"),
        ("evaluate", "print COCO AP, AP50 and AP75 of boxes and masks on val"),
        ("splash", "keep the color of balloons, paint the rest grey"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--weights", help=WEIGHTS_HELP)
        command.add_argument("--preset", choices=PRESETS, default="full")
        command.add_argument("--logs", type=Path, default=DEFAULT_LOGS_DIR)
        if name == "splash":
            source = command.add_mutually_exclusive_group(required=True)
            source.add_argument("--image", type=Path, help="an image or a folder")
            source.add_argument("--video", type=Path)
            command.add_argument("--output", type=Path, default=".", help="a folder")
        else:
            command.add_argument("--dataset", type=Path, required=True)
    train_command = commands.choices["train"]
    train_command.add_argument("--epochs", type=int, help="in total")
    train_command.add_argument("--seed", type=int, default=0)
    train_command.add_argument("--resume", action="store_true", help="the newest run")
    skip = "train without looking for damaged data first"
    train_command.add_argument("--no-check", action="store_true", help=skip)
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
    if args.command != "splash":
        for subset in ("train", "val") if training else ("val",):
            if not (args.dataset / subset / ANNOTATIONS).is_file():
                yield f"--dataset {args.dataset}: {subset}/{ANNOTATIONS} isn't there"
        return
    if args.image and not (args.image.exists() and data.list_images(args.image)):
        yield f"--image {args.image}: no such file, or a folder without images"
    if args.video and not args.video.is_file():
        yield f"--video {args.video}: no such file"
    if args.output.is_file():
        yield f"--output {args.output}: is a file; name a folder"


def main(argv=None):
    """Run one command; the return value is the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    training = args.command == "train"
    config = PRESETS[args.preset]()
    if args.weights is None and training:
        args.weights = config.WEIGHTS
    for problem in problems(args):
        parser.error(problem)
    if training:
        config.SEED = args.seed
    elif args.command == "evaluate":
        config.DETECTION_MIN_CONFIDENCE = 0.0  # AP needs the whole ranking
        config.DETECTION_CLASS_RULE = "all"

    if training and not args.no_check:
        try:
            check(args.dataset, config)
        except ValueError as error:
            parser.error(f"{error}\n--no-check trains all the same")

    from mrcnn.model import MaskRCNN

    mode = "training" if training else "inference"
    model = MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    try:
        load_weights(model, args.weights)
    except OSError as error:  # no checkpoint, no connection
        parser.error(str(error))
    if training:
        train(model, args.dataset, args.epochs, args.resume)
    elif args.command == "evaluate":
        evaluate(model, args.dataset)
    else:
        detect_and_color_splash(model, args.image, args.video, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
