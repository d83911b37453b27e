"""A clean data set, and faults to plant in it, each in an image of its own.

Two data sets hold the same objects: one keeps annotations, the other overrides
`load_mask`, as a user's class does.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import NamedTuple

import numpy as np
from PIL import Image

from mrcnn.config import Config
from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.mask_files import MaskFile
from mrcnn.data.outlines.shapes import Polygons, Polyline, Rectangle, Rle
from mrcnn.geometry.interpolation import nearest_pixels

HEIGHT, WIDTH = 96, 128  # not square
EXIF_ORIENTATION = 0x0112
TURN = 6  # by 90 degrees, to see the picture upright
TRIANGLE = [60, 50, 100, 50, 80, 90]


class PlantConfig(Config):
    NAME = "plant"
    NUM_CLASSES = 3
    IMAGE_MIN_DIM = 64
    IMAGE_MAX_DIM = 128
    RPN_ANCHOR_SCALES = (16, 24, 32, 48, 64)
    MINI_MASK_SHAPE = (28, 28)
    MAX_GT_INSTANCES = 5


def write_picture(path: Path, seed: int, size=(HEIGHT, WIDTH), orientation=1) -> Path:
    """Noise, so that no two pictures are equal; png keeps it as it is."""
    pixels = np.random.default_rng(seed).integers(0, 255, [*size, 3], np.uint8)
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = orientation
    Image.fromarray(pixels).save(path, exif=exif)
    return path


class PlantDataset(AnnotatedDataset):
    """Each image has two objects, one of each class; nothing is wrong with it."""

    def __init__(self, folder: Path, count=3, first_seed=0):
        super().__init__()
        self.folder = folder
        self.add_class("plant", 1, "leaf")
        self.add_class("plant", 2, "root")
        for i in range(count):
            path = write_picture(folder / f"{i}.png", first_seed + i)
            self.add_image(
                "plant", f"id{i}", str(path), annotations=self.clean_objects()
            )
        self.prepare()

    @staticmethod
    def clean_objects() -> list[Annotation]:
        triangle = Polygons.from_xy([TRIANGLE])
        return [Annotation(Rectangle(10, 10, 40, 50), 1), Annotation(triangle, 2)]

    def put(self, image_id: int, *shapes, class_id=1, **kwargs) -> int:
        """Adds objects to an image; returns the place of the first of them."""
        annotations = self.image_info[image_id]["annotations"]
        place = len(annotations)
        annotations += [Annotation(shape, class_id, **kwargs) for shape in shapes]
        return place

    def replace_picture(self, image_id: int, name: str, **kwargs) -> None:
        path = write_picture(self.folder / name, 1000 + image_id, **kwargs)
        self.image_info[image_id]["path"] = str(path)

    def file_of(self, image_id: int) -> Path:
        return Path(self.image_info[image_id]["path"])


class MaskDataset(Dataset):
    """The same objects from a `load_mask` of its own; `spoil` changes what it says."""

    def __init__(self, original: PlantDataset):
        super().__init__()
        self.original = original
        self.class_info, self.image_info = original.class_info, original.image_info
        self.spoil: dict[int, Callable] = {}
        self.prepare()

    def load_mask(self, image_id):
        masks, class_ids = self.original.load_mask(image_id)
        spoil = self.spoil.get(image_id, lambda *objects: objects)
        return spoil(masks, class_ids)


class Planted(NamedTuple):
    """What a report must say: kind, image, object, and the end of the file's path."""

    kind: str
    image_id: int | None
    instance: int | None
    path: str | None


def missing_image(data: PlantDataset, i: int) -> Planted:
    data.file_of(i).unlink()
    data.image_info[i] |= {"height": HEIGHT, "width": WIDTH}
    return Planted("missing file", i, None, f"{i}.png")


def truncated_image(data: PlantDataset, i: int) -> Planted:
    data.file_of(i).write_bytes(data.file_of(i).read_bytes()[:2000])
    return Planted("unreadable image", i, None, f"{i}.png")


def page_instead_of_image(data: PlantDataset, i: int) -> Planted:
    data.file_of(i).write_text("<html>404</html>")
    return Planted("unreadable image", i, None, f"{i}.png")


def missing_mask_file(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, MaskFile(str(data.folder / "gone.png")))
    return Planted("missing file", i, place, "gone.png")


def mask_file_of_another_size(data: PlantDataset, i: int) -> Planted:
    path = write_picture(data.folder / "mask.png", 99, (HEIGHT, WIDTH + 1))
    return Planted("mask size", i, data.put(i, MaskFile(str(path))), "mask.png")


