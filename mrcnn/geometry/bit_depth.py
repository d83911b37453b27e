"""Images with more than 8 bits a value, as 8 bits: which values are black and white.

A file or array of 16 bits seldom says how many of them a camera has used. The rule is
IMAGE_RANGE of a Config; training, detection and display all apply it here.
"""

from __future__ import annotations

import contextlib
import contextvars
import warnings
from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np

from mrcnn.config_checks import range_problem

# Bits that cameras have; 8, where a file is of a wider type than its values.
CAMERA_BITS = (8, 10, 12, 14, 16)
# Different values from which their steps say something: a drawing has steps as well.
FEWEST_LEVELS = 16
MAX_8_BIT, MAX_16_BIT = 255, 65535
# Where so many pixels of an image of 16 bits are no brighter than the value, 16 levels
# of grey are left of them: a hot pixel or a scale bar, in an image of 12 bits, say.
MOST, DARK = 0.999, 4095
# 255 * 257 is 65535: what programs multiply by to make 16 bits of 8.
STEP_OF_8_IN_16 = 257

Range = str | tuple[float, float] | None
"""As IMAGE_RANGE of a Config; None for the range in use."""

# The range in use: that of the Config that `using_range` was given, else the default of
# Config. So a user's own load_image(image_id), which gets no Config, follows it too.
_in_use: contextvars.ContextVar = contextvars.ContextVar("IMAGE_RANGE", default="auto")
# Bits that were told already; told once a run, not once an image.
_told: set[int] = set()


@contextlib.contextmanager
def using_range(image_range: Range) -> Iterator[None]:
    """Sets the range of files that are read inside of its `with` block.

    Args:
        image_range: IMAGE_RANGE of a Config.
    """
    token = _in_use.set(image_range)
    try:
        yield
    finally:
        _in_use.reset(token)


class Scale(NamedTuple):
    """How the values of an image become 8 bits.

    Attributes:
        low: value that becomes 0.
        high: value that becomes 255.
        shift: bits to drop; None to divide.
    """

    low: float
    high: float
    shift: int | None = None

    def apply(self, image: np.ndarray) -> np.ndarray:
        """Returns uint8 of the image's shape; what is out of range is cut."""
        if image.dtype == np.uint8:
            return image
        if self.shift is not None:
            return (image.astype(np.uint16) >> self.shift).astype(np.uint8)
        exact = np.float32 if image.dtype.itemsize <= 2 else np.float64
        unit = (image.astype(exact) - self.low) / (self.high - self.low)
        return np.rint(np.clip(unit, 0, 1) * 255).astype(np.uint8)


class Values(NamedTuple):
    """What the range of an image is found out from.

    Attributes:
        dtype: of the values.
        low: smallest value.
        high: largest value.
        levels: how many different values there are; 0 unless they are whole numbers
            of 0..65535.
        step: largest number that divides all of them.
        usual: value that MOST of the pixels do not exceed; as `levels`.
    """

    dtype: np.dtype
    low: float
    high: float
    levels: int = 0
    step: int = 1
    usual: int = 0


def values_of(parts: Iterable[np.ndarray]) -> Values:
    """Returns what the range of an image is found out from.

    Args:
        parts: the image, or pieces of it one after the other: a large one need not be
            in memory as a whole.
    """
    dtype, lows, highs = np.dtype(np.uint8), [], []
    counts = np.zeros(MAX_16_BIT + 1, np.int64)
    for part in parts:
        if not part.size:
            continue
        dtype, low, high = part.dtype, part.min(), part.max()
        lows.append(low)
        highs.append(high)
        if dtype.kind in "ui" and low >= 0 and high <= MAX_16_BIT:
            counts += np.bincount(part.ravel(), minlength=len(counts))
    if not lows:
        return Values(dtype, 0, 0)
    # NaN in a part makes NaN of the whole.
    ends = np.min(lows).item(), np.max(highs).item()
    seen = np.flatnonzero(counts)
    usual = int(np.searchsorted(np.cumsum(counts), MOST * counts.sum()))
    return Values(dtype, *ends, len(seen), max(int(np.gcd.reduce(seen)), 1), usual)


def plan_8_bit(
    values: Values, image_range: Range, where: str, declared: int | None = None
) -> Scale:
    """Returns how an image becomes 8 bits.

    "auto" takes the fewest bits of CAMERA_BITS that hold all values. Two things are
    known better: steps of 257 are 8 bits that a program has stretched to 16, and where
    all values of an image are multiples of 2^k there are 8 + k bits at least. A range
    that is not that of all 16 bits is told, once a run.

    Args:
        values: of `values_of`.
        image_range: IMAGE_RANGE; None for the range in use.
        where: begins the message of a warning or error.
        declared: number of bits that the file says it has; None if it says nothing.

    Raises:
        ValueError: there is no such rule, or it can't be told what the values mean.
    """
    image_range = _in_use.get() if image_range is None else image_range
    if problem := range_problem(image_range):
        raise ValueError(f"{where}: IMAGE_RANGE={image_range!r} {problem}.")
    dtype, low, high, *_ = values
    if dtype.kind == "b":
        return Scale(0, 1)
    if dtype == np.uint8:
        return Scale(0, 255)
    if dtype.kind == "f" and not (np.isfinite(high) and np.isfinite(low)):
        raise ValueError(
            f"{where}: has values that are no finite numbers (nan or infinity); save "
            "it without them, as by numpy.nan_to_num, or override Dataset.load_image."
        )
    if dtype.kind in "uif" and not isinstance(image_range, str):
        black, white = (float(side) for side in image_range)
        return Scale(black, white)
    if dtype.kind in "ui" and low >= 0 and high <= MAX_16_BIT:
        bits = 16
        if image_range == "auto":
            bits = declared if _fits(declared, high) else _guessed_bits(values, where)
        return Scale(0, 2**bits - 1, bits - 8)
    if dtype.kind == "f" and low >= 0 and high <= 1:
        return Scale(0, 1)
    raise ValueError(
        f"{where}: {dtype} values from {low} to {high} have no plain meaning as "
        "8-bit color; say which are black and white, as IMAGE_RANGE = (0, 4095) in the "
        "Config (mrcnn: --set IMAGE_RANGE=0,4095), or override Dataset.load_image to "
        "scale them."
    )


