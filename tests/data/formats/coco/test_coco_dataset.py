from __future__ import annotations

import json
import zipfile

import numpy as np
import pytest
from PIL import Image
from pycocotools import mask as coco_mask

from mrcnn.data.formats.coco.coco_dataset import CocoDataset
from mrcnn.geometry.crops import stack_crops
from mrcnn.geometry.masks import extract_bboxes

# pycocotools hands NumPy 2 an old kind of array.
pytestmark = pytest.mark.filterwarnings("ignore:__array__:DeprecationWarning")

HEIGHT, WIDTH = 20, 30
SQUARE = [[5, 5, 10, 5, 10, 10, 5, 10]]
COUNTS = [HEIGHT + 1, 2, HEIGHT * (WIDTH - 1) - 3]  # two pixels of the second column
PACKED = coco_mask.frPyObjects({"size": [HEIGHT, WIDTH], "counts": COUNTS}, 20, 30)


def annotation(number, image_id, category_id, segmentation, **more):
    return {
        "id": number,
        "image_id": image_id,
        "category_id": category_id,
        "segmentation": segmentation,
        "bbox": [5, 5, 5, 5],
        **more,
    }


CONTENT = {
    "images": [
        {"id": 30, "file_name": "c.jpg", "height": HEIGHT, "width": WIDTH},
        {"id": 10, "file_name": "sub/a.jpg", "height": HEIGHT, "width": WIDTH},
        {"id": 20, "file_name": "b.jpg", "height": HEIGHT, "width": WIDTH},
    ],
    "annotations": [
        annotation(1, 10, 8, SQUARE),
        annotation(2, 20, 3, {"size": [HEIGHT, WIDTH], "counts": COUNTS}, iscrowd=1),
        annotation(
            3, 10, 3, {"size": [HEIGHT, WIDTH], "counts": PACKED["counts"].decode()}
        ),
    ],
    "categories": [{"id": 8, "name": "train"}, {"id": 3, "name": "car"}],
}


def write(path, content=CONTENT):
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(content))
    return path


def load(path, **kwargs):
    dataset = CocoDataset()
    dataset.load_json(path, path.parent, **kwargs)
    dataset.prepare()
    return dataset


def test_images_keep_the_order_of_the_file_also_without_annotations(tmp_path):
    dataset = load(write(tmp_path / "a.json"))
    assert [info["id"] for info in dataset.image_info] == [30, 10, 20]
    assert dataset.image_info[1]["path"] == str(tmp_path / "sub" / "a.jpg")
    assert dataset.class_names == ["BG", "car", "train"]  # by category id
    assert dataset.load_mask(0)[0].shape == (HEIGHT, WIDTH, 0)


def test_every_form_of_segmentation_is_drawn_and_crowds_are_negative(tmp_path):
    dataset = load(write(tmp_path / "a.json"))
    masks, class_ids = dataset.load_mask(1)
    assert class_ids.tolist() == [2, 1]
    assert extract_bboxes(masks).tolist() == [[5, 5, 10, 10], [1, 1, 3, 2]]
    masks, class_ids = dataset.load_mask(2)
    assert class_ids.tolist() == [-1]
    assert extract_bboxes(masks).tolist() == [[1, 1, 3, 2]]


def test_class_ids_choose_classes_and_the_images_that_have_any(tmp_path):
    dataset = load(write(tmp_path / "a.json"), class_ids=[8])
    assert dataset.class_names == ["BG", "train"]
    assert [info["id"] for info in dataset.image_info] == [10]
    assert dataset.load_mask(0)[1].tolist() == [1]
    with pytest.raises(ValueError, match=r"class_ids \[9\].*it has \[3, 8\]"):
        load(tmp_path / "a.json", class_ids=[8, 9])


def test_image_info_keeps_the_dicts_of_the_file(tmp_path):
    dataset = load(write(tmp_path / "a.json"))
    assert dataset.image_info[1]["annotations"] == CONTENT["annotations"][::2]


def test_objects_that_have_only_a_box(tmp_path):
    boxes = [annotation(1, 10, 8, []), annotation(2, 10, 8, None)]
    del boxes[1]["segmentation"]
    path = write(tmp_path / "a.json", CONTENT | {"annotations": boxes})
    with pytest.warns(UserWarning, match="2 of 2 objects have no segmentation"):
        dataset = load(path)
    assert dataset.load_mask(1)[0].sum() == 0
    masks, class_ids = load(path, boxes_as_masks=True).load_mask(1)
    assert extract_bboxes(masks).tolist() == [[5, 5, 10, 10]] * 2
    assert masks.sum() == 50 and class_ids.tolist() == [2, 2]


