from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from imgaug import augmenters as iaa

from mrcnn.data.augmentation.augment import augment
from mrcnn.data.augmentation.copy_paste import CopyPaste
from mrcnn.data.dataset import Dataset
from mrcnn.data.generator import DataGenerator
from mrcnn.data.image_gt import load_image_gt
from mrcnn.data.in_memory import InMemoryDataset
from tests.data.tiny import (
    HEIGHT,
    WIDTH,
    BrokenMaskDataset,
    TinyConfig,
    TinyDataset,
    assert_same_batch,
)

TOP = (64 - HEIGHT) // 2  # rows of padding above the image, and below
COLOR = 200  # of every pixel of the image that objects come from
GREY = 50  # of the image that they are pasted on


class OneImage(TinyDataset):
    """A single image, all of one color, with the objects that a test draws."""

    def __init__(self, class_ids, *boxes, shape=(HEIGHT, WIDTH, 3)):
        super().__init__(count=1)
        self.planned = np.array(class_ids), boxes
        self.shape = shape

    def load_image(self, image_id):
        return np.full(self.shape, COLOR, np.uint8)

    def load_mask(self, image_id):
        class_ids, boxes = self.planned
        masks = np.zeros([*self.shape[:2], len(boxes)], bool)
        for i, (y1, x1, y2, x2) in enumerate(boxes):
            masks[y1:y2, x1:x2, i] = True
        return masks, class_ids


