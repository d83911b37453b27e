"""Figures of an EvaluationResult, as png files."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.evaluation.records import TITLES

MAX_LEGEND = 20
"""Classes that get a curve of their own; with more, only the mean is drawn."""
MAX_WRITTEN = 30
"""Classes up to which the counts stand in the cells of the confusion matrix."""


def write_figures(result: Any, folder: Any) -> list[Path]:
    """Writes pr_, ap_ and confusion_{kind}.png and returns their paths.

    Args:
        result: an EvaluationResult.
        folder: made if it isn't there.
    """
    folder = Path(folder)
    folder.mkdir(parents=True, exist_ok=True)
    figures = {"pr": _draw_curves, "ap": _draw_classes, "confusion": _draw_confusion}
    paths = []
    for kind in result:
        for name, draw in figures.items():
            paths.append(folder / f"{name}_{kind}.png")
            draw(result, kind, TITLES[kind]).savefig(paths[-1], dpi=120)
    return paths


def _figure(width: float, height: float) -> tuple[Any, Any]:
    """Returns a figure that pyplot doesn't know (nothing to close), and its axes."""
    from matplotlib.figure import Figure

    figure = Figure(figsize=(width, height), layout="constrained")
    return figure, figure.add_subplot()


def _draw_curves(result, kind, title):
    """Draws precision over recall: the mean at three IoUs, and each class at 0.5."""
    figure, axes = _figure(7, 5)
    rows = [row for row in result.per_class() if row["objects"]]
    if 1 < len(rows) <= MAX_LEGEND:
        for row in rows:
            curve = result.curve(kind, row["class_id"])
            label = f"{row['name']}, {row[kind]['AP50']:.3f}"
            axes.plot(curve.recall, curve.precision, lw=1, alpha=0.7, label=label)
    for iou, style in ((0.5, "-"), (0.75, "--"), (0.9, ":")):
        curve = result.curve(kind, iou=iou)
        label = f"mean at IoU {iou:g}, {np.mean(curve.precision):.3f}"
        axes.plot(curve.recall, curve.precision, "k" + style, lw=2, label=label)
    axes.set(xlim=(0, 1), ylim=(0, 1.02), xlabel="recall", ylabel="precision")
    axes.set_title(f"Precision over recall, {title} (COCO; behind the name: AP)")
    axes.grid(alpha=0.3)
    axes.legend(fontsize=7)
    return figure


def _draw_classes(result, kind, title):
    """Draws AP and AP50 of each class that has objects."""
    rows = [row for row in result.per_class() if row["objects"]]
    rows.sort(key=lambda row: row[kind]["AP"])
    figure, axes = _figure(7, 1.5 + 0.22 * max(len(rows), 4))
    places = np.arange(len(rows))
    for name, color in (("AP50", "#c6dbef"), ("AP", "#2171b5")):
        axes.barh(places, [row[kind][name] for row in rows], color=color, label=name)
    labels = [f"{row['name']} ({row['objects']})" for row in rows]
    axes.set_yticks(places, labels, fontsize=7)
    axes.set(xlim=(0, 1), xlabel="ratio")
    axes.set_title(f"AP by class, {title} (objects)")
    axes.grid(axis="x", alpha=0.3)
    axes.legend(fontsize=7, loc="lower right")
    return figure


def _draw_confusion(result, kind, title):
    """Draws true classes down, detected ones across, colored by share of the row."""
    matrix = result.confusion_matrix(kind)
    ids = [0, *result.class_names]
    matrix = matrix[np.ix_(ids, ids)]
    labels = ["background", *result.class_names.values()]
    side = 2.5 + 0.3 * min(len(ids), 80)
    figure, axes = _figure(side + 1, side)
    share = matrix / np.maximum(matrix.sum(axis=1, keepdims=True), 1)
    image = axes.imshow(share, cmap="Blues", vmin=0, vmax=1)
    figure.colorbar(image, ax=axes, label="share of the row", fraction=0.05)
    size = 8 if len(ids) <= MAX_WRITTEN else 5
    axes.set_xticks(range(len(ids)), labels, rotation=90, fontsize=size)
    axes.set_yticks(range(len(ids)), labels, fontsize=size)
    if len(ids) <= MAX_WRITTEN + 1:
        for i, j in np.argwhere(matrix):
            color = "white" if share[i, j] > 0.5 else "black"
            text = {"ha": "center", "va": "center", "fontsize": 7, "color": color}
            axes.text(j, i, str(matrix[i, j]), **text)
    axes.set(xlabel="detected", ylabel="true")
    axes.set_title(f"Confusion, {title} at IoU 0.5, score 0.5", fontsize=10)
    return figure
