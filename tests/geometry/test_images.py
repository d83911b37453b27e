from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from mrcnn.geometry.images import (
    add_mean,
    resize,
    resize_image,
    subtract_mean,
)
from mrcnn.geometry.resize_plan import plan_resize

from .strategies import shapes

MODES = [
    {"mode": "none"},
    {"mode": "square", "min_dim": 48, "max_dim": 64},
    {"mode": "pad64", "min_dim": 64},
    {"mode": "crop", "min_dim": 64, "rng": 1},
]
MEAN = [123.7, 116.8, 103.9]


def picture(shape=(40, 70, 3), dtype=np.uint8) -> np.ndarray:
    return np.random.default_rng(0).integers(1, 256, shape).astype(dtype)


# --- resize -------------------------------------------------------------------------


def test_resize_mixes_neighbors_and_the_zeros_around():
    # Half-pixel centers: samples at -0.25, 0.25, 0.75, 1.25 of two pixels. The outer
    # ones mix with zero; `clip` then keeps the range 2..4.
    row = np.array([[2.0, 4.0]])
    np.testing.assert_allclose(resize(row, (1, 4)), [[2, 2.5, 3.5, 3]])
    np.testing.assert_allclose(resize(row, (1, 4), clip=False), [[1.5, 2.5, 3.5, 3]])


def test_resize_does_not_blur_before_reducing():
    stripes = np.tile([0.0, 1.0, 0.0], 4)[None]
    np.testing.assert_allclose(resize(stripes, (1, 4)), [[1, 1, 1, 1]])
    blurred = resize(stripes, (1, 4), anti_aliasing=True)
    assert blurred.max() < 0.8


def test_resize_changes_integers_to_fractions_unless_told_not_to():
    white = np.full((4, 4, 3), 255, np.uint8)
    np.testing.assert_allclose(resize(white, (6, 5)), 1)
    np.testing.assert_allclose(resize(white, (6, 5), preserve_range=True), 255)


def test_resize_takes_booleans():
    mask = np.array([[True, False]])
    np.testing.assert_allclose(resize(mask, (1, 4)), [[0.75, 0.75, 0.25, 0]])
    nearest = resize(mask, (1, 4), order=0)
    np.testing.assert_array_equal(nearest, [[True, True, False, False]])


# --- resize_image -------------------------------------------------------------------


@pytest.mark.parametrize("mode", MODES, ids=lambda mode: mode["mode"])
@pytest.mark.parametrize("shape", [(40, 70, 3), (70, 40, 1), (33, 33, 4), (50, 90)])
@pytest.mark.parametrize("dtype", [np.uint8, np.uint16, np.float32])
def test_image_follows_its_plan(mode, shape, dtype):
    image = picture(shape, dtype)
    resized, window, scale, padding, crop = resize_image(image, **mode)
    plan = plan_resize(shape, **mode)
    assert (scale, window, padding, crop) == (
        plan.scale,
        plan.window,
        plan.padding,
        plan.crop,
    )
    y1, x1, y2, x2 = window
    inside = np.zeros(resized.shape[:2], bool)
    inside[y1:y2, x1:x2] = True
    assert (resized[~inside] == 0).all()  # padding
    assert (resized[inside] != 0).any()
    assert resized.dtype == dtype
    assert resized.shape[2:] == image.shape[2:]


@settings(max_examples=30, deadline=None)
@given(shapes, st.sampled_from(MODES))
def test_any_shape_gets_the_size_of_its_mode(shape, mode):
    resized = resize_image(np.ones((*shape, 3), np.uint8), **mode).image
    height, width = resized.shape[:2]
    if mode["mode"] == "none":
        assert (height, width) == shape
    elif mode["mode"] == "pad64":
        assert height % 64 == width % 64 == 0
    else:
        assert (height, width) == (64, 64)


def test_picture_is_untouched_when_only_padded():
    image = picture((40, 70, 3))
    resized, (y1, x1, y2, x2), *_ = resize_image(image, max_dim=128)
    np.testing.assert_array_equal(resized[y1:y2, x1:x2], image)


def test_crop_is_cut_at_its_place():
    image = picture((64, 90, 3))
    resized = resize_image(image, min_dim=64, mode="crop", rng=7)
    y, x, height, width = resized.crop
    np.testing.assert_array_equal(resized.image, image[y : y + height, x : x + width])


