"""Train Mask R-CNN on synthetic shapes: no downloads, no GPU, some minutes.

    python samples/shapes/shapes.py demo --minutes 2      # train, detect, one figure
    python samples/shapes/shapes.py train --epochs 10
    python samples/shapes/shapes.py evaluate --weights last

Every image is drawn from its seed and number: the same ones on every machine.
"""

from __future__ import annotations

import argparse
import sys
from pathlib import Path

import numpy as np

from mrcnn import data, evaluation, utils, visualize
from mrcnn.config import SmallConfig

DEFAULT_LOGS_DIR = Path("logs")
SHAPES = ("square", "circle", "triangle")
MIN_CONTRAST = 64  # between colors of one image, in at least one channel
MIN_VISIBLE = 0.4  # a shape shows at least this part of its area
MAX_BOX_IOU = 0.3  # boxes of two shapes overlap at most this much
UNSEEN_SEED = 10**6  # of the images to evaluate on; training uses lower seeds


class ShapesConfig(SmallConfig):
    """A network small enough to learn the shapes on two CPU cores."""

    NAME = "shapes"
    NUM_CLASSES = 1 + len(SHAPES)
    IMAGES_PER_GPU = 8
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 5

    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 200
    POST_NMS_ROIS_INFERENCE = 100
    TRAIN_ROIS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 8
    DETECTION_MAX_INSTANCES = 20
    DETECTION_CLASS_RULE = "all"
    LEARNING_RATE = 0.001
    LEARNING_RATE_SCHEDULE = "constant"  # the clock may end a training
    LEARNING_RATE_WARMUP_STEPS = 0


class ShapesInferenceConfig(ShapesConfig):
    """As trained, with the scores uncut: AP needs the whole ranking."""

    DETECTION_MIN_CONFIDENCE = 0


