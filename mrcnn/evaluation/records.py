"""Detections beside their truth, image by image: what every measure here reads.

A record is a dict that anybody can make (see `compact`); measures keep it as an
`ImageRecord`, masks as run lengths, so that a large data set fits into memory.
"""

from __future__ import annotations

from collections.abc import Collection, Hashable, Iterable
from itertools import compress
from typing import Any, NamedTuple

import numpy as np

from mrcnn.evaluation.coco_format import boxes_to_xywh, masks_to_rles, rle_areas
from mrcnn.geometry.arguments import as_numbers, as_rows, as_whole, check_iterable
from mrcnn.geometry.box_masks import as_masks
from mrcnn.geometry.boxes import as_boxes

TITLES = {"bbox": "boxes", "segm": "masks"}
"""What may be compared: COCO's names, and plain ones."""

KINDS = tuple(TITLES)


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
        gt_areas: float64 [G], px, by which COCO separates small from large.
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


_TRUTH = tuple(name for name in ImageRecord._fields if name.startswith("gt_"))
_DETECTIONS = ("class_ids", "scores", "boxes", "rles")
_SIDES = ("height", "width")
_NEEDED = (*("image_id", *_SIDES, "gt_class_ids"), *("rois", "class_ids", "scores"))


def compact(record: dict | ImageRecord) -> ImageRecord:
    """Returns the record of an image with its masks as run lengths.

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
        ValueError: counts or sizes differ within the record, or scores or boxes aren't
            finite.
    """
    if isinstance(record, ImageRecord):
        return record
    (record,) = as_rows([record], "record()", *_NEEDED)
    if not isinstance(record["image_id"], Hashable):
        raise TypeError(f"{_of(record, 'image_id')} must be a number or a text.")
    size = tuple(as_whole(record[side], _of(record, side), 1) for side in _SIDES)
    signed_ids = _flat(record, "gt_class_ids", np.int64)
    gt_rles = _rles(record, size, "gt_rles", "gt_masks")
    boxes = _truth_boxes(record, gt_rles)
    difficult = np.zeros(len(boxes), bool)
    if record.get("gt_difficult") is not None:
        difficult = _flat(record, "gt_difficult", bool)
    areas = record.get("gt_areas")
    areas = None if areas is None else _flat(record, "gt_areas", np.float64)
    _check_counts(
        record,
        gt_boxes=boxes,
        gt_class_ids=signed_ids,
        gt_difficult=difficult,
        gt_areas=areas,
        gt_masks=gt_rles,
    )
    if gt_rles is None:
        own_areas = np.prod(boxes[:, 2:] - boxes[:, :2], axis=1)
    else:
        own_areas = rle_areas(gt_rles)
    if areas is None:
        areas = own_areas
    compacted = ImageRecord(
        record["image_id"],
        *size,
        np.abs(signed_ids),
        signed_ids < 0,
        difficult,
        boxes,
        areas,
        gt_rles,
        *_detections(record, size),
    )
    # COCO lists outlines too small to cover a pixel's center, and counts them.
    return _with_rows(compacted, _TRUTH, (own_areas > 0) | (areas > 0))


def with_classes(record: ImageRecord, class_ids: Iterable[int]) -> ImageRecord:
    """Returns the record without objects and detections of other classes."""
    wanted = list(class_ids)
    record = _with_rows(record, _TRUTH, np.isin(record.gt_class_ids, wanted))
    return _with_rows(record, _DETECTIONS, np.isin(record.class_ids, wanted))


def check_kinds(
    where: str, kinds: Collection[str], records: Iterable[ImageRecord] = ()
) -> None:
    """Raises ValueError for other kinds of overlap, or for masks that aren't there.

    Args:
        where: "function(argument=value)", named in the error.
        kinds: should be of KINDS, at least one.
        records: what is to be compared.
    """
    if not kinds or not all(isinstance(k, str) and k in KINDS for k in kinds):
        raise ValueError(f"{where}: choose of 'bbox' and 'segm'.")
    bare = [record.image_id for record in records if not record.has_masks]
    if "segm" in kinds and bare:
        raise ValueError(
            f"{where}: {len(bare)} records have no masks, that of image {bare[0]!r} "
            "for one; detect with masks='rle', or compare boxes only."
        )


def occurring_class_ids(records: Iterable[ImageRecord]) -> list[int]:
    """Returns the class ids of all objects and detections, rising."""
    ids = [ids for r in records for ids in (r.gt_class_ids, r.class_ids)]
    return np.unique(np.concatenate([np.zeros(0, np.int64), *ids])).tolist()


