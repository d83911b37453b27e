"""Which values of a config cannot work, and what to do about each.

`Config.validate` in `mrcnn.config` calls `find_problems`.
"""

from __future__ import annotations

import difflib
import numbers
import unicodedata
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import numpy as np

# Names at least this similar (difflib ratio) are taken for misspellings.
NEAR_MATCH_CUTOFF = 0.85
# Sides of a model image: P6, the coarsest level, has one cell for 64 px.
SIDE_MULTIPLE = 64
# A file system allows 255; a temporary file of a checkpoint has up to 80 beside NAME.
MAX_NAME_BYTES = 150
BUILT_IN_STRIDES = [4, 8, 16, 32, 64]
# The parts of the loss, in the order of the training model's outputs.
LOSS_NAMES = (
    "rpn_class_loss",
    "rpn_bbox_loss",
    "mrcnn_class_loss",
    "mrcnn_bbox_loss",
    "mrcnn_mask_loss",
)

# What becomes of an image that can't be loaded in training.
DATA_ERROR_RULES = ("skip", "raise")
# What bounds how many objects are detected in an image.
DETECTION_LIMITS = ("DETECTION_MAX_INSTANCES", "POST_NMS_ROIS_INFERENCE")

_Problems = Iterator[tuple[str, str]]
"""Names of attributes, and the rules that their values break."""
IMAGE_RANGES = ("auto", "dtype")
_RANGE_RULE = (
    'must be "auto", "dtype", or the values that are black and white, as (0, 4095)'
)
_COUNT_RULE = "must be a whole number, 1 or more"
_CHOICES = {
    "BACKBONE": ("resnet18", "resnet50", "resnet101"),
    "NORM": ("batch", "group"),
    "STEM_POOL": ("same", "pad"),
    "IMAGE_RESIZE_MODE": ("none", "square", "pad64", "crop"),
    "ROI_OP": ("crop", "align", "pool"),
    "ROI_REDUCE": ("average", "max"),
    "ROI_LEVEL_ROUNDING": ("round", "floor"),
    "DETECTION_CLASS_RULE": ("best", "all"),
    "OPTIMIZER": ("sgd", "adamw"),
    "LEARNING_RATE_SCHEDULE": ("constant", "steps", "cosine"),
    "TRAIN_BN": (None, False, True),
    "ON_DATA_ERROR": DATA_ERROR_RULES,
}
_COUNTS = (
    "GPU_COUNT",
    "IMAGES_PER_GPU",
    "BACKBONE_WIDTH",
    "NORM_GROUPS",
    "TOP_DOWN_PYRAMID_SIZE",
    "RPN_ANCHOR_STRIDE",
    "RPN_CHANNELS",
    "RPN_TRAIN_ANCHORS_PER_IMAGE",
    "PRE_NMS_LIMIT",
    "POST_NMS_ROIS_TRAINING",
    "POST_NMS_ROIS_INFERENCE",
    "IMAGE_CHANNEL_COUNT",
    "MAX_GT_INSTANCES",
    "TRAIN_ROIS_PER_IMAGE",
    "ROI_SAMPLING_RATIO",
    "POOL_SIZE",
    "MASK_POOL_SIZE",
    "FPN_CLASSIF_FC_LAYERS_SIZE",
    "MASK_HEAD_CHANNELS",
    "DETECTION_MAX_INSTANCES",
)
# What None means where it is allowed.
_COUNTS_OR_NONE = {
    "STEPS_PER_EPOCH": "one pass over the training set",
    "VALIDATION_STEPS": "every validation image once",
    "KEEP_CHECKPOINTS": "all of them",
    "LEARNING_RATE_BATCH": "no scaling of the learning rate",
}
_RATIOS = (
    "RPN_NMS_THRESHOLD",
    "RPN_POSITIVE_IOU",
    "RPN_NEGATIVE_IOU",
    "ROI_POSITIVE_RATIO",
    "ROI_POSITIVE_IOU",
    "DETECTION_MIN_CONFIDENCE",
    "DETECTION_NMS_THRESHOLD",
    "LEARNING_MOMENTUM",
    "LEARNING_RATE_WARMUP_FACTOR",
)
_MASK_SHAPES = ("MINI_MASK_SHAPE", "MASK_SHAPE")
_NOT_NEGATIVE = ("LEARNING_RATE", "LEARNING_RATE_WARMUP_STEPS", "WEIGHT_DECAY")


