from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from pycocotools import mask as coco_mask

from mrcnn.data.outlines.run_lengths import draw_runs, read_counts, runs_box
from mrcnn.geometry.masks import extract_bboxes

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

masks = hnp.arrays(bool, hnp.array_shapes(min_dims=2, max_dims=2, max_side=40))


def counts_of(mask):
    """Run lengths, column by column, the background first."""
    pixels = np.concatenate([[False], mask.T.ravel(), [not mask.T.ravel()[-1]]])
    changes = np.flatnonzero(pixels[1:] != pixels[:-1])
    return np.diff(changes, prepend=0).tolist()


@given(masks)
def test_compressed_counts_of_pycocotools_are_read(mask):
    rle = coco_mask.encode(np.asfortranarray(mask, np.uint8))
    assert read_counts(rle["counts"]).tolist() == counts_of(mask)
    assert read_counts(rle["counts"].decode()).tolist() == counts_of(mask)


@given(st.lists(st.integers(0, 2**20), min_size=1, max_size=30))
def test_long_runs_survive_compression(counts):
    size = [1, sum(counts)]
    rle = coco_mask.frPyObjects({"size": size, "counts": counts}, *size)
    assert read_counts(rle["counts"]).tolist() == counts


@given(masks)
def test_box_of_runs_is_tight(mask):
    box = runs_box(np.array(counts_of(mask)), mask.shape[0])
    assert list(box) == extract_bboxes(mask[..., np.newaxis])[0].tolist()


@given(masks, st.data())
def test_any_window_can_be_drawn(mask, data):
    height, width = mask.shape
    y1, x1 = (data.draw(st.integers(0, side - 1)) for side in mask.shape)
    y2, x2 = data.draw(st.integers(y1, height)), data.draw(st.integers(x1, width))
    drawn = draw_runs(np.array(counts_of(mask)), height, (y1, x1, y2, x2))
    assert drawn.dtype == bool and drawn.flags.c_contiguous
    np.testing.assert_array_equal(drawn, mask[y1:y2, x1:x2])


def test_runs_of_no_pixel_make_no_box():
    # 2 rows: background, nothing, background, one pixel, nothing, rest.
    runs = np.array([1, 0, 2, 1, 4, 0])
    assert runs_box(runs, 2) == (1, 1, 2, 2)
    assert runs_box(np.array([8, 0]), 2) == runs_box(np.array([8]), 2) == (0, 0, 0, 0)


@pytest.mark.parametrize(
    ("counts", "said"),
    [
        ("o", "only a part"),  # 'o' says that the number goes on
        ("5é", "no compressed run lengths"),
        ("o" * 20 + "0", "more than 60 bits"),
        ([3, -1, 4], "-1 px long"),
        ([1.5, 2], "whole numbers"),
        ([[1, 2]], r"whole numbers in one list; received int64 \(1, 2\)"),
    ],
)
def test_damaged_counts_are_refused(counts, said):
    with pytest.raises(ValueError, match=said):
        read_counts(counts)
