"""Batches as rows of arrays: what old loops unpack, and what Keras trains on."""

from __future__ import annotations

import itertools

import keras
import numpy as np
import pytest

from mrcnn.data import generator
from mrcnn.engine.graph import build_model
from mrcnn.model import DataGenerator, data_generator, load_image_gt
from mrcnn.utils import apply_box_deltas
from tests.engine.tiny import StubConfig, TinyDataset, eagerly, make_config

NAMES = (
    "input_image",
    "input_image_meta",
    "input_rpn_match",
    "input_rpn_bbox",
    "input_gt_class_ids",
    "input_gt_boxes",
    "input_gt_masks",
)


@pytest.fixture(scope="module")
def dataset():
    """Picture i shows i % 4 objects."""
    return TinyDataset()


@pytest.fixture(scope="module")
def config():
    return StubConfig()


def take(batches, count):
    return list(itertools.islice(batches, count))


def assert_same(arrays, others):
    for array, other in zip(arrays, others, strict=True):
        np.testing.assert_array_equal(array, other)


def test_seven_inputs_and_no_outputs(dataset, config):
    batches = data_generator(dataset, config, shuffle=False, batch_size=3)
    inputs, outputs = next(batches)
    (
        images,
        image_meta,
        rpn_match,
        rpn_bbox,
        gt_class_ids,
        gt_boxes,
        gt_masks,
    ) = inputs
    assert len(outputs) == 0
    assert (images.shape, images.dtype) == ((3, 64, 64, 3), np.float32)
    assert image_meta.shape == (3, config.IMAGE_META_SIZE)
    assert (rpn_match.shape[::2], rpn_match.dtype) == ((3, 1), np.int32)
    assert rpn_bbox.shape == (3, config.RPN_TRAIN_ANCHORS_PER_IMAGE, 4)
    assert gt_class_ids.tolist() == [[0, 0, 0, 0], [1, 0, 0, 0], [1, 2, 0, 0]]
    assert (gt_boxes.shape, gt_boxes.dtype) == ((3, 4, 4), np.int32)
    assert (gt_masks.shape, gt_masks.dtype) == ((3, 14, 14, 4), bool)
    # Image 2, as load_image_gt has it.
    image, meta, class_ids, boxes, _ = load_image_gt(dataset, config, 2)
    np.testing.assert_allclose(images[2], image - config.MEAN_PIXEL, atol=1e-4)
    np.testing.assert_array_equal(image_meta[2], meta)
    np.testing.assert_array_equal(gt_boxes[2, :2], boxes)


def test_batch_size_is_one_unless_it_is_given(dataset, config):
    inputs, _ = next(data_generator(dataset, config))
    assert {len(array) for array in inputs} == {1}


def test_every_image_comes_once_a_pass_in_full_batches(dataset, config):
    batches = take(data_generator(dataset, config, batch_size=3), 8)
    ids = np.concatenate([inputs[1][:, 0] for inputs, _ in batches]).astype(int)
    passes = ids.reshape(3, 8)  # 24 images are three passes over 8
    assert np.sort(passes, axis=1).tolist() == [list(range(8))] * 3
    assert (passes[0] != passes[1]).any()


def test_without_shuffle_the_order_is_that_of_the_data_set(dataset, config):
    batches = take(data_generator(dataset, config, shuffle=False), 9)
    assert [int(inputs[1][0, 0]) for inputs, _ in batches] == [*range(8), 0]


def test_eight_inputs_with_random_rois(dataset, config):
    inputs, outputs = next(
        data_generator(dataset, config, random_rois=20, batch_size=2)
    )
    assert len(inputs) == 8
    assert len(outputs) == 0
    rpn_rois = inputs[-1]
    assert (rpn_rois.shape, rpn_rois.dtype) == ((2, 20, 4), np.int32)
    assert (rpn_rois[..., 2:] > rpn_rois[..., :2]).all()
    assert rpn_rois.min() >= 0 and rpn_rois.max() <= 64
    assert (rpn_rois[0] != rpn_rois[1]).any()


