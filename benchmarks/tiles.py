"""Count objects in a large image in tiles, and in the same image cut without seams.

    python benchmarks/tiles.py --data nucleus --subset val

Dark images of fluorescence are laid out as one large image, black between them and
their objects equally bright, as on one slide. So it can be cut by hand without cutting
an object: along the black. Tiles cut anywhere, and their objects are merged. Both are
compared with the true masks; beside them stands what tiles give when nothing is merged,
or when overlapping boxes suppress each other as in one image.

A detector finds a little more or less in another cut, seam or not, and the more so the
more the sizes differ (see --largest): the row "with more black" shows how much of that
there is without any seam, and the rows "where tiles overlap" and "elsewhere" part the
two. What merging does by itself is in the last rows: their detector finds whatever
a tile shows of each true mask, exactly.
"""

from __future__ import annotations

import argparse
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import NamedTuple

import numpy as np
from tqdm import tqdm

from mrcnn.cli import weights
from mrcnn.data import open_dataset
from mrcnn.engine import detect_tiled, tile_boxes
from mrcnn.geometry.crops import Crop, crop_boxes, crop_overlaps
from mrcnn.geometry.nms import non_max_suppression
from mrcnn.viz.mask_forms import mask_crops

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))

from samples.nucleus.nucleus import TRAIN_FOLDER, make_dataset  # noqa: E402

MARGIN = 16  # px of black on each side of an image
LEAST_SIDE = 256  # px, of images that are used
MORE = 32  # px, in the row "with more black"
COLORED, BRIGHT = 5, 128  # grey levels: see is_dark
GROUND = 2  # percentile of an image's pixels that becomes black
LIGHT = 100  # of 255: the median pixel of the objects of each image
SAME_IOU = 0.5
NMS_IOU = 0.3


class Scene(NamedTuple):
    """A large image made of smaller ones.

    Attributes:
        image: uint8 [side, side, 3].
        cells: int [N, (y1, x1, y2, x2)], px: the images with their margins.
        objects: the true masks, as Crops.
        used: index of the image of each cell.
    """

    image: np.ndarray
    cells: np.ndarray
    objects: list[Crop]
    used: list[int]


def is_dark(image):
    """Whether an image is one of fluorescence: grey, with a dark ground."""
    spread = image.max(axis=2).astype(int) - image.min(axis=2)
    return spread.mean() <= COLORED and np.median(image) < BRIGHT


def exposed(image, crops):
    """An image as if taken with the others: its ground black, its objects at LIGHT."""
    grey = np.maximum(image.astype(float) - np.percentile(image, GROUND), 0)
    objects = [crop.of(grey)[crop.mask].ravel() for crop in crops]
    light = np.median(np.concatenate([*objects, [1.0]]))
    return np.clip(np.rint(grey * (LIGHT / max(light, 1))), 0, 255).astype(np.uint8)


def places(sizes, side):
    """Yields (index, y, x) of sizes (height, width) on shelves in a square."""
    shelves, top = [], 0  # [top, height, first free x]
    for i, (height, width) in enumerate(sizes):
        fits = (s for s in shelves if s[1] >= height and s[2] + width <= side)
        shelf = next(fits, None)
        if shelf is None:
            if top + height > side or width > side:
                continue
            shelf = [top, height, 0]
            shelves.append(shelf)
            top += height
        yield i, shelf[0], shelf[2]
        shelf[2] += width


