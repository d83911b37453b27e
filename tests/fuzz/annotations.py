"""Data sets of every format, one file of each damaged, opened and read to the end."""

from __future__ import annotations

import base64
import functools
import io
import json
from collections.abc import Callable, Sequence
from pathlib import Path
from random import Random
from xml.sax.saxutils import escape

import numpy as np
from PIL import Image
from pycocotools import mask as coco_masks

from mrcnn.data import open_dataset
from tests.data.formats.via.test_via_dataset import project2, via1, via2, via3
from tests.data.planted import HEIGHT, TRIANGLE, WIDTH, PlantConfig
from tests.fuzz.case import Case, error_fault
from tests.fuzz.damage import damage_json, damage_xml
from tests.fuzz.pictures import damage_picture

SQUARE = [10, 10, 50, 10, 50, 40, 10, 40]  # (x, y) of its corners
OUTLINES = {"leaf": SQUARE, "root": TRIANGLE}
STEMS = ("a", "b")  # of the pictures; each shows both objects


class Errors(list):
    """Errors of single images that are fit for users."""


def annotation_case(rng: Random, folder: Path, write: Callable) -> Case:
    """Returns a data set of one format, with one file of it damaged.

    Args:
        write: writes a good data set into a folder, and returns the files to damage.
    """
    victims = write(folder, rng)
    names = [path.name for path in folder.rglob("*")] + ["open_dataset("]
    victim = rng.choice(victims)
    told, removes = _damage_file(victim, rng)
    # Where an image is in its json alone, both are gone.
    removes |= write is labelme and not victim.with_suffix(".png").is_file()
    return Case(
        f"{victim.relative_to(folder)}: {told}",
        functools.partial(read_all, folder, names),
        names,
        functools.partial(_fault, is_less_right=removes),
    )


def _damage_file(path: Path, rng: Random) -> tuple[str, bool]:
    """Damages a file in place; returns what was done, and whether objects may go."""
    content = path.read_bytes()
    if rng.random() < 0.04:
        path.unlink()
        if rng.random() < 0.5:
            return "removed the file", path.parent.name != "images"
        path.mkdir()
        return "replaced it by a folder", path.parent.name != "images"
    if path.suffix == ".json":
        damaged = damage_json(json.loads(content), rng)
    elif path.suffix == ".xml":
        damaged = damage_xml(content, rng)
    else:
        damaged = damage_picture(path, rng)
    path.write_bytes(damaged.content)
    return damaged.told, damaged.removes


def read_all(folder: Path, names: Sequence[str]):
    """Opens a data set and reads all of it, as `mrcnn check` and a training do.

    Returns:
        (data set, its report, errors of single images, objects with a pixel).
    """
    dataset = open_dataset(folder, verbose=0)
    report = dataset.validate(PlantConfig(), verbose=0)
    errors, objects = Errors(), 0
    for image_id in dataset.image_ids:
        for load in (dataset.load_image, dataset.load_mask):
            try:
                loaded = load(image_id)
            except Exception as error:
                # A name that was damaged is told with the image.
                if error_fault(error, [*names, f"(image_id={image_id}"]):
                    raise
                errors.append(error)
                continue
            if load == dataset.load_mask:
                masks, class_ids = loaded
                assert masks.dtype == bool and masks.ndim == 3
                assert class_ids.shape == masks.shape[2:]
                objects += int(masks.any(axis=(0, 1)).sum())
            else:
                assert loaded.dtype == np.uint8 and loaded.shape[2:] == (3,)
    dataset.count_annotations()
    return dataset, report, errors, objects


def _fault(result, told: list[str], is_less_right: bool) -> str | None:
    """Returns what was lost without a word."""
    _, report, errors, objects = result
    if errors and not report.problems:
        return f"load_mask or load_image raises, validate() lists nothing: {errors[0]}"
    lost = objects < len(STEMS) * len(OUTLINES)
    if lost and not (is_less_right or told or report.problems):
        return f"{objects} of 4 objects are left, and nobody says so"
    return None


