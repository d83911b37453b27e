"""Annotations that a loader cannot use: left out with a warning, or kept as damaged."""

from __future__ import annotations

import warnings
from collections.abc import Callable

from mrcnn.data.outlines.damaged import Damaged
from mrcnn.data.outlines.shapes import Shape


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


def outline_or_damaged(
    where: str, make: Callable[..., Shape | None], *args
) -> Shape | None:
    """Returns the outline that a function makes, `Damaged` where it cannot.

    Args:
        where: which annotation of which file it is, for the message.
        make: the function; OSError, KeyError, TypeError and ValueError mean damage.
        *args: of the function.
    """
    try:
        return make(*args)
    except (OSError, KeyError, TypeError, ValueError) as error:
        reason = f"lacks {error}" if isinstance(error, KeyError) else str(error)
        return Damaged(f"{where}{reason}")
