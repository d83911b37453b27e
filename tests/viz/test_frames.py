"""Instances painted by OpenCV: exact pixels, and the same rules as on figures."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn import visualize
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.viz.frames import draw_title
from mrcnn.viz.labels import place_labels
from tests.viz.scenes import HEIGHT, NAMES, WIDTH, crops_of, scene

pytest.importorskip("cv2", reason="needs OpenCV")
RED = (1.0, 0.0, 0.0)


def draw(n=1, **options):
    """The scene of n squares without labels, drawn."""
    image, boxes, masks, class_ids, scores = scene(n)
    arguments = {"captions": [""] * n, "masks": masks, **options}
    return visualize.draw_instances(
        image, boxes, class_ids=class_ids, class_names=NAMES, scores=scores, **arguments
    )


def test_masks_are_filled_and_outlined_inside():
    _, _, masks, _, _ = scene()
    picture = draw(show_bbox=False, colors=[RED], alpha=0.5)
    painted = (picture != 90).any(axis=2)
    np.testing.assert_array_equal(painted, masks[:, :, 0])
    inner = np.zeros_like(painted)
    inner[13:23, 3:15] = True
    assert (picture[inner] == [172, 45, 45]).all()
    assert (picture[masks[:, :, 0] & ~inner] == [255, 0, 0]).all()


def test_boxes_frame_their_pixels():
    picture = draw(masks=None, colors=[RED])
    framed = np.zeros((HEIGHT, WIDTH), bool)
    framed[10:24, 2:16] = True
    framed[11:23, 3:15] = False
    np.testing.assert_array_equal((picture == [255, 0, 0]).all(axis=2), framed)
    assert (picture[~framed] == 90).all()


def test_holes_and_parts_are_outlined():
    masks = np.zeros((HEIGHT, WIDTH, 1), bool)
    masks[10:24, 2:16] = True
    masks[14:20, 6:12] = False
    picture = draw(masks=masks, show_mask=False, show_bbox=False, colors=[RED])
    red = (picture == [255, 0, 0]).all(axis=2)
    assert red[10, 2] and red[13, 8] and not red[16, 9] and not red[12, 4]


def test_parts_can_be_switched_off_and_the_image_stays():
    image, boxes, masks, class_ids, _ = scene()
    before = image.copy()
    visualize.draw_instances(image, boxes, masks, class_ids, NAMES)
    np.testing.assert_array_equal(image, before)
    picture = draw(masks=None, show_bbox=False)
    np.testing.assert_array_equal(picture, before)


@pytest.mark.parametrize("form", ["crop", "rle"])
def test_all_forms_of_masks_give_the_same_picture(form):
    _, boxes, masks, _, _ = scene(3)
    forms = {"crop": crops_of(masks, boxes), "rle": masks_to_rles(masks)}
    np.testing.assert_array_equal(draw(3, masks=forms[form]), draw(3))


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1)])
@pytest.mark.parametrize("dtype", [np.uint8, np.float32])
def test_images_of_one_channel(shape, dtype):
    _, boxes, masks, class_ids, _ = scene()
    image = np.full(shape, 51 if dtype == np.uint8 else 0.2, dtype)
    picture = visualize.draw_instances(
        image, boxes, masks, class_ids, NAMES, captions=["", ""], show_bbox=False
    )
    assert picture.shape == (HEIGHT, WIDTH, 3) and picture.dtype == np.uint8
    assert (picture[~masks.any(axis=2)] == 51).all()


def test_padding_and_empty_masks_and_nothing_at_all():
    image, boxes, masks, class_ids, scores = scene()
    boxes[1] = 0
    masks[:, :, 0] = False
    picture = visualize.draw_instances(
        image, boxes, masks, class_ids, NAMES, captions=["", ""], show_bbox=False
    )
    np.testing.assert_array_equal(picture, image)
    image, boxes, masks, class_ids, scores = scene(0)
    picture = visualize.draw_instances(image, boxes, masks, class_ids, NAMES, scores)
    np.testing.assert_array_equal(picture, image)


def large_scene(count):
    """count squares in rows on 400 x 600 px."""
    image = np.full((400, 600, 3), 90, np.uint8)
    i = np.arange(count)
    y, x = 40 + i // 6 * 80, 20 + i % 6 * 95
    boxes = np.stack([y, x, y + 30, x + 30], axis=1)
    return image, boxes, np.ones(count, np.int32)


def test_labels_are_written_over_their_boxes():
    image, boxes, class_ids = large_scene(24)
    plain = visualize.draw_instances(
        image, boxes, None, class_ids, NAMES, captions=[""] * 24
    )
    picture = visualize.draw_instances(
        image, boxes, None, class_ids, NAMES, np.full(24, 0.5)
    )
    changed = (picture != plain).any(axis=2)
    for y1, x1, _, _ in boxes:
        assert changed[y1 - 10 : y1 - 2, x1 + 2 : x1 + 50].mean() > 0.9
    labels = picture[changed]
    assert (labels.max(axis=1) < 60).mean() > 0.05  # dark letters


def test_labels_stay_inside_the_picture_and_apart(monkeypatch):
    from mrcnn.viz import frames

    placed = []

    def spy(*arguments):
        placed.extend(place_labels(*arguments))
        return placed

    monkeypatch.setattr(frames, "place_labels", spy)
    image, _, _ = large_scene(0)
    boxes = np.array([(0, 0, 30, 30), (0, 570, 30, 600), (370, 0, 400, 30)] * 2)
    visualize.draw_instances(image, boxes, None, np.ones(6, int), NAMES)
    assert len(placed) == 6
    for i, (_, a) in enumerate(placed):
        assert 0 <= a[0] and a[2] <= 600 and 0 <= a[1] and a[3] <= 400
        for _, b in placed[:i]:
            width = min(a[2], b[2]) - max(a[0], b[0])
            height = min(a[3], b[3]) - max(a[1], b[1])
            assert min(width, height) <= 3


def test_letters_that_opencv_cannot_write_are_written():
    image, boxes, class_ids = large_scene(1)
    plain, accent, unknown = (
        visualize.draw_instances(image, boxes, None, class_ids, NAMES, captions=[text])
        for text in ("Zelle", "Zélle", "Z?lle")
    )
    assert (plain != accent).any() and (accent != unknown).any()


def test_colors_are_by_instance_or_by_class():
    first, _, third = draw(3)[20, [9, 29, 49]]
    assert (first != third).any()
    cat, dog, other_cat = draw(3, color_by="class")[20, [9, 29, 49]]
    assert (cat == other_cat).all() and (cat != dog).any()


@pytest.mark.parametrize("scale", [3, 0.5])
def test_a_picture_may_have_another_size(scale):
    picture = draw(scale=scale, show_mask=False, show_bbox=True, colors=[RED])
    assert picture.shape == (HEIGHT * scale, WIDTH * scale, 3)
    rows, columns = np.nonzero((picture == [255, 0, 0]).all(axis=2))
    y1, x1, y2, x2 = (10, 2, 24, 16)
    assert rows.min() == y1 * scale and columns.min() == x1 * scale
    assert rows.max() == y2 * scale - 1 and columns.max() == x2 * scale - 1


def test_hundreds_of_instances_are_drawn():
    rng = np.random.default_rng(0)
    y, x = rng.integers(0, 370, 300), rng.integers(0, 570, 300)
    boxes = np.stack([y, x, y + 25, x + 30], axis=1)
    image = np.zeros((400, 600), np.uint8)
    picture = visualize.draw_instances(
        image, boxes, None, np.ones(300, int), NAMES, captions=[""] * 300
    )
    assert (picture[y, x] > 0).any(axis=1).all()
    labeled = visualize.draw_instances(
        image, boxes, None, np.ones(300, int), NAMES, rng.random(300)
    )
    assert (labeled != picture).any()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"scale": 0}, "scale=0"),
        ({"masks": np.ones((3, 3, 1))}, r"draw_instances\(masks\): shape \(3, 3, 1\)"),
        ({"captions": ["a", "b"]}, r"draw_instances\(captions\): 2 for 1"),
        ({"colors": []}, r"draw_instances\(colors\): 0 for 1"),
    ],
)
def test_what_does_not_fit_is_an_error(changes, message):
    with pytest.raises(ValueError, match=message):
        draw(**changes)


def test_lines_are_as_thick_as_asked_for():
    thin, thick = (draw(masks=None, colors=[RED], thickness=n) for n in (1, 3))
    count = [(p == [255, 0, 0]).all(axis=2).sum() for p in (thin, thick)]
    assert 2 * count[0] < count[1]


def test_a_title_is_a_line_above_and_the_picture_stays():
    picture = draw()
    titled = draw_title(picture, "square: 1")
    height = len(titled) - len(picture)
    assert height > 0 and titled.dtype == np.uint8
    np.testing.assert_array_equal(titled[height:], picture)
    assert titled[:height].std() > 0
    assert not draw_title(picture, "")[:height].std()


def test_a_title_too_long_is_cut():
    picture = draw()
    assert draw_title(picture, "square: 1, " * 50).shape[1] == picture.shape[1]
    assert draw_title(picture[:1, :1], "x").shape[1] == 1


def test_a_box_beyond_what_opencv_knows_is_drawn_as_far_as_the_image():
    image = np.zeros([20, 30, 3], np.uint8)
    boxes = np.array([[5, 5, 1e30, 1e30]])
    drawn = visualize.draw_instances(
        image, boxes, None, [1], ["BG", "cat"], captions=[""]
    )
    assert drawn[5, 5:].any(axis=1).all() and not drawn[:5].any()