def test_decimals_are_dropped_not_rounded():
    # 100 and 101 mixed 1:3 and 3:1 are 100.25 and 100.75.
    image = np.array([[100, 101]], np.uint8)
    resized = resize_image(image, min_dim=2, max_dim=4).image
    np.testing.assert_array_equal(resized[1, 1:3], [100, 100])


def test_equals_scikit_image():
    from skimage.transform import resize as skimage_resize

    image = picture((30, 50, 3))
    resized, (y1, x1, y2, x2), *_ = resize_image(image, max_dim=40)
    expected = skimage_resize(
        image,
        (24, 40),
        order=1,
        mode="constant",
        preserve_range=True,
        anti_aliasing=False,
    )
    np.testing.assert_array_equal(resized[y1:y2, x1:x2], expected.astype(np.uint8))


@pytest.mark.parametrize(
    "mode",
    [{"mode": "square", "max_dim": 40}, {"mode": "crop", "min_dim": 96, "rng": 3}],
    ids=["reduced", "enlarged"],
)
@pytest.mark.parametrize("dtype", [np.uint8, np.int16, np.float32])
def test_modes_take_their_pixels_from_scikit_image(mode, dtype):
    from skimage.transform import resize as skimage_resize

    image = picture((61, 83, 3), dtype)
    plan = plan_resize(image.shape, **mode)
    expected = skimage_resize(
        image,
        plan.shape,
        order=1,
        mode="constant",
        preserve_range=True,
        anti_aliasing=False,
    ).astype(dtype)
    if plan.crop is not None:
        y, x, height, width = plan.crop
        expected = expected[y : y + height, x : x + width]
    expected = np.pad(expected, plan.padding)
    np.testing.assert_array_equal(resize_image(image, **mode).image, expected)


def test_none_returns_the_array_itself():
    image = picture()
    assert resize_image(image, mode="none").image is image


def test_input_is_never_changed():
    image = picture()
    image.setflags(write=False)
    for mode in MODES:
        resize_image(image, **mode)
    subtract_mean(image, MEAN)


@pytest.mark.parametrize("shape", [(5,), (2, 5, 5, 3), ()])
def test_images_need_two_or_three_axes(shape):
    with pytest.raises(ValueError, match=r"resize_image\(image\)"):
        resize_image(np.zeros(shape), max_dim=64)


def test_unknown_mode_raises():
    with pytest.raises(ValueError, match="unknown mode"):
        resize_image(picture(), max_dim=64, mode="sqare")


# --- mean color ---------------------------------------------------------------------


@pytest.mark.parametrize("batch", [(), (1,), (3,)])
def test_adding_the_mean_undoes_subtracting_it(batch):
    image = picture((*batch, 4, 6, 3))
    molded = subtract_mean(image, MEAN)
    assert molded.dtype == np.float32
    np.testing.assert_allclose(molded, image - np.array(MEAN), atol=1e-5)
    np.testing.assert_array_equal(add_mean(molded, MEAN), image)


@pytest.mark.parametrize(
    "images",
    [
        picture((3,)),
        picture((0, 4, 3)),
        picture((2, 0, 6, 3)),
        picture((6, 4, 3))[:, ::-1],
        picture((3, 4, 6)).transpose(2, 1, 0),
        np.asfortranarray(picture((6, 4, 3), np.float64)),
    ],
    ids=["pixel", "no row", "no image", "mirrored", "turned", "fortran"],
)
def test_mean_is_subtracted_whatever_the_layout(images):
    molded = subtract_mean(images, MEAN)
    assert molded.dtype == np.float32
    expected = images.astype(np.float32) - np.float32(MEAN)
    np.testing.assert_array_equal(molded, expected)


def test_colors_are_rounded_not_cut():
    np.testing.assert_array_equal(add_mean([9.6, 9.4], [0, 0]), [10, 9])


def test_colors_outside_the_range_are_cut():
    np.testing.assert_array_equal(
        add_mean([-300.0, 0.4, 300.0], [0, 0, 0]), [0, 0, 255]
    )


@pytest.mark.parametrize("function", [subtract_mean, add_mean])
@pytest.mark.parametrize(
    ("images", "mean"), [(picture(), [1, 2]), (picture((4, 4, 1)), MEAN), (5, [1])]
)
def test_mean_needs_one_number_a_channel(function, images, mean):
    with pytest.raises(ValueError, match=rf"{function.__name__}\(mean_pixel="):
        function(images, mean)
