"""DataGenerator: makes any training batch from its seed, epoch and index."""

from __future__ import annotations

import functools
import math

import numpy as np

from mrcnn.config_checks import DATA_ERROR_RULES
from mrcnn.data.failures import MAX_FAILURES_IN_A_ROW, Batch, Failure
from mrcnn.data.feature_maps import pixel_anchors
from mrcnn.data.image_gt import (
    NAMED,
    image_label,
    load_image_gt,
    naming_image,
    with_text,
)
from mrcnn.data.load_checks import check_prepared
from mrcnn.geometry.arguments import as_whole, check_attributes
from mrcnn.geometry.images import subtract_mean
from mrcnn.targets.anchor_targets import anchor_targets
from mrcnn.targets.box_matching import AnchorGroups, group_anchors

# Makes the random order of a pass independent of the random numbers for its images.
ORDER_KEY = (0,)
# Likewise the order in which images are tried in the place of one that fails.
REPLACEMENT_KEY = (2,)
# For how many image shapes the anchors are kept (1024 x 1024: 8 MB each).
MAX_CACHED_SHAPES = 4


class DataGenerator:
    """Makes the training batches of a data set, in any order and any process.

    `make_batch(epoch, index)` depends only on its arguments and the seed, not on
    earlier calls, so workers, resumed runs and repeated calls give the same batch. One
    pass over the data has every image once, in a new order:

    - `steps=None`: an epoch is one pass; its last batch may be smaller.
    - `steps=n`: an epoch is the next n full batches of an endless series of passes.

    Images without objects are used too: they train what is background.
    """

    def __init__(
        self,
        dataset,
        config,
        *,
        shuffle: bool = True,
        augmentation=None,
        no_augmentation_sources: list[str] | None = None,
        seed: int = 0,
        steps: int | None = None,
        batch_size: int | None = None,
        on_error: str = "raise",
    ):
        """Checks that the data set can be trained on; loads nothing yet.

        Args:
            dataset: a prepared Dataset.
            config: a Config.
            shuffle: False keeps the order of `dataset.image_ids` in every pass.
            augmentation: see `mrcnn.data.augment`.
            no_augmentation_sources: sources whose images are left as they are.
            seed: 0 or more; order, crops, augmentation and sampling follow from it.
            steps: batches an epoch; None is one pass.
            batch_size: images a batch; None is config.BATCH_SIZE.
            on_error: "raise", or "skip": an image that can't be loaded is replaced by
                another, which follows from seed, pass and image too.
        """
        check_prepared(dataset, "DataGenerator(dataset)")
        check_attributes(config, "DataGenerator(config)", "NUM_CLASSES", "BATCH_SIZE")
        self.image_ids = np.array(dataset.image_ids)
        if not len(self.image_ids):
            raise ValueError(
                "DataGenerator(dataset): the data set has no images; check the folder "
                "that they were to come from, and call prepare() after add_image()."
            )
        if dataset.num_classes != config.NUM_CLASSES:
            raise ValueError(
                f"DataGenerator(dataset, config): the data set has "
                f"{dataset.num_classes} classes with the background, config."
                f"NUM_CLASSES is {config.NUM_CLASSES}; set NUM_CLASSES = "
                f"{dataset.num_classes}."
            )
        batch_size = config.BATCH_SIZE if batch_size is None else batch_size
        for name, value, least in (
            ("steps", 1 if steps is None else steps, 1),
            ("seed", seed, 0),
            ("batch_size", batch_size, 1),
        ):
            if as_whole(value, f"DataGenerator({name})", high=2**63) < least:
                raise ValueError(
                    f"DataGenerator({name}={value}): must be {least} or more."
                )
        if on_error not in DATA_ERROR_RULES:
            raise ValueError(
                f"DataGenerator(on_error={on_error!r}): must be one of "
                f"{', '.join(map(repr, DATA_ERROR_RULES))}."
            )
        self.on_error = on_error
        self.dataset = dataset
        self.config = config
        self.batch_size = int(batch_size)
        self.shuffle = shuffle
        self.augmentation = augmentation
        self.no_augmentation_sources = tuple(no_augmentation_sources or ())
        self.seed = int(seed)
        self.steps = steps
        self._anchors_of_shape: dict[tuple, tuple[np.ndarray, AnchorGroups]] = {}

    def __len__(self) -> int:
        """Returns the number of batches in an epoch."""
        if self.steps is not None:
            return int(self.steps)
        return math.ceil(len(self.image_ids) / self.batch_size)

    def image_ids_of(self, epoch: int, index: int) -> np.ndarray:
        """Returns the images of a batch: int [B], inside ids, in their order."""
        return np.array([image_id for _, image_id in self._draws(epoch, index)])

    def image_labels(
        self, epoch: int, index: int, image_ids: list[int] | None = None
    ) -> str:
        """Returns the images of a batch as errors name them: "image id 7, path ...".

        Args:
            epoch: 0 or more.
            index: of the batch.
            image_ids: the images that are in it; None for those it was to have.
        """
        ids = self.image_ids_of(epoch, index) if image_ids is None else image_ids
        return "; ".join(image_label(self.dataset, image_id) for image_id in ids)

    def make_batch(self, epoch: int, index: int) -> Batch:
        """Returns one training batch by the names of the model's inputs.

        Law: equal for equal (seed, epoch, index), whatever was called before.

        Args:
            epoch: 0 or more.
            index: 0 to len(self) - 1.

        Returns:
            A dict with `image_ids` and `failures`. B images, A anchors, G =
            MAX_GT_INSTANCES, K = RPN_TRAIN_ANCHORS_PER_IMAGE; rows that are not used
            are 0:
                input_image: float32 [B, H, W, channels], px, less MEAN_PIXEL;
                input_image_meta: float32 [B, 12 + C];
                input_rpn_match: int32 [B, A, 1], 1 object, -1 background, 0 neither;
                input_rpn_bbox: float32 [B, K, 4], deltas / RPN_BBOX_STD_DEV;
                input_gt_class_ids: int32 [B, G], negative for a crowd;
                input_gt_boxes: int32 [B, G, (y1, x1, y2, x2)], px;
                input_gt_masks: bool [B, 56, 56, G], box, or [B, H, W, G], px,
                    without USE_MINI_MASK.

        Raises:
            IndexError: there is no such batch in an epoch.
            ValueError: images of different sizes in one batch.
            Exception: what loading raised, with the image's id and path added; with
                on_error="skip" only where many images in a row fail.
        """
        samples, image_ids, failures = [], [], []
        draws = self._draws(epoch, index)
        drawn = {image_id for _, image_id in draws}
        for data_pass, image_id in draws:
            if self.on_error == "raise":
                sample = self._load(image_id, data_pass)
            else:
                image_id, sample = self._load_one_of(
                    image_id, data_pass, drawn, failures
                )
            samples.append(sample)
            image_ids.append(image_id)
        shapes = {sample["input_image"].shape for sample in samples}
        if len(shapes) > 1:
            raise ValueError(
                f"make_batch(): images {image_ids} of one "
                f"batch have the shapes {sorted(shapes)}; IMAGE_RESIZE_MODE="
                f"{self.config.IMAGE_RESIZE_MODE!r} with more than 1 image a batch "
                "needs images of one size. Set IMAGES_PER_GPU = 1, or "
                "IMAGE_RESIZE_MODE = 'square' or 'crop'."
            )
        batch = {
            # The only row of a batch needs no copy.
            name: np.stack([sample[name] for sample in samples])
            if len(samples) > 1
            else samples[0][name][np.newaxis]
            for name in samples[0]
        }
        batch["input_image"] = subtract_mean(
            batch["input_image"], self.config.MEAN_PIXEL
        )
        return Batch(batch, image_ids, failures)

    def _load(self, image_id: int, *key: int) -> dict[str, np.ndarray]:
        """Returns `_sample` of an image, with random numbers that follow from a key."""
        rng = np.random.default_rng([self.seed, *key[:1], image_id, *key[1:]])
        with naming_image(self.dataset, image_id):
            return self._sample(image_id, rng)

    def _load_one_of(
        self, image_id: int, data_pass: int, drawn: set[int], failures: list[Failure]
    ) -> tuple[int, dict[str, np.ndarray]]:
        """Returns an image and its sample; of another image where it can't be loaded.

        Args:
            image_id: the image to load.
            data_pass: the pass in which it was drawn.
            drawn: the images of the batch, which are taken last in its place.
            failures: images that failed are added.
        """
        try:
            return image_id, self._load(image_id, data_pass)
        except Exception as error:
            first_error = error
            failures.append(self._failure(image_id, error))
        seeds = [self.seed, data_pass, image_id]
        key = np.random.SeedSequence(seeds, spawn_key=REPLACEMENT_KEY)
        others = np.random.default_rng(key).permutation(self.image_ids).tolist()
        others.remove(image_id)
        others.sort(key=drawn.__contains__)  # stable: those outside the batch first
        tried = others[: MAX_FAILURES_IN_A_ROW - 1]
        for other in tried:
            try:
                # Not the numbers with which its own draw in this pass is made.
                return other, self._load(other, data_pass, image_id)
            except Exception as error:
                failures.append(self._failure(other, error))
        if not tried:
            raise first_error
        raise with_text(
            first_error,
            f"and each of {len(tried)} images tried in its place failed as well, image "
            f"id {tried[0]}: {failures[-len(tried)].text}",
        ) from first_error

    def _failure(self, image_id: int, error: Exception) -> Failure:
        text = f"{type(error).__name__}: {error}"
        # Of an image that was to be pasted into this one, the error names that.
        image_id = getattr(error, NAMED, image_id)
        label = image_label(self.dataset, image_id)
        return Failure(image_id, text if "image id" in text else f"{text} ({label})")

    def _draws(self, epoch: int, index: int) -> list[tuple[int, int]]:
        """Returns (pass, image id) of every image of a batch."""
        if not 0 <= index < len(self):
            raise IndexError(
                f"make_batch(epoch={epoch}, index={index}): an epoch has the batches "
                f"0 to {len(self) - 1}."
            )
        count = len(self.image_ids)
        in_epoch = count if self.steps is None else len(self) * self.batch_size
        first = epoch * in_epoch + index * self.batch_size
        last = min(first + self.batch_size, (epoch + 1) * in_epoch)
        order = functools.cache(self._order)
        places = [divmod(place, count) for place in range(first, last)]
        return [(data_pass, int(order(data_pass)[i])) for data_pass, i in places]

    def _order(self, data_pass: int) -> np.ndarray:
        """Returns the image ids in the order of one pass."""
        if not self.shuffle:
            return self.image_ids
        key = np.random.SeedSequence([self.seed, data_pass], spawn_key=ORDER_KEY)
        return np.random.default_rng(key).permutation(self.image_ids)

    def _sample(self, image_id: int, rng: np.random.Generator) -> dict[str, np.ndarray]:
        """Returns the rows of one image, by the names of the model's inputs.

        The mean is not subtracted yet.
        """
        config = self.config
        source = self.dataset.image_info[image_id]["source"]
        plain = source in self.no_augmentation_sources
        image, image_meta, class_ids, boxes, masks = load_image_gt(
            self.dataset,
            config,
            image_id,
            augmentation=None if plain else self.augmentation,
            use_mini_mask=config.USE_MINI_MASK,
            rng=rng,
        )
        # The RPN learns from all objects, also from those beyond MAX_GT_INSTANCES.
        anchors_px, groups = self.anchors(image.shape)
        rpn = anchor_targets(
            anchors_px,
            class_ids,
            boxes,
            image.shape,
            num_samples=config.RPN_TRAIN_ANCHORS_PER_IMAGE,
            bbox_std_dev=config.RPN_BBOX_STD_DEV,
            positive_iou=config.RPN_POSITIVE_IOU,
            negative_iou=config.RPN_NEGATIVE_IOU,
            groups=groups,
            rng=rng,
        )
        most = config.MAX_GT_INSTANCES
        if len(class_ids) > most:
            kept = np.sort(rng.choice(len(class_ids), most, replace=False))
            class_ids, boxes, masks = class_ids[kept], boxes[kept], masks[..., kept]
        unused = (0, most - len(class_ids))
        return {
            "input_image": image,
            "input_image_meta": np.asarray(image_meta, dtype=np.float32),
            "input_rpn_match": np.asarray(rpn.match, dtype=np.int32)[:, np.newaxis],
            "input_rpn_bbox": np.asarray(rpn.deltas, dtype=np.float32),
            "input_gt_class_ids": np.pad(class_ids, unused),
            "input_gt_boxes": np.pad(boxes, (unused, (0, 0))),
            "input_gt_masks": np.pad(masks, ((0, 0), (0, 0), unused)),
        }

    def anchors(self, image_shape) -> tuple[np.ndarray, AnchorGroups]:
        """Returns the anchors of an image shape: float [A, 4], px; and in groups.

        The array is kept for the next call, and cannot be written to.
        """
        shape = tuple(int(side) for side in image_shape[:2])
        kept = self._anchors_of_shape.get(shape)
        if kept is None:
            anchors = pixel_anchors(self.config, image_shape)
            anchors.setflags(write=False)
            kept = anchors, group_anchors(anchors)
            # A new dict: threads that read the old one are not disturbed.
            recent = list(self._anchors_of_shape.items())[1 - MAX_CACHED_SHAPES :]
            self._anchors_of_shape = dict([*recent, (shape, kept)])
        return kept
