"""Pictures of boxes before and after refinement."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Rectangle

from mrcnn import visualize

HEIGHT, WIDTH = 60, 90
IMAGE = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
BEFORE = np.array([(5, 5, 25, 25), (10, 40, 30, 60)])
AFTER = BEFORE + (2, 3, 2, 3)


def rectangles(ax):
    return [patch for patch in ax.patches if isinstance(patch, Rectangle)]


def corners(ax):
    return [tuple(np.add(r.get_xy(), 0.5)) for r in rectangles(ax)]


def test_refined_boxes_are_joined_to_their_boxes(ax):
    visualize.draw_boxes(IMAGE, boxes=BEFORE, refined_boxes=AFTER, ax=ax)
    assert corners(ax) == [(5, 5), (8, 7), (40, 10), (43, 12)]  # x, y
    assert [r.get_linestyle() for r in rectangles(ax)] == ["dashed", "solid"] * 2
    assert ax.lines[0].get_xydata().tolist() == [[4.5, 4.5], [7.5, 6.5]]


@pytest.mark.parametrize("name", ["boxes", "refined_boxes"])
def test_one_kind_of_boxes_is_enough(ax, name):
    visualize.draw_boxes(IMAGE, **{name: BEFORE}, ax=ax, title="anchors")
    assert corners(ax) == [(5, 5), (40, 10)]
    assert ax.get_title() == "anchors" and len(ax.lines) == 0


def test_visibility_sets_color_and_line(ax):
    boxes = np.concatenate([BEFORE, AFTER[:1]])
    visualize.draw_boxes(IMAGE, boxes=boxes, visibilities=[0, 1, 2], ax=ax)
    assert [r.get_linestyle() for r in rectangles(ax)] == ["dotted", "dotted", "solid"]
    is_grey = [len(set(r.get_edgecolor()[:3])) == 1 for r in rectangles(ax)]
    assert is_grey == [True, False, False]


def test_masks_and_captions(ax):
    masks = np.zeros((HEIGHT, WIDTH, 2), bool)
    masks[10:20, 10:20, 0] = True
    visualize.draw_boxes(IMAGE, BEFORE, masks=masks, captions=["a", None], ax=ax)
    ax.figure.canvas.draw()
    picture = np.asarray(ax.images[0].get_array())
    np.testing.assert_array_equal((picture != 90).any(axis=2), masks[:, :, 0])
    (labels,) = [a for a in ax.artists if hasattr(a, "placed")]
    assert len(labels.placed) == 1


def test_no_boxes_are_drawn_as_none(ax):
    visualize.draw_boxes(IMAGE, boxes=np.zeros((0, 4)), captions=[], ax=ax)
    assert rectangles(ax) == []


def test_boxes_must_be_given_and_fit():
    with pytest.raises(ValueError, match="at least one"):
        visualize.draw_boxes(IMAGE)
    with pytest.raises(ValueError, match="1 for 2 boxes"):
        visualize.draw_boxes(IMAGE, boxes=BEFORE, captions=["a"])
    with pytest.raises(ValueError, match=r"draw_boxes\(boxes\): 1 for 2"):
        visualize.draw_boxes(IMAGE, boxes=BEFORE[:1], refined_boxes=AFTER)


def test_an_own_figure_is_shown(shows):
    visualize.draw_boxes(IMAGE, boxes=BEFORE)
    assert len(shows) == 1


ROIS = np.array(
    [
        (5, 5, 25, 25),  # positive
        (10, 40, 30, 60),  # negative
        (30, 10, 50, 30),  # positive
        (0, 0, 0, 0),  # padding
    ]
)
CLASS_IDS = np.array([1, 0, 2, 0])


def draw_rois(ax, **changes):
    arguments = {
        "image": IMAGE,
        "rois": ROIS,
        "refined_rois": ROIS + (1, 1, -1, -1),
        "mask": np.ones((4, 28, 28), np.float32),
        "class_ids": CLASS_IDS,
        "class_names": ["BG", "cat", "dog"],
        "ax": ax,
    }
    visualize.draw_rois(**{**arguments, **changes})


def test_rois_are_counted_in_the_title(ax):
    draw_rois(ax)
    assert ax.get_title() == "3 of 3 RoIs: 2 positive, 1 negative"


def test_masks_fill_positive_rois_only(ax):
    draw_rois(ax)
    picture = np.asarray(ax.images[0].get_array())
    expected = np.zeros((HEIGHT, WIDTH), bool)
    expected[5:25, 5:25] = expected[30:50, 10:30] = True
    np.testing.assert_array_equal((picture != 90).any(axis=2), expected)
    assert len(rectangles(ax)) == 2 + 1 + 2  # the negative has no refined box


def test_limit_draws_the_same_rois_each_time(ax):
    draw_rois(ax, limit=1)
    first = corners(ax)
    ax.clear()
    draw_rois(ax, limit=1)
    assert corners(ax) == first
    assert ax.get_title().startswith("1 of 3")


def test_an_image_without_rois(ax):
    draw_rois(ax, rois=ROIS[3:], refined_rois=ROIS[3:], class_ids=CLASS_IDS[3:])
    assert rectangles(ax) == []
    assert ax.get_title().startswith("0 of 0")