def run_lengths_of_another_size(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rle([0, HEIGHT * WIDTH], (WIDTH, HEIGHT)))
    return Planted("mask size", i, place, f"{i}.png")


def annotated_at_another_size(data: PlantDataset, i: int) -> Planted:
    data.image_info[i] |= {"height": HEIGHT - 1, "width": WIDTH}
    return Planted("mask size", i, None, f"{i}.png")


def damaged_run_lengths(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rle([5, -3, HEIGHT * WIDTH - 2]))
    return Planted("unreadable masks", i, place, f"{i}.png")


def empty_object(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Polygons.from_xy([[5, 5, 9, 9]]))  # two points
    return Planted("empty object", i, place, f"{i}.png")


def one_pixel_object(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rectangle(70, 20, 71, 21))
    return Planted("one-pixel object", i, place, f"{i}.png")


def object_outside(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Polygons.from_xy([[300, 10, 340, 10, 340, 40]]))
    return Planted("outside image", i, place, f"{i}.png")


def object_over_the_border(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rectangle(60, 100, 90, WIDTH + 9))
    return Planted("beyond border", i, place, f"{i}.png")


def unknown_class(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rectangle(60, 10, 90, 40), class_id=77)
    return Planted("unknown class", i, place, f"{i}.png")


def id_twice(data: PlantDataset, i: int) -> Planted:
    path = write_picture(data.folder / "other.png", 500)
    outside_id = data.image_info[i]["id"]
    data.add_image("plant", outside_id, str(path), annotations=data.clean_objects())
    data.prepare()
    return Planted("duplicate id", data.num_images - 1, None, "other.png")


def picture_twice(data: PlantDataset, i: int) -> Planted:
    copy = data.folder / "copy.bmp"  # other bytes, the same pixels
    Image.open(data.file_of(i)).save(copy)
    data.add_image("plant", "copy", str(copy), annotations=data.clean_objects())
    data.prepare()
    return Planted("duplicate image", data.num_images - 1, None, "copy.bmp")


def object_twice(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Polygons.from_xy([TRIANGLE]), class_id=2)
    return Planted("duplicate object", i, place, f"{i}.png")


def picture_with_a_note(data: PlantDataset, i: int) -> Planted:
    data.replace_picture(i, "lying.png", orientation=TURN)
    return Planted("exif note", i, None, "lying.png")


def object_lost_in_resizing(data: PlantDataset, i: int) -> Planted:
    # The picture is halved: of two columns one is seen.
    data.replace_picture(i, "large.png", size=(2 * HEIGHT, 2 * WIDTH))
    seen = nearest_pixels(2 * WIDTH, WIDTH)
    column = 200 if 200 not in seen else 201
    place = data.put(i, Rectangle(10, column, 90, column + 1))
    return Planted("lost object", i, place, "large.png")


def thin_object(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Polyline.from_xy([5, 5, 120, 20, 5, 85], line_width=1.5))
    return Planted("thin object", i, place, f"{i}.png")


def small_box(data: PlantDataset, i: int) -> Planted:
    return Planted("small box", i, data.put(i, Rectangle(5, 100, 9, 105)), f"{i}.png")


def long_box(data: PlantDataset, i: int) -> Planted:
    place = data.put(i, Rectangle(44, 2, 49, 126))
    return Planted("unmatched box", i, place, f"{i}.png")


def many_objects(data: PlantDataset, i: int) -> Planted:
    data.put(i, *[Rectangle(2, 56 + 17 * k, 20, 71 + 17 * k) for k in range(4)])
    return Planted("many objects", i, None, f"{i}.png")


def no_objects(data: PlantDataset, i: int) -> Planted:
    data.image_info[i]["annotations"].clear()
    return Planted("no objects", i, None, f"{i}.png")


def class_without_objects(data: PlantDataset, i: int) -> Planted:
    data.add_class("plant", 3, "flower")
    data.prepare()
    return Planted("unused class", None, None, None)


FAULTS = [
    missing_image,
    truncated_image,
    page_instead_of_image,
    missing_mask_file,
    mask_file_of_another_size,
    run_lengths_of_another_size,
    annotated_at_another_size,
    damaged_run_lengths,
    empty_object,
    one_pixel_object,
    object_outside,
    object_over_the_border,
    unknown_class,
    id_twice,
    picture_twice,
    object_twice,
    picture_with_a_note,
    object_lost_in_resizing,
    thin_object,
    small_box,
    long_box,
    many_objects,
    no_objects,
    class_without_objects,
]
