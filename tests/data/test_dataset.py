from __future__ import annotations

import numpy as np
import pytest
from PIL import Image

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.files.open_images import EXIF_ORIENTATION


def two_source_dataset(cls=Dataset):
    dataset = cls()
    dataset.add_class("pets", 0, "cat, Felis catus")  # a real class with the id 0
    dataset.add_image("pets", "a", "a.png")
    dataset.add_image("street", 17, "b.png", width=4)
    dataset.add_class("street", 17, "car")  # after the images
    dataset.add_class("pets", 5, "dog")
    dataset.prepare()
    return dataset


def test_prepare_numbers_classes_and_images():
    dataset = two_source_dataset()
    assert dataset.class_names == ["BG", "cat", "car", "dog"]
    assert dataset.num_classes == 4
    assert dataset.class_ids.tolist() == [0, 1, 2, 3]
    assert dataset.num_images == 2
    assert dataset.image_ids.tolist() == [0, 1]
    assert dataset._image_ids.tolist() == [0, 1]
    assert dataset.sources == ["", "pets", "street"]
    assert dataset.image_info[1] == {
        "id": 17, "source": "street", "path": "b.png", "width": 4
    }  # fmt: skip


def test_class_id_0_of_a_source_is_a_real_class():
    dataset = two_source_dataset()
    assert dataset.map_source_class_id("pets.0") == 1
    assert dataset.get_source_class_id(1, "pets") == 0


def test_every_source_has_its_own_classes_and_the_background():
    dataset = two_source_dataset()
    assert dataset.source_class_ids == {"": [0], "pets": [0, 1, 3], "street": [0, 2]}


def test_images_of_a_source_without_classes_are_legal():
    dataset = Dataset()
    dataset.add_image("empty", 1, "x.png")
    dataset.prepare()
    assert dataset.source_class_ids["empty"] == [0]


def test_outside_ids_map_to_inside_ids():
    dataset = two_source_dataset()
    assert dataset.map_source_class_id("street.17") == 2
    assert dataset.image_from_source_map == {"pets.a": 0, "street.17": 1}
    assert dataset.class_from_source_map[".0"] == 0
    assert dataset.source_image_link(1) == "b.png"
    assert dataset.image_reference(0) == ""


def test_nothing_is_there_before_prepare():
    dataset = Dataset()
    dataset.add_image("pets", "a", "a.png")
    assert len(dataset.image_ids) == 0
    with pytest.raises(ValueError, match=r"prepare\(\)"):
        dataset.map_source_class_id("pets.1")


def test_attribute_that_hides_the_objects_is_refused():
    dataset = Dataset()
    dataset.objects = []
    with pytest.raises(
        TypeError, match=r"hides the method Dataset\.objects.*another name"
    ):
        dataset.prepare()


def test_prepare_again_takes_in_what_was_added():
    dataset = two_source_dataset()
    dataset.add_image("pets", "c", "c.png")
    dataset.add_class("pets", 6, "hamster")
    dataset.prepare()
    assert (dataset.num_images, dataset.num_classes) == (3, 5)


def test_unknown_class_says_which_are_known():
    with pytest.raises(KeyError, match=r"pets\.9.*known are pets\.0, street\.17"):
        two_source_dataset().map_source_class_id("pets.9")


def test_class_of_another_source_is_refused():
    with pytest.raises(ValueError, match="'cat.*belongs to the source 'pets'"):
        two_source_dataset().get_source_class_id(1, "street")


def test_dot_in_a_source_is_refused():
    with pytest.raises(ValueError, match=r"pets\.v2.*no dot"):
        Dataset().add_class("pets.v2", 1, "cat")


def test_class_added_twice_counts_once():
    dataset = Dataset()
    dataset.add_class("pets", 1, "cat")
    dataset.add_class("pets", 1, "cat")  # train and val subset, say
    dataset.prepare()
    assert dataset.num_classes == 2


def test_second_name_for_a_class_id_warns_and_the_first_stays():
    dataset = Dataset()
    dataset.add_class("pets", 1, "cat")
    with pytest.warns(UserWarning, match="'dog'.*is 'cat' already"):
        dataset.add_class("pets", 1, "dog")
    dataset.prepare()
    assert dataset.class_names == ["BG", "cat"]


