"""Boxes checked, and masks in every form that `detect` returns cut to them.

Drawing and comparing need only the part of a mask that lies in its box: hundreds of
instances then cost their areas, not the area of the image times their number.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from mrcnn.geometry.arguments import as_list, as_numbers, as_rows, count_items
from mrcnn.geometry.boxes import as_boxes
from mrcnn.geometry.crops import Crop, part_in


def mask_crops(
    masks: Any, boxes: np.ndarray, image_shape: tuple[int, ...], where: str
) -> list[Crop]:
    """Returns the part of each mask that lies in its box and in the image.

    Args:
        masks: "full": bool or number [H, W, N]; "crop": N arrays bool [y2 - y1,
            x2 - x1]; "rle": N COCO run-length dicts, compressed or not; or None: the
            whole boxes.
        boxes: [N, (y1, x1, y2, x2)], px; parts outside the image are cut off.
        image_shape: (H, W, ...), px.
        where: name of the function that was called, for errors.

    Returns:
        N crops; those of boxes outside the image have no pixel.

    Raises:
        ValueError: masks that don't fit the boxes or the image.
    """
    boxes = np.asarray(boxes, np.float64).reshape(-1, 4)
    shape = tuple(int(side) for side in image_shape[:2])
    if masks is None:
        masks = np.broadcast_to(True, (*shape, len(boxes)))
    if not isinstance(masks, list | tuple):
        masks = checked_stack(masks, (*shape, len(boxes)), f"{where}(masks)")
        masks = [Crop((0, 0, *shape), masks[..., i]) for i in range(len(boxes))]
    else:
        check_counts(where, len(boxes), masks=masks)
        masks = [
            _of_list(mask, box, shape, f"{where}(masks[{i}])")
            for i, (mask, box) in enumerate(zip(masks, boxes, strict=True))
        ]
    crops = []
    for crop, box in zip(masks, boxes, strict=True):
        low = np.clip(np.maximum(np.floor(box[:2]), crop.box[:2]), 0, shape)
        high = np.clip(np.minimum(np.ceil(box[2:]), crop.box[2:]), low, shape)
        inside = tuple(np.concatenate([low, high]).astype(int).tolist())
        crops.append(Crop(inside, part_in(crop, inside) != 0))
    return crops


def checked_boxes(where: str, boxes: Any, **columns: Sequence | None) -> np.ndarray:
    """Returns boxes as an array [N, 4].

    Raises:
        ValueError: a box isn't finite, or the other arguments don't fit: see
            `check_counts`.
    """
    boxes = as_boxes(boxes, f"{where}(boxes)", dtype=None).reshape(-1, 4)
    is_finite = np.isfinite(boxes).all(axis=1)
    if not is_finite.all():
        raise ValueError(
            f"{where}(boxes): box {int(np.argmin(is_finite))} isn't finite; leave it "
            "out."
        )
    check_counts(where, len(boxes), **columns)
    return boxes


def image_shape_of(image: Any, where: str) -> tuple[int, ...]:
    """Returns the shape of an image, (H, W) or (H, W, channels), or raises."""
    shape = as_numbers(image, f"{where}(image)").shape
    if len(shape) not in (2, 3):
        raise ValueError(
            f"{where}(image): expected [H, W] or [H, W, channels], received shape "
            f"{shape}; give one image without a batch axis."
        )
    return shape


def check_counts(where: str, count: int, **columns: Sequence | None) -> None:
    """Raises ValueError unless each argument is None or has one entry for each box."""
    for name, values in columns.items():
        if values is None:
            continue
        given = count_items(values, f"{where}({name})")
        if given != count:
            raise ValueError(
                f"{where}({name}): {given} for {count} boxes; give one a box."
            )


def checked_stack(masks: Any, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Returns masks as an array of this shape, (H, W, N), or raises ValueError."""
    masks = as_numbers(masks, where)
    # The masks of an image without objects come in any size.
    if masks.shape != shape and (shape[2] or masks.size):
        raise ValueError(
            f"{where}: shape {masks.shape}, expected bool [H, W, N] = {shape}; give "
            "one mask an object, in the size of the image (expand mini masks)."
        )
    return masks


def _of_list(mask: Any, box: np.ndarray, shape: tuple[int, ...], where: str) -> Crop:
    """Returns the crop of run lengths, or of a mask in the size of its box."""
    if isinstance(mask, dict):
        return Crop((0, 0, *shape), _decode(mask, shape, where))
    mask, (y1, x1, y2, x2) = as_numbers(mask, where), np.rint(box).astype(int).tolist()
    if mask.shape != (max(y2 - y1, 0), max(x2 - x1, 0)):
        raise ValueError(
            f"{where}: shape {mask.shape} in a list, expected the size of its box "
            f"{(y2 - y1, x2 - x1)}; give masks as detect() does, in one array "
            "[H, W, N], cut to their boxes, or as run lengths."
        )
    return Crop((y1, x1, y2, x2), mask)


def _decode(rle: dict, shape: tuple[int, ...], where: str) -> np.ndarray:
    """Returns the mask [H, W] of COCO's run lengths."""
    from pycocotools import mask as mask_utils

    (rle,) = as_rows([rle], where, "size", "counts")
    if as_list(rle["size"], f"{where}: size") != list(shape):
        raise ValueError(
            f"{where}: run lengths of size {rle['size']}, expected those of the "
            f"image {list(shape)}; detect in the same image that is shown."
        )
    if isinstance(rle["counts"], list):
        rle = mask_utils.frPyObjects(rle, *shape)
    return mask_utils.decode(rle)
