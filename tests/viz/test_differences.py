"""Truth against detections: the rule of the colors."""

from __future__ import annotations

import numpy as np
import pytest
from matplotlib.patches import Polygon, Rectangle

from mrcnn import visualize
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.viz.differences import (
    FALSE_COLOR,
    FOUND_COLOR,
    IGNORED_COLOR,
    MISSED_COLOR,
)
from tests.viz.scenes import (
    HEIGHT,
    NAMES,
    WIDTH,
    crops_of,
    patches,
    scene,
    shown,
    texts,
)

IMAGE = np.full((HEIGHT, WIDTH, 3), 90, np.uint8)


def blocks(*boxes):
    """(boxes, masks): a full mask for each box."""
    masks = np.zeros((HEIGHT, WIDTH, len(boxes)), bool)
    for i, (y1, x1, y2, x2) in enumerate(boxes):
        masks[y1:y2, x1:x2, i] = True
    return np.reshape(boxes, (-1, 4)), masks


def differences(ax, truth, detected, *, gt_ids=None, ids=None, scores=None, **options):
    """Draws blocks against blocks."""
    (gt_box, gt_mask), (box, mask) = blocks(*truth), blocks(*detected)
    visualize.display_differences(
        IMAGE,
        gt_box,
        np.ones(len(gt_box), int) if gt_ids is None else np.array(gt_ids),
        gt_mask,
        box,
        np.ones(len(box), int) if ids is None else np.array(ids),
        np.full(len(box), 0.9) if scores is None else np.array(scores),
        mask,
        NAMES,
        ax=ax,
        **options,
    )


def color_at(ax, y, x):
    """Of found, missed, false, the color nearest to that of a pixel; None unpainted."""
    pixel = shown(ax)[y, x].astype(float)
    if (pixel == 90).all():
        return None
    kinds = {"found": FOUND_COLOR, "missed": MISSED_COLOR, "false": FALSE_COLOR}
    kinds["ignored"] = IGNORED_COLOR
    direction = {k: np.multiply(c, 255) - 90 for k, c in kinds.items()}

    def angle(kind):
        a, b = pixel - 90, direction[kind]
        return -(a @ b) / np.linalg.norm(a) / np.linalg.norm(b)

    return min(direction, key=angle)


def legend(ax):
    return [text.get_text() for text in ax.get_legend().get_texts()]


def test_pixels_say_where_truth_and_detection_agree(ax):
    differences(ax, [(5, 10, 25, 30)], [(5, 14, 25, 34)])
    assert color_at(ax, 15, 20) == "found"
    assert color_at(ax, 15, 11) == "missed"  # left out by the detection
    assert color_at(ax, 15, 32) == "false"  # gone over
    assert color_at(ax, 15, 40) is None


def test_objects_are_found_missed_or_made_up(ax, monkeypatch):
    cat, dog, nothing = (5, 2, 15, 12), (5, 22, 15, 32), (25, 40, 35, 60)
    differences(
        ax, [cat, dog], [cat, nothing], gt_ids=[1, 2], ids=[1, 2], scores=[0.9, 0.8]
    )
    assert color_at(ax, 10, 7) == "found"
    assert color_at(ax, 10, 27) == "missed"
    assert color_at(ax, 30, 50) == "false"
    assert legend(ax) == ["found: 1", "missed: 1", "false: 1"]
    assert texts(ax, monkeypatch)[:3] == [
        "cat 0.90, IoU 1.00",
        "false dog 0.80",
        "missed dog",
    ]


def test_labels_may_be_left_out(ax, monkeypatch):
    cat = (5, 2, 15, 12)
    differences(ax, [cat], [cat], show_label=False)
    assert texts(ax, monkeypatch) == legend(ax)
    assert color_at(ax, 10, 7) == "found" and legend(ax)[0] == "found: 1"


def test_boxes_of_objects_are_dashed_and_of_detections_solid(ax):
    differences(
        ax, [(5, 2, 15, 12), (5, 22, 15, 32)], [(5, 2, 15, 12), (25, 40, 35, 60)]
    )
    found = [(r.get_edgecolor()[:3], r.get_linestyle()) for r in patches(ax, Rectangle)]
    assert found == [
        (MISSED_COLOR, "dashed"),
        (FOUND_COLOR, "solid"),
        (FALSE_COLOR, "solid"),
    ]


