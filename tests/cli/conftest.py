"""A run of a tiny model and a data set, on disk, as the command finds them."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli.main import main
from mrcnn.engine.weights.run_config import write_run_config
from mrcnn.model import MaskRCNN
from tests.engine import tiny

NAMES = ["BG", "box", "bar"]


class DetectingConfig(tiny.TinyConfig):
    """Detects whatever the random weights say."""

    DETECTION_MIN_CONFIDENCE = 0.0


@pytest.fixture(scope="session")
def logs(tmp_path_factory):
    """Folder of one run: config.json and a checkpoint that detects in every picture."""
    logs = tmp_path_factory.mktemp("logs")
    model = MaskRCNN("inference", DetectingConfig(), logs)
    rng = np.random.default_rng(0)
    biases = {"mrcnn_class_logits": [-2, 3, 0], "mrcnn_mask": [1, 1, 1]}
    for name, values in biases.items():
        kernel, bias = model.keras_model.get_layer(name).weights
        kernel.assign(rng.normal(0, 2, kernel.shape))
        bias.assign(values)
    run = logs / "tiny20240131T1200"
    run.mkdir()
    model.keras_model.save_weights(run / "mask_rcnn_tiny_0003.h5")
    write_run_config(run, DetectingConfig(), NAMES)
    return logs


@pytest.fixture(scope="session")
def weights(logs):
    return logs / "tiny20240131T1200" / "mask_rcnn_tiny_0003.h5"


def paint(folder, names, seed=0):
    """Pictures of two discs beside their label images."""
    rng = np.random.default_rng(seed)
    ys, xs = np.mgrid[:48, :64]
    for name in names:
        labels = np.zeros((48, 64), np.uint8)
        for number, x in enumerate((18, 45), start=1):
            y = int(rng.integers(15, 33))
            labels[(ys - y) ** 2 + (xs - x) ** 2 <= 100] = number
        image = np.full((48, 64, 3), 30, np.uint8)
        image[labels > 0] = 200
        image += rng.integers(0, 20, image.shape).astype(np.uint8)
        for kind, array in (("images", image), ("labels", labels)):
            path = folder / kind / f"{name}.png"
            path.parent.mkdir(parents=True, exist_ok=True)
            Image.fromarray(array).save(path)


@pytest.fixture(scope="session")
def cells(tmp_path_factory):
    """A data set of label images: four pictures to train on, two to validate on."""
    folder = tmp_path_factory.mktemp("cells")
    paint(folder, [f"train/t{i}" for i in range(4)])
    paint(folder, [f"val/v{i}" for i in range(2)], seed=1)
    return folder


@pytest.fixture
def run(capsys):
    """Runs the command; returns (exit code, stdout, lines of stderr)."""

    def call(*argv):
        capsys.readouterr()
        try:
            code = main([str(arg) for arg in argv])
        except SystemExit as stop:
            code = stop.code
        out, err = capsys.readouterr()
        return code, out, err.splitlines()

    return call