# Good data sets


@functools.cache
def picture_bytes(stem: str, suffix: str = "png") -> bytes:
    """A picture of noise, another one for each name."""
    rng = np.random.default_rng(ord(stem[0]))
    pixels = rng.integers(0, 256, [HEIGHT, WIDTH, 3], np.uint8)
    file = io.BytesIO()
    Image.fromarray(pixels).save(file, {"jpg": "jpeg"}.get(suffix, suffix))
    return file.getvalue()


def write_pictures(folder: Path, suffix: str = "png") -> list[Path]:
    folder.mkdir(parents=True, exist_ok=True)
    paths = [folder / f"{stem}.{suffix}" for stem in STEMS]
    for path in paths:
        path.write_bytes(picture_bytes(path.stem, suffix))
    return paths


def write_json(path: Path, content) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


@functools.cache
def masks() -> np.ndarray:
    """The objects as masks, uint8 [N, H, W]."""
    rles = coco_masks.frPyObjects(list(OUTLINES.values()), HEIGHT, WIDTH)
    return np.ascontiguousarray(coco_masks.decode(rles).transpose(2, 0, 1))


def labels() -> np.ndarray:
    """The objects as a label image, uint8 [H, W]."""
    return (masks() * np.array([1, 2], np.uint8)[:, None, None]).max(axis=0)


def save(path: Path, array: np.ndarray) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(array).save(path)
    return path


def box_of(xy) -> tuple[int, int, int, int]:
    return min(xy[::2]), min(xy[1::2]), max(xy[::2]), max(xy[1::2])


def coco(folder: Path, rng: Random) -> list[Path]:
    images, annotations = [], []
    for i, path in enumerate(write_pictures(folder / "train"), 1):
        size = {"height": HEIGHT, "width": WIDTH}
        images.append({"id": i, "file_name": path.name, **size})
        for k, xy in enumerate(OUTLINES.values()):
            x1, y1, x2, y2 = box_of(xy)
            rle = coco_masks.encode(np.asfortranarray(masks()[k]))
            column = masks()[k].ravel("F")
            changes = np.flatnonzero(np.diff(column, prepend=0, append=-1))
            forms = [
                [xy],
                {"size": rle["size"], "counts": rle["counts"].decode()},
                {"size": rle["size"], "counts": np.diff(changes, prepend=0).tolist()},
            ]
            form = rng.choice(forms)
            annotations.append(
                {
                    "id": len(annotations) + 1,
                    "image_id": i,
                    "category_id": k + 1,
                    "segmentation": form,
                    "bbox": [x1, y1, x2 - x1, y2 - y1],
                    "area": int(masks()[k].sum()),
                    "iscrowd": 0,
                }
            )
    names = [{"id": k, "name": name} for k, name in enumerate(OUTLINES, 1)]
    content = {"images": images, "annotations": annotations, "categories": names}
    return [write_json(folder / "annotations" / "instances_train.json", content)]


def via(folder: Path, rng: Random, versions=(via1, via2, project2)) -> list[Path]:
    x1, y1, x2, y2 = box_of(SQUARE)
    first = rng.choice(
        [
            {"name": "rect", "x": x1, "y": y1, "width": x2 - x1, "height": y2 - y1},
            {"name": "circle", "cx": 30, "cy": 25, "r": 14.5},
            {"name": "ellipse", "cx": 30, "cy": 25, "rx": 20, "ry": 12},
        ]
    )
    x, y = TRIANGLE[::2], TRIANGLE[1::2]
    polygon = {"name": "polygon", "all_points_x": x, "all_points_y": y}
    regions = [(first, "leaf"), (polygon, "root")]
    pictures = write_pictures(folder)
    content = rng.choice(versions)({path.name: regions for path in pictures})
    return [write_json(folder / "via_region_data.json", content)]


