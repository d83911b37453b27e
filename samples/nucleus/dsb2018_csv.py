"""Masks as the Data Science Bowl 2018 takes them: run lengths in a csv file.

Source: the competition's page, Evaluation: pixels are counted from 1, down the columns;
one line a nucleus; masks of one image don't overlap.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

HEADER = "ImageId,EncodedPixels"
"""First line of a submission."""


def rle_encode(mask: np.ndarray) -> str:
    """Run lengths of a mask: "start length start length ...".

    Law: `rle_decode(rle_encode(mask), mask.shape)` equals the mask.

    Args:
        mask: bool [H, W].

    Returns:
        The text, empty for a mask without a pixel.

    Raises:
        ValueError: the mask has another number of axes.

    Example:
        >>> rle_encode(np.array([[0, 1, 1], [1, 1, 0]]))
        '2 4'
    """
    mask = np.asarray(mask)
    if mask.ndim != 2:
        raise ValueError(
            f"rle_encode(mask): expected bool [H, W], received shape {mask.shape}; "
            "encode a stack mask by mask."
        )
    pixels = np.pad(mask.T.ravel() != 0, 1)
    runs = (np.flatnonzero(pixels[1:] != pixels[:-1]) + 1).reshape(-1, 2)
    runs[:, 1] -= runs[:, 0]
    return " ".join(str(number) for number in runs.ravel())


def rle_decode(rle: str, shape: Sequence[int]) -> np.ndarray:
    """The mask that run lengths describe: bool [H, W].

    Args:
        rle: as `rle_encode` writes them.
        shape: (height, width) of the image, px.

    Raises:
        ValueError: they are no pairs of whole numbers, or leave the image.

    Example:
        >>> rle_decode("2 4", (2, 3)).astype(int).tolist()
        [[0, 1, 1], [1, 1, 0]]
    """
    height, width = shape[:2]
    try:
        starts, lengths = np.array(rle.split(), dtype=np.int64).reshape(-1, 2).T
    except ValueError as error:
        raise ValueError(
            f"rle_decode(rle={rle[:40]!r}): not pairs of whole numbers; give "
            '"start length start length ...".'
        ) from error
    mask = np.zeros(height * width, bool)
    ends = starts + lengths - 1
    if np.any(starts < 1) or np.any(lengths < 0) or np.any(ends > mask.size):
        raise ValueError(
            f"rle_decode(rle={rle[:40]!r}, shape={tuple(shape)}): a run leaves the "
            f"image, whose pixels are 1 to {mask.size}; give the image's own shape."
        )
    for start, length in zip(starts - 1, lengths, strict=True):
        mask[start : start + length] = True
    return mask.reshape(width, height).T


def mask_to_rle(image_id: str, mask: np.ndarray, scores: np.ndarray) -> str:
    """The lines of a submission for one image: "id,start length ..." a nucleus.

    A pixel of several nuclei goes to the surest of them; a nucleus that has none left
    is left out. An image without any gets the line "id,".

    Args:
        image_id: the competition's id.
        mask: bool [H, W, N].
        scores: float [N], probability.

    Raises:
        ValueError: there are not as many scores as masks.

    Example:
        >>> print(mask_to_rle("a", np.ones([1, 3, 2], bool), np.array([0.5, 0.9])))
        a,1 3
    """
    mask, scores = np.asarray(mask), np.asarray(scores)
    if mask.ndim != 3 or scores.shape != mask.shape[2:]:
        raise ValueError(
            f"mask_to_rle(image_id={image_id!r}): masks have the shape {mask.shape}, "
            f"scores {scores.shape}; give bool [H, W, N] and [N]."
        )
    lines, free = [], np.ones(mask.shape[:2], bool)
    for i in np.argsort(-scores, kind="stable"):
        own = (mask[:, :, i] != 0) & free
        free &= ~own
        if own.any():
            lines.append(f"{image_id},{rle_encode(own)}")
    return "\n".join(lines or [f"{image_id},"])