def compact_all(records: Iterable[dict | ImageRecord], where: str) -> list[ImageRecord]:
    """Returns all records, each image once.

    Raises:
        ValueError: an image id twice; `where` names the function that was called.
    """
    kept: dict[Any, ImageRecord] = {}
    # Not as a list: records may be made while they are read.
    check_iterable(records, f"{where}(records)")
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
    """Returns images, annotations and results as in COCO files, images from 1 on.

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


def _truth_boxes(record, rles):
    """Returns boxes given, or those of the masks: float64 [G, (y1, x1, y2, x2)]."""
    from pycocotools import mask as mask_utils

    boxes = record.get("gt_boxes")
    if boxes is not None:
        return _finite_boxes(record, "gt_boxes")
    if rles is None:
        raise ValueError(
            f"record(image_id={record['image_id']!r}): the truth has "
            "neither gt_masks, gt_rles nor gt_boxes; give one of them."
        )
    if not rles:
        return np.zeros((0, 4))
    x, y, w, h = np.asarray(mask_utils.toBbox(rles), np.float64).T
    return np.stack([y, x, y + h, x + w], axis=1)


def _detections(record, size):
    """Returns class ids, scores, boxes, and RLE dicts or None, of one record."""
    boxes = _finite_boxes(record, "rois")
    class_ids = _flat(record, "class_ids", np.int64)
    scores = _flat(record, "scores", np.float64)
    rles = _rles(record, size, "masks", "rles")
    _check_counts(record, rois=boxes, class_ids=class_ids, scores=scores, masks=rles)
    if not np.isfinite(scores).all():
        raise ValueError(
            f"record(image_id={record['image_id']!r}): scores hold NaN or "
            "infinity, which can't be ranked; check the weights of the model."
        )
    return class_ids, scores, boxes, rles


def _finite_boxes(record, name):
    """Returns boxes of a record: float64 [N, 4].

    Raises:
        ValueError: a coordinate is NaN or infinite; its IoU would count as a hit.
    """
    boxes = as_boxes(record[name], _of(record, name), np.float64).reshape(-1, 4)
    wrong = np.flatnonzero(~np.isfinite(boxes).all(axis=1))
    if len(wrong):
        raise ValueError(
            f"record(image_id={record['image_id']!r}): {name} {wrong[0]} is "
            f"{boxes[wrong[0]].tolist()}, which is no box (y1, x1, y2, x2); leave it "
            "out, or check where it comes from."
        )
    return boxes


def _rles(record, size, *names):
    """Returns masks as RLE dicts, from the first of some fields that is there, or None.

    Raises:
        ValueError: they are something else, or of an image of another size.
    """
    name = next((name for name in names if record.get(name) is not None), None)
    if name is None:
        return None
    masks = record[name]
    if isinstance(masks, list | tuple):
        if not all(isinstance(mask, dict) for mask in masks):
            raise ValueError(
                f"record(image_id={record['image_id']!r}): {name} must be bool "
                "[H, W, N] or RLE dicts; detect with masks='full' or 'rle'."
            )
        as_rows(masks, _of(record, name), "size", "counts")
        masks, sizes = list(masks), [tuple(mask["size"]) for mask in masks]
    else:
        masks = as_masks(masks, _of(record, name))
        # Without objects, Dataset.load_mask gives [0, 0, 0].
        sizes = [masks.shape[:2]] if masks.size else []
        masks = masks_to_rles(masks) if masks.size else []
    wrong = [other for other in sizes if other != size]
    if wrong:
        raise ValueError(
            f"record(image_id={record['image_id']!r}): {name} of size {wrong[0]} in an "
            f"image of (height, width) = {size}; give masks in the frame of the image "
            "as it is in its file."
        )
    return masks


def _of(record, name: str) -> str:
    """Returns what an error calls a field of a record."""
    return f"record(image_id={record['image_id']!r}): {name}"


def _flat(record, name: str, dtype) -> np.ndarray:
    """Returns a field of a record as an array [N]."""
    return as_numbers(record[name], _of(record, name), dtype).reshape(-1)


def _check_counts(record, **columns):
    """Raises ValueError when a field has another count than the first, the boxes."""
    (boxes, rows), *others = columns.items()
    for name, values in others:
        if values is not None and len(values) != len(rows):
            raise ValueError(
                f"record(image_id={record['image_id']!r}): {len(values)} {name} for "
                f"{len(rows)} {boxes}; give one a box."
            )


def _with_rows(record, fields, is_kept):
    """Returns a record with some rows of some fields: `is_kept` is bool, one a row."""
    columns = {name: getattr(record, name) for name in fields}
    return record._replace(
        **{
            name: rows[is_kept]
            if isinstance(rows, np.ndarray)
            else [*compress(rows, is_kept)]
            for name, rows in columns.items()
            if rows is not None
        }
    )


def _rows(rles, **columns):
    """Returns one dict a row, from columns of one length, with segmentations if any."""
    if rles is not None:
        columns["segmentation"] = rles
    rows = zip(*columns.values(), strict=True)
    return [dict(zip(columns, row, strict=True)) for row in rows]
