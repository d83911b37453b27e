from __future__ import annotations

import imgaug.augmenters as iaa
import numpy as np
import pytest

from mrcnn.data.augmentation import augment
from mrcnn.data.imgaug_adapter import MASK_AUGMENTERS

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
    """`augment` with a seed, and classes 1, 2, 1, 2 ... unless told."""
    if class_ids is None:
        class_ids = np.arange(mask.shape[-1], dtype=np.int32) % 2 + 1
    return augment(image, mask, class_ids, augmentation, np.random.default_rng(seed))


MOVERS = {
    "Fliplr": iaa.Fliplr(0.5),
    "Flipud": iaa.Flipud(0.5),
    "Rot90": iaa.Rot90((0, 3)),
    "CropAndPad": iaa.CropAndPad(percent=(-0.2, 0.2)),
    "Crop": iaa.Crop(percent=(0, 0.2)),
    "Affine": iaa.Affine(scale=(0.5, 1.5), rotate=(-90, 90), shear=(-8, 8)),
    "Rotate": iaa.Rotate((-30, 30)),
    "TranslateX": iaa.TranslateX(percent=(-0.2, 0.2)),
    "PiecewiseAffine": iaa.PiecewiseAffine(scale=(0.01, 0.04), nb_rows=3, nb_cols=3),
    "PerspectiveTransform": iaa.PerspectiveTransform(scale=(0.02, 0.1)),
    "ElasticTransformation": iaa.ElasticTransformation(alpha=(5, 20), sigma=4),
    "Jigsaw": iaa.Jigsaw(nb_rows=3, nb_cols=4),
    "KeepSizeByResize": iaa.KeepSizeByResize(iaa.Resize((0.5, 1.5))),
    "WithPolarWarping": iaa.WithPolarWarping(iaa.Affine(translate_percent=0.1)),
    "SomeOf": iaa.SomeOf((1, 2), [iaa.Fliplr(0.5), iaa.Affine(rotate=(-20, 20))]),
    "OneOf": iaa.OneOf([iaa.Flipud(1.0), iaa.TranslateY(percent=(-0.2, 0.2))]),
    "Sometimes": iaa.Sometimes(0.5, iaa.Affine(scale=1.3), iaa.Fliplr(1.0)),
    "Sequential": iaa.Sequential([iaa.Sequential([iaa.Fliplr(0.5)])]),
}


@pytest.mark.parametrize("name", MOVERS)
@pytest.mark.parametrize("seed", [0, 1])
def test_masks_follow_the_image(name, seed):
    if name == "Rot90":
        image, mask = (a[:, :HEIGHT] for a in scene())  # keeps a square square
    else:
        image, mask = scene()
    new_image, new_mask, class_ids = augmented(image, mask, MOVERS[name], seed)
    assert class_ids.tolist() == [1, 2, 1]
    assert new_mask.dtype == bool and new_image.dtype == np.uint8
    bright = new_image[..., 0] >= 128
    union = np.logical_or(bright, new_mask[..., 0]).sum()
    assert np.logical_and(bright, new_mask[..., 0]).sum() > 0.97 * union > 0
    for i in range(mask.shape[-1]):
        np.testing.assert_array_equal(new_mask[..., i], new_mask[..., 0])


def test_every_mover_of_the_list_is_tested():
    tested = {
        base.__name__ for mover in MOVERS.values() for base in type(mover).__mro__
    }
    assert MASK_AUGMENTERS - tested <= {"Resize", "AffineCv2"}  # inside; old


@pytest.mark.parametrize(
    "augmentation",
    [
        iaa.Multiply(0.5),
        iaa.GaussianBlur(3.0),
        iaa.Add((-40, -20), per_channel=True),
        iaa.Invert(1.0),
        iaa.CoarseDropout(0.5, size_percent=0.1),
        iaa.Sequential([iaa.Sequential([iaa.LinearContrast(0.5)])]),
        iaa.WithColorspace("HSV", children=iaa.Add(20)),
        iaa.Fog(),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
def test_colors_change_and_masks_do_not(augmentation):
    image, mask = scene()
    image = image // 2 + 60
    new_image, new_mask, _ = augmented(image, mask, augmentation)
    assert (new_image != image).any()
    np.testing.assert_array_equal(new_mask, mask)


@pytest.mark.parametrize(
    "augmentation",
    [
        iaa.Affine(translate_px={"x": 40}, cval=255),
        iaa.CropAndPad(px=(10, 20), pad_cval=(200, 255)),
        iaa.Sometimes(1.0, iaa.Affine(scale=0.4, cval=(100, 255))),
        iaa.PerspectiveTransform(scale=0.1, cval=255, fit_output=True),
    ],
    ids=lambda augmenter: type(augmenter).__name__,
)
def test_filled_in_border_is_not_an_object(augmentation):
    image, mask = scene()
    new_image, new_mask, _ = augmented(image, mask, augmentation)
    assert (new_image[0] > 0).any() or (new_image[:, 0] > 0).any()  # it was filled
    assert 0 < new_mask[..., 0].sum() <= mask[..., 0].sum()


BUSY = iaa.Sequential(
    [iaa.Fliplr(0.5), iaa.Affine(rotate=(-45, 45)), iaa.Add((-30, 30))]
)


def test_result_depends_on_the_rng_alone():
    image, mask = scene()
    first = augmented(image, mask, BUSY, 7)
    augmented(image, mask, BUSY, 8)
    again = augmented(image, mask, BUSY, 7)
    for a, b in zip(first, again, strict=True):
        np.testing.assert_array_equal(a, b)
    other = augmented(image, mask, BUSY, 8)
    assert (other[0] != first[0]).any()


def test_inputs_are_not_changed():
    image, mask = scene()
    image_before, mask_before = image.copy(), mask.copy()
    augmented(image, mask, BUSY, 7)
    augmented(image, mask, iaa.Fliplr(1.0), 7)
    np.testing.assert_array_equal(image, image_before)
    np.testing.assert_array_equal(mask, mask_before)


@pytest.mark.filterwarnings("error")
def test_three_hundred_masks_go_through():
    image, mask = scene(count=300)
    mask[..., 250] = False
    new_mask = augmented(image, mask, iaa.Affine(rotate=20)).mask
    assert new_mask.shape == mask.shape
    assert not new_mask[..., 250].any()
    np.testing.assert_array_equal(new_mask[..., 299], new_mask[..., 0])


def test_image_without_objects_is_augmented():
    image, mask = scene(count=0)
    new_image, new_mask, class_ids = augmented(image, mask, iaa.Fliplr(1.0))
    np.testing.assert_array_equal(new_image, image[:, ::-1])
    assert new_mask.shape == (HEIGHT, WIDTH, 0) and class_ids.shape == (0,)


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


@pytest.mark.parametrize(
    "augmentation",
    [
        iaa.Resize(0.5),
        iaa.Crop(px=5, keep_size=False),
        lambda image, mask, rng: (image, mask[:, 1:]),
        lambda image, mask, rng: (image[:-1], mask),
    ],
)
def test_changed_sizes_are_refused(augmentation):
    image, mask = scene()
    with pytest.raises(ValueError, match=r"went in as \(60, 80, 3\) and \(60, 80, 3\)"):
        augmented(image, mask, augmentation)


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
        ("flip", "'flip'.*give an imgaug augmenter or a function"),
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
