"""Pictures compared with how they should be: see tests/viz/reference_pictures.py."""

from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn import visualize
from tests.viz.reference_pictures import FOLDER, PICTURES, draw, reference, versions

BLOCK = 4
"""px; means of blocks are compared."""
VISIBLE = 32
"""Of 0..255: a block that differs by more in a channel differs visibly."""
SAME_VERSION = (0.5, 0.008)
"""Mean difference, of 0..255, and share of visibly different blocks at most."""
OTHER_VERSION = (6.0, 0.09)
"""The same with other versions of what draws, whose letters may be higher and wider:
matplotlib 3.10 comes to (4.1, 0.067) from what 3.11 drew."""


def distance(drawn, expected):
    """(mean difference, share of visibly different blocks) of two pictures."""
    first, second = (
        np.asarray(Image.fromarray(picture).reduce(BLOCK), np.float64)
        for picture in (drawn, expected)
    )
    differences = np.abs(first - second)
    return differences.mean(), (differences.max(axis=2) > VISIBLE).mean()


def is_alike(drawn, expected, most=SAME_VERSION):
    if drawn.shape != expected.shape:
        return False
    mean, share = distance(drawn, expected)
    return mean <= most[0] and share <= most[1]


@pytest.mark.parametrize("name", PICTURES)
def test_the_picture_is_as_it_should_be(name, tmp_path):
    drawn, (expected, drawn_by) = draw(name), reference(name)
    path = tmp_path / f"{name}.png"
    Image.fromarray(drawn).save(path)
    assert drawn.shape == expected.shape
    most = SAME_VERSION if drawn_by == versions() else OTHER_VERSION
    assert is_alike(drawn, expected, most), (
        f"{path} is not alike {FOLDER / name}.png: (mean, share) = "
        f"{distance(drawn, expected)}. If the change is meant to be, run "
        f"python -m tests.viz.reference_pictures {name}"
    )


@pytest.mark.parametrize("package", ["matplotlib", "PIL", "cv2"])
def test_pictures_of_another_version_are_not_compared_strictly(monkeypatch, package):
    before = versions()
    monkeypatch.setattr(f"{package}.__version__", "1.23.4")
    assert versions() != before and "1.23" in versions()


def test_every_reference_belongs_to_a_picture():
    assert {path.stem for path in FOLDER.glob("*.png")} == set(PICTURES)


def changed(original, part):
    """display_instances without one part, or with it elsewhere."""

    def display(image, boxes, masks, class_ids, names, scores=None, **options):
        if part == "labels":
            options["captions"] = [""] * len(boxes)
        if part == "an instance":
            boxes = np.where(np.arange(len(boxes))[:, None] == 4, 0, boxes)
        if part == "places":
            boxes = boxes + 3
        if part == "colors":
            options["color_by"] = "class"
        options["show_bbox"] = part != "boxes"
        masks = None if part == "masks" else masks
        original(image, boxes, masks, class_ids, names, scores, **options)

    return display


@pytest.mark.parametrize(
    "part", ["masks", "labels", "boxes", "an instance", "places", "colors"]
)
def test_the_tolerance_does_not_hide_a_part_that_is_lost_or_wrong(monkeypatch, part):
    expected = draw("instances")
    assert is_alike(draw("instances"), expected)
    display = changed(visualize.display_instances, part)
    monkeypatch.setattr(visualize, "display_instances", display)
    assert not is_alike(draw("instances"), expected)


def test_the_tolerance_does_not_hide_a_shift():
    expected, _ = reference("frame")
    assert not is_alike(np.roll(expected, 2, axis=1), expected)
