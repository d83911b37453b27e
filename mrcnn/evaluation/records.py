"""Detections beside their truth, image by image: what every measure here reads.

A record is a dict that anybody can make (see `compact`); measures keep it as an
`ImageRecord`, masks as run lengths, so that a large data set fits into memory.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, NamedTuple

import numpy as np

from mrcnn.evaluation.coco_format import (
    boxes_to_xywh,
    masks_to_rles,
    rle_areas,
)

KINDS = ("bbox", "segm")
"""What may be compared, by COCO's names: boxes and masks."""


class ImageRecord(NamedTuple):
    """Truth and detections of one image, orig frame.

    Attributes:
        image_id: any hashable.
        height: px.
        width: px.
        gt_class_ids: int [G], above 0.
        gt_is_crowd: bool [G], a region of many objects (COCO).
        gt_is_difficult: bool [G], not to be counted (Pascal VOC).
        gt_boxes: float64 [G, (y1, x1, y2, x2)].
        gt_areas: float64 [G], px, by which COCO tells small from large.
        gt_rles: G compressed RLE dicts; None when objects have boxes only.
        class_ids: int [N].
        scores: float64 [N], probability.
        boxes: float64 [N, (y1, x1, y2, x2)].
        rles: N compressed RLE dicts, or None.
    """

    image_id: Any
    height: int
    width: int
    gt_class_ids: np.ndarray
    gt_is_crowd: np.ndarray
    gt_is_difficult: np.ndarray
    gt_boxes: np.ndarray
    gt_areas: np.ndarray
    gt_rles: list[dict] | None
    class_ids: np.ndarray
    scores: np.ndarray
    boxes: np.ndarray
    rles: list[dict] | None

    @property
    def has_masks(self) -> bool:
        """Whether both truth and detections have masks; none of none counts."""
        truth = self.gt_rles is not None or len(self.gt_class_ids) == 0
        return truth and (self.rles is not None or len(self.class_ids) == 0)


def compact(record: dict | ImageRecord) -> ImageRecord:
    """The record of an image with its masks as run lengths.

    Args:
        record: a dict, orig frame; an ImageRecord is returned as it is:
            image_id: any hashable;
            height, width: px;
            gt_masks: bool [H, W, G], or as `gt_rles`: G compressed RLE dicts. Absent
                for objects with boxes only;
            gt_class_ids: int [G], negative is a crowd;
            gt_boxes: optional, [G, (y1, x1, y2, x2)]; those of the masks if absent;
            gt_areas: optional, [G], px; those of the masks (or boxes) if absent.
                What has neither a pixel nor an area given here is no object;
            gt_difficult: optional, bool [G], Pascal VOC's mark;
            rois: [N, (y1, x1, y2, x2)]; class_ids: int [N]; scores: float [N];
            masks: bool [H, W, N] or N RLE dicts (also as `rles`), or absent.

    Raises:
        ValueError: counts or sizes differ within the record, or scores aren't finite.
    """
    if isinstance(record, ImageRecord):
        return record
    size = (int(record["height"]), int(record["width"]))
    signed_ids = np.asarray(record["gt_class_ids"]).astype(np.int64).reshape(-1)
    gt_rles, areas = _truth_masks(record, size, len(signed_ids))
    boxes = _truth_boxes(record, gt_rles)
    given_areas = record.get("gt_areas")
    if given_areas is not None:
        given_areas = np.asarray(given_areas, np.float64).reshape(-1)
    difficult = record.get("gt_difficult")
    difficult = np.zeros(len(signed_ids)) if difficult is None else difficult
    difficult = np.asarray(difficult).astype(bool).reshape(-1)
    _check_counts(
        record, "gt_boxes", boxes, gt_class_ids=signed_ids, gt_difficult=difficult
    )
    if given_areas is not None:
        _check_counts(record, "gt_boxes", boxes, gt_areas=given_areas)
    if gt_rles is not None:
        _check_counts(record, "gt_boxes", boxes, gt_masks=gt_rles)
    if areas is None:
        areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    keep = areas > 0
    if given_areas is not None:
        # COCO lists outlines too small to cover a pixel's center, and counts them.
        keep, areas = keep | (given_areas > 0), given_areas
    if gt_rles is not None:
        gt_rles = [rle for rle, kept in zip(gt_rles, keep, strict=True) if kept]
    return ImageRecord(
        record["image_id"],
        *size,
        np.abs(signed_ids[keep]),
        signed_ids[keep] < 0,
        difficult[keep],
        boxes[keep],
        areas[keep],
        gt_rles,
        *_detections(record),
    )


def with_classes(record: ImageRecord, class_ids: Iterable[int]) -> ImageRecord:
    """The record without objects and detections of other classes."""
    wanted = sorted(class_ids)
    gt = np.flatnonzero(np.isin(record.gt_class_ids, wanted))
    found = np.flatnonzero(np.isin(record.class_ids, wanted))
    return record._replace(
        gt_class_ids=record.gt_class_ids[gt],
        gt_is_crowd=record.gt_is_crowd[gt],
        gt_is_difficult=record.gt_is_difficult[gt],
        gt_boxes=record.gt_boxes[gt],
        gt_areas=record.gt_areas[gt],
        gt_rles=None if record.gt_rles is None else [record.gt_rles[i] for i in gt],
        class_ids=record.class_ids[found],
        scores=record.scores[found],
        boxes=record.boxes[found],
        rles=None if record.rles is None else [record.rles[i] for i in found],
    )


