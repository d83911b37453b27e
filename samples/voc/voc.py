"""Train on the objects of Pascal VOC that have masks, and measure as VOC and COCO do.

    python samples/voc/voc.py train --dataset VOCdevkit --weights coco
    python samples/voc/voc.py train --dataset VOCdevkit --preset small
    python samples/voc/voc.py evaluate --dataset VOCdevkit --weights last

The data set is what VOC's tar files unpack to: VOCdevkit/VOC2012/ with Annotations,
ImageSets, JPEGImages and SegmentationObject; --year chooses one of several years.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from mrcnn import data, evaluation, visualize
from mrcnn.config import Config, SmallConfig

DEFAULT_LOGS_DIR = Path("logs")
COCO_WEIGHTS_PATH = Path("mask_rcnn_coco.h5")
WEIGHTS_HELP = "coco, last, imagenet, none or a file"
SUBSETS = ("train", "val")
# Layers whose shapes depend on the number of classes: not taken over from COCO.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


class VocConfig(Config):
    """ResNet-101 from COCO weights, twenty classes. Wants a GPU."""

    NAME = "voc"
    NUM_CLASSES = 1 + len(data.VOC_CLASSES)
    IMAGES_PER_GPU = 2
    STEPS_PER_EPOCH = None  # all photographs once
    VALIDATION_STEPS = None
    EPOCHS = 20  # this and what follows is the sample's own, read by train()
    # Up to which epoch (None: the last) which layers learn, at what part of the rate.
    STAGES = ((5, "heads", 1.0), (None, "all", 0.1))
    WEIGHTS = None  # must be named


class SmallVocConfig(SmallConfig, VocConfig):
    """A small network for machines without a GPU, trained from scratch."""

    NAME = "smallvoc"
    IMAGE_MIN_DIM = 256
    IMAGE_MAX_DIM = 320
    RPN_ANCHOR_SCALES = (16, 32, 64, 128, 256)
    POST_NMS_ROIS_INFERENCE = 300
    LEARNING_RATE_WARMUP_FACTOR = 0.1
    DETECTION_CLASS_RULE = "all"

    EPOCHS = 60
    STAGES = ((None, "all", 1.0),)
    WEIGHTS = "none"


PRESETS = {"full": VocConfig, "small": SmallVocConfig}


class VocDataset(data.VocDataset):
    """Photographs with the twenty classes of VOC, whichever of them a folder shows."""

    def load_voc(self, root, subset="train", year=None, boxes_as_masks=False):
        """Add the photographs of a subset, "train", "val" or "trainval"."""
        super().load_voc(root, subset, year, boxes_as_masks, data.VOC_CLASSES)

    def image_reference(self, image_id):
        """The path of the photograph."""
        return self.image_info[image_id]["path"]


def make_dataset(dataset_dir, subset, year=None):
    """A prepared VocDataset."""
    dataset = VocDataset()
    dataset.load_voc(dataset_dir, subset, year)
    dataset.prepare()
    return dataset


def make_augmentation():
    """What may happen to a photograph: mirror, zoom, light."""
    from imgaug import augmenters as iaa

    zoom = iaa.Sometimes(0.5, iaa.Affine(scale=(0.7, 1.4)))
    return iaa.Sequential([iaa.Fliplr(0.5), zoom, iaa.Multiply((0.7, 1.3))])


def train(model, train_set, val_set, epochs=None, resume=False):
    """Train in the stages of the model's config, up to `epochs` in total."""
    config = model.config
    total, done = epochs or config.EPOCHS, 0
    for end, layers, factor in config.STAGES:
        end = min(end or total, total)
        if end == done:
            break
        done = end
        model.train(
            train_set,
            val_set,
            learning_rate=config.LEARNING_RATE * factor,
            epochs=end,
            layers=layers,
            augmentation=make_augmentation(),
            resume=resume,
        )
    print(f"Weights are in {model.log_dir}")


def evaluate(model, dataset, limit=0, output=None):
    """Print the AP of COCO and of VOC; returns the EvaluationResult.

    Args:
        model: a MaskRCNN for inference.
        dataset: a prepared VocDataset.
        limit: how many photographs, the first ones; 0 for all.
        output: folder for result.json, figures and examples; None for none.
    """
    image_ids = dataset.image_ids[: limit or None]
    result = evaluation.evaluate(model, dataset, image_ids)
    print("\nVOC, IoU 0.5          AP   11 points")
    for kind, name in (("bbox", "boxes"), ("segm", "masks")):
        area, points = (result.voc(kind, use_07_metric=old) for old in (False, True))
        print(f"{name:17}{area.mean_ap:7.3f}{points.mean_ap:12.3f}")
    if output is not None:
        images = [dataset.load_image(i) for i in image_ids[:6]]
        examples = [
            (image, *dataset.load_mask(i), model.detect([image])[0])
            for i, image in zip(image_ids, images, strict=False)
        ]
        with data.OwnFiles(output) as own:
            result.to_json(own.unfinished / "result.json")
            own.keep("result.json")
            result.plot(own.unfinished)
            visualize.display_truth_and_detections(
                examples, dataset.class_names, save_path=own.unfinished / "examples.png"
            )
            own.keep_all()
        print(f"Numbers and figures are in {Path(output).resolve()}")
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
        ("train", "train on the subset train, validate on val"),
        ("evaluate", "print the AP of COCO and of VOC on val"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        add = command.add_argument
        add("--dataset", type=Path, required=True, help="VOCdevkit, or one year of it")
        add("--year", help="which one, if there are several: 2007, 2012 ...")
        add("--weights", help=WEIGHTS_HELP)
        add("--preset", choices=PRESETS, default="full")
        add("--logs", type=Path, default=DEFAULT_LOGS_DIR, help="folder of the runs")
        if name == "train":
            add("--epochs", type=int, help="in total")
            add("--steps", type=int, help="batches an epoch; so many validate at most")
            add("--seed", type=int, default=0)
            add("--resume", action="store_true", help="the newest run")
        else:
            add("--limit", type=int, default=0, help="photographs; 0 for all")
            add("--output", type=Path, help="folder for json, figures and examples")
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
    if not training and args.limit < 0:
        yield f"--limit {args.limit}: 1 or more, or 0 for all"
    if not training and args.output and args.output.is_file():
        yield f"--output {args.output}: is a file; name a folder"


def main(argv=None):
    """Run one command; the return value is the exit code."""
    parser = make_parser()
    args = parser.parse_args(argv)
    training = args.command == "train"
    config = PRESETS[args.preset]()
    config.SEED = getattr(args, "seed", 0)
    if args.weights is None and training:
        args.weights = config.WEIGHTS
    for problem in problems(args):
        parser.error(problem)
    subsets = SUBSETS if training else ("val",)
    try:
        datasets = [make_dataset(args.dataset, s, args.year) for s in subsets]
    except (OSError, ValueError) as error:
        parser.error(f"--dataset {args.dataset}: {error}")
    if not training:
        config.IMAGES_PER_GPU = 1
    elif args.steps is not None:
        config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = args.steps

    from mrcnn.model import MaskRCNN

    mode = "training" if training else "inference"
    model = MaskRCNN(mode=mode, config=config, model_dir=args.logs)
    try:
        load_weights(model, args.weights)
    except OSError as error:  # no checkpoint, no connection
        parser.error(str(error))
    if training:
        train(model, *datasets, args.epochs, args.resume)
    else:
        evaluate(model, *datasets, args.limit, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