def make_scene(pictures, side):
    """The Scene of pictures [(image, Crops)], each eight times at most."""
    pictures = [*pictures, *map(transposed, pictures)]
    image, cells, objects, used = np.zeros((side, side, 3), np.uint8), [], [], []
    order = sorted(range(len(pictures)), key=lambda i: -pictures[i][0].shape[0])
    # Turned over in another way each time, so that no two are alike.
    flips = [(i, axes) for axes in ((), (0,), (1,), (0, 1)) for i in order]
    sizes = [np.add(pictures[i][0].shape[:2], 2 * MARGIN).tolist() for i, _ in flips]
    for k, top, left in places(sizes, side):
        i, axes = flips[k]
        picture, crops = pictures[i]
        (height, width), (y, x) = picture.shape[:2], (top + MARGIN, left + MARGIN)
        image[y : y + height, x : x + width] = np.flip(exposed(*pictures[i]), axes)
        cells.append((top, left, y + height + MARGIN, x + width + MARGIN))
        used.append(i % (len(pictures) // 2))
        for crop in crops:
            y1, x1, y2, x2 = crop.box
            down = height - y2 if 0 in axes else y1
            right = width - x2 if 1 in axes else x1
            objects.append(crop_at(y + down, x + right, np.flip(crop.mask, axes)))
    return Scene(image, np.array(cells, int), objects, used)


def transposed(picture):
    """A picture (image, Crops) with rows for columns."""
    image, crops = picture
    turned = [crop_at(c.box[1], c.box[0], c.mask.T) for c in crops]
    return image.swapaxes(0, 1), turned


def crop_at(y1, x1, mask):
    """The Crop of a mask whose first pixel is (y1, x1)."""
    return Crop((y1, x1, y1 + mask.shape[0], x1 + mask.shape[1]), mask)


class TrueDetector:
    """Finds exactly what an image shows of each true mask.

    Its images hold the number of each pixel in the scene, so it knows where they lie.
    """

    def __init__(self, objects, width):
        self.config = SimpleNamespace(BATCH_SIZE=1)
        self.objects, self.width = objects, width
        self.boxes = crop_boxes(objects)

    def detect(self, images, masks):
        """The dicts of `MaskRCNN.detect(masks="crop")`."""
        return [self.detect_one(image) for image in images]

    def detect_one(self, image):
        y, x = divmod(int(image[0, 0]), self.width)
        frame = np.array((y, x, y + image.shape[0], x + image.shape[1]))
        low = np.maximum(self.boxes[:, :2], frame[:2])
        high = np.minimum(self.boxes[:, 2:], frame[2:])
        boxes, masks = [], []
        for i in np.flatnonzero(np.all(low < high, axis=1)):
            crop = self.objects[i]
            rows, columns = (
                slice(low[i, k] - crop.box[k], high[i, k] - crop.box[k]) for k in (0, 1)
            )
            part = crop.mask[rows, columns]
            if part.any():
                ys, xs = (np.flatnonzero(part.any(axis=k)) for k in (1, 0))
                tight = np.array((ys[0], xs[0], ys[-1] + 1, xs[-1] + 1))
                masks.append(part[tight[0] : tight[2], tight[1] : tight[3]])
                boxes.append(tight + np.tile(low[i] - frame[:2], 2))
        return {
            "rois": np.array(boxes, np.int32).reshape(-1, 4),
            "class_ids": np.ones(len(boxes), np.int32),
            "scores": np.ones(len(boxes), np.float32),
            "masks": masks,
        }


class Listening:
    """A detector that keeps what it has found."""

    def __init__(self, model):
        self.model, self.config, self.results = model, model.config, []

    def detect(self, images, masks):
        """The dicts of the model, which are kept."""
        found = self.model.detect(images, masks=masks)
        self.results += found
        return found


def moved(results, frames):
    """(Crops in the scene, scores) of results in frames of it."""
    crops, scores = [], []
    for result, (top, left, *_) in zip(results, frames, strict=True):
        for (y, x, *_), mask in zip(result["rois"], result["masks"], strict=True):
            crops.append(crop_at(int(y + top), int(x + left), mask))
        scores.append(result["scores"])
    return crops, np.concatenate([*scores, np.zeros(0)])


def right(crops, scores, objects):
    """How many detections take an object of their own: the surest first."""
    overlaps = crop_overlaps(crops, objects)
    free, count = np.ones(len(objects), bool), 0
    for i in np.argsort(-scores, kind="stable"):
        row = np.where(free, overlaps[i], 0)
        if row.max(initial=0) >= SAME_IOU:
            free[row.argmax()] = False
            count += 1
    return count


class Table:
    """Prints rows of what was found in a scene."""

    def __init__(self, objects):
        self.objects = objects
        print(f"{'':30}{'count':>7}{'':11}{'right':>7}{'recall':>8}{'precision':>11}")
        print(f"{'true masks':30}{len(objects):7d}")

    def row(self, name, crops, scores, basis=None, note=""):
        """Prints one, in percent of another count where that is given."""
        count, hits = len(crops), right(crops, scores, self.objects)
        change = "" if basis is None else f"{100 * (count / max(basis, 1) - 1):+.2f} %"
        recall, precision = hits / max(len(self.objects), 1), hits / max(count, 1)
        print(
            f"{name:30}{count:7d}{change:>11}{hits:7d}{recall:8.3f}{precision:11.3f}"
            f"  {note}".rstrip(),
            flush=True,
        )


def overlap_map(tiles, side):
    """bool [side, side]: where two tiles or more see the image."""
    seen = np.zeros((side, side), np.uint8)
    for y1, x1, y2, x2 in tiles:
        seen[y1:y2, x1:x2] += 1
    return seen > 1


def middles_on(place, crops):
    """bool [N]: whether the middle of each Crop lies on a map."""
    boxes = crop_boxes(crops)
    ys, xs = ((boxes[:, :2] + boxes[:, 2:]) // 2).T
    return place[ys, xs]


def add_rows(table, scene, detector, image, side, overlap, by_hand):
    """Prints the rows of tiles of one size; the first is what `detect_tiled` gives.

    Args:
        table: a Table of all objects.
        scene: the Scene.
        detector: what detects in tiles.
        image: the scene's, as the detector takes it.
        side: of a tile, px.
        overlap: px.
        by_hand: (Crops, scores) to compare with.
    """
    heard, start = Listening(detector), time.monotonic()
    found = detect_tiled(heard, image, side, overlap)
    seconds = time.monotonic() - start
    tiles = tile_boxes(*image.shape[:2], side, overlap)
    crops = mask_crops(found["masks"], found["rois"], image.shape, "tiles")
    note = f"{len(tiles)} tiles, {seconds:.0f} s, {len(found['full_tiles'])} full"
    count = len(by_hand[0])
    table.row(f"tiles of {side} px", crops, found["scores"], count, note)
    place = overlap_map(tiles, len(image))
    for name, there in (("where tiles overlap", place), ("elsewhere", ~place)):
        mine, hand, true = (
            middles_on(there, some) for some in (crops, by_hand[0], scene.objects)
        )
        print(
            f"  {name:28}{mine.sum():7d}"
            f"{100 * (mine.sum() / max(hand.sum(), 1) - 1):+9.2f} %"
            f"  of {hand.sum()} by hand, {true.sum()} true"
        )
    crops, scores = moved(heard.results, tiles)
    table.row("  not merged", crops, scores, count)
    kept = non_max_suppression(crop_boxes(crops), scores, NMS_IOU)
    kept_crops = [crops[i] for i in kept]
    table.row("  suppressed by boxes", kept_crops, scores[kept], count)


def open_pictures(folder, subset):
    """A data set; that of the Data Science Bowl 2018 is split as in its sample."""
    if subset in ("train", "val") and (folder / TRAIN_FOLDER).is_dir():
        return make_dataset(folder, subset)
    return open_dataset(folder, subset)


def dark_pictures(dataset, largest):
    """Yields (name, image, Crops of the true masks) of images that are used."""
    for i in dataset.image_ids:
        image = dataset.load_image(i)
        height, width = image.shape[:2]
        if not LEAST_SIDE <= min(height, width) <= max(height, width) <= largest:
            continue
        if is_dark(image):
            name = str(dataset.image_info[i]["id"])[:8]
            yield f"{name} ({width} x {height})", image, dataset.objects(i).crops


def main(argv=None):
    """Print the counts for a few sizes of tiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--weights", default="nucleus", help=weights.WEIGHTS_HELP)
    add("--logs", type=Path, default=Path("logs"))
    add("--data", type=Path, required=True)
    add("--subset")
    add("--side", type=int, default=3000, help="of the image, px")
    text = "px, longest side of images that are used; best about that of tiles"
    add("--largest", type=int, default=384, help=text)
    add("--tiles", type=int, nargs="+", default=[256, 384, 512], help="sides, px")
    add("--overlap", type=int, default=64, help="px")
    add("--save", type=Path, metavar="FILE", help="write the image to look at")
    add("--set", dest="settings", action="append", default=[], help="NAME=VALUE")
    args = parser.parse_args(argv)

    dataset = open_pictures(args.data, args.subset)
    pictures = list(dark_pictures(dataset, args.largest))
    scene = make_scene([picture[1:] for picture in pictures], args.side)
    if not len(scene.cells):
        parser.error(f"--side {args.side}: no dark image of {LEAST_SIDE} px fits")
    if args.save is not None:
        from PIL import Image

        Image.fromarray(scene.image).save(args.save)
    found = weights.find_weights(args.weights, args.logs)
    setup = weights.inference_setup(found, settings=args.settings)
    model = weights.load_model(setup, args.logs)
    used = [f"{scene.used.count(i)} x {pictures[i][0]}" for i in set(scene.used)]
    print(f"{args.side} x {args.side} px: {', '.join(used)}\n")

    table = Table(scene.objects)
    cells = [scene.image[y1:y2, x1:x2] for y1, x1, y2, x2 in scene.cells]
    by_hand = moved(detect_all(model, cells), scene.cells)
    count = len(by_hand[0])
    table.row("cut by hand", *by_hand, note=f"{len(cells)} cells")
    wider = [np.pad(cell, [(MORE, MORE), (MORE, MORE), (0, 0)]) for cell in cells]
    results = detect_all(model, wider)
    table.row("  with more black", *moved(results, scene.cells - MORE), count)
    for side in args.tiles:
        add_rows(table, scene, model, scene.image, side, args.overlap, by_hand)

    print("\nTrue masks, cut by the tiles:")
    table = Table(scene.objects)
    true = scene.objects, np.ones(len(scene.objects))
    detector = TrueDetector(scene.objects, args.side)
    numbers = np.arange(args.side**2).reshape(args.side, args.side)
    for side in args.tiles:
        add_rows(table, scene, detector, numbers, side, args.overlap, true)
    return 0


def detect_all(model, images):
    """The result of each image, one by one."""
    return [
        model.detect([image], masks="crop")[0] for image in tqdm(images, leave=False)
    ]


if __name__ == "__main__":
    raise SystemExit(main())
