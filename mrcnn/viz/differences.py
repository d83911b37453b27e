"""Truth against detections of one image: what was found, missed and made up."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.evaluation.outcomes import find_outcomes
from mrcnn.viz.canvas import Canvas
from mrcnn.viz.draw import apply_mask, as_rgb
from mrcnn.viz.instances import caption_of, captions_of, checked_boxes
from mrcnn.viz.mask_forms import aligned, mask_crops

# Told apart by eyes that don't tell red from green, too (after Okabe and Ito).
FOUND_COLOR = (0.0, 0.85, 0.5)
MISSED_COLOR = (0.35, 0.65, 1.0)
FALSE_COLOR = (1.0, 0.4, 0.1)
IGNORED_COLOR = (0.75, 0.75, 0.75)
# Width of an entry of the legend.
LEGEND_INCHES = 2.2


def display_differences(
    image: np.ndarray,
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: Any,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: Any,
    class_names: Sequence[str],
    title: str = "",
    ax: Any = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
    save_path: str | Path | None = None,
    show_label: bool = True,
) -> None:
    """Show what a detector found (green), missed (blue) and made up (orange).

    The pixels are colored by the same rule: green where an object and its detection
    agree, blue where the detection leaves a part of the object out, orange where it
    goes over. Boxes of objects are dashed, those of detections solid. Detections below
    the score threshold are only counted. Crowds are grey.

    Deviation: the old package painted truth green and all detections red; where both
    agreed, one covered the other.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        gt_box: [G, (y1, x1, y2, x2)], px; zero rows are padding.
        gt_class_id: int [G]; negative ones are crowds, which no detection can take.
        gt_mask: masks in any form that `display_instances` takes; None compares boxes.
        pred_box: [N, (y1, x1, y2, x2)], px; zero rows are padding.
        pred_class_id: int [N].
        pred_score: float [N], probability.
        pred_mask: as gt_mask; None, here or there, compares boxes.
        class_names: the name of class id i at i.
        title: text above the image, before the counts.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        show_mask: paint the masks; their outlines are drawn in any case.
        show_box: draw the boxes; beside masks, those of found objects are left out.
        iou_threshold: least IoU of a match, ratio.
        score_threshold: least score of a detection that counts, probability.
        save_path: write the picture to this file instead of showing it.
        show_label: write class, score and IoU; hundreds of labels hide an image.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    where = "display_differences"
    gt_box = checked_boxes(gt_box, f"{where}: truth", gt_class_id)
    pred_box = checked_boxes(
        pred_box, f"{where}: detections", pred_class_id, pred_score
    )
    has_masks = gt_mask is not None and pred_mask is not None
    shape = np.shape(image)
    gt = mask_crops(gt_mask if has_masks else None, gt_box, shape, f"{where}: truth")
    pred = mask_crops(
        pred_mask if has_masks else None, pred_box, shape, f"{where}: detections"
    )
    outcomes = find_outcomes(
        gt, gt_class_id, pred, pred_class_id, pred_score, iou_threshold, score_threshold
    )
    picture = as_rgb(image)
    if has_masks and show_mask:
        _paint(picture, outcomes, gt, pred)
    rule = f"IoU of {'masks' if has_masks else 'boxes'} at least {iou_threshold:g}"
    title = "\n".join(filter(None, [title, f"Truth and detections, {rule}"]))
    num_shapes = len(gt_box) + len(pred_box)
    canvas = Canvas(picture, ax, (16, 16), title, save_path, num_shapes)
    detected = _detected(outcomes, gt_class_id, pred_class_id, pred_score, class_names)
    objects = _objects(outcomes, gt_class_id, class_names)
    for rows, boxes, crops, style in (
        (objects, gt_box, gt, "dashed"),
        (detected, pred_box, pred, "solid"),
    ):
        for i, color, _ in rows:
            if has_masks:
                canvas.outline(crops[i], color, linestyle=style)
            # The box of a found object would only double that of its detection.
            is_double = has_masks and boxes is gt_box and color == FOUND_COLOR
            if show_box and not is_double:
                canvas.box(boxes[i], color, linestyle=style, alpha=0.8)
    if show_label:
        # Detections choose their places first, the surest before the others.
        shown = [*[i for i, *_ in detected], *[len(pred_box) + j for j, *_ in objects]]
        rows = [*detected, *objects]
        canvas.labels(
            np.concatenate([pred_box, gt_box])[shown],
            [text for *_, text in rows],
            [color for _, color, _ in rows],
        )
    _legend(canvas.ax, outcomes, score_threshold)
    canvas.finish()