def via_3(folder: Path, rng: Random) -> list[Path]:
    return via(folder, rng, (via3,))


def labelme(folder: Path, rng: Random) -> list[Path]:
    files = []
    for path in write_pictures(folder):
        corners = np.reshape(SQUARE, [-1, 2]).tolist()
        first = rng.choice(
            [
                {"points": corners, "shape_type": "polygon"},
                {"points": corners[::2], "shape_type": "rectangle"},
                {"points": [[30, 25], [42, 25]], "shape_type": "circle"},
                {"points": corners[::2], "shape_type": "mask", "mask": _mask_text()},
            ]
        )
        second = {"points": np.reshape(TRIANGLE, [-1, 2]).tolist()}
        shapes = [
            {"label": "leaf", "group_id": None, "flags": {}, **first},
            {"label": "root", "group_id": 1, "shape_type": "polygon", **second},
        ]
        content = {
            "version": "5.4.1",
            "flags": {},
            "shapes": shapes,
            "imagePath": path.name,
            "imageData": None,
            "imageHeight": HEIGHT,
            "imageWidth": WIDTH,
        }
        if rng.random() < 0.2:
            content["imageData"] = base64.b64encode(path.read_bytes()).decode()
            path.unlink()
        files.append(write_json(path.with_suffix(".json"), content))
    return files


def _mask_text() -> str:
    file = io.BytesIO()
    Image.fromarray(np.full([31, 41], 255, np.uint8)).save(file, "png")
    return base64.b64encode(file.getvalue()).decode()


def voc(folder: Path, rng: Random) -> list[Path]:
    files = []
    for path in write_pictures(folder / "JPEGImages", "jpg"):
        text = f"<filename>{path.name}</filename><size><width>{WIDTH}</width>"
        text += f"<height>{HEIGHT}</height><depth>3</depth></size>"
        for name, xy in OUTLINES.items():
            sides = zip(("xmin", "ymin", "xmax", "ymax"), box_of(xy), strict=True)
            box = "".join(f"<{side}>{value}</{side}>" for side, value in sides)
            text += f"<object><name>{escape(name)}</name><difficult>0</difficult>"
            text += f"<bndbox>{box}</bndbox></object>"
        xml = folder / "Annotations" / f"{path.stem}.xml"
        xml.parent.mkdir(exist_ok=True)
        xml.write_text(f"<annotation>{text}</annotation>")
        label = save(folder / "SegmentationObject" / f"{path.stem}.png", labels())
        files += [xml, xml, xml, label]
    lists = folder / "ImageSets" / "Segmentation" / "train.txt"
    lists.parent.mkdir(parents=True)
    lists.write_text("\n".join(STEMS))
    return [*files, lists]


def mask_folders(folder: Path, rng: Random) -> list[Path]:
    files = []
    for stem in STEMS:
        image = folder / stem / "images" / f"{stem}.png"
        image.parent.mkdir(parents=True)
        image.write_bytes(picture_bytes(stem))
        files.append(image)
        for i, mask in enumerate(masks()):
            files += [save(folder / stem / "masks" / f"{i}.png", mask * 255)] * 2
    split = {"train": ["a"], "val": ["b"]}
    return [*files, write_json(folder / "split.json", split)]


def label_images(folder: Path, rng: Random) -> list[Path]:
    kind, suffix = rng.choice(
        [(np.uint8, "png"), (np.uint16, "tif"), (np.int32, "tif")]
    )
    pictures = write_pictures(folder / "images")
    files = [
        save(folder / "labels" / f"{stem}.{suffix}", labels().astype(kind))
        for stem in STEMS
    ]
    return [*files, *files, *pictures]


FORMATS = (coco, via, via_3, labelme, voc, mask_folders, label_images)
KINDS = {
    write.__name__: functools.partial(annotation_case, write=write) for write in FORMATS
}
