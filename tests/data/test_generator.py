from __future__ import annotations

import pickle
import subprocess
import sys

import numpy as np
import pytest
from imgaug import augmenters as iaa

from mrcnn.data.dataset import Dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.geometry.anchors import generate_pyramid_anchors
from tests.data.tiny import (
    BrokenMaskDataset,
    TinyConfig,
    TinyDataset,
    assert_same_batch,
)

BUSY = iaa.Sequential([iaa.Fliplr(0.5), iaa.Affine(rotate=(-20, 20)), iaa.Add((-9, 9))])


def make(dataset=None, config=None, batch_size=None, **kwargs):
    dataset = TinyDataset() if dataset is None else dataset
    config = TinyConfig() if config is None else config
    if batch_size is not None:
        config.BATCH_SIZE = batch_size
    return DataGenerator(dataset, config, **kwargs)


def epoch_ids(generator, epoch):
    return [
        image_id
        for index in range(len(generator))
        for image_id in generator.image_ids_of(epoch, index).tolist()
    ]


@pytest.mark.parametrize("batch_size", [1, 3, 5, 12, 20])
def test_every_image_once_an_epoch_in_a_new_order(batch_size):
    generator = make(batch_size=batch_size)
    assert len(generator) == -(-12 // batch_size)
    orders = [epoch_ids(generator, epoch) for epoch in range(4)]
    for order in orders:
        assert sorted(order) == list(range(12))
    assert len({tuple(order) for order in orders}) == 4


def test_batch_size_can_be_given_beside_the_config():
    generator = DataGenerator(TinyDataset(), TinyConfig(), batch_size=5)
    assert [len(generator.image_ids_of(0, i)) for i in range(3)] == [5, 5, 2]
    with pytest.raises(ValueError, match="batch_size=0"):
        DataGenerator(TinyDataset(), TinyConfig(), batch_size=0)


@pytest.mark.parametrize(("batch_size", "steps"), [(1, 5), (5, 7), (5, 1), (30, 2)])
def test_stream_of_steps_has_every_image_once_a_pass(batch_size, steps):
    generator = make(batch_size=batch_size, steps=steps)
    assert len(generator) == steps
    stream = [i for epoch in range(12) for i in epoch_ids(generator, epoch)]
    assert len(stream) == 12 * steps * batch_size  # batches are full
    passes = [stream[start : start + 12] for start in range(0, len(stream), 12)]
    for order in passes[:-1]:
        assert sorted(order) == list(range(12))
    assert len(set(passes[-1])) == len(passes[-1])
    assert len({tuple(order) for order in passes}) == len(passes)


def test_batches_hold_the_images_they_say():
    generator = make(batch_size=5)
    for index in range(3):
        images = generator.make_batch(1, index)["input_image_meta"][:, 0]
        assert images.tolist() == generator.image_ids_of(1, index).tolist()


def test_without_shuffle_the_order_is_that_of_the_data_set():
    generator = make(shuffle=False)
    assert epoch_ids(generator, 0) == epoch_ids(generator, 5) == list(range(12))


def test_seeds_give_different_orders_and_batches():
    assert epoch_ids(make(seed=0), 0) != epoch_ids(make(seed=1), 0)
    # the first epoch of one seed is not the second of another
    assert epoch_ids(make(seed=0), 1) != epoch_ids(make(seed=1), 0)


def test_batch_is_a_pure_function_of_seed_epoch_and_index():
    first = make(augmentation=BUSY, seed=3)
    expected = first.make_batch(2, 1)
    assert_same_batch(first.make_batch(2, 1), expected)  # again
    second = make(augmentation=BUSY, seed=3)
    for index in (3, 0):
        second.make_batch(0, index)  # another history
    np.random.random(5)  # noqa: NPY002 - the global state plays no part
    assert_same_batch(second.make_batch(2, 1), expected)


def test_image_is_augmented_anew_in_every_epoch():
    generator = make(augmentation=BUSY, shuffle=False, batch_size=1)
    first, second = (generator.make_batch(epoch, 3) for epoch in (0, 1))
    assert first["input_image_meta"][0, 0] == second["input_image_meta"][0, 0]
    assert (first["input_image"] != second["input_image"]).any()


def test_image_is_made_the_same_in_a_batch_of_any_size():
    one = make(augmentation=BUSY, shuffle=False, batch_size=1).make_batch(1, 7)
    many = make(augmentation=BUSY, shuffle=False, batch_size=3).make_batch(1, 2)
    for name, array in many.items():
        np.testing.assert_array_equal(array[1:2], one[name])


def test_batch_has_the_promised_arrays():
    generator = make()
    batch = generator.make_batch(0, 0)
    anchors = generator.anchors((64, 64, 3))[0]
    assert {name: (a.shape, a.dtype.name) for name, a in batch.items()} == {
        "input_image": ((3, 64, 64, 3), "float32"),
        "input_image_meta": ((3, 15), "float32"),
        "input_rpn_match": ((3, len(anchors), 1), "int32"),
        "input_rpn_bbox": ((3, 16, 4), "float32"),
        "input_gt_class_ids": ((3, 4), "int32"),
        "input_gt_boxes": ((3, 4, 4), "int32"),
        "input_gt_masks": ((3, 14, 14, 4), "bool"),
    }
    assert np.isfinite(batch["input_rpn_bbox"]).all()


def test_mean_is_subtracted_and_objects_are_padded():
    generator = make(shuffle=False, batch_size=1)
    batch = generator.make_batch(0, 2)  # color 40, two objects
    np.testing.assert_allclose(
        batch["input_image"][0, 32, 32], 40 - TinyConfig.MEAN_PIXEL, rtol=1e-6
    )
    assert batch["input_gt_class_ids"][0].tolist() == [1, 2, 0, 0]
    boxes, masks = batch["input_gt_boxes"][0], batch["input_gt_masks"][0]
    assert (boxes[:2, 2:] > boxes[:2, :2]).all() and not boxes[2:].any()
    assert masks[..., :2].all() and not masks[..., 2:].any()


def test_full_masks_without_mini_masks():
    class Full(TinyConfig):
        USE_MINI_MASK = False

    masks = make(config=Full()).make_batch(0, 0)["input_gt_masks"]
    assert masks.shape == (3, 64, 64, 4) and masks.dtype == bool


def test_image_without_objects_trains_the_background():
    generator = make(shuffle=False, batch_size=1)
    batch = generator.make_batch(0, 4)
    match = batch["input_rpn_match"]
    assert not (match == 1).any() and (match == -1).sum() == 16
    for name in ("input_rpn_bbox", "input_gt_class_ids", "input_gt_masks"):
        assert not batch[name].any()


def test_data_set_without_any_object_makes_batches():
    class Empty(TinyDataset):
        def load_mask(self, image_id):
            return np.zeros([48, 64, 0], bool), np.zeros([0], np.int32)

    batch = make(Empty()).make_batch(0, 0)
    assert not batch["input_gt_class_ids"].any()


def test_of_too_many_objects_some_are_drawn_at_random():
    class Two(TinyConfig):
        MAX_GT_INSTANCES = 2

    generator = make(config=Two(), shuffle=False, batch_size=1)
    pairs = set()
    for epoch in range(12):
        batch = generator.make_batch(epoch, 3)  # has three objects
        boxes = batch["input_gt_boxes"][0]
        assert (boxes[:, 2] > boxes[:, 0]).all()
        pairs.add(tuple(boxes[:, 1].tolist()))
    assert pairs == {(0, 15), (0, 30), (15, 30)}


def test_number_of_objects_equal_to_the_most():
    class Three(TinyConfig):
        MAX_GT_INSTANCES = 3

    batch = make(config=Three(), shuffle=False, batch_size=1).make_batch(0, 3)
    assert batch["input_gt_class_ids"].tolist() == [[1, 2, 1]]


def test_crowds_arrive_negative():
    class Crowd(TinyDataset):
        def load_mask(self, image_id):
            masks, class_ids = super().load_mask(image_id)
            return masks, -class_ids

    batch = make(Crowd(), shuffle=False, batch_size=1).make_batch(0, 3)
    assert batch["input_gt_class_ids"].tolist() == [[-1, -2, -1, 0]]
    assert not (batch["input_rpn_match"] == 1).any()


def test_sources_may_be_left_without_augmentation():
    dataset = TinyDataset()
    dataset.add_image("plain", "p", None)
    dataset.prepare()
    options = {"shuffle": False, "batch_size": 1, "augmentation": iaa.Add(50)}
    plain = make(dataset, no_augmentation_sources=["plain"], **options)
    every = make(dataset, **options)
    for index, same in ((12, False), (11, True)):
        a = plain.make_batch(0, index)["input_image"]
        b = every.make_batch(0, index)["input_image"]
        assert (a == b).all() == same


def test_batches_outside_the_epoch_are_refused():
    generator = make()
    with pytest.raises(IndexError, match="index=4.*0 to 3"):
        generator.make_batch(0, 4)
    with pytest.raises(IndexError, match="index=-1"):
        generator.make_batch(0, -1)


class Pad64(TinyConfig):
    IMAGE_RESIZE_MODE = "pad64"
    IMAGE_MIN_DIM = None


class MixedSizes(TinyDataset):
    """Odd images are wider than 64 px."""

    def load_image(self, image_id):
        return np.zeros([48, 64 + 30 * (image_id % 2), 3], np.uint8)

    def load_mask(self, image_id):
        return np.zeros([0, 0, 0], bool), []


def test_images_of_different_size_need_a_batch_of_one():
    generator = make(MixedSizes(), Pad64(), batch_size=1, shuffle=False)
    shapes = [generator.make_batch(0, i)["input_image"].shape for i in range(2)]
    assert shapes == [(1, 64, 64, 3), (1, 64, 128, 3)]
    with pytest.raises(ValueError, match=r"\[0, 1, 2\].*'pad64'.*IMAGES_PER_GPU = 1"):
        make(MixedSizes(), Pad64(), shuffle=False).make_batch(0, 0)


def test_images_of_one_size_may_share_a_batch_in_any_mode():
    assert make(config=Pad64()).make_batch(0, 0)["input_image"].shape[0] == 3


def test_anchors_follow_the_image_and_are_kept():
    generator = make(MixedSizes(), Pad64(), batch_size=1)
    anchors = generator.anchors((64, 128, 3))[0]
    expected = generate_pyramid_anchors(
        (4, 8, 16, 32, 64),
        [0.5, 1, 2],
        [[16, 32], [8, 16], [4, 8], [2, 4], [1, 2]],
        [4, 8, 16, 32, 64],
        1,
    )
    np.testing.assert_array_equal(anchors, expected)
    assert generator.anchors((64, 128, 3))[0] is anchors
    assert not anchors.flags.writeable
    for height in range(64, 64 * 9, 64):
        generator.anchors((height, 64, 3))
    assert len(generator._anchors_of_shape) <= 4


@pytest.mark.parametrize(
    ("kwargs", "said"),
    [
        ({"steps": 0}, "steps=0"),
        ({"seed": -1}, "seed=-1"),
    ],
)
def test_impossible_numbers_are_refused(kwargs, said):
    with pytest.raises(ValueError, match=said):
        make(**kwargs)


def test_data_set_that_cannot_train_is_refused():
    dataset = Dataset()
    with pytest.raises(ValueError, match=r"not prepared.*prepare\(\)"):
        make(dataset)
    dataset.prepare()
    with pytest.raises(ValueError, match="has no images"):
        make(dataset)
    dataset = TinyDataset()
    dataset.add_class("tiny", 3, "ship")
    dataset.prepare()
    with pytest.raises(ValueError, match="has 4 classes.*NUM_CLASSES = 4"):
        make(dataset)


def test_batch_size_is_that_of_the_config():
    config = TinyConfig()
    config.BATCH_SIZE = 4
    assert make(config=config).make_batch(0, 0)["input_image"].shape[0] == 4


def test_error_in_load_mask_names_the_image():
    generator = make(BrokenMaskDataset(), batch_size=12)
    with pytest.raises(
        LookupError, match=r"annotation broken \(image id 7, path folder/7\.png\)$"
    ):
        generator.make_batch(0, 0)


def test_in_the_place_of_a_broken_image_comes_another_always_the_same():
    generator = make(BrokenMaskDataset(), batch_size=5, on_error="skip")
    fresh = make(BrokenMaskDataset(), batch_size=5, on_error="skip")
    others = set()
    for epoch in range(4):
        for index in reversed(range(len(generator))):
            batch = generator.make_batch(epoch, index)
            drawn = generator.image_ids_of(epoch, index).tolist()
            assert_same_batch(batch, fresh.make_batch(epoch, index))
            assert batch["input_image_meta"][:, 0].tolist() == batch.image_ids
            if 7 not in drawn:
                assert batch.image_ids == drawn and not batch.failures
                continue
            other = batch.image_ids[drawn.index(7)]
            assert other not in drawn  # no image twice in a batch
            others.add(other)
            ((image_id, text),) = batch.failures
            assert image_id == 7
            assert text.startswith("LookupError: annotation broken (image id 7, path")
    assert len(others) > 1


def test_data_imports_without_tensorflow():
    code = (
        "import sys, mrcnn.data.pooled_loader, mrcnn.data.augmentation.augment;"
        "import mrcnn.data.formats.via.via_dataset;"
        "bad = {'tensorflow', 'keras', 'imgaug', 'cv2'} & set(sys.modules);"
        "sys.exit(str(bad) if bad else 0)"
    )
    subprocess.run([sys.executable, "-c", code], check=True, timeout=60)


def test_generator_is_picklable_with_its_anchors():
    generator = make()
    expected = generator.make_batch(0, 0)
    assert_same_batch(pickle.loads(pickle.dumps(generator)).make_batch(0, 0), expected)
