from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.outlines.annotation import Annotation, Ellipse, Polygons, Rectangle, Rle
from mrcnn.geometry.masks import extract_bboxes

HEIGHT, WIDTH = 20, 30  # not square


def make(annotations, path=None, **size):
    dataset = AnnotatedDataset()
    dataset.add_class("a", 7, "cat")
    dataset.add_class("b", 7, "dog")
    dataset.add_class("a", "x", "bird")
    dataset.add_image("a", "first", path, annotations=annotations, **size)
    dataset.prepare()
    return dataset


SIZE = {"height": HEIGHT, "width": WIDTH}
OBJECTS = [
    Annotation(Rectangle(2, 3, 8, 9), 7),
    Annotation(Ellipse(10, 15, 5, 9), "x"),
    Annotation(Rectangle(1, 1, 2, 2), 99),  # no such class
    Annotation(Rectangle(50, 50, 60, 60), 7),  # outside: no pixel
    Annotation(Polygons.from_xy([[0, 0, 30, 0, 30, 20]]), 7, is_crowd=True),
]


def test_masks_and_inside_ids_of_known_classes():
    masks, class_ids = make(OBJECTS, **SIZE).load_mask(0)
    assert masks.shape == (HEIGHT, WIDTH, 4) and masks.dtype == bool
    assert class_ids.dtype == np.int32
    assert class_ids.tolist() == [1, 3, 1, -1]  # cat, bird, cat without pixel, crowd
    assert masks.sum(axis=(0, 1)).tolist()[0] == 36
    assert not masks[..., 2].any() and masks[..., 3].any()


def paste(crops, height, width):
    """Crops put into zeros."""
    masks = np.zeros([height, width, len(crops.masks)], bool)
    for i, ((y1, x1, y2, x2), mask) in enumerate(
        zip(crops.boxes, crops.masks, strict=True)
    ):
        masks[y1:y2, x1:x2, i] = mask
    return masks


def assert_law(dataset, image_id):
    """Crops put into zeros are the masks, and their boxes are tight."""
    masks, class_ids = dataset.load_mask(image_id)
    crops = dataset.load_object_crops(image_id)
    assert crops.boxes.dtype == crops.class_ids.dtype == np.int32
    assert crops.boxes.shape == (len(class_ids), 4)
    np.testing.assert_array_equal(paste(crops, *masks.shape[:2]), masks)
    np.testing.assert_array_equal(crops.class_ids, class_ids)
    np.testing.assert_array_equal(crops.boxes, extract_bboxes(masks))


def test_crops_are_the_masks():
    assert_law(make(OBJECTS, **SIZE), 0)


def test_image_without_objects_has_masks_of_its_size():
    dataset = make([], **SIZE)
    masks, class_ids = dataset.load_mask(0)
    assert masks.shape == (HEIGHT, WIDTH, 0) and class_ids.shape == (0,)
    assert_law(dataset, 0)


def test_size_is_read_from_the_file_once_and_kept(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros([HEIGHT, WIDTH, 3], np.uint8)).save(path)
    dataset = make(OBJECTS, path=str(path))
    assert dataset.image_size(0) == (HEIGHT, WIDTH)
    path.unlink()
    assert dataset.image_size(0) == (HEIGHT, WIDTH)
    assert dataset.load_mask(0)[0].shape == (HEIGHT, WIDTH, 4)


def test_size_that_nobody_tells_is_an_error():
    with pytest.raises(ValueError, match="'first' has no path; tell add_image its wid"):
        make(OBJECTS).load_mask(0)


def test_annotations_are_counted_without_drawing(monkeypatch):
    dataset = make(OBJECTS, **SIZE)
    dataset.add_image("b", "second", None, annotations=OBJECTS[:2], **SIZE)
    dataset.prepare()

    def draw(*args):
        raise AssertionError("was drawn")

    for kind in (Rectangle, Ellipse, Polygons):
        monkeypatch.setattr(kind, "crop", draw)
    counts = dataset.count_annotations()
    # The second image's 7 is a dog, and its source has no 'x'.
    assert counts.objects.tolist() == [0, 2, 1, 1]
    assert counts.crowds.tolist() == [0, 1, 0, 0]
    assert dataset.count_annotations([1]).objects.tolist() == [0, 0, 1, 0]


def test_error_names_image_and_object():
    broken = Annotation(Rle([1, 2, 3], (HEIGHT, WIDTH)), 7)
    dataset = make([OBJECTS[0], broken], path="folder/a.png", **SIZE)
    with pytest.raises(
        ValueError, match="object 1 of image 'first', folder/a.png: Rle"
    ):
        dataset.load_mask(0)


def test_unprepared_data_set_says_so():
    dataset = AnnotatedDataset()
    dataset.add_image("a", "first", None, annotations=OBJECTS, **SIZE)
    with pytest.raises(RuntimeError, match="call prepare"):
        dataset.load_mask(0)


def test_annotations_may_be_read_when_asked():
    class Lazy(AnnotatedDataset):
        def load_annotations(self, image_id):
            return OBJECTS[image_id : image_id + 1]

    dataset = Lazy()
    dataset.add_class("a", 7, "cat")
    dataset.add_class("a", "x", "bird")
    for name in ("first", "second"):
        dataset.add_image("a", name, None, **SIZE)
    dataset.prepare()
    assert [dataset.load_mask(i)[1].tolist() for i in (0, 1)] == [[1], [2]]
    assert_law(dataset, 1)


class Inverted(AnnotatedDataset):
    """Masks made by a method of its own, from those of the annotations."""

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return ~masks, class_ids


def test_subclass_with_its_own_masks_is_asked_for_them():
    dataset = Inverted()
    dataset.add_class("a", 7, "cat")
    dataset.add_image("a", "first", None, annotations=OBJECTS[:1], **SIZE)
    dataset.prepare()
    assert dataset.load_mask(0)[0].sum() == HEIGHT * WIDTH - 36
    assert_law(dataset, 0)


def test_foreign_image_without_annotations_or_file_has_no_objects():
    dataset = make([], **SIZE)
    dataset.add_image("elsewhere", 1, None)
    dataset.prepare()
    masks, class_ids = dataset.load_mask(1)
    assert masks.shape[-1] == len(class_ids) == 0
