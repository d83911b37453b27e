"""Hyper-parameters as class attributes: `Config`, `PaperConfig` and `SmallConfig`.

Subclass `Config`, override what differs, and give an instance to the model. The
defaults compute what the old TensorFlow 1 package computed, so that its weights give
the same detections; `PaperConfig` is the recipe of the papers, `SmallConfig` one for
training from scratch without a GPU.
"""

from __future__ import annotations

import copy
import inspect
import warnings
from collections.abc import Callable, Mapping
from typing import Any, TypeVar

import numpy as np

from mrcnn.config_checks import find_near_match, find_problems
from mrcnn.config_values import Derived, attribute_names, is_derived, to_json

_CALLABLE_ATTRIBUTES = ("BACKBONE", "COMPUTE_BACKBONE_SHAPE")
_ConfigType = TypeVar("_ConfigType", bound="Config")


def _warn_if_misspelt(cls: type, name: str) -> None:
    near = find_near_match(name, (name for name in vars(Config) if name.isupper()))
    if near:
        warnings.warn(
            f"{cls.__name__}.{name} is not an attribute of Config and is kept as your "
            f"own; if {near} was meant, rename it.",
            UserWarning,
            # Past __setattr__ or __init_subclass__, to the line of the user.
            stacklevel=3,
        )


