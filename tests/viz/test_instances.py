"""Pictures of instances: what is on the axes, and what isn't."""

from __future__ import annotations

import doctest
import inspect

import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle
from PIL import Image

from mrcnn import visualize
from mrcnn.viz import instances

NAMES = ["BG", "cat", "dog"]
HEIGHT, WIDTH = 40, 70


def scene(n=2):
    """(image, boxes, masks, class_ids, scores): n squares beside each other."""
    image = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)
    boxes = np.array([(10, 20 * i + 2, 24, 20 * i + 16) for i in range(n)])
    masks = np.zeros((HEIGHT, WIDTH, n), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes.reshape(-1, 4)):
        masks[y1 + 2 : y2, x1:x2, i] = True
    class_ids = np.arange(n, dtype=np.int32) % 2 + 1
    return image, boxes.reshape(-1, 4), masks, class_ids, np.linspace(0.9, 0.5, n)


def shown(ax):
    """The image on the axes."""
    return np.asarray(ax.images[0].get_array())


def patches(ax, kind):
    return [patch for patch in ax.patches if isinstance(patch, kind)]


def texts(ax, monkeypatch):
    """The labels, read while they are drawn."""
    from matplotlib.text import Text

    drawn = []
    draw = Text.draw

    def spy(self, renderer):
        drawn.append(self.get_text())
        draw(self, renderer)

    monkeypatch.setattr(Text, "draw", spy)
    ax.axis("off")
    ax.figure.canvas.draw()
    return [text for text in drawn if text and text != ax.get_title()]


@pytest.mark.parametrize(
    ("name", "parameters"),
    [
        ("display_images", "images titles=None cols=4 cmap=None norm=None interpolatio"
         "n=None"),
        ("random_colors", "N bright=True"),
        ("apply_mask", "image mask color alpha=0.5"),
        ("display_instances", "image boxes masks class_ids class_names scores=None tit"
         "le='' figsize=(16,16) ax=None show_mask=True show_bbox=True colors=None capt"
         "ions=None"),
        ("display_differences", "image gt_box gt_class_id gt_mask pred_box pred_class_"
         "id pred_score pred_mask class_names title='' ax=None show_mask=True show_box"
         "=True iou_threshold=0.5 score_threshold=0.5"),
        ("draw_rois", "image rois refined_rois mask class_ids class_names limit=10"),
        ("draw_box", "image box color"),
        ("display_top_masks", "image mask class_ids class_names limit=4"),
        ("plot_precision_recall", "AP precisions recalls"),
        ("plot_overlaps", "gt_class_ids pred_class_ids pred_scores overlaps class_name"
         "s threshold=0.5"),
        ("draw_boxes", "image boxes=None refined_boxes=None masks=None captions=None v"
         "isibilities=None title='' ax=None"),
        ("display_table", "table"),
        ("display_weight_stats", "model"),
    ],
)  # fmt: skip
def test_the_door_keeps_the_old_signatures(name, parameters):
    signature = inspect.signature(getattr(visualize, name))
    ours = [
        p.name if p.default is p.empty else f"{p.name}={p.default!r}".replace(" ", "")
        for p in signature.parameters.values()
    ]
    assert ours[: len(parameters.split())] == parameters.split()


def test_masks_are_painted_inside_and_nowhere_else(ax):
    image, boxes, masks, class_ids, scores = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, scores, ax=ax)
    painted = (shown(ax) != image).any(axis=2)
    np.testing.assert_array_equal(painted, masks.any(axis=2))
    assert (image == 90).all()  # the caller's image is left alone


def test_boxes_and_outlines_lie_on_the_pixels(ax):
    image, boxes, masks, class_ids, _ = scene(1)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    (rectangle,) = patches(ax, Rectangle)
    # Columns 2 to 15: from the left side of the first to the right side of the last.
    assert rectangle.get_xy() == (1.5, 9.5)
    assert (rectangle.get_width(), rectangle.get_height()) == (14, 14)
    (outline,) = patches(ax, Polygon)
    assert outline.get_xy().min(axis=0).tolist() == [1.5, 11.5]
    assert outline.get_xy().max(axis=0).tolist() == [15.5, 23.5]


def test_parts_can_be_switched_off(ax):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, show_mask=False, show_bbox=False
    )
    np.testing.assert_array_equal(shown(ax), image)
    assert patches(ax, Rectangle) == []
    assert len(patches(ax, Polygon)) == 2


def test_without_masks_boxes_remain(ax):
    image, boxes, _, class_ids, _ = scene()
    visualize.display_instances(image, boxes, None, class_ids, NAMES, ax=ax)
    assert len(patches(ax, Rectangle)) == 2 and patches(ax, Polygon) == []