def test_class_map_warns_that_it_has_no_effect():
    with pytest.warns(UserWarning, match="no effect"):
        dataset = Dataset(class_map={})
    with pytest.warns(UserWarning, match="no effect"):
        dataset.prepare(class_map={})


class PetsDataset(Dataset):
    """Written as scripts in the wild are."""

    def load_mask(self, image_id):
        if self.image_info[image_id]["source"] != "pets":
            return super(self.__class__, self).load_mask(image_id)
        return np.ones([2, 3, 1], np.uint8), np.array([1])


@pytest.mark.filterwarnings("error")
def test_old_super_call_gives_no_objects_for_foreign_images():
    dataset = two_source_dataset(PetsDataset)
    masks, class_ids = dataset.load_mask(1)
    assert masks.shape == (0, 0, 0) and masks.dtype == bool
    assert class_ids.shape == (0,) and class_ids.dtype == np.int32
    assert dataset.load_mask(0)[0].shape == (2, 3, 1)


def test_forgotten_load_mask_warns():
    with pytest.warns(UserWarning, match="Dataset.load_mask is not overridden"):
        two_source_dataset().load_mask(0)


def dataset_with_file(path, **kwargs):
    dataset = Dataset()
    dataset.add_image("pets", "tom", str(path), **kwargs)
    dataset.prepare()
    return dataset


@pytest.fixture
def turned(tmp_path):
    exif = Image.Exif()
    exif[EXIF_ORIENTATION] = 6
    path = tmp_path / "turned.png"
    Image.fromarray(np.zeros([2, 3, 3], np.uint8)).save(path, exif=exif)
    return path


@pytest.mark.parametrize(
    ("annotated", "shape"),
    [
        ({"width": 2, "height": 3}, (3, 2, 3)),
        ({"width": 3, "height": 2}, (2, 3, 3)),
        ({}, (2, 3, 3)),
        ({"width": 2}, (2, 3, 3)),
    ],
)
def test_exif_is_applied_only_if_the_annotated_size_says_so(turned, annotated, shape):
    assert dataset_with_file(turned, **annotated).load_image(0).shape == shape


def test_missing_file_error_names_id_and_path(tmp_path):
    dataset = dataset_with_file(tmp_path / "gone.png")
    with pytest.raises(FileNotFoundError, match=r"image_id=0.*gone\.png"):
        dataset.load_image(0)


def test_broken_file_error_names_id_and_path(tmp_path):
    (tmp_path / "text.png").write_text("text")
    with pytest.raises(OSError, match=r"image_id=0.*text\.png"):
        dataset_with_file(tmp_path / "text.png").load_image(0)


def test_image_without_a_path_asks_for_load_image():
    dataset = Dataset()
    dataset.add_image("shapes", 3, None)
    with pytest.raises(ValueError, match="image_id=0.*no path.*override load_image"):
        dataset.load_image(0)


def test_names_are_cut_at_the_comma_unless_two_become_one():
    dataset = Dataset()
    for i, name in enumerate(["tench, Tinca tinca", "cell, round", "cell, long"], 1):
        dataset.add_class("a", i, name)
    dataset.add_class("b", 1, "tench, Tinca tinca")
    dataset.prepare()
    assert dataset.class_names == ["BG", "tench", "cell, round", "cell, long", "tench"]


@pytest.mark.parametrize(
    "method", ["load_image", "source_image_link", "image_size", "load_annotations"]
)
def test_images_that_the_data_set_has_not_are_named(method):
    dataset = AnnotatedDataset()
    dataset.add_class("a", 1, "cat")
    dataset.add_image("a", "x", None, width=4, height=3)
    dataset.prepare()
    # Scripts that go on until an IndexError still end.
    with pytest.raises(IndexError, match=rf"{method}\(image_id\): there is no image 7"):
        getattr(dataset, method)(7)
    with pytest.raises(TypeError, match=rf"{method}\(image_id\): a number is needed"):
        getattr(dataset, method)("x")


@pytest.mark.parametrize("source", [None, 3, []])
def test_source_of_a_class_is_a_text(source):
    with pytest.raises(TypeError, match=r"add_class\(source="):
        Dataset().add_class(source, 1, "cat")
