"""The README's program is run, with a model that checks how it is called."""

from __future__ import annotations

import inspect
import re
from pathlib import Path
from unittest import mock

import numpy as np
import pytest
from skimage.io import imsave

from tests.samples.test_balloon import write_subset

ROOT = Path(__file__).resolve().parents[1]


@pytest.fixture
def program():
    """The README's Python blocks: open a data set, write one, start from COCO."""
    text = (ROOT / "README.md").read_text(encoding="utf-8")
    opened, own, coco, *_ = re.findall(r"```python\n(.*?)```", text, re.DOTALL)
    return opened, own, coco


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


def test_a_folder_is_opened_checked_trained_and_evaluated(
    program, calls, tmp_path, monkeypatch, capsys
):
    import mrcnn.evaluation
    import mrcnn.model
    from mrcnn.evaluation import EvaluationResult

    result = mock.create_autospec(EvaluationResult, instance=True)
    evaluate = mock.create_autospec(mrcnn.evaluation.evaluate, return_value=result)
    callback = mock.create_autospec(mrcnn.model.EvaluationCallback)
    monkeypatch.setattr(mrcnn.evaluation, "evaluate", evaluate)
    monkeypatch.setattr(mrcnn.model, "EvaluationCallback", callback)
    write_subset(tmp_path / "balloon" / "train")
    write_subset(tmp_path / "balloon" / "val", seed=1)
    monkeypatch.chdir(tmp_path)
    names = {}
    exec(compile(program[0], "README.md", "exec"), names)

    names["config"].validate(names["train"].num_classes)
    assert [name for name, _ in calls] == ["__init__", "train", "__init__"] + [
        "load_weights"
    ]
    training = calls[1][1]
    assert training["train_dataset"].num_images == 3
    assert training["custom_callbacks"] == [callback.return_value]
    assert callback.call_args.args[1] is evaluate.call_args.args[1] is names["val"]
    result.to_json.assert_called_once_with("scores.json")
    out = capsys.readouterr().out
    assert "taken for VIA json" in out and "RPN_ANCHOR_SCALES" in out


def test_program_loads_its_masks_and_calls_the_model_as_it_is(program, cells, calls):
    names = {}
    exec(compile(program[1], "README.md", "exec"), names)
    exec(compile(program[2], "README.md", "exec"), names)

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
    there = {path.relative_to(ROOT).as_posix() for path in ROOT.glob("samples/*/*.py")}
    assert scripts == there
    scripts = set(re.findall(r"python (benchmarks/\S+\.py)", text))
    assert scripts and all((ROOT / script).is_file() for script in scripts)


def test_formats_are_those_that_are_opened():
    from mrcnn.data.formats import CLASSES

    text = (ROOT / "README.md").read_text(encoding="utf-8")
    table = text.split("| class in `mrcnn.data` |")[1].split("\n\n")[0]
    assert re.findall(r"`(\w+Dataset)`", table) == list(CLASSES.values())
