from __future__ import annotations

import pickle

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from mrcnn.data.dataset import Dataset
from mrcnn.data.image_gt import load_image_gt
from mrcnn.data.in_memory import InMemoryDataset
from mrcnn.geometry.image_meta import parse_image_meta
from tests.data.tiny import BrokenMaskDataset, TinyConfig, TinyDataset


class NoiseDataset(Dataset):
    """Images of given sizes, of noise, image i with i % 3 noisy objects; counts."""

    def __init__(self, *sizes):
        super().__init__()
        self.add_class("noise", 1, "blot")
        self.add_class("noise", 2, "stain")
        for i, (height, width) in enumerate(sizes):
            self.add_image("noise", f"id{i}", None, height=height, width=width)
        self.prepare()
        self.loads = []

    def shape(self, image_id):
        info = self.image_info[image_id]
        return info["height"], info["width"]

    def load_image(self, image_id):
        self.loads.append(image_id)
        rng = np.random.default_rng(image_id)
        return rng.integers(0, 256, [*self.shape(image_id), 3], dtype=np.uint8)

    def load_mask(self, image_id):
        rng = np.random.default_rng([image_id, 1])
        masks = rng.random([*self.shape(image_id), image_id % 3]) < 0.7
        return masks, np.array([-1, 2], np.int32)[: image_id % 3]  # a crowd first

    def image_reference(self, image_id):
        return f"reference {image_id}"

    def source_image_link(self, image_id):
        return f"link {image_id}"


# Higher, wider, odd, a line, as large as the square, smaller, of one pixel.
SIZES = [(150, 90), (91, 257), (1, 300), (128, 64), (64, 64), (40, 63), (1, 1)]


def config_of(**values):
    config = TinyConfig()
    for name, value in values.items():
        setattr(config, name, value)
    return config


def assert_same_to_the_network(dataset, memory, config, image_id):
    """All but what the meta says of the original is equal."""
    image, meta, class_ids, boxes, masks = load_image_gt(memory, config, image_id)
    expected = load_image_gt(dataset, config, image_id)
    np.testing.assert_array_equal(image, expected[0])
    np.testing.assert_array_equal(class_ids, expected[2])
    np.testing.assert_array_equal(boxes, expected[3])
    np.testing.assert_array_equal(masks, expected[4])
    assert image.dtype == np.uint8 and masks.dtype == bool
    meta, expected_meta = (parse_image_meta(m[np.newaxis]) for m in (meta, expected[1]))
    for name in ("image_id", "image_shape", "window", "active_class_ids"):
        np.testing.assert_array_equal(meta[name], expected_meta[name])


@pytest.mark.parametrize("image_id", range(len(SIZES)))
@pytest.mark.parametrize(
    "values", [{}, {"IMAGE_MIN_DIM": 48}, {"IMAGE_MIN_DIM": 0, "IMAGE_MIN_SCALE": 1.01}]
)
def test_network_sees_the_same_pixels(image_id, values):
    dataset = NoiseDataset(*SIZES)
    config = config_of(**values)
    memory = InMemoryDataset(dataset, max_side=config.IMAGE_MAX_DIM)
    assert_same_to_the_network(dataset, memory, config, image_id)
    height, width = memory.load_image(image_id).shape[:2]
    assert max(height, width) == min(max(SIZES[image_id]), 64)
    masks, _ = memory.load_mask(image_id)
    assert masks.shape == (height, width, image_id % 3) and masks.dtype == bool


@given(
    height=st.integers(1, 200),
    width=st.integers(1, 200),
    min_dim=st.integers(0, 80),
    min_scale=st.floats(0, 3),
)
def test_law_same_pixels_for_any_size(height, width, min_dim, min_scale):
    dataset = NoiseDataset((8, 8), (8, 8), (height, width))  # the third has two objects
    config = config_of(IMAGE_MIN_DIM=min_dim, IMAGE_MIN_SCALE=min_scale)
    memory = InMemoryDataset(dataset, max_side=64)
    assert_same_to_the_network(dataset, memory, config, 2)


def test_without_a_side_images_and_masks_are_those_of_the_original():
    dataset = NoiseDataset(*SIZES)
    memory = InMemoryDataset(dataset)
    for image_id in dataset.image_ids:
        np.testing.assert_array_equal(
            memory.load_image(image_id), dataset.load_image(image_id)
        )
        for ours, original in zip(
            memory.load_mask(image_id), dataset.load_mask(image_id), strict=True
        ):
            assert ours.dtype == original.dtype
            np.testing.assert_array_equal(ours, original)


def test_ids_classes_and_references_are_those_of_the_original():
    dataset = NoiseDataset(*SIZES)
    memory = InMemoryDataset(dataset, max_side=64)
    np.testing.assert_array_equal(memory.image_ids, dataset.image_ids)
    assert memory.num_classes == 3 and memory.num_images == len(SIZES)
    assert memory.class_names == ["BG", "blot", "stain"]
    assert memory.image_info == dataset.image_info
    assert memory.map_source_class_id("noise.2") == 2
    assert memory.image_reference(1) == "reference 1"
    assert memory.source_image_link(1) == "link 1"


