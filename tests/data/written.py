"""Small data sets of the known formats, written for the tests."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
from PIL import Image

SQUARE = [2, 2, 6, 2, 6, 6, 2, 6]


def write_json(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def write_picture(path: Path, height=8, width=10, value=0) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(np.full([height, width], value, np.uint8)).save(path)
    return path


def coco(name="a.jpg", image_id=1, category="cat"):
    image = {"id": image_id, "file_name": name, "height": 8, "width": 10}
    annotation = {
        "id": 1,
        "image_id": image_id,
        "category_id": 1,
        "segmentation": [SQUARE],
        "bbox": [2, 2, 4, 4],
        "area": 16,
        "iscrowd": 0,
    }
    categories = [{"id": 1, "name": category}]
    return {"images": [image], "annotations": [annotation], "categories": categories}


def via(name="a.jpg", label=None):
    shape = {"name": "rect", "x": 2, "y": 2, "width": 4, "height": 4}
    attributes = {} if label is None else {"class": label}
    region = {"shape_attributes": shape, "region_attributes": attributes}
    return {name: {"filename": name, "size": 1, "regions": [region]}}


def labelme(name="a.jpg", label="cat"):
    points = [[2, 2], [6, 2], [6, 6], [2, 6]]
    return {
        "version": "5.0",
        "shapes": [{"label": label, "points": points, "shape_type": "polygon"}],
        "imagePath": name,
        "imageData": None,
        "imageHeight": 8,
        "imageWidth": 10,
    }
