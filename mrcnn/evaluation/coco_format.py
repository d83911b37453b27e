"""Boxes, masks and annotations in the form of COCO files.

COCO files state a box and an area beside each outline, and published numbers are
measured with these. Files of other tools have (x1, y1, x2, y2) there, ratios, or the
area of the box: `box_differs` and `area_differs` compare them with the outline.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.geometry.box_masks import as_masks
from mrcnn.geometry.masks import crop_masks

# px that a side may differ: tools round, and count the last pixel or not.
SIDE_SLACK = 2.0
# IoU of the stated box and the outline's. COCO's own stay above 0.9.
MIN_BOX_IOU = 0.75
# Above it a box fits. In (x1, y1, x2, y2) it fits better than in (x, y, width, height).
GOOD_BOX_IOU = 0.95
# Part of its area that an outline's may differ, beside half its box's outline. Of 2,359
# objects of COCO those that are no crowds differ by a third at most, in 8 px.
AREA_SLACK = 0.3
# Part of the box that an object covers, above which it may have the area of the box.
FULL_BOX = 0.8


def boxes_to_xywh(boxes: np.ndarray) -> np.ndarray:
    """Returns boxes in COCO's form: (x, y, width, height).

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
    """Returns masks as COCO's compressed run lengths.

    Args:
        masks: bool [H, W, N].

    Returns:
        One dict(size=[H, W], counts=str) a mask, fit for JSON.
    """
    masks = as_masks(masks, "masks_to_rles(masks)")
    size = masks.shape[:2]
    return [crop_to_rle(crop.mask, crop.box, *size) for crop in crop_masks(masks)]


def crop_to_rle(crop: np.ndarray, box: Sequence[int], height: int, width: int) -> dict:
    """Returns COCO's compressed run lengths of a mask given inside its box only.

    The same as those of the full mask, without making that.

    Args:
        crop: bool [y2 - y1, x2 - x1].
        box: (y1, x1, y2, x2), orig, inside the image; all zero for no pixel.
        height: px, of the image.
        width: px, of the image.

    Returns:
        dict(size=[H, W], counts=str), fit for JSON.

    Raises:
        ValueError: the crop hasn't the size of the box, or the box leaves the image.

    Example:
        >>> crop_to_rle(np.ones([1, 2], bool), (1, 0, 2, 2), 3, 2)
        {'size': [3, 2], 'counts': '1120O'}
    """
    from pycocotools import mask as mask_utils

    y1, x1, y2, x2 = (int(side) for side in box)
    crop = np.asarray(crop) != 0
    inside = 0 <= y1 <= y2 <= height and 0 <= x1 <= x2 <= width
    if crop.shape != (y2 - y1, x2 - x1) or not inside:
        raise ValueError(
            f"crop_to_rle(box={(y1, x1, y2, x2)}): the crop has shape {crop.shape}, "
            f"the image {(height, width)}; give a box inside the image and the pixels "
            "inside the box."
        )
    # COCO counts down the columns; a change is a row that differs from the one above.
    columns = np.zeros((x2 - x1, y2 - y1 + 2), bool)
    columns[:, 1:-1] = crop.T
    column, row = np.nonzero(columns[:, 1:] != columns[:, :-1])
    changes = (x1 + column) * height + y1 + row
    # A run that goes on in the next column ends and begins at one place: no change.
    places, times = np.unique(changes, return_counts=True)
    edges = np.concatenate([[0], places[times == 1], [height * width]])
    counts = np.diff(edges).tolist()
    if len(counts) > 1 and counts[-1] == 0:
        counts.pop()
    rle = mask_utils.frPyObjects(
        {"size": [height, width], "counts": counts}, height, width
    )
    return {"size": [height, width], "counts": rle["counts"].decode("ascii")}


def to_rle(segmentation: Any, height: int, width: int) -> dict[str, Any]:
    """Returns compressed RLE of polygons, of run lengths in a list, or of such RLE.

    Args:
        segmentation: as in a COCO file: [[x, y, x, y ...] ...], or
            dict(size, counts).
        height: px, of the image.
        width: px, of the image.
    """
    from pycocotools import mask as mask_utils

    if isinstance(segmentation, list):
        return mask_utils.merge(mask_utils.frPyObjects(segmentation, height, width))
    if isinstance(segmentation["counts"], list):
        return mask_utils.frPyObjects(segmentation, height, width)
    return segmentation


def rle_areas(rles: Sequence[dict]) -> np.ndarray:
    """Returns the pixels of each mask: float64 [N].

    Args:
        rles: compressed RLE dicts.
    """
    from pycocotools import mask as mask_utils

    # On NumPy 2 pycocotools fails on more than 255 at once.
    parts = [mask_utils.area(rles[i : i + 255]) for i in range(0, len(rles), 255)]
    return np.concatenate([np.zeros(0), *parts])


