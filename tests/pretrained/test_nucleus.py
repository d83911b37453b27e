"""The bundled network: its files, what it finds, and the images beside it."""

from __future__ import annotations

import ast
import warnings
from fnmatch import fnmatch

import h5py
import numpy as np
import pytest

from mrcnn import pretrained
from mrcnn.engine.weights.run_config import read_run_config
from mrcnn.utils import compute_overlaps_masks
from tests.conftest import ROOT

HOME = pretrained.path("nucleus").parent
# How their ids in BBBC038v1 begin.
IDS = {
    "fluorescence": "60cb7187",
    "fluorescence_large": "97126a97",
    "fluorescence_many": "da5f98f2",
    "stained": "a4c44fc5",
}
VAL_IDS = (ROOT / "samples" / "nucleus" / "val_image_ids.txt").read_text().split()
COUNTS = {
    "fluorescence": 27,
    "fluorescence_large": 20,
    "fluorescence_many": 140,
    "stained": 37,
}


@pytest.fixture(scope="module")
def network(tmp_path_factory):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return pretrained.nucleus(model_dir=tmp_path_factory.mktemp("logs"))


@pytest.fixture(scope="module")
def examples():
    return pretrained.nucleus_examples()


def full_id(name):
    (image_id,) = (x for x in VAL_IDS if x.startswith(IDS[name]))
    return image_id


def number_of(examples, name):
    return next(i for i in examples.image_ids if examples.image_info[i]["id"] == name)


def test_the_file_is_small_and_of_half_precision():
    path = pretrained.path("nucleus")
    assert path.stat().st_size <= 12e6
    kinds = set()
    with h5py.File(path) as file:
        file.visititems(lambda _, item: kinds.add(getattr(item, "dtype", None)))
    assert kinds == {None, np.dtype(np.float16)}


def test_the_json_beside_it_tells_all_there_is():
    run = read_run_config(pretrained.path("nucleus"))
    assert run.path == HOME / "nucleus.json"
    assert pretrained.class_names("nucleus") == ["BG", "nucleus"] == run.class_names
    config = pretrained.nucleus_config()
    assert config.to_dict() == run.config
    assert (config.IMAGE_MIN_DIM, config.IMAGE_MIN_SCALE) == (64, 2)  # twice, from 32
    assert (config.IMAGE_RESIZE_MODE, config.BATCH_SIZE) == ("pad64", 1)


def test_each_call_gives_a_config_of_its_own():
    pretrained.nucleus_config().MEAN_PIXEL[0] = 7
    pretrained.class_names("nucleus").append("more")
    assert pretrained.nucleus_config().MEAN_PIXEL[0] != 7
    assert len(pretrained.class_names("nucleus")) == 2


def test_the_error_for_an_unknown_name_lists_those_there_are():
    with pytest.raises(ValueError, match=r"name='cells'.*there is .*nucleus"):
        pretrained.path("cells")


def test_it_loads_without_a_tensor_left_over(network):
    config, model = network
    assert model.config is config and model.mode == "inference"
    report = model.load_weights("nucleus")
    assert len(report.matched) > 100 and report.summary().count(" 0 ") == 4


def test_it_finds_most_nuclei_of_a_picture_it_has_not_seen(network, examples):
    i = number_of(examples, "fluorescence")
    masks, _ = examples.load_mask(i)
    found = network.model.detect([examples.load_image(i)])[0]
    overlaps = compute_overlaps_masks(masks, found["masks"])
    right = int((overlaps.max(axis=1, initial=0) >= 0.5).sum())
    assert right >= 20, f"{right} of {masks.shape[-1]} nuclei"
    wrong = int((overlaps.max(axis=0, initial=0) < 0.5).sum())
    assert wrong <= 6, f"{wrong} of {found['masks'].shape[-1]} detections"


def test_it_can_be_trained_on(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        config, model = pretrained.nucleus("training", tmp_path)
    assert model.mode == "training" and config.IMAGE_RESIZE_MODE == "crop"
    assert config.IMAGE_SHAPE.tolist() == [256, 256, 3]
    config.validate(2)


def test_examples_are_four_pictures_with_every_nucleus(examples):
    assert examples.class_names == ["BG", "nucleus"]
    counts = {}
    for i in examples.image_ids:
        masks, class_ids = examples.load_mask(i)
        assert set(class_ids) == {1}
        assert examples.load_image(i).shape == (*masks.shape[:2], 3)
        assert masks.any(axis=(0, 1)).all() and masks.sum(axis=-1).max() == 1
        counts[examples.image_info[i]["id"]] = len(class_ids)
    assert counts == COUNTS


def test_examples_were_not_trained_on_and_the_readme_names_them():
    readme = (HOME / "examples" / "nucleus" / "README.md").read_text(encoding="utf-8")
    for name in IDS:
        image_id = full_id(name)
        line = next(x for x in readme.splitlines() if f"`{name}.png`" in x)
        assert image_id in line and f"| {COUNTS[name]} |" in line
    assert "BBBC038v1" in readme and "CC0" in readme


def test_examples_are_the_originals(shared, examples):
    from mrcnn.data.formats.mask_folders import MaskFolderDataset

    originals = MaskFolderDataset()
    folder = shared / "data" / "nucleus" / "stage1_train"
    split = {"validation": [full_id(name) for name in IDS]}
    originals.load_mask_folders(folder, "val", split, "nucleus", source="nucleus")
    originals.prepare()
    assert originals.num_images == len(IDS)
    for name in IDS:
        i, j = number_of(examples, name), number_of(originals, full_id(name))
        np.testing.assert_array_equal(examples.load_image(i), originals.load_image(j))
        np.testing.assert_array_equal(
            examples.load_mask(i)[0], originals.load_mask(j)[0]
        )


def test_an_installation_has_every_file():
    tree = ast.parse((ROOT / "setup.py").read_text(encoding="utf-8"))
    values = {
        node.targets[0].id: node.value
        for node in tree.body
        if isinstance(node, ast.Assign)
    }
    patterns = ast.literal_eval(values["BUNDLED"])
    assert '"mrcnn.pretrained": BUNDLED' in ast.unparse(tree).replace("'", '"')
    names = [p.relative_to(HOME) for p in HOME.rglob("*") if p.is_file()]
    names = [p for p in names if p.suffix not in (".py", ".pyc")]
    assert len(names) >= 11
    for name in names:
        # A star of package_data doesn't reach over a slash.
        fits = (
            fnmatch(name.as_posix(), pattern)
            and len(name.parts) == pattern.count("/") + 1
            for pattern in patterns
        )
        assert any(fits), f"{name} isn't in BUNDLED of setup.py"
