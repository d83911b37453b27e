"""Pictures as they should be, in tests/viz/references; the tests compare with them.

After a change that is meant to be seen, draw them anew, look at each, and commit them:

    python -m tests.viz.reference_pictures [name ...]

Axes get fixed places here: how high a title is differs between versions of matplotlib,
and would move everything below it.
"""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
from PIL import Image
from PIL.PngImagePlugin import PngInfo

from mrcnn import visualize
from mrcnn.config_checks import LOSS_NAMES
from mrcnn.geometry.masks import extract_bboxes

FOLDER = Path(__file__).with_name("references")
DRAWN_BY = "drawn by"
"""What the text in a reference is called that holds `versions()`."""
NAMES = ["BG", "cell", "bubble", "fiber"]
# Everything that decides about a pixel; DejaVu Sans comes with matplotlib.
STYLE = {"font.family": "DejaVu Sans", "figure.dpi": 64}
PICTURES = {}


def picture(function):
    """Registers what draws a picture: on axes, or a figure or an array of its own."""
    PICTURES[function.__name__] = function
    return function


def ellipses(count, height, width, seed, radii=(7, 16)):
    """(image, boxes, masks, class_ids, scores) of shaded ellipses on a dark ground."""
    rng = np.random.default_rng(seed)
    rows, columns = np.mgrid[:height, :width]
    image = 25 + 20 * (rows / height)[:, :, None] + np.zeros((height, width, 3))
    masks = np.zeros((height, width, count), bool)
    for i in range(count):
        y, x = rng.uniform((12, 12), (height - 12, width - 12))
        a, b = rng.uniform(*radii, 2)
        angle = rng.uniform(0, np.pi)
        u = (columns - x) * np.cos(angle) + (rows - y) * np.sin(angle)
        v = (rows - y) * np.cos(angle) - (columns - x) * np.sin(angle)
        distance = (u / a) ** 2 + (v / b) ** 2
        masks[:, :, i] = distance <= 1
        shade = rng.uniform(110, 190)
        image[masks[:, :, i]] = (shade - 40 * distance[masks[:, :, i]])[:, None]
    boxes = np.array(
        [
            (ys.min(), xs.min(), ys.max() + 1, xs.max() + 1)
            for ys, xs in (np.nonzero(masks[:, :, i]) for i in range(count))
        ]
    )
    class_ids = rng.integers(1, len(NAMES), count)
    scores = np.sort(rng.uniform(0.5, 1, count))[::-1]
    return image.astype(np.uint8), boxes, masks, class_ids, scores


@picture
def instances(ax):
    image, boxes, masks, class_ids, scores = ellipses(9, 150, 200, 1)
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, scores,
        title="Nine instances", ax=ax,
    )  # fmt: skip


@picture
def boxes_only_by_class(ax):
    image, boxes, _, class_ids, _ = ellipses(9, 150, 200, 2)
    visualize.display_instances(
        image[:, :, 0], boxes, None, class_ids, NAMES, color_by="class",
        title="Boxes of a grey image", ax=ax,
    )  # fmt: skip


@picture
def hundreds(ax):
    image, boxes, masks, class_ids, _ = ellipses(250, 400, 480, 3, (6, 14))
    # Without labels: a wider letter could send all that follow to other places.
    visualize.display_instances(
        image, boxes, masks, class_ids, NAMES, captions=[""] * 250, ax=ax
    )


@picture
def differences(ax):
    image, boxes, masks, class_ids, _ = ellipses(9, 220, 290, 4)
    rows = [0, 1, 2, 3, 4, 5, 8, 8]
    found, ids = np.roll(masks[:, :, rows], (2, 1), (0, 1)), class_ids[rows]
    found[:, :, 7] = False
    found[10:34, 230:266, 7] = True  # nothing is there
    ids[1] = ids[1] % 3 + 1  # of another class
    class_ids[8] *= -1  # a crowd
    scores = np.array([0.99, 0.95, 0.9, 0.85, 0.8, 0.4, 0.7, 0.6])
    visualize.display_differences(
        image, boxes, class_ids, masks, extract_bboxes(found), ids, scores, found,
        NAMES, title="Image 4", ax=ax,
    )  # fmt: skip


@picture
def boxes_refined(ax):
    image, boxes, masks, _, _ = ellipses(5, 150, 200, 5)
    visualize.draw_boxes(
        image, boxes - (4, 6, 2, -3), boxes, masks, ["one", "two", "", None, "five"],
        [2, 2, 1, 0, 2], "Boxes and what became of them", ax,
    )  # fmt: skip


@picture
def rois(ax):
    image, boxes, _, class_ids, _ = ellipses(6, 150, 200, 6)
    class_ids[4:] = 0
    rows, columns = np.mgrid[-1:1:28j, -1:1:28j]
    disks = np.repeat([rows**2 + columns**2 < 1], 6, axis=0)
    visualize.draw_rois(
        image, boxes - (2, 3, 2, 3), boxes, disks, class_ids, NAMES,
        ax=ax,
    )  # fmt: skip