def to_coco_ground_truth(
    images: Sequence[dict], categories: Sequence[dict], annotations: Sequence[dict]
) -> dict[str, list[dict]]:
    """Returns a COCO ground truth dict: what annotations left out is filled in.

    Args:
        images: dicts with id, height, width.
        categories: dicts with id (and name).
        annotations: dicts with image_id, category_id, bbox [x, y, width, height] and
            segmentation (polygons, RLE or compressed RLE); optional iscrowd (0) and
            area (px; taken from the segmentation, or from the box without one).

    Returns:
        dict(images, categories, annotations); annotations are numbered from 1.

    Raises:
        ValueError: an annotation of an image or category that isn't listed, or one
            whose iscrowd, area or bbox are no plain numbers.
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
        _check_plain(annotation)
        # pycocotools reads a match with annotation 0 as no match: count from 1.
        new = {**annotation, "id": len(filled) + 1}
        new.setdefault("iscrowd", 0)
        if "segmentation" in new and not {"area", "bbox"} <= new.keys():
            rle = to_rle(new["segmentation"], image["height"], image["width"])
            new.setdefault("area", float(mask_utils.area(rle)))
            new.setdefault("bbox", mask_utils.toBbox(rle).tolist())
        new.setdefault("area", float(new["bbox"][2] * new["bbox"][3]))
        filled.append(new)
    return {
        "images": [dict(image) for image in images],
        "categories": [dict(category) for category in categories],
        "annotations": filled,
    }


def box_differs(bbox: Sequence[float], crop: Any, shape: Any = None) -> bool:
    """Returns whether a stated box is not that of the outline.

    Args:
        bbox: (x, y, width, height), orig, px.
        crop: Crop of the object, orig; one without a pixel has no box.
        shape: its outline, of `mrcnn.data.outlines`, or None.
    """
    if not crop.area:
        return False
    boxes = [np.array(crop.box, np.float64)]
    if shape is not None and (extent := shape.extent()) is not None:
        boxes.append(np.array(extent, np.float64))
    x, y, width, height = bbox
    fit = max(_fit((y, x, y + height, x + width), box) for box in boxes)
    by_corners = max(_fit((y, x, height, width), box) for box in boxes)
    return fit < MIN_BOX_IOU or fit < GOOD_BOX_IOU < by_corners


def area_differs(area: float, crop: Any, shape: Any = None) -> bool:
    """Returns whether a stated area is not that of the outline; that of a box may be.

    Args:
        area: px.
        crop: Crop of the object, orig.
        shape: its outline, of `mrcnn.data.outlines`, or None.
    """
    if not crop.area:
        return False
    drawn = _drawn_area(shape)
    if area <= 0:
        return area < 0 or drawn is None or drawn >= 1
    height, width = crop.mask.shape
    own = [crop.area] if drawn is None else [crop.area, drawn]
    is_near = (abs(area - a) <= AREA_SLACK * a + height + width for a in own)
    return not any(is_near) and not is_area_of_box(area, crop)


def is_area_of_box(area: float, crop: Any) -> bool:
    """Returns whether a stated area is that of the box, and the outline's is another.

    Args:
        area: px.
        crop: Crop of the object, orig.
    """
    height, width = crop.mask.shape
    # Boxes of outlines end between pixels, those of masks do not.
    is_box = (height - 1) * (width - 1) <= area <= (height + 1) * (width + 1)
    return is_box and 0 < crop.area < FULL_BOX * (height - 1) * (width - 1)


def _check_plain(annotation: dict) -> None:
    """Raises ValueError for numbers that pycocotools would take for others.

    To it every text is a crowd ("0" too), and an object with an area below 0 is none.
    """
    area, bbox = annotation.get("area", 0), annotation.get("bbox", [0] * 4)
    is_plain = {
        "iscrowd": annotation.get("iscrowd", 0) in (0, 1),
        "area": _is_number(area) and area >= 0,
        "bbox": len(bbox) == 4 and all(map(_is_number, bbox))
        if isinstance(bbox, list | tuple | np.ndarray)
        else False,
    }
    for key, is_right in is_plain.items():
        if not is_right:
            raise ValueError(
                f"to_coco_ground_truth(annotations): {key} of annotation "
                f"{annotation.get('id')!r} is {annotation[key]!r:.60}; iscrowd is 0 or "
                "1, area a number from 0 on, bbox [x, y, width, height]. "
                "CocoDataset.load_json(return_coco=True) reads what tools write."
            )


def _is_number(value: Any) -> bool:
    """Returns whether a value is a finite number, no text and no flag."""
    is_real = isinstance(value, int | float | np.number) and not isinstance(value, bool)
    return is_real and bool(np.isfinite(value))


def _fit(stated: Sequence[float], box: np.ndarray) -> float:
    """Returns the IoU of two boxes; sides within SIDE_SLACK px count as equal."""
    stated = np.array(stated, np.float64)
    stated = np.where(np.abs(stated - box) <= SIDE_SLACK, box, stated)
    both = np.minimum(stated, box)[2:] - np.maximum(stated, box)[:2]
    areas = [np.prod(np.maximum(b[2:] - b[:2], 0)) for b in (stated, box)]
    inter = np.prod(np.maximum(both, 0))
    return float(inter / max(sum(areas) - inter, 1e-9))


def _drawn_area(shape: Any) -> float | None:
    """Returns the sum of the areas within the rings of polygons, None for others."""
    rings = getattr(shape, "rings", None)
    if rings is None:
        return None
    total = 0.0
    for ring in rings:
        y, x = np.asarray(ring, np.float64).reshape(-1, 2).T
        total += abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    return total
