"""Trained models that come with the package, and pictures to try them on.

    from mrcnn import pretrained

    config, model = pretrained.nucleus()
    found = model.detect(["cells.png"])[0]

"nucleus" finds cell nuclei under a microscope; what it was trained on, and how well it
does, is told by nucleus.md beside this file. Importing this imports no TensorFlow.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mrcnn import engine
from mrcnn.config import Config

if TYPE_CHECKING:
    from mrcnn.classic.keras_2 import MaskRCNN
    from mrcnn.data import LabelImageDataset


class Pretrained(NamedTuple):
    """A model with its weights.

    Attributes:
        config: the Config it was made from.
        model: a MaskRCNN.
    """

    config: Config
    model: MaskRCNN


def path(name: str) -> Path:
    """Returns the weight file of a model, as "nucleus".

    Raises:
        ValueError: there is no such model.
    """
    return engine.shipped_file(name)


def class_names(name: str) -> list[str]:
    """Returns the classes of a model: name of class id i at i, the background's first.

    Raises:
        ValueError: there is no such model.
    """
    return list(engine.shipped_run(name).class_names)


def nucleus_config() -> Config:
    """Returns a new Config of "nucleus": whole pictures, one by one, at double size."""
    return engine.restore_config(engine.shipped_run("nucleus"))


def nucleus(
    mode: str = "inference", model_dir: str | os.PathLike = "logs"
) -> Pretrained:
    """Returns (config, model): the network that finds nuclei, with its weights.

    Args:
        mode: "inference" to detect; "training" to go on training it on other pictures,
            in pieces of IMAGE_MAX_DIM, as it was trained itself.
        model_dir: where runs are written; nothing is before a training.
    """
    from mrcnn.classic.keras_2 import MaskRCNN

    config = nucleus_config()
    if mode == "training":
        engine.set_for_training(config)
    model = MaskRCNN(mode=mode, config=config, model_dir=model_dir)
    model.load_weights(path("nucleus"))
    return Pretrained(config, model)


def nucleus_examples() -> LabelImageDataset:
    """Returns a prepared data set of four pictures with every nucleus marked.

    They are of the validation split: "nucleus" has not learned from them.
    """
    from mrcnn.data import open_dataset

    folder = engine.FOLDER / "examples" / "nucleus"
    return open_dataset(folder, verbose=0, class_name="nucleus")