def _fits(declared: int | None, high: float) -> bool:
    return declared is not None and 8 <= declared <= 16 and high < 2**declared


def _guessed_bits(values: Values, where: str) -> int:
    """Returns how many bits an image of whole numbers has, and tells it."""
    least = int(values.high).bit_length()
    if values.step % STEP_OF_8_IN_16 == 0:
        return CAMERA_BITS[-1]
    if values.levels >= FEWEST_LEVELS:
        zeros = (values.step & -values.step).bit_length() - 1
        least = min(max(least, 8 + zeros), CAMERA_BITS[-1])
    bits = next(bits for bits in CAMERA_BITS if bits >= least)
    if bits == CAMERA_BITS[-1] and 0 < values.usual <= DARK and bits not in _told:
        _told.add(bits)
        warnings.warn(
            f"{where}: {values.dtype} with values up to {values.high:g}, but "
            f"{100 * MOST:g} % of them are {values.usual} at most: they will be nearly "
            "black. If the others are a scale bar or damaged pixels, set IMAGE_RANGE "
            f"= (0, {values.usual}), say (mrcnn: --set IMAGE_RANGE=0,"
            f"{values.usual}). This is said once.",
            stacklevel=2,
        )
    if bits < CAMERA_BITS[-1] and values.high > 0 and bits not in _told:
        before = f"; of others, {_listed(_told)}" if _told else ""
        _told.add(bits)
        warnings.warn(
            f"{where}: {values.dtype} with values up to {values.high:g}: it is taken "
            f"for one of {bits} bits, so {2**bits - 1} is white{before}. If that is "
            "not the range of your camera, or differs between its images, set "
            "IMAGE_RANGE = (0, 4095), say, or 'dtype' for all bits of the type (mrcnn: "
            f"--set IMAGE_RANGE=0,4095). This is said once for {bits} bits.",
            stacklevel=2,
        )
    return bits


def _listed(told: set[int]) -> str:
    return " and ".join(str(bits) for bits in sorted(told))


def to_8_bit(
    image: np.ndarray,
    image_range: Range = None,
    where: str = "to_8_bit(image)",
    declared: int | None = None,
) -> np.ndarray:
    """Returns an image as uint8, by the rule that `plan_8_bit` describes.

    Args:
        image: number type, of any shape; uint8 is returned as it is.
        image_range: IMAGE_RANGE; None for the range in use.
        where: begins the message of a warning or error.
        declared: number of bits that the file says it has; None if it says nothing.

    Raises:
        ValueError: it can't be told what the values mean.

    >>> to_8_bit(np.array([0, 4080, 65280], np.uint16)).tolist()
    [0, 15, 255]
    >>> to_8_bit(np.array([0, 2048, 4095], np.uint16), (0, 4095)).tolist()
    [0, 128, 255]
    """
    if image.dtype == np.uint8:
        return image
    return plan_8_bit(values_of([image]), image_range, where, declared).apply(image)


def shown_values(
    image: np.ndarray, image_range: Range, where: str, mean_pixel=(127,)
) -> np.ndarray:
    """Returns an array that was given as an image, in 0..255 if it holds more bits.

    Values that fit into 0..255 are left as they are, whatever their type; so are those
    below 0 and fractions: what they mean can't be told.

    Args:
        image: number type.
        image_range: IMAGE_RANGE; None for the range in use.
        where: begins the message of a warning or error.
        mean_pixel: MEAN_PIXEL of the Config: where it is not for 0..255, the network
            takes other values, which are left as they are.

    Raises:
        ValueError: values above 65535, unless the range is given.
    """
    mean = np.asarray(mean_pixel, np.float64)
    if image.dtype == np.uint8 or image.dtype.kind not in "uif" or not image.size:
        return image
    if mean.min() < 0 or not 1 < mean.max() <= MAX_8_BIT:
        return image
    chosen = _in_use.get() if image_range is None else image_range
    if not isinstance(chosen, str) or (chosen == "dtype" and image.dtype == np.uint16):
        return to_8_bit(image, chosen, where)
    low, high = image.min(), image.max()
    # Interpolation may leave fractions a little above 255.
    if not (low >= 0 and high >= MAX_8_BIT + 1):
        return image
    if image.dtype.kind == "f" and high <= MAX_16_BIT:
        image = np.rint(image).astype(np.uint16)
    return to_8_bit(image, chosen, where)
