from __future__ import annotations

import json
import shutil

import numpy as np
import pytest
from PIL import Image

from mrcnn.cli import settings
from mrcnn.cli.weights import find_weights, inference_setup
from mrcnn.engine.weights import bundled
from mrcnn.engine.weights.run_config import read_run_config, write_run_config
from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.model import MaskRCNN
from tests.engine import tiny


@pytest.fixture(autouse=True)
def small(monkeypatch):
    """The preset small is tiny, and steps aren't traced."""
    monkeypatch.setitem(settings.PRESETS, "small", tiny.TinyConfig)
    with tiny.eagerly():
        yield


def test_a_folder_is_all_that_training_needs(run, cells, tmp_path):
    logs = tmp_path / "logs"
    argv = ["train", "--data", cells, "--preset", "small", "--logs", logs, "--quiet"]
    argv += ["--name", "cells", "--set", "LEARNING_RATE=0.01"]
    code, out, err = run(*argv, "--epochs", 1)
    assert code == 0, err
    assert "train: label images" in out and "subset val, 2 images" in out
    (folder,) = logs.iterdir()
    assert f"mrcnn detect IMAGE --weights {folder}" in out
    found = find_weights("last", logs)
    assert found.name == "mask_rcnn_cells_0001.h5"

    stored = read_run_config(found)
    assert stored.class_names == ["BG", "object"]
    assert stored.config["LEARNING_RATE"] == 0.01
    assert stored.config["STEPS_PER_EPOCH"] is None
    setup = inference_setup(found)
    assert (setup.config.NUM_CLASSES, setup.config.IMAGE_MAX_DIM) == (2, 64)
    history = [
        json.loads(x) for x in (folder / "history.jsonl").read_text().split("\n")[:-1]
    ]
    assert "val_loss" in history[0]

    # The same command with --resume goes on where it ended.
    code, out, err = run(*argv, "--epochs", 2, "--resume")
    assert code == 0, err
    assert [path.name for path in logs.iterdir()] == [folder.name]
    assert find_weights("last", logs).name == "mask_rcnn_cells_0002.h5"

    # So does the newest run, of the same name and classes.
    code, _, err = run(
        *("train", "--data", cells, "--name", "Cells", "--weights", "last"),
        *("--logs", logs, "--epochs", 3, "--quiet"),
    )
    assert code == 0, err
    assert [path.name for path in logs.iterdir()] == [folder.name]
    assert find_weights("last", logs).name == "mask_rcnn_cells_0003.h5"


def test_heads_start_anew_on_weights_of_other_classes(run, cells, weights, tmp_path):
    code, _, err = run(
        *("train", "--data", cells, "--subset", "val", "--weights", weights),
        *("--logs", tmp_path, "--epochs", 1, "--quiet", "--augment", "none"),
        *("--set", "LEARNING_RATE=0", "--set", "WEIGHT_DECAY=0", "--val", "none"),
    )
    assert code == 0, err
    assert any("(box, bar): their layers start anew" in line for line in err)
    before, after = (read_weights(p) for p in (weights, find_weights("last", tmp_path)))
    name = "mrcnn_class_logits/kernel"
    assert before[name].shape == (16, 3) and after[name].shape == (16, 2)
    # NAME is that of the data, the network that of the weights.
    assert find_weights("last", tmp_path).parent.name.startswith("cells0")
    assert np.array_equal(before["fpn_p2/kernel"], after["fpn_p2/kernel"])


@pytest.mark.parametrize("start", ["file", "last"])
def test_one_class_is_taken_for_the_one_of_the_data(run, cells, tmp_path, start):
    config = tiny.make_config(tiny.TinyConfig, NUM_CLASSES=2)
    model = MaskRCNN("inference", config, tmp_path)
    home = tmp_path / "cells20240131T1200"
    home.mkdir()
    old = home / "mask_rcnn_cells_0003.h5"
    model.keras_model.save_weights(old)
    write_run_config(home, config, ["BG", "nucleus"])
    before = {path.name: path.read_bytes() for path in home.iterdir()}
    code, _, err = run(
        *("train", "--data", cells, "--subset", "val", "--val", "none", "--quiet"),
        *("--weights", old if start == "file" else "last", "--name", "cells"),
        *("--logs", tmp_path, "--epochs", 1, "--augment", "none"),
        *("--set", "LEARNING_RATE=0", "--set", "WEIGHT_DECAY=0"),
    )
    assert code == 0, err
    assert "mrcnn: note: taken for the same class: 'nucleus' as 'object'" in err
    assert not any("anew" in line for line in err)
    # A run of its own, with the class of its data.
    assert {path.name: path.read_bytes() for path in home.iterdir()} == before
    (new,) = set(tmp_path.iterdir()) - {home}
    new /= "mask_rcnn_cells_0001.h5"
    assert read_run_config(new).class_names == ["BG", "object"]
    kept = read_weights(new)
    for name, tensor in read_weights(old).items():
        assert np.array_equal(tensor, kept[name]), name


