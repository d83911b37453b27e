"""The warning that every loader gives of annotations that it cannot use."""

from __future__ import annotations

import warnings


def warn_left_out(where: str, count: int, text: str) -> None:
    """Warns of things that a loader leaves out, if there are any.

    Args:
        where: begins the message.
        count: how many things.
        text: what they are and what becomes of them; follows the count.
    """
    if count:
        # The line that called the method which calls this function.
        warnings.warn(f"{where}: {count} {text}", stacklevel=3)
