"""Writes and reads the Config and the class names of a weight file, kept beside it.

A weight file holds neither. A training writes them to `config.json` in the folder of
its run; for a file that was moved elsewhere, `x.json` beside `x.h5` does the same.
Reading and writing need no TensorFlow.
"""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import mrcnn
from mrcnn.config import Config
from mrcnn.data import atomic_file

CONFIG_FILE = "config.json"
"""Its name in the folder of a run."""


class RunConfig(NamedTuple):
    """What a weight file was trained with.

    Attributes:
        config: values as of `Config.to_dict`.
        class_names: name of class id i at i, the background's first.
        path: the json file they were read from.
    """

    config: dict[str, Any]
    class_names: list[str]
    path: Path


def write_run_config(
    path: str | os.PathLike, config, class_names: Sequence[str]
) -> Path:
    """Writes what later uses of a run's weights need; returns the file.

    Args:
        path: the folder of a run, or the json file to write beside a weight file.
        config: the Config of the training.
        class_names: name of class id i at i, the background's first.

    Raises:
        ValueError: the folder holds checkpoints of other classes.
        OSError: the file could not be written.
    """
    path, names = Path(path), [str(name) for name in class_names]
    if path.suffix != ".json":
        path = path / CONFIG_FILE
        run = _read_or_move(path) if any(path.parent.glob("mask_rcnn_*.h5")) else None
        if run is not None and run.class_names != names:
            raise ValueError(
                f"write_run_config({str(path.parent)!r}): the checkpoints there are of "
                f"the classes {run.class_names}, not {names}; begin a new run after "
                "load_weights(): model.set_log_dir(), or another NAME."
            )
    values = config.to_dict()
    content = {"mrcnn": mrcnn.__version__, "class_names": names, "config": values}
    with atomic_file(path) as temporary:
        temporary.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def read_run_config(weights: str | os.PathLike) -> RunConfig | None:
    """Returns what a weight file was trained with; None if no file says so.

    Args:
        weights: path of the weight file. `x.json` beside `x.h5` comes before the
            `config.json` of the folder; files of these names that are about other
            things are passed over.

    Raises:
        ValueError: the json file isn't what `write_run_config` writes.
    """
    weights = Path(weights)
    for path in (weights.with_suffix(".json"), weights.with_name(CONFIG_FILE)):
        if run := _read(path):
            return run
    return None


def _read(path: Path) -> RunConfig | None:
    """Returns the content of a json file; None if there is none, or of other things."""
    if not path.is_file():
        return None
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict) or "mrcnn" not in content:
            return None
        names, values = content["class_names"], content["config"]
        if not (isinstance(names, list) and isinstance(values, dict)):
            raise TypeError("class_names isn't a list, or config isn't a dict")
    except (ValueError, KeyError, TypeError) as error:
        raise ValueError(
            f"read_run_config({str(path)!r}): not what a training writes "
            f"({type(error).__name__}: {error}); move the file away, and name the "
            "values of the Config instead."
        ) from error
    return RunConfig(values, [str(name) for name in names], path)


def _read_or_move(path: Path) -> RunConfig | None:
    """As `_read`; moves away what is no JSON, as a power cut may leave it, and warns.

    Otherwise the run could not be resumed.
    """
    try:
        return _read(path)
    except ValueError as error:
        if not isinstance(error.__cause__, ValueError):
            raise  # it is JSON: somebody has changed it
        aside = path.with_name(f"{path.name}.damaged")
        os.replace(path, aside)
        warnings.warn(
            f"train(): {path} is damaged ({error.__cause__}): written anew, the old "
            f"one is {aside.name}.",
            stacklevel=4,
        )
    return None


def restore_config(run: RunConfig) -> Config:
    """Returns the Config of a run, for detection, training or looking at.

    Raises:
        ValueError: its BACKBONE was a function, of which only the name is stored.
    """
    config = Config.from_dict(run.config)
    if run.config.get("COMPUTE_BACKBONE_SHAPE"):
        raise ValueError(
            f"restore_config({str(run.path)!r}): BACKBONE was the function "
            f"{run.config.get('BACKBONE')!r}, which a file can't hold; build the model "
            "in Python, with the Config class that has it."
        )
    return config
