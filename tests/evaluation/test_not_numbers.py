"""NaN in scores and boxes is never a hit."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn.evaluation import (
    coco_metrics,
    compact,
    compute_ap,
    compute_matches,
    find_outcomes,
    rank,
)
from mrcnn.geometry.crops import Crop

NAN = float("nan")
BOX, ONE = np.array([[0, 0, 4, 4]]), np.array([1])
MASK = np.zeros([8, 6, 1], bool)
MASK[:4, :4] = True
TRUTH = {
    "images": [{"id": 1, "height": 8, "width": 6}],
    "categories": [{"id": 1, "name": "a"}],
    "annotations": [
        {"id": 1, "image_id": 1, "category_id": 1}
        | {"bbox": [0, 0, 4, 4], "area": 16, "iscrowd": 0}
    ],
}
GOOD = {"image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4], "score": 0.9}


@pytest.mark.parametrize("wrong", [{"score": NAN}, {"bbox": [0, 0, NAN, 4]}])
def test_coco_counts_no_hit_and_says_so(wrong):
    assert coco_metrics(TRUTH, [GOOD])["AP"] == pytest.approx(1)
    with pytest.warns(UserWarning, match="1 of 1 have NaN"):
        assert coco_metrics(TRUTH, [GOOD | wrong])["AP"] == 0
    with pytest.warns(UserWarning, match="1 of 2 have NaN"):
        assert coco_metrics(TRUTH, [GOOD | wrong, GOOD])["AP"] == pytest.approx(1)


def test_measures_of_one_image_count_no_hit():
    nan = np.array([NAN])
    gt, pred = (BOX, ONE, MASK), (BOX, ONE, nan, MASK)
    assert compute_ap(*gt, *pred)[0] == 0
    assert compute_matches(*gt, *pred, score_threshold=-1)[0].tolist() == [-1]
    crop = [Crop((0, 0, 4, 4), MASK[:4, :4, 0])]
    assert find_outcomes(crop, ONE, crop, ONE, nan).found == []


def test_a_curve_ranks_them_last_and_wrong():
    curve = rank(np.array([NAN, 0.5]), np.array([True, True]), 2)
    assert curve.recall.tolist() == [0.5, 0.5]
    assert curve.precision.tolist() == [1.0, 0.5]


@pytest.mark.parametrize("field", ["rois", "gt_boxes"])
def test_a_record_refuses_boxes_that_are_no_numbers(field):
    record = {"image_id": "a", "height": 8, "width": 6, "gt_class_ids": ONE}
    record |= {"gt_boxes": BOX, "rois": BOX, "class_ids": ONE, "scores": [0.9]}
    compact(record)
    with pytest.raises(ValueError, match=rf"image_id='a'\): {field} 0 is \[nan, 0"):
        compact(record | {field: np.array([[NAN, 0, 4, 4]])})
