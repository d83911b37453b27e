"""The old weights give what they gave in the old package, step by step.

Three images; the tolerances are those of parity/README.md. "given" = a step of ours
that starts from what the old package had before it, so that all of it must agree.
"""

from __future__ import annotations

import numpy as np
import pytest
from pycocotools import mask as coco_masks

from tests.parity.chain import LEVELS, mask_bounds, read_elsewhere, rows_of_expected
from tests.parity.compare import TIE, assert_close, is_cut_tie, match, match_rows

pytestmark = [
    pytest.mark.parity,
    pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning"),  # pycocotools
]

GIVEN_MASKS = 20  # as many small masks are in the files


def decode(counts, shape):
    """Returns bool [H, W] from the run lengths of a mask."""
    rle = {"size": list(shape[:2]), "counts": str(counts).encode()}
    return coco_masks.decode(rle).astype(bool)


# The trunk


def test_image_is_resized_and_padded_alike(run):
    np.testing.assert_array_equal(run.window, run.expected["window"])
    np.testing.assert_array_equal(run.molded_shape, run.expected["molded_shape"])
    assert_close(run.image_meta, run.expected["image_meta"], "image_meta")


def test_anchors_are_the_same_bits(run):
    anchors = run.anchors[run.expected["anchor_sel"]]
    np.testing.assert_array_equal(anchors, run.expected["anchors_sel"])


@pytest.mark.parametrize("level", range(5))
def test_features(run, level):
    x, name = run.feature_maps[level], LEVELS[level]
    assert x.shape == tuple(run.expected[f"{name}_shape"])
    height, width, _ = x.shape
    sample = x[:: height // 8, :: width // 8, ::16]
    assert_close(sample, run.expected[f"{name}_stride"], name)


@pytest.mark.parametrize("name", ["rpn_class", "rpn_bbox"])
def test_rpn(run, name):
    actual = getattr(run, name)[run.expected["anchor_sel"]]
    assert_close(actual, run.expected[f"{name}_sel"], name)


def test_proposals_differ_at_most_in_the_order_of_ties(run):
    rows = rows_of_expected(run)
    assert_close(run.rois[rows], run.expected["rpn_rois"], "rpn_rois")


# The heads


def check_probabilities(probs, expected, rows):
    """Asserts the three largest probabilities and the likeliest class of rois."""
    top = np.sort(probs, axis=1)[rows, -3:]
    assert_close(top, expected["mrcnn_class_top"][rows], "mrcnn_class_top")
    old = expected["mrcnn_class_argmax"]
    for i in rows[probs.argmax(axis=1)[rows] != old[rows]]:
        gap = probs[i].max() - probs[i, old[i]]
        assert gap <= TIE, f"roi {i}: class {probs[i].argmax()}, expected {old[i]}"


def test_probabilities_of_the_given_proposals(run):
    every = np.arange(len(run.given.probs))
    check_probabilities(run.given.probs, run.expected, every)


def test_probabilities_of_our_own_proposals(run):
    elsewhere = read_elsewhere(run)
    # See `read_elsewhere`: none or one of a thousand; two would be no accident.
    assert elsewhere.sum() <= 1
    probs = run.heads.probs[rows_of_expected(run)]
    check_probabilities(probs, run.expected, np.flatnonzero(~elsewhere))


def test_detections_of_the_given_proposals(run):
    # Boxes are the proposals moved by the deltas of the box head, mrcnn_bbox.
    expected = run.expected["detections"]
    rows = match_rows(run.given.detections, expected, run.molded_shape)
    for i in np.flatnonzero(rows < 0):
        score, scores = expected[i, 5], run.given.detections[:, 5]
        assert is_cut_tie(score, scores, len(expected)), f"detection {i} is missing"
    found = rows >= 0
    assert_close(run.given.detections[rows[found]], expected[found], "detections")


def test_masks_of_the_given_detections(run):
    expected = run.expected["mask_of_class"]
    assert len(expected) == GIVEN_MASKS
    assert_close(run.given_masks[:GIVEN_MASKS], expected, "mask_of_class")


# What detect() returns


def test_given_detections_are_unmolded_to_the_same_pixels(run):
    result, expected = run.given_result, run.expected
    for name in ("rois", "class_ids"):
        np.testing.assert_array_equal(result[name], expected[name])
    assert_close(result["scores"], expected["scores"], "scores")
    size = list(run.original_shape[:2])
    for i, rle in enumerate(result["masks"]):
        assert rle["size"] == size
        if rle["counts"] != expected["mask_rle_counts"][i]:
            mask, old = (
                decode(counts, size)
                for counts in (rle["counts"], expected["mask_rle_counts"][i])
            )
            assert old.sum() == expected["mask_area"][i]
            check_mask(run, i, mask, old)


def check_mask(run, i, mask, old):
    """Asserts that a mask differs from the old one only at the threshold."""
    must, may = mask_bounds(run, i)
    for some in (mask, old):
        assert not (must & ~some).any() and not (some & ~may).any(), f"mask {i}"


def test_detect_returns_what_the_old_package_returned(run):
    result, expected = run.result, run.expected
    rows = match(
        *(result["rois"], result["class_ids"], result["scores"]),
        *(expected["rois"], expected["class_ids"], expected["scores"]),
    )
    limit = len(expected["detections"])
    excused = excused_detections(run)
    missing = np.flatnonzero(rows < 0)
    for i in missing:
        is_tie = is_cut_tie(expected["scores"][i], result["scores"], limit)
        assert is_tie or i in excused, f"detection {i} is missing"
    assert sum(i in excused for i in missing) <= 1
    assert len(result["rois"]) == len(expected["rois"])

    size = run.original_shape[:2]
    for i in np.flatnonzero(rows >= 0):
        j = rows[i]
        np.testing.assert_array_equal(result["rois"][j], expected["rois"][i])
        if result["rles"][j]["counts"] != expected["mask_rle_counts"][i]:
            mask = decode(result["rles"][j]["counts"], size)
            check_mask(run, i, mask, decode(expected["mask_rle_counts"][i], size))
        else:
            assert result["areas"][j] == expected["mask_area"][i]


def excused_detections(run):
    """Returns the old detections whose proposal the last bits can move elsewhere.

    `detect` runs another graph than the steps above do, so what its proposals read
    isn't known bit by bit; see `read_elsewhere`.
    """
    expected = run.expected
    excused = set()
    for row in np.flatnonzero(run.fragile):
        same = expected["class_ids"] == expected["mrcnn_class_argmax"][row]
        gap = np.abs(expected["scores"] - expected["mrcnn_class_top"][row, -1])
        excused |= set(np.flatnonzero(same & (gap <= TIE)))
    return excused
