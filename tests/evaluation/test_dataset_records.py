"""The truth of an image: the objects that training sees, in the picture's frame."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.objects import Objects
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import Rectangle
from mrcnn.evaluation import (
    compact,
    dataset_records,
    evaluate,
    masks_to_rles,
    truth_record,
)
from mrcnn.geometry.crops import Crop

pytestmark = pytest.mark.filterwarnings(
    "ignore:__array__:DeprecationWarning", "ignore:.*has no keras_model"
)

HEIGHT, WIDTH = 40, 60  # not square
EXTRA = {"bbox": [10, 4, 20, 30], "area": 600, "difficult": 1}


class Photos(AnnotatedDataset):
    """One picture, its object with the box and area of the annotation file."""

    def __init__(self):
        super().__init__()
        self.add_class("zoo", 1, "cat")
        cat = Annotation(Rectangle(4, 10, 34, 30), 1, extra=EXTRA)
        size = {"height": HEIGHT, "width": WIDTH}
        self.add_image("zoo", "tom", None, **size, annotations=[cat])
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)


class Half(Photos):
    """Everything at half size."""

    def load_image(self, image_id):
        return super().load_image(image_id)[::2, ::2]

    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return masks[::2, ::2], class_ids


class HalfCrops(Photos):
    """The objects alone are others than the annotations."""

    def load_object_crops(self, image_id):
        crop = Crop((2, 5, 17, 15), np.ones((15, 10), bool))
        return Objects([crop], np.array([1], np.int32))


class Perfect:
    """Finds what `load_mask` gives."""

    def __init__(self, dataset):
        self.dataset = dataset

    def detect(self, images, masks="rle"):
        found, class_ids = self.dataset.load_mask(0)
        ys, xs = (np.flatnonzero(found.any(axis=(axis, 2))) for axis in (1, 0))
        box = [[ys[0], xs[0], ys[-1] + 1, xs[-1] + 1]]
        rles = masks_to_rles(found)
        return [{"rois": box, "class_ids": class_ids, "scores": [0.9], "masks": rles}]


def truth(dataset):
    return truth_record(dataset, 0, *dataset.load_image(0).shape[:2])


def test_numbers_of_the_annotation_file_are_taken_with_its_masks():
    found = truth(Photos())
    np.testing.assert_array_equal(found["gt_boxes"], [[4, 10, 34, 30]])
    assert (found["gt_areas"], found["gt_difficult"]) == ([600], [True])


@pytest.mark.parametrize("kind", [Photos, Half])
def test_a_perfect_model_is_perfect_in_the_frame_of_the_image(kind):
    result = evaluate(Perfect(kind()), kind(), verbose=0)
    assert result["bbox"]["AP"] == result["segm"]["AP"] == pytest.approx(1)


@pytest.mark.parametrize("kind", [Half, HalfCrops])
def test_boxes_and_areas_of_annotations_are_not_those_of_other_masks(kind):
    dataset = kind()
    found = truth(dataset)
    assert "gt_boxes" not in found and "gt_areas" not in found
    assert found["gt_difficult"] == [True]
    found |= Perfect(Half()).detect([None])[0]
    if kind is Half:
        np.testing.assert_array_equal(compact(found).gt_boxes, [[2, 5, 17, 15]])


def test_annotations_of_an_image_of_another_size_are_refused():
    class Shrunk(Photos):
        def load_image(self, image_id):
            return super().load_image(image_id)[::2, ::2]

    with pytest.raises(ValueError, match=r"\(20, 30\).*\(40, 60\).*validate"):
        truth(Shrunk())


class Given(Dataset):
    """Masks that are given, by a method of its own."""

    def __init__(self, masks, class_ids):
        super().__init__()
        self.given = masks, np.array(class_ids, np.int32)
        self.add_class("zoo", 1, "cat")
        self.add_image("zoo", "tom", None)
        self.prepare()

    def load_image(self, image_id):
        return np.zeros((HEIGHT, WIDTH, 3), np.uint8)

    def load_mask(self, image_id):
        return self.given


@pytest.mark.parametrize(
    "shape", [(HEIGHT, WIDTH + 1, 1), (HEIGHT - 5, WIDTH, 1), (WIDTH, HEIGHT, 1)]
)
def test_masks_of_another_size_are_refused(shape):
    masks = np.zeros(shape, bool)
    masks[2:9, 3:20] = True
    dataset = Given(masks, [1])
    with pytest.raises(ValueError, match=r"image_id=0.*\(40, 60\).*drawn for"):
        evaluate(Perfect(dataset), dataset, verbose=0)


def test_no_object_may_have_any_size():
    found = truth(Given(np.zeros((0, 0, 0), bool), []))
    found |= {"rois": np.zeros((0, 4)), "class_ids": [], "scores": []}
    assert compact(found).gt_rles == []


def test_a_model_of_other_classes_draws_a_warning():
    model = Perfect(Photos())
    model.config = SimpleNamespace(NUM_CLASSES=81)
    with pytest.warns(UserWarning, match="NUM_CLASSES=81, the data set 2 "):
        next(dataset_records(model, Photos()))
    with pytest.raises(ValueError, match="NUM_CLASSES=81, the data set 2 "):
        evaluate(model, Photos(), verbose=0)


def test_the_most_derived_method_gives_the_objects():
    class Grandchild(HalfCrops):
        def load_mask(self, image_id):
            return np.ones((HEIGHT, WIDTH, 2), bool), np.array([1, 1], np.int32)

    assert len(truth(HalfCrops())["gt_class_ids"]) == 1
    found = truth(Grandchild())
    assert len(found["gt_class_ids"]) == 2
    assert "gt_difficult" not in found  # said of other objects
