"""Pictures of instances: what is on the axes, and what isn't."""

from __future__ import annotations

import doctest
import functools
import inspect
import os
import subprocess
import sys

import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

from mrcnn import visualize
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.viz import instances
from tests.viz.scenes import (
    HEIGHT,
    NAMES,
    WIDTH,
    crops_of,
    patches,
    scene,
    shown,
    texts,
)


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("display_images", "images titles=None cols=4 cmap=None norm=None interpolatio"
         "n=None"),
        ("random_colors", "N bright=True"),
        ("apply_mask", "image mask color alpha=0.5"),
        ("display_instances", "image boxes masks class_ids class_names scores=None tit"
         "le='' figsize=(16,16) ax=None show_mask=True show_bbox=True colors=None capt"
         "ions=None"),
        ("display_differences", "image gt_box gt_class_id gt_mask pred_box pred_class_"
         "id pred_score pred_mask class_names title='' ax=None show_mask=True show_box"
         "=True iou_threshold=0.5 score_threshold=0.5"),
        ("draw_rois", "image rois refined_rois mask class_ids class_names limit=10"),
        ("draw_box", "image box color"),
        ("display_top_masks", "image mask class_ids class_names limit=4"),
        ("plot_precision_recall", "AP precisions recalls"),
        ("plot_overlaps", "gt_class_ids pred_class_ids pred_scores overlaps class_name"
         "s threshold=0.5"),
        ("draw_boxes", "image boxes=None refined_boxes=None masks=None captions=None v"
         "isibilities=None title='' ax=None"),
        ("display_table", "table"),
        ("display_weight_stats", "model"),
    ],
)  # fmt: skip
def test_the_door_keeps_the_old_signatures(name, parameters):
    signature = inspect.signature(getattr(visualize, name))
    ours = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}".replace(" ", "")
        for p in signature.parameters.values()
    ]
    assert ours[: len(parameters.split())] == parameters.split()


def test_masks_are_painted_inside_and_nowhere_else(ax):
    image, boxes, masks, class_ids, scores = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores, ax=ax)
    painted = (shown(ax) != image).any(axis=2)
    np.testing.assert_array_equal(painted, masks.any(axis=2))
    assert (image == 90).all()  # the caller's image is left alone


def test_boxes_and_outlines_lie_on_the_pixels(ax):
    image, boxes, masks, class_ids, _ = scene(1)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    (rectangle,) = patches(ax, Rectangle)
    # Columns 2 to 15: from the left side of the first to the right side of the last.
    assert rectangle.get_xy() == (1.5, 9.5)
    assert (rectangle.get_width(), rectangle.get_height()) == (14, 14)
    (outline,) = patches(ax, Polygon)
    assert outline.get_xy().min(axis=0).tolist() == [1.5, 11.5]
    assert outline.get_xy().max(axis=0).tolist() == [15.5, 23.5]


def test_of_a_mask_only_what_lies_in_its_box_is_drawn(ax):
    image, boxes, masks, class_ids, _ = scene(1)
    masks[:] = True
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    y1, x1, y2, x2 = boxes[0]
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[y1:y2, x1:x2] = True
    np.testing.assert_array_equal((shown(ax) != image).any(axis=2), expected)


@pytest.mark.parametrize("form", ["crop", "rle"])
def test_masks_in_every_form_of_detect_give_the_same_picture(form):
    from matplotlib import pyplot as plt

    image, boxes, masks, class_ids, scores = scene(3)
    other = {"crop": crops_of(masks, boxes), "rle": masks_to_rles(masks)}[form]
    axes = plt.subplots(1, 2)[1]
    for ax, given in zip(axes, (masks, other), strict=True):
        visualize.display_instances(
            image, boxes, given, class_ids, NAMES, scores, ax=ax
        )
    np.testing.assert_array_equal(shown(axes[0]), shown(axes[1]))
    outlines = [[p.get_xy().tolist() for p in patches(ax, Polygon)] for ax in axes]
    assert outlines[0] == outlines[1] and len(outlines[0]) == 3


def test_color_by_class_and_by_instance(ax):
    image, boxes, masks, _, _ = scene(3)
    class_ids = np.array([2, 1, -2])  # the last one is a crowd of dogs
    draw = functools.partial(
        visualize.display_instances, image, boxes, None, class_ids, NAMES, ax=ax
    )
    draw(color_by="class")
    first, second, third = (p.get_edgecolor()[:3] for p in patches(ax, Rectangle))
    assert first == third != second
    ax.clear()
    draw()
    assert len({p.get_edgecolor() for p in patches(ax, Rectangle)}) == 3


def test_small_masks_are_painted_over_large_ones(ax):
    image = np.zeros((HEIGHT, WIDTH, 3), np.uint8)
    boxes = np.array([(10, 10, 14, 14), (0, 0, 40, 40)])
    masks = np.zeros((HEIGHT, WIDTH, 2), bool)
    masks[10:14, 10:14, 0] = masks[:40, :40, 1] = True
    visualize.display_instances(
        image, boxes, masks, [1, 1], NAMES, ax=ax, colors=["red", "blue"]
    )
    assert shown(ax)[12, 12].tolist() == [128, 0, 64]


def test_parts_can_be_switched_off(ax):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, show_mask=False, show_bbox=False
    )
    np.testing.assert_array_equal(shown(ax), image)
    assert patches(ax, Rectangle) == []
    assert len(patches(ax, Polygon)) == 2


