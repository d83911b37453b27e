"""Pictures of instances: boxes, masks, classes and scores of one image."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.viz.canvas import Canvas
from mrcnn.viz.draw import Color, apply_mask, as_rgb, instance_colors
from mrcnn.viz.mask_forms import Crop, mask_crops


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
        save_path: write the picture to this file instead of showing it; this needs no
            display.
        color_by: "instance", a color each, or "class", a color each class.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    where = "display_instances"
    boxes = checked_boxes(boxes, where, class_ids, scores, captions)
    crops = mask_crops(masks, boxes, np.shape(image), where)
    colors = chosen_colors(colors, class_ids, class_names, color_by, where)
    if captions is None:
        captions = captions_of(class_ids, class_names, scores)
    real = np.flatnonzero(np.any(boxes != 0, axis=1))
    if len(real) == 0:
        title = f"{title} (no instances)".strip()
    picture = as_rgb(image)
    if masks is not None and show_mask:
        for i in large_first(crops, real):
            apply_mask(crops[i].of(picture), crops[i].mask, colors[i])
    canvas = Canvas(picture, ax, figsize, title, save_path, len(real))
    for i in large_first(crops, real):
        if masks is not None:
            canvas.outline(crops[i], colors[i])
        if show_bbox:
            canvas.box(boxes[i], colors[i], linestyle="dashed", alpha=0.8)
    canvas.labels(boxes[real], [captions[i] for i in real], [colors[i] for i in real])
    canvas.finish()


def caption_of(
    class_id: int, class_names: Sequence[str], score: float | None = None
) -> str:
    """Name of a class, with "(crowd)" if its id is negative, and the score.

    Example:
        >>> caption_of(1, ["BG", "balloon"], 0.987)
        'balloon 0.99'
    """
    index = abs(int(class_id))
    if index >= len(class_names):
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
    """`caption_of` each instance."""
    rows = [None] * len(class_ids) if scores is None else scores
    pairs = zip(class_ids, rows, strict=True)
    return [caption_of(class_id, class_names, score) for class_id, score in pairs]


def large_first(crops: Sequence[Crop], rows: Iterable[int]) -> list[int]:
    """Rows by falling area of their masks: painted so, small ones stay visible."""
    return sorted(rows, key=lambda i: -int(np.count_nonzero(crops[i].mask)))


def chosen_colors(
    colors: Sequence[Color] | None,
    class_ids: Sequence[int],
    class_names: Sequence[str],
    color_by: str,
    where: str,
) -> list[Color]:
    """The colors given, in any of matplotlib's notations, or those of `color_by`."""
    if colors is None:
        return instance_colors(class_ids, class_names, color_by)
    if len(colors) < len(class_ids):
        raise ValueError(
            f"{where}(colors): {len(colors)} colors for {len(class_ids)} boxes; give "
            "one a box."
        )
    from matplotlib.colors import to_rgb

    return [to_rgb(color) for color in colors]


def checked_boxes(
    boxes: np.ndarray,
    where: str,
    class_ids: Sequence[int],
    scores: Sequence[float] | None = None,
    captions: Sequence[str | None] | None = None,
) -> np.ndarray:
    """Boxes as an array [N, 4]; raises ValueError unless there is one row a box."""
    boxes = np.asarray(boxes).reshape(-1, 4)
    if not np.all(np.isfinite(boxes)):
        raise ValueError(
            f"{where}(boxes): box {int(np.argmin(np.isfinite(boxes).all(axis=1)))} "
            "isn't finite; leave it out."
        )
    rows = {"class_ids": class_ids, "scores": scores, "captions": captions}
    for name, values in rows.items():
        if values is not None and len(values) != len(boxes):
            raise ValueError(
                f"{where}({name}): {len(values)} for {len(boxes)} boxes; give one a "
                "box."
            )
    return boxes
