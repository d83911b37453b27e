"""Several pictures beside each other: images, masks of classes, truth and result."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.geometry.masks import extract_bboxes
from mrcnn.viz.canvas import finish, new_figure
from mrcnn.viz.draw import as_rgb, instance_colors
from mrcnn.viz.instances import caption_of, display_instances


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
        save_path: write the picture to this file instead of showing it.
    """
    titles = [""] * len(images) if titles is None else titles
    if len(titles) != len(images):
        raise ValueError(
            f"display_images(titles): {len(titles)} titles for {len(images)} images; "
            "give one an image."
        )
    if cols < 1:
        raise ValueError(f"display_images(cols={cols}): at least one image a row.")
    images = [np.asarray(image) for image in images]
    rows = max(1, math.ceil(len(images) / cols))
    size = (14, rows * _row_height(images, 14 / cols))
    figure = new_figure(save_path, figsize=size, layout="constrained")
    axes = figure.subplots(rows, cols, squeeze=False)
    for ax in axes.ravel():
        ax.axis("off")
    for ax, image, title in zip(axes.ravel(), images, titles, strict=False):
        if image.ndim == 3:
            image = image[:, :, 0] if image.shape[2] == 1 else as_rgb(image)
        ax.imshow(image, cmap=cmap, norm=norm, interpolation=interpolation)
        ax.set_title(title, fontsize=9)
    finish(figure, True, save_path)


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
        save_path: write the picture to this file instead of showing it.
    """
    mask, class_ids = np.asarray(mask) != 0, np.asarray(class_ids)
    if mask.ndim != 3 or mask.shape[2] != len(class_ids):
        raise ValueError(
            f"display_top_masks(mask): shape {mask.shape}, expected bool [H, W, N] "
            f"with N = {len(class_ids)}, the number of class ids."
        )
    areas = {
        class_id: np.count_nonzero(mask[:, :, class_ids == class_id])
        for class_id in np.unique(class_ids)
    }
    top = sorted(areas, key=areas.get, reverse=True)[:limit]
    image = as_rgb(image)
    images, titles = [image], ["H x W = {} x {}".format(*image.shape[:2])]
    for i in range(limit):
        if i < len(top):
            # Each instance in another shade: 1, 2, ...
            chosen = mask[:, :, class_ids == top[i]]
            shades = np.zeros(image.shape[:2], np.int64)
            for k in range(chosen.shape[2]):
                shades[chosen[:, :, k]] = k + 1
            images.append(shades)
            titles.append(caption_of(top[i], class_names))
        else:
            images.append(np.zeros(image.shape[:2], np.int64))
            titles.append("-")
    display_images(images, titles, cols=limit + 1, cmap="Blues_r", save_path=save_path)


def display_truth_and_detections(
    examples: Iterable[tuple[np.ndarray, np.ndarray, np.ndarray, dict]],
    class_names: Sequence[str],
    min_score: float = 0.5,
    save_path: str | Path | None = None,
) -> None:
    """Show images in two columns, each with its truth and, beside it, detections.

    With several classes, the color tells the class.

    Args:
        examples: (image, masks, class_ids, detection) each: uint8 [H, W, 3], the truth
            as `Dataset.load_mask` returns it, and the dict that `detect` returns, with
            masks in any form.
        class_names: the name of class id i at i.
        min_score: detections below this probability aren't drawn.
        save_path: write the picture to this file instead of showing it.
    """
    examples = list(examples)
    rows = max(1, math.ceil(len(examples) / 2))
    size = (16, rows * _row_height([example[0] for example in examples], 4))
    figure = new_figure(save_path, figsize=size, layout="constrained")
    axes = figure.subplots(rows, 4, squeeze=False)
    for ax in axes.ravel():
        ax.axis("off")
    pairs = zip(axes.reshape(-1, 2), examples, strict=False)
    for i, ((left, right), (image, masks, class_ids, found)) in enumerate(pairs):
        display_instances(
            image,
            extract_bboxes(masks),
            masks,
            class_ids,
            class_names,
            title=f"{i + 1}: truth",
            ax=left,
            colors=instance_colors(class_ids, class_names),
        )
        sure = np.flatnonzero(np.asarray(found["scores"]) >= min_score)
        display_instances(
            image,
            found["rois"][sure],
            rows_of(found["masks"], sure),
            found["class_ids"][sure],
            class_names,
            found["scores"][sure],
            title=f"{i + 1}: detected",
            ax=right,
            colors=instance_colors(found["class_ids"][sure], class_names),
        )
    finish(figure, True, save_path)


def rows_of(masks: Any, rows: np.ndarray) -> Any:
    """Some of the masks of a detection, in the form they have.

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
    """Inches that images of this width and their titles need: the median."""
    shapes = [np.shape(image)[:2] for image in images]
    ratios = [height / max(width, 1) for height, width in shapes] or [1.0]
    return width * float(np.clip(np.median(ratios), 0.2, 5)) + 0.3