def test_labels_name_class_and_score(ax, monkeypatch):
    image, boxes, masks, _, scores = scene()
    visualize.display_instances(
        image, boxes, masks, np.array([2, -1]), NAMES, scores, ax=ax
    )
    assert texts(ax, monkeypatch) == ["dog 0.90", "cat (crowd) 0.50"]


def test_captions_replace_labels(ax, monkeypatch):
    image, boxes, masks, class_ids, scores = scene(3)
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, ax=ax, captions=["x", "", None]
    )
    assert texts(ax, monkeypatch) == ["x"]


def test_colors_may_be_given(ax):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, ax=ax, colors=[(0, 0, 1), "red"]
    )
    assert shown(ax)[15, 5].tolist() == [45, 45, 172]
    assert shown(ax)[15, 25].tolist() == [172, 45, 45]


def test_zero_boxes_are_padding(ax, monkeypatch):
    image, boxes, masks, class_ids, _ = scene()
    boxes[1] = 0
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert len(patches(ax, Rectangle)) == 1
    assert (shown(ax)[:, 20:] == 90).all()
    assert texts(ax, monkeypatch) == ["cat"]


def test_no_instances_are_said_in_the_title(ax):
    image, boxes, masks, class_ids, scores = scene(0)
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, ax=ax, title="street"
    )
    assert ax.get_title() == "street (no instances)"
    np.testing.assert_array_equal(shown(ax), image)


@pytest.mark.parametrize("shape", [(HEIGHT, WIDTH), (HEIGHT, WIDTH, 1)])
def test_images_of_one_channel(ax, shape):
    _, boxes, masks, class_ids, _ = scene()
    image = np.full(shape, 90, np.uint8)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert shown(ax).shape == (HEIGHT, WIDTH, 3)
    assert (shown(ax)[~masks.any(axis=2)] == 90).all()


def test_many_instances(ax):
    rng = np.random.default_rng(0)
    y1, x1 = rng.integers(0, 30, 100), rng.integers(0, 60, 100)
    boxes = np.stack([y1, x1, y1 + 8, x1 + 9], axis=1)
    masks = rng.random((HEIGHT, WIDTH, 100)) < 0.01
    class_ids = rng.integers(1, 3, 100)
    image = rng.integers(0, 256, (HEIGHT, WIDTH, 3)).astype(np.uint8)
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    ax.figure.canvas.draw()
    assert len(patches(ax, Rectangle)) == 100


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"class_ids": np.array([1])}, r"class_ids\): 1 for 2 boxes"),
        ({"scores": np.array([1, 1, 1])}, r"scores\): 3 for 2 boxes"),
        ({"captions": ["a"]}, r"captions\): 1 for 2 boxes"),
        ({"colors": [(1, 1, 1)]}, "1 colors for 2 boxes"),
        ({"masks": np.zeros((28, 28, 2), bool)}, r"\(28, 28, 2\).*\(40, 70, 2\)"),
        ({"masks": [np.ones((3, 4)), np.ones((5, 6))]}, "list"),
    ],
)
def test_what_does_not_fit_is_an_error(ax, changes, message):
    image, boxes, masks, class_ids, _ = scene()
    arguments = {"masks": masks, "class_ids": class_ids, **changes}
    with pytest.raises(ValueError, match=message):
        visualize.display_instances(image, boxes, class_names=NAMES, ax=ax, **arguments)


def test_own_figures_are_shown_and_given_axes_are_not(ax, shows):
    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, ax=ax)
    assert shows == []
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, figsize=(3, 2))
    (figure,) = shows
    assert figure.get_size_inches().tolist() == [3, 2]


def test_without_a_display_nothing_warns_and_savefig_writes(tmp_path, recwarn):
    from matplotlib import pyplot as plt

    image, boxes, masks, class_ids, _ = scene()
    visualize.display_instances(image, boxes, masks, class_ids, NAMES, figsize=(3, 2))
    plt.savefig(tmp_path / "old.png")
    assert len(np.unique(np.asarray(Image.open(tmp_path / "old.png")))) > 10
    assert [str(warning.message) for warning in recwarn] == []


def test_save_path_writes_and_closes(tmp_path, shows):
    from matplotlib import pyplot as plt

    image, boxes, masks, class_ids, scores = scene()
    path = tmp_path / "new.png"
    before = plt.get_fignums()
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores, figsize=(3, 2), save_path=path
    )
    assert Image.open(path).width > 100
    assert plt.get_fignums() == before and shows == []


