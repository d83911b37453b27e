"""Draw the image of the README with the model that comes with the package.

    python docs/make_pictures.py

writes docs/pictures/nuclei.png: the four example images, the nuclei found in them
outlined and tinted. `--weights FILE` takes other weights of the same network.
"""

from __future__ import annotations

import argparse
import sys
from collections.abc import Sequence
from pathlib import Path

import numpy as np
from PIL import Image

WIDTH, GAP = 1000, 6  # px
# Which example stands where: image ids by row, chosen for rows of one height.
ROWS = ((0, 2), (1, 3))


def main(argv: Sequence[str] | None = None) -> int:
    """Detects, draws and saves; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("--output", type=Path, default=Path(__file__).parent / "pictures")
    add("--weights", type=Path, help="instead of those of the package")
    args = parser.parse_args(argv)

    from mrcnn import pretrained

    _, model = pretrained.nucleus()
    if args.weights:
        model.load_weights(args.weights)
    examples = pretrained.nucleus_examples()
    images = [examples.load_image(i) for i in examples.image_ids]
    found = [model.detect([image], masks="crop")[0] for image in images]
    args.output.mkdir(parents=True, exist_ok=True)
    path = args.output / "nuclei.png"
    Image.fromarray(mosaic(images, found)).save(path, optimize=True)
    counts = ", ".join(str(len(one["scores"])) for one in found)
    print(f"{path}: {counts} nuclei, {path.stat().st_size / 1000:.0f} kB")
    return 0


def mosaic(images: Sequence[np.ndarray], found: Sequence[dict]) -> np.ndarray:
    """Returns the images in rows of one width: uint8 [H, W, 3].

    Args:
        images: uint8 [H, W, 3] each.
        found: what was detected in each, as of `detect(masks="crop")`.
    """
    rows = []
    for row in ROWS:
        sides = [images[i].shape[:2] for i in row]
        free = WIDTH - GAP * (len(row) - 1)
        height = round(free / sum(width / height for height, width in sides))
        drawn = [fitted(images[i], found[i], height) for i in row]
        # Rounded widths may miss the row's by a pixel or two: the last one gives way.
        used = sum(picture.shape[1] for picture in drawn[:-1]) + GAP * (len(row) - 1)
        drawn[-1] = fitted(images[row[-1]], found[row[-1]], height, WIDTH - used)
        rows.append(joined(drawn, axis=1))
    return joined(rows, axis=0)


def fitted(image: np.ndarray, found: dict, height: int, width: int | None = None):
    """Returns an image with its nuclei outlined, `height` px high: uint8 [h, w, 3]."""
    from mrcnn.visualize import draw_instances

    count = len(found["rois"])
    picture = draw_instances(
        image,
        found["rois"],
        found["masks"],
        found["class_ids"],
        ["BG", "nucleus"],
        captions=[None] * count,
        show_bbox=False,
        alpha=0.25,
        scale=2,
    )
    width = width or round(height * image.shape[1] / image.shape[0])
    resized = Image.fromarray(picture).resize((width, height), Image.Resampling.LANCZOS)
    return np.asarray(resized)


def joined(pictures: Sequence[np.ndarray], axis: int) -> np.ndarray:
    """Returns images side by side (axis 1) or one below the other, white between."""
    shape = list(pictures[0].shape)
    shape[axis] = GAP
    gap = np.full(shape, 255, np.uint8)
    parts = [part for picture in pictures for part in (gap, picture)]
    return np.concatenate(parts[1:], axis=axis)


if __name__ == "__main__":
    sys.exit(main())
