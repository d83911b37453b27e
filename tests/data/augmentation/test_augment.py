from __future__ import annotations

import imgaug.augmenters as iaa
import numpy as np
import pytest

from mrcnn.data.augmentation.augment import augment

HEIGHT, WIDTH = 60, 80


def scene(count=3, box=(20, 50, 15, 55)):
    """A bright rectangle on black and `count` masks that are all that rectangle."""
    y1, y2, x1, x2 = box
    mask = np.zeros([HEIGHT, WIDTH, count], dtype=bool)
    mask[y1:y2, x1:x2] = True
    image = np.zeros([HEIGHT, WIDTH, 3], dtype=np.uint8)
    image[y1:y2, x1:x2] = 255
    return image, mask


def augmented(image, mask, augmentation, seed=0, class_ids=None):
    """`augment` with a seed, and classes 1, 2, 1, 2 ... unless given."""
    if class_ids is None:
        class_ids = np.arange(mask.shape[-1], dtype=np.int32) % 2 + 1
    return augment(image, mask, class_ids, augmentation, np.random.default_rng(seed))


def test_function_gets_image_masks_and_rng():
    def flip_or_not(image, mask, rng):
        return (image[::-1], mask[::-1]) if rng.random() < 0.5 else (image, mask)

    image, mask = scene(box=(0, 10, 0, 10))
    flipped = []
    for seed in range(8):
        new_image, new_mask, class_ids = augmented(image, mask, flip_or_not, seed)
        assert class_ids.tolist() == [1, 2, 1]
        np.testing.assert_array_equal(new_image[..., 0] > 0, new_mask[..., 0])
        flipped.append(bool(new_mask[-1, 0, 0]))
    assert set(flipped) == {True, False}


def test_interpolated_masks_of_a_function_are_cut_at_one_half():
    image, mask = scene()
    soft = np.where(mask, 0.5, 0.4)
    new_mask = augmented(image, mask, lambda image, mask, rng: (image, soft)).mask
    np.testing.assert_array_equal(new_mask, mask)


@pytest.mark.parametrize("count", [3, 0])
def test_function_may_change_the_size(count):
    def half(image, mask, rng):
        return image[::2, 1::2], mask[::2, 1::2]

    image, mask = scene(count)
    result = augmented(image, mask, half)
    assert result.image.shape == (30, 40, 3) and result.mask.shape == (30, 40, count)
    np.testing.assert_array_equal(result.mask, mask[::2, 1::2])


def test_masks_of_no_object_need_not_be_resized():
    result = augmented(*scene(0), lambda image, mask, rng: (image[:-1], mask))
    assert result.mask.shape == (59, 80, 0) and result.mask.dtype == bool


@pytest.mark.parametrize(
    ("function", "sizes"),
    [
        (
            lambda image, mask, rng: (image, mask[:, 1:]),
            r"\(60, 80, 3\) and \(60, 79, 3\)",
        ),
        (
            lambda image, mask, rng: (image[:-1], mask),
            r"\(59, 80, 3\) and \(60, 80, 3\)",
        ),
    ],
)
def test_image_and_masks_of_two_sizes_are_refused(function, sizes):
    said = r"went in as \(60, 80, 3\) and \(60, 80, 3\) and came out as " + sizes
    with pytest.raises(ValueError, match=said):
        augmented(*scene(), function)


@pytest.mark.parametrize(
    "function",
    [
        lambda image, mask, rng: (image[..., :1], mask),
        lambda image, mask, rng: (image[..., 0], mask),
        lambda image, mask, rng: (image[:0], mask[:0]),
    ],
)
def test_lost_channels_and_lost_pixels_are_refused(function):
    with pytest.raises(ValueError, match="must keep its channels and some pixels"):
        augmented(*scene(), function)


def of_objects(function):
    """Marks a function as one that adds or drops objects."""
    function.changes_objects = True
    return function


@of_objects
def drop_the_first(image, mask, class_ids, rng):
    return image, mask[..., 1:], class_ids[1:]


@of_objects
def add_a_crowd(image, mask, class_ids, rng):
    new = rng.random(mask.shape[:2]) < 0.5
    return image, np.dstack([mask, new]), [*class_ids, -2]


@of_objects
def drop_all(image, mask, class_ids, rng):
    return image, mask[..., :0], []


@pytest.mark.parametrize(
    ("function", "expected"),
    [(drop_the_first, [2, 1]), (add_a_crowd, [1, 2, 1, -2]), (drop_all, [])],
)
def test_function_that_changes_objects_gets_and_returns_class_ids(function, expected):
    image, mask = scene()
    result = augmented(image, mask, function)
    assert result.class_ids.tolist() == expected
    assert result.class_ids.dtype == np.int32 and result.mask.dtype == bool
    assert result.mask.shape == (HEIGHT, WIDTH, len(expected))
    again = augmented(image, mask, function)
    np.testing.assert_array_equal(result.mask, again.mask)


def test_class_with_the_attribute_is_such_a_function():
    class DropAll:
        changes_objects = True

        def __call__(self, image, mask, class_ids, rng):
            return drop_all(image, mask, class_ids, rng)

    assert augmented(*scene(), DropAll()).mask.shape == (HEIGHT, WIDTH, 0)


def test_attribute_may_say_no():
    def keep(image, mask, rng):
        return image, mask

    keep.changes_objects = False
    assert augmented(*scene(), keep).class_ids.tolist() == [1, 2, 1]


@pytest.mark.parametrize(
    ("function", "said"),
    [
        (
            of_objects(lambda image, mask, class_ids, rng: (image, mask, [1, 2])),
            r"\(60, 80, 3\) came out for class ids of the shape \(2,\)",
        ),
        (
            of_objects(lambda image, mask, class_ids, rng: (image, mask, [1] * 4)),
            r"class ids of the shape \(4,\).*one mask a class id",
        ),
        (
            of_objects(lambda image, mask, class_ids, rng: (image, mask, 1)),
            r"class ids of the shape \(\)",
        ),
        (
            of_objects(
                lambda image, mask, class_ids, rng: (image, mask[..., 0], class_ids)
            ),
            r"masks of the shape \(60, 80\) came out",
        ),
        (
            lambda image, mask, rng: (image, mask[..., :1]),
            r"\(60, 80, 1\) came out.*sets changes_objects = True",
        ),
    ],
)
def test_one_mask_a_class_id_is_asked_for(function, said):
    with pytest.raises(ValueError, match=said):
        augmented(*scene(), function)


@pytest.mark.parametrize(
    ("augmentation", "said"),
    [
        ("flip", "'flip'.*give an imgaug augmenter, an albumentations transform or a"),
        ([iaa.Fliplr(0.5)], "several in an imgaug Sequential or an albumentations"),
        (iaa.Fliplr, r"Fliplr\): that is a class; give an object: Fliplr\(\)"),
        (lambda image, mask, rng: image, r"\(image, mask\); received ndarray"),
        (
            of_objects(lambda image, mask, class_ids, rng: (image, mask)),
            r"\(image, mask, class_ids\); received a tuple of 2",
        ),
        (
            lambda image, mask, rng: (image, mask, [1, 2, 1]),
            r"\(image, mask\); received a tuple of 3",
        ),
        (
            of_objects(lambda image, mask, class_ids, rng: (image, mask, [0.5] * 3)),
            "class ids must be integers; received float64",
        ),
    ],
)
def test_what_is_no_augmentation_is_refused(augmentation, said):
    with pytest.raises(TypeError, match=said):
        augmented(*scene(), augmentation)
