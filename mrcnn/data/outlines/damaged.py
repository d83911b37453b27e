"""The outline of an object whose annotation cannot be read."""

from __future__ import annotations

import warnings
from collections.abc import Sequence
from dataclasses import dataclass

from mrcnn.data.outlines.shapes import Shape


@dataclass(frozen=True)
class Damaged(Shape):
    """Stands for an outline that is damaged: it can be counted, but not drawn.

    One damaged annotation does not hide the others: the data set opens,
    `Dataset.validate` lists all damaged ones, and `load_mask` raises.

    Attributes:
        reason: what is wrong, and in which file.
    """

    reason: str

    def crop(self, height, width, files=None):
        """Raises ValueError: its pixels are not known."""
        raise ValueError(self.reason)


def warn_damaged(shapes: Sequence[Damaged]) -> None:
    """Warns of the damaged shapes that a loader kept, if there are any."""
    if shapes:
        warnings.warn(
            f"{shapes[0].reason} (the first of {len(shapes)} damaged outlines); "
            "load_mask will raise, dataset.validate() lists all of them.",
            stacklevel=3,
        )