def test_original_stays_as_it_is():
    dataset = NoiseDataset(*SIZES)
    memory = InMemoryDataset(dataset, max_side=64)
    memory.load_image(0)
    memory.add_class("noise", 3, "spot")
    memory.add_image("noise", "more", None)
    memory.prepare()
    assert vars(dataset).keys() == vars(NoiseDataset(*SIZES)).keys()
    assert dataset.num_classes == 3 and len(dataset.class_info) == 3
    assert len(dataset.image_info) == len(SIZES)


def test_image_ids_may_be_a_part_of_the_images():
    class Part(NoiseDataset):
        @property
        def image_ids(self):
            return self._image_ids[3:]

    assert InMemoryDataset(Part(*SIZES)).image_ids.tolist() == [3, 4, 5, 6]


def test_each_image_is_loaded_once_and_not_before_it_is_asked_for():
    dataset = NoiseDataset(*SIZES)
    memory = InMemoryDataset(dataset, max_side=64)
    assert dataset.loads == []
    for _ in range(3):
        memory.load_mask(2)
        memory.load_image(1)
        memory.load_image(2)
    assert dataset.loads == [2, 1]


@pytest.mark.parametrize("max_side", [None, 64])
def test_memory_is_not_changed_from_outside(max_side):
    dataset = NoiseDataset((100, 70), (100, 70), (100, 70))
    image, masks = dataset.load_image(2), dataset.load_mask(2)[0]
    class_ids = np.array([1, 2], np.int32)
    dataset.load_image = lambda image_id: image
    dataset.load_mask = lambda image_id: (masks, class_ids)
    memory = InMemoryDataset(dataset, max_side)
    before = [a.copy() for a in (memory.load_image(2), *memory.load_mask(2))]
    assert before[1].any() and not before[1].all()
    # By its caller, and by the original.
    for array in (memory.load_image(2), *memory.load_mask(2), image, masks, class_ids):
        array[...] = 1
    after = memory.load_image(2), *memory.load_mask(2)
    for array, expected in zip(after, before, strict=True):
        np.testing.assert_array_equal(array, expected)


def test_kept_bytes_are_those_promised():
    memory = InMemoryDataset(NoiseDataset((8, 8), (8, 8), (100, 200)), max_side=64)
    memory.load_image(2)
    kept = memory._memory[2]
    assert kept.image.base is None and kept.image.nbytes == 32 * 64 * 3
    assert kept.mask_bits.base is None and kept.mask_bits.nbytes == 32 * 64 * 2 // 8


def test_grey_images_are_shrunk_too():
    class Grey(NoiseDataset):
        def load_image(self, image_id):
            return super().load_image(image_id)[..., 0]

    config = config_of(IMAGE_CHANNEL_COUNT=1, MEAN_PIXEL=np.array([100.0]))
    dataset = Grey((8, 8), (150, 90))
    memory = InMemoryDataset(dataset, max_side=64)
    assert memory.load_image(1).shape == (64, 38)
    assert_same_to_the_network(dataset, memory, config, 1)


@pytest.mark.filterwarnings("ignore:.*not overridden")
def test_empties_of_the_base_load_mask_fit_the_image():
    class NoMasks(TinyDataset):
        load_mask = Dataset.load_mask

    memory = InMemoryDataset(NoMasks(), max_side=32)
    masks, class_ids = memory.load_mask(3)
    assert masks.shape == (24, 32, 0) and masks.dtype == bool
    assert class_ids.shape == (0,) and class_ids.dtype == np.int32


@pytest.mark.parametrize("used", [False, True])
def test_pickled_for_a_spawned_worker_it_is_the_same(used):
    memory = InMemoryDataset(TinyDataset(), max_side=32)
    if used:
        memory.load_image(3)
    copy = pickle.loads(pickle.dumps(memory))
    np.testing.assert_array_equal(copy.load_image(3), memory.load_image(3))
    for ours, theirs in zip(copy.load_mask(3), memory.load_mask(3), strict=True):
        np.testing.assert_array_equal(ours, theirs)
    assert copy.class_names == memory.class_names


def test_data_set_that_is_not_prepared_is_refused():
    with pytest.raises(ValueError, match=r"not prepared; call dataset\.prepare\(\)"):
        InMemoryDataset(Dataset())


@pytest.mark.parametrize("max_side", [0, -64])
def test_side_without_pixels_is_refused(max_side):
    with pytest.raises(ValueError, match=f"max_side={max_side}.*1 px or more"):
        InMemoryDataset(TinyDataset(), max_side)


def test_masks_that_do_not_fit_are_refused_before_shrinking_hides_it():
    dataset = TinyDataset()  # images of 48 x 64
    masks = np.ones([49, 64, 1], bool)  # both would become 24 x 32
    dataset.load_mask = lambda image_id: (masks, [1])
    memory = InMemoryDataset(dataset, max_side=32)
    with pytest.raises(ValueError, match=r"image_id=7.*\(48, 64\).*\(49, 64, 1\)"):
        memory.load_mask(7)


def test_error_of_the_original_comes_through_each_time():
    memory = InMemoryDataset(BrokenMaskDataset())
    for _ in range(2):
        with pytest.raises(LookupError, match=r"annotation broken \(image id 7, path"):
            load_image_gt(memory, TinyConfig(), 7)
    assert load_image_gt(memory, TinyConfig(), 6)[2].tolist() == [1, 2]
