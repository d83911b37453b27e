"""COCO's ways to write boxes and masks, against pycocotools itself."""

from __future__ import annotations

import doctest
import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pycocotools import mask as mask_utils

from mrcnn.evaluation import coco_format
from mrcnn.evaluation.coco_format import (
    crop_to_rle,
    masks_to_rles,
    rle_areas,
    to_coco_ground_truth,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")


@given(
    size=st.tuples(st.integers(1, 9), st.integers(1, 9)),
    seed=st.integers(0, 2**32 - 1),
    density=st.sampled_from([0.0, 0.1, 0.5, 0.9, 1.0]),
)
def test_a_crop_is_written_as_its_full_mask_is(size, seed, density):
    rng = np.random.default_rng(seed)
    y1, y2 = np.sort(rng.integers(0, size[0] + 1, 2))
    x1, x2 = np.sort(rng.integers(0, size[1] + 1, 2))
    full = np.zeros((*size, 1), bool)
    full[y1:y2, x1:x2, 0] = rng.random((y2 - y1, x2 - x1)) < density
    rle = crop_to_rle(full[y1:y2, x1:x2, 0], (y1, x1, y2, x2), *size)
    (expected,) = mask_utils.encode(np.asfortranarray(full, np.uint8))
    assert rle == {**expected, "counts": expected["counts"].decode("ascii")}
    assert masks_to_rles(full) == [rle]
    assert json.loads(json.dumps(rle)) == rle


@pytest.mark.parametrize(
    ("crop", "box"),
    [
        (np.ones((2, 3)), (0, 0, 3, 2)),  # turned
        (np.ones((3, 3)), (2, 2, 5, 5)),  # leaves the image
        (np.ones((1, 1)), (-1, 0, 0, 1)),
    ],
)
def test_a_crop_that_does_not_fit_is_an_error(crop, box):
    with pytest.raises(ValueError, match="crop_to_rle"):
        crop_to_rle(crop, box, 4, 4)


@pytest.mark.parametrize("count", [0, 1, 255, 256, 600])
def test_any_number_of_masks_has_areas(count):
    masks = np.random.default_rng(0).random((3, 4, count)) < 0.5
    areas = rle_areas(masks_to_rles(masks))
    np.testing.assert_array_equal(areas, masks.sum(axis=(0, 1)))


def test_examples_in_docstrings_hold():
    result = doctest.testmod(coco_format)
    assert result.attempted > 0 and result.failed == 0


@pytest.mark.parametrize(
    ("key", "value"),
    [
        *(("iscrowd", "0"), ("iscrowd", None), ("area", -600), ("area", "12")),
        *(("area", float("nan")), ("bbox", []), ("bbox", "0 0 1 1"), ("bbox", None)),
        ("bbox", [0, 0, "1", 1]),
    ],
)
def test_numbers_that_pycocotools_takes_for_others_are_refused(key, value):
    images, categories = [{"id": 1, "height": 8, "width": 8}], [{"id": 1}]
    annotation = {"id": 7, "image_id": 1, "category_id": 1, "bbox": [0, 0, 4, 4]}
    assert to_coco_ground_truth(images, categories, [annotation])["annotations"]
    with pytest.raises(ValueError, match=f"{key} of annotation 7 is "):
        to_coco_ground_truth(images, categories, [{**annotation, key: value}])
