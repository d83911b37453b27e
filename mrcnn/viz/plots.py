"""Plots of how good detections are: precision and recall, overlaps."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.arguments import as_number, as_numbers
from mrcnn.viz.canvas import open_axes
from mrcnn.viz.instances import captions_of


def plot_precision_recall(
    AP: float,
    precisions: np.ndarray,
    recalls: np.ndarray,
    ax: Any = None,
    save_path: str | Path | None = None,
) -> None:
    """Show the precision-recall curve of `compute_ap`.

    Args:
        AP: area under the curve, ratio.
        precisions: float [n], ratios.
        recalls: float [n], ratios, rising.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        save_path: write the figure to this file instead of showing it.
    """
    where = "plot_precision_recall"
    AP = as_numbers(AP, f"{where}(AP)").reshape(-1)
    precisions = as_numbers(precisions, f"{where}(precisions)").reshape(-1)
    recalls = as_numbers(recalls, f"{where}(recalls)").reshape(-1)
    if len(AP) != 1 or len(precisions) != len(recalls):
        raise ValueError(
            f"{where}(AP, precisions, recalls): {len(AP)}, {len(precisions)} and "
            f"{len(recalls)} values; give one AP, and one precision a recall."
        )
    with open_axes(ax, save_path) as ax:
        ax.plot(recalls, precisions)
        ax.fill_between(recalls, precisions, alpha=0.2)
        ax.set(xlim=(0, 1.02), ylim=(0, 1.05), xlabel="recall", ylabel="precision")
        ax.set_title(f"Precision-recall curve, AP = {AP[0]:.3f}")
        ax.grid(alpha=0.3)


def plot_overlaps(
    gt_class_ids: np.ndarray,
    pred_class_ids: np.ndarray,
    pred_scores: np.ndarray,
    overlaps: np.ndarray,
    class_names: Sequence[str],
    threshold: float = 0.5,
    ax: Any = None,
    save_path: str | Path | None = None,
) -> None:
    """Show the IoU of each detection with each object as a matrix.

    Padding is left out: objects of class id 0, and detections of class id 0.

    Args:
        gt_class_ids: int [G].
        pred_class_ids: int [N], in the order of the rows of `overlaps`.
        pred_scores: float [N], probability.
        overlaps: float [N, G], IoU.
        class_names: the name of class id i at i.
        threshold: pairs of one class that overlap at least so much are marked "match",
            of two classes "wrong", ratio.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        save_path: write the figure to this file instead of showing it.
    """
    where = "plot_overlaps"
    gt_class_ids = as_numbers(gt_class_ids, f"{where}(gt_class_ids)").reshape(-1)
    pred_class_ids = as_numbers(pred_class_ids, f"{where}(pred_class_ids)").reshape(-1)
    pred_scores = as_numbers(pred_scores, f"{where}(pred_scores)").reshape(-1)
    threshold = as_number(threshold, f"{where}(threshold)")
    gt_class_ids = gt_class_ids[gt_class_ids != 0]
    pred_class_ids = pred_class_ids[pred_class_ids != 0]
    num_rows, num_columns = len(pred_class_ids), len(gt_class_ids)
    overlaps = as_numbers(overlaps, f"{where}(overlaps)", float)
    if len(pred_scores) < num_rows:
        raise ValueError(
            f"{where}(pred_scores): {len(pred_scores)} for {num_rows} detections; give "
            "one a detection."
        )
    if overlaps.shape != (num_rows, num_columns):
        raise ValueError(
            f"plot_overlaps(overlaps): shape {overlaps.shape}, expected (detections, "
            f"objects) = {(num_rows, num_columns)}."
        )
    objects = captions_of(gt_class_ids, class_names)
    detections = captions_of(pred_class_ids, class_names, pred_scores[:num_rows])
    size = (max(4, 1.2 * num_columns + 3), max(3, 0.6 * num_rows + 2))
    with open_axes(ax, save_path, figsize=size, layout="constrained") as ax:
        ax.set(
            title=f"IoU of detections and objects (threshold {threshold:g})",
            xlabel="objects",
            ylabel="detections",
            xlim=(-0.5, max(num_columns, 1) - 0.5),
            ylim=(max(num_rows, 1) - 0.5, -0.5),
        )
        if overlaps.size:
            ax.imshow(overlaps, cmap="Blues", vmin=0, vmax=1, aspect="auto")
        ax.set_xticks(range(num_columns), objects)
        ax.set_yticks(range(num_rows), detections)
        for (row, column), iou in np.ndenumerate(overlaps):
            text = f"{iou:.2f}"
            if iou >= threshold:
                is_same = pred_class_ids[row] == gt_class_ids[column]
                text += "\nmatch" if is_same else "\nwrong"
            style = {"color": "white" if iou > 0.5 else "black", "fontsize": 9}
            ax.text(column, row, text, ha="center", va="center", **style)