def _paint(picture, outcomes, gt, pred):
    """Color the pixels by what became of them."""
    for rows, crops, color in (
        (outcomes.crowds, gt, IGNORED_COLOR),
        (outcomes.ignored, pred, IGNORED_COLOR),
        (outcomes.missed, gt, MISSED_COLOR),
        (outcomes.false, pred, FALSE_COLOR),
    ):
        for i in rows:
            apply_mask(crops[i].of(picture), crops[i].mask, color)
    for i, j in outcomes.found:
        on_object, on_detection = aligned(gt[j], pred[i]), aligned(pred[i], gt[j])
        apply_mask(gt[j].of(picture), gt[j].mask & on_object, FOUND_COLOR, 0.4)
        apply_mask(gt[j].of(picture), gt[j].mask & ~on_object, MISSED_COLOR, 0.8)
        apply_mask(pred[i].of(picture), pred[i].mask & ~on_detection, FALSE_COLOR, 0.8)


def _objects(outcomes, class_ids, class_names):
    """(row, color, text) of each object; a found one is named by its detection."""
    names = captions_of(class_ids, class_names)
    return [
        *[(j, FOUND_COLOR, "") for _, j in outcomes.found],
        *[(j, MISSED_COLOR, f"missed {names[j]}") for j in outcomes.missed],
        *[(j, IGNORED_COLOR, names[j]) for j in outcomes.crowds],
    ]


def _detected(outcomes, gt_class_ids, class_ids, scores, class_names):
    """(row, color, text) of each detection, the surest first."""
    names = captions_of(class_ids, class_names, scores)
    taken = {j for _, j in outcomes.found}
    rows = [
        (i, FOUND_COLOR, f"{names[i]}, IoU {outcomes.overlaps[i, j]:.2f}")
        for i, j in outcomes.found
    ]
    for i in outcomes.false:
        rows.append((i, FALSE_COLOR, f"false {names[i]}"))
        if outcomes.overlaps.shape[1] == 0 or outcomes.overlaps[i].max() == 0:
            continue
        # Why: the object it lies on is of another class, or taken, or hardly hit.
        j = int(np.argmax(outcomes.overlaps[i]))
        why = f"IoU {outcomes.overlaps[i, j]:.2f}"
        if gt_class_ids[j] != class_ids[i]:
            why += f" with {caption_of(gt_class_ids[j], class_names)}"
        elif j in taken:
            why += ", taken"
        rows[-1] = (i, FALSE_COLOR, f"false {names[i]}, {why}")
    rows += [(i, IGNORED_COLOR, f"{names[i]}, on a crowd") for i in outcomes.ignored]
    return sorted(rows, key=lambda row: -scores[row[0]])


def _legend(ax, outcomes, score_threshold):
    """Say what the colors mean, and how many there are of each, below the image."""
    from matplotlib.patches import Patch

    kinds = [
        (FOUND_COLOR, f"found: {len(outcomes.found)}"),
        (MISSED_COLOR, f"missed: {len(outcomes.missed)}"),
        (FALSE_COLOR, f"false: {len(outcomes.false)}"),
    ]
    if outcomes.ignored or outcomes.crowds:
        count = len(outcomes.ignored)
        kinds.append(
            (IGNORED_COLOR, f"crowds: {len(outcomes.crowds)}, ignored: {count}")
        )
    if outcomes.unsure:
        count = len(outcomes.unsure)
        kinds.append(("none", f"not drawn, score below {score_threshold:g}: {count}"))
    # As many beside each other as there is room for below these axes.
    width = ax.get_position().width * ax.figure.get_figwidth()
    columns = int(np.clip(width / LEGEND_INCHES, 1, len(kinds)))
    ax.legend(
        handles=[Patch(color=color, label=label) for color, label in kinds],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=columns,
        frameon=False,
    )
