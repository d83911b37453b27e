from __future__ import annotations

import numpy as np
import pytest
from imgaug import augmenters as iaa

from mrcnn.data.dataset import Dataset
from mrcnn.data.image_gt import active_class_ids, load_image_gt, with_text
from mrcnn.geometry.image_meta import parse_image_meta
from mrcnn.geometry.masks import extract_bboxes
from tests.data.tiny import HEIGHT, WIDTH, BrokenMaskDataset, TinyConfig, TinyDataset

TOP = (64 - HEIGHT) // 2  # px of padding above the window


def dataset_with(masks, class_ids, image=None):
    """One image 7 with what load_mask is to return."""

    class One(TinyDataset):
        def load_image(self, image_id):
            return super().load_image(image_id) if image is None else image

        def load_mask(self, image_id):
            return masks, class_ids

    return One()


def load(dataset, image_id=7, config_class=TinyConfig, config=None, **kwargs):
    config = config_class() if config is None else config
    return load_image_gt(dataset, config, image_id, **kwargs)


def test_image_and_objects_are_resized_together():
    image, meta, class_ids, bbox, mask = load(TinyDataset(), 3)
    assert image.shape == (64, 64, 3) and image.dtype == np.uint8
    assert image[TOP, 0].tolist() == [60, 60, 60]  # no mean subtracted
    assert not image[: TOP - 1].any()
    assert mask.shape == (64, 64, 3) and mask.dtype == bool
    assert class_ids.tolist() == [1, 2, 1] and class_ids.dtype == np.int32
    expected = np.array([[0, 0, 13, 12], [4, 15, 17, 27], [8, 30, 21, 42]])
    np.testing.assert_array_equal(bbox, expected + [TOP, 0, TOP, 0])
    assert bbox.dtype == np.int32
    np.testing.assert_array_equal(bbox, extract_bboxes(mask))
    parsed = parse_image_meta(meta[np.newaxis])
    assert parsed["image_id"][0] == 3
    assert parsed["original_image_shape"][0].tolist() == [HEIGHT, WIDTH, 3]
    assert parsed["image_shape"][0].tolist() == [64, 64, 3]
    assert parsed["window"][0].tolist() == [TOP, 0, TOP + HEIGHT, 64]
    assert parsed["scale"][0] == 1
    assert parsed["active_class_ids"][0].tolist() == [1, 1, 1]


def test_mini_masks_cover_their_boxes():
    full = load(TinyDataset(), 3)
    mini = load(TinyDataset(), 3, use_mini_mask=True)
    assert mini[4].shape == (14, 14, 3) and mini[4].dtype == bool
    assert mini[4].all()  # rectangles fill their boxes
    np.testing.assert_array_equal(mini[3], full[3])


@pytest.mark.parametrize("use_mini_mask", [False, True])
@pytest.mark.parametrize("mode", ["square", "pad64", "crop", "none"])
def test_image_without_objects_has_empty_arrays(mode, use_mini_mask):
    class Mode(TinyConfig):
        IMAGE_RESIZE_MODE = mode

    empty = dataset_with(np.zeros([64, 128, 0]), [], np.zeros([64, 128, 3], np.uint8))
    image, _, class_ids, bbox, mask = load(empty, 0, Mode, use_mini_mask=use_mini_mask)
    shape = (14, 14) if use_mini_mask else image.shape[:2]
    assert mask.shape == (*shape, 0) and mask.dtype == bool
    assert bbox.shape == (0, 4) and class_ids.shape == (0,)


def test_sides_the_network_cannot_take_are_refused_with_a_remedy():
    class AsTheyAre(TinyConfig):
        IMAGE_RESIZE_MODE = "none"

    with pytest.raises(ValueError, match=r"image_id=3\).* 48 x 64 px.*'pad64'.*folder"):
        load(TinyDataset(), 3, AsTheyAre)


@pytest.mark.filterwarnings("ignore:.*not overridden")
def test_empties_of_the_base_load_mask_fit_any_image():
    class NoMasks(TinyDataset):
        load_mask = Dataset.load_mask

    image, _, class_ids, bbox, mask = load(NoMasks(), 3)
    assert mask.shape == (64, 64, 0) and class_ids.shape == (0,)
    assert bbox.shape == (0, 4)


