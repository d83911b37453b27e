"""check, evaluate and info."""

from __future__ import annotations

import json
import shutil
from types import SimpleNamespace

import pytest
from PIL import Image

from mrcnn.cli.arguments import make_setup
from mrcnn.cli.errors import CommandError
from mrcnn.cli.evaluate import check_classes


def test_check_prints_faults_and_anchors(run, cells):
    code, out, _ = run(
        *("check", "--data", cells, "--subset", "train", "--against", "val"),
        *("--preset", "small", "--option", "class_name=cell"),
    )
    assert code == 0
    assert "subset train, 4 images, class cell" in out
    assert "0 errors" in out and "RPN_ANCHOR_SCALES = (12, 24, 48, 96, 192)" in out


def test_check_ends_with_1_when_the_data_has_errors(run, cells, tmp_path):
    broken = shutil.copytree(cells, tmp_path / "broken")
    Image.new("L", (9, 9), 1).save(broken / "labels" / "val" / "v0.png")
    code, out, _ = run("check", "--data", broken, "--subset", "val", "--all")
    assert code == 1
    assert "1 errors" in out and "v0.png" in out


def test_check_takes_the_config_of_a_model(run, cells, weights):
    code, out, _ = run("check", "--data", cells, "--weights", weights)
    assert code == 1  # trained for two classes
    assert "number of classes" in out


def test_evaluate_prints_the_table_and_writes_numbers_and_figures(
    run, cells, weights, tmp_path
):
    code, _, err = run(
        *("evaluate", "--data", cells, "--subset", "val", "--weights", weights),
        *("--output", tmp_path / "ap"),
    )
    assert code == 2  # one class in the data, two in the model
    assert "2 classes (box, bar)" in err[-1] and "1 (object)" in err[-1]
    data = tmp_path / "coco"
    two_classes(cells, data)
    code, out, err = run(
        *("evaluate", "--data", data / "instances_val.json", "--weights", weights),
        *("--output", tmp_path / "ap", "--limit", 2, "--max-detections", 3),
    )
    assert code == 0, err
    assert "2 images; COCO" in out and "masks" in out
    assert "3 detections of a class and image, not 100" in out and "AR3" in out
    assert any("'box' as 'disc'" in line for line in err)
    result = json.loads((tmp_path / "ap" / "result.json").read_text())
    assert result["images"] == 2 and result["min_confidence"] == 0
    assert result["max_detections"] == 3
    assert (tmp_path / "ap" / "examples.png").is_file()
    assert (tmp_path / "ap" / "pr_segm.png").is_file()


def two_classes(cells, folder):
    """The validation pictures as a COCO json with two classes."""
    from mrcnn.data.formats.coco.coco_export import to_coco
    from mrcnn.data.formats.open_dataset import open_dataset

    shutil.copytree(cells / "images" / "val", folder)
    content = to_coco(open_dataset(cells, "val"), image_dir=cells / "images" / "val")
    content["categories"] = [{"id": 1, "name": "disc"}, {"id": 2, "name": "bar"}]
    content["annotations"][0]["category_id"] = 2
    (folder / "instances_val.json").write_text(json.dumps(content))


def test_classes_in_another_order_are_no_evaluation(capsys):
    check_classes(["BG", "a", "b"], ["BG", "a", "b"])
    assert capsys.readouterr().err == ""
    with pytest.raises(CommandError, match="another order"):
        check_classes(["BG", "a", "b"], ["BG", "b", "a"])


def test_info_tells_layers_classes_and_the_fit(run, weights):
    code, out, _ = run("info", weights)
    assert code == 0
    assert "mrcnn_class_logits" in out and "kernel 16x3" in out
    assert "BACKBONE=resnet18" in out and "3 anchors a cell" in out
    assert "classes: box, bar" in out
    assert "0 missing, 0 unexpected, 0 of another shape" in out


def test_info_ends_with_1_when_the_file_does_not_fit(run, weights):
    code, out, _ = run("info", weights, "--set", "NUM_CLASSES=5", "--tensors")
    assert code == 1
    assert "Config says NUM_CLASSES=5, the file 3." in out
    assert "mrcnn_mask/kernel" in out and "of another shape:" in out


def test_info_of_a_preset_lists_what_can_be_set(run):
    code, out, _ = run("info", "--preset", "paper", "--set", "IMAGE_MAX_DIM=640")
    assert code == 0
    assert ["IMAGE_MAX_DIM", "640"] in [line.split() for line in out.splitlines()]


def test_info_wants_something_to_look_at(run):
    code, _, err = run("info")
    assert code == 2 and "--preset" in err[0]


@pytest.mark.parametrize("classes", ["a,a", "a, a", "a,,b", ","])
def test_class_names_that_are_not_clear_are_refused(classes):
    args = SimpleNamespace(classes=classes, preset=None, batch=1)
    with pytest.raises(CommandError, match=f"--classes {classes}: name each class"):
        make_setup(args, "coco", [])
