"""Models that several files look at: built, traced and trained once."""

from __future__ import annotations

from types import SimpleNamespace

import pytest

from mrcnn.data.pooled_loader import PooledLoader
from mrcnn.engine import MaskRCNN
from mrcnn.engine.training import run_training
from mrcnn.engine.training.training_model import TrainingModel
from tests.engine import tiny


@pytest.fixture
def eager():
    """Training steps of this test are not traced."""
    with tiny.eagerly():
        yield


@pytest.fixture(scope="session")
def training_graph(tmp_path_factory):
    """A MaskRCNN to look at; nobody trains it."""
    config = tiny.TinyConfig()
    return MaskRCNN("training", config, tmp_path_factory.mktemp("graph"))


@pytest.fixture(scope="session")
def detector(tmp_path_factory):
    return tiny.make_detector(tmp_path_factory.mktemp("detector"))


@pytest.fixture(scope="session")
def run(tmp_path_factory):
    """Two epochs with validation, traced as in real life, and all that was noted."""
    asked, traces = [], []
    train_step = TrainingModel.train_step

    def noting_step(model, data):
        traces.append(data)
        return train_step(model, data)

    class NotingLoader(PooledLoader):
        def get(self, epoch, index):
            asked.append((self.generator.dataset, epoch, index))
            return super().get(epoch, index)

    trainer = tiny.make_trainer(tmp_path_factory.mktemp("run"))
    data, val = tiny.TinyDataset(), tiny.TinyDataset(5, first=20)
    spy = tiny.Spy(trainer)
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(run_training, "PooledLoader", NotingLoader)
        patch.setattr(TrainingModel, "train_step", noting_step)
        history = tiny.train(trainer, data, val, epochs=2, custom_callbacks=[spy])
    return SimpleNamespace(
        trainer=trainer,
        history=history,
        spy=spy,
        asked=asked,
        traces=traces,
        data=data,
        val=val,
    )