class ShapesDataset(utils.Dataset):
    """Squares, circles and triangles on plain backgrounds, drawn when asked for."""

    def load_shapes(self, count, height, width, seed=0):
        """Describe `count` images of [height, width]; one seed, one data set."""
        for class_id, name in enumerate(SHAPES, start=1):
            self.add_class("shapes", class_id, name)
        for image_id in range(count):
            rng = np.random.default_rng([seed, image_id])
            background, shapes = self.random_image(height, width, rng)
            what = {"seed": seed, "bg_color": background, "shapes": shapes}
            size = {"width": width, "height": height}
            self.add_image("shapes", image_id, path=None, **size, **what)

    def load_image(self, image_id):
        """The image: uint8 [height, width, 3], RGB."""
        info = self.image_info[image_id]
        image = np.empty((info["height"], info["width"], 3), np.uint8)
        image[:] = info["bg_color"]
        for shape, color, dims in info["shapes"]:
            self.draw_shape(image, shape, dims, color)
        return image

    def load_mask(self, image_id):
        """What is visible of each shape: bool [height, width, n], int32 [n]."""
        info = self.image_info[image_id]
        size = (info["height"], info["width"])
        masks = visible_masks([(name, dims) for name, _, dims in info["shapes"]], size)
        names = [self.class_names.index(shape) for shape, _, _ in info["shapes"]]
        return masks, np.array(names, np.int32)

    def image_reference(self, image_id):
        """Which shapes the image holds, and the seed that drew it."""
        info = self.image_info[image_id]
        names = ", ".join(shape for shape, _, _ in info["shapes"])
        return f"shapes seed {info['seed']}, number {info['id']}: {names}"

    def draw_shape(self, image, shape, dims, color):
        """The image with one shape drawn into it; dims (x, y, half size) in px."""
        image[shape_mask(shape, dims, image.shape[:2])] = color
        return image

    def random_shape(self, height, width, rng):
        """A shape name, an RGB color, and (x, y, half size) in px inside the image."""
        shape = SHAPES[rng.integers(len(SHAPES))]
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        half = min(height, width) // 4
        half = int(rng.integers(max(4, half // 3), max(5, half + 1)))
        x, y = rng.integers(half, (width - half, height - half))
        return shape, color, (int(x), int(y), half)

    def random_image(self, height, width, rng):
        """A background color and 1-4 shapes, the last one in front.

        Shapes that would hide another one, overlap it too much, or have nearly its
        color or the background's aren't placed.
        """
        background = tuple(int(value) for value in rng.integers(0, 256, 3))
        wanted = int(rng.integers(1, 5))
        shapes = []
        for _ in range(50):
            shape, color, dims = self.random_shape(height, width, rng)
            others = [background, *(other for _, other, _ in shapes)]
            if np.abs(np.subtract(others, color)).max(axis=1).min() < MIN_CONTRAST:
                continue
            if fits([s[0::2] for s in shapes] + [(shape, dims)], (height, width)):
                shapes.append((shape, color, dims))
            if len(shapes) == wanted:
                break
        return background, shapes


def shape_mask(shape, dims, size):
    """The pixels of one shape: bool [height, width]; dims (x, y, half size) in px."""
    x, y, half = dims
    ys, xs = np.ogrid[: size[0], : size[1]]
    if shape == "square":
        return (abs(xs - x) <= half) & (abs(ys - y) <= half)
    if shape == "circle":
        return (xs - x) ** 2 + (ys - y) ** 2 <= half**2
    if shape == "triangle":  # upright: from the apex at y - half down to y + half
        return (abs(ys - y) <= half) & (2 * abs(xs - x) <= ys - (y - half))
    raise ValueError(f"shape_mask(shape={shape!r}): unknown; use one of {SHAPES}.")


def visible_masks(shapes, size):
    """Masks of (shape, dims) without what later shapes cover: bool [h, w, n]."""
    masks = np.zeros((*size, len(shapes)), bool)
    covered = np.zeros(size, bool)
    for i in reversed(range(len(shapes))):
        full = shape_mask(*shapes[i], size)
        masks[:, :, i] = full & ~covered
        covered |= full
    return masks


def fits(shapes, size):
    """True when the last of (shape, dims) neither hides nor overlaps others much."""
    boxes = np.array([(y - s, x - s, y + s, x + s) for _, (x, y, s) in shapes])
    if np.any(utils.compute_overlaps(boxes[:-1], boxes[-1:]) > MAX_BOX_IOU):
        return False
    visible = np.count_nonzero(visible_masks(shapes, size), axis=(0, 1))
    full = [np.count_nonzero(shape_mask(*shape, size)) for shape in shapes]
    return bool(np.min(visible / full) >= MIN_VISIBLE)


def make_dataset(count, config, seed):
    """A prepared ShapesDataset in the size of the config."""
    dataset = ShapesDataset()
    dataset.load_shapes(count, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, seed)
    dataset.prepare()
    return dataset


def make_model(mode, config, logs):
    """A MaskRCNN; TensorFlow is imported here, after the arguments were checked."""
    from mrcnn.model import MaskRCNN

    return MaskRCNN(mode=mode, config=config, model_dir=str(logs))


def train(args):
    """Train on 500 images of the seed, validate on 50 of another one."""
    config = ShapesConfig()
    config.SEED = args.seed
    model = make_model("training", config, args.logs)
    if args.weights != "none":
        model.load_weights(args.weights)
    print(f"Weights go to {model.log_dir}")
    model.train(
        make_dataset(500, config, 2 * args.seed),
        make_dataset(50, config, 2 * args.seed + 1),
        learning_rate=config.LEARNING_RATE,
        epochs=args.epochs,
        layers="all",
    )


def evaluate(args):
    """Print COCO AP for boxes and masks on images that no training seed draws."""
    config = ShapesInferenceConfig()
    model = make_model("inference", config, args.logs)
    model.load_weights(args.weights)
    print_ap(model, make_dataset(args.count, config, UNSEEN_SEED))


def print_ap(model, dataset):
    """Print the COCO AP of the model on the data set."""
    metrics = evaluation.evaluate_detections(evaluation.dataset_records(model, dataset))
    print(f"{dataset.num_images} unseen images, scores uncut:")
    print(evaluation.format_metrics(metrics))


def demo(args):
    """Train by the clock, detect in six unseen images, draw truth beside detections."""
    from time_budget import TimeBudget

    config = ShapesConfig()
    config.SEED = args.seed
    config.STEPS_PER_EPOCH = 50
    config.KEEP_CHECKPOINTS = 1
    print(f"Training on shapes from scratch for about {args.minutes:g} minutes.")
    trainer = make_model("training", config, args.logs)
    trainer.train(
        make_dataset(2000, config, 2 * args.seed),
        None,
        learning_rate=config.LEARNING_RATE,
        epochs=10_000,  # the clock ends it
        layers="all",
        custom_callbacks=[TimeBudget(args.minutes)],
        verbose=0,
    )
    inference = ShapesInferenceConfig()
    model = make_model("inference", inference, args.logs)
    model.load_weights(trainer.find_last())
    dataset = make_dataset(max(6, args.count), inference, UNSEEN_SEED)
    print_ap(model, dataset)
    examples = []
    for i in dataset.image_ids[:6]:
        found = model.detect([dataset.load_image(i)])[0]
        examples.append((dataset.load_image(i), *dataset.load_mask(i), found))
    names = dataset.class_names
    with data.OwnFiles(args.output.parent) as own:  # a file of yours stays
        figure = own.unfinished / args.output.name
        visualize.display_truth_and_detections(examples, names, save_path=figure)
        print(f"Figure: {own.keep(figure.name).resolve()}")


def main(argv=None):
    """Run one command; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for run in (train, evaluate, demo):
        command = commands.add_parser(run.__name__, help=run.__doc__)
        command.set_defaults(run=run, weights="last", output=None)
        add = command.add_argument
        add("--logs", type=Path, default=DEFAULT_LOGS_DIR, help="folder of the runs")
        if run is evaluate:
            add("--weights", default="last", help="last or a file")
        else:
            add("--seed", type=int, default=0, help="of images and training")
        if run is train:
            add("--epochs", type=int, default=10, help="in total")
            add("--weights", default="none", help="none, last or a file")
        else:
            add("--count", type=int, default=100, help="images to evaluate on")
        if run is demo:
            add("--minutes", type=float, default=2, help="time to train")
            add("--output", type=Path, default="demo_shapes.png")
    args = parser.parse_args(argv)
    weights = args.weights
    if weights in ("coco", "imagenet"):
        parser.error(f"--weights {weights}: doesn't fit this small network; train it")
    if weights == "none" and args.run is evaluate:
        parser.error("--weights none: evaluate needs a trained network")
    if weights not in ("last", "none") and not Path(weights).is_file():
        parser.error(f"--weights {weights}: no such file; give a path or 'last'")
    if args.output and not args.output.resolve().parent.is_dir():
        parser.error(f"--output {args.output}: its folder doesn't exist; create it")
    if args.run is demo and args.minutes <= 0:
        parser.error("--minutes: more than 0")
    try:
        args.run(args)
    except FileNotFoundError as error:
        parser.error(str(error))
    return 0


if __name__ == "__main__":
    sys.exit(main())
