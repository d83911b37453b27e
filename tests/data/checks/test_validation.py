from __future__ import annotations

import shutil
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from mrcnn.data import AnnotatedDataset
from mrcnn.data.checks.validation_report import ERROR_KINDS, WARNING_KINDS
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.open_dataset import open_dataset
from mrcnn.data.in_memory import InMemoryDataset
from mrcnn.data.outlines.shapes import Rectangle
from tests.data.planted import (
    FAULTS,
    HEIGHT,
    TURN,
    WIDTH,
    MaskDataset,
    PlantConfig,
    PlantDataset,
    Planted,
    write_picture,
)

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")
NO_FILE_READ_FOR = {"truncated_image", "picture_twice"}


def config_of(dataset):
    config = PlantConfig()
    config.NUM_CLASSES = dataset.num_classes
    return config


def found(report):
    """The problems of a report without their texts, as they were planted."""
    names = {p: None if p.path is None else Path(p.path).name for p in report}
    return [Planted(p.kind, p.image_id, p.instance, names[p]) for p in report]


def kinds(report):
    return [problem.kind for problem in report]


def test_clean_data_has_no_problem(tmp_path):
    data = PlantDataset(tmp_path)
    for dataset in (data, MaskDataset(data)):
        for config in (None, PlantConfig()):
            report = dataset.validate(config)
            assert not list(report), str(report)
            assert (report.num_images, report.num_objects) == (3, 6)


@pytest.mark.parametrize("plant", FAULTS)
def test_a_planted_fault_is_found_and_nothing_else(tmp_path, plant):
    data = PlantDataset(tmp_path)
    planted = plant(data, 1)
    report = data.validate(config_of(data))
    assert found(report) == [planted], str(report)
    is_error = planted.kind in ERROR_KINDS
    assert len(report.errors) == is_error and report.ok != is_error


def test_all_planted_faults_are_found_at_once(tmp_path):
    data = PlantDataset(tmp_path, count=len(FAULTS))
    planted = [plant(data, i) for i, plant in enumerate(FAULTS)]
    report = data.validate(config_of(data))
    assert sorted(map(str, found(report))) == sorted(map(str, planted)), str(report)
    assert len({p.kind for p in planted}) >= 20
    assert {p.kind for p in planted} <= {*ERROR_KINDS, *WARNING_KINDS}


def test_a_data_set_without_images_has_nothing_to_learn():
    dataset = AnnotatedDataset()
    dataset.add_class("a", 1, "cell")
    dataset.prepare()
    (problem,) = dataset.validate().errors
    assert (problem.kind, problem.text) == ("nothing to learn", "there is no image")


@pytest.mark.parametrize(
    "plant", [plant for plant in FAULTS if plant.__name__ not in NO_FILE_READ_FOR]
)
def test_without_reading_images_the_rest_is_found(tmp_path, plant):
    data = PlantDataset(tmp_path)
    planted = plant(data, 1)
    report = data.validate(config_of(data), read_images=False)
    assert found(report) == [planted], str(report)


def raising(error):
    def spoil(masks, class_ids):
        raise error

    return spoil


def dot(masks, class_ids):
    masks = masks.copy()
    masks[..., 1] = False
    masks[70, 20, 1] = True
    return masks, class_ids


SPOILS = [
    (raising(LookupError("broken")), "unreadable masks", None, "LookupError: broken"),
    (lambda m, c: m, "unreadable masks", None, "ValueError"),  # no pair
    (lambda m, c: (m.astype(object), c), "unreadable masks", None, "np.stack"),
    (lambda m, c: (m.transpose(2, 0, 1), c), "mask size", None, "transpose(1, 2, 0)"),
    (lambda m, c: (m.transpose(1, 0, 2), c), "mask size", None, "transpose(1, 0, 2)"),
    (lambda m, c: (m[..., 0], c[:1]), "mask size", None, "np.newaxis"),
    (lambda m, c: (m[1:], c), "mask size", None, f"({HEIGHT - 1}, {WIDTH}, 2)"),
    (lambda m, c: (m, c[:1]), "object count", None, "2 masks"),
    (lambda m, c: (m, c - 1), "class id", 0, "class id 0 is outside 1..2"),
    (lambda m, c: (m, c + [0, 7]), "class id", 1, "class id 9"),
    (lambda m, c: (m, c + [0, 0.5]), "class id", 1, "class id 2.5"),
    (lambda m, c: (m, ["leaf", "root"]), "class id", 0, "'leaf'"),
    (lambda m, c: (m & [True, False], c), "empty object", 1, "no pixel"),
    (dot, "one-pixel object", 1, "(70, 20)"),
    (lambda m, c: (m[..., [0, 0]], c), "duplicate object", 1, "another class (2 and"),
    (lambda m, c: (m[..., :0], c[:0]), "no objects", None, "no object"),
    (lambda m, c: (np.zeros([0, 0, 0]), c[:0]), "no objects", None, "no object"),
]


