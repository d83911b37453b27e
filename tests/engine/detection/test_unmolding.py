from __future__ import annotations

import numpy as np
import pytest

from mrcnn.engine.detection.run_detection import unmold_detections

# unmold_detections: an image of 100 x 200 px was scaled to 32 x 64 and padded to
# 64 x 64: 16 rows above and below.

WINDOW, SHAPE, ORIGINAL = (16, 0, 48, 64), (64, 64, 3), (100, 200, 3)


def norm(*box_px):
    return [(v - d) / 63 for v, d in zip(box_px, (0, 0, 1, 1), strict=True)]


def test_boxes_come_back_into_the_original_image():
    detections = np.zeros([4, 6], np.float32)
    detections[0] = [*norm(16, 0, 48, 64), 2, 0.9]  # the whole image
    detections[1] = [*norm(16, 32, 32, 64), 1, 0.8]  # its upper right quarter
    result = unmold_detections(
        detections, np.ones([4, 28, 28]), ORIGINAL, SHAPE, WINDOW
    )
    # Off by one where norm is no linear map of px (see DESIGN of coordinates).
    np.testing.assert_allclose(
        result["rois"], [[0, 0, 100, 200], [0, 100, 50, 200]], atol=2
    )
    np.testing.assert_array_equal(result["rois"][0], [0, 0, 100, 200])
    np.testing.assert_array_equal(result["class_ids"], [2, 1])
    np.testing.assert_allclose(result["scores"], [0.9, 0.8])
    assert result["masks"].shape == (100, 200, 2)
    assert result["masks"][..., 0].all()
    assert not result["masks"][50:, :, 1].any()


@pytest.mark.parametrize("form", ["full", "crop", "rle", None])
def test_boxes_without_area_are_dropped_with_all_that_is_theirs(form):
    detections = np.zeros([5, 6], np.float32)
    detections[0] = [*norm(20, 10, 30, 20), 1, 0.9]
    detections[1] = [*norm(30, 10, 30, 40), 2, 0.8]  # no height
    detections[2] = [*norm(20, 30, 40, 30), 2, 0.7]  # no width
    detections[3] = [*norm(20, 30, 40, 60), 2, 0.6]
    masks = np.zeros([5, 28, 28])
    masks[3] = 1
    result = unmold_detections(detections, masks, ORIGINAL, SHAPE, WINDOW, form)
    np.testing.assert_allclose(result["scores"], [0.9, 0.6])
    np.testing.assert_array_equal(result["class_ids"], [1, 2])
    assert len(result["rois"]) == 2
    if form == "full":
        np.testing.assert_array_equal(result["masks"].any(axis=(0, 1)), [False, True])
    elif form is not None:
        assert len(result["masks"]) == 2


def test_a_full_list_of_detections_has_no_padding_row():
    detections = np.tile(np.float32([*norm(20, 10, 30, 20), 1, 0.9]), [3, 1])
    result = unmold_detections(detections, None, ORIGINAL, SHAPE, WINDOW, None)
    assert len(result["rois"]) == 3


def test_boxes_end_at_the_border_of_an_image_one_pixel_high():
    """Norm counts from the first to the last pixel, which are one here."""
    detections = np.zeros([3, 6], np.float32)
    detections[0] = [*norm(31, 0, 33, 32), 1, 0.9]
    detections[1] = [*norm(32, 0, 33, 32), 1, 0.8]  # its lower half
    window = (31, 0, 33, 64)
    result = unmold_detections(
        detections, np.ones([3, 28, 28]), (1, 32, 3), SHAPE, window, "crop"
    )
    assert result["rois"][0].tolist() == [0, 0, 1, 16]
    assert (result["rois"] <= [0, 31, 1, 32]).all()
    assert [mask.shape[0] for mask in result["masks"]] == [1] * len(result["rois"])
