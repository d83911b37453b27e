"""Training batches as rows of arrays, with the arguments of the old package."""

from __future__ import annotations

import itertools
import warnings
from collections.abc import Iterator

import keras
import numpy as np

from mrcnn import data
from mrcnn.classic.targets import build_detection_targets, generate_random_rois
from mrcnn.geometry.arguments import as_whole, check_attributes

# Keeps the draws of random RoIs apart from those of the batch they belong to.
ROIS_KEY = (1,)

# Tuples, as `fit` takes a list for one leaf.
Batch = tuple[tuple[np.ndarray, ...], tuple[np.ndarray, ...]]


class DataGenerator(data.DataGenerator, keras.utils.PyDataset):
    """`mrcnn.data.DataGenerator` as a Keras data set of (inputs, outputs).

    `keras_model.fit(DataGenerator(dataset, config))` trains on it; `MaskRCNN.train`
    makes its own. See `data_generator` for what the batches hold.

    Args:
        dataset: a prepared Dataset.
        config: a Config.
        shuffle: whether each pass has an order of its own.
        augmentation: see `mrcnn.data.augment`.
        random_rois: RoIs an image that join the inputs.
        detection_targets: whether targets of these RoIs join inputs and outputs.
        **kwargs: arguments of `mrcnn.data.DataGenerator`; the seed is config.SEED, and
            on_error config.ON_DATA_ERROR, unless they are among them.
    """

    def __init__(
        self,
        dataset,
        config,
        shuffle: bool = True,
        augmentation=None,
        random_rois: int = 0,
        detection_targets: bool = False,
        **kwargs,
    ):
        check_attributes(config, "DataGenerator(config)", "SEED", "BATCH_SIZE")
        random_rois = as_whole(random_rois, "DataGenerator(random_rois)", low=0)
        kwargs.setdefault("seed", config.SEED)
        kwargs.setdefault("on_error", config.ON_DATA_ERROR)
        data.DataGenerator.__init__(
            self, dataset, config, shuffle=shuffle, augmentation=augmentation, **kwargs
        )
        keras.utils.PyDataset.__init__(self)
        if detection_targets and not random_rois:
            warnings.warn(
                "DataGenerator(detection_targets=True, random_rois=0): there are no "
                "RoIs to set targets for; give random_rois=2000, for example.",
                UserWarning,
                stacklevel=2,
            )
        self.random_rois = int(random_rois)
        self.detection_targets = bool(detection_targets)
        self.epoch = 0
        where = f"DataGenerator({type(dataset).__name__})"
        self._failures = data.FailureLog(where, len(self.image_ids))

    def __getitem__(self, index: int) -> Batch:
        """Returns (inputs, outputs) of a batch of the present epoch."""
        return self.batch_arrays(self.epoch, index)

    def on_epoch_end(self) -> None:
        """Goes on to the next epoch, which Keras calls at the end of each."""
        self.epoch += 1

    def batch_arrays(self, epoch: int, index: int) -> Batch:
        """Returns (inputs, outputs) of any batch, see `make_batch`."""
        batch = self.make_batch(epoch, index)
        self._failures.add(batch.failures)
        inputs, outputs = tuple(batch.values()), ()
        if not self.random_rois:
            return inputs, outputs
        key = np.random.SeedSequence([self.seed, epoch, index], spawn_key=ROIS_KEY)
        rng = np.random.default_rng(key)
        names = ("input_gt_class_ids", "input_gt_boxes", "input_gt_masks")
        ground_truth = list(zip(*(batch[name] for name in names), strict=True))
        shape = batch["input_image"].shape[1:]
        rpn_rois = np.stack(
            [
                generate_random_rois(shape, self.random_rois, class_ids, boxes, rng=rng)
                for class_ids, boxes, _ in ground_truth
            ]
        )
        inputs += (rpn_rois,)
        if self.detection_targets:
            targets = [
                build_detection_targets(rois, *objects, self.config, rng=rng)
                for rois, objects in zip(rpn_rois, ground_truth, strict=True)
            ]
            rois, class_ids, bboxes, masks = map(np.stack, zip(*targets, strict=True))
            inputs += (rois,)
            outputs = (class_ids[..., np.newaxis], bboxes, masks)
        return inputs, outputs


def data_generator(
    dataset,
    config,
    shuffle: bool = True,
    augment: bool = False,
    augmentation=None,
    random_rois: int = 0,
    batch_size: int = 1,
    detection_targets: bool = False,
    no_augmentation_sources: list[str] | None = None,
) -> Iterator[Batch]:
    """Returns an endless iterator over full batches, every image once a pass.

    Images without objects are part of it. In the place of one that can't be loaded
    another comes, with a warning; config.ON_DATA_ERROR = "raise" lets the error out.
    The batches follow from config.SEED: two iterators give the same ones.

    Args:
        dataset: a prepared Dataset.
        config: a Config.
        shuffle: whether each pass has an order of its own.
        augment: deprecated; mirrors every second image left to right.
        augmentation: see `mrcnn.data.augment`.
        random_rois: N, RoIs an image that join the inputs.
        batch_size: B, images a batch.
        detection_targets: with random_rois, whether targets of a sample of them join
            inputs and outputs.
        no_augmentation_sources: sources whose images are left as they are.

    Returns:
        An iterator of (inputs, outputs), tuples of arrays. Inputs, see
        `mrcnn.data.DataGenerator.make_batch`:
            images float32 [B, H, W, channels], less MEAN_PIXEL;
            image_meta float32 [B, 12 + C];
            rpn_match int32 [B, A, 1];
            rpn_bbox float32 [B, RPN_TRAIN_ANCHORS_PER_IMAGE, 4];
            gt_class_ids int32 [B, MAX_GT_INSTANCES];
            gt_boxes int32 [B, MAX_GT_INSTANCES, 4], px;
            gt_masks bool [B, h, w, MAX_GT_INSTANCES];
            with random_rois: rpn_rois int32 [B, N, 4], px;
            with detection_targets: rois int32 [B, T, 4], px.
        Outputs: nothing; with detection_targets
            class_ids int32 [B, T, 1];
            bboxes float32 [B, T, C, 4] / BBOX_STD_DEV;
            masks float32 [B, T, mh, mw, C], 0 or 1.

    Raises:
        ValueError: the data set is not prepared, is empty or has other classes than
            the config.
    """
    if augment:
        warnings.warn(
            "data_generator(augment=True) is deprecated; use "
            "augmentation=imgaug.augmenters.Fliplr(0.5).",
            DeprecationWarning,
            stacklevel=2,
        )
        augmentation = _MirrorHalf(augmentation)
    batches = DataGenerator(
        dataset,
        config,
        shuffle,
        augmentation,
        random_rois,
        detection_targets,
        no_augmentation_sources=no_augmentation_sources,
        batch_size=batch_size,
        steps=1,
    )
    return (batches.batch_arrays(step, 0) for step in itertools.count())


class _MirrorHalf:
    """Mirrors every second image, then augments further."""

    changes_objects = True

    def __init__(self, then):
        self.then = then

    def __call__(self, image, mask, class_ids, rng):
        if rng.integers(2):
            image, mask = np.fliplr(image), np.fliplr(mask)
        if self.then is None:
            return image, mask, class_ids
        return tuple(data.augment(image, mask, class_ids, self.then, rng))