@picture
def images():
    pictures = [ellipses(3, 60, 90, seed)[0] for seed in range(5)]
    pictures[1] = pictures[1][:, :, :1]
    titles = [f"image {i}" for i in range(5)]
    visualize.display_images(pictures, titles, 3)


@picture
def top_masks():
    image, _, masks, class_ids, _ = ellipses(9, 100, 140, 7)
    visualize.display_top_masks(image, masks, class_ids, NAMES, limit=3)


@picture
def truth_and_detections():
    examples = []
    for seed in (8, 9, 10):
        image, boxes, masks, class_ids, scores = ellipses(5, 100, 140, seed)
        found = {"rois": boxes[:4], "class_ids": class_ids[:4], "scores": scores[:4]}
        found["masks"] = masks[:, :, :4]
        examples.append((image, masks, class_ids, found))
    visualize.display_truth_and_detections(examples, NAMES)


@picture
def precision_recall():
    recalls = np.linspace(0, 1, 11)
    visualize.plot_precision_recall(0.78, 1 - 0.6 * recalls**2, recalls)


@picture
def overlaps():
    iou = np.array([[0.91, 0.1, 0], [0.05, 0.55, 0.2], [0.6, 0, 0]])
    visualize.plot_overlaps(
        np.array([1, 2, -3]), np.array([1, 3, 1]), np.array([0.98, 0.9, 0.55]), iou,
        NAMES,
    )  # fmt: skip


@picture
def training():
    epochs = np.arange(1, 31)
    history = {}
    for i, name in enumerate(("loss", *LOSS_NAMES)):
        history[name] = (3 if name == "loss" else 0.5) * np.exp(-epochs / (8 + i)) + 0.1
        history[f"val_{name}"] = 1.1 * history[name] + 0.004 * epochs
    for name, best in (("AP", 0.5), ("AP50", 0.9), ("AP75", 0.6)):
        history[f"val_segm_{name}"] = best * (1 - np.exp(-epochs / 10))
    history["learning_rate"] = np.where(epochs < 20, 1e-3, 1e-4)
    visualize.plot_training(history, "Thirty epochs")


@picture
def frame():
    image, boxes, masks, class_ids, scores = ellipses(9, 240, 320, 11, (14, 30))
    return visualize.draw_instances(
        image, boxes, masks, class_ids, NAMES, scores, color_by="class"
    )


@picture
def frame_scaled():
    image, boxes, masks, class_ids, scores = ellipses(6, 80, 110, 12)
    return visualize.draw_instances(
        image, boxes, masks, class_ids, NAMES, scores,
        show_bbox=False, scale=3,
    )  # fmt: skip


def draw(name: str) -> np.ndarray:
    """Picture of this name, drawn now, uint8 [H, W, 3]."""
    import matplotlib
    from matplotlib import pyplot as plt

    style = {**matplotlib.rcParamsDefault, **STYLE}
    style.pop("backend")
    function = PICTURES[name]
    with matplotlib.rc_context(style):
        if function.__code__.co_argcount:
            figure = plt.figure(figsize=(6, 5))
            function(figure.add_axes((0.01, 0.2, 0.98, 0.7)))
        elif (drawn := function()) is not None:
            return drawn
        else:
            figure = plt.gcf()
            figure.set_layout_engine(None)
            # Room for the names of rows and columns beside a single plot.
            left, bottom = (0.25, 0.2) if len(figure.axes) == 1 else (0.05, 0.1)
            figure.subplots_adjust(left, bottom, 0.98, 0.85, 0.25, 0.5)
        figure.canvas.draw()
        drawn = np.asarray(figure.canvas.buffer_rgba())[:, :, :3].copy()
        plt.close(figure)
        return drawn


def reference(name: str) -> tuple[np.ndarray, str]:
    """Picture of this name as it should be, and the versions that drew it."""
    with Image.open(FOLDER / f"{name}.png") as image:
        return np.asarray(image.convert("RGB")), image.info[DRAWN_BY]


def versions() -> str:
    """Versions of what draws letters and lines, as far as they decide how it looks."""
    import cv2
    import matplotlib
    import PIL

    packages = {"matplotlib": matplotlib, "Pillow": PIL, "OpenCV": cv2}
    return ", ".join(
        f"{name} {'.'.join(package.__version__.split('.')[:2])}"
        for name, package in packages.items()
    )


def main(names: list[str]) -> None:
    """Draws references anew, all of them or some."""
    from matplotlib import pyplot as plt

    plt.switch_backend("Agg")
    FOLDER.mkdir(exist_ok=True)
    info = PngInfo()
    info.add_text(DRAWN_BY, versions())
    for name in names or PICTURES:
        path = FOLDER / f"{name}.png"
        Image.fromarray(draw(name)).save(path, optimize=True, pnginfo=info)
        print(f"{path}: look at it before you commit it")


if __name__ == "__main__":
    main(sys.argv[1:])
