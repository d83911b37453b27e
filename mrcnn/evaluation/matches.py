"""Which detections are right, and average precision of one image.

These measures judge one image at a time by the overlap of masks. They are made for
looking into an image. Numbers to compare with others come from
`mrcnn.evaluation.evaluate`: the mean of `compute_ap` over images, which the old package
called mAP, is not COCO's or VOC's mAP, because

- each image is ranked by itself: a score only counts against those of the same image,
  so whether scores mean the same in all images isn't measured. COCO and VOC rank all
  images together;
- all classes are ranked together, and a common class counts as often as it occurs. COCO
  and VOC take the mean of the APs of the classes;
- an image without objects counts 1 or 0. For COCO and VOC its detections are false
  alarms in the one ranking, and nothing else;
- the area under the envelope of the curve is exact, as in VOC since 2010. COCO takes
  the envelope's mean at the recalls 0, 0.01 ... 1;
- any number of detections counts. COCO looks at the 100 surest of a class and image.

Which detection is right is decided as COCO does, crowds included: the surest first,
each takes the free object of its class that it overlaps the most. (For VOC a detection
is wrong if the object it overlaps the most is taken, even where another is free.)
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from mrcnn.evaluation.outcomes import IGNORED, UNMATCHED, match_crops
from mrcnn.evaluation.overlaps import by_score
from mrcnn.geometry.arguments import as_list, as_number, as_numbers
from mrcnn.geometry.box_masks import as_masks
from mrcnn.geometry.boxes import as_boxes, compute_overlaps
from mrcnn.geometry.crops import crop_overlaps
from mrcnn.geometry.masks import crop_pair


def compute_matches(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.0,
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Returns pairs of detections and objects of one image, each used once.

    Detections choose in the order of their scores: each takes, among the free objects
    of its class, the one whose mask overlaps its own the most, if that is at least
    `iou_threshold`. Zero rows of `gt_boxes` and `pred_boxes` are padding and dropped.

    Args:
        gt_boxes: [G, (y1, x1, y2, x2)], any one frame, zero rows are padding.
        gt_class_ids: int [G]; negative is a crowd, which no detection can take.
        gt_masks: bool [H, W, G].
        pred_boxes: [N, (y1, x1, y2, x2)], the frame of `gt_boxes`.
        pred_class_ids: int [N].
        pred_scores: float [N], probability.
        pred_masks: bool [H, W, N].
        iou_threshold: least IoU of the masks of a pair, ratio.
        score_threshold: detections below this probability take no object.

    Returns:
        gt_match: int32 [G], row of the detection that took the object, or -1. Rows
            count in the order of falling scores.
        pred_match: int32 [N] in the order of falling scores, row of the object, or -1,
            or -2 for a detection of which at least `iou_threshold` lies on a crowd of
            its class.
        overlaps: float32 [N, G], IoU of the masks, rows by falling scores.

    Raises:
        ValueError: the counts of boxes, class ids, scores and masks differ.

    Example:
        >>> mask = np.zeros([4, 4, 1], bool)
        >>> mask[:2, :2] = True
        >>> box = np.array([[0, 0, 2, 2]])
        >>> gt_match, pred_match, overlaps = compute_matches(
        ...     box, np.array([1]), mask, box, np.array([1]), np.array([0.9]), mask
        ... )
        >>> gt_match.tolist(), pred_match.tolist(), overlaps.tolist()
        ([0], [0], [[1.0]])
    """
    _, gt_class_ids, gt_masks = _trim("gt", gt_boxes, gt_class_ids, gt_masks)
    keep, pred_class_ids, pred_masks = _trim(
        "pred", pred_boxes, pred_class_ids, pred_masks
    )
    pred_scores = as_numbers(pred_scores, "compute_matches(pred_scores)").reshape(-1)
    pred_scores = _rows(pred_scores, keep)
    iou_threshold = as_number(iou_threshold, "compute_matches(iou_threshold)")
    score_threshold = as_number(score_threshold, "compute_matches(score_threshold)")
    if len(pred_scores) != len(pred_class_ids):
        raise ValueError(
            f"compute_matches(pred_scores): {len(pred_scores)} scores for "
            f"{len(pred_class_ids)} boxes; give one score a box."
        )
    order = by_score(pred_scores)
    pred, gt = crop_pair(pred_masks, gt_masks, "compute_matches(pred_masks, gt_masks)")
    pred, pred_class_ids = [pred[i] for i in order], pred_class_ids[order]
    overlaps = crop_overlaps(pred, gt)
    sure = slice(int(np.sum(pred_scores >= score_threshold)))
    pred_match = np.full(len(pred), UNMATCHED, np.int32)
    pred_match[sure] = match_crops(
        overlaps[sure],
        pred[sure],
        pred_class_ids[sure],
        gt,
        gt_class_ids,
        iou_threshold,
    )
    gt_match = np.full(len(gt), UNMATCHED, np.int32)
    found = np.flatnonzero(pred_match >= 0)
    gt_match[pred_match[found]] = found
    return gt_match, pred_match, overlaps


