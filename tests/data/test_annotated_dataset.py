from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import (
    Ellipse,
    MaskSizeError,
    Polygons,
    Rectangle,
    Rle,
    Shape,
)
from mrcnn.geometry.crops import Crop, stack_crops
from mrcnn.geometry.masks import extract_bboxes

HEIGHT, WIDTH = 20, 30  # not square


def make(annotations, path=None, kind=AnnotatedDataset, **size):
    dataset = kind()
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


def assert_law(dataset, image_id):
    """Crops put into zeros are the masks, and their boxes are tight."""
    masks, class_ids = dataset.load_mask(image_id)
    objects = dataset.objects(image_id)
    assert objects.boxes.dtype == objects.class_ids.dtype == np.int32
    assert objects.boxes.shape == (len(class_ids), 4)
    np.testing.assert_array_equal(stack_crops(objects.crops, masks.shape), masks)
    np.testing.assert_array_equal(objects.class_ids, class_ids)
    np.testing.assert_array_equal(objects.boxes, extract_bboxes(masks))
    again = dataset.load_object_crops(image_id)
    np.testing.assert_array_equal(stack_crops(again.crops, masks.shape), masks)


def test_crops_are_the_masks():
    assert_law(make(OBJECTS, **SIZE), 0)


def test_objects_come_with_the_annotations_they_were_drawn_from():
    dataset = make(OBJECTS, **SIZE)
    objects = dataset.objects(0)
    assert objects.annotations == [OBJECTS[i] for i in (0, 1, 3, 4)]
    assert objects.size == (HEIGHT, WIDTH)


class Mirrored(AnnotatedDataset):
    """Crops of its own, made of those that its parent draws."""

    def load_object_crops(self, image_id):
        objects = self.drawn_objects(image_id)
        crops = [Crop(box, mask[:, ::-1]) for box, mask in objects.crops]
        return objects._replace(crops=crops)


def test_changed_crops_are_not_those_of_the_annotations():
    dataset = make(OBJECTS, kind=Mirrored, **SIZE)
    assert dataset.objects_source == "load_object_crops"
    assert dataset.objects(0).annotations is None


def test_crops_of_another_type_are_refused():
    dataset = make(OBJECTS, **SIZE)
    dataset.load_object_crops = lambda image_id: ([], [], [])
    with pytest.raises(TypeError, match=r"load_object_crops\(image_id=0\).*Objects"):
        dataset.objects(0)


class Unfit(Shape):
    def crop(self, height, width, files=None):
        raise LookupError("no such outline")


def test_each_annotation_is_drawn_with_its_own_error():
    outlines = [Annotation(Unfit(), 7), Annotation(Rle([3], (1, 3)), 7)]
    dataset = make([*OBJECTS[:3], *outlines], path="folder/a.png", **SIZE)
    drawn = list(dataset.draw_annotations(0))
    assert [each.class_id for each in drawn] == [1, 3, None, 1, 1]
    assert [each.crop is None for each in drawn] == [False, False, True, True, True]
    kinds = [type(each.error) for each in drawn]
    assert kinds == [type(None)] * 3 + [LookupError, MaskSizeError]
    with pytest.raises(LookupError, match="no such outline"):
        dataset.objects(0)
    dataset.image_info[0]["annotations"][3] = outlines[1]
    with pytest.raises(MaskSizeError, match="object 3 of image 'first', folder/a.png"):
        dataset.objects(0)


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


def test_size_that_is_not_known_is_an_error():
    with pytest.raises(ValueError, match="'first' has no path; give width and height"):
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
    with pytest.raises(ValueError, match=r"call dataset\.prepare"):
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
