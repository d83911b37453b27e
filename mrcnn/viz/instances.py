"""Pictures of instances: boxes, masks, classes, scores, and truth beside them."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from mrcnn.evaluation.matches import compute_matches
from mrcnn.geometry.masks import extract_bboxes
from mrcnn.viz.canvas import Canvas, finish
from mrcnn.viz.draw import Color, apply_mask, as_rgb, random_colors

TRUTH_COLOR = (0.0, 1.0, 0.0)
DETECTION_COLOR = (1.0, 0.0, 0.0)


def display_images(
    images: Sequence[np.ndarray],
    titles: Sequence[str] | None = None,
    cols: int = 4,
    cmap: Any = None,
    norm: Any = None,
    interpolation: str | None = None,
) -> None:
    """Show images in a grid.

    Args:
        images: [H, W], [H, W, 1] or [H, W, 3] each, uint8 or 0..1.
        titles: one text an image.
        cols: images a row.
        cmap: matplotlib's color map of images with one channel.
        norm: matplotlib's normalization of these.
        interpolation: matplotlib's interpolation.
    """
    from matplotlib import pyplot as plt

    titles = [""] * len(images) if titles is None else titles
    if len(titles) != len(images):
        raise ValueError(
            f"display_images(titles): {len(titles)} titles for {len(images)} images; "
            "give one an image."
        )
    rows = max(1, math.ceil(len(images) / cols))
    figure, axes = plt.subplots(
        rows, cols, squeeze=False, figsize=(14, 14 * rows / cols), layout="constrained"
    )
    for ax in axes.ravel():
        ax.axis("off")
    for ax, image, title in zip(axes.ravel(), images, titles, strict=False):
        image = np.asarray(image)
        if image.ndim == 3:
            image = image[:, :, 0] if image.shape[2] == 1 else as_rgb(image)
        ax.imshow(image, cmap=cmap, norm=norm, interpolation=interpolation)
        ax.set_title(title, fontsize=9)
    finish(figure, own=True)


def display_instances(
    image: np.ndarray,
    boxes: np.ndarray,
    masks: np.ndarray | None,
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
) -> None:
    """Show an image with the boxes, masks and labels of its instances.

    Args:
        image: [H, W], [H, W, 1] or [H, W, 3], uint8 or 0..1.
        boxes: [N, (y1, x1, y2, x2)], px of the image; zero rows are padding.
        masks: bool [H, W, N], or None to draw none.
        class_ids: int [N]; negative ones are crowds of the class.
        class_names: the name of class id i at i.
        scores: float [N], probability, written behind the name.
        title: text above the image.
        figsize: size of the figure, inches, if `ax` is None.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        show_mask: fill the masks; their outlines are drawn in any case.
        show_bbox: draw the boxes.
        colors: N colors (red, green, blue), 0..1; `random_colors` by default.
        captions: N texts to write instead of name and score, None or "" for none.
        save_path: write the picture to this file instead of showing it.

    Raises:
        ValueError: counts or shapes that don't fit together.
    """
    boxes = np.asarray(boxes).reshape(-1, 4)
    _check(image, boxes, masks, class_ids=class_ids, scores=scores, captions=captions)
    colors = random_colors(len(boxes)) if colors is None else _colors(colors)
    if len(colors) < len(boxes):
        raise ValueError(
            f"display_instances(colors): {len(colors)} colors for {len(boxes)} boxes; "
            "give one a box."
        )
    if captions is None:
        captions = [
            caption_of(class_ids[i], class_names, None if scores is None else scores[i])
            for i in range(len(boxes))
        ]
    real = np.flatnonzero(np.any(boxes != 0, axis=1))
    if len(real) == 0:
        title = f"{title} (no instances)".strip()
    picture = as_rgb(image)
    if masks is not None and show_mask:
        for i in real:
            apply_mask(picture, masks[:, :, i], colors[i])
    canvas = Canvas(picture, ax, figsize, title)
    for i in real:
        if masks is not None:
            canvas.outline(masks[:, :, i], colors[i])
        if show_bbox:
            canvas.box(boxes[i], colors[i], linestyle="dashed", alpha=0.8)
    canvas.labels(boxes[real], [captions[i] for i in real], [colors[i] for i in real])
    canvas.finish(save_path)


def caption_of(
    class_id: int, class_names: Sequence[str], score: float | None = None
) -> str:
    """Name of a class, with "(crowd)" if its id is negative, and the score.

    Example:
        >>> caption_of(1, ["BG", "balloon"], 0.987)
        'balloon 0.99'
    """
    name = str(class_names[abs(int(class_id))])
    if class_id < 0:
        name += " (crowd)"
    return name if score is None else f"{name} {score:.2f}"


def display_differences(
    image: np.ndarray,
    gt_box: np.ndarray,
    gt_class_id: np.ndarray,
    gt_mask: np.ndarray,
    pred_box: np.ndarray,
    pred_class_id: np.ndarray,
    pred_score: np.ndarray,
    pred_mask: np.ndarray,
    class_names: Sequence[str],
    title: str = "",
    ax: Any = None,
    show_mask: bool = True,
    show_box: bool = True,
    iou_threshold: float = 0.5,
    score_threshold: float = 0.5,
) -> None:
    """Show truth in green and detections in red, labeled with score / IoU.

    Args:
        image: uint8 [H, W, 3].
        gt_box: [G, (y1, x1, y2, x2)], px.
        gt_class_id: int [G].
        gt_mask: bool [H, W, G].
        pred_box: [N, (y1, x1, y2, x2)], px.
        pred_class_id: int [N].
        pred_score: float [N], probability.
        pred_mask: bool [H, W, N].
        class_names: the name of class id i at i.
        title: text above the image.
        ax: matplotlib axes to draw on; without, a figure is made and shown.
        show_mask: fill the masks.
        show_box: draw the boxes.
        iou_threshold: least IoU of the masks of a match, ratio.
        score_threshold: detections below this probability match nothing.
    """
    # compute_matches counts detections in the order of falling scores.
    order = np.argsort(-np.asarray(pred_score), kind="stable")
    pred_box, pred_class_id = np.asarray(pred_box)[order], pred_class_id[order]
    pred_score, pred_mask = np.asarray(pred_score)[order], pred_mask[..., order]
    _, pred_match, overlaps = compute_matches(
        gt_box,
        gt_class_id,
        gt_mask,
        pred_box,
        pred_class_id,
        pred_score,
        pred_mask,
        iou_threshold=iou_threshold,
        score_threshold=score_threshold,
    )
    captions = [""] * len(gt_box)
    for i in range(len(pred_box)):
        if i < len(pred_match) and overlaps.shape[1]:
            matched = pred_match[i] >= 0
            iou = overlaps[i, pred_match[i]] if matched else overlaps[i].max()
        else:
            iou = 0.0
        captions.append(f"{pred_score[i]:.2f} / {iou:.2f}")
    display_instances(
        image,
        np.concatenate([np.reshape(gt_box, (-1, 4)), np.reshape(pred_box, (-1, 4))]),
        np.concatenate([gt_mask, pred_mask], axis=-1),
        np.concatenate([gt_class_id, pred_class_id]),
        class_names,
        title=title or "Truth green, detections red; score / IoU",
        ax=ax,
        show_mask=show_mask,
        show_bbox=show_box,
        colors=[TRUTH_COLOR] * len(gt_box) + [DETECTION_COLOR] * len(pred_box),
        captions=captions,
    )


def display_top_masks(
    image: np.ndarray,
    mask: np.ndarray,
    class_ids: np.ndarray,
    class_names: Sequence[str],
    limit: int = 4,
) -> None:
    """Show an image beside the masks of the classes that cover the most of it.

    Args:
        image: uint8 [H, W, 3].
        mask: bool [H, W, N].
        class_ids: int [N].
        class_names: the name of class id i at i.
        limit: number of classes; places that no class fills stay empty.
    """
    mask, class_ids = np.asarray(mask) != 0, np.asarray(class_ids)
    areas = {
        class_id: np.count_nonzero(mask[:, :, class_ids == class_id])
        for class_id in np.unique(class_ids)
    }
    top = sorted(areas, key=areas.get, reverse=True)[:limit]
    images = [as_rgb(image)]
    titles = ["H x W = {} x {}".format(*image.shape[:2])]
    for i in range(limit):
        if i < len(top):
            # Each instance in another shade: 1, 2, ...
            chosen = mask[:, :, class_ids == top[i]]
            images.append((chosen * np.arange(1, chosen.shape[2] + 1)).max(axis=2))
            titles.append(caption_of(top[i], class_names))
        else:
            images.append(np.zeros(image.shape[:2], np.int64))
            titles.append("-")
    display_images(images, titles, cols=limit + 1, cmap="Blues_r")


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
            as `Dataset.load_mask` returns it, and the dict that `detect` returns.
        class_names: the name of class id i at i.
        min_score: detections below this probability aren't drawn.
        save_path: write the picture to this file instead of showing it.
    """
    from matplotlib import pyplot as plt

    examples = list(examples)
    rows = max(1, math.ceil(len(examples) / 2))
    figure, axes = plt.subplots(
        rows, 4, squeeze=False, figsize=(16, 4.3 * rows), layout="constrained"
    )
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
            colors=_class_colors(class_ids, class_names),
        )
        sure = np.asarray(found["scores"]) >= min_score
        display_instances(
            image,
            found["rois"][sure],
            found["masks"][:, :, sure],
            found["class_ids"][sure],
            class_names,
            found["scores"][sure],
            title=f"{i + 1}: detected",
            ax=right,
            colors=_class_colors(found["class_ids"][sure], class_names),
        )
    finish(figure, True, save_path)


def _class_colors(class_ids, class_names):
    """The color of its class for each instance; None if there is one class only."""
    if len(class_names) <= 2:
        return None
    colors = random_colors(len(class_names))
    return [colors[abs(int(class_id))] for class_id in class_ids]


def _colors(colors):
    """Colors in any of matplotlib's notations as (red, green, blue), 0..1."""
    from matplotlib.colors import to_rgb

    return [to_rgb(color) for color in colors]


def _check(image, boxes, masks, **rows):
    """Raise when masks or rows don't fit the boxes and the image."""
    for name, values in rows.items():
        if values is not None and len(values) != len(boxes):
            raise ValueError(
                f"display_instances({name}): {len(values)} for {len(boxes)} boxes; "
                "give one a box."
            )
    expected = (*np.shape(image)[:2], len(boxes))
    received = getattr(masks, "shape", f"of a {type(masks).__name__}")
    if masks is not None and received != expected:
        raise ValueError(
            f"display_instances(masks): shape {received}, expected bool [H, W, N] = "
            f"{expected}; expand mini masks to the image, or detect with masks='full'."
        )
