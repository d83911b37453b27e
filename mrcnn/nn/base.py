"""What the layers of this folder share: float32, a config from their arguments."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras


class ConfiguredLayer(keras.layers.Layer):
    """A layer that keeps each argument of its constructor as an attribute.

    `ARGUMENTS` names them. Keras casts no inputs: `call` does.
    """

    ARGUMENTS: tuple[str, ...] = ()

    def __init__(self, **kwargs):
        kwargs.setdefault("autocast", False)
        super().__init__(**kwargs)

    def arguments(self) -> dict[str, Any]:
        """Returns the constructor's own arguments by name."""
        return {name: getattr(self, name) for name in self.ARGUMENTS}

    def get_config(self) -> dict[str, Any]:
        """Returns the constructor's arguments, sequences as lists."""
        own = self.arguments().items()
        as_lists = {k: list(v) if isinstance(v, tuple) else v for k, v in own}
        return {**super().get_config(), **as_lists}


class Float32Layer(ConfiguredLayer):
    """A layer that computes in float32 under every policy."""

    def __init__(self, **kwargs):
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)


def check_choice(function: str, name: str, value: Any, choices: Sequence[str]) -> None:
    """Raises ValueError unless the argument of a function is one of some words."""
    if value not in choices:
        raise ValueError(
            f"{function}({name}={value!r}): no such choice; pass one of "
            f"{', '.join(choices)}."
        )
