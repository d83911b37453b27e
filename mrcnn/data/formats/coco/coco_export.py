"""to_coco, detections_to_coco: data sets and detections written as COCO does."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.files.image_files import is_address
from mrcnn.data.load_checks import check_prepared, checked_info, checked_objects
from mrcnn.data.objects import Objects
from mrcnn.data.outlines.shapes import Polygons
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle, masks_to_rles
from mrcnn.geometry.arguments import as_list, as_numbers, as_rows, as_whole
from mrcnn.geometry.boxes import as_boxes
from mrcnn.geometry.crops import Crop

SEGMENTATIONS = ("rle", "polygon")


def to_coco(
    dataset: Dataset,
    path: str | Path | None = None,
    image_ids: Iterable[int] | None = None,
    segmentation: str = "rle",
    *,
    image_dir: str | Path | None = None,
) -> dict:
    """Returns a data set as the content of a COCO annotation file.

    Law: `CocoDataset.load_json(path, image_dir)` gives the same masks, classes and
    crowds in the same order.

    Images and categories are numbered by the inside ids of the data set, which
    `detections_to_coco` uses too if it is given no data set.

    Args:
        dataset: any prepared Dataset.
        path: json file to write; None writes none.
        image_ids: inside ids of the images to take; None for all.
        segmentation: "rle": compressed run lengths. "polygon": outlines, those of the
            annotator where the data set has them; run lengths remain for crowds and
            where outlines would not give the same pixels (holes).
        image_dir: folder that the file names start from; None: the deepest one that
            holds all images.

    Returns:
        dict with images (id, file_name, height, width), annotations (id, image_id,
        category_id, iscrowd, area in px, bbox (x, y, width, height), segmentation),
        categories (id, name, supercategory: the source), info and licenses.

    Raises:
        ValueError: another `segmentation`; the data set is not prepared; masks and
            class ids of an image do not fit each other.
    """
    if not isinstance(segmentation, str) or segmentation not in SEGMENTATIONS:
        raise ValueError(
            f"to_coco(segmentation={segmentation!r}): use one of {SEGMENTATIONS}."
        )
    check_prepared(dataset, "to_coco(dataset)")
    where = "to_coco(image_ids)"
    ids = as_list(dataset.image_ids if image_ids is None else image_ids, where)
    ids = [as_whole(i, where, low=0) for i in ids]
    for i in ids:
        checked_info(dataset, i, where)
    file_names = _file_names(dataset, ids, image_dir)
    images, annotations = [], []
    for image_id, file_name in zip(ids, file_names, strict=True):
        objects = checked_objects(dataset, image_id)
        # Not the size in image_info: masks may be of a smaller copy of the image.
        size = objects.size or np.shape(dataset.load_image(image_id))[:2]
        named = {"id": image_id, "file_name": file_name}
        images.append(named | dict(zip(("height", "width"), size, strict=True)))
        for i, crop in enumerate(objects.crops):
            class_id = int(objects.class_ids[i])
            polygons = []
            if segmentation == "polygon" and class_id > 0 and crop.area:
                polygons = _polygons(objects, i, size)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": image_id,
                    "category_id": abs(class_id),
                    "iscrowd": int(class_id < 0),
                    "area": crop.area,
                    "bbox": boxes_to_xywh(crop.box)[0].tolist(),
                    "segmentation": polygons or crop_to_rle(crop.mask, crop.box, *size),
                }
            )
    if empty := sum(annotation["area"] == 0 for annotation in annotations):
        warnings.warn(
            f"to_coco(): {empty} objects have no pixel; they are written with the area "
            "0, and no detection will ever match them.",
            stacklevel=2,
        )
    content = {
        "info": {"description": "Written by mrcnn.data.to_coco"},
        "licenses": [],
        "images": images,
        "annotations": annotations,
        "categories": [
            {"id": i, "name": info["name"], "supercategory": info["source"]}
            for i, info in enumerate(dataset.class_info)
            if i > 0
        ],
    }
    _write(content, path)
    return content


def detections_to_coco(
    results: Iterable[Mapping],
    image_ids: Iterable,
    dataset: Dataset | None = None,
    path: str | Path | None = None,
) -> list[dict]:
    """Returns detections as the content of a COCO result file.

    Args:
        results: a dict an image, as `MaskRCNN.detect` returns them: rois [N, (y1, x1,
            y2, x2)], orig; class_ids; scores; masks, if there are any: bool [H, W, N],
            or run lengths (`detect(masks="rle")`).
        image_ids: inside ids of the images, in the order of `results`.
        dataset: None numbers images and classes by the inside ids, as `to_coco` does.
            A data set: by the ids of its source, as its own annotation file does,
            which is what a server wants.
        path: json file to write; None writes none.

    Returns:
        A list of dict(image_id, category_id, score, bbox (x, y, width, height),
        segmentation: compressed run lengths).

    Raises:
        ValueError: there are not as many image ids as results, or the fields of a
            result differ in their counts.
    """
    where = "detections_to_coco"
    keys = ("rois", "class_ids", "scores")
    results = as_rows(results, f"{where}(results)", *keys)
    image_ids = as_list(image_ids, f"{where}(image_ids)")
    if len(results) != len(image_ids):
        raise ValueError(
            f"detections_to_coco(): {len(results)} results came with "
            f"{len(image_ids)} image ids; give one id a result."
        )
    rows = []
    for image_id, result in zip(image_ids, results, strict=True):
        rows += _rows_of(result, image_id, dataset)
    _write(rows, path)
    return rows


def _polygons(objects: Objects, i: int, size) -> list[list[float]]:
    """Returns an object as COCO writes polygons, [[x0, y0, x1, y1, ...], ...].

    They are those of the annotator or, without them, traced around the pixels; [] if
    the traced ones would give other pixels.
    """
    shape = objects.annotations and objects.annotations[i].shape
    if not isinstance(shape, Polygons):
        shape = _traced(objects.crops[i], *size)
    rings = () if shape is None else shape.rings
    return [ring[:, ::-1].ravel().tolist() for ring in rings if len(ring) > 2]


def _traced(crop: Crop, height: int, width: int) -> Polygons | None:
    """Returns outlines that give exactly the pixels of a crop; None if none do."""
    from skimage.measure import find_contours

    # Half way between pixels that differ: all centers are clear of the outline.
    contours = find_contours(np.pad(crop.mask, 1).astype(np.float32), 0.5)
    offset = np.array(crop.box[:2]) - 0.5  # the padding, and centers at half pixels
    outline = Polygons([_corners(contour[:-1]) + offset for contour in contours])
    box, mask = outline.crop(height, width)
    return outline if box == crop.box and np.array_equal(mask, crop.mask) else None


def _corners(ring: np.ndarray) -> np.ndarray:
    """Returns the points [N, 2] of a closed ring at which it turns."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def _file_names(dataset, image_ids: Sequence[int], image_dir) -> list[str]:
    """Returns the file names of images, from a common folder, with '/' between."""
    infos = [dataset.image_info[i] for i in image_ids]
    paths = [info["path"] for info in infos]
    # None for what is no file of this machine.
    paths = [
        None if path is None or is_address(path) else Path(os.path.abspath(path))
        for path in paths
    ]
    if image_dir is None:
        folders = {str(path.parent) for path in paths if path is not None}
        root = os.path.commonpath(folders) if folders else ""
    else:
        root = os.path.abspath(image_dir)
    return [
        str(info["path"] or info["id"])
        if path is None
        else Path(os.path.relpath(path, root)).as_posix()
        for info, path in zip(infos, paths, strict=True)
    ]


