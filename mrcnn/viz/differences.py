"""Draws what a detector found, missed and made up in one image."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.evaluation.outcomes import find_outcomes
from mrcnn.geometry.arguments import as_numbers
from mrcnn.geometry.crops import aligned
from mrcnn.viz.canvas import Canvas, open_axes
from mrcnn.viz.draw import apply_mask, as_rgb
from mrcnn.viz.instances import caption_of, captions_of
from mrcnn.viz.mask_forms import checked_boxes, image_shape_of, mask_crops

# Also people who can't see red from green see these apart (after Okabe and Ito).
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
        save_path: write the figure to this file instead of showing it.
        show_label: write class, score and IoU; hundreds of labels hide an image.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    where = "display_differences"
    truth, detections = f"{where}: truth", f"{where}: detections"
    gt_box = checked_boxes(truth, gt_box, class_ids=gt_class_id)
    columns = {"class_ids": pred_class_id, "scores": pred_score}
    pred_box = checked_boxes(detections, pred_box, **columns)
    has_masks = gt_mask is not None and pred_mask is not None
    if not has_masks:
        gt_mask = pred_mask = None
    gt_class_id = as_numbers(gt_class_id, f"{where}(gt_class_id)").reshape(-1)
    pred_class_id = as_numbers(pred_class_id, f"{where}(pred_class_id)").reshape(-1)
    pred_score = as_numbers(pred_score, f"{where}(pred_score)").reshape(-1)
    shape = image_shape_of(image, where)
    gt = mask_crops(gt_mask, gt_box, shape, truth)
    pred = mask_crops(pred_mask, pred_box, shape, detections)
    outcome = find_outcomes(
        gt, gt_class_id, pred, pred_class_id, pred_score, iou_threshold, score_threshold
    )
    painted = as_rgb(image)
    if has_masks and show_mask:
        _paint(painted, outcome, gt, pred)
    rule = f"IoU of {'masks' if has_masks else 'boxes'} at least {iou_threshold:g}"
    title = "\n".join(filter(None, [title, f"Truth and detections, {rule}"]))
    objects = _objects(outcome, gt_class_id, class_names)
    detected = _detected(outcome, gt_class_id, pred_class_id, pred_score, class_names)
    with open_axes(ax, save_path, figsize=(16, 16)) as ax:
        canvas = Canvas(ax, painted, title, len(gt_box) + len(pred_box))
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
            rows = [*detected, *[(len(pred_box) + i, *rest) for i, *rest in objects]]
            canvas.labels(
                np.concatenate([pred_box, gt_box])[[i for i, *_ in rows]],
                [text for *_, text in rows],
                [color for _, color, _ in rows],
            )
        _draw_legend(ax, outcome, score_threshold)


def _paint(image, outcome, gt, pred):
    """Colors the pixels of objects and detections by what was found and missed."""
    for rows, crops, color in (
        (outcome.crowds, gt, IGNORED_COLOR),
        (outcome.ignored, pred, IGNORED_COLOR),
        (outcome.missed, gt, MISSED_COLOR),
        (outcome.false, pred, FALSE_COLOR),
    ):
        for i in rows:
            apply_mask(crops[i].of(image), crops[i].mask, color)
    for i, j in outcome.found:
        on_object, on_detection = aligned(gt[j], pred[i]), aligned(pred[i], gt[j])
        apply_mask(gt[j].of(image), gt[j].mask & on_object, FOUND_COLOR, 0.4)
        apply_mask(gt[j].of(image), gt[j].mask & ~on_object, MISSED_COLOR, 0.8)
        apply_mask(pred[i].of(image), pred[i].mask & ~on_detection, FALSE_COLOR, 0.8)


def _objects(outcome, class_ids, class_names):
    """Returns (row, color, text) of each object; the detection names a found one."""
    names = captions_of(class_ids, class_names)
    return [
        *[(j, FOUND_COLOR, "") for _, j in outcome.found],
        *[(j, MISSED_COLOR, f"missed {names[j]}") for j in outcome.missed],
        *[(j, IGNORED_COLOR, names[j]) for j in outcome.crowds],
    ]


def _detected(outcome, gt_class_ids, class_ids, scores, class_names):
    """Returns (row, color, text) of each detection, the surest first."""
    names = captions_of(class_ids, class_names, scores)
    overlaps, taken = outcome.overlaps, {j for _, j in outcome.found}
    rows = [
        (i, FOUND_COLOR, f"{names[i]}, IoU {overlaps[i, j]:.2f}")
        for i, j in outcome.found
    ]
    for i in outcome.false:
        text = f"false {names[i]}"
        if (iou := overlaps[i].max(initial=0)) > 0:
            # Why: the object it lies on is of another class, or taken, or hardly hit.
            j = int(np.argmax(overlaps[i]))
            text += f", IoU {iou:.2f}"
            if gt_class_ids[j] != class_ids[i]:
                text += f" with {caption_of(gt_class_ids[j], class_names)}"
            elif j in taken:
                text += ", taken"
        rows.append((i, FALSE_COLOR, text))
    rows += [(i, IGNORED_COLOR, f"{names[i]}, on a crowd") for i in outcome.ignored]
    return sorted(rows, key=lambda row: -scores[row[0]])


def _draw_legend(ax, outcome, score_threshold):
    """Writes below the image what the colors mean, and how many there are of each."""
    from matplotlib.patches import Patch

    kinds = [
        (FOUND_COLOR, f"found: {len(outcome.found)}"),
        (MISSED_COLOR, f"missed: {len(outcome.missed)}"),
        (FALSE_COLOR, f"false: {len(outcome.false)}"),
    ]
    crowds, ignored, unsure = map(
        len, (outcome.crowds, outcome.ignored, outcome.unsure)
    )
    if ignored or crowds:
        kinds.append((IGNORED_COLOR, f"crowds: {crowds}, ignored: {ignored}"))
    if unsure:
        kinds.append(("none", f"not drawn, score below {score_threshold:g}: {unsure}"))
    # As many beside each other as fit below these axes.
    width = ax.get_position().width * ax.figure.get_figwidth()
    columns = int(np.clip(width / LEGEND_INCHES, 1, len(kinds)))
    ax.legend(
        handles=[Patch(color=color, label=label) for color, label in kinds],
        loc="upper center",
        bbox_to_anchor=(0.5, -0.01),
        ncols=columns,
        frameon=False,
    )
