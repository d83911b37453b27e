"""What `validate()` says of real photographs."""

from __future__ import annotations

import pytest

from mrcnn.config import Config
from mrcnn.data.formats.open_dataset import open_dataset

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

# What is really there: images, objects with crowds; kinds without a config, and those
# that the default anchors and MAX_GT_INSTANCES add.
SHARED = [
    ("balloon", 74, 305, {}, {"small box": 2}),
    ("labelme_nuts", 18, 165, {}, {}),
    ("voc_mini", 44, 115, {}, {}),
    # An armchair, outlined twice: as a chair and as a couch.
    (
        *("coco_tiny", 160, 1520, {"duplicate object": 1}),
        {"small box": 83, "unmatched box": 5},
    ),
    pytest.param(
        *("nucleus", 172, 5703, {}, {"small box": 552, "many objects": 6}),
        marks=pytest.mark.slow,
    ),
]


@pytest.mark.parametrize(("name", "images", "objects", "counts", "by_config"), SHARED)
def test_of_shared_data_only_what_is_there(
    shared, name, images, objects, counts, by_config
):
    dataset = open_dataset(shared / "data" / name)
    config = Config()
    config.NAME, config.NUM_CLASSES = name, dataset.num_classes
    report = dataset.validate(config)
    assert report.ok and report.counts() == counts | by_config, str(report)
    assert (report.num_images, report.num_objects) == (images, objects)
    # The same without what depends on a config; files were read once already.
    report = dataset.validate(read_images=False)
    assert report.counts() == counts, str(report)


@pytest.mark.parametrize("name", ["labelme_nuts", "voc_mini"])
def test_the_subsets_of_shared_data_share_no_picture(shared, name):
    train, val = (open_dataset(shared / "data" / name, s) for s in ("train", "val"))
    assert not train.validate(against=val).of_kind("leaked image")


def test_annotations_without_pictures_name_each_missing_file(shared):
    with pytest.warns(UserWarning, match="the pictures are not there"):
        dataset = open_dataset(shared / "data" / "eval_coco100")
    report = dataset.validate()
    assert len(report.of_kind("missing file")) == len(report.errors) == 100
    assert set(report.counts()) == {"missing file", "unused class"}
    assert report.num_objects == dataset.count_annotations().objects.sum() + 9