def most_detections(config: Any) -> float:
    """Returns how many objects of an image a model gives at most; infinity if unknown.

    Each comes from an RoI, which gives one, or with DETECTION_CLASS_RULE "all" one of
    each class. Nearly as many are hardly found: several RoIs lie on most objects.
    """
    instances, rois = (getattr(config, name, np.inf) for name in DETECTION_LIMITS)
    if getattr(config, "DETECTION_CLASS_RULE", "best") == "all":
        rois *= max(getattr(config, "NUM_CLASSES", 2) - 1, 1)
    return min(instances, rois)


def range_problem(image_range: Any) -> str | None:
    """Returns what is wrong with a value of IMAGE_RANGE, None if nothing."""
    if isinstance(image_range, str):
        fits = image_range in IMAGE_RANGES
    else:
        ends = _numbers(image_range)
        fits = ends is not None and ends.shape == (2,) and ends[0] < ends[1]
    return None if fits else _RANGE_RULE


def find_near_match(name: str, known: Iterable[str]) -> str | None:
    """Returns the known name that an unknown upper-case name nearly is, or None."""
    known = list(known)
    if name in known or not name.isupper():
        return None
    near = difflib.get_close_matches(name, known, n=1, cutoff=NEAR_MATCH_CUTOFF)
    return near[0] if near else None


def find_problems(config: Any, num_dataset_classes: int | None = None) -> list[str]:
    """Returns one line for each impossible value: name, value, rule, remedy.

    Args:
        config: a `Config`; read only.
        num_dataset_classes: classes of the data set with the background, or None.
    """
    problems = [
        *_plain_problems(config),
        *_class_problems(config, num_dataset_classes),
        *_image_problems(config),
        *_backbone_problems(config),
        *_anchor_problems(config),
        *_training_problems(config),
    ]
    lines = []
    for name, rule in problems:
        value = getattr(config, name)
        shown = value.tolist() if isinstance(value, np.ndarray) else value
        lines.append(f"{name}={shown!r}: {rule}.")
    return lines


def name_problem(name: Any) -> str | None:
    """Returns why a NAME can't begin the names of folders and files, or None."""
    if not isinstance(name, str) or not name.strip():
        return 'must be set; write NAME = "balloon", say'
    if wrong := sorted({c for c in name if c in "/\\" or _is_control(c)}):
        return (
            f"has {', '.join(map(repr, wrong))} in it, and begins the names of the "
            "folder and files of a run; write letters, digits, - and _ instead"
        )
    # As it is written: small letters, in UTF-8.
    size = len(name.lower().encode())
    if size > MAX_NAME_BYTES:
        return (
            f"has {size} bytes, and with what is added names of files may have 255; "
            f"{MAX_NAME_BYTES} bytes at most"
        )
    return None


def _is_control(letter: str) -> bool:
    # Cs: half a letter, which no file name can hold.
    return unicodedata.category(letter) in ("Cc", "Cs")


def _plain_problems(config: Any) -> _Problems:
    """Yields broken rules that need one attribute only."""
    if problem := name_problem(config.NAME):
        yield "NAME", problem
    for name, choices in _CHOICES.items():
        value = getattr(config, name)
        if name == "BACKBONE" and callable(value):
            continue
        if not any(value is choice or value == choice for choice in choices):
            also = " or a callable" if name == "BACKBONE" else ""
            yield name, f"must be one of {', '.join(map(repr, choices))}{also}"
    for name, meaning in _COUNTS_OR_NONE.items():
        value = getattr(config, name)
        if value is not None and not _is_count(value):
            yield name, f"{_COUNT_RULE}; None means {meaning}"
    for names, fits, rule in _RULES:
        for name in names:
            if not fits(getattr(config, name)):
                yield name, rule
    # A product of these two, unless it was assigned.
    if _is_count(config.GPU_COUNT) and _is_count(config.IMAGES_PER_GPU):
        if not _is_count(config.BATCH_SIZE):
            yield "BATCH_SIZE", _COUNT_RULE


def _class_problems(config: Any, num_dataset_classes: int | None) -> _Problems:
    if not _is_count(config.NUM_CLASSES, low=2):
        yield "NUM_CLASSES", "must be 2 or more; count the background: 1 + your classes"
    if num_dataset_classes not in (None, config.NUM_CLASSES):
        rule = (
            f"the data set has {num_dataset_classes} classes with the background; set "
            f"NUM_CLASSES = {num_dataset_classes}, or add the missing classes to the "
            "data set before prepare()"
        )
        yield "NUM_CLASSES", rule


