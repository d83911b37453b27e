"""Samples are scripts: loaded from their files, and run against a model of straw."""

from __future__ import annotations

import sys
import types

import numpy as np
import pytest

from tests.conftest import ROOT, load_script

SAMPLES = ROOT / "samples"


def load_sample(name):
    """The module of samples/<name>/<name>.py."""
    return load_script(SAMPLES / name / f"{name}.py")


@pytest.fixture(scope="session")
def shapes():
    return load_sample("shapes")


@pytest.fixture(scope="session")
def balloon():
    return load_sample("balloon")


@pytest.fixture(scope="session")
def coco():
    return load_sample("coco")


@pytest.fixture(scope="session")
def nucleus():
    return load_sample("nucleus")


@pytest.fixture(scope="session")
def voc():
    return load_sample("voc")


@pytest.fixture
def tiny_steps():
    """Training steps that aren't traced; returns tests/engine/tiny.py."""
    from tests.engine import tiny

    with tiny.eagerly():
        yield tiny


class StrawModel:
    """Knows the answers for the images of its data sets; notes its arguments."""

    made: list[StrawModel] = []

    def __init__(self, mode, config, model_dir):
        self.mode, self.config, self.log_dir = mode, config, f"{model_dir}/run"
        self.answers, self.loaded, self.trained = {}, [], []
        # The layer whose score cut an evaluation lifts.
        cut = types.SimpleNamespace(min_confidence=config.DETECTION_MIN_CONFIDENCE)
        self.keras_model = types.SimpleNamespace(layers=[cut])
        StrawModel.made.append(self)

    def learn(self, dataset):
        """Remember the truth of each image, crowds left out."""
        for image_id in dataset.image_ids:
            image = dataset.load_image(image_id)
            masks, class_ids = dataset.load_mask(image_id)
            objects = class_ids > 0
            self.answers[image.tobytes()] = masks[..., objects], class_ids[objects]

    def find_last(self):
        return "last.h5"

    def load_weights(self, path, **options):
        self.loaded.append((str(path), options))

    def train(self, *datasets, **options):
        self.trained.append((datasets, options))

    def detect(self, images, verbose=0, masks="full"):
        from mrcnn.evaluation.coco_format import masks_to_rles
        from mrcnn.utils import extract_bboxes

        results = []
        for image in images:
            nothing = np.zeros((*image.shape[:2], 0), bool), np.zeros(0, np.int32)
            found, class_ids = self.answers.get(image.tobytes(), nothing)
            results.append(
                {
                    "rois": extract_bboxes(found),
                    "class_ids": class_ids,
                    "scores": np.full(len(class_ids), 0.9, np.float32),
                    "masks": found if masks == "full" else masks_to_rles(found),
                }
            )
        return results


@pytest.fixture
def straw(monkeypatch):
    """mrcnn.model with a MaskRCNN of straw; returns the list of those made."""
    module = types.ModuleType("mrcnn.model")
    module.MaskRCNN = StrawModel
    monkeypatch.setitem(sys.modules, "mrcnn.model", module)
    clock = types.ModuleType("time_budget")  # beside shapes.py
    clock.TimeBudget = lambda minutes: types.SimpleNamespace(minutes=minutes)
    monkeypatch.setitem(sys.modules, "time_budget", clock)
    monkeypatch.setattr(StrawModel, "made", [])
    return StrawModel.made
