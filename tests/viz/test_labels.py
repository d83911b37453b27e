"""Where labels go."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.viz.labels import fit_sizes, make_labels, place_label, place_labels

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


def test_labels_without_room_are_left_out_and_never_hidden():
    boxes = np.tile([(50.0, 20.0, 90.0, 60.0)], (40, 1))
    found = place_labels(boxes, np.tile([SIZE], (40, 1)), BOUNDS)
    assert [index for index, _ in found] == list(range(len(found)))  # the first ones
    assert 4 < len(found) < 40
    for i, (_, a) in enumerate(found):
        for _, b in found[:i]:
            width = max(min(a[2], b[2]) - max(a[0], b[0]), 0)
            height = max(min(a[3], b[3]) - max(a[1], b[1]), 0)
            assert width * height <= 0.03 * SIZE[0] * SIZE[1] + 1e-9


def test_every_label_with_room_is_placed():
    left, bottom = np.meshgrid(np.arange(5) * 40.0, np.arange(4) * 25.0)
    corner = np.stack([left.ravel(), bottom.ravel()], axis=1)
    boxes = np.concatenate([corner, corner + (40, 14)], axis=1)
    assert len(place_labels(boxes, np.tile([SIZE], (20, 1)), BOUNDS)) == 20


def test_a_label_of_no_size_is_none():
    boxes = np.array([(0.0, 0.0, 9.0, 9.0), (50.0, 50.0, 60.0, 60.0)])
    (only,) = place_labels(boxes, np.array([(0, 0), SIZE]), BOUNDS)
    assert only[0] == 1


def test_many_labels_become_smaller_but_stay_readable():
    few, many = np.tile([SIZE], (2, 1)), np.tile([SIZE], (20, 1))
    assert fit_sizes(few, BOUNDS, 0.5) == 1.0
    ratio = fit_sizes(many, BOUNDS, 0.5)
    assert 20 * 400 * ratio**2 == pytest.approx(0.2 * 200 * 100)
    assert fit_sizes(np.tile([SIZE], (500, 1)), BOUNDS, 0.5) == 0.5
    assert fit_sizes(np.zeros((0, 2)), BOUNDS, 0.5) == 1.0


def test_what_is_left_out_is_counted_on_the_picture(monkeypatch):
    from matplotlib import pyplot as plt
    from matplotlib.text import Text

    boxes = np.tile([(10, 10, 20, 20)], (100, 1))
    labels = make_labels(boxes, ["circle"] * 100, [(1, 1, 0)] * 100, (40, 80))
    figure, ax = plt.subplots(figsize=(4, 2))
    ax.imshow(np.zeros((40, 80, 3), np.uint8))
    ax.axis("off")
    ax.add_artist(labels)
    drawn = []
    monkeypatch.setattr(Text, "draw", lambda self, _: drawn.append(self.get_text()))
    figure.canvas.draw()
    assert labels.num_left_out == 100 - len(labels.placed) > 0
    assert f"{labels.num_left_out} labels without room" in drawn


def test_labels_follow_when_the_figure_changes():
    from matplotlib import pyplot as plt

    labels = make_labels([(10, 10, 20, 20)], ["circle"], [(1, 1, 0)], (40, 80))
    figure, ax = plt.subplots(figsize=(4, 2), dpi=100)
    ax.imshow(np.zeros((40, 80, 3), np.uint8))
    ax.add_artist(labels)
    figure.canvas.draw()
    before = labels.placed[0]
    figure.canvas.draw()
    assert labels.placed[0] == before
    figure.set_dpi(200)
    figure.canvas.draw()
    np.testing.assert_allclose(labels.placed[0], np.multiply(before, 2), rtol=0.1)


def test_a_dollar_sign_is_no_formula():
    from matplotlib import pyplot as plt

    labels = make_labels([(10, 10, 20, 20)], ["5$ or 6$"], [(1, 1, 0)], (40, 80))
    figure, ax = plt.subplots()
    ax.add_artist(labels)
    figure.canvas.draw()
    assert labels.artists[0].get_parse_math() is False


def test_texts_and_colors_must_fit_the_boxes():
    with pytest.raises(ValueError, match=r"make_labels\(texts\): 1 for 2 boxes"):
        make_labels(np.zeros((2, 4)), ["a"], [(1, 1, 0)] * 2, (40, 80))


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