def _image_problems(config: Any) -> _Problems:
    size = config.MASK_POOL_SIZE
    if _is_pair_of_counts(config.MASK_SHAPE) and _is_count(size):
        if [int(side) for side in config.MASK_SHAPE] != [2 * size, 2 * size]:
            rule = (
                f"must be twice MASK_POOL_SIZE={size}, that is {[2 * size] * 2}: the "
                "mask head doubles its input"
            )
            yield "MASK_SHAPE", rule
    shape = _numbers(config.IMAGE_SHAPE)
    if shape is None or shape.shape != (3,):
        yield "IMAGE_SHAPE", "must be [height, width, channels]"
        return
    # "pad64" and "none" do not use IMAGE_MAX_DIM: the sides come from the files.
    if config.IMAGE_RESIZE_MODE not in ("pad64", "none"):
        yield from _side_problems(config, shape[:2])
    if shape[2] != config.IMAGE_CHANNEL_COUNT:
        rule = f"has {shape[2]:g} channels, IMAGE_CHANNEL_COUNT says otherwise"
        yield "IMAGE_SHAPE", f"{rule}; make them equal"
    mean = _numbers(config.MEAN_PIXEL)
    if mean is not None and np.ndim(config.MEAN_PIXEL) == 0:
        channels = config.IMAGE_CHANNEL_COUNT
        listed = [float(mean[0])] * (channels if _is_count(channels) else 1)
        rule = f"must be a list, one number for each channel; write {listed}"
        yield "MEAN_PIXEL", rule
    elif mean is None or mean.size != config.IMAGE_CHANNEL_COUNT:
        rule = (
            f"must hold one number for each of IMAGE_CHANNEL_COUNT="
            f"{config.IMAGE_CHANNEL_COUNT} channels; the mean of your training images "
            "will do"
        )
        yield "MEAN_PIXEL", rule


