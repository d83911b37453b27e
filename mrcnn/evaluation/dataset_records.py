"""Records of a data set: its truth, and what a model detects in its images."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mrcnn.evaluation.coco_format import crop_to_rle


def dataset_records(
    model: Any, dataset: Any, image_ids: Iterable[int] | None = None
) -> Iterator[dict]:
    """Records of a data set: detect in each image.

    Args:
        model: what has `detect(images, masks="rle")`, as `mrcnn.model.MaskRCNN` has.
        dataset: a prepared `mrcnn.utils.Dataset`.
        image_ids: those to evaluate; None for all.

    Warns of a model that has another number of classes than the data set.
    """
    num_classes = getattr(getattr(model, "config", None), "NUM_CLASSES", None)
    if num_classes not in (None, getattr(dataset, "num_classes", num_classes)):
        warnings.warn(
            f"dataset_records(): the model has NUM_CLASSES={num_classes}, the data set "
            f"{dataset.num_classes} with the background; their class ids may not mean "
            "the same.",
            stacklevel=2,
        )
    for image_id in dataset.image_ids if image_ids is None else image_ids:
        image = dataset.load_image(image_id)
        yield {
            **truth_record(dataset, image_id, *image.shape[:2]),
            **model.detect([image], masks="rle")[0],
        }


def truth_record(dataset: Any, image_id: int, height: int, width: int) -> dict:
    """The truth of one image of a data set, the half of a record for `compact`.

    Args:
        dataset: a prepared Dataset. Its `load_object_crops` is used where that does
            without `load_mask`: no stack of full masks is made then. What annotations
            say of themselves (`load_annotations(image_id)[i].extra`) is used where all
            have it: difficult; and, unless a subclass overrides `load_mask` or
            `load_object_crops`, box (y1, x1, y2, x2) or COCO's bbox (x, y, width,
            height); area, px. These are what published numbers are measured with.
        image_id: inside id.
        height: px, of the image.
        width: px, of the image.

    Raises:
        ValueError: the objects were annotated on a picture of another size.
    """
    record = {"image_id": int(image_id), "height": int(height), "width": int(width)}
    # A class that only looks like a data set may have nothing but crops.
    has_crops = hasattr(dataset, "load_object_crops")
    if not getattr(dataset, "has_own_masks", not has_crops):
        objects = dataset.load_object_crops(image_id)
        _check_size(dataset, image_id, objects, (height, width))
        rles = [
            crop_to_rle(crop, box, height, width)
            for crop, box in zip(objects.masks, objects.boxes, strict=True)
        ]
        record |= {"gt_rles": rles, "gt_class_ids": np.asarray(objects.class_ids)}
    else:
        masks, class_ids = dataset.load_mask(image_id)
        record |= {"gt_masks": masks, "gt_class_ids": np.asarray(class_ids)}
    return record | _extras(dataset, image_id, record["gt_class_ids"])


def _check_size(dataset, image_id, objects, size):
    """Raises when annotations are those of a picture of another (height, width)."""
    if not (len(objects.masks) and hasattr(dataset, "image_size")):
        return
    annotated = tuple(dataset.image_size(image_id))
    if annotated != tuple(size):
        raise ValueError(
            f"truth_record(image_id={image_id}): the picture is {tuple(size)} in "
            f"height and width, its objects are drawn for {annotated}; "
            "dataset.validate() tells more. If load_image resizes, override load_mask "
            "to do the same."
        )


def _extras(dataset, image_id, class_ids):
    """gt_difficult, gt_boxes and gt_areas that the annotations state themselves."""
    if not hasattr(dataset, "load_annotations"):
        return {}
    source = dataset.image_info[image_id]["source"]
    extras, known_ids = [], []
    for annotation in dataset.load_annotations(image_id):
        known = dataset.class_from_source_map.get(f"{source}.{annotation.class_id}")
        if known is not None:
            extras.append(annotation.extra)
            known_ids.append(known)
    if known_ids != np.abs(class_ids).tolist():  # load_mask gives other objects
        return {}
    found = {}

    def all_have(key):
        return bool(extras) and all(extra.get(key) is not None for extra in extras)

    if any("difficult" in extra for extra in extras):
        found["gt_difficult"] = [bool(extra.get("difficult")) for extra in extras]
    if not getattr(dataset, "draws_annotations", True):
        return found  # in the frame of the annotations, not of the masks
    if all_have("box"):
        found["gt_boxes"] = [extra["box"] for extra in extras]
    elif all_have("bbox"):
        x, y, w, h = np.array([extra["bbox"] for extra in extras], np.float64).T
        found["gt_boxes"] = np.stack([y, x, y + h, x + w], axis=1)
    if all_have("area"):
        found["gt_areas"] = [extra["area"] for extra in extras]
    return found
