"""Count objects in a large image in tiles, and in the same image cut without seams.

    python benchmarks/tiles.py --weights nucleus --data nucleus --subset val

Pictures of a data set are laid out as one image of about 3000 x 3000 px, each in a cell
with a plain margin: no object crosses the border of a cell. Cut along the cells, each
object is seen whole, once. Tiles cut anywhere; the two counts should be the same.
"""

from __future__ import annotations

import argparse
import time
from pathlib import Path

import numpy as np
from tqdm import tqdm

from mrcnn.cli import weights
from mrcnn.data.formats import open_dataset
from mrcnn.engine.tiling import detect_tiled

MARGIN = 8  # px, on each side of a picture


def mosaic(images, side, cell):
    """An image [side, side, 3] of cells, each with a picture or the middle of one."""
    count = side // cell
    large = np.zeros((count * cell, count * cell, 3), np.uint8)
    inner = cell - 2 * MARGIN
    for i in range(count**2):
        picture = images[i % len(images)]
        # Another turn each time round: no two cells are alike.
        picture = np.rot90(picture[:inner, :inner], i // len(images))
        y, x = cell * (i // count), cell * (i % count)
        large[y : y + cell, x : x + cell] = np.median(picture, axis=(0, 1))
        height, width = picture.shape[:2]
        large[y + MARGIN :, x + MARGIN :][:height, :width] = picture
    return large


def main(argv=None):
    """Print both counts for a few sizes of tiles."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--weights", default="nucleus", help=weights.WEIGHTS_HELP)
    add("--logs", type=Path, default=Path("logs"))
    add("--data", type=Path, required=True)
    add("--subset")
    add("--side", type=int, default=3000, help="of the image, px")
    add("--cell", type=int, default=272, help="px; pictures are cut to 16 less")
    add("--tiles", type=int, nargs="+", default=[256, 384], help="sides, px")
    add("--overlap", type=int, default=64, help="px")
    add("--set", dest="settings", action="append", default=[])
    args = parser.parse_args(argv)

    dataset = open_dataset(args.data, args.subset)
    inner = args.cell - 2 * MARGIN
    images = [dataset.load_image(i) for i in dataset.image_ids]
    images = [image for image in images if min(image.shape[:2]) >= inner]
    if not images:
        parser.error(f"--cell {args.cell}: no picture is that large")
    found = weights.find_weights(args.weights, args.logs)
    setup = weights.inference_setup(found, settings=args.settings)
    model = weights.load_model(setup, args.logs)

    large = mosaic(images, args.side, args.cell)
    starts = range(0, large.shape[0], args.cell)
    cells = [
        large[y : y + args.cell, x : x + args.cell] for y in starts for x in starts
    ]
    whole = sum(
        len(model.detect([cell], masks=None)[0]["rois"]) for cell in tqdm(cells)
    )
    print(f"{large.shape[0]} x {large.shape[1]} px of {len(images)} pictures")
    print(f"{whole} objects in {len(cells)} cells without seams")
    for side in args.tiles:
        start = time.monotonic()
        result = detect_tiled(model, large, side, args.overlap)
        seconds, count = time.monotonic() - start, len(result["rois"])
        print(
            f"{count} objects in tiles of {side} px, {args.overlap} px overlap: "
            f"{100 * (count / max(whole, 1) - 1):+.2f} %, {seconds:.0f} s, "
            f"{len(result['full_tiles'])} tiles full"
        )
    return 0


if __name__ == "__main__":
    raise SystemExit(main())
