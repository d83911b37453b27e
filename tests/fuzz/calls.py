"""Public functions, each called with one argument that is wrong."""

from __future__ import annotations

import functools
import io
from collections.abc import Callable
from contextlib import redirect_stdout
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import numpy as np

from tests.fuzz.case import Case

ANYTHING = (None, "text", b"bytes", 3, -1.5, float("nan"), [], {}, (), object(), True)
ANYTHING += ({"a": 1}, [None], [[1, 2], [3]], 10**30, 1j, np.array(None), np.zeros(0))
NUMBERS = (None, "text", float("nan"), float("inf"), -1, 0, 1e30, 10**30, [], "3", 2.5)
NUMBERS += (np.zeros(3), True, object(), -(10**9), {})


class Call(NamedTuple):
    """A public function with right arguments.

    Attributes:
        function: what is called.
        arguments: right values by name.
        also: what an error may name instead of the function: parts of it.
        painted: arguments that are no arrays in another form: what is changed in place,
            or of which a list means something else.
    """

    function: Callable
    arguments: dict[str, Any]
    also: tuple[str, ...] = ()
    painted: tuple[str, ...] = ()


def call_case(rng: Random, folder: Path, calls: Callable[[], dict[str, Call]]) -> Case:
    """Returns a call of a public function with one or two wrong arguments."""
    name = rng.choice(list(calls()))
    function, right, also, painted = calls()[name]
    # Some draw into what they are given.
    right = {k: v.copy() if isinstance(v, np.ndarray) else v for k, v in right.items()}
    arguments, told, are_same = dict(right), f"{name}(", True
    for key in rng.sample(list(right), min(len(right), rng.choice([1, 1, 1, 2]))):
        wrong: Wrong = wrong_value(right[key], rng)
        arguments[key] = wrong.value
        told += f"{key}={wrong.told}, "
        are_same &= wrong.is_same and key not in painted
    names = [f"{name}(", *also]
    expected = quiet(function, **right) if are_same else None
    return Case(
        f"{told[:-2]})",
        functools.partial(quiet, function, **arguments),
        # Of arguments that mean the same, no error is right.
        ["no error"] if are_same else names,
        functools.partial(_fault, are_same=are_same, expected=expected),
    )


def quiet(function: Callable, **arguments):
    """Calls a function without what it prints; iterators are read, figures closed."""
    with redirect_stdout(io.StringIO()):
        result = function(**arguments)
        return list(result) if hasattr(result, "__next__") else result


def _fault(result, told, are_same: bool, expected) -> str | None:
    """Returns where a result differs from that of arguments that mean the same."""
    if not are_same:
        return None
    for i, (one, other) in enumerate(zip(_flat(result), _flat(expected), strict=True)):
        if not np.array_equal(one, other):
            return f"part {i} is not that of the same values in another form"
    return None


def _flat(value) -> list:
    """Returns the numbers in a result, parts of tuples and dicts apart."""
    if isinstance(value, dict):
        value = list(value.values())
    if isinstance(value, list | tuple):
        return [part for one in value for part in _flat(one)]
    return [value] if isinstance(value, np.ndarray | int | float) else []


class Wrong(NamedTuple):
    """A value, what it is, and whether it means the same as the right one."""

    value: Any
    told: str
    is_same: bool = False


def wrong_value(value: Any, rng: Random) -> Wrong:
    """Returns what may be passed in place of a right value."""
    if rng.random() < 0.25:
        return _named(rng.choice(ANYTHING))
    if isinstance(value, np.ndarray):
        return _wrong_array(value, rng)
    if isinstance(value, bool) or not isinstance(value, int | float | list | tuple):
        return _named(rng.choice(ANYTHING))
    if isinstance(value, int | float):
        return _named(rng.choice(NUMBERS))
    return _wrong_list(value, rng)


def _named(value: Any) -> Wrong:
    return Wrong(value, f"{type(value).__name__} {repr(value)[:40]}")


def _wrong_list(value, rng: Random) -> Wrong:
    """Returns a list that is too long, too short, or holds something else."""
    items = list(value)
    match rng.choice(["short", "long", "item", "array", "iterator"]):
        case "short":
            return Wrong(items[:-1], f"{len(items) - 1} items")
        case "long":
            return Wrong([*items, items[-1] if items else 0], "one item more")
        case "array" if all(isinstance(item, int | float) for item in items):
            return Wrong(np.array(items), "an array", is_same=bool(items))
        case "iterator":
            return Wrong(iter(items), "an iterator")
    if not items:
        return _named(None)
    place = rng.randrange(len(items))
    items[place], told = wrong_value(items[place], rng)[:2]
    return Wrong(items, f"item {place}: {told}")


def _wrong_array(value: np.ndarray, rng: Random) -> Wrong:
    """Returns an array of another form, shape, type or of numbers that are none."""
    same = {
        "a view of every second element": lambda: _every_second(value),
        "in Fortran's order": lambda: np.asfortranarray(value),
        "a list": value.tolist,
        "not writeable": lambda: _locked(value),
        "in the other byte order": lambda: value.astype(value.dtype.newbyteorder()),
    }
    others = {
        "transposed": lambda: value.T,
        "one axis more": lambda: value[None],
        "flat": value.ravel,
        "one item": lambda: value[:1],
        "without items": lambda: value[:0],
        "one item less": lambda: value[:-1],
        "one column less": lambda: value[..., :-1],
        "one column more": lambda: np.concatenate([value, value[..., -1:]], axis=-1),
        "texts": lambda: value.astype(str),
        "objects": lambda: value.astype(object),
        "Nones": lambda: np.full(value.shape, None),
        "complex": lambda: value.astype(complex),
        "bool": lambda: value.astype(bool),
        "int8": lambda: value.astype(np.int8),
        "uint8": lambda: value.astype(np.uint8),
        "float16": lambda: value.astype(np.float16),
        "negative": lambda: -value.astype(np.float64),
        "huge": lambda: value.astype(np.float64) * 1e30,
        "nan": lambda: np.full(value.shape, np.nan),
        "inf": lambda: np.full(value.shape, np.inf),
        "dates": lambda: np.zeros(value.shape, "M8[s]"),
    }
    if rng.random() < 0.25:
        told = rng.choice(list(same))
        is_same = value.size > 0 or told != "a list"  # [] has no shape
        return Wrong(same[told](), told, is_same)
    told = rng.choice(list(others))
    with np.errstate(all="ignore"):
        return Wrong(others[told](), told)


def _every_second(value: np.ndarray) -> np.ndarray:
    """Returns equal values with gaps between them in memory."""
    return np.repeat(value, 2, axis=0)[::2] if value.ndim else value


def _locked(value: np.ndarray) -> np.ndarray:
    value = value.copy()
    value.flags.writeable = False
    return value
