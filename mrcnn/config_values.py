"""How the values of a config are listed, computed from others, and written.

Only `mrcnn.config` uses it.
"""

from __future__ import annotations

import inspect
import numbers
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np


class Derived:
    """A value computed from other attributes each time it is read.

    A non-data descriptor: what a subclass or an instance assigns to the same name wins,
    and `del config.NAME` brings the computed value back.
    """

    def __init__(self, compute: Callable[[Any], Any]) -> None:
        self.compute = compute
        self.__doc__ = compute.__doc__

    def __get__(self, config: Any, owner: type | None = None) -> Any:
        """Returns the computed value, or the descriptor itself on the class."""
        return self if config is None else self.compute(config)


def attribute_names(cls: type) -> list[str]:
    """Returns the public names of a config class, methods apart.

    A callable whose name is in capitals is a value (BACKBONE), not a method.
    """
    return [
        name
        for name in dir(cls)
        if not name.startswith("_")
        and (name.isupper() or not callable(getattr(cls, name)))
    ]


def is_derived(cls: type, name: str) -> bool:
    """Returns whether a name of a config class is computed from others."""
    return isinstance(inspect.getattr_static(cls, name, None), Derived)


def to_json(value: Any) -> Any:
    """Returns a value as JSON can hold it: arrays as lists, callables as names."""
    if value is None or isinstance(value, str | bool):
        return value
    if isinstance(value, np.ndarray | np.generic):
        return to_json(value.tolist())
    if isinstance(value, numbers.Integral):
        return int(value)
    if isinstance(value, numbers.Real):
        return float(value)
    if isinstance(value, Mapping):
        return {str(key): to_json(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [to_json(item) for item in value]
    if callable(value):
        return getattr(value, "__name__", type(value).__name__)
    return str(value)
