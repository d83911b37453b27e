"""Grids of images: plain, with the masks of classes, with truth and detections."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.arguments import as_list, as_numbers, as_whole
from mrcnn.geometry.masks import extract_bboxes
from mrcnn.viz.canvas import open_grid
from mrcnn.viz.draw import as_rgb
from mrcnn.viz.instances import caption_of, display_instances
from mrcnn.viz.mask_forms import checked_stack, image_shape_of

MAX_COLUMNS = 1000  # images beside each other


def display_images(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    cols: int = 4,
    cmap: Any = None,
    norm: Any = None,
    interpolation: str | None = None,
    save_path: str | Path | None = None,
) -> None:
    """Show images in a grid.

    Args:
        images: [H, W], [H, W, 1] or [H, W, 3] each, uint8 or 0..1.
        titles: one text an image.
        cols: images a row.
        cmap: matplotlib's color map of images with one channel.
        norm: matplotlib's normalization of these.
        interpolation: matplotlib's interpolation.
        save_path: write the figure to this file instead of showing it.
    """
    images = as_list(images, "display_images(images)")
    if titles is None:
        titles = [""] * len(images)
    titles = as_list(titles, "display_images(titles)")
    if len(titles) != len(images):
        raise ValueError(
            f"display_images(titles): {len(titles)} titles for {len(images)} images; "
            "give one an image."
        )
    cols = as_whole(cols, "display_images(cols)", low=1, high=MAX_COLUMNS)
    for i, image in enumerate(images):
        where = f"display_images(images[{i}])"
        if 0 in image_shape_of(image, where):
            raise ValueError(f"{where}: shape {np.shape(image)} has no pixel.")
    images = [np.asarray(image) for image in images]
    rows = max(1, math.ceil(len(images) / cols))
    size = (14, rows * _row_height(images, 14 / cols))
    with open_grid(rows, cols, save_path, size) as axes:
        for ax, image, title in zip(axes.flat, images, titles, strict=False):
            if image.ndim == 3:
                image = image[:, :, 0] if image.shape[2] == 1 else as_rgb(image)
            ax.imshow(image, cmap=cmap, norm=norm, interpolation=interpolation)
            ax.set_title(title, fontsize=9)


def display_top_masks(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    limit: int = 4,
    save_path: str | Path | None = None,
) -> None:
    """Show an image beside the masks of the classes that cover the most of it.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        mask: bool [H, W, N].
        class_ids: int [N].
        class_names: the name of class id i at i.
        limit: number of classes; places that no class fills stay empty.
        save_path: write the figure to this file instead of showing it.
    """
    where = "display_top_masks"
    image, limit = as_rgb(image), as_whole(limit, f"{where}(limit)", 0, MAX_COLUMNS)
    class_ids = as_numbers(class_ids, f"{where}(class_ids)").reshape(-1)
    shape = (*image.shape[:2], len(class_ids))
    mask = checked_stack(mask, shape, "display_top_masks(mask)") != 0
    areas = {
        class_id: np.count_nonzero(mask[:, :, class_ids == class_id])
        for class_id in np.unique(class_ids)
    }
    top = sorted(areas, key=areas.get, reverse=True)[:limit]
    images, titles = [image], ["H x W = {} x {}".format(*image.shape[:2])]
    for class_id in [*top, *[None] * (limit - len(top))]:
        # Each instance in another shade: 1, 2, ...
        shades = np.zeros(image.shape[:2], np.int64)
        for shade, i in enumerate(np.flatnonzero(class_ids == class_id), start=1):
            shades[mask[:, :, i]] = shade
        images.append(shades)
        titles.append("-" if class_id is None else caption_of(class_id, class_names))
    display_images(images, titles, cols=limit + 1, cmap="Blues_r", save_path=save_path)


def display_truth_and_detections(
    examples: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, dict]],
    class_names: Sequence[str],
    min_score: float = 0.5,
    save_path: str | Path | None = None,
) -> None:
    """Show images in two columns, each with its truth and, beside it, detections.

    With several classes, each class has its color; with one, each instance.

    Args:
        examples: (image, masks, class_ids, detection) each: uint8 [H, W, 3], the truth
            as `Dataset.load_mask` returns it, and the dict that `detect` returns, with
            masks in any form.
        class_names: the name of class id i at i.
        min_score: detections below this probability aren't drawn.
        save_path: write the figure to this file instead of showing it.
    """
    examples = list(examples)
    rows = max(1, math.ceil(len(examples) / 2))
    size = (16, rows * _row_height([example[0] for example in examples], 4))
    color_by = "class" if len(class_names) > 2 else "instance"
    with open_grid(rows, 4, save_path, size) as axes:
        pairs = zip(axes.reshape(-1, 2), examples, strict=False)
        for i, (two_axes, (image, masks, class_ids, found)) in enumerate(pairs):
            sure = np.flatnonzero(np.asarray(found["scores"]) >= min_score)
            boxes, ids, scores = (
                found[key][sure] for key in ("rois", "class_ids", "scores")
            )
            truth = (extract_bboxes(masks), masks, class_ids, class_names)
            detected = (boxes, rows_of(found["masks"], sure), ids, class_names, scores)
            for ax, parts, name in zip(
                two_axes, (truth, detected), ("truth", "detected"), strict=True
            ):
                style = {"title": f"{i + 1}: {name}", "color_by": color_by}
                display_instances(image, *parts, ax=ax, **style)


def rows_of(masks: Any, rows: np.ndarray) -> Any:
    """Returns some of the masks of a detection, in the form they have.

    Args:
        masks: bool [H, W, N], a list of N, or None.
        rows: int [n].
    """
    if masks is None:
        return None
    if hasattr(masks, "shape"):
        return masks[:, :, rows]
    return [masks[i] for i in rows]


def _row_height(images, width):
    """Returns the height of a row, inches: the median of its images, and a title."""
    shapes = [np.shape(image)[:2] for image in images]
    ratios = [height / max(width, 1) for height, width in shapes] or [1.0]
    return width * float(np.clip(np.median(ratios), 0.2, 5)) + 0.3
