"""Pictures of `mrcnn detect`: what is drawn when there are few objects, or many."""

from __future__ import annotations

import tracemalloc

import numpy as np
import pytest

from mrcnn.cli import pictures
from mrcnn.cli.pictures import (
    brightened,
    draw_image,
    draw_objects,
    drawing_scale,
    is_crowded,
)

NAMES = ["BG", "cell", "debris"]
SIDE = 10


def scene(count, names=NAMES, value=200, side=SIDE):
    """(image, found): squares of one class in rows of ten on a grey ground."""
    image = np.full((160, 200, 3), 100, np.uint8)
    corners = [(4 + 16 * (i // 10), 4 + 20 * (i % 10)) for i in range(count)]
    boxes = np.array([(y, x, y + side, x + side) for y, x in corners])
    boxes = boxes.reshape(-1, 4)
    for y1, x1, y2, x2 in boxes:
        image[y1:y2, x1:x2] = value
    found = {
        "rois": boxes,
        "masks": [np.ones((side, side), bool)] * count,
        "class_ids": np.ones(count, np.int32),
        "scores": np.full(count, 0.9, np.float32),
    }
    return image, found


@pytest.mark.parametrize(
    ("class_ids", "crowded"),
    [
        ([], False),
        ([1] * 12, False),
        ([1] * 13, True),
        ([1] * 39 + [2], False),
        ([1] * 40 + [2], True),
    ],
)
def test_many_objects_are_a_crowd_and_fewer_if_all_are_alike(class_ids, crowded):
    assert is_crowded(np.array(class_ids)) is crowded


@pytest.mark.parametrize(
    ("shape", "areas", "scale"),
    [
        ((256, 256, 3), [], 2),
        ((480, 640, 3), [5000], 1),
        ((480, 640, 3), [200, 200, 90000], 2),  # most are small
        ((256, 320, 1), [200], 4),
        ((10, 900, 3), [], 4),
        ((3000, 3000, 3), [200], 1),
    ],
)
def test_small_images_and_small_objects_are_drawn_larger(shape, areas, scale):
    assert drawing_scale(shape, areas) == scale


def test_a_dark_image_becomes_bright_and_others_stay():
    dark = np.zeros((60, 80, 3), np.uint8)
    dark[20:40, 20:40] = 30
    bright = brightened(dark)
    assert bright.dtype == np.uint8 and bright[30, 30].tolist() == [255] * 3
    assert bright[0, 0].tolist() == [0] * 3 and dark.max() == 30
    # A few hot pixels aren't the picture.
    dark[0, 0] = 255
    assert brightened(dark)[30, 30, 0] == 255
    for image in (dark * 0, dark + 128):
        assert brightened(image) is image


@pytest.mark.parametrize("channels", [1, 3])
def test_values_are_multiplied_and_the_image_alone_takes_memory(channels):
    rng = np.random.default_rng(channels)
    for top in (2, 60, 100, 127):
        image = rng.integers(0, top, (600, 700, channels)).astype(np.uint8)
        image[0, :9] = 200 + np.arange(9)[:, np.newaxis]  # hot pixels: at most white
        tracemalloc.start()
        bright = brightened(image)
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        step = min(image.shape[:2]) // 512
        brightest = np.percentile(image[::step, ::step], 99.9)
        wanted = np.minimum(image * (255 / brightest), 255).astype(np.uint8)
        assert np.array_equal(bright, wanted) and bright is not image
        assert peak < 3 * image.nbytes


def test_few_objects_are_named_and_filled():
    image, found = scene(5)
    picture = draw_image(image, found, NAMES)
    scale = drawing_scale(image.shape, [SIDE**2])
    assert picture.shape == (160 * scale, 200 * scale, 3)
    y, x = (4 + SIDE // 2) * scale, (4 + SIDE // 2) * scale
    assert picture[y, x].tolist() != [200] * 3


def test_many_objects_are_outlined_only_and_counted_above(monkeypatch):
    titles = []
    monkeypatch.setattr(
        pictures, "draw_title", lambda picture, text: titles.append(text) or picture
    )
    image, found = scene(60)
    found["class_ids"][:20] = 2
    picture = draw_image(image, found, NAMES)
    assert titles == ["cell: 40, debris: 20"]
    scale = drawing_scale(image.shape, [SIDE**2])
    grey = (picture == picture[..., :1]).all(axis=-1)
    line = 2 * scale
    for y1, x1, y2, x2 in found["rois"] * scale:
        inner = grey[y1 + line : y2 - line, x1 + line : x2 - line]
        assert inner.all() and not grey[y1:y2, x1:x2].all()
        # No text above it.
        assert grey[y1 - line : y1 - 2, x1:x2].all()


def test_objects_of_a_video_have_the_color_of_their_class():
    image, found = scene(3)
    found["class_ids"][1] = 2
    drawn = draw_objects(image, found, NAMES, color_by="class", captions=[None] * 3)
    assert drawn.shape == image.shape
    first, second, third = drawn[9, [9, 29, 49]]
    assert (first == third).all() and (first != second).any()


def test_the_title_stands_above_the_picture():
    image, found = scene(20)
    picture = draw_image(image, found, NAMES)
    scale = drawing_scale(image.shape, [SIDE**2])
    title = picture[: len(picture) - 160 * scale]
    assert 10 < len(title) < 50 and picture.shape[1] == 200 * scale
    assert title.max() > 200 and title[-1].max() < 100


@pytest.mark.parametrize("value", [(150, 40, 160), (230, 230, 230), (20, 90, 200)])
def test_outlines_of_one_class_differ_from_the_objects_and_each_other(value):
    image, found = scene(30, value=value)
    colors = pictures._clear_colors(image, found)
    assert len({tuple(color) for color in colors}) == 30
    distances = np.linalg.norm(np.array(colors) - np.array(value) / 255, axis=1)
    assert distances.min() >= pictures.CONTRAST


def test_one_channel_and_no_objects_are_drawn_too():
    image, found = scene(20)
    grey = draw_image(image[..., :1], found, ["BG", "cell"])
    assert grey.ndim == 3 and grey.shape[2] == 3
    image, found = scene(0)
    assert draw_image(image, found, NAMES).shape == (160 * 4, 200 * 4, 3)