def compact_all(records: Iterable[dict | ImageRecord], where: str) -> list[ImageRecord]:
    """All records, each image once.

    Raises:
        ValueError: an image id twice; `where` names the function that was called.
    """
    kept: dict[Any, ImageRecord] = {}
    for record in map(compact, records):
        if record.image_id in kept:
            raise ValueError(
                f"{where}(image_id={record.image_id!r}): a second record of this "
                "image; evaluate every image once."
            )
        kept[record.image_id] = record
    return list(kept.values())


def coco_rows(
    records: Iterable[ImageRecord],
) -> tuple[list[dict], list[dict], list[dict]]:
    """(images, annotations, results) as COCO files hold them, images numbered from 1.

    The number is the place in `records`, by which COCO ranks results of one score.
    """
    images, annotations, results = [], [], []
    for number, record in enumerate(records, start=1):
        images.append({"id": number, "height": record.height, "width": record.width})
        annotations += _rows(
            record.gt_rles,
            image_id=[number] * len(record.gt_class_ids),
            category_id=record.gt_class_ids.tolist(),
            iscrowd=record.gt_is_crowd.astype(int).tolist(),
            area=record.gt_areas.tolist(),
            bbox=boxes_to_xywh(record.gt_boxes).tolist(),
        )
        results += _rows(
            record.rles,
            image_id=[number] * len(record.class_ids),
            category_id=record.class_ids.tolist(),
            score=record.scores.tolist(),
            bbox=boxes_to_xywh(record.boxes).tolist(),
        )
    return images, annotations, results


def _truth_masks(record, size, count):
    """(RLE dicts, areas in px) of the objects; (None, None) when there are no masks."""
    rles = record.get("gt_rles")
    if rles is None:
        masks = record.get("gt_masks")
        if masks is None:
            return None, None
        masks = np.asarray(masks)
        if count == 0 and 0 in masks.shape:  # Dataset.load_mask gives [0, 0, 0]
            return [], np.zeros(0)
        if masks.shape[:2] != size or masks.ndim != 3:
            raise ValueError(
                f"record(image_id={record['image_id']!r}): gt_masks have "
                f"shape {masks.shape}, expected (height, width, objects) = "
                f"{(*size, count)}."
            )
        rles = masks_to_rles(masks)
    _check_sizes(record, "gt_rles", rles, size)
    return list(rles), rle_areas(list(rles))


def _truth_boxes(record, rles):
    """Boxes given, or those of the masks: float64 [G, (y1, x1, y2, x2)]."""
    from pycocotools import mask as mask_utils

    boxes = record.get("gt_boxes")
    if boxes is not None:
        return np.asarray(boxes, np.float64).reshape(-1, 4)
    if rles is None:
        raise ValueError(
            f"record(image_id={record['image_id']!r}): the truth has "
            "neither gt_masks, gt_rles nor gt_boxes; give one of them."
        )
    if not rles:
        return np.zeros((0, 4))
    x, y, w, h = np.asarray(mask_utils.toBbox(rles), np.float64).T
    return np.stack([y, x, y + h, x + w], axis=1)


def _detections(record):
    """(class ids, scores, boxes, RLE dicts or None) of one record."""
    boxes = np.asarray(record["rois"], np.float64).reshape(-1, 4)
    class_ids = np.asarray(record["class_ids"]).astype(np.int64).reshape(-1)
    scores = np.asarray(record["scores"], np.float64).reshape(-1)
    _check_counts(record, "rois", boxes, class_ids=class_ids, scores=scores)
    if not np.isfinite(scores).all():
        raise ValueError(
            f"record(image_id={record['image_id']!r}): scores hold NaN or "
            "infinity, which can't be ranked; check the weights of the model."
        )
    masks = record.get("masks")
    masks = record.get("rles") if masks is None else masks
    if masks is None:
        return class_ids, scores, boxes, None
    if isinstance(masks, np.ndarray):
        masks = masks_to_rles(masks)
    _check_counts(record, "rois", boxes, masks=masks)
    if not all(isinstance(mask, dict) for mask in masks):
        raise ValueError(
            f"record(image_id={record['image_id']!r}): masks must be "
            "bool [H, W, N] or RLE dicts; detect with masks='full' or 'rle'."
        )
    _check_sizes(record, "masks", masks, (int(record["height"]), int(record["width"])))
    return class_ids, scores, boxes, list(masks)


def _check_sizes(record, name, rles, size):
    """Raise when masks aren't those of an image of this size (height, width)."""
    for rle in rles:
        if tuple(rle["size"]) != size:
            raise ValueError(
                f"record(image_id={record['image_id']!r}): {name} of size "
                f"{tuple(rle['size'])} in an image of (height, width) = {size}; give "
                "masks in the frame of the image as it is in its file."
            )


def _check_counts(record, name, values, **others):
    """Raise when a field has another count than the boxes."""
    for other, rows in others.items():
        if len(rows) != len(values):
            raise ValueError(
                f"record(image_id={record['image_id']!r}): {len(rows)} "
                f"{other} for {len(values)} {name}; give one a box."
            )


def _rows(rles, **columns):
    """One dict a row, from columns of one length; with segmentations, if any."""
    if rles is not None:
        columns["segmentation"] = rles
    names = columns.keys()
    return [
        dict(zip(names, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]
