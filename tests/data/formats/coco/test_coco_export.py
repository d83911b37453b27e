from __future__ import annotations

import json

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from PIL import Image

from mrcnn.data import open_dataset
from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.coco.coco_dataset import CocoDataset, as_pycocotools
from mrcnn.data.formats.coco.coco_export import detections_to_coco, to_coco
from mrcnn.data.in_memory import InMemoryDataset
from mrcnn.data.objects import Objects
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import Ellipse, Polygons, Rectangle
from mrcnn.geometry.crops import Crop

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

HEIGHT, WIDTH = 20, 30
MASK = np.zeros([HEIGHT, WIDTH, 1], bool)
MASK[2:6, 3:10] = True


class Given(Dataset):
    """Masks that are given, by a method of its own."""

    def __init__(self, masks, class_ids, path="folder/a.png"):
        super().__init__()
        self.given = masks, np.array(class_ids, np.int32)
        self.add_class("a", 5, "cat")
        self.add_class("a", 9, "dog")
        height, width = masks.shape[:2]
        self.add_image("a", "first", path, height=height, width=width)
        self.prepare()

    def load_mask(self, image_id):
        return self.given


def annotated(*shapes, crowd=False):
    dataset = AnnotatedDataset()
    dataset.add_class("a", 5, "cat")
    annotations = [Annotation(shape, 5, crowd) for shape in shapes]
    dataset.add_image(
        "a", "x", None, height=HEIGHT, width=WIDTH, annotations=annotations
    )
    dataset.prepare()
    return dataset


def read_back(path, folder="/"):
    dataset = CocoDataset()
    dataset.load_json(path, folder)
    dataset.prepare()
    return dataset


def assert_same_objects(dataset, other, image_ids):
    """Image i of the other one has the objects of the i-th of the ids."""
    assert other.num_images == len(image_ids)
    assert other.class_names == dataset.class_names
    for i, image_id in enumerate(image_ids):
        masks, class_ids = dataset.load_mask(image_id)
        again, class_ids_again = other.load_mask(i)
        assert masks.shape == again.shape
        assert np.array_equal(masks, again)
        assert class_ids.tolist() == class_ids_again.tolist()


def assert_round_trip(dataset, path, image_ids=None, **kwargs):
    content = to_coco(dataset, path, image_ids, **kwargs)
    assert json.loads(path.read_text()) == content
    ids = dataset.image_ids if image_ids is None else image_ids
    assert_same_objects(dataset, read_back(path), list(ids))
    return content


@given(
    masks=hnp.arrays(bool, st.tuples(*[st.integers(1, 12)] * 2, st.just(2))),
    kind=st.sampled_from(["rle", "polygon"]),
)
@pytest.mark.filterwarnings("ignore:.*no pixel")
def test_any_masks_come_back_from_either_segmentation(tmp_path_factory, masks, kind):
    path = tmp_path_factory.mktemp("coco") / "a.json"
    assert_round_trip(Given(masks, [2, -1]), path, segmentation=kind)


def test_fields_of_the_file_are_those_of_coco():
    masks = np.zeros([HEIGHT, WIDTH, 2], bool)
    masks[2:6, 3:10, 0] = True
    masks[5, 5, 1] = True
    content = to_coco(Given(masks, [2, -1]))
    assert content["images"] == [
        {"id": 0, "file_name": "a.png", "height": HEIGHT, "width": WIDTH}
    ]
    assert [(c["id"], c["name"]) for c in content["categories"]] == [
        (1, "cat"),
        (2, "dog"),
    ]
    first, second = content["annotations"]
    assert (first["id"], first["image_id"], first["category_id"]) == (1, 0, 2)
    assert (first["area"], first["bbox"], first["iscrowd"]) == (28, [3, 2, 7, 4], 0)
    assert (second["category_id"], second["iscrowd"], second["area"]) == (1, 1, 1)
    assert as_pycocotools(content).annToMask(first).sum() == 28


def test_polygons_of_annotators_are_written_as_they_drew_them():
    points = [[1.25, 2, 9.5, 2, 9.5, 8, 3, 7.75]]
    dataset = annotated(Polygons.from_xy(points), Rectangle(3, 4, 6, 9))
    drawn, traced = to_coco(dataset, segmentation="polygon")["annotations"]
    assert drawn["segmentation"] == points
    assert len(traced["segmentation"]) == 1  # one ring, its corners cut
    assert len(traced["segmentation"][0]) == 2 * 8


def test_holes_and_crowds_stay_run_lengths(tmp_path):
    masks = np.zeros([HEIGHT, WIDTH, 2], bool)
    masks[2:9, 2:9] = True
    masks[4:6, 4:6, 0] = False
    dataset = Given(masks, [1, -2])
    content = assert_round_trip(dataset, tmp_path / "a.json", segmentation="polygon")
    assert all(isinstance(a["segmentation"], dict) for a in content["annotations"])
    crowd = annotated(Polygons.from_xy([[1, 1, 9, 1, 9, 9]]), crowd=True)
    content = to_coco(crowd, segmentation="polygon")
    assert isinstance(content["annotations"][0]["segmentation"], dict)


def test_object_without_a_pixel_is_kept_with_a_warning(tmp_path):
    dataset = annotated(Ellipse(5, 5, 3, 3), Rectangle(90, 90, 95, 95))
    with pytest.warns(UserWarning, match="1 objects have no pixel"):
        content = to_coco(dataset, tmp_path / "a.json")
    assert [a["area"] > 0 for a in content["annotations"]] == [True, False]
    assert_same_objects(dataset, read_back(tmp_path / "a.json"), [0])


