"""COCO's average precision for boxes and masks, computed by pycocotools.

Scores must come uncut: AP integrates over the whole ranking, so detect with a low
DETECTION_MIN_CONFIDENCE (0.05 or less), or the low-score part of the curve is lost.
"""

from __future__ import annotations

import contextlib
import io
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

import numpy as np

from mrcnn.geometry.masks import extract_bboxes

METRICS = (
    *("AP", "AP50", "AP75", "APs", "APm", "APl"),
    *("AR1", "AR10", "AR100", "ARs", "ARm", "ARl"),
)
"""Names of pycocotools' twelve numbers, in its order."""


def boxes_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """Boxes as COCO writes them: (x, y, width, height).

    Args:
        boxes: [N, (y1, x1, y2, x2)], orig or px, half-open.

    Returns:
        float64 [N, (x, y, width, height)], the same frame.

    Example:
        >>> boxes_to_xywh(np.array([[10, 20, 15, 50]])).tolist()
        [[20.0, 10.0, 30.0, 5.0]]
    """
    y1, x1, y2, x2 = np.asarray(boxes, np.float64).reshape(-1, 4).T
    return np.stack([x1, y1, x2 - x1, y2 - y1], axis=1)


def masks_to_rles(masks: np.ndarray) -> list[dict[str, Any]]:
    """Masks as COCO's compressed run lengths.

    Args:
        masks: bool [H, W, N].

    Returns:
        One dict(size=[H, W], counts=str) a mask, fit for JSON.
    """
    from pycocotools import mask as mask_utils

    masks = np.asarray(masks)
    if masks.ndim != 3:
        raise ValueError(
            f"masks_to_rles(masks): expected bool [H, W, N], received shape "
            f"{masks.shape}; give one mask as mask[:, :, None]."
        )
    rles = []
    for i in range(masks.shape[-1]):  # one by one: a copy of the stack may be large
        rle = mask_utils.encode(np.asfortranarray(masks[:, :, i] != 0, np.uint8))
        rles.append({"size": rle["size"], "counts": rle["counts"].decode("ascii")})
    return rles


def to_coco_ground_truth(
    images: Sequence[dict], categories: Sequence[dict], annotations: Sequence[dict]
) -> dict[str, list[dict]]:
    """A COCO ground truth dict: what annotations left out is filled in.

    Args:
        images: dicts with id, height, width.
        categories: dicts with id (and name).
        annotations: dicts with image_id, category_id, bbox [x, y, width, height] and
            segmentation (polygons, RLE or compressed RLE); optional iscrowd (0) and
            area (px; taken from the segmentation, or from the box without one).

    Returns:
        dict(images, categories, annotations); annotations are numbered from 1.

    Raises:
        ValueError: an annotation of an image or category that isn't listed.
    """
    from pycocotools import mask as mask_utils

    sizes = {image["id"]: image for image in images}
    category_ids = {category["id"] for category in categories}
    filled = []
    for annotation in annotations:
        image = sizes.get(annotation["image_id"])
        if image is None or annotation["category_id"] not in category_ids:
            raise ValueError(
                f"to_coco_ground_truth(annotations): image {annotation['image_id']} or "
                f"category {annotation['category_id']} isn't listed; add it to images "
                "or categories."
            )
        # pycocotools reads a match with annotation 0 as no match: count from 1.
        new = {**annotation, "id": len(filled) + 1}
        new.setdefault("iscrowd", 0)
        if "segmentation" in new and not {"area", "bbox"} <= new.keys():
            rle = _to_rle(new["segmentation"], image["height"], image["width"])
            new.setdefault("area", float(mask_utils.area(rle)))
            new.setdefault("bbox", mask_utils.toBbox(rle).tolist())
        new.setdefault("area", float(new["bbox"][2] * new["bbox"][3]))
        filled.append(new)
    return {
        "images": [dict(image) for image in images],
        "categories": [dict(category) for category in categories],
        "annotations": filled,
    }


