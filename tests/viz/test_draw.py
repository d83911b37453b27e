"""What is painted into arrays: exact pixels."""

from __future__ import annotations

import inspect

import numpy as np
import pytest

from mrcnn.visualize import display_instances, draw_instances
from mrcnn.viz.draw import (
    apply_mask,
    as_rgb,
    draw_box,
    instance_colors,
    luminance,
    mask_outlines,
    random_colors,
    text_color,
)


def test_colors_are_the_same_in_every_call_and_list():
    assert random_colors(7) == random_colors(7)
    assert random_colors(20)[:7] == random_colors(7)
    assert random_colors(0) == []


@pytest.mark.parametrize("bright", [True, False])
def test_colors_of_a_picture_differ(bright):
    colors = np.array(random_colors(12, bright))
    distances = np.abs(colors[:, None] - colors[None]).max(axis=-1)
    assert distances[~np.eye(12, dtype=bool)].min() > 0.09
    assert colors.max() == pytest.approx(1.0 if bright else 0.7)


def test_bright_colors_show_on_black_and_carry_black_text():
    for color in random_colors(200):
        assert luminance(color) >= 0.2 and text_color(color) == "black"


def test_a_class_has_its_color_in_every_picture():
    first = instance_colors([3, 1, 3], "class")
    assert first[0] == first[2] != first[1]
    assert instance_colors([-3], "class") == first[:1]  # a crowd
    assert instance_colors([1], "class") == first[1:2]
    assert instance_colors([], "class") == []


def test_an_instance_has_the_color_of_its_place():
    assert instance_colors([1, 1, 2], "instance") == random_colors(3)


def test_color_by_has_one_default():
    functions = (instance_colors, display_instances, draw_instances)
    defaults = {inspect.signature(f).parameters["color_by"].default for f in functions}
    assert defaults == {"instance"}


@pytest.mark.parametrize(
    ("background", "color"),
    [
        ((1, 1, 1), "black"),
        ((0, 0, 0), "white"),
        ((1, 1, 0), "black"),  # yellow is pale
        ((0, 0, 1), "white"),  # blue is dark
    ],
)
def test_text_contrasts_with_its_background(background, color):
    assert text_color(background) == color


def test_mask_paints_only_inside_and_in_place():
    image = np.full((4, 6, 3), 100, np.uint8)
    mask = np.zeros((4, 6), bool)
    mask[1:3, 2:5] = True
    result = apply_mask(image, mask, (1.0, 0.0, 0.5), alpha=0.5)
    assert result is image
    assert (image[~mask] == 100).all()
    # 100 / 2 + color * 255 / 2, rounded to even
    assert (image[mask] == [178, 50, 114]).all()


@pytest.mark.parametrize(("alpha", "red"), [(0.0, 100), (1.0, 255)])
def test_alpha_is_the_weight_of_the_color(alpha, red):
    image = np.full((2, 3, 3), 100.0, np.float32)
    apply_mask(image, np.ones((2, 3), np.uint8), (1, 1, 1), alpha)
    assert (image == red).all() and image.dtype == np.float32


def test_mask_of_another_size_is_an_error():
    with pytest.raises(ValueError, match=r"\(4, 6, 3\) and \(6, 4\)"):
        apply_mask(np.zeros((4, 6, 3), np.uint8), np.ones((6, 4)), (1, 1, 1))


def test_box_is_a_frame_of_two_pixels_inside_the_box():
    image = np.zeros((10, 12, 3), np.uint8)
    assert draw_box(image, np.array([1, 2, 9, 11]), [9, 8, 7]) is image
    expected = np.zeros((10, 12), bool)
    expected[1:9, 2:11] = True
    expected[3:7, 4:9] = False
    np.testing.assert_array_equal(image.any(axis=2), expected)
    assert (image[1, 2] == [9, 8, 7]).all()