def compute_ap(
    gt_boxes: np.ndarray,
    gt_class_ids: np.ndarray,
    gt_masks: np.ndarray,
    pred_boxes: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    pred_masks: np.ndarray,
    iou_threshold: float = 0.5,
) -> tuple[float, np.ndarray, np.ndarray, np.ndarray]:
    """Returns the average precision of one image, the area under its curve.

    Exactly: with the detections that count ranked by falling score (ties as they come),
    and p(k) the part of the first k that is right,

        AP = 1 / G * sum over right detections k of max(p(j) for j >= k),

    G being the number of objects. All classes are ranked together. Crowds aren't
    objects to find, and detections on them don't count (see `compute_matches`, which
    also describes the arguments). How this differs from COCO's AP stands at the top of
    this file.

    Returns:
        ap: float, ratio. Of an image without objects: 1.0 if nothing was detected,
            else 0.0.
        precisions: float64 [n + 2], the envelope (each value is the best precision at
            this recall or a higher one), framed by 0 at both ends.
        recalls: float64 [n + 2], from 0 to 1.
        overlaps: float32 [N, G], IoU of the masks, rows by falling scores.

    Example:
        >>> empty = np.zeros([4, 4, 0], bool)
        >>> no_boxes, none = np.zeros([0, 4]), np.zeros([0], int)
        >>> compute_ap(no_boxes, none, empty, no_boxes, none, none, empty)[0]
        1.0
    """
    gt = (gt_boxes, gt_class_ids, gt_masks)
    pred = (pred_boxes, pred_class_ids, pred_scores, pred_masks)
    _, pred_match, overlaps = compute_matches(*gt, *pred, iou_threshold)
    _, gt_class_ids, _ = _trim("gt", *gt)
    num_objects = int(np.sum(gt_class_ids > 0))
    right = pred_match[pred_match != IGNORED] != UNMATCHED

    found = np.cumsum(right)
    precisions = found / np.arange(1, len(right) + 1)
    recalls = found / max(num_objects, 1)
    precisions = np.concatenate([[0.0], precisions, [0.0]])
    recalls = np.concatenate([[0.0], recalls, [1.0]])
    precisions = np.maximum.accumulate(precisions[::-1])[::-1]
    if num_objects == 0:
        return (0.0 if len(right) else 1.0), precisions, recalls, overlaps
    ap = float(np.sum(np.diff(recalls) * precisions[1:]))
    return ap, precisions, recalls, overlaps


