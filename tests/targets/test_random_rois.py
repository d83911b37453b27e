"""RoIs drawn at random lie on the image, are no empty boxes, and find the objects."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.geometry.boxes import compute_overlaps
from mrcnn.targets.random_rois import random_rois

SHAPE = (48, 64, 3)  # not square
BOXES = np.array([[10, 10, 20, 30], [30, 40, 48, 64]])  # the second in the corner


def draw(count=200, boxes=BOXES, seed=0, shape=SHAPE):
    return random_rois(shape, count, boxes, rng=np.random.default_rng(seed))


@pytest.mark.parametrize("boxes", [BOXES, BOXES[:1], np.zeros((0, 4))])
def test_rois_lie_on_the_image_and_hold_a_pixel(boxes):
    rois = draw(boxes=boxes)
    assert rois.shape == (200, 4)
    assert rois.dtype == np.int32
    assert (rois[:, :2] >= 0).all()
    assert (rois[:, 2:] <= SHAPE[:2]).all()
    assert (rois[:, 2:] > rois[:, :2]).all()


def test_nine_tenths_lie_near_the_objects_in_their_order():
    rois = draw()
    near, anywhere = rois[:180], rois[180:]
    for part, (y1, x1, y2, x2) in zip(np.split(near, 2), BOXES, strict=True):
        height, width = y2 - y1, x2 - x1
        assert (part[:, 0] >= y1 - height).all()
        assert (part[:, 1] >= x1 - width).all()
        assert (part[:, 2] <= y2 + height).all()
        assert (part[:, 3] <= x2 + width).all()
    reach = np.abs(anywhere - anywhere.mean(axis=0)).max(axis=0)
    assert (reach > 15).all()


def test_some_rois_are_positive_and_many_touch_their_object():
    overlaps = compute_overlaps(draw(count=1000)[:900], BOXES).max(axis=1)
    assert (overlaps >= 0.5).sum() >= 5
    assert (overlaps > 0).mean() > 0.5


def test_whole_image_can_be_drawn():
    rois = draw(count=20_000, boxes=np.zeros((0, 4)), shape=(3, 2))
    assert [0, 0, 3, 2] in rois.tolist()
    assert [2, 1, 3, 2] in rois.tolist()


def test_more_objects_than_rois_leave_rois_anywhere():
    assert draw(count=1).shape == (1, 4)
    assert draw(count=0).shape == (0, 4)


def test_same_seed_same_rois():
    np.testing.assert_array_equal(draw(seed=3), draw(seed=3))
    assert (draw(seed=3) != draw(seed=4)).any()


def test_image_without_pixels_is_refused():
    with pytest.raises(ValueError, match="at least one pixel"):
        draw(shape=(0, 5))
    with pytest.raises(ValueError, match="count"):
        draw(count=-1)
