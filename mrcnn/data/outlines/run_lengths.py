"""Decodes the run lengths of COCO: the box of an object, and its mask there.

pycocotools decodes a whole image at a time, and crashes on some damaged counts. Here
the counts are checked first, and only the columns of the object are decoded.
"""

from __future__ import annotations

import numpy as np

from mrcnn.geometry.arguments import as_numbers
from mrcnn.geometry.crops import Box

# The compressed form (maskApi.c of cocoapi): a number is some characters from 48 on, of
# five bits each, the lowest first. Bit 5 means that more characters follow; bit 4 of
# the last one, that the number is negative. From the third number on each is the
# difference to the one two before.
_FIRST_CHARACTER = 48
_VALUE_BITS = 5
_MORE = 0x20
_NEGATIVE = 0x10
MAX_CHARACTERS = 12  # of a number, 60 bits: more pixels than any image has


def read_counts(counts) -> np.ndarray:
    """Returns the lengths of the runs, background first: int64 [K].

    Args:
        counts: compressed (str or bytes), or the lengths themselves.

    Raises:
        ValueError: the counts end within a number, have other characters, or a run is
            negative.
    """
    if isinstance(counts, str | bytes):
        runs = _decompress(counts)
    else:
        runs = as_numbers(counts, "read_counts(counts): run lengths")
        if runs.ndim != 1 or (runs.size and runs.dtype.kind not in "iu"):
            raise ValueError(
                f"read_counts(counts): run lengths are whole numbers in one list; "
                f"received {runs.dtype} {runs.shape}."
            )
        runs = runs.astype(np.int64)
    if runs.size and runs.min() < 0:
        raise ValueError(
            f"read_counts(counts): a run is {runs.min()} px long; the counts are "
            "damaged."
        )
    return runs


def runs_box(runs: np.ndarray, height: int) -> Box:
    """Returns the tight box (y1, x1, y2, x2) of a mask, zeros without a pixel.

    Args:
        runs: int [K], as `read_counts` gives them, column by column.
        height: of the image, px.
    """
    ends = np.cumsum(runs)
    starts, ends = (ends - runs)[1::2], ends[1::2]
    has_pixels = starts < ends
    starts, last = starts[has_pixels], ends[has_pixels] - 1
    if not len(starts):
        return 0, 0, 0, 0
    first_column, last_column = int(starts[0]) // height, int(last[-1]) // height
    # A run over several columns has the bottom of its first and the top of its last.
    if (starts // height != last // height).any():
        return 0, first_column, height, last_column + 1
    top, bottom = int((starts % height).min()), int((last % height).max())
    return top, first_column, bottom + 1, last_column + 1


def draw_runs(runs: np.ndarray, height: int, box) -> np.ndarray:
    """Returns what a mask has inside a box: bool [y2 - y1, x2 - x1].

    Args:
        runs: int [K], as `read_counts` gives them, column by column.
        height: of the image, px.
        box: int (y1, x1, y2, x2), within the image.
    """
    y1, x1, y2, x2 = box
    first = x1 * height
    ends = np.clip(np.cumsum(runs), first, x2 * height)
    is_object = np.arange(len(runs)) % 2 == 1
    pixels = np.repeat(is_object, np.diff(ends, prepend=first))
    return np.ascontiguousarray(pixels.reshape(x2 - x1, height)[:, y1:y2].T)


def _decompress(counts: str | bytes) -> np.ndarray:
    """Returns the numbers of a compressed string: int64 [K]."""
    text = counts.encode("latin-1", "replace") if isinstance(counts, str) else counts
    codes = np.frombuffer(text, np.uint8).astype(np.int64) - _FIRST_CHARACTER
    if not codes.size:
        return codes
    is_last = codes & _MORE == 0
    ends = np.flatnonzero(is_last) + 1
    lengths = np.diff(ends, prepend=0)
    is_read = codes.min() >= 0 and codes.max() < 2 * _MORE and is_last[-1]
    if not is_read or lengths.max() > MAX_CHARACTERS:
        raise ValueError(
            f"read_counts(counts={counts[:20]!r}...): no compressed run lengths of "
            "COCO, only a part of them, or a number of more than 60 bits."
        )
    starts = ends - lengths
    digit = np.arange(len(codes)) - np.repeat(starts, lengths)
    numbers = np.add.reduceat((codes & (_MORE - 1)) << (_VALUE_BITS * digit), starts)
    is_negative = codes[ends - 1] & _NEGATIVE != 0
    numbers[is_negative] -= np.int64(1) << (_VALUE_BITS * lengths[is_negative])
    # Differences to the one two before; the first run stands for itself.
    for start in (1, 2):
        numbers[start::2] = np.cumsum(numbers[start::2])
    return numbers