@pytest.mark.parametrize(
    "box", [(1, 1, 4, 11), (-1, 3, 6, 20), (2, 2, 3, 3), (6, 6, 2, 2), (-9, 0, -2, 5)]
)
def test_box_is_what_its_definition_says(box):
    y1, x1, y2, x2 = box
    rows, columns = np.mgrid[:10, :12]
    inside = (rows >= y1) & (rows < y2) & (columns >= x1) & (columns < x2)
    core = (rows >= y1 + 2) & (rows < y2 - 2)
    core &= (columns >= x1 + 2) & (columns < x2 - 2)
    image = draw_box(np.zeros((10, 12, 1)), box, 1)
    np.testing.assert_array_equal(image[:, :, 0] == 1, inside & ~core)


@pytest.mark.parametrize("box", [(-5, -5, 20, 30), (0, 0, 2, 2), (5, 5, 5, 5)])
def test_box_across_the_border_or_without_room_is_no_error(box):
    image = draw_box(np.zeros((10, 12, 1)), box, 1)
    y1, x1, y2, x2 = box
    assert image.any() == (y2 == 2)  # only the small one lies on the image


@pytest.mark.parametrize(
    "image",
    [
        np.full((4, 6), 51, np.uint8),
        np.full((4, 6, 1), 51, np.uint8),
        np.full((4, 6, 3), 51, np.uint8),
        np.full((4, 6, 4), 51, np.uint8),  # alpha is dropped
        np.full((4, 6, 7), 51, np.int64),  # seven bands
        np.full((4, 6, 2), 0.2),  # 0..1
        np.full((4, 6, 3), 51.0),  # 0..255
    ],
    ids=lambda image: f"{image.shape}-{image.dtype}",
)
def test_any_image_becomes_rgb(image):
    before = image.copy()
    rgb = as_rgb(image)
    assert rgb.shape == (4, 6, 3) and rgb.dtype == np.uint8
    assert (rgb == 51).all()
    rgb[:] = 0
    np.testing.assert_array_equal(image, before)  # a copy


def test_masks_and_values_out_of_range_become_rgb():
    assert as_rgb(np.ones((2, 3), bool)).max() == 255
    assert as_rgb(np.array([[-5.0, 300.0, np.nan]]))[0, :, 0].tolist() == [0, 255, 0]
    assert as_rgb(np.array([[-5, 300]]))[0, :, 0].tolist() == [0, 255]


@pytest.mark.filterwarnings("ignore:.*taken for one of")
@pytest.mark.parametrize("dtype", [np.uint16, np.int64, np.float32])
@pytest.mark.parametrize("factor", [16, 257])
def test_deep_images_are_shown_as_those_of_8_bits(dtype, factor):
    """They were white: all above 255 was cut."""
    seen = np.array([[[120] * 3, [220] * 3, [33] * 3]], np.uint8)
    deep = seen.astype(dtype) * dtype(factor)
    np.testing.assert_array_equal(as_rgb(deep), seen)
    alpha = np.full([1, 3, 1], 65535, dtype)
    np.testing.assert_array_equal(as_rgb(np.concatenate([deep, alpha], axis=2)), seen)


def test_values_that_nothing_can_show_are_an_error():
    with pytest.raises(ValueError, match=r"as_rgb\(image\): int32.*70000"):
        as_rgb(np.full([2, 2], 70000, np.int32))


def test_a_batch_is_no_image():
    with pytest.raises(ValueError, match=r"\(1, 4, 6, 3\)"):
        as_rgb(np.zeros((1, 4, 6, 3)))


def test_outline_runs_half_a_pixel_around_the_mask():
    mask = np.zeros((8, 12), bool)
    mask[2:5, 3:9] = True
    (outline,) = mask_outlines(mask)
    assert outline.min(axis=0).tolist() == [2.5, 1.5]  # x, y
    assert outline.max(axis=0).tolist() == [8.5, 4.5]
    np.testing.assert_array_equal(outline[0], outline[-1])


def test_outline_at_the_border_is_closed():
    (outline,) = mask_outlines(np.ones((4, 6), bool))
    np.testing.assert_array_equal(outline[0], outline[-1])
    assert outline.min() == -0.5 and outline.max() == 5.5


def test_holes_and_parts_have_outlines_of_their_own():
    mask = np.zeros((20, 30), bool)
    mask[2:10, 2:10] = True
    mask[5:7, 5:7] = False
    mask[15:18, 20:25] = True
    assert len(mask_outlines(mask)) == 3
    assert mask_outlines(np.zeros((20, 30), bool)) == []
