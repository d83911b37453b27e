"""Train on COCO and measure on it, by COCO's own evaluation.

    python samples/coco/coco.py train --dataset coco --year 2017 --model imagenet
    python samples/coco/coco.py train --dataset coco --year 2017 --preset small
    python samples/coco/coco.py evaluate --dataset coco --year 2017 --model coco

The data set is what COCO's zip files hold, side by side: annotations/, train2017/,
val2017/; --download fetches them. Training on 2014 takes valminusminival too, and
measures on minival: put their json files into annotations/. 2017 has the same images
as train and val.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

from pycocotools import mask as mask_utils
from tqdm import tqdm

from mrcnn import data, evaluation, visualize
from mrcnn.config import Config, SmallConfig

DEFAULT_LOGS_DIR = Path("logs")
COCO_WEIGHTS_PATH = Path("mask_rcnn_coco.h5")
WEIGHTS_HELP = "coco, last, imagenet, none or a file"
DOWNLOAD_HELP = "fetch what isn't there, up to 19 GB"
DEFAULT_YEAR = "2014"
# What is trained on and measured on: as Detectron, and the old package.
SUBSETS = {
    "2014": {"train": ("train", "valminusminival"), "val": ("minival",)},
    "2017": {"train": ("train",), "val": ("val",)},
}


class CocoConfig(Config):
    """ResNet-101, all 80 classes. Wants GPUs and days."""

    NAME = "coco"
    NUM_CLASSES = 1 + 80  # background and COCO's classes
    IMAGES_PER_GPU = 2
    EPOCHS = 160  # this and what follows is the sample's own, read by train()
    # Up to which epoch (None: the last) which layers learn, at what part of the rate.
    STAGES = ((40, "heads", 1.0), (120, "4+", 1.0), (None, "all", 0.1))
    WEIGHTS = None  # must be named


class SmallCocoConfig(SmallConfig, CocoConfig):
    """A small network for machines without a GPU, trained from scratch."""

    NAME = "smallcoco"
    IMAGE_MIN_DIM = 320
    IMAGE_MAX_DIM = 384
    RPN_ANCHOR_SCALES = (12, 24, 48, 96, 192)
    POST_NMS_ROIS_INFERENCE = 300
    LEARNING_RATE_WARMUP_FACTOR = 0.1
    DETECTION_CLASS_RULE = "all"

    EPOCHS = 60
    STAGES = ((None, "all", 1.0),)
    WEIGHTS = "none"


PRESETS = {"full": CocoConfig, "small": SmallCocoConfig}


class CocoDataset(data.CocoDataset):
    """COCO, put together from its subsets as one trains on it."""

    def load_split(self, dataset_dir, split, year=DEFAULT_YEAR, download=False):
        """Add all that "train" or "val" stands for in a year."""
        for subset in SUBSETS[str(year)][split]:
            self.load_coco(dataset_dir, subset, year, auto_download=download)

    def annToRLE(self, ann, height, width):  # noqa: N802
        """Return an annotation of COCO as compressed run lengths."""
        return evaluation.to_rle(ann["segmentation"], height, width)

    def annToMask(self, ann, height, width):  # noqa: N802
        """Return an annotation of COCO as a mask: uint8 [height, width], 0 and 1."""
        return mask_utils.decode(self.annToRLE(ann, height, width))


def make_dataset(dataset_dir, split, year=DEFAULT_YEAR, download=False):
    """A prepared CocoDataset."""
    dataset = CocoDataset()
    dataset.load_split(dataset_dir, split, year, download)
    dataset.prepare()
    return dataset


def train(
    model, dataset_dir, year=DEFAULT_YEAR, download=False, epochs=None, resume=False
):
    """Train in the stages of the model's config, up to `epochs` in total."""
    from imgaug import augmenters as iaa

    config = model.config
    train_set = make_dataset(dataset_dir, "train", year, download)
    val_set = make_dataset(dataset_dir, "val", year, download)
    total, done = epochs or config.EPOCHS, 0
    for end, layers, factor in config.STAGES:
        end = min(end or total, total)
        if end == done:
            break
        done = end
        print(f"Up to epoch {end}: {layers}")
        model.train(
            train_set,
            val_set,
            learning_rate=config.LEARNING_RATE * factor,
            epochs=end,
            layers=layers,
            augmentation=iaa.Fliplr(0.5),
            resume=resume,
        )
    print(f"Weights are in {model.log_dir}")


def evaluate(model, dataset, limit=0, output=None):
    """Print COCO's numbers for boxes and masks; returns the EvaluationResult.

    Of the first `limit` images, or all (0); `output` is a folder for json and figures.
    """
    image_ids = dataset.image_ids[: limit or None]
    result = evaluation.evaluate(model, dataset, image_ids)
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


