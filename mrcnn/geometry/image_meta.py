"""image_meta: sizes, window, scale and classes of an image as one row of numbers.

Layout: image_id 1, original_image_shape 3, image_shape 3, window 4, scale 1,
active_class_ids C.
"""

from __future__ import annotations

import math

import numpy as np

from mrcnn.geometry.arguments import as_numbers

# Where each part lies on the last axis.
_PARTS = {
    "image_id": 0,
    "original_image_shape": slice(1, 4),
    "image_shape": slice(4, 7),
    "window": slice(7, 11),
    "scale": 11,
    "active_class_ids": slice(12, None),
}
_SHAPES = {"original_image_shape": (3,), "image_shape": (3,), "window": (4,)}
_SHAPES |= {"image_id": (), "scale": ()}
META_SIZE = 12  # without the classes


def compose_image_meta(
    image_id, original_image_shape, image_shape, window, scale, active_class_ids
) -> np.ndarray:
    """Returns the attributes of an image as one row.

    Law: `parse_image_meta` gives back what went in.

    Args:
        image_id: int, index of the image in its data set.
        original_image_shape: (height, width, channels) of the file's image.
        image_shape: (height, width, channels) of the model image.
        window: (y1, x1, y2, x2), px: the model image without its padding.
        scale: factor from the original to the model image.
        active_class_ids: [C], 1 for the classes that the image's source annotates.

    Returns:
        float32 [12 + C].

    Raises:
        ValueError: if a part has the wrong length.

    >>> compose_image_meta(
    ...     7, (40, 30, 3), (64, 64, 3), (12, 17, 52, 47), 1.0, [1, 1]
    ... ).astype(int).tolist()
    [7, 40, 30, 3, 64, 64, 3, 12, 17, 52, 47, 1, 1, 1]
    """
    parts = {
        "image_id": image_id,
        "original_image_shape": original_image_shape,
        "image_shape": image_shape,
        "window": window,
        "scale": scale,
        "active_class_ids": active_class_ids,
    }
    rows = {
        name: as_numbers(part, f"compose_image_meta({name})", np.float32)
        for name, part in parts.items()
    }
    for name, shape in _SHAPES.items():
        if rows[name].shape != shape:
            raise ValueError(
                f"compose_image_meta({name}={parts[name]}): {math.prod(shape)} numbers "
                "are needed."
            )
    return np.concatenate([row.ravel() for row in rows.values()])


def parse_image_meta(meta) -> dict[str, np.ndarray]:
    """Returns the parts of image_meta rows by name.

    Args:
        meta: [..., 12 + C]; a batch or one row.

    Returns:
        dict of image_id int32 [...], original_image_shape int32 [..., 3], image_shape
        int32 [..., 3], window int32 [..., (y1, x1, y2, x2)] px, scale float32 [...],
        active_class_ids int32 [..., C].

    Raises:
        ValueError: if the rows are too short.

    >>> meta = compose_image_meta(
    ...     7, (40, 30, 3), (64, 64, 3), (12, 17, 52, 47), 1.0, [1, 1]
    ... )
    >>> parse_image_meta(meta)["window"].tolist()
    [12, 17, 52, 47]
    """
    meta = as_numbers(meta, "parse_image_meta(meta)")
    if meta.ndim == 0 or meta.shape[-1] < META_SIZE:
        raise ValueError(
            f"parse_image_meta(meta): {META_SIZE} numbers and the classes are needed "
            f"on the last axis; received shape {meta.shape}."
        )
    return {
        name: meta[..., part].astype(np.float32 if name == "scale" else np.int32)
        for name, part in _PARTS.items()
    }


def parse_image_meta_tensor(meta) -> dict:
    """Tensor twin of `parse_image_meta`; all parts keep the dtype of `meta`."""
    return {name: meta[..., part] for name, part in _PARTS.items()}
