"""benchmarks/tiles.py: the scene, and the detector that finds true masks exactly."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.engine.detection.tiling import tile_boxes
from mrcnn.geometry.crops import Crop
from tests.conftest import ROOT, load_script


@pytest.fixture(scope="module")
def tiles():
    return load_script(ROOT / "benchmarks" / "tiles.py")


def picture(height, width, boxes, ground=20, light=90):
    """An image of bright blocks, and their masks; two corners of each are missing."""
    image = np.full((height, width, 3), ground, np.uint8)
    crops = []
    for y1, x1, y2, x2 in boxes:
        mask = np.ones((y2 - y1, x2 - x1), bool)
        mask[0, 0] = mask[0, -1] = False
        crops.append(Crop((y1, x1, y2, x2), mask))
        crops[-1].of(image)[mask] = light
    return image, crops


@pytest.fixture(scope="module")
def scene(tiles):
    pictures = [
        picture(256, 300, [(0, 0, 20, 30), (100, 250, 190, 300)]),
        picture(280, 256, [(30, 40, 50, 90), (220, 3, 280, 33)], ground=60),
    ]
    return tiles.make_scene(pictures, 1000)


def test_pictures_stand_apart_on_black_and_each_comes_turned_over(tiles, scene):
    assert len(scene.cells) == 9 and sorted(set(scene.used)) == [0, 1]
    is_free = np.ones((1000, 1000), bool)
    looks = set()
    for y1, x1, y2, x2 in scene.cells:
        assert is_free[y1:y2, x1:x2].all()
        is_free[y1:y2, x1:x2] = False
        cell = scene.image[y1:y2, x1:x2].copy()
        looks.add(cell.tobytes())
        cell[tiles.MARGIN : -tiles.MARGIN, tiles.MARGIN : -tiles.MARGIN] = 0
        assert not cell.any()
    assert len(looks) == 9
    assert not scene.image[is_free].any()


def test_true_masks_lie_on_what_is_bright(scene):
    seen = np.zeros((1000, 1000), int)
    for crop in scene.objects:
        crop.of(seen)[crop.mask] += 1
    np.testing.assert_array_equal(seen == 1, scene.image[..., 0] > 0)
    assert set(np.unique(scene.image)) == {0, 100}  # of 20 and 90, of 60 and 90
    assert seen.max() == 1 and len(scene.objects) == 18


def test_the_competition_is_split_as_in_its_sample(tiles, tmp_path, monkeypatch):
    from samples.nucleus import nucleus
    from tests.samples.test_nucleus import write_picture

    monkeypatch.setattr(nucleus, "VAL_IMAGE_IDS", ["b", "d"])
    for number, name in enumerate("abcd"):
        write_picture(tmp_path / "stage1_train", name, number, number)
    for subset, ids in (("val", "bd"), ("train", "ac"), (None, "abcd")):
        dataset = tiles.open_pictures(tmp_path, subset)
        assert "".join(info["id"] for info in dataset.image_info) == ids


def test_other_data_is_opened_whatever_its_format(tiles, tmp_path):
    from tests.test_readme import write_cells

    write_cells(tmp_path / "train", 3, seed=0)
    write_cells(tmp_path / "val", 2, seed=1)
    dataset = tiles.open_pictures(tmp_path, "val")
    assert dataset.num_images == 2 and len(dataset.load_mask(0)[1]) == 2


def test_only_dark_grey_pictures_are_used(tiles):
    grey = picture(64, 64, [(5, 5, 20, 20)])[0]
    assert tiles.is_dark(grey)
    assert not tiles.is_dark(255 - grey)
    assert not tiles.is_dark(grey + np.array([0, 9, 0], np.uint8))


def test_the_true_detector_finds_what_a_tile_shows(tiles, scene):
    detector = tiles.TrueDetector(scene.objects, 1000)
    numbers = np.arange(1000**2).reshape(1000, 1000)
    frames = tile_boxes(1000, 1000, 256, 64)
    for y1, x1, y2, x2 in frames:
        (found,) = detector.detect([numbers[y1:y2, x1:x2]], masks="crop")
        seen = np.zeros((y2 - y1, x2 - x1), bool)
        for box, mask in zip(found["rois"], found["masks"], strict=True):
            assert mask.any(axis=0)[[0, -1]].all() and mask.any(axis=1)[[0, -1]].all()
            Crop(tuple(box), mask).of(seen)[mask] = True
        np.testing.assert_array_equal(seen, scene.image[y1:y2, x1:x2, 0] > 0)


def test_each_object_is_right_once(tiles, scene):
    one, other = scene.objects[:2]
    moved = one._replace(box=tuple(np.add(one.box, (0, 2, 0, 2))))
    crops, scores = [moved, one, other], np.array([0.9, 0.8, 0.7])
    assert tiles.right(crops, scores, scene.objects) == 2
    assert tiles.right([], np.zeros(0), scene.objects) == 0


def test_rows_of_true_masks_in_tiles_have_no_errors(tiles, scene, capsys):
    table = tiles.Table(scene.objects)
    detector = tiles.TrueDetector(scene.objects, 1000)
    numbers = np.arange(1000**2).reshape(1000, 1000)
    true = scene.objects, np.ones(len(scene.objects))
    tiles.add_rows(table, scene, detector, numbers, 256, 64, true)
    lines = capsys.readouterr().out.splitlines()
    first = next(line for line in lines if line.startswith("tiles of 256 px"))
    assert first.split()[4:10] == ["18", "+0.00", "%", "18", "1.000", "1.000"]
    parts = [
        int(line.split("%")[0].split()[-2]) for line in lines if " true" in line[40:]
    ]
    assert sum(parts) == 18
    assert next(line for line in lines if "not merged" in line).split()[2] != "18"