class Config:
    """Every number of the model, its training and its detections.

    Attributes that this class does not know are the user's own and are kept; one whose
    name is nearly that of a known attribute draws a warning. `validate` says which
    values cannot work; building a model calls it.
    """

    # --- The run ---------------------------------------------------------------
    # Required: names the log directory and the checkpoints (in lower case).
    NAME: str | None = None
    GPU_COUNT = 1
    IMAGES_PER_GPU = 2
    # Batches an epoch; None = one pass over the training set.
    STEPS_PER_EPOCH: int | None = 1000
    # Batches of a validation; None = every validation image once.
    VALIDATION_STEPS: int | None = 50
    # Newest checkpoints that stay on disk; None = all.
    KEEP_CHECKPOINTS: int | None = None
    # Start of every random stream: weights, data order, augmentation, sampling.
    SEED = 0
    # What an image does that can't be loaded in training: "skip" = it is left out and
    # named, up to a quarter of the images; "raise" = it ends the training.
    ON_DATA_ERROR = "skip"

    # --- Backbone and pyramid --------------------------------------------------
    # "resnet18", "resnet50", "resnet101", or a callable
    # (input_image, stage5=True, train_bn=...) -> C1..C5.
    BACKBONE: str | Callable[..., Any] = "resnet101"
    # (config, image_shape) -> [[height, width], ...]; required by a callable backbone.
    COMPUTE_BACKBONE_SHAPE: Callable[..., Any] | None = None
    # Pixels between neighboring cells of P2..P6.
    BACKBONE_STRIDES = [4, 8, 16, 32, 64]
    # Channels of the stem; all stages scale with it. 64 = the ResNet paper.
    BACKBONE_WIDTH = 64
    # "batch" = BatchNorm, as every pretrained weight file; "group" = GroupNorm (Wu and
    # He, arXiv:1803.08494), which learns from scratch at batch sizes of 1 or 2.
    NORM = "batch"
    NORM_GROUPS = 32
    # Border of the max pooling after the first convolution: "same" = below and to the
    # right only, as the old package (its weights expect it); "pad" = all around, as
    # Detectron and as keras.applications, whose ImageNet weights expect that.
    STEM_POOL = "same"
    TOP_DOWN_PYRAMID_SIZE = 256
    # Which statistics BatchNorm uses. False = the stored ones, which stay as loaded:
    # suits small batches on pretrained weights. None = those of the batch in training,
    # the stored ones in detection. True = those of the batch, also in detection, where
    # results then depend on the other images of the batch (the old package says
    # "don't use"). Stored ones move in training only, and layers that
    # `train(layers=...)` leaves out use them in training under each setting.
    TRAIN_BN: bool | None = False

    # --- Region proposal network -----------------------------------------------
    # Side of the square anchor in px, one a level; a sequence = several scales a level.
    RPN_ANCHOR_SCALES = (32, 64, 128, 256, 512)
    # Width / height.
    RPN_ANCHOR_RATIOS = [0.5, 1, 2]
    # Cells between anchors: 1 = every cell of the feature map.
    RPN_ANCHOR_STRIDE = 1
    RPN_CHANNELS = 512
    RPN_NMS_THRESHOLD = 0.7
    RPN_TRAIN_ANCHORS_PER_IMAGE = 256
    # IoU from which an anchor is an object, and below which it is background
    # (Faster R-CNN, arXiv:1506.01497, sec. 3.1.2).
    RPN_POSITIVE_IOU = 0.7
    RPN_NEGATIVE_IOU = 0.3
    # Deltas are divided by these: dy, dx, log dh, log dw.
    RPN_BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])
    # Best-scored anchors that enter NMS, and proposals that leave it.
    PRE_NMS_LIMIT = 6000
    POST_NMS_ROIS_TRAINING = 2000
    POST_NMS_ROIS_INFERENCE = 1000

    # --- Images ----------------------------------------------------------------
    # "square" (resize, pad to max x max), "pad64" (pad sides to multiples of 64),
    # "crop" (random min x min crops, for training) or "none" (files whose sides are
    # multiples of 64 already).
    IMAGE_RESIZE_MODE = "square"
    IMAGE_MIN_DIM = 800
    IMAGE_MAX_DIM = 1024
    # Smallest factor of enlargement, even beyond IMAGE_MIN_DIM; 0 = no such rule.
    IMAGE_MIN_SCALE = 0
    IMAGE_CHANNEL_COUNT = 3
    # Black and white of images with more than 8 bits, in training and in detection.
    # "auto" = the fewest bits of 8, 10, 12, 14 and 16 that hold all values of an image,
    # as cameras of 12 bits write files of 16; told once. "dtype" = all 16 bits. (0,
    # 4095), say = these values: best where the images of a camera differ in light.
    # Images of 8 bits are left as they are.
    IMAGE_RANGE: str | tuple[float, float] = "auto"
    # Subtracted from the image: RGB, 0..255, of the pretrained weights.
    MEAN_PIXEL = np.array([123.7, 116.8, 103.9])

    # --- Ground truth ----------------------------------------------------------
    # Classes with the background.
    NUM_CLASSES = 1
    MAX_GT_INSTANCES = 100
    # Masks in training are kept as small crops of their boxes.
    USE_MINI_MASK = True
    MINI_MASK_SHAPE = (56, 56)

    # --- RoIs and heads --------------------------------------------------------
    # False: training reads its rois from the input "input_rois".
    USE_RPN_ROIS = True
    TRAIN_ROIS_PER_IMAGE = 200
    ROI_POSITIVE_RATIO = 0.33
    # IoU with an object from which a roi is positive (Fast R-CNN, sec. 2.3).
    ROI_POSITIVE_IOU = 0.5
    # "crop" = one bilinear sample a bin, corner-aligned, as the old package (its
    # weights expect it); "align" = RoIAlign of Mask R-CNN (arXiv:1703.06870, sec. 3);
    # "pool" = RoIPool of Fast R-CNN, with its two roundings.
    ROI_OP = "crop"
    # RoIAlign only: samples along a bin side; how they are joined: "average", "max".
    ROI_SAMPLING_RATIO = 2
    ROI_REDUCE = "average"
    # log2 of the roi's size to a level: "round" = the old package; "floor" = the papers
    # (FPN, arXiv:1612.03144, eq. 1).
    ROI_LEVEL_ROUNDING = "round"
    POOL_SIZE = 7
    MASK_POOL_SIZE = 14
    # Always twice MASK_POOL_SIZE: the mask head doubles its input once.
    MASK_SHAPE = [28, 28]
    FPN_CLASSIF_FC_LAYERS_SIZE = 1024
    MASK_HEAD_CHANNELS = 256
    BBOX_STD_DEV = np.array([0.1, 0.1, 0.2, 0.2])

    # --- Detections ------------------------------------------------------------
    DETECTION_MAX_INSTANCES = 100
    # Old package: 0.7 and 0.3, to look at. Papers: 0.05 and 0.5, for AP.
    DETECTION_MIN_CONFIDENCE = 0.7
    DETECTION_NMS_THRESHOLD = 0.3
    # Which classes a roi may be detected as. "best" = the old package: its likeliest
    # one; "all" = the papers (Fast R-CNN, arXiv:1504.08083, sec. 3.1): each that
    # reaches the confidence, which AP needs to see the whole ranking.
    DETECTION_CLASS_RULE = "best"

    # --- Training --------------------------------------------------------------
    # "sgd" with momentum, as the papers; "adamw" (arXiv:1711.05101), which gets small
    # networks started from scratch sooner, with WEIGHT_DECAY decoupled from the loss.
    OPTIMIZER = "sgd"
    LEARNING_RATE = 0.001
    LEARNING_MOMENTUM = 0.9
    # "constant" (old package), "steps" (papers: x 0.1 at each drop) or "cosine".
    LEARNING_RATE_SCHEDULE = "constant"
    # Where "steps" drops, as fractions of all steps (60k and 80k of Detectron's 90k).
    LEARNING_RATE_DROPS = (2 / 3, 8 / 9)
    # The rate rises linearly from FACTOR x rate to the rate in this many steps.
    LEARNING_RATE_WARMUP_STEPS = 0
    LEARNING_RATE_WARMUP_FACTOR = 1 / 3
    # Images LEARNING_RATE is meant for: the rate used is LEARNING_RATE x BATCH_SIZE /
    # LEARNING_RATE_BATCH (linear rule, arXiv:1706.02677); None = no scaling.
    LEARNING_RATE_BATCH: int | None = None
    WEIGHT_DECAY = 0.0001
    # True = the L2 term of each tensor is divided by its size, as the old package
    # (practically off); False = 1/2 x decay x |w|^2, as the papers.
    WEIGHT_DECAY_BY_SIZE = True
    # Largest norm of the whole gradient; None = no clipping.
    GRADIENT_CLIP_NORM: float | None = 5.0
    LOSS_WEIGHTS = {
        "rpn_class_loss": 1.0,
        "rpn_bbox_loss": 1.0,
        "mrcnn_class_loss": 1.0,
        "mrcnn_bbox_loss": 1.0,
        "mrcnn_mask_loss": 1.0,
    }

    @Derived
    def BATCH_SIZE(self) -> int:  # noqa: N802
        """Images a batch: IMAGES_PER_GPU x GPU_COUNT, unless assigned."""
        return self.IMAGES_PER_GPU * self.GPU_COUNT

    @Derived
    def IMAGE_SHAPE(self) -> np.ndarray:  # noqa: N802
        """Shape of the model image, int [3] = height, width, channels.

        Where it is assigned, its channels are those of IMAGE_CHANNEL_COUNT, unless
        that is assigned too.
        """
        crop = self.IMAGE_RESIZE_MODE == "crop"
        side = self.IMAGE_MIN_DIM if crop else self.IMAGE_MAX_DIM
        return np.array([side, side, self.IMAGE_CHANNEL_COUNT])

    @Derived
    def IMAGE_META_SIZE(self) -> int:  # noqa: N802
        """Numbers an image_meta holds, one of them for each class."""
        # id 1, original shape 3, shape 3, window 4, scale 1, active classes.
        return 1 + 3 + 3 + 4 + 1 + self.NUM_CLASSES

    def __new__(cls, *args: Any, **kwargs: Any) -> Config:
        """Returns an instance with its own copy of each list, dict and array.

        So that `config.LOSS_WEIGHTS["mrcnn_mask_loss"] = 2.0` changes one config, also
        when a subclass does not call `super().__init__()`.
        """
        config = super().__new__(cls)
        for name in attribute_names(cls):
            value = getattr(cls, name)
            if isinstance(value, list | dict | np.ndarray):
                config.__dict__[name] = value.copy()
        if not is_derived(cls, "IMAGE_SHAPE"):
            config._take_channels(cls.IMAGE_SHAPE)
        return config

    def _take_channels(self, image_shape: Any) -> None:
        """Takes IMAGE_CHANNEL_COUNT from an IMAGE_SHAPE, where nobody has set it."""
        owners = [c for c in type(self).__mro__ if "IMAGE_CHANNEL_COUNT" in vars(c)]
        is_default = owners == [Config] and "IMAGE_CHANNEL_COUNT" not in vars(self)
        if is_default and np.shape(image_shape) == (3,):
            channels = image_shape[2]
            if channels != Config.IMAGE_CHANNEL_COUNT:
                self.__dict__["IMAGE_CHANNEL_COUNT"] = to_json(channels)

    def __init__(self) -> None:
        """Nothing to compute: subclasses may call this or not."""

    def __init_subclass__(cls, **kwargs: Any) -> None:
        """Warns about misspelt attributes where the subclass is written."""
        super().__init_subclass__(**kwargs)
        for name, value in list(vars(cls).items()):
            _warn_if_misspelt(cls, name)
            # `BACKBONE = my_function` must not turn into a method that gets `self`.
            if name in _CALLABLE_ATTRIBUTES and inspect.isfunction(value):
                if next(iter(inspect.signature(value).parameters), "") != "self":
                    setattr(cls, name, staticmethod(value))

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets any attribute; a name that nearly is a known one draws a warning."""
        if not hasattr(type(self), name) and name not in self.__dict__:
            _warn_if_misspelt(type(self), name)
        super().__setattr__(name, value)
        if name == "IMAGE_SHAPE":
            self._take_channels(value)

    def to_dict(self) -> dict[str, Any]:
        """Returns all attributes, sorted by name, as values that JSON can hold.

        Arrays and tuples become lists, callables their names; the derived values and
        the user's own attributes are in it, methods are not.
        """
        values = {}
        for name in sorted({*attribute_names(type(self)), *vars(self)}):
            value = getattr(self, name)
            if name.isupper() or not callable(value):
                values[name] = to_json(value)
        return values

    @classmethod
    def from_dict(cls: type[_ConfigType], values: Mapping[str, Any]) -> _ConfigType:
        """Returns a config with the values of a `to_dict`.

        Law: `from_dict(config.to_dict()).to_dict() == config.to_dict()`. A derived
        value is assigned only where it differs from what would be computed, so that it
        follows its sources again. A callable can't be rebuilt from its name: the one of
        this class stays if it has that name.

        Args:
            values: attribute names and values; arrays may be lists.

        Raises:
            TypeError: values isn't a mapping of names to values.
        """
        if not isinstance(values, Mapping):
            raise TypeError(
                f"{cls.__name__}.from_dict(values): must be a dict as from to_dict(); "
                f"received {type(values).__name__}."
            )
        config = cls()
        # Derived values last: they are compared with what the others give.
        order = sorted(values, key=lambda name: is_derived(cls, name))
        for name in order:
            value, current = values[name], getattr(config, name, None)
            if hasattr(config, name) and to_json(current) == to_json(value):
                continue
            if isinstance(current, np.ndarray):
                value = np.array(value)
            elif isinstance(current, tuple) and isinstance(value, list):
                value = tuple(value)
            setattr(config, name, copy.deepcopy(value))
        return config

    def display(self) -> None:
        """Prints all attributes as a table sorted by name."""
        values = self.to_dict()
        width = max(len(name) for name in values) + 2
        rows = "\n".join(f"{name:{width}}{value}" for name, value in values.items())
        print(f"\nConfigurations of {type(self).__name__}:\n{rows}\n")

    def validate(self, num_dataset_classes: int | None = None) -> None:
        """Checks that a model can be built and trained with these values.

        Args:
            num_dataset_classes: classes of the data set with the background, to be
                compared with NUM_CLASSES; None = not compared.

        Raises:
            ValueError: names every impossible value and what to do about it.
        """
        problems = find_problems(self, num_dataset_classes)
        if problems:
            lines = "\n".join(f"  - {problem}" for problem in problems)
            raise ValueError(
                f"{type(self).__name__}.validate(): "
                f"{len(problems)} impossible value(s):\n{lines}"
            )


class PaperConfig(Config):
    """The recipe of the papers (arXiv:1703.06870, 1612.03144) and of Detectron.

    Not for `mask_rcnn_coco.h5` and other old weights: those were trained with `Config`.
    """

    STEM_POOL = "pad"
    ROI_OP = "align"
    ROI_LEVEL_ROUNDING = "floor"
    TRAIN_ROIS_PER_IMAGE = 512
    ROI_POSITIVE_RATIO = 0.25
    LEARNING_RATE = 0.02
    LEARNING_RATE_BATCH = 16
    LEARNING_RATE_SCHEDULE = "steps"
    LEARNING_RATE_WARMUP_STEPS = 500
    WEIGHT_DECAY_BY_SIZE = False
    DETECTION_MIN_CONFIDENCE = 0.05
    DETECTION_NMS_THRESHOLD = 0.5
    DETECTION_CLASS_RULE = "all"


class SmallConfig(Config):
    """A small network that learns from scratch, with few images a batch, without a GPU.

    Not for weight files of other networks. Image size, anchors and classes are yours to
    choose. Named first, as in `class Small(SmallConfig, MyConfig)`, it changes of the
    other class only what is written here.
    """

    BACKBONE = "resnet18"
    BACKBONE_WIDTH = 32
    NORM = "group"
    TOP_DOWN_PYRAMID_SIZE = RPN_CHANNELS = MASK_HEAD_CHANNELS = 64
    FPN_CLASSIF_FC_LAYERS_SIZE = 256
    ROI_OP = "align"
    POST_NMS_ROIS_TRAINING = 400
    TRAIN_ROIS_PER_IMAGE = 64
    OPTIMIZER = "adamw"
    WEIGHT_DECAY = 0.05
    LEARNING_RATE_SCHEDULE = "cosine"
    LEARNING_RATE_WARMUP_STEPS = 200
