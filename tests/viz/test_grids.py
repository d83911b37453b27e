"""Several pictures beside each other."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from mrcnn import visualize
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.viz.grids import rows_of
from tests.viz.scenes import NAMES, crops_of, patches, scene, shown


def test_images_fill_a_grid(shows):
    images = [np.zeros((4, 5, 3), np.uint8), np.ones((4, 5)), np.zeros((4, 5, 1))]
    visualize.display_images(images, titles=["a", "b", "c"], cols=2, cmap="gray")
    axes = shows[0].axes
    assert len(axes) == 4
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", ""]
    assert shown(axes[2]).shape == (4, 5)
    assert not axes[3].images


def test_images_may_be_none_at_all(shows):
    visualize.display_images([])
    assert len(shows) == 1
    with pytest.raises(ValueError, match="1 titles for 0 images"):
        visualize.display_images([], titles=["a"])


def test_top_masks_are_sorted_by_area(shows):
    image, _, masks, _, _ = scene(3)
    visualize.display_top_masks(image, masks, np.array([1, 2, 2]), NAMES, limit=3)
    axes = shows[0].axes
    assert [ax.get_title() for ax in axes] == ["H x W = 40 x 70", "dog", "cat", "-"]
    dogs = shown(axes[1])
    np.testing.assert_array_equal(dogs > 0, masks[:, :, 1:].any(axis=2))
    assert sorted(np.unique(dogs)) == [0, 1, 2]  # a shade an instance


def test_top_masks_of_an_image_without_objects(shows):
    image, _, masks, class_ids, _ = scene(0)
    visualize.display_top_masks(image, masks, class_ids, NAMES, limit=2)
    assert [ax.get_title() for ax in shows[0].axes[1:]] == ["-", "-"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_truth_and_detections_stand_side_by_side(tmp_path, shows, count):
    image, boxes, masks, class_ids, _ = scene()
    scores = np.array([0.9, 0.3])  # the second one isn't drawn
    found = {"rois": boxes, "masks": masks, "class_ids": class_ids, "scores": scores}
    examples = [(image, masks, class_ids, found)] * count
    visualize.display_truth_and_detections(examples, NAMES)
    titles = [ax.get_title() for ax in shows[0].axes if ax.get_title()]
    assert titles == [
        f"{i + 1}: {what}" for i in range(count) for what in ("truth", "detected")
    ]
    for left, right in zip(shows[0].axes[::2], shows[0].axes[1::2], strict=True):
        if left.images:
            assert len(patches(left, Rectangle)) == 2
            (detected,) = patches(right, Rectangle)
            # One class, one color.
            first = patches(left, Rectangle)[0]
            assert detected.get_edgecolor() == first.get_edgecolor()
    path = tmp_path / "both.png"
    visualize.display_truth_and_detections(examples, NAMES, 0.2, save_path=path)
    assert path.exists()


@pytest.mark.parametrize("form", ["crop", "rle", None])
def test_detections_may_have_masks_in_any_form(shows, form):
    image, boxes, masks, class_ids, scores = scene()
    forms = {"crop": crops_of(masks, boxes), "rle": masks_to_rles(masks), None: None}
    found = {"rois": boxes, "class_ids": class_ids, "scores": scores}
    found["masks"] = forms[form]
    examples = [(image, masks, class_ids, found)]
    visualize.display_truth_and_detections(examples, NAMES, min_score=0.6)
    detected = shown(shows[0].axes[1])
    painted = (detected != image).any(axis=2)
    expected = np.zeros_like(painted) if form is None else masks[:, :, 0]
    np.testing.assert_array_equal(painted, expected)


def test_rows_of_masks_keep_their_form():
    _, boxes, masks, _, _ = scene(3)
    rows = np.array([2, 0])
    np.testing.assert_array_equal(rows_of(masks, rows), masks[:, :, [2, 0]])
    crops = crops_of(masks, boxes)
    assert rows_of(crops, rows) == [crops[2], crops[0]] and rows_of(None, rows) is None


def test_the_truth_of_an_image_without_objects(shows):
    image, _, _, _, _ = scene()
    nothing = np.zeros((0, 0, 0), bool)  # as Dataset.load_mask says it
    ids = np.zeros(0, np.int32)
    found = {"rois": np.zeros((0, 4)), "masks": [], "class_ids": ids, "scores": ids}
    visualize.display_truth_and_detections([(image, nothing, ids, found)], NAMES)
    titles = [ax.get_title() for ax in shows[0].axes[:2]]
    assert titles == ["1: truth (no instances)", "1: detected (no instances)"]


def test_grids_are_saved_without_being_shown(tmp_path, shows):
    image, _, masks, class_ids, _ = scene()
    visualize.display_images([image], save_path=tmp_path / "a.png")
    visualize.display_top_masks(
        image, masks, class_ids, NAMES, save_path=tmp_path / "b.png"
    )
    assert {path.name for path in tmp_path.iterdir()} == {"a.png", "b.png"}
    assert shows == []


def test_masks_must_fit_the_class_ids():
    image, _, masks, _, _ = scene()
    with pytest.raises(ValueError, match=r"\(40, 70, 2\).*\(40, 70, 1\)"):
        visualize.display_top_masks(image, masks, np.array([1]), NAMES)
    with pytest.raises(ValueError, match=r"display_images\(cols\).*from 1"):
        visualize.display_images([image], cols=0)