@pytest.mark.parametrize("dtype", [np.uint8, np.int64, np.float64])
@pytest.mark.parametrize("one", [1, 255])
def test_masks_of_numbers_count_where_they_are_not_zero(dtype, one):
    masks, class_ids = TinyDataset().load_mask(3)
    result = load(dataset_with(masks.astype(dtype) * one, class_ids.tolist()))
    expected = load(dataset_with(masks, class_ids))
    for a, b in zip(result, expected, strict=True):
        assert a.dtype == b.dtype
        np.testing.assert_array_equal(a, b)


def test_whole_floats_are_class_ids():
    masks, class_ids = TinyDataset().load_mask(2)
    result = load(dataset_with(masks, class_ids.astype(np.float64)))[2]
    assert result.tolist() == [1, 2] and result.dtype == np.int32


def test_crowds_keep_their_negative_class_id():
    masks, _ = TinyDataset().load_mask(2)
    class_ids = load(dataset_with(masks, np.array([-2, 1])))[2]
    assert class_ids.tolist() == [-2, 1]


def test_objects_without_a_pixel_left_are_dropped():
    masks = np.zeros([HEIGHT, WIDTH, 3], bool)
    masks[5:20, 5:20, 1] = True
    _, _, class_ids, bbox, mask = load(dataset_with(masks, [1, 2, 1]))
    assert class_ids.tolist() == [2]
    assert bbox.tolist() == [[5 + TOP, 5, 20 + TOP, 20]]
    assert mask.shape[-1] == 1


def test_objects_outside_the_crop_are_dropped_and_the_rest_is_cut():
    class Crop(TinyConfig):
        IMAGE_RESIZE_MODE = "crop"
        IMAGE_MIN_DIM = 64
        IMAGE_MIN_SCALE = 4.0

    image = np.zeros([HEIGHT, WIDTH, 3], np.uint8)
    masks = np.zeros([HEIGHT, WIDTH, 2], bool)
    masks[:6, :6, 0] = True
    masks[10:40, 20:50, 1] = True
    image[masks[..., 1]] = 200
    dataset = dataset_with(masks, [1, 2], image)
    seen = []
    for seed in range(20):
        image, _, class_ids, bbox, mask = load(dataset, config_class=Crop, rng=seed)
        assert image.shape == (64, 64, 3)
        np.testing.assert_array_equal(bbox, extract_bboxes(mask))
        assert mask.any(axis=(0, 1)).all()
        if 2 in class_ids:
            bright = image[..., 0] > 100
            differs = bright != mask[..., class_ids.tolist().index(2)]
            assert differs.mean() < 0.05
        seen.append(tuple(class_ids.tolist()))
    assert len(set(seen)) > 1  # the crop moves


def test_crop_is_placed_by_the_rng():
    class Crop(TinyConfig):
        IMAGE_RESIZE_MODE = "crop"
        IMAGE_MIN_SCALE = 4.0

    def window_content(seed):
        noise = np.random.default_rng(0).integers(0, 255, [HEIGHT, WIDTH, 3])
        dataset = dataset_with(*TinyDataset().load_mask(0), noise.astype(np.uint8))
        return load(dataset, config_class=Crop, rng=seed)[0]

    np.testing.assert_array_equal(window_content(3), window_content(3))
    assert (window_content(3) != window_content(4)).any()
    generator = np.random.default_rng(3)
    np.testing.assert_array_equal(window_content(generator), window_content(3))


def test_old_augment_flag_warns_and_mirrors_half_of_the_images():
    masks = np.zeros([HEIGHT, WIDTH, 1], bool)
    masks[:, :10] = True
    lefts = []
    for seed in range(12):
        with pytest.warns(DeprecationWarning, match=r"Fliplr\(0.5\)"):
            _, _, _, bbox, mask = load(dataset_with(masks, [1]), augment=True, rng=seed)
        np.testing.assert_array_equal(bbox, extract_bboxes(mask))
        lefts.append(int(bbox[0, 1]))
    assert set(lefts) == {0, WIDTH - 10}