def test_annotations_without_image_or_category_are_told(tmp_path):
    rows = [annotation(1, 99, 8, SQUARE), annotation(2, 10, 1, SQUARE)]
    kept = annotation(3, 10, 8, SQUARE)
    path = write(tmp_path / "a.json", CONTENT | {"annotations": [*rows, kept]})
    with pytest.warns(UserWarning, match="2 annotations belong to an image or a categ"):
        assert load(path).count_annotations().objects.sum() == 1


def test_annotations_of_which_none_has_an_image_are_an_error(tmp_path):
    rows = [annotation(1, "010", 8, SQUARE)]  # the images say 10
    path = write(tmp_path / "a.json", CONTENT | {"annotations": rows})
    with pytest.raises(ValueError, match="image .010.*the images have 30, 10, 20"):
        load(path)


@pytest.mark.parametrize(
    ("key", "lacks"),
    [("annotations", "category_id"), ("images", "file_name"), ("categories", "id")],
)
def test_entry_that_lacks_a_key_is_named(tmp_path, key, lacks):
    content = json.loads(json.dumps(CONTENT))
    del content[key][1][lacks]
    path = write(tmp_path / "a.json", content)
    with pytest.raises(ValueError, match=rf"{key}\[1\].{lacks} is missing; corr"):
        load(path)


def test_damaged_annotations_are_counted_and_left_to_validate(tmp_path):
    rows = [
        annotation(1, 10, 8, [[5, 5, 15, 5, 15]]),
        annotation(2, 10, 8, SQUARE),
        {"id": 7, "image_id": 10, "category_id": 3},
        annotation(8, 10, 3, None, bbox=[1, 2, 3]),
        annotation(9, 10, 3, {"size": [HEIGHT, WIDTH]}, iscrowd=1),
    ]
    path = write(tmp_path / "a.json", CONTENT | {"annotations": rows})
    Image.new("RGB", (WIDTH, HEIGHT)).save(tmp_path / "b.jpg")
    dataset = load(path, boxes_as_masks=True)
    counts = dataset.count_annotations()
    assert counts.objects.tolist() == [0, 2, 2] and counts.crowds.tolist() == [0, 1, 0]
    with pytest.raises(ValueError, match=r"annotation 1 of .*a\.json: .*5 numbers"):
        dataset.load_mask(1)
    problems = [p for p in dataset.validate().errors if p.image_id == 1]
    texts = {p.instance: p.text for p in problems if p.instance is not None}
    assert sorted(texts) == [0, 2, 3, 4]
    assert "annotation 7" in texts[2] and "lacks 'bbox'" in texts[2]


def test_file_of_another_kind_is_refused(tmp_path):
    path = write(tmp_path / "a.json", {"images": [], "annotations": {}})
    with pytest.raises(ValueError, match=r"a\.json.*annotations or categories"):
        load(path)
    path.write_text("[")
    with pytest.raises(ValueError, match=r"a\.json.*no valid json"):
        load(path)
    path = write(tmp_path / "a.json", CONTENT | {"images": CONTENT["images"][:1] * 2})
    with pytest.raises(ValueError, match="2 images have 1 ids"):
        load(path)


def test_layout_of_coco_and_its_missing_parts(tmp_path):
    write(tmp_path / "annotations" / "instances_minival2014.json")
    dataset = CocoDataset()
    assert dataset.load_coco(tmp_path, "minival") is None
    # Images of minival lie among those of val.
    assert dataset.image_info[0]["path"] == str(tmp_path / "val2014" / "c.jpg")
    with pytest.raises(FileNotFoundError, match="annotations_trainval2017.zip"):
        dataset.load_coco(tmp_path, "val", year="2017")
    with pytest.raises(FileNotFoundError, match="no part of COCO's own zip files"):
        dataset.load_coco(tmp_path, "valminusminival")
    with pytest.warns(UserWarning, match="class_map"):
        dataset.load_coco(tmp_path, "minival", class_map={})


