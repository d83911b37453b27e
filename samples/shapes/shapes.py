"""Train Mask R-CNN on synthetic shapes: no downloads, no GPU, minutes not days.

    python samples/shapes/shapes.py demo --minutes 2      # train, detect, one picture
    python samples/shapes/shapes.py train --epochs 10
    python samples/shapes/shapes.py evaluate --weights last

Every picture is drawn from (seed, number of the picture), so the data set is the same
on every machine and in every worker process.
"""

from __future__ import annotations

import argparse
import math
import sys
import time
from pathlib import Path

import numpy as np

from mrcnn import utils
from mrcnn.config import Config

DEFAULT_LOGS_DIR = Path("logs")
SHAPES = ("square", "circle", "triangle")
MIN_CONTRAST = 64  # a shape differs from the background by this much in one channel
MIN_VISIBLE = 0.4  # a shape shows at least this part of its area
MAX_BOX_IOU = 0.3  # boxes of two shapes overlap at most this much
PICTURE_SCORE = 0.5  # detections below this score aren't drawn in the demo picture


class ShapesConfig(Config):
    """A network small enough to learn the shapes on two CPU cores."""

    NAME = "shapes"
    NUM_CLASSES = 1 + len(SHAPES)
    IMAGES_PER_GPU = 8
    IMAGE_MIN_DIM = 128
    IMAGE_MAX_DIM = 128
    STEPS_PER_EPOCH = 100
    VALIDATION_STEPS = 5

    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 32
    NORM = "group"
    TOP_DOWN_PYRAMID_SIZE = 64
    RPN_CHANNELS = 64
    MASK_HEAD_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 128
    ROI_OP = "align"

    RPN_ANCHOR_SCALES = (8, 16, 32, 64, 128)
    POST_NMS_ROIS_TRAINING = 200
    POST_NMS_ROIS_INFERENCE = 100
    TRAIN_ROIS_PER_IMAGE = 32
    MAX_GT_INSTANCES = 8
    DETECTION_MAX_INSTANCES = 20
    LEARNING_RATE = 0.02


class ShapesInferenceConfig(ShapesConfig):
    """As trained, with the scores uncut: AP needs the whole ranking."""

    DETECTION_MIN_CONFIDENCE = 0.05


