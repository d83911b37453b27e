"""Draws the instances of one image: boxes, masks, classes and scores."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from mrcnn.geometry.arguments import as_list, as_numbers, as_whole, count_items
from mrcnn.geometry.crops import Crop
from mrcnn.viz.canvas import Canvas, open_axes
from mrcnn.viz.draw import Color, apply_mask, as_rgb, instance_colors
from mrcnn.viz.mask_forms import (
    check_counts,
    checked_boxes,
    image_shape_of,
    mask_crops,
)


def display_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: Any,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    scores: np.ndarray | None = None,
    title: str = "",
    figsize: tuple[float, float] = (16, 16),
    ax: Any = None,
    show_mask: bool = True,
    show_bbox: bool = True,
    colors: Sequence[Color] | None = None,
    captions: Sequence[str | None] | None = None,
    save_path: str | Path | None = None,
    color_by: str = "instance",
) -> None:
    """Show an image with the boxes, masks and labels of its instances.

    Of a mask, what lies inside its box is drawn.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        boxes: [N, (y1, x1, y2, x2)], px of the image; zero rows are padding.
        masks: bool [H, W, N], or N masks in the size of their boxes, or N COCO
            run-length dicts (the forms "full", "crop" and "rle" of `detect`), or None
            to draw boxes only.
        class_ids: int [N]; negative ones are crowds of the class.
        class_names: the name of class id i at i.
        scores: float [N], probability, written behind the name.
        title: text above the image.
        figsize: size of the figure, inches, if `ax` is None.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        show_mask: fill the masks; their outlines are drawn in any case.
        show_bbox: draw the boxes.
        colors: N colors (red, green, blue), 0..1; those of `color_by` by default.
        captions: N texts to write instead of name and score, None or "" for none.
        save_path: write the figure to this file instead of showing it; this needs no
            display.
        color_by: "instance", a color each, or "class", a color each class.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    given = (boxes, masks, class_ids, class_names, scores)
    style = (colors, captions, color_by)
    shown = instances_of("display_instances", image, *given, *style)
    if len(shown.boxes) == 0:
        title = f"{title} (no instances)".strip()
    painted = as_rgb(image)
    if masks is not None and show_mask:
        shown.paint(painted)
    with open_axes(ax, save_path, figsize=figsize) as ax:
        canvas = Canvas(ax, painted, title, len(shown.boxes))
        for i in shown.large_first():
            if masks is not None:
                canvas.outline(shown.crops[i], shown.colors[i])
            if show_bbox:
                style = {"linestyle": "dashed", "alpha": 0.8}
                canvas.box(shown.boxes[i], shown.colors[i], **style)
        canvas.labels(shown.boxes, shown.captions, shown.colors)


class Instances(NamedTuple):
    """The instances of one image, as they are drawn; padding is left out.

    Attributes:
        boxes: [N, (y1, x1, y2, x2)], px.
        crops: N masks; the whole boxes where there are no masks.
        colors: N of them.
        captions: N texts, None or "" for none.
    """

    boxes: np.ndarray
    crops: list[Crop]
    colors: list[Color]
    captions: list[str | None]

    def large_first(self) -> list[int]:
        """Returns rows by falling area: drawn so, small instances stay visible."""
        return sorted(range(len(self.crops)), key=lambda i: -self.crops[i].area)

    def paint(self, image: np.ndarray, alpha: float = 0.5) -> None:
        """Paints all masks into an image, uint8 [H, W, 3]."""
        for i in self.large_first():
            crop = self.crops[i]
            apply_mask(crop.of(image), crop.mask, self.colors[i], alpha)


def instances_of(
    where: str,
    image: np.ndarray,
    boxes: np.ndarray,
    masks: Any,
    class_ids: Sequence[int],
    class_names: Sequence[str],
    scores: Sequence[float] | None,
    colors: Sequence[Color] | None,
    captions: Sequence[str | None] | None,
    color_by: str,
) -> Instances:
    """Returns what `display_instances` and `draw_instances` draw, of their arguments.

    Raises:
        ValueError: counts or shapes that don't fit together; it begins with `where`.
    """
    columns = {"class_ids": class_ids, "scores": scores, "captions": captions}
    boxes = checked_boxes(where, boxes, **columns)
    class_ids = as_numbers(class_ids, f"{where}(class_ids)").tolist()
    if scores is not None:
        scores = as_numbers(scores, f"{where}(scores)")
    crops = mask_crops(masks, boxes, image_shape_of(image, where), where)
    if colors is None:
        colors = instance_colors(class_ids, color_by)
    else:
        colors = [_to_rgb(c, where) for c in as_list(colors, f"{where}(colors)")]
        check_counts(where, len(boxes), colors=(colors := colors[: len(boxes)]))
    if captions is None:
        captions = captions_of(class_ids, class_names, scores)
    real = np.flatnonzero(np.any(boxes != 0, axis=1))
    rows = [[values[i] for i in real] for values in (crops, colors, captions)]
    return Instances(boxes[real], *rows)


def _to_rgb(color: Any, where: str) -> Color:
    """Returns a color of matplotlib as red, green, blue, or raises ValueError."""
    from matplotlib.colors import to_rgb

    try:
        return to_rgb(color)
    except (TypeError, ValueError) as error:
        raise ValueError(f"{where}(colors): {error}.") from error


def caption_of(
    class_id: int, class_names: Sequence[str], score: float | None = None
) -> str:
    """Returns the name of a class, with "(crowd)" if its id is negative, and the score.

    Example:
        >>> caption_of(1, ["BG", "balloon"], 0.987)
        'balloon 0.99'
    """
    index = abs(as_whole(class_id, "caption_of(class_id)"))
    if index >= count_items(class_names, "caption_of(class_names)"):
        raise ValueError(
            f"caption_of(class_id={class_id}): class_names has {len(class_names)} "
            "names, the background's among them; give a name for every class id."
        )
    name = str(class_names[index])
    if class_id < 0:
        name += " (crowd)"
    return name if score is None else f"{name} {score:.2f}"


def captions_of(
    class_ids: Sequence[int],
    class_names: Sequence[str],
    scores: Sequence[float] | None = None,
) -> list[str]:
    """Returns `caption_of` each instance."""
    rows = [None] * len(class_ids) if scores is None else scores
    check_counts("captions_of", len(class_ids), scores=rows)
    pairs = zip(class_ids, rows, strict=True)
    return [caption_of(class_id, class_names, score) for class_id, score in pairs]