def coco_metrics(
    ground_truth: dict[str, list[dict]],
    results: Sequence[dict],
    iou_type: str = "bbox",
) -> dict[str, float]:
    """COCO's twelve numbers for a list of results; prints nothing.

    Args:
        ground_truth: a COCO dict with images, categories, annotations; the contents
            of an annotation file, or `to_coco_ground_truth`. Every image listed is
            evaluated.
        results: dicts with image_id, category_id, score and bbox (x, y, width, height)
            or segmentation (RLE), COCO's result format.
        iou_type: "bbox" or "segm", the overlap that counts.

    Returns:
        AP (mean over IoU 0.50:0.95), AP50, AP75, APs, APm, APl (small, medium and
        large objects), AR1, AR10, AR100 (at most so many detections an image), ARs,
        ARm, ARl: ratios; nan where there is no object to measure with.

    Raises:
        ValueError: another iou_type, or results of images that aren't listed.
    """
    from pycocotools.coco import COCO
    from pycocotools.cocoeval import COCOeval

    if iou_type not in ("bbox", "segm"):
        raise ValueError(f"coco_metrics(iou_type={iou_type!r}): use 'bbox' or 'segm'.")
    images = {image["id"]: image for image in ground_truth["images"]}
    unknown = {result["image_id"] for result in results} - images.keys()
    if unknown:
        raise ValueError(
            f"coco_metrics(results): {len(unknown)} image ids aren't in the ground "
            f"truth, {sorted(unknown, key=str)[0]!r} for one; evaluate results with "
            "the annotations of their own images."
        )
    truth, found = COCO(), COCO()
    truth.dataset = to_coco_ground_truth(
        ground_truth["images"],
        ground_truth["categories"],
        ground_truth["annotations"],
    )
    found.dataset = {
        **truth.dataset,
        "annotations": [
            _detection(result, number, iou_type, images[result["image_id"]])
            for number, result in enumerate(results, start=1)
        ],
    }
    with contextlib.redirect_stdout(io.StringIO()):
        truth.createIndex()
        found.createIndex()
        evaluation = COCOeval(truth, found, iou_type)
        evaluation.evaluate()
        evaluation.accumulate()
        evaluation.summarize()
    values = (math.nan if value < 0 else float(value) for value in evaluation.stats)
    return dict(zip(METRICS, values, strict=True))


def evaluate_detections(records: Iterable[dict]) -> dict[str, dict[str, float]]:
    """COCO's numbers for boxes and for masks, from detections beside their truth.

    Records are read one at a time and kept as run lengths, so a generator over a large
    data set fits into memory.

    Args:
        records: a dict an image, orig frame:
            image_id: any hashable, once;
            height, width: px;
            gt_masks: bool [H, W, G]; empty masks are no objects;
            gt_class_ids: int [G], negative is a crowd;
            rois: [N, (y1, x1, y2, x2)]; class_ids: int [N]; scores: float [N];
            masks: bool [H, W, N] or N RLE dicts (also as `rles`), or absent;
            gt_boxes: optional, [G, (y1, x1, y2, x2)]; those of the masks if absent.

    Returns:
        dict(bbox=..., segm=...) with the dicts of `coco_metrics`; "segm" is missing
        when a record holds no masks.

    Raises:
        ValueError: an image id twice, or counts that differ within a record.
    """
    images, annotations, results = [], [], []
    has_masks = True
    seen: dict[Any, int] = {}
    for record in records:
        if record["image_id"] in seen:
            raise ValueError(
                f"evaluate_detections(image_id={record['image_id']!r}): a second "
                "record of this image; evaluate every image once."
            )
        number = seen.setdefault(record["image_id"], len(seen) + 1)
        size = {"height": int(record["height"]), "width": int(record["width"])}
        images.append({"id": number, **size})
        annotations += _truth_of(record, number)
        results += _results_of(record, number)
        has_masks &= _masks_of(record) is not None
    class_ids = {row["category_id"] for row in annotations + results}
    categories = [{"id": i, "name": str(i)} for i in sorted(class_ids)]
    truth = to_coco_ground_truth(images, categories, annotations)
    types = ("bbox", "segm") if has_masks else ("bbox",)
    return {kind: coco_metrics(truth, results, kind) for kind in types}


def dataset_records(
    model: Any, dataset: Any, image_ids: Iterable[int] | None = None
) -> Iterator[dict]:
    """Records for `evaluate_detections`: detect in each image of a data set.

    Args:
        model: what has `detect(images, masks="rle")`, as `mrcnn.model.MaskRCNN` has.
        dataset: a prepared `mrcnn.utils.Dataset`.
        image_ids: those to evaluate; None for all.
    """
    for image_id in dataset.image_ids if image_ids is None else image_ids:
        image = dataset.load_image(image_id)
        gt_masks, gt_class_ids = dataset.load_mask(image_id)
        yield {
            "image_id": int(image_id),
            "height": image.shape[0],
            "width": image.shape[1],
            "gt_masks": gt_masks,
            "gt_class_ids": gt_class_ids,
            **model.detect([image], masks="rle")[0],
        }


