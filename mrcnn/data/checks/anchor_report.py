"""anchor_report: whether the anchors fit the objects of a data set, and better ones."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
from tqdm import tqdm

from mrcnn.data.checks.anchor_fit import (
    AnchorChoice,
    AnchorFit,
    fit_anchors,
    reaches_as_many,
    suggest_anchors,
)
from mrcnn.data.checks.model_objects import model_objects
from mrcnn.data.feature_maps import feature_shapes
from mrcnn.data.image_gt import naming_image
from mrcnn.data.load_checks import check_prepared, checked_objects
from mrcnn.geometry.anchors import anchor_sizes
from mrcnn.geometry.arguments import check_attributes

# px, sides of the squares between small, medium and large, as COCO divides areas.
SMALL, LARGE = 32, 96


class AnchorRecall(NamedTuple):
    """How many objects of a group have an anchor that fits.

    Attributes:
        group: "all", "small", "medium", "large", or a level such as "P3": the objects
            whose best anchor is there.
        count: objects in the group.
        recall50: ratio of them with an anchor of IoU 0.5 or more; nan without objects.
        recall70: likewise, 0.7.
        mean_iou: mean IoU of their best anchors.
    """

    group: str
    count: int
    recall50: float
    recall70: float
    mean_iou: float


@dataclass(frozen=True, eq=False)
class AnchorReport:
    """How well present and suggested anchors fit; `str()` is a table to read.

    Attributes:
        boxes_px: float32 [N, (y1, x1, y2, x2)], px: the objects in the model image.
        now: AnchorChoice, RPN_ANCHOR_SCALES and RPN_ANCHOR_RATIOS of the config.
        now_fit: AnchorFit of each object with them.
        suggested: AnchorChoice, as many anchors that fit better, and no fewer objects
            at an IoU of 0.5; equals `now` when none were found.
        suggested_fit: AnchorFit of each object with those.
        num_images: how many images were looked at.
        num_left_out: crowds, and objects without a pixel in the model image.
    """

    boxes_px: np.ndarray
    now: AnchorChoice
    now_fit: AnchorFit
    suggested: AnchorChoice
    suggested_fit: AnchorFit
    num_images: int
    num_left_out: int

    def recalls(self, suggested: bool = False) -> list[AnchorRecall]:
        """Returns the recall of all objects, by their size and by level.

        Sizes are those of the boxes in the model image.

        Args:
            suggested: True: of the suggested anchors.
        """
        fit = self.suggested_fit if suggested else self.now_fit
        sides = self.boxes_px[:, 2:] - self.boxes_px[:, :2]
        areas = sides.astype(np.float64).prod(axis=1)
        groups = {
            "all": np.ones([len(areas)], bool),
            "small": areas < SMALL**2,
            "medium": (areas >= SMALL**2) & (areas < LARGE**2),
            "large": areas >= LARGE**2,
        }
        for level in range(len(self.now.scales)):
            groups[f"P{level + 2}"] = (fit.level == level) & (fit.iou > 0)
        return [_recall(group, fit.iou[mine]) for group, mine in groups.items()]

    def table(self) -> str:
        """Returns recalls now and with anchors that fit better, as text to print."""
        lines = [
            f"Anchors for {len(self.boxes_px)} objects in {self.num_images} images; "
            f"{self.num_left_out} crowds and objects without a pixel left out.",
            f"Sizes of boxes in the model image: small < {SMALL} x {SMALL} <= medium "
            f"< {LARGE} x {LARGE} px <= large; P2 ...: by the best anchor.",
        ]
        choices = [(False, "now", self.now), (True, "suggested", self.suggested)]
        is_fine = self.suggested == self.now
        for suggested, name, choice in choices[: 1 if is_fine else 2]:
            lines += [
                "",
                f"{name}: RPN_ANCHOR_SCALES = {choice.scales}",
                f"{'':{len(name)}}  RPN_ANCHOR_RATIOS = {choice.ratios}",
                f"{'':8}{'objects':>8}{'IoU>=0.5':>10}{'IoU>=0.7':>10}{'mean IoU':>10}",
            ]
            for group, count, *values in self.recalls(suggested):
                cells = "".join(f"{value:10.3f}" for value in values)
                lines.append(f"{group:8}{count:8d}{cells.replace('nan', '  -')}")
        if is_fine:
            lines.append("Keep these: no anchors were found that fit better.")
        else:
            lines.append("An RPN that was trained with other anchors must learn anew.")
        return "\n".join(lines)

    __str__ = table

    def plot(self, path: str | Path | None = None, ax: Any = None) -> Any:
        """Draws the sizes of boxes and of both sets of anchors; returns the axes.

        Args:
            path: a png file to write; None writes none.
            ax: matplotlib axes to draw on; None makes a figure.
        """
        if ax is None:
            from matplotlib.figure import Figure

            ax = Figure(figsize=(7, 6), layout="constrained").subplots()
        heights, widths = (self.boxes_px[:, 2:] - self.boxes_px[:, :2]).T
        ax.scatter(widths, heights, s=6, alpha=0.3, color="0.4", label="objects")
        choices = ((self.now, "x", "now"), (self.suggested, "+", "suggested"))
        for choice, marker, name in choices:
            sizes = np.concatenate(
                [anchor_sizes(scale, choice.ratios) for scale in choice.scales]
            )
            ax.scatter(sizes[:, 1], sizes[:, 0], s=60, marker=marker, label=name)
        ax.set_xscale("log", base=2)
        ax.set_yscale("log", base=2)
        ax.xaxis.set_major_formatter("{x:g}")
        ax.yaxis.set_major_formatter("{x:g}")
        ax.set(
            xlabel="width (px of the model image)",
            ylabel="height (px of the model image)",
            title="Sizes of objects and anchors",
        )
        ax.legend(loc="lower right")
        if path is not None:
            ax.figure.savefig(path)
        return ax


def anchor_report(
    dataset,
    config,
    image_ids: Iterable[int] | None = None,
    *,
    seed: int = 0,
    verbose: int = 0,
) -> AnchorReport:
    """Returns how well the anchors fit the objects, and anchors that fit better if any.

    Recall is the share of objects that some anchor of the pyramid overlaps with an IoU
    of 0.5 or 0.7 or more, in the model image. What no anchor fits at RPN_POSITIVE_IOU
    is trained by its single best anchor alone (Faster R-CNN, 1506.01497, sec. 3.1.2).
    Images are not read, only their sizes and objects.

    Args:
        dataset: a prepared Dataset of any kind.
        config: a Config: anchors, and the size of the model image.
        image_ids: inside ids of images to look at; None for all.
        seed: of the k-means behind the suggestion.
        verbose: 1 shows a progress bar.

    Returns:
        AnchorReport.

    Raises:
        ValueError: the data set is not prepared, or the images have no objects.
        Exception: what loading the objects raised, with the image's id and path added;
            `dataset.validate()` lists all such images.
    """
    check_prepared(dataset, "anchor_report(dataset)")
    names = ("RPN_ANCHOR_SCALES", "BACKBONE_STRIDES", "IMAGE_RESIZE_MODE")
    check_attributes(config, "anchor_report(config)", *names)
    ids = dataset.image_ids.tolist() if image_ids is None else list(image_ids)
    boxes, grids, left_out = _model_boxes(dataset, config, ids, verbose)
    if not len(boxes):
        raise ValueError(
            f"anchor_report(dataset): the {len(ids)} images have no object that a box "
            "can be drawn around; dataset.validate() says why."
        )
    now = AnchorChoice(tuple(config.RPN_ANCHOR_SCALES), list(config.RPN_ANCHOR_RATIOS))
    strides = {
        "feature_strides": config.BACKBONE_STRIDES,
        "anchor_stride": config.RPN_ANCHOR_STRIDE,
    }
    suggested = suggest_anchors(boxes, grids, now, **strides, seed=seed)
    now_fit, suggested_fit = (
        fit_anchors(boxes, grids, **choice._asdict(), **strides)
        for choice in (now, suggested)
    )
    # They were chosen on a sample if there are many boxes.
    if not reaches_as_many(suggested_fit, now_fit):
        suggested, suggested_fit = now, now_fit
    return AnchorReport(
        boxes, now, now_fit, suggested, suggested_fit, len(ids), left_out
    )


def _model_boxes(dataset, config, ids, verbose):
    """Returns boxes float32 [N, 4], px; maps int [N, L, 2]; how many were left out."""
    boxes = [np.zeros([0, 4], np.float32)]
    grids = [np.zeros([0, len(config.BACKBONE_STRIDES), 2], np.int64)]
    left_out = 0
    for image_id in tqdm(ids, "anchor_report", unit="image", disable=not verbose):
        with naming_image(dataset, image_id):
            objects = checked_objects(dataset, image_id)
            if not objects.crops:
                continue
            shape = objects.size or np.shape(dataset.load_image(image_id))[:2]
            objects = model_objects(objects, shape, config)
            found = objects.boxes
            kept = (found[:, 2] > found[:, 0]) & (objects.class_ids > 0)
            left_out += len(kept) - int(kept.sum())
            boxes.append(found[kept].astype(np.float32))
            grid = feature_shapes(config, objects.size)
            grids.append(np.repeat(grid[np.newaxis], int(kept.sum()), axis=0))
    return np.concatenate(boxes), np.concatenate(grids), left_out


def _recall(group: str, ious: np.ndarray) -> AnchorRecall:
    """Returns the numbers of a group, from the IoU of each object."""
    if not len(ious):
        return AnchorRecall(group, 0, *[float("nan")] * 3)
    ratios = np.mean(ious >= 0.5), np.mean(ious >= 0.7), ious.mean(dtype=np.float64)
    return AnchorRecall(group, len(ious), *map(float, ratios))
