"""Annotation: one object of an image, its outline kept as it was annotated.

The kinds of outlines are in `shapes` (polygons, run lengths, rectangles, ellipses,
lines) and `mask_files` (image files).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from mrcnn.data.outlines.shapes import Shape


@dataclass(frozen=True)
class Annotation:
    """One object of an image, or a crowd of them.

    Attributes:
        shape: which pixels are its own; drawn when they are needed.
        class_id: of its source, as given to `Dataset.add_class`; None for a damaged
            one whose class is not known.
        is_crowd: True when it is a group of objects that were not annotated one by one.
        extra: whatever else the source says of it, for example {"difficult": 1}.
    """

    shape: Shape
    class_id: int | str | None
    is_crowd: bool = False
    extra: Mapping = field(default_factory=dict)
