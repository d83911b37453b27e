"""Which RoIs the heads see: folding, positives of a batch, trimming and padding."""

from __future__ import annotations

import keras
import numpy as np
import pytest
import tensorflow as tf

from mrcnn.nn.roi_selection import (
    FoldRois,
    PadRois,
    PositiveRois,
    TrimRois,
    UnfoldRois,
)
from tests.nn.layer_check import check_layer, dtype_policy


def random(*shape):
    return np.random.default_rng(0).random(shape).astype(np.float32)


@pytest.mark.parametrize("shape", [(1, 1, 2, 3, 4), (3, 5, 2, 3, 4), (2, 0, 2, 3, 4)])
def test_unfold_undoes_fold(shape):
    x = random(*shape)
    (folded,) = check_layer(FoldRois(), x, dynamic_axes=2)
    np.testing.assert_array_equal(folded, x.reshape(-1, *shape[2:]))
    vectors = folded.mean(axis=(1, 2))
    (unfolded,) = check_layer(UnfoldRois(), [folded, x], dynamic_axes=2)
    np.testing.assert_array_equal(unfolded, x)
    (rows,) = check_layer(UnfoldRois(), [vectors, x], dynamic_axes=1)
    np.testing.assert_allclose(rows, x.mean(axis=(2, 3)), rtol=1e-5)


def test_folding_keeps_sizes_of_maps_static():
    # The first convolution of the box head is as large as the map: it must know it.
    x = keras.Input([None, 7, 7, 5])
    folded = FoldRois()(x)
    assert folded.shape == (None, 7, 7, 5)
    assert UnfoldRois()([folded, x]).shape == (None, None, 7, 7, 5)


def positives_of(class_ids, boxes=None, masks=None):
    class_ids = np.array(class_ids, np.int32)
    boxes = random(*class_ids.shape, 4) if boxes is None else boxes
    masks = random(*class_ids.shape, 2, 3) if masks is None else masks
    out = check_layer(PositiveRois(), [boxes, class_ids, masks], dynamic_axes=2)
    return boxes, masks, out


def test_positive_rois_of_the_whole_batch_in_order():
    boxes, masks, out = positives_of(
        [
            [3, 1, 0, 0, -1],  # two objects, background, padding
            [0, 0, 0, 0, 0],  # none
            [2, 0, 0, 7, -1],
        ]
    )
    rois, batch_ix, class_ids, picked_masks = out
    assert batch_ix.tolist() == [[0, 0, 2, 2]]
    assert class_ids.tolist() == [[3, 1, 2, 7]]
    where = ([0, 0, 2, 2], [0, 1, 0, 3])
    np.testing.assert_array_equal(rois[0], boxes[where])
    np.testing.assert_array_equal(picked_masks[0], masks[where])
    assert [x.dtype.name for x in out] == ["float32", "int32", "int32", "float32"]


def test_positive_rois_when_all_are():
    boxes, masks, out = positives_of([[1, 2, 3]])
    np.testing.assert_array_equal(out[0], boxes)
    np.testing.assert_array_equal(out[1], [[0, 0, 0]])
    np.testing.assert_array_equal(out[3], masks)


@pytest.mark.parametrize("class_ids", [[[0, -1]], [[0, 0], [-1, 0], [0, 0]]])
def test_positive_rois_of_a_batch_without_objects_are_one_zero_row(class_ids):
    # Class 0 carries no mask loss; the row keeps the mask head from an empty batch.
    _, _, (rois, batch_ix, ids, masks) = positives_of(class_ids)
    np.testing.assert_array_equal(rois, np.zeros((1, 1, 4)))
    np.testing.assert_array_equal(masks, np.zeros((1, 1, 2, 3)))
    assert batch_ix.tolist() == ids.tolist() == [[0]]


def test_positive_rois_stay_float32_under_mixed_precision():
    boxes = np.full((1, 1, 4), 1 / 3, np.float32)
    with dtype_policy("mixed_bfloat16"):
        out = PositiveRois()([boxes, np.array([[1]], np.int32), random(1, 1, 2, 3)])
    np.testing.assert_array_equal(out[0], boxes)


def detections(*counts, rows=4):
    """Zero padded detections, as many valid rows an image as `counts` says."""
    out = np.zeros((len(counts), rows, 6), np.float32)
    for image, count in enumerate(counts):
        out[image, :count] = random(count, 6)
        out[image, :count, 4] = 2
    return out


@pytest.mark.parametrize(
    ("counts", "kept"),
    [
        ((1, 3, 0), 3),  # the largest number decides
        ((0,), 1),  # one zero row is left
        ((0, 0), 1),
        ((4, 2), 4),  # full
    ],
)
def test_trim_rois_keeps_as_many_rows_as_the_fullest_image(counts, kept):
    rows = detections(*counts)
    (boxes,) = check_layer(TrimRois(), rows, dynamic_axes=2)
    np.testing.assert_array_equal(boxes, rows[:, :kept, :4])


@pytest.mark.parametrize("k", [1, 3, 5])
def test_pad_rois_appends_zero_rows(k):
    x = random(2, k, 3, 3, 2)
    (padded,) = check_layer(PadRois(5), x, dynamic_axes=2)
    assert padded.shape == (2, 5, 3, 3, 2)
    np.testing.assert_array_equal(padded[:, :k], x)
    np.testing.assert_array_equal(padded[:, k:], 0)


def test_pad_rois_undoes_trim_rois():
    rows = detections(1, 3)
    np.testing.assert_array_equal(PadRois(4)(TrimRois()(rows)), rows[..., :4])


def test_pad_rois_refuses_more_rows_than_it_has_room_for():
    with pytest.raises((ValueError, tf.errors.InvalidArgumentError)):
        PadRois(2)(random(1, 3, 4))
