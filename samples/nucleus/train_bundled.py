"""Train the network that comes with the package: `--weights nucleus`.

    python samples/nucleus/train_bundled.py --dataset nucleus --logs logs

From scratch, on the 147 images of train_image_ids.txt (the competition's stage1_train
has 670; what else lies there is left out), in one to two hours on two cores. The 25
validation images are watched, never learned from, and no choice is made by them
while this runs: the last checkpoint is taken. The same command with --resume goes on
after an interruption.
"""

from __future__ import annotations

import argparse
import itertools
import math
import sys
from pathlib import Path

import numpy as np
from nucleus import TRAIN_FOLDER, NucleusDataset, SmallNucleusConfig
from skimage.transform import rescale
from stains import stained

from mrcnn.data import InMemoryDataset

TRAIN_IMAGE_IDS = (Path(__file__).parent / "train_image_ids.txt").read_text().split()
PIECE, OVERLAP = 384, 96  # px
CROP = 256  # px, side of what the network sees
# px of a piece that fill a crop; 128 would be the double size of detection.
VIEWS = (72, 88, 104, 120, 136, 160, 192)
SEED = 20181


class BundledNucleusConfig(SmallNucleusConfig):
    """The small network of the sample, trained longer and on more kinds of images."""

    NAME = "nucleus"
    IMAGE_MIN_DIM = IMAGE_MAX_DIM = CROP
    IMAGE_MIN_SCALE = 1.0  # the augmentation enlarges
    RPN_ANCHOR_SCALES = ((12, 17), (24, 34), (48, 68), (96, 136), (192, 256))
    RPN_NMS_THRESHOLD = 0.75
    RPN_TRAIN_ANCHORS_PER_IMAGE = 128
    PRE_NMS_LIMIT = 1500
    MAX_GT_INSTANCES = 150
    STEPS_PER_EPOCH = 500
    VALIDATION_STEPS = 6
    KEEP_CHECKPOINTS = 2
    EPOCHS = 20
    SEED = SEED


class BundledNucleusInferenceConfig(BundledNucleusConfig):
    """Whole images at double size, one at a time."""

    IMAGES_PER_GPU = 1
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MIN_SCALE = 2.0
    # Of 32 px or more. IMAGE_MAX_DIM stays CROP, for a training that goes on.
    IMAGE_MIN_DIM = 64
    PRE_NMS_LIMIT = 6000
    DETECTION_MIN_CONFIDENCE = 0.5
    DETECTION_NMS_THRESHOLD = 0.4
    DETECTION_CLASS_RULE = "all"


class PiecesDataset(NucleusDataset):
    """Images cut into overlapping pieces, so that the large, rare ones count more."""

    def load_nucleus(self, dataset_dir, subset="train"):
        """Add the images of TRAIN_IMAGE_IDS, in this order; or another subset."""
        if subset != "train":
            return super().load_nucleus(dataset_dir, subset)
        root, split = Path(dataset_dir) / TRAIN_FOLDER, {"train": TRAIN_IMAGE_IDS}
        self.load_mask_folders(root, subset, split, "nucleus", source="nucleus")

    def prepare(self, class_map=None):
        """Puts pieces in the place of images, then numbers classes and pieces."""
        pieces = []
        for number, info in enumerate(self.image_info):
            height, width = super().load_image(number).shape[:2]
            pieces += [info | {"window": w} for w in windows(height, width)]
        self.image_info = pieces
        super().prepare(class_map)

    def load_image(self, image_id):
        """A piece, uint8 [H, W, 3]."""
        return super().load_image(image_id)[self.image_info[image_id]["window"]]

    def load_mask(self, image_id):
        """Masks bool [H, W, N] and classes int32 [N] of the nuclei of a piece."""
        masks, class_ids = super().load_mask(image_id)
        masks = masks[self.image_info[image_id]["window"]]
        seen = masks.any(axis=(0, 1))
        return masks[..., seen], class_ids[seen]


