"""Detects in images far larger than the network's input: in tiles that overlap.

The rules that make one object of its views in several tiles are in `tile_merging`.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from mrcnn.config_checks import most_detections
from mrcnn.engine.detection.molding import is_one_image, tiled_image
from mrcnn.engine.detection.run_detection import check_form, masks_in_form
from mrcnn.engine.detection.tile_merging import merge_tiles
from mrcnn.geometry.crops import Crop

# Overlap of tiles, part of their side, unless it is given.
DEFAULT_OVERLAP = 1 / 4


def tile_boxes(height: int, width: int, side: int, overlap: int) -> np.ndarray:
    """Returns tiles that cover an image: int32 [T, (y1, x1, y2, x2)], px.

    All have `side` x `side` pixels, or the length of the image where that is shorter.
    They are spread evenly; neighbors share `overlap` px or more.

    Args:
        height: of the image, px.
        width: of the image, px.
        side: of a tile, px.
        overlap: px that neighbors share at least.

    Raises:
        ValueError: the overlap isn't from 0 to half of the side, or a side is below 1.

    Example:
        >>> tile_boxes(5, 10, 6, 2).tolist()
        [[0, 0, 5, 6], [0, 4, 5, 10]]
    """
    if side < 1 or height < 1 or width < 1:
        raise ValueError(
            f"tile_boxes(height={height}, width={width}, side={side}): sides are 1 px "
            "or more."
        )
    if not 0 <= overlap <= side // 2:
        raise ValueError(
            f"tile_boxes(side={side}, overlap={overlap}): neighbors may share from 0 "
            f"to {side // 2} px, half of a side; make the tiles larger or the overlap "
            "smaller."
        )
    rows, columns = (_starts(length, side, overlap) for length in (height, width))
    return np.array(
        [
            (y, x, min(y + side, height), min(x + side, width))
            for y in rows
            for x in columns
        ],
        np.int32,
    )


def _starts(length: int, side: int, overlap: int) -> list[int]:
    """Returns the first pixels of the tiles along one side of the image."""
    if length <= side:
        return [0]
    count = math.ceil((length - overlap) / (side - overlap))
    return np.rint(np.linspace(0, length - side, count)).astype(int).tolist()


def detect_in_tiles(
    model: Any,
    images,
    form: str | None,
    side: int,
    overlap: int | None,
    on_tiles: Callable[[int, int], None] | None,
    min_confidence: float | None = None,
) -> list[dict[str, Any]]:
    """Returns one result dict per image; see `MaskRCNN.detect` with `tile`."""
    check_form(form)
    results = []
    options = {"on_tiles": on_tiles, "min_confidence": min_confidence}
    for image in [images] if is_one_image(images) else images:
        image = tiled_image(image, model.config)
        found = detect_tiled(model, image, side, overlap, **options)
        rows = zip(found["rois"].tolist(), found["masks"], strict=True)
        crops = [Crop(tuple(box), mask) for box, mask in rows]
        found["masks"] = masks_in_form(crops, image.shape, form)
        results.append(found)
    return results


def detect_tiled(
    model: Any,
    image: np.ndarray,
    side: int,
    overlap: int | None = None,
    *,
    on_tiles: Callable[[int, int], None] | None = None,
    min_confidence: float | None = None,
) -> dict[str, Any]:
    """Returns the objects of a large image, each once, from tiles that overlap.

    `MaskRCNN.detect(images, tile=side)` calls it for each image. Each tile goes through
    the model as an image of its own: it is resized as the Config says, so choose `side`
    such that objects come out as large as those the model was trained on.
    DETECTION_MAX_INSTANCES and POST_NMS_ROIS_INFERENCE hold for each tile.

    Args:
        model: a MaskRCNN made for inference; or whatever has `detect(images,
            masks="crop")`.
        image: [H, W] or [H, W, channels], as `MaskRCNN.detect` takes it.
        side: of a tile, px.
        overlap: px that neighbors share at least; None for a quarter of `side`. Best
            larger than the objects: larger ones are put together from parts, and below
            2 * `tile_merging.edge_width(side)` objects on seams are counted twice.
        on_tiles: called with (tiles done, tiles in all) after each batch.
        min_confidence: least score, probability; None for that of the model.

    Returns:
        A dict as of `MaskRCNN.detect(masks="crop")`: rois int32 [n, (y1, x1, y2,
        x2)], px; class_ids int32 [n]; scores float32 [n], falling; masks, a list of
        bool [y2 - y1, x2 - x1]. And full_tiles int32 [k, 4], px: tiles with as many
        detections as the model gives at most, where more may have been.

    Raises:
        ValueError: see `tile_boxes`.
    """
    height, width = np.shape(image)[:2]
    overlap = int(side * DEFAULT_OVERLAP) if overlap is None else overlap
    tiles = tile_boxes(height, width, side, overlap)
    config = getattr(model, "config", None)
    size = max(int(getattr(config, "BATCH_SIZE", 1)), 1)
    results: list[dict] = []
    chosen = {} if min_confidence is None else {"min_confidence": min_confidence}
    for start in range(0, len(tiles), size):
        parts = [image[y1:y2, x1:x2] for y1, x1, y2, x2 in tiles[start : start + size]]
        results += model.detect(parts, masks="crop", **chosen)
        if on_tiles is not None:
            on_tiles(len(results), len(tiles))
    found = merge_tiles(results, tiles, (height, width))
    limit = most_detections(config)
    is_full = [len(result["rois"]) >= limit for result in results]
    found["full_tiles"] = tiles[np.array(is_full, bool)]
    return found