def test_without_masks_boxes_remain(ax):
    image, boxes, _, class_ids, _ = scene()
    visualize.display_instances(image, boxes, None, class_ids, NAMES, ax=ax)
    assert len(patches(ax, Rectangle)) == 2 and patches(ax, Polygon) == []


def test_labels_name_class_and_score(ax, monkeypatch):
    image, boxes, masks, _, scores = scene()
    visualize.display_instances(
        image, boxes, masks, np.array([2, -1]), NAMES, scores, ax=ax
    )
    assert texts(ax, monkeypatch) == ["dog 0.90", "cat (crowd) 0.50"]


def test_captions_replace_labels(ax, monkeypatch):
    image, boxes, masks, class_ids, scores = scene(3)
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, ax=ax, captions=["x", "", None]
    )
    assert texts(ax, monkeypatch) == ["x"]


def test_colors_may_be_given(ax):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, colors=[(0, 0, 1), "red"]
    )
    assert shown(ax)[15, 5].tolist() == [45, 45, 172]
    assert shown(ax)[15, 25].tolist() == [172, 45, 45]


def test_zero_boxes_are_padding(ax, monkeypatch):
    image, boxes, masks, class_ids, _ = scene()
    boxes[1] = 0
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert len(patches(ax, Rectangle)) == 1
    assert (shown(ax)[:, 20:] == 90).all()
    assert texts(ax, monkeypatch) == ["cat"]


def test_no_instances_are_said_in_the_title(ax):
    image, boxes, masks, class_ids, scores = scene(0)
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, ax=ax, title="street"
    )
    assert ax.get_title() == "street (no instances)"
    np.testing.assert_array_equal(shown(ax), image)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1)])
def test_images_of_one_channel(ax, shape):
    _, boxes, masks, class_ids, _ = scene()
    image = np.full(shape, 90, np.uint8)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert shown(ax).shape == (HEIGHT, WIDTH, 3)
    assert (shown(ax)[~masks.any(axis=2)] == 90).all()


def test_many_instances(ax):
    rng = np.random.default_rng(0)
    y1, x1 = rng.integers(0, 30, 100), rng.integers(0, 60, 100)
    boxes = np.stack([y1, x1, y1 + 8, x1 + 9], axis=1)
    masks = rng.random((HEIGHT, WIDTH, 100)) < 0.01
    class_ids = rng.integers(1, 3, 100)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    ax.figure.canvas.draw()
    assert len(patches(ax, Rectangle)) == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_ids": np.array([1])}, r"class_ids\): 1 for 2 boxes"),
        ({"scores": np.array([1, 1, 1])}, r"scores\): 3 for 2 boxes"),
        ({"captions": ["a"]}, r"captions\): 1 for 2 boxes"),
        ({"colors": [(1, 1, 1)]}, "1 colors for 2 boxes"),
        ({"masks": np.zeros((28, 28, 2), bool)}, r"\(28, 28, 2\).*\(40, 70, 2\)"),
        ({"masks": [np.ones((3, 4)), np.ones((5, 6))]}, r"\(3, 4\) in a list"),
        ({"boxes": np.array([(0, 0, 9, 9), (0, 0, np.nan, 9)])}, "box 1 isn't finite"),
        ({"class_ids": np.array([1, 3])}, r"class_id=3\): class_names has 3"),
        ({"color_by": "score"}, "color_by='score'"),
    ],
)
def test_what_does_not_fit_is_an_error(ax, changes, message):
    image, boxes, masks, class_ids, _ = scene()
    arguments = {"boxes": boxes, "masks": masks, "class_ids": class_ids, **changes}
    with pytest.raises(ValueError, match=message):
        visualize.display_instances(image, class_names=NAMES, ax=ax, **arguments)


def test_own_figures_are_shown_and_given_axes_are_not(ax, shows):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert shows == []
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, figsize=(3, 2))
    (figure,) = shows
    assert figure.get_size_inches().tolist() == [3, 2]


def test_without_a_display_nothing_warns_and_savefig_writes(tmp_path, recwarn):
    from matplotlib import pyplot as plt

    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, figsize=(3, 2))
    plt.savefig(tmp_path / "old.png")
    assert len(np.unique(np.asarray(Image.open(tmp_path / "old.png")))) > 10
    assert [str(warning.message) for warning in recwarn] == []


def test_save_path_writes_and_closes(tmp_path, shows):
    from matplotlib import pyplot as plt

    image, boxes, masks, class_ids, scores = scene()
    path = tmp_path / "new.png"
    before = plt.get_fignums()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, figsize=(3, 2), save_path=path
    )
    assert Image.open(path).width > 100
    assert plt.get_fignums() == before and shows == []


SAVE_ALONE = """
import sys
import numpy as np
from mrcnn import visualize
image, boxes = np.zeros((40, 70, 3), np.uint8), np.array([(5, 5, 30, 30)])
visualize.display_instances(image, boxes, None, [1], ["BG", "a"], save_path=sys.argv[1])
"""


def test_a_path_is_written_without_the_display_that_the_backend_needs(tmp_path):
    path = tmp_path / "folder" / "a.png"
    environment = {k: v for k, v in os.environ.items() if k != "DISPLAY"}
    environment["MPLBACKEND"] = "TkAgg"
    subprocess.run(
        [sys.executable, "-c", SAVE_ALONE, str(path)],
        env=environment,
        check=True,
        timeout=120,
    )
    assert Image.open(path).width > 100


def test_examples_in_docstrings_hold():
    result = doctest.testmod(instances)
    assert result.attempted > 0 and result.failed == 0
