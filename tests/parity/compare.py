"""What counts as equal: the tolerances of parity/README.md, and nothing wider."""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.boxes import compute_overlaps

# Tensors, element by element; the second is relative to the tensor's own scale.
RTOL, ATOL = 1e-3, 1e-4
# Detections, as sets.
MIN_IOU, MAX_SCORE_ERROR = 0.99, 1e-3
# Scores this near are a tie: float32 does not tell which comes first. Measured errors
# of probabilities are at most 6e-6.
TIE = 1e-5


def allowance(expected) -> float:
    """Returns the absolute tolerance of a tensor."""
    return ATOL * float(np.max(np.abs(expected), initial=0.0))


def errors(actual, expected) -> tuple[float, float]:
    """Returns the greatest error and the greatest error in units of its tolerance."""
    actual, expected = np.asarray(actual, float), np.asarray(expected, float)
    if actual.shape != expected.shape:
        raise AssertionError(f"shape {actual.shape}, expected {expected.shape}")
    error = np.abs(actual - expected)
    tolerance = RTOL * np.abs(expected) + allowance(expected)
    ratio = error / np.where(tolerance > 0, tolerance, np.finfo(float).tiny)
    return float(error.max(initial=0.0)), float(ratio.max(initial=0.0))


def assert_close(actual, expected, name: str) -> None:
    """Asserts that a tensor is inside its tolerance, element by element."""
    error, ratio = errors(actual, expected)
    # A NaN is not at most 1 either.
    assert ratio <= 1, f"{name}: error {error:.3g}, {ratio:.3g} times its tolerance"


def align(rois, scores, expected) -> np.ndarray:
    """Returns int [R]: for each expected proposal, the row of ours that it is.

    Proposals come by falling score. Where two scores are a tie, their rows may be
    swapped; any other difference in the order is an error.

    Args:
        rois: [R, 4], norm, ours.
        scores: [R], of our proposals.
        expected: [R, 4], norm.
    """
    assert rois.shape == expected.shape
    bound = RTOL * np.abs(expected) + allowance(expected)
    rows = np.full(len(expected), -1)
    in_place = (np.abs(rois - expected) <= bound).all(axis=1)
    rows[in_place] = np.flatnonzero(in_place)
    free = np.flatnonzero(~in_place)
    for i in np.flatnonzero(~in_place):
        same = free[(np.abs(rois[free] - expected[i]) <= bound[i]).all(axis=1)]
        assert len(same), f"proposal {i}, {expected[i]}, is not among ours"
        rows[i] = same[0]
        free = free[free != same[0]]
        gap = abs(float(scores[i]) - float(scores[rows[i]]))
        assert gap <= TIE, f"proposal {i} is our {rows[i]}, with a score {gap} away"
    return rows


def match(boxes, class_ids, scores, old_boxes, old_class_ids, old_scores) -> np.ndarray:
    """Returns int [n]: for each old detection, ours that it is, or -1.

    Same class, IoU >= 0.99, scores within 1e-3; each of ours once.

    Args:
        boxes: [m, (y1, x1, y2, x2)], any frame; class_ids [m]; scores [m].
        old_boxes: [n, (y1, x1, y2, x2)], same frame; and so on.
    """
    fits = compute_overlaps(old_boxes, boxes) >= MIN_IOU
    fits &= np.asarray(old_class_ids)[:, None] == np.asarray(class_ids)[None]
    gaps = np.abs(np.asarray(old_scores)[:, None] - np.asarray(scores)[None])
    gaps = np.where(fits & (gaps <= MAX_SCORE_ERROR), gaps, np.inf)
    found = np.full(len(gaps), -1)
    for i in range(len(gaps)):
        j = int(gaps[i].argmin())
        if np.isfinite(gaps[i, j]):
            found[i] = j
            gaps[:, j] = np.inf
    return found


def match_rows(detections, expected, image_shape) -> np.ndarray:
    """Returns `match` of detections [D, (y1, x1, y2, x2, class_id, score)], norm.

    In px: there a box that the border left no extent in norm is one pixel wide.
    """
    sides = np.array([*image_shape[:2], *image_shape[:2]]) - 1
    boxes, old = (x[:, :4] * sides + [0, 0, 1, 1] for x in (detections, expected))
    return match(
        *(boxes, detections[:, 4], detections[:, 5]),
        *(old, expected[:, 4], expected[:, 5]),
    )


def is_cut_tie(score: float, scores, limit: int) -> bool:
    """Tells whether a detection may be missing because the list was full.

    DETECTION_MAX_INSTANCES cuts the list; of detections whose scores tie with the last
    one of the list either may be in it.

    Args:
        score: of the missing detection.
        scores: of the list that lacks it.
        limit: DETECTION_MAX_INSTANCES.
    """
    return len(scores) == limit and abs(float(score) - float(np.min(scores))) <= TIE
