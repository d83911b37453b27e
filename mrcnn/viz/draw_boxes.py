"""Pictures of boxes on their way: anchors, proposals, RoIs, and what became of them."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.box_masks import unmold_mask
from mrcnn.viz.canvas import Canvas
from mrcnn.viz.draw import apply_mask, as_rgb, random_colors
from mrcnn.viz.mask_forms import as_crop

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
        save_path: write the picture to this file instead of showing it.

    Raises:
        ValueError: neither boxes nor refined_boxes, or counts that differ.
    """
    if boxes is None and refined_boxes is None:
        raise ValueError("draw_boxes(boxes, refined_boxes): give at least one of them.")
    before = None if boxes is None else np.asarray(boxes).reshape(-1, 4)
    after = None if refined_boxes is None else np.reshape(refined_boxes, (-1, 4))
    last = before if after is None else after
    rows = {"boxes": before, "captions": captions, "visibilities": visibilities}
    for name, values in rows.items():
        if values is not None and len(values) != len(last):
            raise ValueError(
                f"draw_boxes({name}): {len(values)} for {len(last)} boxes; give one "
                "a box."
            )
    visible = [2] * len(last) if visibilities is None else list(visibilities)
    colors = random_colors(len(last))
    colors = [color if visible[i] else GREY for i, color in enumerate(colors)]
    picture = as_rgb(image)
    crops = [] if masks is None else _crops(masks, len(last), picture.shape)
    for crop, color in zip(crops, colors, strict=False):
        apply_mask(crop.of(picture), crop.mask, color)
    canvas = Canvas(picture, ax, (12, 12), title, save_path, len(last))
    for i, color in enumerate(colors):
        style = {
            "linestyle": LINE_STYLES[visible[i]],
            "alpha": 1 if visible[i] else 0.6,
        }
        if before is not None:
            dashed = {"linestyle": "dashed"} if after is not None else {}
            canvas.box(before[i], color, **{**style, **dashed})
        if after is not None and after[i].any():
            canvas.box(after[i], color, **style)
            if before is not None:
                ends = np.stack([before[i], after[i]]) - 0.5
                canvas.ax.plot(ends[:, 1], ends[:, 0], color=color, linewidth=1)
        if crops:
            canvas.outline(crops[i], color)
    canvas.look_around(np.concatenate([b for b in (before, after) if b is not None]))
    if captions is not None:
        canvas.labels(last, captions, colors)
    canvas.finish()


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
        save_path: write the picture to this file instead of showing it.
    """
    rois, class_ids = np.asarray(rois).reshape(-1, 4), np.asarray(class_ids)
    real = np.flatnonzero(np.any(rois != 0, axis=1))
    positive = int(np.sum(class_ids[real] > 0))
    chosen = np.random.default_rng(0).permutation(real)[:limit]
    height, width = np.shape(image)[:2]
    masks = np.zeros((height, width, len(chosen)), bool)
    refined = np.array(refined_rois, float).reshape(-1, 4)[chosen]
    captions = []
    for k, i in enumerate(chosen):
        if class_ids[i] > 0:
            box = np.round(rois[i]).astype(np.int32)
            masks[:, :, k] = unmold_mask(mask[i], box, (height, width))
            captions.append(str(class_names[class_ids[i]]))
        else:
            refined[k] = 0
            captions.append("")
    draw_boxes(
        image,
        boxes=rois[chosen],
        refined_boxes=refined,
        masks=masks,
        captions=captions,
        visibilities=np.where(class_ids[chosen] > 0, 2, 0).tolist(),
        title=f"{len(chosen)} of {len(real)} RoIs: {positive} positive, "
        f"{len(real) - positive} negative",
        ax=ax,
        save_path=save_path,
    )


def _crops(masks, count, image_shape):
    """Tight crops of the masks of a stack [H, W, N]."""
    masks = np.asarray(masks)
    if masks.shape != (*image_shape[:2], count):
        raise ValueError(
            f"draw_boxes(masks): shape {masks.shape}, expected bool [H, W, N] = "
            f"{(*image_shape[:2], count)}; give one mask a box, in the size of the "
            "image."
        )
    return [as_crop(masks[:, :, i]) for i in range(count)]
