"""A Config from the command line: presets and `--set NAME=VALUE`."""

from __future__ import annotations

import ast
import difflib
from collections.abc import Iterable
from typing import Any

import numpy as np

from mrcnn.cli.errors import CommandError, need, one_line
from mrcnn.config import Config, PaperConfig, SmallConfig

_WORDS = {"true": True, "false": False, "none": None}
_FUNCTIONS = ("COMPUTE_BACKBONE_SHAPE",)
# 0 unless set, but a factor.
_FRACTIONS = ("IMAGE_MIN_SCALE",)


class SmallPreset(SmallConfig):
    """SmallConfig with the sizes and anchors it leaves to users, and fewer RoIs."""

    IMAGE_MIN_DIM = 384
    IMAGE_MAX_DIM = 512
    RPN_ANCHOR_SCALES = (12, 24, 48, 96, 192)
    POST_NMS_ROIS_INFERENCE = 300
    LEARNING_RATE_WARMUP_FACTOR = 0.1
    DETECTION_CLASS_RULE = "all"


PRESETS = {"small": SmallPreset, "default": Config, "paper": PaperConfig}
PRESET_HELP = (
    "small: learns from scratch without a GPU; default: ResNet-101 as the old "
    "package; paper: the recipe of the papers"
)


def preset_config(name: str | None) -> Config:
    """Returns a new Config of a preset, the default one without a name."""
    return PRESETS[name or "default"]()


def apply_settings(config: Config, settings: Iterable[str]) -> None:
    """Sets the values of `--set` arguments on a config.

    Args:
        config: changed in place.
        settings: texts "NAME=VALUE", where VALUE is a number, true, false, none, a
            word, or several values with commas between them.

    Raises:
        CommandError: no such name, or a value of another kind.
    """
    for setting in settings:
        name, equals, text = (part.strip() for part in setting.partition("="))
        need(equals, f"--set {setting}: write NAME=VALUE, as IMAGE_MAX_DIM=512")
        setattr(config, name, _typed(config, name, text))


def check_config(config: Config, num_classes: int | None = None) -> None:
    """Raises CommandError, in one line, when a config can't work."""
    try:
        config.validate(num_classes)
    except ValueError as error:
        raise CommandError(f"{one_line(error)} Change it by --set.") from error


def _typed(config: Config, name: str, text: str) -> Any:
    """Returns the value of a text, of the type that this attribute has."""
    known = [n for n in config.to_dict() if n.isupper() and n not in _FUNCTIONS]
    if name not in known:
        near = difflib.get_close_matches(name.upper(), known, n=1, cutoff=0.6)
        remedy = f"did you mean {near[0]}?" if near else "see mrcnn info --preset small"
        raise CommandError(f"--set {name}: no value of Config has this name; {remedy}")
    current, value = getattr(config, name), literal(text)

    def check(fits, example):
        need(fits, f"--set {name}={text}: write it as {name}={example}")

    if isinstance(current, bool):
        # TRAIN_BN may be none; validate() knows which values may.
        check(value is None or isinstance(value, bool), "true")
    elif name == "IMAGE_RANGE" and isinstance(value, list | tuple):
        return tuple(value)  # or a word
    elif isinstance(current, str) or name == "NAME":
        return text.strip("'\"")
    elif isinstance(current, int | float):
        is_number = isinstance(value, int | float) and not isinstance(value, bool)
        check(is_number or value is None, current)
        usual = None if name in _FRACTIONS else getattr(Config, name, None)
        if isinstance(value, float) and type(current) is type(usual) is int:
            whole = value.is_integer()
            need(whole, f"--set {name}={text}: is a whole number, as {name}={usual}")
            return int(value)
    elif isinstance(current, dict):
        check(isinstance(value, dict) and set(value) <= set(current), current)
        return {**current, **value}
    elif isinstance(current, np.ndarray | list | tuple):
        items = np.asarray(current).tolist()
        check(isinstance(value, list | tuple), ",".join(map(str, items)))
        if isinstance(current, np.ndarray):
            return np.array(value, current.dtype)
        return type(current)(value)
    return value


def literal(text: str) -> Any:
    """Returns a number, a list, True, False, None; or the text itself."""
    if text.lower() in _WORDS:
        return _WORDS[text.lower()]
    try:
        return ast.literal_eval(text)
    except (ValueError, SyntaxError):
        return text