def test_shrunk_copy_is_written_in_its_own_size(tmp_path):
    path = tmp_path / "a.png"
    Image.fromarray(np.zeros([HEIGHT, WIDTH, 3], np.uint8)).save(path)
    small = InMemoryDataset(Given(MASK, [2], str(path)), max_side=15)
    image = assert_round_trip(small, tmp_path / "a.json")["images"][0]
    assert (image["height"], image["width"]) == (10, 15)


def test_file_names_start_at_the_folder_that_holds_all(tmp_path):
    dataset = AnnotatedDataset()
    names = ["one/images/a.png", "two/images/b.png", "http://x.org/c.png", None]
    for i, name in enumerate(names):
        local = name is not None and not name.startswith("http")
        path = str(tmp_path / name) if local else name
        dataset.add_image("a", f"id{i}", path, height=2, width=3)
    dataset.prepare()
    images = to_coco(dataset)["images"]
    assert [i["file_name"] for i in images] == [*names[:3], "id3"]
    images = to_coco(dataset, image_dir=tmp_path / "one", image_ids=[1, 0])["images"]
    assert [i["file_name"] for i in images] == ["../two/images/b.png", "images/a.png"]
    assert [i["id"] for i in images] == [1, 0]


def test_unfit_arguments_are_refused():
    with pytest.raises(ValueError, match="segmentation='mask'"):
        to_coco(annotated(), segmentation="mask")
    with pytest.raises(ValueError, match="call dataset.prepare"):
        to_coco(AnnotatedDataset())


def result(masks):
    return {
        "rois": np.array([[2, 3, 6, 10]], np.int32),
        "class_ids": np.array([2], np.int32),
        "scores": np.array([0.75], np.float32),
        "masks": masks,
    }


def test_detections_in_either_form_of_masks(tmp_path):
    dataset = Given(MASK, [2])
    rle = to_coco(dataset)["annotations"][0]["segmentation"]
    expected = {
        "image_id": 0,
        "category_id": 2,
        "score": 0.75,
        "bbox": [3.0, 2.0, 7.0, 4.0],
        "segmentation": rle,
    }
    path = tmp_path / "found.json"
    assert detections_to_coco([result(MASK)], [0], path=path) == [expected]
    assert json.loads(path.read_text()) == [expected]
    ids = np.arange(1)  # as dataset.image_ids are
    assert detections_to_coco([result([rle])], ids) == [expected]
    # With the data set: the ids of its source.
    rows = detections_to_coco([result(MASK)], ids, dataset)
    assert (rows[0]["image_id"], rows[0]["category_id"]) == ("first", 9)
    no_masks = {k: v for k, v in result(MASK).items() if k != "masks"}
    assert "segmentation" not in detections_to_coco([no_masks], ids)[0]


def test_perfect_detections_score_one():
    from mrcnn.evaluation.coco import coco_metrics

    dataset = Given(MASK, [2])
    rows = detections_to_coco([result(MASK)], dataset.image_ids)
    for kind in ("bbox", "segm"):
        assert coco_metrics(to_coco(dataset), rows, kind)["AP"] == pytest.approx(1)


def test_detections_that_do_not_fit_are_refused():
    with pytest.raises(ValueError, match="1 results came with 2 image ids"):
        detections_to_coco([result(MASK)], [0, 1])
    with pytest.raises(ValueError, match=r"image_id=0.*'bbox': 1, 'segmentation': 2"):
        detections_to_coco([result(np.concatenate([MASK, MASK], axis=2))], [0])
    with pytest.raises(ValueError, match="detect with masks='full' or 'rle'"):
        detections_to_coco([result([np.zeros([28, 28])])], [0])


@pytest.mark.parametrize("kind", ["rle", "polygon"])
@pytest.mark.parametrize(
    ("folder", "subset", "step"),
    [
        ("balloon", "train", 6),
        ("balloon", "val", 1),
        ("coco_tiny", "train", 4),
        ("coco_tiny", "val", 4),
        ("labelme_nuts", "train", 2),
        ("labelme_nuts", "val", 1),
        ("nucleus", "val", 4),
        ("voc_mini", "train", 4),
        ("voc_mini", "val", 4),
    ],
)
def test_shared_data_comes_back(shared, tmp_path, folder, subset, step, kind):
    dataset = open_dataset(shared / "data" / folder, subset)
    image_ids = dataset.image_ids[::step]
    path = tmp_path / "a.json"
    content = assert_round_trip(dataset, path, image_ids, segmentation=kind)
    assert content["annotations"]
    # The pictures are found again, from the folder that holds them all.
    first = dataset.source_image_link(image_ids[0])
    name = content["images"][0]["file_name"]
    again = read_back(path, str(first)[: -len(name)])
    assert again.source_image_link(0) == str(first)


@pytest.mark.parametrize("segmentation", ["rle", "polygon"])
def test_crops_of_a_subclass_are_written_and_not_its_annotations(segmentation):
    class Half(AnnotatedDataset):
        def load_image(self, image_id):
            return np.zeros([HEIGHT // 2, WIDTH // 2, 3], np.uint8)

        def load_object_crops(self, image_id):
            crop = Crop((1, 2, 4, 6), np.ones([3, 4], bool))
            return Objects([crop], np.array([1]))

    dataset = Half()
    dataset.add_class("a", 5, "cat")
    outline = Annotation(Polygons.from_xy([[4, 2, 12, 2, 12, 8, 4, 8]]), 5)
    size = {"height": HEIGHT, "width": WIDTH}
    dataset.add_image("a", "x", None, **size, annotations=[outline])
    dataset.prepare()
    content = to_coco(dataset, segmentation=segmentation)
    assert content["images"][0]["height"] == HEIGHT // 2
    (written,) = content["annotations"]
    assert (written["area"], written["bbox"]) == (12, [2, 1, 4, 3])
    assert as_pycocotools(content).annToMask(written)[1:4, 2:6].all()