def build_coco_results(dataset, image_ids, rois, class_ids, scores, masks):
    """Detections as COCO's result format has them, a list of dicts.

    Args:
        dataset: the CocoDataset that `class_ids` are inside ids of.
        image_ids: COCO's own ids; each gets the same detections: give one.
        rois, class_ids, scores, masks: as `MaskRCNN.detect` gives them, masks in full
            or as run lengths; rois=None is no detection.
    """
    if rois is None:
        return []
    found = {"rois": rois, "class_ids": class_ids, "scores": scores, "masks": masks}
    rows = data.detections_to_coco([found] * len(image_ids), image_ids)
    for row in rows:
        row["category_id"] = dataset.get_source_class_id(row["category_id"], "coco")
    return rows


def evaluate_coco(model, dataset, coco, eval_type="bbox", limit=0, image_ids=None):
    """Print and return COCO's twelve numbers of "bbox" or "segm", scores uncut.

    Measured by the annotations of `coco`, as `load_coco(return_coco=True)` returns it,
    on `image_ids` (inside ids; None: all), the first `limit` of them (0: all).
    """
    image_ids = dataset.image_ids if image_ids is None else image_ids
    results, coco_ids = [], []
    with evaluation.score_cut(model, 0.0):
        for i in tqdm(image_ids[: limit or None], desc="evaluate", unit="image"):
            coco_ids.append(dataset.image_info[i]["id"])
            found = model.detect([dataset.load_image(i)], masks="rle")[0]
            values = (found[key] for key in ("rois", "class_ids", "scores", "masks"))
            results += build_coco_results(dataset, coco_ids[-1:], *values)
    truth = {
        "images": coco.loadImgs(coco_ids),
        "categories": coco.loadCats(coco.getCatIds()),
        "annotations": coco.loadAnns(coco.getAnnIds(imgIds=coco_ids)),
    }
    metrics = evaluation.coco_metrics(truth, results, eval_type)
    print(evaluation.format_metrics({eval_type: metrics}))
    return metrics


def load_weights(model, weights):
    """Load "coco", "last", "imagenet", "none", or a file."""
    if weights == "coco" and COCO_WEIGHTS_PATH.is_file():  # else it is fetched
        weights = COCO_WEIGHTS_PATH
    if weights != "none":
        model.load_weights(weights, by_name=True)


def make_parser():
    """The command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, text in (
        ("train", "train on train, validate on val (2014: minival)"),
        ("evaluate", "print COCO's numbers for boxes and masks on val (2014: minival)"),
    ):
        command = commands.add_parser(name, help=text, description=text)
        add = command.add_argument
        add("--dataset", type=Path, required=True, help="holds annotations/")
        add("--year", choices=SUBSETS, default=DEFAULT_YEAR)
        add("--model", "--weights", dest="weights", help=WEIGHTS_HELP)
        add("--preset", choices=PRESETS, default="full")
        add("--logs", type=Path, default=DEFAULT_LOGS_DIR, help="folder of the runs")
        choice = {"choices": ("true", "false"), "type": str.lower, "nargs": "?"}
        add("--download", **choice, const="true", default="false", help=DOWNLOAD_HELP)
        if name == "train":
            add("--epochs", type=int, help="in total")
            add("--steps", type=int, help="batches an epoch; so many validate at most")
            add("--seed", type=int, default=0)
            add("--resume", action="store_true", help="the newest run")
        else:
            add("--limit", type=int, default=500, help="images; 0 for all")
            add("--output", type=Path, help="folder for json, figures and examples")
    return parser


def problems(args):
    """What is wrong with the arguments, one text each; nothing has been done yet."""
    training, weights = args.command == "train", args.weights
    if weights is None:
        yield f"--model is missing: name {WEIGHTS_HELP}"
    elif weights in ("coco", "imagenet") and args.preset == "small":
        yield f"--model {weights}: doesn't fit the small preset"
    elif weights in ("none", "imagenet") and not training:
        yield f"--model {weights}: evaluate needs a trained network"
    elif weights not in ("coco", "imagenet", "last", "none"):
        if not Path(weights).is_file():
            yield f"--model {weights}: no such file"
    for split in ("train", "val") if training else ("val",):
        for subset in SUBSETS[args.year][split]:
            file = f"annotations/instances_{subset}{args.year}.json"
            if (args.dataset / file).is_file():
                continue
            if subset in data.PARTS_OF_VAL:
                remedy = "and COCO's zip files don't have it; --year 2017 needs none"
            elif args.download == "false":
                remedy = "see --year and --download"
            else:
                continue
            yield f"--dataset {args.dataset}: {file} isn't there, {remedy}"
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
    source = (args.year, args.download == "true")
    if training:
        train(model, args.dataset, *source, args.epochs, args.resume)
    else:
        dataset = make_dataset(args.dataset, "val", *source)
        evaluate(model, dataset, args.limit, args.output)
    return 0


if __name__ == "__main__":
    sys.exit(main())