def test_differences_color_truth_green_and_detections_red(ax, monkeypatch):
    image, boxes, masks, class_ids, _ = scene(3)
    visualize.display_differences(
        image,
        boxes[:2],
        class_ids[:2],
        masks[:, :, :2],
        boxes[[2, 1]],
        class_ids[[2, 1]],
        np.array([0.6, 0.8]),  # not in the order of scores
        masks[:, :, [2, 1]],
        NAMES,
        ax=ax,
    )
    green, red = (0, 1, 0), (1, 0, 0)
    colors = [patch.get_edgecolor()[:3] for patch in patches(ax, Rectangle)]
    assert colors == [green, green, red, red]
    assert texts(ax, monkeypatch) == ["0.80 / 1.00", "0.60 / 0.00"]
    assert "green" in ax.get_title()


@pytest.mark.parametrize(("gt", "pred"), [(0, 0), (0, 2), (2, 0)])
def test_differences_of_nothing(ax, gt, pred):
    image, boxes, masks, class_ids, scores = scene()
    visualize.display_differences(
        image,
        boxes[:gt],
        class_ids[:gt],
        masks[:, :, :gt],
        boxes[:pred],
        class_ids[:pred],
        scores[:pred],
        masks[:, :, :pred],
        NAMES,
        title="mine",
        ax=ax,
        show_mask=False,
        show_box=True,
        iou_threshold=0.7,
        score_threshold=0.1,
    )
    assert len(patches(ax, Rectangle)) == gt + pred
    assert ax.get_title().startswith("mine")


def test_images_fill_a_grid(shows):
    images = [np.zeros((4, 5, 3), np.uint8), np.ones((4, 5)), np.zeros((4, 5, 1))]
    visualize.display_images(images, titles=["a", "b", "c"], cols=2, cmap="gray")
    axes = shows[0].axes
    assert len(axes) == 4
    assert [ax.get_title() for ax in axes] == ["a", "b", "c", ""]
    assert shown(axes[2]).shape == (4, 5)
    assert not axes[3].images


def test_images_may_be_none_at_all(shows):
    visualize.display_images([])
    assert len(shows) == 1
    with pytest.raises(ValueError, match="1 titles for 0 images"):
        visualize.display_images([], titles=["a"])


def test_top_masks_are_sorted_by_area(shows):
    image, _, masks, _, _ = scene(3)
    visualize.display_top_masks(image, masks, np.array([1, 2, 2]), NAMES, limit=3)
    axes = shows[0].axes
    assert [ax.get_title() for ax in axes] == ["H x W = 40 x 70", "dog", "cat", "-"]
    dogs = shown(axes[1])
    np.testing.assert_array_equal(dogs > 0, masks[:, :, 1:].any(axis=2))
    assert sorted(np.unique(dogs)) == [0, 1, 2]  # a shade an instance


def test_top_masks_of_an_image_without_objects(shows):
    image, _, masks, class_ids, _ = scene(0)
    visualize.display_top_masks(image, masks, class_ids, NAMES, limit=2)
    assert [ax.get_title() for ax in shows[0].axes[1:]] == ["-", "-"]


@pytest.mark.parametrize("count", [0, 1, 3])
def test_truth_and_detections_stand_side_by_side(tmp_path, shows, count):
    image, boxes, masks, class_ids, _ = scene()
    scores = np.array([0.9, 0.3])  # the second one isn't drawn
    found = {"rois": boxes, "masks": masks, "class_ids": class_ids, "scores": scores}
    examples = [(image, masks, class_ids, found)] * count
    visualize.display_truth_and_detections(examples, NAMES)
    titles = [ax.get_title() for ax in shows[0].axes if ax.get_title()]
    assert titles == [
        f"{i + 1}: {what}" for i in range(count) for what in ("truth", "detected")
    ]
    for left, right in zip(shows[0].axes[::2], shows[0].axes[1::2], strict=True):
        if left.images:
            assert len(patches(left, Rectangle)) == 2
            (detected,) = patches(right, Rectangle)
            # One class, one color.
            first = patches(left, Rectangle)[0]
            assert detected.get_edgecolor() == first.get_edgecolor()
    path = tmp_path / "both.png"
    visualize.display_truth_and_detections(examples, NAMES, 0.2, save_path=path)
    assert path.exists()


def test_instances_of_the_only_class_keep_colors_of_their_own():
    assert instances._class_colors([1, 1], ["BG", "balloon"]) is None


def test_examples_in_docstrings_hold():
    result = doctest.testmod(instances)
    assert result.attempted > 0 and result.failed == 0