def test_mirrored_image_has_its_window_mirrored():
    image = np.full([64, 31, 3], 9, np.uint8)  # padding: 16 left, 17 right
    masks = np.ones([64, 31, 1], bool)
    for seed in range(8):
        with pytest.warns(DeprecationWarning):
            image_px, meta, _, bbox, _ = load(
                dataset_with(masks, [1], image), augment=True, rng=seed
            )
        window = parse_image_meta(meta[np.newaxis])["window"][0]
        np.testing.assert_array_equal(window, bbox[0])


def test_augmentation_moves_masks_and_boxes():
    dataset = TinyDataset()
    plain = load(dataset, 3)
    mirrored = load(dataset, 3, augmentation=iaa.Fliplr(1.0))
    np.testing.assert_array_equal(mirrored[4], plain[4][:, ::-1])
    np.testing.assert_array_equal(mirrored[3][:, 1], 64 - plain[3][:, 3])


def test_object_moved_out_by_augmentation_is_dropped():
    dataset = TinyDataset()
    away = iaa.Affine(translate_px={"x": -28})
    class_ids = load(dataset, 3, augmentation=away)[2]
    assert class_ids.tolist() == [1]  # the right one of [1, 2, 1]


def with_class_ids(new):
    """A function that changes objects: two of them, of the given classes."""

    def two(image, mask, class_ids, rng):
        assert class_ids.tolist() == [1, 2, 1]
        return image, mask[..., :2], new

    two.changes_objects = True
    return two


def test_augmentation_may_change_the_objects():
    plain = load(TinyDataset(), 3)
    changed = load(TinyDataset(), 3, augmentation=with_class_ids([2, -1]))
    assert changed[2].tolist() == [2, -1] and changed[2].dtype == np.int32
    np.testing.assert_array_equal(changed[3], plain[3][:2])
    np.testing.assert_array_equal(changed[4], plain[4][..., :2])


@pytest.mark.parametrize("class_ids", [[1, 3], [0, 1], [-3, 1]])
def test_unknown_classes_of_an_augmentation_are_refused(class_ids):
    with pytest.raises(ValueError, match=r"augmentation=.*two.*are outside 1\.\.2"):
        load(TinyDataset(), 3, augmentation=with_class_ids(class_ids))


def test_active_classes_are_those_of_the_source():
    dataset = TinyDataset()
    dataset.add_class("other", 1, "ship")
    dataset.add_image("other", "x", None)
    dataset.prepare()
    assert active_class_ids(dataset, 0).tolist() == [1, 1, 1, 0]
    assert active_class_ids(dataset, 12).tolist() == [1, 0, 0, 1]


MASKS, CLASS_IDS = TinyDataset().load_mask(2)


@pytest.mark.parametrize(
    ("masks", "class_ids", "error", "said"),
    [
        (MASKS.transpose(1, 0, 2), [1, 2], ValueError, r"transpose\(1, 0, 2\)"),
        (MASKS.transpose(2, 0, 1), [1, 2], ValueError, r"transpose\(1, 2, 0\)"),
        (MASKS[..., 0], [1], ValueError, r"mask\[\.\.\., np\.newaxis\]"),
        (MASKS[:40], [1, 2], ValueError, r"matching the image \(48, 64\).*\(40, 64"),
        (list(MASKS[..., 0][:3]), [1], ValueError, r"received bool \(3, 64\)"),
        (np.array([None, None]), [1], TypeError, "np.stack"),
        (MASKS, [1], ValueError, "2 masks came with class ids of the shape"),
        (MASKS, [[1, 2]], ValueError, "one class id a mask"),
        (MASKS, [1, 3], ValueError, r"\[3\] are outside 1\.\.2"),
        (MASKS, [0, 1], ValueError, r"\[0\] are outside.*map_source_class_id"),
        (MASKS, [-3, 1], ValueError, r"\[-3\] are outside"),
        (MASKS, np.array([1, -128], np.int8), ValueError, r"\[-128\] are outside"),
        (MASKS, ["square", "bar"], TypeError, "must be integers"),
        (MASKS, [1.5, 1], TypeError, "must be integers"),
    ],
)
def test_what_does_not_fit_is_refused_by_name(masks, class_ids, error, said):
    with pytest.raises(error, match=said) as caught:
        load(dataset_with(masks, class_ids))
    assert "load_mask(image_id=7)" in str(caught.value)
    assert "(image id 7, path folder/7.png)" in str(caught.value)