class DoubledDataset(NucleusDataset):
    """Images at the size that detection sees them."""

    def load_image(self, image_id):
        """An image, uint8 [2H, 2W, 3]."""
        image = super().load_image(image_id)
        image = rescale(image, 2, order=1, channel_axis=-1, preserve_range=True)
        return np.rint(image).astype(np.uint8)

    def load_mask(self, image_id):
        """Masks bool [2H, 2W, N] and classes int32 [N]."""
        masks, class_ids = super().load_mask(image_id)
        return masks.repeat(2, axis=0).repeat(2, axis=1), class_ids


def windows(height, width):
    """Slices of the pieces of an image, row after row; a small one is one piece."""
    corners = itertools.product(starts(height), starts(width))
    return [np.s_[top : top + PIECE, left : left + PIECE] for top, left in corners]


def starts(side):
    """First pixels of the pieces along a side, the last ending where it ends."""
    count = max(1, math.ceil((side - PIECE) / (PIECE - OVERLAP)) + 1)
    return np.linspace(0, max(0, side - PIECE), count).astype(int)


def stain_dark(images, random_state, parents=None, hooks=None):
    """Fluorescence images as if stained, others as they are; called by imgaug."""
    rng = np.random.default_rng(int(random_state.integers(2**31)))
    return [stained(i, rng) if i.mean() < 128 else i for i in images]


def make_augmentation():
    """Any side up, 0.7 to 1.8 times the size of detection, any light, or stained.

    Images are crops of CROP x CROP px and stay so: those that the loader finds smaller
    it would enlarge again.
    """
    from imgaug import augmenters as iaa

    views = iaa.OneOf([iaa.CropToFixedSize(side, side) for side in VIEWS])
    stain = iaa.Lambda(func_images=stain_dark)
    invert = iaa.Sometimes(0.2, iaa.Invert(1.0))
    light = [
        iaa.Multiply((0.4, 2.0)),
        iaa.LinearContrast((0.5, 1.6)),
        iaa.GammaContrast((0.4, 1.7)),
        iaa.BlendAlphaSimplexNoise(iaa.Multiply((0.2, 0.8)), upscale_method="linear"),
        iaa.Add((-10, 30)),
        iaa.GaussianBlur((0.0, 1.5)),
        iaa.AdditiveGaussianNoise(scale=(0, 8)),
        iaa.AddToHueAndSaturation((-30, 30)),
    ]
    return iaa.Sequential(
        [
            iaa.Fliplr(0.5),
            iaa.Rot90((0, 3)),
            views,
            iaa.Resize(CROP, interpolation="linear"),
            iaa.Sometimes(0.35, then_list=stain, else_list=invert),
            iaa.Sometimes(0.7, iaa.SomeOf((1, 2), light)),
        ]
    )


def main(argv=None):
    """Train; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--dataset", type=Path, required=True, help="holds stage1_train")
    add("--logs", type=Path, default=Path("logs"), help="folder of the runs")
    add("--epochs", type=int, default=BundledNucleusConfig.EPOCHS)
    add("--resume", action="store_true", help="the newest run")
    args = parser.parse_args(argv)

    train_set, val_set = PiecesDataset(), DoubledDataset()
    try:
        train_set.load_nucleus(args.dataset, "train")
        val_set.load_nucleus(args.dataset, "val")
    except (OSError, ValueError) as error:
        parser.error(f"--dataset {args.dataset}: {error}")
    for dataset in (train_set, val_set):
        dataset.prepare()
    from mrcnn.model import MaskRCNN

    config = BundledNucleusConfig()
    model = MaskRCNN("training", config, args.logs)
    model.train(
        InMemoryDataset(train_set),
        InMemoryDataset(val_set),
        learning_rate=config.LEARNING_RATE,
        epochs=args.epochs,
        layers="all",
        augmentation=make_augmentation(),
        resume=args.resume,
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