def test_returned_coco_can_load_results(tmp_path):
    path = write(tmp_path / "annotations" / "instances_val2017.json")
    coco = CocoDataset().load_coco(path.parents[1], "val", "2017", return_coco=True)
    assert coco.getCatIds() == [8, 3] and len(coco.imgs) == 3
    result = {"image_id": 10, "category_id": 8, "bbox": [1, 2, 3, 4], "score": 0.5}
    assert len(coco.loadRes([result]).anns) == 1


def test_link_of_an_image_is_that_of_coco_or_its_path(tmp_path):
    url = {"coco_url": "http://images.cocodataset.org/val2017/a.jpg"}
    images = [CONTENT["images"][0] | url, *CONTENT["images"][1:]]
    dataset = load(write(tmp_path / "a.json", CONTENT | {"images": images}))
    assert dataset.image_reference(0) == "https://cocodataset.org/#explore?id=30"
    assert dataset.image_reference(2) == str(tmp_path / "b.jpg")


def test_download_fetches_only_what_is_missing(tmp_path, monkeypatch):
    server, folder = tmp_path / "server", tmp_path / "coco"
    packed = server / "annotations" / "annotations_trainval2017.zip"
    packed.parent.mkdir(parents=True)
    with zipfile.ZipFile(packed, "w") as archive:
        archive.writestr("annotations/instances_val2017.json", json.dumps(CONTENT))
    monkeypatch.setattr(
        "mrcnn.data.formats.coco.coco_dataset.DOWNLOADS", server.as_uri()
    )
    (folder / "val2017").mkdir(parents=True)  # the images are there
    dataset = CocoDataset()
    for _ in range(2):
        dataset.load_coco(folder, "val", "2017", auto_download=True)
        packed.unlink(missing_ok=True)  # not asked for again
    assert sorted(p.name for p in folder.iterdir()) == ["annotations", "val2017"]
    assert len(dataset.image_info) == 6


def test_download_that_is_no_zip_file_leaves_nothing(tmp_path, monkeypatch):
    packed = tmp_path / "server" / "zips" / "val2017.zip"
    packed.parent.mkdir(parents=True)
    packed.write_bytes(b"PK, cut short")
    monkeypatch.setattr(
        "mrcnn.data.formats.coco.coco_dataset.DOWNLOADS", packed.parents[1].as_uri()
    )
    with pytest.raises(OSError, match=r"val2017\.zip sends is no zip file"):
        CocoDataset().auto_download(tmp_path / "coco", "val", 2017)
    assert list((tmp_path / "coco").iterdir()) == []


@pytest.mark.parametrize(
    ("subset", "count", "crowds"), [("train", 705, 6), ("val", 815, 11)]
)
def test_coco_tiny_is_what_pycocotools_draws(shared, subset, count, crowds):
    dataset = CocoDataset()
    folder = shared / "data" / "coco_tiny"
    coco = dataset.load_coco(folder, subset, year="2017", return_coco=True)
    dataset.prepare()
    assert dataset.num_images == 80 and dataset.num_classes == 81
    counts = dataset.count_annotations()
    assert counts.objects.sum() + counts.crowds.sum() == count
    assert counts.crowds.sum() == crowds
    for image_id in dataset.image_ids:
        info = dataset.image_info[image_id]
        masks, class_ids = dataset.load_mask(image_id)
        objects = dataset.objects(image_id)
        assert len(info["annotations"]) == len(class_ids) == len(objects.crops)
        for i, raw in enumerate(info["annotations"]):
            expected = coco.annToMask(raw).astype(bool)
            assert np.array_equal(masks[..., i], expected)
            class_id = dataset.map_source_class_id(f"coco.{raw['category_id']}")
            assert class_ids[i] == (-class_id if raw["iscrowd"] else class_id)
        assert np.array_equal(stack_crops(objects.crops, masks.shape), masks)
        assert np.array_equal(objects.boxes, extract_bboxes(masks))


def test_coco_tiny_pictures_fit_their_annotations(shared):
    dataset = CocoDataset()
    dataset.load_coco(shared / "data" / "coco_tiny", "val", "2017", class_ids=[17])
    dataset.prepare()
    assert dataset.class_names == ["BG", "cat"] and 0 < dataset.num_images < 80
    for image_id in dataset.image_ids:
        image, (masks, class_ids) = (
            dataset.load_image(image_id),
            dataset.load_mask(image_id),
        )
        assert image.shape[:2] == masks.shape[:2] and (abs(class_ids) == 1).all()