def test_a_false_detection_says_why(ax, monkeypatch):
    box = (5, 10, 25, 30)
    differences(
        ax,
        [box, (26, 50, 38, 62)],
        [box, box, (5, 24, 25, 44), (26, 50, 38, 62)],
        gt_ids=[1, 2],
        ids=[1, 1, 1, 1],
        scores=[0.9, 0.8, 0.7, 0.6],
    )
    written = texts(ax, monkeypatch)
    assert "false cat 0.80, IoU 1.00, taken" in written
    assert "false cat 0.70, IoU 0.18, taken" in written
    assert "false cat 0.60, IoU 1.00 with dog" in written


def test_unsure_detections_are_counted_and_not_drawn(ax):
    box = (5, 10, 25, 30)
    differences(ax, [box], [box, (26, 50, 38, 62)], scores=[0.9, 0.4])
    assert color_at(ax, 30, 55) is None
    assert legend(ax)[-1] == "not drawn, score below 0.5: 1"
    ax.clear()
    differences(ax, [box], [box, (26, 50, 38, 62)], scores=[0.9, 0.4],
                score_threshold=0.3)  # fmt: skip
    assert color_at(ax, 30, 55) == "false"


def test_crowds_and_what_lies_on_them_are_grey(ax, monkeypatch):
    crowd, part = (5, 5, 35, 65), (10, 10, 20, 20)
    differences(ax, [crowd], [part], gt_ids=[-1])
    assert color_at(ax, 30, 50) == color_at(ax, 15, 15) == "ignored"
    assert legend(ax)[-1] == "crowds: 1, ignored: 1"
    assert texts(ax, monkeypatch)[:2] == ["cat 0.90, on a crowd", "cat (crowd)"]


def test_without_masks_boxes_are_compared(ax):
    image, boxes, _, class_ids, scores = scene()
    visualize.display_differences(
        image, boxes, class_ids, None, boxes, class_ids, scores, None, NAMES, ax=ax
    )
    assert legend(ax)[0] == "found: 2" and "IoU of boxes" in ax.get_title()
    np.testing.assert_array_equal(shown(ax), image)
    assert len(patches(ax, Rectangle)) == 4 and not patches(ax, Polygon)


@pytest.mark.parametrize("form", ["crop", "rle"])
def test_masks_may_have_any_form(ax, form):
    image, boxes, masks, class_ids, scores = scene()
    forms = {"crop": crops_of(masks, boxes), "rle": masks_to_rles(masks)}
    visualize.display_differences(
        image, boxes, class_ids, masks, boxes, class_ids, scores, forms[form], NAMES,
        ax=ax,
    )  # fmt: skip
    assert legend(ax)[0] == "found: 2"
    painted = (shown(ax) != image).any(axis=2)
    np.testing.assert_array_equal(painted, masks.any(axis=2))


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
    ax.figure.canvas.draw()
    assert len(patches(ax, Rectangle)) == gt + pred
    assert ax.get_title().startswith("mine\n") and "0.7" in ax.get_title()
    assert legend(ax) == ["found: 0", f"missed: {gt}", f"false: {pred}"]
    np.testing.assert_array_equal(shown(ax), image)


def test_counts_must_fit(ax):
    image, boxes, masks, class_ids, scores = scene()
    with pytest.raises(ValueError, match=r"detections\(scores\): 1 for 2"):
        visualize.display_differences(
            image, boxes, class_ids, masks, boxes, class_ids, scores[:1], masks, NAMES,
            ax=ax,
        )  # fmt: skip
    with pytest.raises(ValueError, match=r"truth\(masks\): shape \(40, 70, 1\)"):
        visualize.display_differences(
            image, boxes, class_ids, masks[:, :, :1], boxes, class_ids, scores, masks,
            NAMES, ax=ax,
        )  # fmt: skip


def test_it_is_saved_without_being_shown(tmp_path, shows):
    path = tmp_path / "a.png"
    differences(None, [(5, 10, 25, 30)], [(5, 14, 25, 34)], save_path=path)
    assert path.exists() and shows == []