class ShapesDataset(utils.Dataset):
    """Squares, circles and triangles on plain backgrounds, drawn when asked for."""

    def load_shapes(self, count, height, width, seed=0):
        """Describe `count` pictures of [height, width]; one seed, one data set."""
        for class_id, name in enumerate(SHAPES, start=1):
            self.add_class("shapes", class_id, name)
        for image_id in range(count):
            rng = np.random.default_rng([seed, image_id])
            background, shapes = self.random_image(height, width, rng)
            self.add_image(
                "shapes",
                image_id=image_id,
                path=None,
                width=width,
                height=height,
                seed=seed,
                bg_color=background,
                shapes=shapes,
            )

    def load_image(self, image_id):
        """The picture: uint8 [height, width, 3], RGB."""
        info = self.image_info[image_id]
        image = np.empty((info["height"], info["width"], 3), np.uint8)
        image[:] = info["bg_color"]
        for shape, color, dims in info["shapes"]:
            image = self.draw_shape(image, shape, dims, color)
        return image

    def load_mask(self, image_id):
        """What is visible of each shape: bool [height, width, n], int32 [n]."""
        info = self.image_info[image_id]
        if info["source"] != "shapes":
            return super().load_mask(image_id)
        size = (info["height"], info["width"])
        masks = visible_masks([(name, dims) for name, _, dims in info["shapes"]], size)
        names = [self.class_names.index(shape) for shape, _, _ in info["shapes"]]
        return masks, np.array(names, np.int32)

    def image_reference(self, image_id):
        """Which shapes the picture holds, and the seed that drew it."""
        info = self.image_info[image_id]
        if info["source"] != "shapes":
            return super().image_reference(image_id)
        names = ", ".join(shape for shape, _, _ in info["shapes"])
        return f"shapes seed {info['seed']}, number {info['id']}: {names}"

    def draw_shape(self, image, shape, dims, color):
        """A copy of the image with one shape on it; dims (x, y, half size) in px."""
        image = image.copy()
        image[shape_mask(shape, dims, image.shape[:2])] = color
        return image

    def random_shape(self, height, width, rng):
        """A shape name, an RGB color, and (x, y, half size) in px inside the image."""
        shape = SHAPES[rng.integers(len(SHAPES))]
        color = tuple(int(value) for value in rng.integers(0, 256, 3))
        half = min(height, width) // 4
        size = int(rng.integers(max(4, half // 3), max(5, half + 1)))
        x = int(rng.integers(size, width - size))
        y = int(rng.integers(size, height - size))
        return shape, color, (x, y, size)

    def random_image(self, height, width, rng):
        """A background color and 1-4 shapes, the last one in front.

        A shape that would hide another one, or look like it (boxes that overlap too
        much), or vanish into the background, isn't placed.
        """
        background = tuple(int(value) for value in rng.integers(0, 256, 3))
        wanted = int(rng.integers(1, 5))
        shapes = []
        for _ in range(50):
            shape, color, dims = self.random_shape(height, width, rng)
            if np.abs(np.subtract(color, background)).max() < MIN_CONTRAST:
                continue
            if fits([s[0::2] for s in shapes] + [(shape, dims)], (height, width)):
                shapes.append((shape, color, dims))
            if len(shapes) == wanted:
                break
        return background, shapes


def shape_mask(shape, dims, size):
    """The pixels of one shape: bool [height, width]; dims (x, y, half size) in px."""
    x, y, half = dims
    ys, xs = np.mgrid[: size[0], : size[1]]
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
    """True when the last of (shape, dims) leaves all others to be seen and told apart.

    The rule is that of non-maximum suppression: too much box overlap, and it goes.
    """
    full = np.stack([shape_mask(*shape, size) for shape in shapes], axis=-1)
    boxes = utils.extract_bboxes(full)
    if len(shapes) > 1:
        overlaps = utils.compute_overlaps(boxes[:-1], boxes[-1:])
        if overlaps.max() > MAX_BOX_IOU:
            return False
    visible = visible_masks(shapes, size).sum((0, 1)) / full.sum((0, 1))
    return bool(visible.min() >= MIN_VISIBLE)


def make_dataset(count, config, seed):
    """A prepared ShapesDataset in the size of the config."""
    dataset = ShapesDataset()
    dataset.load_shapes(count, config.IMAGE_MIN_DIM, config.IMAGE_MAX_DIM, seed)
    dataset.prepare()
    return dataset


def train(args):
    """Train on 500 pictures of the seed, validate on 50 of another one."""
    from mrcnn.model import MaskRCNN

    config = ShapesConfig()
    config.SEED = args.seed
    model = MaskRCNN(mode="training", config=config, model_dir=str(args.logs))
    if args.weights:
        model.load_weights(weights_path(args.weights, model))
    model.train(
        make_dataset(500, config, 2 * args.seed),
        make_dataset(50, config, 2 * args.seed + 1),
        learning_rate=config.LEARNING_RATE,
        epochs=args.epochs,
        layers="all",
    )
    print(f"Weights are in {model.log_dir}")
    return 0


def evaluate(args):
    """Print COCO AP for boxes and masks on pictures that no training seed draws."""
    from mrcnn.model import MaskRCNN

    config = ShapesInferenceConfig()
    model = MaskRCNN(mode="inference", config=config, model_dir=str(args.logs))
    model.load_weights(weights_path(args.weights, model))
    print_ap(model, unseen_dataset(args.count, config))
    return 0


def unseen_dataset(count, config):
    """Pictures kept apart: their seed is one that training never uses."""
    return make_dataset(count, config, seed=10**6)


def print_ap(model, dataset):
    """Print and return the AP of the model on the data set."""
    from mrcnn.evaluation import coco

    metrics = coco.evaluate_detections(coco.dataset_records(model, dataset))
    print(f"{dataset.num_images} unseen images, all scores kept:")
    print(coco.format_metrics(metrics))
    return metrics


def time_budget(minutes):
    """A callback that lets the learning rate fall to 0 by the clock, then stops."""
    import keras

    class TimeBudget(keras.callbacks.Callback):
        def on_train_begin(self, logs=None):
            self.start = time.monotonic()
            self.base = float(self.model.optimizer.learning_rate)

        def on_train_batch_end(self, batch, logs=None):
            used = min(1.0, (time.monotonic() - self.start) / (60 * minutes))
            rate = self.base * 0.5 * (1 + math.cos(math.pi * used))
            self.model.optimizer.learning_rate = max(rate, 1e-6)
            if used >= 1:
                self.model.stop_training = True

    return TimeBudget()


def demo(args):
    """Train by the clock, detect in six unseen images, draw truth beside detections."""
    from mrcnn.model import MaskRCNN

    config = ShapesConfig()
    config.SEED = args.seed
    config.STEPS_PER_EPOCH = 50
    config.VALIDATION_STEPS = 1
    config.KEEP_CHECKPOINTS = 1
    print(f"Training on shapes from scratch for about {args.minutes:g} minutes.")
    trainer = MaskRCNN(mode="training", config=config, model_dir=str(args.logs))
    trainer.train(
        make_dataset(2000, config, 2 * args.seed),
        make_dataset(config.BATCH_SIZE, config, 2 * args.seed + 1),
        learning_rate=config.LEARNING_RATE,
        epochs=10_000,  # the clock ends it
        layers="all",
        custom_callbacks=[time_budget(args.minutes)],
    )
    inference = ShapesInferenceConfig()
    model = MaskRCNN(mode="inference", config=inference, model_dir=str(args.logs))
    model.load_weights(trainer.find_last())
    dataset = unseen_dataset(args.count, inference)
    print_ap(model, dataset)
    draw_picture(model, dataset, dataset.image_ids[:6], args.output)
    print(f"Picture: {args.output.resolve()}")
    return 0


def draw_picture(model, dataset, image_ids, output):
    """Save one figure: the truth and the detections of each image side by side."""
    import matplotlib.figure

    from mrcnn import visualize

    rows = math.ceil(len(image_ids) / 2)
    figure = matplotlib.figure.Figure(figsize=(16, 4 * rows), layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False).reshape(-1, 2)
    for ax in axes.ravel():
        ax.axis("off")
    for (left, right), image_id in zip(axes, image_ids, strict=False):
        image = dataset.load_image(image_id)
        masks, class_ids = dataset.load_mask(image_id)
        boxes = utils.extract_bboxes(masks)
        names = dataset.class_names
        title = f"image {image_id}: "
        visualize.display_instances(
            image, boxes, masks, class_ids, names, title=title + "truth", ax=left
        )
        found = model.detect([image])[0]
        keep = found["scores"] >= PICTURE_SCORE
        visualize.display_instances(
            image,
            found["rois"][keep],
            found["masks"][:, :, keep],
            found["class_ids"][keep],
            names,
            scores=found["scores"][keep],
            title=title + "detected",
            ax=right,
        )
    figure.savefig(output, dpi=80)


def weights_path(weights, model):
    """The file to load: "last" is the newest checkpoint of this sample."""
    return model.find_last() if weights == "last" else str(weights)


def main(argv=None):
    """Run one command; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    commands = parser.add_subparsers(dest="command", required=True)
    for name, run in (("train", train), ("evaluate", evaluate), ("demo", demo)):
        command = commands.add_parser(name, help=run.__doc__)
        command.set_defaults(run=run)
        command.add_argument("--logs", type=Path, default=DEFAULT_LOGS_DIR)
        if name != "demo":
            default = None if name == "train" else "last"
            command.add_argument("--weights", default=default, help="path or 'last'")
        if name != "evaluate":
            command.add_argument("--seed", type=int, default=0)
        if name != "train":
            command.add_argument("--count", type=int, default=100, help="test images")
        if name == "train":
            command.add_argument("--epochs", type=int, default=10, help="in total")
        if name == "demo":
            command.add_argument("--minutes", type=float, default=2)
            command.add_argument("--output", type=Path, default="demo_shapes.png")
    args = parser.parse_args(argv)
    weights = getattr(args, "weights", None)
    if weights not in (None, "last") and not Path(weights).is_file():
        parser.error(f"--weights {weights}: no such file; give a path or 'last'")
    output = getattr(args, "output", None)
    if output is not None and not output.resolve().parent.is_dir():
        parser.error(f"--output {output}: the folder does not exist; create it first")
    return args.run(args)


if __name__ == "__main__":
    sys.exit(main())
