"""Where labels go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.viz.labels import make_labels, place_label

BOUNDS = (0.0, 0.0, 200.0, 100.0)  # left, bottom, right, top
SIZE = (40.0, 10.0)


def test_the_label_sits_on_the_upper_left_corner():
    box = (50.0, 20.0, 120.0, 60.0)
    assert place_label(0, SIZE, BOUNDS, [box], []) == (50, 60, 90, 70)


def test_below_the_box_if_there_is_no_room_above():
    box = (50.0, 20.0, 120.0, 98.0)
    place = place_label(0, SIZE, BOUNDS, [box], [])
    assert place[3] <= box[1]  # under it: hides nothing


def test_inside_a_box_that_fills_the_image():
    assert place_label(0, SIZE, BOUNDS, [BOUNDS], []) == (0, 90, 40, 100)


def test_a_label_at_the_right_border_moves_left():
    box = (180.0, 20.0, 195.0, 40.0)
    place = place_label(0, SIZE, BOUNDS, [box], [])
    assert place[2] <= 200 and place[1] == 40


def test_a_taken_place_is_left_to_the_first():
    box = (50.0, 20.0, 120.0, 60.0)
    first = place_label(0, SIZE, BOUNDS, [box, box], [])
    second = place_label(1, SIZE, BOUNDS, [box, box], [first])
    assert second[0] >= first[2] or second[3] <= first[1] or second[1] >= first[3]


def test_small_boxes_are_not_hidden():
    box, small = (50.0, 20.0, 120.0, 60.0), (52.0, 62.0, 58.0, 68.0)
    x1, y1, x2, y2 = place_label(0, SIZE, BOUNDS, [box, small], [])
    assert x1 >= small[2] or x2 <= small[0] or y1 >= small[3] or y2 <= small[1]


@given(st.floats(-50, 250), st.floats(-50, 150), st.floats(0, 300), st.floats(0, 300))
def test_labels_stay_inside(x, y, width, height):
    box = (x, y, x + width, y + height)
    x1, y1, x2, y2 = place_label(0, SIZE, BOUNDS, [box], [])
    assert 0 <= x1 and x2 <= 200 + 1e-9 and 0 <= y1 and y2 <= 100 + 1e-9


@pytest.mark.parametrize("dpi", [50, 200])
def test_drawn_labels_stay_inside_the_image_and_apart(dpi):
    from matplotlib import pyplot as plt

    boxes = np.array(
        [
            (0, 0, 40, 60),  # in the corner
            (0, 0, 38, 58),  # the same corner
            (10, 75, 30, 80),  # at the right border
            (0, 0, 40, 80),  # all of it
        ]
    )
    labels = make_labels(boxes, ["circle"] * 4, [(1, 1, 0)] * 4, (40, 80))
    figure, ax = plt.subplots(figsize=(6, 4), dpi=dpi)
    ax.imshow(np.zeros((40, 80, 3), np.uint8))
    ax.add_artist(labels)
    figure.canvas.draw()
    left, bottom = ax.transData.transform((-0.5, 39.5))
    right, top = ax.transData.transform((79.5, -0.5))
    assert len(labels.placed) == 4
    for x1, y1, x2, y2 in labels.placed:
        assert left - 0.5 <= x1 < x2 <= right + 0.5
        assert bottom - 0.5 <= y1 < y2 <= top + 0.5
    for i, a in enumerate(labels.placed):
        for b in labels.placed[:i]:
            assert a[0] >= b[2] or b[0] >= a[2] or a[1] >= b[3] or b[1] >= a[3]
    plt.close(figure)


def test_empty_texts_have_no_label_and_hidden_labels_are_not_drawn():
    from matplotlib import pyplot as plt

    boxes = np.array([(0, 0, 10, 10), (10, 10, 20, 20)])
    labels = make_labels(boxes, ["", None], [(1, 1, 0)] * 2, (40, 80))
    hidden = make_labels(boxes, ["a", "b"], [(1, 1, 0)] * 2, (40, 80))
    hidden.set_visible(False)
    figure, ax = plt.subplots()
    ax.add_artist(labels)
    ax.add_artist(hidden)
    figure.canvas.draw()
    assert labels.placed == []
    assert not hasattr(hidden, "placed")
    plt.close(figure)