@pytest.mark.parametrize("name", [None, "tiny"])
def test_a_run_of_other_data_stays_as_it_was(run, cells, logs, tmp_path, name):
    shutil.copytree(logs, tmp_path, dirs_exist_ok=True)
    (old,) = tmp_path.iterdir()
    before = {path.name: path.read_bytes() for path in old.iterdir()}
    code, _, err = run(
        *("train", "--data", cells, "--subset", "val", "--val", "none"),
        *("--weights", "last", "--logs", tmp_path, "--epochs", 1, "--quiet"),
        *(["--name", name] if name else []),
    )
    assert code == 0, err
    assert {path.name: path.read_bytes() for path in old.iterdir()} == before
    (new,) = set(tmp_path.iterdir()) - {old}
    name = name or "cells0"
    assert new.name.startswith(name)
    assert read_run_config(new / "any.h5").class_names == ["BG", "object"]
    assert (new / f"mask_rcnn_{name}_0001.h5").is_file()


def test_faults_of_the_data_stop_before_the_first_step(run, cells, tmp_path):
    broken = shutil.copytree(cells, tmp_path / "broken")
    Image.new("L", (9, 9), 1).save(broken / "labels" / "val" / "v0.png")
    logs = tmp_path / "logs"
    argv = ["train", "--data", broken, "--preset", "small", "--logs", logs, "--quiet"]
    code, _, err = run(*argv)
    assert code == 2 and not logs.exists()
    assert "1 error in val, listed" in err[-1] and "--skip-check" in err[-1]
    assert any("v0.png" in line for line in err[:-1])


@pytest.mark.parametrize(
    ("argv", "message"),
    [
        (["--preset", "small", "--set", "LEARNIN_RATE=1"], "LEARNING_RATE"),
        (["--preset", "small", "--set", "ROI_OP=best"], "ROI_OP"),
        (["--preset", "small", "--subset", "tests"], "subset"),
        (["--preset", "small", "--epochs", "0"], "--epochs"),
        (["--weights", "last"], "train first"),
        (["--preset", "big"], "small"),
        (["--format", "coco"], "format='coco'"),
        (["--option", "class_name"], "NAME=VALUE"),
    ],
)
def test_mistakes_are_reported_in_one_line(run, cells, tmp_path, argv, message):
    logs = tmp_path / "logs"
    code, _, err = run("train", "--data", cells, "--logs", logs, *argv)
    assert code == 2 and len(err) == 1 and not logs.exists()
    assert message in err[0]


def test_classes_of_both_subsets_have_to_be_the_same(run, tmp_path):
    from mrcnn.data.formats.coco.coco_export import to_coco

    dataset = tiny.TinyDataset(4)
    for name, other in (("train", "box"), ("val", "cup")):
        content = to_coco(dataset)
        content["categories"][0]["name"] = other
        (tmp_path / f"{name}.json").write_text(json.dumps(content))
    code, _, err = run("train", "--data", tmp_path, "--preset", "small")
    assert code == 2
    assert "'cup'" in err[-1] and "'box'" in err[-1]


def test_a_bundled_model_goes_on_in_pieces_of_images(
    run, cells, weights, tmp_path, monkeypatch
):
    home = tmp_path / "pretrained"
    home.mkdir()
    shutil.copy(weights, home / "moon.h5")
    shutil.copy(weights.with_name("config.json"), home / "moon.json")
    monkeypatch.setattr(bundled, "BUNDLED", home)
    code, out, err = run(
        *("train", "--data", cells, "--weights", "moon", "--logs", tmp_path / "logs"),
        *("--epochs", 1, "--quiet", "--set", "IMAGE_MIN_DIM=64"),
    )
    assert code == 0, err
    (folder,) = (tmp_path / "logs").iterdir()
    stored = read_run_config(folder / "mask_rcnn_cells_0001.h5")
    assert stored.config["IMAGE_RESIZE_MODE"] == "crop"
    assert stored.config["BATCH_SIZE"] == bundled.TRAINING_BATCH
    assert inference_setup(folder / "x.h5").config.IMAGE_RESIZE_MODE == "pad64"
