"""Objects loaded as crops are those of full masks, to the last bit."""

from __future__ import annotations

import numpy as np
import pytest
from imgaug import augmenters as iaa
from PIL import Image

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.augmentation.augment import augment
from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.open_dataset import open_dataset
from mrcnn.data.image_gt import load_image_gt
from mrcnn.data.objects import Objects
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import MaskSizeError, Rectangle
from mrcnn.evaluation.dataset_records import truth_record
from mrcnn.geometry.box_masks import minimize_mask
from mrcnn.geometry.crops import Crop
from mrcnn.geometry.images import resize_image
from mrcnn.geometry.masks import extract_bboxes, resize_mask
from tests.data.photos import CONFIGS, HEIGHT, WIDTH, Photos, config_of
from tests.data.tiny import TinyDataset


def by_full_masks(dataset, config, image_id, augmentation, use_mini_mask, seed):
    """What load_image_gt returns, computed from load_mask; without the meta."""
    rng = np.random.default_rng(seed)
    image = dataset.load_image(image_id)
    mask, class_ids = dataset.load_mask(image_id)
    image, _, scale, padding, crop = resize_image(
        image,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        rng=rng,
    )
    mask = resize_mask(mask, scale, padding, crop)
    if augmentation is not None:
        image, mask, class_ids = augment(image, mask, class_ids, augmentation, rng)
    boxes = extract_bboxes(mask)
    seen = boxes[:, 2] > 0
    boxes, mask, class_ids = boxes[seen], mask[..., seen], class_ids[seen]
    if use_mini_mask:
        mask = minimize_mask(boxes, mask, config.MINI_MASK_SHAPE)
    return image, class_ids, boxes, mask


def assert_law(dataset, config, image_id, augmentation=None, seed=1):
    counts = set()
    for use_mini_mask in (False, True):
        expected = by_full_masks(
            dataset, config, image_id, augmentation, use_mini_mask, seed
        )
        image, _, class_ids, boxes, mask = load_image_gt(
            dataset,
            config,
            image_id,
            augmentation=augmentation,
            use_mini_mask=use_mini_mask,
            rng=seed,
        )
        found = image, class_ids, boxes, mask
        for array, wanted in zip(found, expected, strict=True):
            assert array.dtype == wanted.dtype
            np.testing.assert_array_equal(array, wanted)
        counts.add(len(class_ids))
    return counts.pop()


AUGMENTATIONS = {
    "plain": None,
    "mirrored": iaa.Fliplr(1.0),
    "moved": iaa.Sequential([iaa.Affine(rotate=(-30, 30), scale=0.7), iaa.Add(5)]),
}


@pytest.mark.parametrize("augmentation", AUGMENTATIONS.values(), ids=AUGMENTATIONS)
@pytest.mark.parametrize("config", CONFIGS.values(), ids=CONFIGS)
def test_crops_and_full_masks_give_the_same_bits(config, augmentation):
    dataset = Photos()
    assert dataset.objects_source == "drawn_objects"
    for seed in range(3):
        counts = [
            assert_law(dataset, config, i, augmentation, seed)
            for i in dataset.image_ids
        ]
        assert 2 <= counts[0] <= 5 and counts[2] == 0


@pytest.mark.parametrize(
    ("folder", "image_ids", "least"),
    [
        ("balloon", (0, 4, 9), 5),
        ("coco_tiny", range(12), 40),
        ("nucleus", (0, 3), 30),
        ("voc_mini", range(6), 6),
        ("labelme_nuts", range(2), 3),
    ],
)
def test_crops_and_full_masks_of_real_data_give_the_same_bits(
    shared, folder, image_ids, least
):
    dataset = open_dataset(shared / "data" / folder)
    config = config_of(IMAGE_MIN_DIM=320, IMAGE_MAX_DIM=448)
    assert dataset.objects_source == "drawn_objects"
    assert sum(assert_law(dataset, config, i) for i in image_ids) >= least


def refuse(*args, **kwargs):
    raise AssertionError("a full mask was made")


def test_training_sample_makes_no_full_mask(monkeypatch):
    dataset = Photos()
    monkeypatch.setattr(AnnotatedDataset, "load_mask", refuse)
    for name in ("image_gt.stack_crops", "image_gt.mask_objects", "objects.crop_masks"):
        monkeypatch.setattr(f"mrcnn.data.{name}", refuse)
    # load_mask is that of the class still, so it is not taken for the user's own.
    result = load_image_gt(dataset, CONFIGS["reduced"], 0, use_mini_mask=True)
    assert result[4].shape == (56, 56, 4)


# --- whose masks ---------------------------------------------------------------------


class OwnMasks(Photos):
    def load_mask(self, image_id):
        masks, class_ids = super().load_mask(image_id)
        return masks[..., :1], class_ids[:1]


class OwnCrops(OwnMasks):
    def load_object_crops(self, image_id):
        return Objects([Crop((0, 0, 50, 50), np.ones([50, 50], bool))], [2])


class Grandchild(OwnCrops):
    def load_mask(self, image_id):
        return np.ones([HEIGHT, WIDTH, 3], bool), [1, 2, 1]


class NoDataset:
    """Only looks like one."""

    def __init__(self, dataset):
        self.dataset = dataset

    def __getattr__(self, name):
        return getattr(self.dataset, name)


