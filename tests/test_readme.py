"""The README's program is run, with a model that checks how it is called."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

import numpy as np
import pytest
from skimage.io import imsave

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def program():
    """The first Python block of the README, then the second."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    first, second, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return first, second


@pytest.fixture
def cells(tmp_path, monkeypatch):
    """A working folder with the data set that the README describes."""
    labels = np.zeros((40, 60), np.uint8)
    labels[2:12, 5:25] = 1
    labels[20:35, 30:55] = 2
    for part in ("train", "val"):
        (tmp_path / "cells" / part).mkdir(parents=True)
        photo = np.full((40, 60, 3), 100, np.uint8)
        imsave(tmp_path / "cells" / part / "a.jpg", photo, check_contrast=False)
        imsave(tmp_path / "cells" / part / "a.png", labels, check_contrast=False)
    imsave(tmp_path / "photo.jpg", photo, check_contrast=False)
    monkeypatch.chdir(tmp_path)
    return labels


@pytest.fixture
def calls(monkeypatch):
    """Calls of MaskRCNN, each checked against the real signature."""
    import mrcnn.model

    real, made = mrcnn.model.MaskRCNN, []

    class Recorder:
        def __init__(self, *args, **kwargs):
            self._record("__init__", args, kwargs)

        def _record(self, name, args, kwargs):
            bound = inspect.signature(getattr(real, name)).bind(self, *args, **kwargs)
            made.append((name, bound.arguments))

        def __getattr__(self, name):
            def call(*args, **kwargs):
                self._record(name, args, kwargs)
                return [{}]

            return call

    monkeypatch.setattr(mrcnn.model, "MaskRCNN", Recorder)
    return made


def test_program_loads_its_masks_and_calls_the_model_as_it_is(program, cells, calls):
    names = {}
    exec(compile(program[0], "README.md", "exec"), names)
    exec(compile(program[1], "README.md", "exec"), names)

    masks, class_ids = names["train"].load_mask(0)
    assert (masks.shape, masks.dtype) == ((40, 60, 2), bool)
    np.testing.assert_array_equal(masks[..., 1], cells == 2)
    assert class_ids.tolist() == [1, 1]
    assert names["val"].load_image(0).shape == (40, 60, 3)

    names["CellConfig"]().validate(names["train"].num_classes)
    assert [name for name, _ in calls] == [
        *("__init__", "train", "__init__", "find_last", "load_weights", "detect"),
        *("load_weights", "train", "train"),
    ]


def test_tables_name_attributes_and_differences_that_are_there():
    from mrcnn.config import Config, PaperConfig

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    named = set(re.findall(r"`([A-Z]+_[A-Z_]+)`", text)) - {"MRCNN_SHARED"}
    named -= {"CUDA_VISIBLE_DEVICES"}
    assert named
    assert not [name for name in named if not hasattr(Config, name)]
    table = text.split("| `Config` | `PaperConfig` |")[1].split("\n\n")[0]
    for name in re.findall(r"`([A-Z]+_[A-Z_]+)`", table):
        assert getattr(Config, name) != getattr(PaperConfig, name), name


def test_every_file_the_samples_table_runs_is_there():
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    scripts = set(re.findall(r"python (samples/\S+\.py)", text))
    assert len(scripts) == 2
    assert not [script for script in scripts if not (ROOT / script).is_file()]