def _rows_of(result: Mapping, image_id, dataset: Dataset | None) -> list[dict]:
    """Returns the COCO results of one image."""
    masks = result.get("masks")
    masks = result.get("rles") if masks is None else masks
    if isinstance(masks, np.ndarray):
        masks = masks_to_rles(masks)
    where = f"detections_to_coco(image_id={image_id!r})"
    class_ids = as_numbers(result["class_ids"], f"{where}: class_ids").reshape(-1)
    scores = as_numbers(result["scores"], f"{where}: scores", np.float64).reshape(-1)
    columns = {
        "category_id": [as_whole(i, f"{where}: class_ids") for i in class_ids],
        "score": scores.tolist(),
        "bbox": boxes_to_xywh(as_boxes(result["rois"], f"{where}: rois")).tolist(),
    }
    if masks is not None:
        columns["segmentation"] = masks
    counts = {name: len(column) for name, column in columns.items()}
    if len(set(counts.values())) > 1:
        raise ValueError(
            f"detections_to_coco(image_id={image_id!r}): a result has one class id, "
            f"score, box (and mask) a detection; received {counts}."
        )
    if masks is not None and not all(isinstance(mask, Mapping) for mask in masks):
        raise ValueError(
            f"detections_to_coco(image_id={image_id!r}): masks must be bool [H, W, N] "
            "or run lengths; detect with masks='full' or 'rle'."
        )
    image_id = int(image_id) if isinstance(image_id, np.integer) else image_id
    if dataset is not None:
        classes = len(dataset.class_info) - 1
        ids = [as_whole(i, f"{where}: class_ids", 0, classes) for i in class_ids]
        columns["category_id"] = [dataset.class_info[i]["id"] for i in ids]
        image_id = checked_info(dataset, image_id, f"{where}(image_ids)")["id"]
    return [
        {"image_id": image_id} | dict(zip(columns, row, strict=True))
        for row in zip(*columns.values(), strict=True)
    ]


def _write(content, path) -> None:
    """Writes json, if there is a path."""
    if path is not None:
        Path(path).write_text(json.dumps(content), encoding="utf-8")