def _side_problems(config: Any, sides: np.ndarray) -> _Problems:
    if np.all(sides > 0) and np.all(sides % SIDE_MULTIPLE == 0):
        return
    source = "IMAGE_MIN_DIM" if config.IMAGE_RESIZE_MODE == "crop" else "IMAGE_MAX_DIM"
    if "IMAGE_SHAPE" in vars(config):
        source = "IMAGE_SHAPE"
    wrong = max(SIDE_MULTIPLE, float(sides[sides % SIDE_MULTIPLE != 0].max(initial=0)))
    lower = int(wrong // SIDE_MULTIPLE) * SIDE_MULTIPLE
    rule = (
        f"sides must be multiples of {SIDE_MULTIPLE} (halved six times), got "
        f"{sides[0]:g} x {sides[1]:g}; use {lower} or {lower + SIDE_MULTIPLE}, or "
        'IMAGE_RESIZE_MODE = "pad64"'
    )
    yield source, rule


def _backbone_problems(config: Any) -> _Problems:
    if callable(config.BACKBONE):
        if not callable(config.COMPUTE_BACKBONE_SHAPE):
            rule = (
                "must be a callable (config, image_shape) -> [[height, width], ...] "
                "because BACKBONE is a callable"
            )
            yield "COMPUTE_BACKBONE_SHAPE", rule
        strides = _numbers(config.BACKBONE_STRIDES)
        if strides is not None and not _is_pyramid(strides):
            rule = (
                "must be five strides, each twice the one before: the FPN makes P2..P6 "
                f"of any backbone. {BUILT_IN_STRIDES} if C2 has a quarter of the sides"
            )
            yield "BACKBONE_STRIDES", rule
    elif not np.array_equal(config.BACKBONE_STRIDES, BUILT_IN_STRIDES):
        rule = f"{config.BACKBONE} has the strides {BUILT_IN_STRIDES}; leave them so"
        yield "BACKBONE_STRIDES", rule


def _anchor_problems(config: Any) -> _Problems:
    for name in ("RPN_ANCHOR_SCALES", "BACKBONE_STRIDES"):
        if not _is_sequence(getattr(config, name)):
            yield name, "must be a sequence, one item for each level"
            return
    scales, strides = list(config.RPN_ANCHOR_SCALES), list(config.BACKBONE_STRIDES)
    if len(scales) != len(strides):
        rule = (
            f"{len(scales)} scales for {len(strides)} BACKBONE_STRIDES; give one "
            "scale, or one sequence of scales, for each stride"
        )
        yield "RPN_ANCHOR_SCALES", rule
    name = "RPN_ANCHOR_SCALES"
    if not all(_are_above_0(scale) for scale in scales):
        yield name, "must be numbers above 0 (px)"
    elif len({np.size(scale) for scale in scales}) > 1:
        yield name, "must have equally many scales on every level: the RPN is shared"
    name = "RPN_ANCHOR_RATIOS"
    if not _is_sequence(config.RPN_ANCHOR_RATIOS):
        yield name, "must be a list of width / height; write [1] for squares only"
    elif not _are_above_0(config.RPN_ANCHOR_RATIOS):
        yield name, "must be one or more numbers above 0 (width / height)"
    negative, positive = config.RPN_NEGATIVE_IOU, config.RPN_POSITIVE_IOU
    if _is_number(negative) and _is_number(positive) and negative > positive:
        yield "RPN_NEGATIVE_IOU", f"must not exceed RPN_POSITIVE_IOU={positive}"


def _training_problems(config: Any) -> _Problems:
    name, drops = "LEARNING_RATE_DROPS", _numbers(config.LEARNING_RATE_DROPS)
    if not _is_sequence(config.LEARNING_RATE_DROPS):
        yield name, "must be a sequence of fractions; write (0.5,) for one drop"
    elif drops is None or np.any(np.diff([0, *drops, 1]) < 0):
        yield name, "must be rising fractions of all steps, from 0 to 1"
    name, weights = "LOSS_WEIGHTS", config.LOSS_WEIGHTS
    if not isinstance(weights, Mapping):
        yield name, "must be a dict of loss name to weight"
        return
    wrong = ", ".join(repr(loss) for loss in weights if loss not in LOSS_NAMES)
    if wrong:
        yield name, f"no loss is called {wrong}; {', '.join(LOSS_NAMES)} are the names"
    if not all(_is_number(weight, low=0) for weight in weights.values()):
        yield name, "must be numbers, 0 or more"


def _numbers(value: Any) -> np.ndarray | None:
    """Returns finite float64 [n] of a number or a flat sequence, None otherwise."""
    try:
        array = np.atleast_1d(np.asarray(value, dtype=np.float64))
    except (TypeError, ValueError):
        return None
    return array if array.ndim == 1 and np.all(np.isfinite(array)) else None


def _is_sequence(value: Any) -> bool:
    is_one = isinstance(value, list | tuple | np.ndarray)
    return is_one and np.ndim(np.asarray(value, object)) > 0


def _is_pyramid(strides: np.ndarray) -> bool:
    """Returns whether there are five strides, each twice the one before."""
    is_five = len(strides) == 5 and strides[0] >= 1
    return bool(is_five and np.all(strides[1:] == 2 * strides[:-1]))


def _is_count(value: Any, low: int = 1) -> bool:
    whole = isinstance(value, numbers.Integral) and not isinstance(value, bool)
    return whole and value >= low


def _is_number(value: Any, low: float = -np.inf, high: float = np.inf) -> bool:
    if not isinstance(value, numbers.Real) or isinstance(value, bool):
        return False
    return bool(np.isfinite(value) and low <= value <= high)


def _are_above_0(value: Any) -> bool:
    """Returns whether a value is one number above 0, or a list of them."""
    found = _numbers(value)
    return found is not None and found.size > 0 and bool(np.all(found > 0))


def _is_pair_of_counts(value: Any) -> bool:
    pair = _numbers(value)
    return pair is not None and pair.shape == (2,) and bool(np.all(pair >= 1))


# (names, whether a value fits, the rule) where the rule needs one value only.
_RULES = (
    (_COUNTS, _is_count, _COUNT_RULE),
    (("SEED",), lambda x: _is_count(x, low=0), "must be a whole number, 0 or more"),
    (_RATIOS, lambda x: _is_number(x, 0, 1), "must be a number from 0 to 1"),
    (_NOT_NEGATIVE, lambda x: _is_number(x, 0), "must be a number, 0 or more"),
    (
        ("IMAGE_MIN_DIM", "IMAGE_MIN_SCALE"),
        lambda x: x is None or _is_number(x, 0),
        "must be a number, 0 or more (0 = no such rule)",
    ),
    (
        ("GRADIENT_CLIP_NORM",),
        lambda x: x is None or (_is_number(x) and x > 0),
        "must be a number above 0; None means no clipping",
    ),
    (("IMAGE_RANGE",), lambda x: range_problem(x) is None, _RANGE_RULE),
    (_MASK_SHAPES, _is_pair_of_counts, "must be (height, width), 1 or more each"),
    (
        ("RPN_BBOX_STD_DEV", "BBOX_STD_DEV"),
        lambda x: _are_above_0(x) and np.shape(x) == (4,),
        "must be four numbers above 0: dy, dx, dh, dw",
    ),
)
