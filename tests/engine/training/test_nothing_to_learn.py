"""A training on nothing is an error before the first step."""

from __future__ import annotations

import warnings

import numpy as np
import pytest

from mrcnn.data import AnnotatedDataset, Annotation, InMemoryDataset, Rectangle
from tests.engine.tiny import (
    CLASSES,
    HEIGHT,
    WIDTH,
    EmptyDataset,
    TinyDataset,
    make_trainer,
    train,
)

pytestmark = pytest.mark.usefixtures("eager")


class CrowdDataset(TinyDataset):
    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return masks, -class_ids


class NoPixelDataset(TinyDataset):
    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return masks & False, class_ids


class DrawnDataset(AnnotatedDataset):
    """Three images of noise, an object of each in the first."""

    def __init__(self, class_ids=(1, 2), is_crowd=False, source="drawn"):
        super().__init__()
        for class_id, name in enumerate(CLASSES, start=1):
            self.add_class("drawn", class_id, name)
        objects = [
            Annotation(Rectangle(5, 5, 30, 30), class_id=i, is_crowd=is_crowd)
            for i in class_ids
        ]
        for i in range(3):
            found = [] if i else objects
            sides = {"width": WIDTH, "height": HEIGHT}
            self.add_image(source, i, None, annotations=found, **sides)
        self.prepare()

    def load_image(self, image_id):
        rng = np.random.default_rng(image_id)
        return rng.integers(0, 256, [HEIGHT, WIDTH, 3]).astype(np.uint8)


@pytest.mark.parametrize(
    ("make", "said"),
    [
        (EmptyDataset, "no object in 8 images"),
        (NoPixelDataset, "no object in 8 images"),
        (CrowdDataset, r"only 12 crowds \(iscrowd\) in 8 images"),
        (lambda: InMemoryDataset(EmptyDataset()), "no object in 8 images"),
        (lambda: DrawnDataset(()), "no object in 3 images"),
        (lambda: DrawnDataset((7, 8)), "no object in 3 images"),  # unknown classes
        (lambda: DrawnDataset(is_crowd=True), r"only 2 crowds \(iscrowd\) in 3"),
        (lambda: DrawnDataset(source="drwan"), "3 of 'drwan'; the classes are of"),
    ],
)
def test_nothing_to_learn_is_an_error_before_the_first_step(tmp_path, make, said):
    trainer, data = make_trainer(tmp_path), make()
    with pytest.raises(ValueError, match=said) as error:
        train(trainer, data)
    text = str(error.value)
    assert "box, bar" in text or "'drawn'" in text
    assert not list(tmp_path.rglob("*"))
    kinds = {problem.kind for problem in data.validate().errors}
    assert kinds & {"nothing to learn", "source without classes", "empty object"}


def test_sources_of_a_validation_set_match_too(tmp_path):
    val = TinyDataset(3)
    val.image_info[1]["source"] = "other"
    val.prepare()
    with pytest.raises(ValueError, match="1 of 'other'; the classes are of 'tiny'"):
        train(make_trainer(tmp_path), TinyDataset(), val)


def test_a_validation_set_without_objects_is_told(tmp_path):
    with pytest.warns(
        UserWarning, match=r"train\(val_dataset\): no object in 8 images"
    ):
        train(make_trainer(tmp_path, STEPS_PER_EPOCH=1), val=EmptyDataset())


@pytest.mark.parametrize(
    ("values", "said"),
    [
        ({"epochs": "2"}, "epochs='2'.*whole number"),
        ({"epochs": 1.5}, "epochs=1.5.*whole number"),
        ({"layers": None}, "layers=None.*a word"),
        ({"learning_rate": "0.01"}, "learning_rate='0.01'.*positive number"),
        ({"learning_rate": float("nan")}, "learning_rate=nan"),
        ({"learning_rate": -1}, "learning_rate=-1.*positive number"),
    ],
)
def test_impossible_arguments_are_named(tmp_path, values, said):
    with pytest.raises(ValueError, match=rf"train\({said}"):
        train(make_trainer(tmp_path), **values)
    assert not list(tmp_path.rglob("*"))


def test_a_class_without_objects_is_told(tmp_path):
    data, one = DrawnDataset((2,)), {"STEPS_PER_EPOCH": 1}
    with pytest.warns(UserWarning, match="no object of 1 of 2 classes, 'box'"):
        train(make_trainer(tmp_path, **one), data)
    trainer = make_trainer(tmp_path, ON_DATA_ERROR="raise", **one)
    with pytest.raises(ValueError, match="no object of 1 of 2 classes, 'box'"):
        train(trainer, data)


def test_one_object_is_enough_and_found_without_loading_all(tmp_path):
    loaded = []

    class Counting(TinyDataset):
        def load_mask(self, image_id):
            loaded.append(image_id)
            return super().load_mask(image_id)

    trainer = make_trainer(tmp_path, STEPS_PER_EPOCH=1)
    with warnings.catch_warnings():
        warnings.filterwarnings("error", message=".*mrcnn|train")
        train(trainer, Counting(), workers=0)
    assert len(loaded) <= 5 + 2 * 2  # load_image of this data set asks for masks too
