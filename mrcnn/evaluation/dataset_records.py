"""Makes records of a data set: its objects, and what a model detects."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Iterator
from typing import Any

import numpy as np

from mrcnn.evaluation.coco_format import area_differs, box_differs, crop_to_rle
from mrcnn.geometry.bit_depth import using_range


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
        image = load_image_for(model, dataset, image_id)
        yield {
            **truth_record(dataset, image_id, *image.shape[:2]),
            **model.detect([image], masks="rle")[0],
        }


def load_image_for(model: Any, dataset: Any, image_id: int) -> np.ndarray:
    """Returns an image of a data set, read as the model's IMAGE_RANGE says.

    Args:
        model: with the Config as `config`; without one, the range is "auto".
        dataset: a prepared Dataset.
        image_id: inside id.
    """
    config = getattr(model, "config", None)
    with using_range(getattr(config, "IMAGE_RANGE", "auto")):
        return dataset.load_image(image_id)


def truth_record(dataset: Any, image_id: int, height: int, width: int) -> dict:
    """The truth of one image of a data set, the half of a record for `compact`.

    Args:
        dataset: a prepared Dataset; or what only has its `load_image` and `load_mask`.
            What annotations say of themselves (`Annotation.extra`) is used where all
            of an image have it: difficult; and, where the objects are drawn from the
            annotations, box (y1, x1, y2, x2) or COCO's bbox (x, y, width, height);
            area, px. These are what published numbers are measured with. COCO's that
            are not those of the outline (`box_differs`, `area_differs`) do not count.
        image_id: inside id.
        height: px, of the image.
        width: px, of the image.

    Raises:
        ValueError: the objects were annotated on an image of another size.
    """
    record = {"image_id": int(image_id), "height": int(height), "width": int(width)}
    kind = type(dataset)
    if hasattr(kind, "load_mask") and not hasattr(kind, "objects"):
        masks, class_ids = dataset.load_mask(image_id)
        return record | {"gt_masks": masks, "gt_class_ids": np.asarray(class_ids)}
    objects = dataset.objects(image_id)
    if objects.crops and tuple(objects.size or (height, width)) != (height, width):
        raise ValueError(
            f"truth_record(image_id={image_id}): the image is {(height, width)} in "
            f"height and width, its objects are drawn for {tuple(objects.size)}; "
            "dataset.validate() shows more. If load_image resizes, override load_mask "
            "to do the same."
        )
    record["gt_rles"] = [
        crop_to_rle(crop.mask, crop.box, height, width) for crop in objects.crops
    ]
    record["gt_class_ids"] = np.asarray(objects.class_ids)
    return record | _stated(dataset, image_id, objects)


def _stated(dataset: Any, image_id: int, objects: Any) -> dict:
    """gt_difficult, gt_boxes and gt_areas that the annotations state themselves."""
    annotations = objects.annotations
    if annotations is None and hasattr(dataset, "inside_annotations"):
        # A load_mask of its own may change the masks, but not which objects there are.
        pairs = [p for p in dataset.inside_annotations(image_id) if p[1] is not None]
        if [class_id for _, class_id in pairs] == np.abs(objects.class_ids).tolist():
            annotations = [annotation for annotation, _ in pairs]
    extras = [annotation.extra for annotation in annotations or ()]
    found = {}
    if any("difficult" in extra for extra in extras):
        found["gt_difficult"] = [bool(extra.get("difficult")) for extra in extras]
    if not objects.annotations:
        return found  # boxes and areas would be those of other masks

    def all_of(key):
        values = [extra.get(key) for extra in extras]
        return None if any(value is None for value in values) else values

    found |= {"gt_boxes": all_of("box"), "gt_areas": all_of("area")}
    if found["gt_boxes"] is None and (boxes := all_of("bbox")) is not None:
        x, y, w, h = np.array(boxes, np.float64).T
        found["gt_boxes"] = np.stack([y, x, y + h, x + w], axis=1)
    _take_outlines(found, objects)
    return {key: value for key, value in found.items() if value is not None}


def _take_outlines(found: dict, objects: Any) -> None:
    """Puts boxes and areas of outlines for those of COCO that are not theirs."""
    boxes, areas = found["gt_boxes"], found["gt_areas"]
    areas = found["gt_areas"] = None if areas is None else list(areas)
    is_wrong = False
    for i, annotation in enumerate(objects.annotations):
        if (shape := getattr(annotation, "shape", None)) is None:
            continue
        crop, extra = objects.crops[i], annotation.extra
        bbox = None if boxes is None else extra.get("bbox")
        if bbox is not None and box_differs(bbox, crop, shape):
            boxes[i], is_wrong = crop.box, True
        # A crowd's area is that of the objects in it, however it is outlined.
        is_crowd = annotation.is_crowd and extra.get("area", 0) > 0
        if areas is not None and not is_crowd and area_differs(areas[i], crop, shape):
            areas[i], is_wrong = crop.area, True
    if is_wrong:
        # The same text for all images: it is shown once.
        warnings.warn(
            "truth_record(): some annotations state a bbox or an area that is not that "
            "of their outline; the outline counts. dataset.validate() lists them.",
            stacklevel=4,
        )