@pytest.mark.parametrize(("spoil", "kind", "instance", "text"), SPOILS)
def test_what_load_mask_returns_is_checked(tmp_path, spoil, kind, instance, text):
    dataset = MaskDataset(PlantDataset(tmp_path))
    dataset.spoil[1] = spoil
    first = list(dataset.validate(PlantConfig()))[0]
    assert (first.kind, first.image_id, first.instance) == (kind, 1, instance)
    assert text in first.text and first.path.endswith("1.png")


def test_a_class_id_of_each_object_is_looked_at(tmp_path):
    dataset = MaskDataset(PlantDataset(tmp_path))
    dataset.spoil[2] = lambda masks, class_ids: (masks, [0, -9])
    report = dataset.validate()
    assert [(p.kind, p.instance) for p in report] == [("class id", 0), ("class id", 1)]


def test_uint8_masks_and_crowds_are_no_fault(tmp_path):
    dataset = MaskDataset(PlantDataset(tmp_path))
    dataset.spoil[0] = lambda masks, class_ids: (
        masks.astype(np.uint8) * 255,
        -class_ids,
    )
    assert not list(dataset.validate(PlantConfig()))


def test_masks_of_the_turned_image_are_a_problem_of_their_own(tmp_path):
    data = PlantDataset(tmp_path)
    data.replace_picture(1, "lying.png", orientation=TURN)
    dataset = MaskDataset(data)
    dataset.spoil[1] = lambda masks, c: (masks.transpose(1, 0, 2), c)
    report = dataset.validate()
    assert kinds(report) == ["exif rotation", "exif note"]
    assert "EXIF note" in report.errors[0].text
    # As the report says: with the size of the annotated picture all is well.
    data.image_info[1] |= {"height": WIDTH, "width": HEIGHT}
    dataset.original = PlantDataset(tmp_path)
    assert not list(dataset.validate())


def test_a_note_is_no_fault_where_the_size_shows_what_was_annotated(tmp_path):
    data = PlantDataset(tmp_path)
    data.replace_picture(1, "lying.png", orientation=TURN)
    data.image_info[1] |= {"height": HEIGHT, "width": WIDTH}  # as stored
    assert not list(data.validate())
    data.replace_picture(1, "mirrored.png", orientation=2)  # of the same size
    assert kinds(data.validate()) == ["exif note"]


def test_the_note_is_reported_as_often_as_asked(tmp_path):
    data = PlantDataset(tmp_path)
    data.replace_picture(1, "lying.png", orientation=TURN)
    data.image_size(1)  # keeps what the file says in image_info
    assert kinds(data.validate()) == kinds(data.validate()) == ["exif note"]


def test_outlines_on_the_border_are_no_fault(tmp_path):
    data = PlantDataset(tmp_path)
    data.put(1, Rectangle(60, 100, HEIGHT, WIDTH), Rectangle(-1, -1, 8, WIDTH + 1))
    assert not list(data.validate())


def test_size_that_differs_from_a_fitting_image_and_mask(tmp_path):
    dataset = MaskDataset(PlantDataset(tmp_path))
    # Swapped by the user; masks are right, so only a warning.
    dataset.image_info[1] |= {"height": WIDTH, "width": HEIGHT}
    dataset.original = PlantDataset(tmp_path)
    assert kinds(dataset.validate()) == ["image size"]


def test_images_that_a_data_set_shrinks_have_their_size(tmp_path):
    data = PlantDataset(tmp_path)
    for info in data.image_info:
        info |= {"height": HEIGHT, "width": WIDTH}
    assert not list(InMemoryDataset(data, max_side=64).validate())


def test_objects_are_the_same_by_their_pixels_whatever_their_boxes(tmp_path):
    def spoil(masks, class_ids):
        masks[..., 1] = masks[..., 0]
        masks[25, 50:100, 1] = True  # a whisker: the box is twice as wide
        return masks, class_ids

    dataset = MaskDataset(PlantDataset(tmp_path))
    dataset.spoil[1] = spoil
    assert kinds(dataset.validate()) == ["duplicate object"]


def test_label_images_that_are_missing_or_no_labels(tmp_path):
    for name in ("images", "labels"):
        (tmp_path / name).mkdir()
    labels = np.zeros([HEIGHT, WIDTH], np.uint8)
    labels[10:50, 20:70], labels[60:90, 20:70] = 1, 4
    for i in range(3):
        write_picture(tmp_path / "images" / f"{i}.png", i)
        Image.fromarray(labels).save(tmp_path / "labels" / f"{i}.png")
    dataset = open_dataset(tmp_path)
    assert not list(dataset.validate())
    dataset = open_dataset(tmp_path)
    (tmp_path / "labels" / "0.png").unlink()
    (tmp_path / "labels" / "2.png").write_bytes(b"no picture")
    report = dataset.validate()
    assert [(p.kind, p.image_id) for p in report] == [
        ("missing file", 0),
        ("unreadable masks", 2),
    ]
    assert [Path(p.path).parent.name for p in report] == ["labels", "labels"]