@pytest.mark.parametrize(
    ("image", "received"),
    [
        (np.zeros([HEIGHT, WIDTH, 4], np.uint8), r"uint8 \(48, 64, 4\)"),
        (np.zeros([HEIGHT, WIDTH], np.uint8), r"uint8 \(48, 64, 1\)"),
        (np.zeros([0, 0, 3]), r"float64 \(0, 0, 3\)"),
        (None, "object"),
    ],
)
def test_image_of_other_channels_is_refused(image, received):
    class Returns(TinyDataset):
        def load_image(self, image_id):
            return image

    with pytest.raises(ValueError, match=rf"load_image\(image_id=7\).*{received}"):
        load(Returns())


def test_single_channel_images_fit_a_config_of_one_channel():
    class Grey(TinyConfig):
        IMAGE_CHANNEL_COUNT = 1
        MEAN_PIXEL = np.array([100.0])

    grey = np.full([HEIGHT, WIDTH], 5, np.uint8)
    dataset = dataset_with(MASKS, CLASS_IDS, grey)
    assert load(dataset, config_class=Grey)[0].shape == (64, 64, 1)
    dataset = dataset_with(MASKS, CLASS_IDS, grey[..., np.newaxis])
    assert load(dataset, config_class=Grey)[0].shape == (64, 64, 1)


class TwoArgumentsError(Exception):
    def __init__(self, what, where):
        super().__init__(f"{what} at {where}")


@pytest.mark.parametrize(
    "error",
    [
        LookupError("annotation broken"),
        KeyError("annotation broken"),
        FileNotFoundError(2, "annotation broken", "x.json"),
        ValueError(),
        MemoryError(),
    ],
)
def test_error_in_load_mask_keeps_its_type_and_names_the_image(error):
    dataset = BrokenMaskDataset()
    dataset.error = error
    with pytest.raises(type(error)) as caught:
        load(dataset)
    assert type(caught.value) is type(error)
    assert str(caught.value).count("(image id 7, path folder/7.png)") == 1
    if error.args:
        assert "annotation broken" in str(caught.value)
    assert caught.value.__cause__ is error


def test_error_of_an_unusual_type_is_kept():
    dataset = BrokenMaskDataset()
    dataset.error = TwoArgumentsError("broken", "line 3")
    with pytest.raises((TwoArgumentsError, RuntimeError)) as caught:
        load(dataset)
    notes = " ".join(getattr(caught.value, "__notes__", []))
    assert "image id 7, path folder/7.png" in f"{caught.value} {notes}"
    assert "broken at line 3" in str(caught.value)


def test_error_without_add_note_becomes_a_runtime_error():
    class OldError(TwoArgumentsError):
        add_note = None

        def __getattribute__(self, name):
            if name == "add_note":  # Python 3.10 has none
                raise AttributeError(name)
            return super().__getattribute__(name)

    error = with_text(OldError("broken", "line 3"), "image id 7")
    assert type(error) is RuntimeError
    assert str(error) == "OldError: broken at line 3 (image id 7)"


def test_data_set_that_is_not_prepared_is_named():
    dataset = Dataset()
    dataset.add_image("a", 1, None)
    dataset.load_image = lambda image_id: np.zeros([HEIGHT, WIDTH, 3], np.uint8)
    dataset.load_mask = lambda image_id: (MASKS, CLASS_IDS)
    with pytest.raises(ValueError, match=r"not prepared; call dataset\.prepare\(\)"):
        load(dataset, 0)


def test_unknown_image_id_is_named():
    dataset = Dataset()
    dataset.prepare()
    with pytest.raises(
        IndexError, match=r"load_image_gt\(image_id\): there is no image 99"
    ):
        load(dataset, 99)