@pytest.mark.parametrize(
    ("dataset", "source", "class_ids"),
    [
        (Photos(), "drawn_objects", [1, 2, -1, 2]),
        (OwnMasks(), "load_mask", [1]),
        (OwnCrops(), "load_object_crops", [2]),
        (Grandchild(), "load_mask", [1, 2, 1]),
        (TinyDataset(), "load_mask", [1, 2]),
        (NoDataset(OwnMasks()), "load_mask", [1]),
    ],
    ids=lambda value: type(value).__name__,
)
def test_the_most_derived_method_gives_the_objects(dataset, source, class_ids):
    assert dataset.objects_source == source
    image_id = 2 if isinstance(dataset, TinyDataset) else 0
    found = load_image_gt(dataset, CONFIGS["reduced"], image_id, use_mini_mask=True)
    assert found[2].tolist() == class_ids and found[2].dtype == np.int32


@pytest.mark.parametrize("dataset", [TinyDataset(), Photos(), OwnCrops(), OwnMasks()])
def test_load_mask_of_a_wrapper_counts_for_training_and_evaluation(dataset):
    class Last(NoDataset):
        def load_mask(self, image_id):
            masks, class_ids = self.dataset.load_mask(image_id)
            return masks[..., -1:], class_ids[-1:]

    image_id = 2 if isinstance(dataset, TinyDataset) else 0
    height, width = dataset.load_image(image_id).shape[:2]
    found = load_image_gt(Last(dataset), CONFIGS["reduced"], image_id)
    record = truth_record(Last(dataset), image_id, height, width)
    last = dataset.load_mask(image_id)[1][-1:]
    assert found[2].tolist() == record["gt_class_ids"].tolist() == last.tolist()


def test_class_that_only_acts_like_a_data_set_is_enough_to_train():
    class Alike:
        image_info = TinyDataset().image_info
        num_classes, source_class_ids = 3, {"tiny": [0, 1, 2]}
        load_image = staticmethod(TinyDataset().load_image)

        def load_mask(self, image_id):
            return TinyDataset().load_mask(image_id)

    found = load_image_gt(Alike(), CONFIGS["reduced"], 2)
    for values, expected in zip(
        found, load_image_gt(TinyDataset(), CONFIGS["reduced"], 2), strict=True
    ):
        np.testing.assert_array_equal(values, expected)


def test_method_set_on_an_instance_counts():
    dataset = Photos()
    dataset.load_mask = lambda image_id: (np.ones([HEIGHT, WIDTH, 1], bool), [2])
    assert dataset.objects_source == "load_mask"
    assert load_image_gt(dataset, CONFIGS["reduced"], 0)[2].tolist() == [2]


def test_crops_of_any_data_set_are_those_of_its_masks():
    dataset = TinyDataset()
    masks, class_ids = dataset.load_mask(3)
    for objects in (dataset.objects(3), dataset.load_object_crops(3)):
        np.testing.assert_array_equal(objects.boxes, extract_bboxes(masks))
        np.testing.assert_array_equal(objects.class_ids, class_ids)
        assert [crop.mask.all() for crop in objects.crops] == [True] * 3
        assert objects.size == masks.shape[:2] and objects.annotations is None


@pytest.mark.filterwarnings("ignore:.*not overridden")
def test_crops_of_a_data_set_without_masks_are_none():
    dataset = Dataset()
    dataset.add_image("a", 1, None)
    dataset.prepare()
    objects = dataset.objects(0)
    assert (objects.crops, len(objects.class_ids), objects.size) == ([], 0, None)


# --- crops that do not fit -----------------------------------------------------------

MASK = np.ones([5, 6], bool)


@pytest.mark.parametrize(
    ("crops", "class_ids", "error", "said"),
    [
        ([], [1], ValueError, "0 masks came with class ids"),
        ([((0, 0, 5, 6), MASK)], [1, 1], ValueError, "1 masks came"),
        ([((0, 0, 6, 5), MASK)], [1], ValueError, r"fill its box.*\(0, 0, 6, 5\)"),
        ([((0, 0, 5, 6), MASK.astype(int))], [1], ValueError, "must be bool"),
        ([((-1, 0, 4, 6), MASK)], [1], ValueError, r"within the image \(150, 210\)"),
        ([((148, 0, 153, 6), MASK)], [1], ValueError, "within the image"),
        ([((0.5, 0, 5.5, 6), MASK)], [1], ValueError, "whole numbers"),
        ([((0, 0, 5, 6), MASK)], [3], ValueError, r"\[3\] are outside 1\.\.2"),
    ],
)
def test_crops_that_do_not_fit_are_refused_by_name(crops, class_ids, error, said):
    class Wrong(Photos):
        def load_object_crops(self, image_id):
            return Objects([Crop(*crop) for crop in crops], np.array(class_ids))

    with pytest.raises(error, match=said) as caught:
        load_image_gt(Wrong(), CONFIGS["reduced"], 0)
    assert "load_object_crops(image_id=0)" in str(caught.value)
    assert "(image id 0, path 0)" in str(caught.value)


def test_annotations_of_another_size_than_the_image_are_refused(tmp_path):
    path = tmp_path / "turned.png"
    Image.new("RGB", (HEIGHT, WIDTH)).save(path)  # Pillow says width first
    dataset = AnnotatedDataset()
    dataset.add_class("a", 1, "cat")
    annotations = [Annotation(Rectangle(0, 0, 9, 9), 1)]
    size = {"height": HEIGHT, "width": WIDTH}
    dataset.add_image("a", 1, str(path), annotations=annotations, **size)
    dataset.prepare()
    with pytest.raises(
        MaskSizeError, match=r"image \(210, 150\); received \(150, 210, 1\)"
    ):
        load_image_gt(dataset, config_of(NUM_CLASSES=2), 0)