def target(*boxes):
    """A grey 48 x 64 image in its black frame of 64 x 64, and its masks."""
    image = np.zeros([64, 64, 3], np.uint8)
    image[TOP : TOP + HEIGHT] = GREY
    mask = np.zeros([64, 64, len(boxes)], bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        mask[y1:y2, x1:x2, i] = True
    return image, mask


def paste(dataset, image, mask, class_ids, seed=0, **options):
    """The function itself, without `augment` around it."""
    options = {"probability": 1.0, "max_objects": 1} | options
    function = CopyPaste(dataset, TinyConfig(), **options)
    class_ids = np.array(class_ids, np.int32)
    return function(image, mask, class_ids, np.random.default_rng(seed))


SQUARE = (10, 10, 26, 26)
BESIDE = (20, 30, 40, 60)


@pytest.mark.parametrize("seed", range(10))
def test_pasted_object_is_where_its_mask_is(seed):
    image, mask = target(BESIDE)
    result = paste(OneImage([2], SQUARE), image, mask, [1], seed)
    new_image, new_mask, class_ids = result
    assert class_ids[-1] == 2 and class_ids.dtype == np.int32
    assert new_image.dtype == np.uint8 and new_mask.dtype == bool
    pasted = new_mask[..., -1]
    assert pasted.any()
    np.testing.assert_array_equal(pasted, (new_image == COLOR).all(axis=-1))
    np.testing.assert_array_equal(new_image[~pasted], image[~pasted])
    if len(class_ids) == 2:
        np.testing.assert_array_equal(new_mask[..., 0], mask[..., 0] & ~pasted)


def test_pixels_of_an_object_keep_their_places():
    class Halves(OneImage):
        def load_image(self, image_id):
            image = super().load_image(image_id)
            image[:18, :, 0] = 90  # the upper half of SQUARE
            image[:, :18, 1] = 90  # its left half
            return image

    mirrored = set()
    for seed in range(20):
        new_image, new_mask, _ = paste(
            Halves([2], SQUARE), *target(), [], seed, scale=(1.0, 1.0)
        )
        y, x = np.nonzero(new_mask[..., 0])
        if len(y) < 16 * 16:
            continue  # cut by the border
        box = new_image[y[0] : y[-1] + 1, x[0] : x[-1] + 1]
        assert (box[:8, :, 0] == 90).all() and (box[8:, :, 0] == COLOR).all()
        left, right = box[:, :8, 1], box[:, 8:, 1]
        assert {int(left.min()), int(right.min())} == {90, COLOR}
        mirrored.add(bool(right.max() == 90))
    assert mirrored == {True, False}


@pytest.mark.parametrize(("side", "factor"), [(30, 0.5), (12, 2.5)])
def test_outline_is_scaled_with_its_object(side, factor):
    class Triangle(OneImage):
        def load_mask(self, image_id):
            rows, columns = np.mgrid[:HEIGHT, :WIDTH]
            return ((columns <= rows) & (rows < side))[..., np.newaxis], [1]

    areas = []
    for seed in range(20):
        result = paste(Triangle([1]), *target(), [], seed, scale=(factor, factor))
        pasted = result[1][..., 0]
        np.testing.assert_array_equal(pasted, (result[0] == COLOR).all(axis=-1))
        areas.append(pasted.sum())
    # Some are cut.
    assert max(areas) == pytest.approx(factor**2 * side * (side + 1) / 2, rel=0.05)


def test_sizes_lie_between_the_two_scales():
    sizes = []
    for seed in range(40):
        dataset = OneImage([1], (10, 20, 30, 30))
        _, mask, _ = paste(dataset, *target(), [], seed, scale=(0.5, 2.0))
        rows, columns = np.nonzero(mask[..., 0])
        sizes.append((np.ptp(rows) + 1, np.ptp(columns) + 1))
    heights, widths = np.array(sizes).T
    assert heights.max() <= 40 and widths.max() <= 20
    assert widths.max() > 15 and widths.min() < 8


def test_centers_reach_the_whole_picture_and_nothing_is_painted_around_it():
    image, mask = target()
    painted = np.zeros([64, 64], bool)
    for seed in range(200):
        _, new_mask, _ = paste(OneImage([1], SQUARE), image, mask, [], seed)
        painted |= new_mask[..., 0]
    assert painted[TOP : TOP + HEIGHT].all()
    assert not painted[:TOP].any() and not painted[TOP + HEIGHT :].any()


def test_object_larger_than_the_image_is_cut():
    whole = (0, 0, HEIGHT, WIDTH)
    sizes = []
    for seed in range(20):
        new_image, new_mask, class_ids = paste(
            OneImage([1], whole), *target(SQUARE), [2], seed, scale=(3.0, 3.0)
        )
        pasted = new_mask[..., -1]
        np.testing.assert_array_equal(pasted, (new_image == COLOR).all(axis=-1))
        assert not pasted[:TOP].any()
        sizes.append(pasted.sum())
        # The image is covered or, where the center came near a border, half of it.
        assert class_ids[-1] == 1 and sizes[-1] >= HEIGHT * WIDTH / 4
    assert max(sizes) == HEIGHT * WIDTH


@pytest.mark.parametrize("min_visible", [0.0, 0.3, 0.8, 1.0])
def test_covered_objects_lose_pixels_or_are_dropped(min_visible):
    boxes = [(10, 10, 20, 20), (30, 30, 50, 50), (20, 5, 50, 25), (12, 40, 14, 42)]
    counts = set()
    for seed in range(60):
        image, mask = target(*boxes)
        new_image, new_mask, class_ids = paste(
            OneImage([2], (5, 5, 35, 40)), image, mask, [1, 1, 2, 1], seed,
            min_visible=min_visible,
        )  # fmt: skip
        pasted = (new_image == COLOR).all(axis=-1)
        left = mask & ~pasted[..., np.newaxis]
        areas, visible = mask.sum(axis=(0, 1)), left.sum(axis=(0, 1))
        kept = (visible > 0) & (visible >= min_visible * areas)
        assert class_ids.tolist() == [*np.array([1, 1, 2, 1])[kept], 2]
        np.testing.assert_array_equal(new_mask[..., :-1], left[..., kept])
        counts.add(int(kept.sum()))
    assert len(counts) > 1


def test_later_objects_cover_earlier_ones():
    dataset = OneImage([1, 2, 1], (0, 0, 30, 30), (5, 20, 40, 60), (0, 0, 48, 20))
    for seed in range(30):
        result = paste(dataset, *target(SQUARE), [2], seed, max_objects=3)
        new_image, new_mask, class_ids = result
        assert (new_mask.sum(axis=-1) <= 1).all()  # no pixel belongs to two
        pasted = (new_image == COLOR).all(axis=-1)
        assert not (new_mask[..., -1] & ~pasted).any()
        assert len(class_ids) == new_mask.shape[-1]


def test_one_to_max_objects_are_pasted_each_once():
    boxes = [(2, 2 + 12 * i, 8, 8 + 12 * i) for i in range(3)]
    dataset = OneImage([1, 1, 2], *boxes)
    options = {"min_visible": 0.0, "scale": (1.0, 1.0)}
    for max_objects, counts in ((2, {1, 2}), (1000, {3})):
        found = [
            paste(dataset, *target(), [], seed, max_objects=max_objects, **options)[2]
            for seed in range(40)
        ]
        assert {len(class_ids) for class_ids in found} == counts
        assert max(class_ids.tolist().count(2) for class_ids in found) == 1


def test_crowds_are_not_pasted():
    dataset = OneImage([-1, 2, -2], (0, 0, 40, 40), SQUARE, (0, 0, 48, 64))
    for seed in range(20):
        assert paste(dataset, *target(), [], seed, max_objects=9)[2].tolist() == [2]


def test_crowd_stays_whatever_is_left_of_it():
    image, mask = target((TOP, 0, TOP + HEIGHT, 60), (TOP, 60, TOP + HEIGHT, 64))
    dataset, left = OneImage([2], (0, 0, HEIGHT, WIDTH)), []
    for seed in range(40):
        result = paste(dataset, image, mask, [-1, 1], seed, scale=(1.5, 1.5))
        crowd = mask[..., 0] & ~(result[0] == COLOR).all(axis=-1)
        assert (-1 in result[2]) == crowd.any()
        if crowd.any():
            np.testing.assert_array_equal(result[1][..., 0], crowd)
            left.append(crowd.sum() / mask[..., 0].sum())
    assert 0 < min(left) < 0.3  # an object would have been dropped


def test_image_without_objects_has_nothing_to_paste():
    image, mask = target(BESIDE)
    for dataset in (OneImage([]), OneImage([-1], SQUARE)):
        result = paste(dataset, image, mask, [1])
        for part, expected in zip(result, (image, mask, [1]), strict=True):
            np.testing.assert_array_equal(part, expected)


def test_object_without_a_pixel_after_scaling_is_dropped():
    class TwoDots(OneImage):
        def load_mask(self, image_id):
            mask = np.zeros([HEIGHT, WIDTH, 1], bool)
            mask[0, 0] = mask[20, 20] = True
            return mask, [1]

    image, mask = target(BESIDE)
    result = paste(TwoDots([1]), image, mask, [2], scale=(0.1, 0.1))
    for part, expected in zip(result, (image, mask, [2]), strict=True):
        np.testing.assert_array_equal(part, expected)


def test_black_picture_is_pasted_on():
    image = np.zeros([64, 64, 3], np.uint8)
    mask = np.zeros([64, 64, 0], bool)
    new_image, new_mask, _ = paste(OneImage([1], SQUARE), image, mask, [])
    np.testing.assert_array_equal(new_image[..., 0] == COLOR, new_mask[..., 0])
    assert new_mask.sum() > 20


def test_single_channel_images_are_pasted_on():
    class Grey(TinyConfig):
        IMAGE_CHANNEL_COUNT = 1
        MEAN_PIXEL = np.array([100.0])

    dataset = OneImage([1], SQUARE, shape=(HEIGHT, WIDTH, 1))
    image, mask = target()
    new_image, new_mask, _ = CopyPaste(dataset, Grey(), probability=1.0)(
        image[..., :1], mask, np.zeros([0], np.int32), np.random.default_rng(0)
    )
    assert new_image.shape == (64, 64, 1)
    np.testing.assert_array_equal(new_image[..., 0] == COLOR, new_mask[..., 0])


@pytest.mark.parametrize(
    ("probability", "low", "high"), [(0.0, 0, 0), (0.25, 30, 70), (1.0, 200, 200)]
)
def test_probability_is_the_share_of_changed_images(probability, low, high):
    dataset, scene = OneImage([1], SQUARE), (*target(), [])
    found = [
        paste(dataset, *scene, seed, probability=probability)[2] for seed in range(200)
    ]
    assert low <= sum(map(len, found)) <= high


@pytest.mark.parametrize("probability", [0.0, 1.0])
def test_another_augmentation_follows(probability):
    image, mask = target(BESIDE)
    options = {"seed": 5, "probability": probability}
    dataset = OneImage([2], SQUARE)
    plain = paste(dataset, image, mask, [1], **options)
    mirrored = paste(dataset, image, mask, [1], then=iaa.Fliplr(1.0), **options)
    np.testing.assert_array_equal(mirrored[0], plain[0][:, ::-1])
    np.testing.assert_array_equal(mirrored[1], plain[1][:, ::-1])
    np.testing.assert_array_equal(mirrored[2], plain[2])
    assert type(mirrored) is tuple


def test_two_may_follow_each_other():
    second = CopyPaste(OneImage([1], SQUARE), TinyConfig(), probability=1.0)
    class_ids = paste(OneImage([2], SQUARE), *target(), [], then=second)[2]
    assert class_ids[-1] == 1


def tiny_copy_paste(**options):
    dataset = TinyDataset()
    memory = InMemoryDataset(dataset, max_side=64)
    return dataset, CopyPaste(memory, TinyConfig(), **options)


@given(
    image_id=st.integers(0, 11),
    seed=st.integers(0, 2**32 - 1),
    max_objects=st.integers(1, 5),
    low=st.floats(0.1, 2.0),
    ratio=st.floats(1.0, 3.0),
    min_visible=st.floats(0.0, 1.0),
    mirror=st.booleans(),
)
def test_law_of_every_scene(
    image_id, seed, max_objects, low, ratio, min_visible, mirror
):
    dataset, augmentation = tiny_copy_paste(
        probability=0.8, max_objects=max_objects, scale=(low, low * ratio),
        min_visible=min_visible, then=iaa.Fliplr(0.5) if mirror else None,
    )  # fmt: skip
    config = TinyConfig()
    loaded = load_image_gt(dataset, config, image_id)
    before = [np.copy(part) for part in loaded]
    image, _, ids, _, mask = loaded
    result = augment(image, mask, ids, augmentation, np.random.default_rng(seed))
    # Its arguments are not changed, and it depends on nothing but them and the seed.
    for part, copy in zip(loaded, before, strict=True):
        np.testing.assert_array_equal(part, copy)
    again = augment(image, mask, ids, augmentation, np.random.default_rng(seed))
    for part, other in zip(result, again, strict=True):
        np.testing.assert_array_equal(part, other)
    # As many masks as class ids, none without a pixel, none on the padding.
    assert result.image.shape == image.shape and result.image.dtype == image.dtype
    assert result.mask.shape == (64, 64, len(result.class_ids))
    assert result.mask.any(axis=(0, 1)).all()
    for part in result[:2] if image.any() else ():  # image 0 is black
        assert not part[:TOP].any() and not part[TOP + HEIGHT :].any()
    assert set(result.class_ids) <= {1, 2} and result.class_ids.dtype == np.int32
    assert len(result.class_ids) <= len(ids) + max_objects


@pytest.mark.parametrize("mode", ["square", "crop"])
def test_batches_stay_pure(mode):
    class Mode(TinyConfig):
        IMAGE_RESIZE_MODE = mode
        IMAGE_MIN_SCALE = 2.0

    dataset, config = TinyDataset(), Mode()
    augmentation = CopyPaste(dataset, config, probability=1.0)
    generator = DataGenerator(dataset, config, augmentation=augmentation)
    batch = generator.make_batch(1, 2)
    assert_same_batch(generator.make_batch(1, 2), batch)
    plain = DataGenerator(dataset, config).make_batch(1, 2)
    assert (plain["input_image"] != batch["input_image"]).any()


def test_pickled_for_a_spawned_worker_it_does_the_same():
    _, augmentation = tiny_copy_paste(probability=1.0)
    copy = pickle.loads(pickle.dumps(augmentation))
    scenes = [
        function(*target(SQUARE), np.array([1], np.int32), np.random.default_rng(4))
        for function in (augmentation, copy)
    ]
    for part, other in zip(*scenes, strict=True):
        np.testing.assert_array_equal(part, other)


def test_error_names_the_image_that_was_to_be_pasted():
    class Only7(BrokenMaskDataset):
        @property
        def image_ids(self):
            return np.array([7])

    augmentation = CopyPaste(Only7(), TinyConfig(), probability=1.0)
    with pytest.raises(LookupError) as caught:
        load_image_gt(TinyDataset(), TinyConfig(), 2, augmentation=augmentation)
    assert str(caught.value) == "annotation broken (image id 7, path folder/7.png)"


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"probability": 1.5}, r"probability=1\.5\): must be 0 to 1"),
        ({"max_objects": 0}, r"max_objects=0\): must be 1 or more"),
        ({"scale": (0, 1)}, r"scale=\(0, 1\)\): must rise, and be above 0"),
        ({"scale": (2.0, 1.0)}, r"scale=\(2\.0, 1\.0\)"),
        ({"min_visible": -0.1}, r"min_visible=-0\.1"),
    ],
)
def test_impossible_numbers_are_refused_by_name(options, said):
    with pytest.raises(ValueError, match=said):
        CopyPaste(TinyDataset(), TinyConfig(), **options)


def test_data_set_without_images_is_refused():
    with pytest.raises(ValueError, match=r"dataset\): has no images; call prepare"):
        CopyPaste(Dataset(), TinyConfig())
