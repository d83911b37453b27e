"""Arguments of public functions: arrays, numbers, lists, or errors that name them.

A public function hands over each argument once, where it enters. `where` is
"function(argument)" in all of these: it begins the message of the error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sized
from numbers import Integral, Real
from typing import Any

import numpy as np

MAX_SHOWN = 60  # characters of a wrong value
MAX_SIDE = 2**31 - 1  # px; no file format has longer ones


def shown(value: Any) -> str:
    """Returns what an argument is, in a few words: "float64 (3, 4)", "'text'"."""
    if isinstance(value, np.ndarray) and value.ndim:
        return f"{value.dtype} {value.shape}"
    text = repr(value)
    text = text if len(text) <= MAX_SHOWN else f"{text[:MAX_SHOWN]}..."
    return f"{type(value).__name__} {text}"


def as_numbers(values: Any, where: str, dtype: Any = None) -> np.ndarray:
    """Returns values as an array of real numbers.

    Args:
        values: an array, or what becomes one: nested lists, a tensor.
        where: "function(argument)", named in the error.
        dtype: of the result; None keeps that of the values.

    Raises:
        TypeError: they are texts, dates, complex or other objects.
        ValueError: rows of different lengths.

    >>> as_numbers([[1, 2]], "f(boxes)", np.float32).tolist()
    [[1.0, 2.0]]
    """
    try:
        array = np.asarray(values)
    except ValueError as error:
        raise ValueError(
            f"{where}: rows of one length are needed; received {shown(values)}."
        ) from error
    if array.dtype == object and all(isinstance(x, Real) for x in array.flat):
        array = array.astype(np.float64)
    if array.dtype.kind not in "buif":
        raise TypeError(f"{where}: numbers are needed; received {shown(values)}.")
    return array if dtype is None else array.astype(dtype, copy=False)


def as_number(value: Any, where: str, low=-np.inf, high=np.inf) -> float:
    """Returns a number, or raises.

    Args:
        value: a number of Python or NumPy, or an array of one.
        where: "function(argument)", named in the error.
        low: least value allowed.
        high: greatest value allowed.

    Raises:
        TypeError: it is no number.
        ValueError: it is out of range, or NaN.
    """
    number = (
        value.item() if isinstance(value, np.ndarray) and value.size == 1 else value
    )
    if not isinstance(number, Real):
        raise TypeError(f"{where}: a number is needed; received {shown(value)}.")
    if not low <= number <= high:
        least = f" from {low:g}" if low > -np.inf else ""
        most = f" up to {high:g}" if high < np.inf else ""
        raise ValueError(
            f"{where}: a number{least}{most} is needed; received {shown(value)}."
        )
    return number


def as_whole(value: Any, where: str, low=-np.inf, high=np.inf) -> int:
    """Returns a whole number, or raises as `as_number`."""
    number = as_number(value, where, low, high)
    if not isinstance(number, Integral) and number != number // 1:
        raise ValueError(f"{where}: a whole number is needed; received {shown(value)}.")
    return int(number)


def as_sides(shape: Any, where: str, least: int = 1) -> tuple[int, int]:
    """Returns the height and width of an image, px.

    Args:
        shape: (height, width, ...).
        where: "function(argument)", named in the error.
        least: px, of a side.

    Raises:
        TypeError: it holds no numbers.
        ValueError: it is something else than such a shape.
    """
    first = shape[:2] if isinstance(shape, tuple) else ()
    # The usual shape, without arrays of two numbers: they take ten times as long.
    if len(first) == 2 and all(
        type(side) is int and least <= side <= MAX_SIDE for side in first
    ):
        return first
    sides = as_numbers(shape, where)
    is_shape = sides.ndim == 1 and len(sides) >= 2
    if not is_shape or not np.all((sides[:2] >= least) & (sides[:2] <= MAX_SIDE)):
        raise ValueError(
            f"{where}: a shape (height, width) with sides of {least} to {MAX_SIDE} "
            f"px is needed; received {shown(shape)}."
        )
    height, width = sides[:2].tolist()
    return as_whole(height, where), as_whole(width, where)


def as_list(values: Any, where: str, count: int | None = None) -> list:
    """Returns the items of a list, an array or another iterable, or raises.

    Args:
        values: anything to iterate over but text.
        where: "function(argument)", named in the error.
        count: how many there must be; None: any number.

    Raises:
        TypeError: it is no list.
        ValueError: there are more or fewer.
    """
    check_iterable(values, where)
    items = list(values)
    if count is not None and len(items) != count:
        raise ValueError(f"{where}: {count} items are needed; received {len(items)}.")
    return items


def count_items(values: Any, where: str) -> int:
    """Returns how many items a list or an array has; TypeError for anything else."""
    check_iterable(values, where)
    if not isinstance(values, Sized):
        raise TypeError(
            f"{where}: an iterator can be read only once; pass list(...) of it."
        )
    return len(values)


def check_iterable(values: Any, where: str) -> None:
    """Raises TypeError for what has no items, and for a text."""
    is_list = isinstance(values, Iterable) and not isinstance(values, str | bytes)
    if not is_list or getattr(values, "ndim", 1) == 0:
        raise TypeError(f"{where}: a list is needed; received {shown(values)}.")


def as_rows(rows: Any, where: str, *keys: str) -> list[Mapping]:
    """Returns a list of dicts, each with some keys, or raises.

    Args:
        rows: dicts.
        where: "function(argument)", named in the error.
        *keys: that each of them must have.

    Raises:
        TypeError: it is no list of dicts.
        ValueError: one lacks a key.
    """
    rows = as_list(rows, where)
    for i, row in enumerate(rows):
        if not isinstance(row, Mapping):
            raise TypeError(f"{where}: [{i}] is {shown(row)}; a dict is needed.")
        missing = [key for key in keys if key not in row]
        if missing:
            raise ValueError(f"{where}: [{i}] has no {', '.join(missing)}; add it.")
    return rows


def as_rng(rng: Any, where: str) -> np.random.Generator:
    """Returns a generator of random numbers, made of a seed; None is a new one.

    Args:
        rng: a numpy.random.Generator, a whole number from 0 on, or None.
        where: "function(argument)", named in the error.

    Raises:
        TypeError: it is something else.
    """
    try:
        return np.random.default_rng(rng)
    except (TypeError, ValueError) as error:
        raise TypeError(
            f"{where}: a numpy.random.Generator, a whole number from 0 on or None is "
            f"needed; received {shown(rng)}."
        ) from error


def check_attributes(value: Any, where: str, *names: str) -> None:
    """Raises TypeError unless an object has some attributes: as a Config, a Dataset."""
    missing = [name for name in names if not hasattr(value, name)]
    if missing:
        raise TypeError(
            f"{where}: received {shown(value)}, which has no {', '.join(missing)}."
        )