def compute_ap_range(
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    iou_thresholds: Sequence[float] | None = None,
    verbose: int = 1,
) -> float:
    """Returns the mean of `compute_ap` over IoU thresholds 0.50, 0.55 ... 0.95.

    COCO's AP is the mean over the same thresholds, but of another AP (see the top of
    this file).

    Args:
        gt_box: see `compute_matches`, as the next six.
        gt_class_id: int [G].
        gt_mask: bool [H, W, G].
        pred_box: [N, (y1, x1, y2, x2)].
        pred_class_id: int [N].
        pred_score: float [N], probability.
        pred_mask: bool [H, W, N].
        iou_thresholds: ratios to use instead.
        verbose: 1 prints the AP at each threshold, 0 nothing.

    Returns:
        The mean AP, ratio.
    """
    if iou_thresholds is None:
        iou_thresholds = np.linspace(0.5, 0.95, 10)
    where = "compute_ap_range(iou_thresholds)"
    thresholds = as_list(iou_thresholds, where)
    thresholds = [float(as_number(threshold, where)) for threshold in thresholds]
    if not thresholds:
        raise ValueError("compute_ap_range(iou_thresholds=[]): give at least one.")
    gt = (gt_box, gt_class_id, gt_mask)
    pred = (pred_box, pred_class_id, pred_score, pred_mask)
    aps = []
    for threshold in thresholds:
        aps.append(compute_ap(*gt, *pred, iou_threshold=threshold)[0])
        if verbose:
            print(f"AP @{threshold:.2f}:\t {aps[-1]:.3f}")
    mean = float(np.mean(aps))
    if verbose:
        print(f"AP @{thresholds[0]:.2f}-{thresholds[-1]:.2f}:\t {mean:.3f}")
    return mean


def compute_recall(
    pred_boxes: np.ndarray, gt_boxes: np.ndarray, iou: float
) -> tuple[float, np.ndarray]:
    """Returns the part of the objects that boxes find, and which boxes find one.

    A box stands for the one object it overlaps the most, and several boxes may stand
    for one. Classes, scores and crowds play no part, unlike in COCO's AR, which allows
    one detection an object and takes the mean over classes and IoUs.

    Args:
        pred_boxes: [N, (y1, x1, y2, x2)], any one frame.
        gt_boxes: [G, (y1, x1, y2, x2)], the same frame.
        iou: least IoU of a box that finds, ratio.

    Returns:
        recall: float, ratio; 1.0 when there is nothing to find.
        positive_ids: int [k], rows of `pred_boxes` that find an object.

    Example:
        >>> boxes = np.array([[0, 0, 10, 10], [50, 50, 60, 60]])
        >>> recall, rows = compute_recall(boxes[:1], boxes, 0.5)
        >>> recall, rows.tolist()
        (0.5, [0])
    """
    pred_boxes = as_boxes(pred_boxes, "compute_recall(pred_boxes)")
    gt_boxes = as_boxes(gt_boxes, "compute_recall(gt_boxes)")
    iou = as_number(iou, "compute_recall(iou)")
    if len(gt_boxes) == 0:
        return 1.0, np.zeros([0], np.int64)
    if len(pred_boxes) == 0:
        return 0.0, np.zeros([0], np.int64)
    overlaps = compute_overlaps(pred_boxes, gt_boxes)
    positive_ids = np.flatnonzero(overlaps.max(axis=1) >= iou)
    found = np.unique(overlaps[positive_ids].argmax(axis=1))
    return len(found) / len(gt_boxes), positive_ids


def _trim(name, boxes, class_ids, masks):
    """Returns which boxes are no padding (bool [N]), and their class ids and masks."""
    where = f"compute_matches({name}_"
    boxes = as_boxes(boxes, f"{where}boxes)", dtype=None).reshape(-1, 4)
    keep = np.any(boxes != 0, axis=1)
    class_ids = as_numbers(class_ids, f"{where}class_ids)").reshape(-1)
    class_ids = _rows(class_ids, keep)
    masks = as_masks(masks, f"{where}masks)")
    masks = np.moveaxis(_rows(np.moveaxis(masks, -1, 0), keep), 0, -1)
    if not (len(class_ids) == masks.shape[-1] == keep.sum()):
        raise ValueError(
            f"compute_matches({name}_boxes, {name}_class_ids, {name}_masks): "
            f"{int(keep.sum())} boxes, {len(class_ids)} class ids and "
            f"{masks.shape[-1]} masks of shape {masks.shape}; give one class id and "
            "one mask [H, W] a box, masks stacked as [H, W, N]."
        )
    return keep, class_ids, masks


def _rows(values, keep):
    """Returns the rows that aren't padding; shorter values come without any."""
    return values[keep] if len(values) == len(keep) else values