def format_metrics(metrics: dict[str, dict[str, float]]) -> str:
    """AP, AP50 and AP75 of `evaluate_detections` as a small table to print.

    Example:
        >>> print(format_metrics({"bbox": {"AP": 0.5, "AP50": 0.75, "AP75": 0.25}}))
                AP     AP50   AP75
        boxes   0.500  0.750  0.250
    """
    lines = ["        AP     AP50   AP75"]
    for kind, name in (("bbox", "boxes"), ("segm", "masks")):
        if kind in metrics:
            row = (f"{metrics[kind][key]:.3f}" for key in METRICS[:3])
            lines.append(f"{name}   {'  '.join(row)}")
    return "\n".join(lines)


def _truth_of(record, number):
    """Annotations of one record; masks without a pixel are left out."""
    masks = np.asarray(record["gt_masks"]) != 0
    class_ids = np.asarray(record["gt_class_ids"])
    boxes = record.get("gt_boxes")
    boxes = extract_bboxes(masks) if boxes is None else np.asarray(boxes)
    _check_counts(record, "gt_boxes", boxes, gt_class_ids=class_ids)
    if len(class_ids) == 0:  # masks of any shape: Dataset.load_mask gives [0, 0, 0]
        return []
    if masks.shape != (record["height"], record["width"], len(class_ids)):
        raise ValueError(
            f"evaluate_detections(image_id={record['image_id']!r}): gt_masks have "
            f"shape {masks.shape}, expected (height, width, objects) = "
            f"{(record['height'], record['width'], len(class_ids))}."
        )
    rles, xywh = masks_to_rles(masks), boxes_to_xywh(boxes)
    return [
        {
            "image_id": number,
            "category_id": abs(int(class_ids[i])),
            "iscrowd": int(class_ids[i] < 0),
            "bbox": xywh[i].tolist(),
            "area": int(np.count_nonzero(masks[:, :, i])),
            "segmentation": rles[i],
        }
        for i in np.flatnonzero(masks.any(axis=(0, 1)))
    ]


def _results_of(record, number):
    """COCO results of one record."""
    class_ids, scores = np.asarray(record["class_ids"]), np.asarray(record["scores"])
    xywh = boxes_to_xywh(record["rois"])
    masks = _masks_of(record)
    _check_counts(record, "rois", xywh, class_ids=class_ids, scores=scores)
    results = [
        {
            "image_id": number,
            "category_id": int(class_ids[i]),
            "score": float(scores[i]),
            "bbox": xywh[i].tolist(),
        }
        for i in range(len(xywh))
    ]
    if masks is not None:
        if isinstance(masks, np.ndarray):
            masks = masks_to_rles(masks)
        _check_counts(record, "rois", xywh, masks=masks)
        if not all(isinstance(mask, dict) for mask in masks):
            raise ValueError(
                f"evaluate_detections(image_id={record['image_id']!r}): masks must be "
                "bool [H, W, N] or RLE dicts; detect with masks='full' or 'rle'."
            )
        for result, mask in zip(results, masks, strict=True):
            result["segmentation"] = mask
    return results


def _masks_of(record):
    """The masks of the detections in either form, or None."""
    masks = record.get("masks")
    return record.get("rles") if masks is None else masks


def _check_counts(record, name, values, **others):
    """Raise when a field has another count than the boxes."""
    for other, rows in others.items():
        if len(rows) != len(values):
            raise ValueError(
                f"evaluate_detections(image_id={record['image_id']!r}): {len(rows)} "
                f"{other} for {len(values)} {name}; give one a box."
            )


def _detection(result, number, iou_type, image):
    """One result as pycocotools keeps it, judged by its box or by its mask alone."""
    from pycocotools import mask as mask_utils

    new = {key: result[key] for key in ("image_id", "category_id", "score")}
    if iou_type == "bbox":
        new["bbox"] = list(result["bbox"])
        new["area"] = new["bbox"][2] * new["bbox"][3]
    else:
        rle = _to_rle(result["segmentation"], image["height"], image["width"])
        new["segmentation"] = rle
        new["area"] = float(mask_utils.area(rle))
        new["bbox"] = mask_utils.toBbox(rle).tolist()
    return {**new, "id": number, "iscrowd": 0}


def _to_rle(segmentation, height, width):
    """Compressed RLE of polygons, RLE or compressed RLE."""
    from pycocotools import mask as mask_utils

    if isinstance(segmentation, list):
        return mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask_utils.frPyObjects(segmentation, height, width)
    return segmentation
