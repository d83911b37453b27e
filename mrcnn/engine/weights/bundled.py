"""Finds the trained models that come with the package, as "nucleus".

A model is `x.h5` in the folder BUNDLED, with its Config and class names in `x.json`.
Finding and reading them needs no TensorFlow.
"""

from __future__ import annotations

import os
from pathlib import Path

import mrcnn
from mrcnn.engine.weights.run_config import RunConfig, read_run_config

BUNDLED = Path(mrcnn.__file__).parent / "pretrained"
"""The folder of the models and of their example images."""
TRAINING_BATCH = 4


def bundled_names() -> list[str]:
    """Returns the names of the models."""
    return sorted(path.stem for path in BUNDLED.glob("*.h5"))


def bundled_file(name: str) -> Path:
    """Returns the weight file of a model.

    Raises:
        ValueError: there is no such model.
    """
    if name not in bundled_names():
        known = ", ".join(bundled_names()) or "none at all, install it again"
        raise ValueError(
            f"bundled_file(name={name!r}): no such model comes with the package; "
            f"there is {known}."
        )
    return BUNDLED / f"{name}.h5"


def is_bundled(path: str | os.PathLike) -> bool:
    """Returns whether a weight file is one of those that come with the package."""
    return Path(path).resolve() in {file.resolve() for file in BUNDLED.glob("*.h5")}


def is_example(path: str | os.PathLike) -> bool:
    """Returns whether an image is one of those that come with the package."""
    return Path(path).resolve().is_relative_to(BUNDLED.resolve())


def bundled_run(name: str) -> RunConfig:
    """Returns Config values and class names of a model.

    Raises:
        ValueError: there is no such model.
        FileNotFoundError: its json file is missing.
    """
    path = bundled_file(name)
    if run := read_run_config(path):
        return run
    raise FileNotFoundError(
        f"bundled_run(name={name!r}): {path.with_suffix('.json')} is missing; install "
        "the package again."
    )


def set_for_training(config) -> None:
    """Changes the Config of a model, which is for whole images, to crops of them.

    A batch holds images of one size, and the images of a data set have many. Crops
    have sides of IMAGE_MAX_DIM, which whole images in "pad64" don't use.

    Args:
        config: a Config; changed in place.
    """
    config.IMAGE_RESIZE_MODE = "crop"
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM
    config.IMAGES_PER_GPU = TRAINING_BATCH
    # The numbers of steps of its own training were for its own data.
    config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = None
