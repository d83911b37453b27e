"""Curves of a training run: losses, average precision, learning rate."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.config_checks import LOSS_NAMES
from mrcnn.viz.canvas import open_grid
from mrcnn.viz.history import read_history

LOSSES = ("loss", *LOSS_NAMES)
TRAIN_COLOR, VAL_COLOR = "#1f77b4", "#d95f02"
AP_TITLES = {"segm": "AP of masks", "bbox": "AP of boxes"}
"""By the names of EvaluationCallback's numbers, val_segm_AP and so on."""


def plot_training(
    log_dir: str | Path | Mapping[str, Sequence[float]],
    title: str | None = None,
    save_path: str | Path | None = None,
) -> None:
    """Show how a training run went: losses, AP if it was measured, learning rate.

    A panel a number, training and validation in one. The best of a validation curve has
    a dot, and its value stands in the legend. Numbers that custom callbacks added to
    the logs get panels too.

    Args:
        log_dir: folder of a run (`model.log_dir`), in which training keeps its history
            (see `mrcnn.viz.history`); or the dict of numbers by name that `model.train`
            returns as `History.history`.
        title: text above; the name of the folder by default.
        save_path: write the figure to this file instead of showing it.

    Raises:
        FileNotFoundError: there is no history in the folder.
        ValueError: the history has no number to draw.
    """
    if isinstance(log_dir, Mapping):
        history = {name: np.asarray(v, np.float64) for name, v in log_dir.items()}
        longest = max((len(values) for values in history.values()), default=0)
        history.setdefault("epoch", np.arange(1, longest + 1))
    else:
        history = read_history(log_dir)
        title = Path(log_dir).resolve().name if title is None else title
    panels = _panels(history)
    if not panels:
        raise ValueError(
            f"plot_training(log_dir): no losses among {sorted(history)}; give the "
            "folder of a run, or History.history."
        )
    count = len(panels)
    # Four panels a row, or three where that leaves fewer places empty.
    columns = min(count, 3 if count > 4 and -count % 3 < -count % 4 else 4)
    rows = -(-count // columns)
    figsize = (4 * columns, 3 * rows + 0.4)
    with open_grid(rows, columns, save_path, figsize) as axes:
        axes[0, 0].figure.suptitle(title or "Training")
        for ax, (name, curves) in zip(axes.flat, panels.items(), strict=False):
            ax.axis("on")
            _draw_panel(ax, name, curves, history)


def _panels(history):
    """Returns the names of the curves of each panel, by its title."""
    panels = {name: [name, f"val_{name}"] for name in LOSSES}
    for kind, title in AP_TITLES.items():
        panels[title] = [key for key in history if key.startswith(f"val_{kind}_")]
    panels["learning rate"] = ["learning_rate"]
    drawn = {"epoch", "seconds", *(key for keys in panels.values() for key in keys)}
    # What custom callbacks put into the logs.
    for key in history:
        name = key.removeprefix("val_")
        if key not in drawn:
            panels.setdefault(name, [name, f"val_{name}"])
    for title, keys in panels.items():
        panels[title] = [key for key in keys if len(history.get(key, ()))]
    return {title: keys for title, keys in panels.items() if keys}


def _draw_panel(ax, title, keys, history):
    """Draw one panel with its curves."""
    is_ap = title in AP_TITLES.values()
    for key in keys:
        values = history[key]
        epochs = history["epoch"][: len(values)]
        known, is_val = np.isfinite(values), key.startswith("val_")
        if is_ap:
            label, style = key.split("_", 2)[2], {}
        else:
            label = "validation" if is_val else "training"
            style = {"color": VAL_COLOR if is_val else TRAIN_COLOR}
        if is_val and known.any() and (is_ap or title in LOSSES):
            best = np.nanargmax(values) if is_ap else np.nanargmin(values)
            # Numbers beside the dots would cover each other, or other curves.
            label += f", best {values[best]:.3f}"
            ax.plot(epochs[best], values[best], "k.", markersize=7, zorder=3)
        style |= {"marker": "o" if known.sum() <= 30 else None, "markersize": 3}
        ax.plot(epochs[known], values[known], label=label, **style)
    ax.set(title=title, xlabel="epoch")
    if is_ap:
        ax.set_ylim(0, 1)
    elif title in LOSSES:
        ax.set_ylim(bottom=0)
    ax.xaxis.get_major_locator().set_params(integer=True)
    ax.grid(alpha=0.3)
    if len(keys) > 1 or is_ap:
        ax.legend(fontsize=8)