def test_crowds_are_free_of_what_holds_for_objects(tmp_path):
    data = PlantDataset(tmp_path)
    same = data.clean_objects()[0].shape
    data.put(1, Rectangle(5, 100, 9, 105), same, is_crowd=True)
    assert not list(data.validate(PlantConfig()))


def test_a_damaged_annotation_does_not_hide_the_others(tmp_path):
    data = PlantDataset(tmp_path)
    for plant in FAULTS:
        if plant.__name__ in ("missing_mask_file", "damaged_run_lengths"):
            plant(data, 1)
    data.put(1, Rectangle(70, 20, 71, 21))
    report = data.validate()
    assert sorted((p.kind, p.instance) for p in report) == [
        ("missing file", 2),
        ("one-pixel object", 4),
        ("unreadable masks", 3),
    ]
    assert report.num_objects == 7  # of nine, two cannot be drawn


def test_images_of_another_data_set_are_leaks(tmp_path):
    folders = [tmp_path / name for name in ("train", "val")]
    for folder in folders:
        folder.mkdir()
    train = PlantDataset(folders[0])
    val = PlantDataset(folders[1], first_seed=10)
    assert not list(train.validate(against=val))
    shutil.copy(train.file_of(2), val.file_of(0))
    val.file_of(1).unlink()
    report = train.validate(against=val)
    assert [(p.kind, p.image_id) for p in report] == [
        ("leaked image", 2),
        ("unreadable image", None),
    ]
    leak = report.of_kind("leaked image")[0]
    assert str(val.file_of(0)) in leak.text and leak.path == str(train.file_of(2))


def test_only_the_images_asked_for_are_checked(tmp_path):
    data = PlantDataset(tmp_path)
    data.file_of(1).unlink()
    assert not list(data.validate(image_ids=[2, 0]))
    report = data.validate(image_ids=np.array([1]))
    assert kinds(report) == ["missing file", "unused class", "unused class"]
    assert report.num_images == 1


def test_config_of_other_classes_is_an_error(tmp_path):
    data = PlantDataset(tmp_path)
    config = PlantConfig()
    config.NUM_CLASSES = 81
    report = data.validate(config)
    assert kinds(report) == ["number of classes"]
    assert "81" in report.errors[0].text


def test_sides_that_the_network_cannot_take(tmp_path):
    config = PlantConfig()
    config.IMAGE_RESIZE_MODE = "none"
    report = PlantDataset(tmp_path).validate(config)
    assert kinds(report) == ["image shape"] * 3
    assert "pad64" in report.errors[0].text


def test_images_without_a_file_are_checked(tmp_path):
    class Painted(MaskDataset):
        def load_image(self, image_id):
            if image_id == 1:
                raise RuntimeError("no paint")
            color = np.uint8(10 * image_id)
            return np.full([HEIGHT, WIDTH, 3 if image_id else 4], color)

    dataset = Painted(PlantDataset(tmp_path))
    for info in dataset.image_info:
        info |= {"path": None, "height": HEIGHT, "width": WIDTH}
    for read_images in (True, False):
        report = dataset.validate(PlantConfig(), read_images=read_images)
        assert [(p.kind, p.image_id, p.path) for p in report] == [
            ("image shape", 0, None),
            ("unreadable image", 1, None),
        ]


def test_own_load_image_is_called_also_without_reading_images(tmp_path):
    data = PlantDataset(tmp_path)
    assert data.reads_files
    data.load_image = lambda image_id: np.zeros([HEIGHT, WIDTH, 4], np.uint8)
    assert not data.reads_files
    report = data.validate(PlantConfig(), image_ids=[1], read_images=False)
    assert kinds(report)[0] == "image shape"


def test_a_data_set_of_own_crops_is_asked_for_them(tmp_path):
    class Crops(Dataset):
        def load_object_crops(self, image_id):
            objects = original.objects(image_id)
            if image_id == 1:
                objects.crops[1].mask[:] = False
                objects.class_ids[0] = 5
            if image_id == 2:
                objects.crops[0] = objects.crops[0]._replace(box=(510, 510, 540, 550))
            return objects

    original = PlantDataset(tmp_path)
    dataset = Crops()
    dataset.class_info, dataset.image_info = original.class_info, original.image_info
    dataset.prepare()
    report = dataset.validate(PlantConfig())
    assert sorted((p.kind, p.image_id, p.instance) for p in report) == [
        ("class id", 1, 0),
        ("empty object", 1, 1),
        ("unreadable masks", 2, None),
    ]


def test_unprepared_data_unknown_images_and_blind_comparison_are_refused(tmp_path):
    data = PlantDataset(tmp_path)
    with pytest.raises(ValueError, match="prepare"):
        Dataset().validate()
    with pytest.raises(ValueError, match=r"image_ids=\[7\]"):
        data.validate(image_ids=[0, 7])
    with pytest.raises(ValueError, match="prepare"):
        data.validate(against=Dataset())
    with pytest.raises(ValueError, match="read_images"):
        data.validate(against=data, read_images=False)