@pytest.mark.parametrize("use_mini_mask", [True, False])
def test_nine_inputs_and_three_outputs_with_detection_targets(dataset, use_mini_mask):
    config = make_config(USE_MINI_MASK=use_mini_mask)
    batches = data_generator(
        dataset,
        config,
        shuffle=False,
        random_rois=200,
        batch_size=4,
        detection_targets=True,
    )
    inputs, outputs = next(batches)
    *_, gt_class_ids, gt_boxes, _, rpn_rois, rois = inputs
    mrcnn_class_ids, mrcnn_bbox, mrcnn_mask = outputs
    count, classes = config.TRAIN_ROIS_PER_IMAGE, config.NUM_CLASSES
    assert len(inputs) == 9
    assert rpn_rois.shape == (4, 200, 4)
    assert (rois.shape, rois.dtype) == ((4, count, 4), np.int32)
    assert mrcnn_class_ids.shape == (4, count, 1)
    assert mrcnn_bbox.shape == (4, count, classes, 4)
    assert mrcnn_mask.shape == (4, count, *config.MASK_SHAPE, classes)
    assert not mrcnn_class_ids[0].any()  # picture 0 shows nothing
    # As the notebook draws them: RoIs refined to the objects they belong to.
    for b in (1, 2, 3):
        positive = np.where(mrcnn_class_ids[b, :, 0] > 0)[0]
        assert len(positive) == int(count * config.ROI_POSITIVE_RATIO)
        class_ids = mrcnn_class_ids[b, positive, 0]
        deltas = mrcnn_bbox[b, positive, class_ids] * config.BBOX_STD_DEV
        refined = apply_box_deltas(rois[b, positive].astype(np.float32), deltas)
        for box, class_id in zip(refined, class_ids, strict=True):
            own = gt_boxes[b][gt_class_ids[b] == class_id]
            assert np.abs(own - box).max(axis=1).min() < 1e-3
        assert mrcnn_mask[b, positive, :, :, class_ids].mean() > 0.5


def test_targets_without_rois_draw_a_warning(dataset, config):
    with pytest.warns(UserWarning, match="no RoIs to set targets for"):
        inputs, outputs = next(data_generator(dataset, config, detection_targets=True))
    assert (len(inputs), len(outputs)) == (7, 0)


def test_two_generators_of_one_seed_agree(dataset, config):
    options = {"random_rois": 5, "detection_targets": True, "batch_size": 2}
    first = take(data_generator(dataset, config, **options), 5)
    second = take(data_generator(dataset, config, **options), 5)
    for (inputs, outputs), (others, other_outputs) in zip(first, second, strict=True):
        assert_same(inputs, others)
        assert_same(outputs, other_outputs)
    other_seed = take(data_generator(dataset, make_config(SEED=1), **options), 5)
    assert any(
        (a[0][0] != b[0][0]).any() for a, b in zip(first, other_seed, strict=True)
    )


def test_augment_mirrors_every_second_image(dataset, config):
    with pytest.warns(DeprecationWarning, match="Fliplr"):
        batches = data_generator(dataset, config, shuffle=False, augment=True)
    plain = data_generator(dataset, config, shuffle=False)
    mirrored = 0
    for (inputs, _), (others, _) in zip(
        take(batches, 24), take(plain, 24), strict=True
    ):
        if np.array_equal(inputs[0], others[0]):
            assert_same(inputs[4:], others[4:])
            continue
        mirrored += 1
        np.testing.assert_array_equal(inputs[0], others[0][:, :, ::-1])
        np.testing.assert_array_equal(
            np.sort(64 - inputs[5][..., [1, 3]][inputs[4] > 0].ravel()),
            np.sort(others[5][..., [1, 3]][others[4] > 0].ravel()),
        )
    assert 5 <= mirrored <= 19


def test_augment_and_augmentation_work_together(dataset, config):
    def darken(image, mask, rng):
        return image // 2, mask

    with pytest.warns(DeprecationWarning):
        batches = data_generator(dataset, config, augment=True, augmentation=darken)
    inputs, _ = next(batches)
    assert (inputs[0] + config.MEAN_PIXEL).max() <= 128


