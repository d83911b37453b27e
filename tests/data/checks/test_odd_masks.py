from __future__ import annotations

import cv2
import numpy as np
import pytest
from PIL import Image

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.label_images import LabelImageDataset
from mrcnn.data.formats.mask_folders import MaskFolderDataset

HEIGHT, WIDTH = 90, 120
KINDS = ("turned-over mask", "nested rings", "scattered object")


def disks(*centers, radius=10):
    """Labels 1, 2 ... of disks at (y, x): uint8 [90, 120]."""
    labels = np.zeros([HEIGHT, WIDTH], np.uint8)
    for value, (y, x) in enumerate(centers, start=1):
        cv2.circle(labels, (x, y), radius, value, -1)
    return labels


THREE = disks((20, 20), (60, 40), (40, 90))


class OwnDataset(Dataset):
    """Masks of a user's own `load_mask`: each value of an array is an object."""

    def __init__(self, *labels):
        super().__init__()
        self.add_class("own", 1, "cell")
        self.labels = labels
        for i in range(len(labels)):
            self.add_image("own", i, None)
        self.prepare()

    def load_image(self, image_id):
        return np.full([HEIGHT, WIDTH, 3], image_id, np.uint8)

    def load_mask(self, image_id):
        labels = self.labels[image_id]
        masks = [labels == value for value in np.unique(labels) if value]
        return np.stack(masks, axis=-1), np.ones(len(masks), np.int32)


def label_images(folder, *labels, **options):
    for i, array in enumerate(labels):
        for name, pixels in {"images": array * 0 + i, "labels": array}.items():
            (folder / name).mkdir(exist_ok=True)
            Image.fromarray(pixels).save(folder / name / f"{i}.png")
    dataset = LabelImageDataset()
    dataset.load_label_images(folder, **options)
    dataset.prepare()
    return dataset


def mask_folders(folder, *masks, **options):
    for i, array in enumerate(masks):
        for name, pixels in {"images": array * 0 + i, "masks": array}.items():
            (folder / str(i) / name).mkdir(parents=True)
            Image.fromarray(pixels).save(folder / str(i) / name / "a.png")
    dataset = MaskFolderDataset()
    dataset.load_mask_folders(folder, **options)
    dataset.prepare()
    return dataset


def odd(dataset):
    counts = dataset.validate().counts()
    return {kind: counts[kind] for kind in KINDS if kind in counts}


@pytest.mark.parametrize("make", [label_images, mask_folders])
def test_masks_of_two_values_are_told_and_separated(tmp_path, make):
    masks = [np.where(THREE, 255, 0).astype(np.uint8)] * 3
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    assert odd(make(tmp_path / "a", *masks)) == {"scattered object": 3}
    separate = make(tmp_path / "b", *masks, separate=True)
    assert odd(separate) == {}
    found, _ = separate.load_mask(1)
    assert found.shape == (HEIGHT, WIDTH, 3)
    for value in (1, 2, 3):
        assert (found == (THREE == value)[..., None]).all(axis=(0, 1)).any()


def test_class_maps_are_told():
    classes = [np.isin(THREE, (1, 3)) + 2 * (THREE == 2), (THREE > 0) * 5]
    assert odd(OwnDataset(*classes)) == {"scattered object": 2}


def test_few_objects_of_several_parts_are_not_told():
    hidden = np.where(np.isin(THREE, (1, 3)), 1, THREE)
    assert odd(OwnDataset(*[THREE] * 5, hidden)) == {}


def test_background_taken_for_an_object_is_told(tmp_path):
    black_on_white = np.where(THREE == 1, 0, 255).astype(np.uint8)
    report = mask_folders(tmp_path, black_on_white).validate()
    (problem,) = report.of_kind("turned-over mask")
    assert problem.text == "covers 97 % of the image and touches all four borders"
    assert problem.path.endswith("a.png")
    assert report.ok
    # Background 1, objects from 2; with an object on the border too.
    at_border = disks((20, 20), (60, 0), (40, 90), radius=20)
    assert odd(OwnDataset(at_border + 1)) == {"turned-over mask": 1}
    assert odd(OwnDataset(THREE * 0 + 1)) == {"turned-over mask": 1}


def test_large_objects_are_not_taken_for_the_background():
    large = np.zeros([HEIGHT, WIDTH], np.uint8)
    cv2.ellipse(large, (60, 45), (70, 50), 0, 0, 360, 1, -1)  # over all borders
    large[40:50] = 2  # something before it
    assert large[[0, -1]].any() and large[:, [0, -1]].any()
    assert odd(OwnDataset(large)) == {}


@pytest.mark.parametrize(("blur", "step"), [(1, 1), (3, 1), (3, 40)])
def test_soft_edges_read_as_labels_are_told(blur, step):
    soft = cv2.GaussianBlur(np.where(THREE == 1, 255, 0).astype(np.uint8), (0, 0), blur)
    assert odd(OwnDataset(soft // step)) == {"nested rings": 1}


def test_parts_of_a_cell_are_no_rings():
    cell = disks((45, 60), radius=40)
    for value, radius in ((2, 25), (3, 8)):
        cv2.circle(cell, (60, 45), radius, value, -1)
    assert odd(OwnDataset(cell)) == {}
    # Neither are lines beside one another.
    lines = np.zeros([HEIGHT, WIDTH], np.uint8)
    for value in range(1, 9):
        lines[value * 10, 5:100] = value
    assert odd(OwnDataset(lines)) == {}
