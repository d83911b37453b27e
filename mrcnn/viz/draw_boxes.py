"""Draws anchors, proposals and RoIs, before and after refinement."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.arguments import as_list, as_numbers, as_whole
from mrcnn.geometry.box_masks import unmold_mask
from mrcnn.geometry.boxes import as_boxes
from mrcnn.geometry.masks import crop_masks
from mrcnn.viz.canvas import Canvas, open_axes
from mrcnn.viz.draw import apply_mask, as_rgb, random_colors
from mrcnn.viz.instances import caption_of
from mrcnn.viz.mask_forms import (
    check_counts,
    checked_boxes,
    checked_stack,
    image_shape_of,
)

GREY = (0.6, 0.6, 0.6)
# By visibility 0, 1, 2.
LINE_STYLES = ("dotted", "dotted", "solid")


def draw_boxes(
    image: np.ndarray,
    boxes: np.ndarray | None = None,
    refined_boxes: np.ndarray | None = None,
    masks: np.ndarray | None = None,
    captions: Sequence[str | None] | None = None,
    visibilities: Sequence[int] | None = None,
    title: str = "",
    ax: Any = None,
    save_path: str | Path | None = None,
) -> None:
    """Show boxes before and after refinement, joined by a line.

    Around the image there is a margin for boxes that leave it.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        boxes: [N, (y1, x1, y2, x2)], px, dashed if there are refined ones.
        refined_boxes: [N, (y1, x1, y2, x2)], px, solid.
        masks: bool [H, W, N].
        captions: N texts, written at the refined box, else at the box.
        visibilities: N times 0 (grey and dotted), 1 (colored and dotted) or 2
            (colored and solid).
        title: text above the image.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        save_path: write the figure to this file instead of showing it.

    Raises:
        ValueError: neither boxes nor refined_boxes, or counts that differ.
    """
    if boxes is None and refined_boxes is None:
        raise ValueError("draw_boxes(boxes, refined_boxes): give at least one of them.")
    where = "draw_boxes"
    before = after = None
    if boxes is not None:
        before = as_boxes(boxes, f"{where}(boxes)", None).reshape(-1, 4)
    if refined_boxes is not None:
        after = as_boxes(refined_boxes, f"{where}(refined_boxes)", None)
        after = after.reshape(-1, 4)
    last = before if after is None else after
    count = len(last)
    visible = [2] * count
    if visibilities is not None:
        visible = [
            as_whole(value, f"{where}(visibilities)", 0, 2)
            for value in as_list(visibilities, f"{where}(visibilities)")
        ]
    check_counts(where, count, boxes=before, captions=captions, visibilities=visible)
    colors = random_colors(count)
    colors = [color if visible[i] else GREY for i, color in enumerate(colors)]
    shown = as_rgb(image)
    crops = []
    if masks is not None:
        shape = (*shown.shape[:2], count)
        crops = crop_masks(checked_stack(masks, shape, f"{where}(masks)"))
    for crop, color in zip(crops, colors, strict=False):
        apply_mask(crop.of(shown), crop.mask, color)
    with open_axes(ax, save_path, figsize=(12, 12)) as ax:
        canvas = Canvas(ax, shown, title, count)
        for i, color in enumerate(colors):
            line, alpha = LINE_STYLES[visible[i]], 1 if visible[i] else 0.6
            if before is not None:
                first = line if after is None else "dashed"
                canvas.box(before[i], color, linestyle=first, alpha=alpha)
            if after is not None and after[i].any():
                canvas.box(after[i], color, linestyle=line, alpha=alpha)
                if before is not None:
                    ends = np.stack([before[i], after[i]]) - 0.5
                    ax.plot(ends[:, 1], ends[:, 0], color=color, linewidth=1)
            if crops:
                canvas.outline(crops[i], color)
        given = [boxes for boxes in (before, after) if boxes is not None]
        canvas.look_around(np.concatenate(given))
        if captions is not None:
            canvas.labels(last, captions, colors)


def draw_rois(
    image: np.ndarray,
    rois: np.ndarray,
    refined_rois: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    limit: int = 10,
    ax: Any = None,
    save_path: str | Path | None = None,
) -> None:
    """Show RoIs of a training image with the targets that belong to them.

    Positive RoIs are colored, with refined box, class and mask; negatives are grey.
    The title counts all of them.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        rois: [N, (y1, x1, y2, x2)], px; zero rows are padding.
        refined_rois: [N, (y1, x1, y2, x2)], px.
        mask: float [N, h, w], the mask of each RoI within its box, 0..1.
        class_ids: int [N], 0 or less is background.
        class_names: the name of class id i at i.
        limit: RoIs to draw, chosen at random but always the same ones.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        save_path: write the figure to this file instead of showing it.
    """
    where = "draw_rois"
    rois = checked_boxes(where, rois)
    class_ids = as_numbers(class_ids, f"{where}(class_ids)").reshape(-1)
    refined_rois = as_boxes(refined_rois, f"{where}(refined_rois)", np.float64)
    refined_rois = refined_rois.reshape(-1, 4)
    mask = as_numbers(mask, f"{where}(mask)")
    limit = as_whole(limit, f"{where}(limit)", low=0)
    real = np.flatnonzero(np.any(rois != 0, axis=1))
    if len(real):
        columns = {"refined_rois": refined_rois, "mask": mask, "class_ids": class_ids}
        check_counts(where, len(rois), **columns)
    positive = int(np.sum(class_ids[real] > 0))
    chosen = np.random.default_rng(0).permutation(real)[:limit]
    height, width = image_shape_of(image, where)[:2]
    masks = np.zeros((height, width, len(chosen)), bool)
    refined = refined_rois[chosen]
    ids = class_ids[chosen]
    refined[ids <= 0] = 0
    captions = [caption_of(i, class_names) if i > 0 else "" for i in ids]
    for k in np.flatnonzero(ids > 0):
        box = np.round(rois[chosen[k]]).astype(np.int32)
        masks[:, :, k] = unmold_mask(mask[chosen[k]], box, (height, width))
    visible = np.where(ids > 0, 2, 0).tolist()
    title = f"{len(chosen)} of {len(real)} RoIs: {positive} positive, "
    title += f"{len(real) - positive} negative"
    chosen_rois = (rois[chosen], refined, masks, captions, visible)
    draw_boxes(image, *chosen_rois, title=title, ax=ax, save_path=save_path)
