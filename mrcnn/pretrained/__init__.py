"""Trained models that come with the package, and images to try them on.

    from mrcnn import pretrained

    config, model = pretrained.nucleus()
    found = model.detect(["cells.png"])[0]

"nucleus" finds cell nuclei in microscope images; nucleus.md beside this file describes
its training data and how good it is. Importing this imports no TensorFlow.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING, NamedTuple

from mrcnn import data, engine
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
    return engine.bundled_file(name)


def class_names(name: str) -> list[str]:
    """Returns the classes of a model: name of class id i at i, the background's first.

    Raises:
        ValueError: there is no such model.
    """
    return list(engine.bundled_run(name).class_names)


def nucleus_config() -> Config:
    """Returns a new Config of "nucleus": whole images, one by one, at double size."""
    return engine.restore_config(engine.bundled_run("nucleus"))


def nucleus(
    mode: str = "inference", model_dir: str | os.PathLike = "logs"
) -> Pretrained:
    """Returns (config, model): the network that finds nuclei, with its weights.

    Args:
        mode: "inference" to detect; "training" to train it further on other images, in
            crops of IMAGE_MAX_DIM px a side, as it was trained itself.
        model_dir: folder of the runs; nothing is written before a training.
    """
    from mrcnn.classic.keras_2 import MaskRCNN

    config = nucleus_config()
    if mode == "training":
        engine.set_for_training(config)
    model = MaskRCNN(mode=mode, config=config, model_dir=model_dir)
    model.load_weights(path("nucleus"))
    return Pretrained(config, model)


def nucleus_examples() -> LabelImageDataset:
    """Returns a prepared data set of four images with the mask of every nucleus.

    They are of the validation split: "nucleus" was not trained on them.
    """
    folder = engine.BUNDLED / "examples" / "nucleus"
    return data.open_dataset(folder, verbose=0, class_name="nucleus")