def test_sources_can_be_left_out_of_augmentation(dataset, config):
    def fail(image, mask, rng):
        raise AssertionError("augmented")

    batches = data_generator(
        dataset, config, augmentation=fail, no_augmentation_sources=["tiny"]
    )
    assert len(take(batches, 3)) == 3


def test_what_cannot_be_trained_on_is_refused_at_once(dataset, config):
    with pytest.raises(ValueError, match="NUM_CLASSES = 3"):
        data_generator(dataset, make_config(NUM_CLASSES=7))
    with pytest.raises(ValueError, match="batch_size=0"):
        data_generator(dataset, config, batch_size=0)
    with pytest.raises(ValueError, match="random_rois\\): a number from 0"):
        data_generator(dataset, config, random_rois=-1)


def test_class_takes_the_old_arguments_in_their_order(dataset, config):
    batches = DataGenerator(dataset, config, False, None, 10, True)
    assert len(batches) == 4
    inputs, outputs = batches[1]
    assert (len(inputs), len(outputs)) == (9, 3)
    assert inputs[1][:, 0].tolist() == [2, 3]
    with pytest.raises(IndexError):
        batches[4]


def test_class_is_both_generators(dataset, config):
    batches = DataGenerator(dataset, config, seed=3)
    assert isinstance(batches, generator.DataGenerator)
    assert isinstance(batches, keras.utils.PyDataset)
    assert_same(batches[0][0], batches.make_batch(0, 0).values())
    assert list(batches.make_batch(0, 0)) == list(NAMES)
    first = batches[0][0]
    batches.on_epoch_end()
    assert_same(batches[0][0], batches.make_batch(1, 0).values())
    assert (batches[0][0][0] != first[0]).any()


@pytest.fixture(scope="module")
def model(config):
    model = build_model("training", config)
    model.compile(keras.optimizers.SGD(1e-3))
    return model


def test_keras_fits_the_class_pass_by_pass(model, dataset, config):
    seen = []

    class Noting(DataGenerator):
        def batch_arrays(self, epoch, index):
            seen.append((epoch, index))
            return super().batch_arrays(epoch, index)

    batches = Noting(dataset, config)
    with eagerly():
        history = model.fit(batches, epochs=2, verbose=0)
    assert len(history.history["mrcnn_mask_loss"]) == 2
    assert np.isfinite(history.history["loss"]).all()
    # Keras peeks at the first batches, and calls on_epoch_end once for that.
    first, second = sorted(seen[-8:-4]), sorted(seen[-4:])
    assert first == [(1, i) for i in range(4)]
    assert second == [(2, i) for i in range(4)]


@pytest.mark.filterwarnings("ignore:.*shuffle=True.*generator")
def test_keras_fits_the_endless_generator(model, dataset, config):
    batches = data_generator(dataset, config, batch_size=config.BATCH_SIZE)
    with eagerly():
        history = model.fit(batches, steps_per_epoch=2, epochs=1, verbose=0)
    assert np.isfinite(history.history["rpn_class_loss"]).all()


def test_random_rois_are_the_input_of_a_model_without_rpn_rois(dataset):
    config = make_config(USE_RPN_ROIS=False)
    inputs, _ = next(data_generator(dataset, config, random_rois=50, batch_size=2))
    losses = build_model("training", config)(inputs, training=False)
    assert all(np.isfinite(float(value)) for value in losses.values())


def test_an_image_that_cannot_be_loaded_is_replaced_and_told():
    class Broken(TinyDataset):
        def load_mask(self, image_id):
            if image_id == 3:
                raise IndexError("index 64 is out of bounds")
            return super().load_mask(image_id)

    config = StubConfig()
    batches = data_generator(Broken(8), config, batch_size=4)
    with pytest.warns(UserWarning, match="IndexError.*image id 3, path") as record:
        shapes = [next(batches)[0][0].shape[0] for _ in range(6)]
    assert shapes == [4] * 6 and len(record) == 1
    config.ON_DATA_ERROR = "raise"
    with pytest.raises(IndexError, match="image id 3"):
        next(data_generator(Broken(8), config, batch_size=8))
