"""to_coco, detections_to_coco: data sets and detections written as COCO does."""

from __future__ import annotations

import json
import os
import warnings
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data.dataset import Dataset
from mrcnn.data.image_gt import has_own_masks
from mrcnn.data.outlines.annotation import Polygons
from mrcnn.data.outlines.shapes import Crop, tight_crop
from mrcnn.evaluation.coco_format import boxes_to_xywh, crop_to_rle, masks_to_rles

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
    `detections_to_coco` uses too unless told otherwise.

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
        ValueError: another `segmentation`; the data set is not prepared.
    """
    if segmentation not in SEGMENTATIONS:
        raise ValueError(
            f"to_coco(segmentation={segmentation!r}): use one of {SEGMENTATIONS}."
        )
    if not hasattr(dataset, "class_names"):
        raise ValueError(
            "to_coco(dataset): the data set is not prepared; call dataset.prepare()."
        )
    ids = [int(i) for i in (dataset.image_ids if image_ids is None else image_ids)]
    file_names = _file_names(dataset, ids, image_dir)
    images, annotations = [], []
    for image_id, file_name in zip(ids, file_names, strict=True):
        (height, width), crops, class_ids = _load(dataset, image_id)
        images.append(
            {"id": image_id, "file_name": file_name, "height": height, "width": width}
        )
        outlines = [None] * len(crops)
        if segmentation == "polygon":
            outlines = _outlines(dataset, image_id, crops, class_ids, (height, width))
        for crop, class_id, outline in zip(crops, class_ids, outlines, strict=True):
            annotation = _annotation(crop, int(class_id), outline, height, width)
            numbered = {"id": len(annotations) + 1, "image_id": image_id}
            annotations.append(numbered | annotation)
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
    results, image_ids = list(results), list(image_ids)
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


def _load(dataset, image_id: int) -> tuple[tuple[int, int], list[Crop], np.ndarray]:
    """Returns the size of an image, the crops of its objects, and their class ids."""
    # Not the size in image_info: masks may be of a smaller copy, as InMemoryDataset's.
    if not has_own_masks(dataset):
        crops = dataset.load_object_crops(image_id)
        pairs = zip(crops.boxes, crops.masks, strict=True)
        if getattr(dataset, "draws_annotations", False):
            size = dataset.image_size(image_id)
        else:
            size = dataset.load_image(image_id).shape[:2]
        return size, [Crop(*pair) for pair in pairs], crops.class_ids
    masks, class_ids = dataset.load_mask(image_id)
    picture = masks if masks.size else dataset.load_image(image_id)
    crops = [tight_crop(masks[..., i] != 0) for i in range(masks.shape[-1])]
    return picture.shape[:2], crops, class_ids


def _annotation(crop: Crop, class_id: int, outline, height: int, width: int) -> dict:
    """Returns the annotation of an object, but for its ids."""
    return {
        "category_id": abs(class_id),
        "iscrowd": int(class_id < 0),
        "area": int(np.count_nonzero(crop.mask)),
        "bbox": boxes_to_xywh(crop.box)[0].tolist(),
        "segmentation": outline or crop_to_rle(crop.mask, crop.box, height, width),
    }


def _outlines(dataset, image_id, crops, class_ids, size) -> list:
    """Returns polygons as COCO writes them, None where run lengths have to do."""
    shapes = [None] * len(crops)
    if getattr(dataset, "draws_annotations", False):
        shapes = [a.shape for a, _ in dataset.known_annotations(image_id)]
    outlines = []
    for crop, class_id, shape in zip(crops, class_ids, shapes, strict=True):
        outline = None
        if class_id > 0 and crop.mask.any():
            drawn = isinstance(shape, Polygons)
            outline = shape if drawn else _traced(crop, *size)
        outlines.append(None if outline is None else _flat(outline))
    return outlines


def _traced(crop: Crop, height: int, width: int) -> Polygons | None:
    """Returns outlines that give exactly the pixels of a crop; None if none do."""
    from skimage.measure import find_contours

    # Half way between pixels that differ: all centers are clear of the outline.
    contours = find_contours(np.pad(crop.mask, 1).astype(np.float32), 0.5)
    offset = crop.box[:2] - 0.5  # the padding, and centers at half pixels
    outline = Polygons([_corners(contour[:-1]) + offset for contour in contours])
    again = outline.crop(height, width)
    same = np.array_equal(again.box, crop.box) and np.array_equal(again.mask, crop.mask)
    return outline if same else None


def _corners(ring: np.ndarray) -> np.ndarray:
    """Returns the points [N, 2] of a closed ring at which it turns."""
    before, after = ring - np.roll(ring, 1, axis=0), np.roll(ring, -1, axis=0) - ring
    return ring[before[:, 0] * after[:, 1] != before[:, 1] * after[:, 0]]


def _flat(outline: Polygons) -> list[list[float]]:
    """Returns polygons as COCO writes them, [[x0, y0, x1, y1, ...], ...]."""
    return [ring[:, ::-1].ravel().tolist() for ring in outline.rings if len(ring) > 2]


def _file_names(dataset, image_ids: Sequence[int], image_dir) -> list[str]:
    """Returns the file names of images, from a common folder, with '/' between."""
    infos = [dataset.image_info[i] for i in image_ids]
    paths = [
        None if _is_address(info["path"]) else Path(os.path.abspath(info["path"]))
        for info in infos
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


def _is_address(path) -> bool:
    """True for what is no path of a file: an http address, or nothing."""
    return path is None or str(path).startswith(("http://", "https://"))


def _rows_of(result: Mapping, image_id, dataset: Dataset | None) -> list[dict]:
    """Returns the COCO results of one image."""
    boxes = boxes_to_xywh(result["rois"])
    class_ids = [int(i) for i in result["class_ids"]]
    scores = [float(score) for score in result["scores"]]
    masks = result.get("masks")
    masks = result.get("rles") if masks is None else masks
    if isinstance(masks, np.ndarray):
        masks = masks_to_rles(masks)
    counts = [len(x) for x in (boxes, class_ids, scores, masks) if x is not None]
    if len(set(counts)) > 1:
        raise ValueError(
            f"detections_to_coco(image_id={image_id!r}): boxes, class ids, scores (and "
            f"masks) are {counts}; a result has one of each a detection."
        )
    if masks is not None and not all(isinstance(mask, Mapping) for mask in masks):
        raise ValueError(
            f"detections_to_coco(image_id={image_id!r}): masks must be bool [H, W, N] "
            "or run lengths; detect with masks='full' or 'rle'."
        )
    image_id = int(image_id) if isinstance(image_id, np.integer) else image_id
    if dataset is not None:
        class_ids = [dataset.class_info[i]["id"] for i in class_ids]
        image_id = dataset.image_info[image_id]["id"]
    rows = []
    for i, class_id in enumerate(class_ids):
        row = {"image_id": image_id, "category_id": class_id, "score": scores[i]}
        row["bbox"] = boxes[i].tolist()
        if masks is not None:
            row["segmentation"] = masks[i]
        rows.append(row)
    return rows


def _write(content, path) -> None:
    """Writes json, if there is a path."""
    if path is not None:
        Path(path).write_text(json.dumps(content), encoding="utf-8")
