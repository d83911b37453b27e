"""Which trained models come with the package, and where their files lie.

A model is `x.h5` in the folder, with its Config and class names in `x.json`. Reading
them needs no TensorFlow.
"""

from __future__ import annotations

import os
from pathlib import Path

import mrcnn
from mrcnn.engine.weights.run_config import RunConfig, read_run_config

FOLDER = Path(mrcnn.__file__).parent / "pretrained"
"""Home of the files."""
TRAINING_BATCH = 4


def shipped_words() -> list[str]:
    """Returns the names of the models."""
    return sorted(path.stem for path in FOLDER.glob("*.h5"))


def shipped_file(name: str) -> Path:
    """Returns the weight file of a model.

    Raises:
        ValueError: there is no such model.
    """
    path = FOLDER / f"{name}.h5"
    if name not in shipped_words():
        known = ", ".join(shipped_words()) or "none at all, install it again"
        raise ValueError(
            f"shipped_file(name={name!r}): no such model comes with the package; "
            f"there is {known}."
        )
    return path


def is_shipped(path: str | os.PathLike) -> bool:
    """Returns whether a weight file is one of those that come with the package."""
    path = Path(path)
    return path.stem in shipped_words() and path.resolve() == (
        (FOLDER / f"{path.stem}.h5").resolve()
    )


def is_example(path: str | os.PathLike) -> bool:
    """Returns whether a picture is one of those that come with the package."""
    return Path(path).resolve().is_relative_to(FOLDER.resolve())


def shipped_run(name: str) -> RunConfig:
    """Returns Config values and class names of a model.

    Raises:
        ValueError: there is no such model.
        FileNotFoundError: its json file is missing.
    """
    path = shipped_file(name)
    run = read_run_config(path)
    if run is None:
        raise FileNotFoundError(
            f"shipped_run(name={name!r}): {path.with_suffix('.json')} is missing; "
            "install the package again."
        )
    return run


def set_for_training(config) -> None:
    """Changes the Config of a model, which is for whole images, to pieces of them.

    Images have many sizes, and a batch has one. Pieces have sides of IMAGE_MAX_DIM,
    which whole images in "pad64" don't use.
    """
    config.IMAGE_RESIZE_MODE = "crop"
    config.IMAGE_MIN_DIM = config.IMAGE_MAX_DIM
    config.IMAGES_PER_GPU = TRAINING_BATCH
    # Those of its own training were for its own data.
    config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = None
