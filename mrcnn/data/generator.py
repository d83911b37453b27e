"""DataGenerator: a batch as a pure function of (seed, epoch, index)."""

from __future__ import annotations

import math

import numpy as np

from mrcnn.data.image_gt import load_image_gt, naming_image
from mrcnn.geometry.anchors import generate_pyramid_anchors
from mrcnn.geometry.images import subtract_mean
from mrcnn.targets.anchor_targets import anchor_targets
from mrcnn.targets.box_matching import AnchorGroups, group_anchors

# Keeps the draw of the order apart from the draws of the images of a pass.
ORDER_KEY = (0,)
# Anchors of so many image shapes are kept (1024 x 1024: 8 MB).
MAX_CACHED_SHAPES = 4


class DataGenerator:
    """Batches of a data set, each computable alone, in any process, at any time.

    `make_batch(epoch, index)` depends on nothing but its arguments and the seed: no
    state moves on, so workers, resumed runs and repeated calls agree. In one pass over
    the data every image comes once, in an order that is new for every pass:

    - `steps=None`: an epoch is one pass; its last batch may be smaller.
    - `steps=n`: an epoch is the next n full batches of an endless row of passes.

    Images without objects are part of it: they train what is background.
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
        """
        if not hasattr(dataset, "num_classes"):
            raise ValueError(
                "DataGenerator(dataset): the data set is not prepared; call "
                "dataset.prepare() after adding classes and images."
            )
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
            if value < least:
                raise ValueError(
                    f"DataGenerator({name}={value}): must be {least} or more."
                )
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

    def make_batch(self, epoch: int, index: int) -> dict[str, np.ndarray]:
        """Returns one training batch by the names of the model's inputs.

        Law: equal for equal (seed, epoch, index), whatever was called before.

        Args:
            epoch: 0 or more.
            index: 0 to len(self) - 1.

        Returns:
            A dict. B images, A anchors, G = MAX_GT_INSTANCES, K =
            RPN_TRAIN_ANCHORS_PER_IMAGE; rows that are not used are 0:
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
            Exception: what loading raised, with the image's id and path added.
        """
        samples = []
        for data_pass, image_id in self._draws(epoch, index):
            rng = np.random.default_rng([self.seed, data_pass, image_id])
            with naming_image(self.dataset, image_id):
                samples.append(self._sample(image_id, rng))
        self._check_shapes(samples, self.image_ids_of(epoch, index))
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
        return batch

    def _draws(self, epoch: int, index: int) -> list[tuple[int, int]]:
        """Returns (pass, image id) of every image of a batch."""
        if not 0 <= index < len(self):
            raise IndexError(
                f"make_batch(epoch={epoch}, index={index}): an epoch has the batches "
                f"0 to {len(self) - 1}."
            )
        count = len(self.image_ids)
        if self.steps is None:
            first = epoch * count + index * self.batch_size
            last = min(first + self.batch_size, (epoch + 1) * count)
        else:
            first = (epoch * len(self) + index) * self.batch_size
            last = first + self.batch_size
        draws: list[tuple[int, int]] = []
        for data_pass in range(first // count, (last - 1) // count + 1):
            start = data_pass * count
            order = self._order(data_pass)
            draws += [
                (data_pass, int(image_id))
                for image_id in order[max(first - start, 0) : last - start]
            ]
        return draws

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
        anchors_px, groups = self._anchors(image.shape)
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
        room = config.MAX_GT_INSTANCES
        if len(class_ids) > room:
            kept = np.sort(rng.choice(len(class_ids), room, replace=False))
            class_ids, boxes, masks = class_ids[kept], boxes[kept], masks[..., kept]
        count = len(class_ids)
        gt_class_ids = np.zeros([room], dtype=np.int32)
        gt_class_ids[:count] = class_ids
        gt_boxes = np.zeros([room, 4], dtype=np.int32)
        gt_boxes[:count] = boxes
        gt_masks = np.zeros([*masks.shape[:2], room], dtype=bool)
        gt_masks[..., :count] = masks
        return {
            "input_image": image,
            "input_image_meta": np.asarray(image_meta, dtype=np.float32),
            "input_rpn_match": np.asarray(rpn.match, dtype=np.int32)[:, np.newaxis],
            "input_rpn_bbox": np.asarray(rpn.deltas, dtype=np.float32),
            "input_gt_class_ids": gt_class_ids,
            "input_gt_boxes": gt_boxes,
            "input_gt_masks": gt_masks,
        }

    def anchors_px(self, image_shape: tuple[int, ...]) -> np.ndarray:
        """Returns the anchors of an image shape: float [A, 4], px, read-only."""
        return self._anchors(image_shape)[0]

    def _anchors(self, image_shape) -> tuple[np.ndarray, AnchorGroups]:
        """Returns the anchors of an image shape, and the same in groups."""
        shape = tuple(int(side) for side in image_shape[:2])
        kept = self._anchors_of_shape.get(shape)
        if kept is None:
            config = self.config
            anchors = generate_pyramid_anchors(
                config.RPN_ANCHOR_SCALES,
                config.RPN_ANCHOR_RATIOS,
                feature_shapes(config, image_shape),
                config.BACKBONE_STRIDES,
                config.RPN_ANCHOR_STRIDE,
            )
            anchors.setflags(write=False)
            kept = anchors, group_anchors(anchors)
            # A new dict: threads that read the old one are not disturbed.
            recent = list(self._anchors_of_shape.items())[1 - MAX_CACHED_SHAPES :]
            self._anchors_of_shape = dict([*recent, (shape, kept)])
        return kept

    def _check_shapes(self, samples: list[dict], image_ids: np.ndarray) -> None:
        """Raises if the images of a batch cannot be stacked."""
        shapes = {sample["input_image"].shape for sample in samples}
        if len(shapes) > 1:
            raise ValueError(
                f"make_batch(): images {image_ids.tolist()} of one batch have the "
                f"shapes {sorted(shapes)}; IMAGE_RESIZE_MODE="
                f"{self.config.IMAGE_RESIZE_MODE!r} with more than 1 image a batch "
                "needs images of one size. Set IMAGES_PER_GPU = 1, or "
                "IMAGE_RESIZE_MODE = 'square' or 'crop'."
            )


def feature_shapes(config, image_shape: tuple[int, ...]) -> np.ndarray:
    """Returns (height, width) of P2, P3, ... for an image: int [levels, 2].

    `config.COMPUTE_BACKBONE_SHAPE(config, image_shape)` decides where it is set.

    Args:
        config: a Config.
        image_shape: (height, width, ...) of the model image, px.

    Raises:
        ValueError: COMPUTE_BACKBONE_SHAPE returned something else.
    """
    if config.COMPUTE_BACKBONE_SHAPE is not None:
        levels = len(config.BACKBONE_STRIDES)
        shapes = config.COMPUTE_BACKBONE_SHAPE(config, image_shape)
        try:
            array = np.asarray(shapes, dtype=np.float64)
        except (TypeError, ValueError):  # ragged, or no numbers
            array = np.empty(0)
        whole = array.astype(np.int64) if np.isfinite(array).all() else array
        if array.shape != (levels, 2) or np.any(whole != array) or np.any(array < 1):
            raise ValueError(
                f"COMPUTE_BACKBONE_SHAPE(config, image_shape={tuple(image_shape)}): "
                f"must return whole numbers [[height, width], ...] of P2, P3, ..., one "
                f"pair for each of the {levels} BACKBONE_STRIDES; received {shapes!r}."
            )
        return whole
    return np.array(
        [
            [math.ceil(side / stride) for side in image_shape[:2]]
            for stride in config.BACKBONE_STRIDES
        ]
    )
