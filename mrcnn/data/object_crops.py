"""Objects as the small pictures inside of their boxes."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np


class ObjectCrops(NamedTuple):
    """The objects of an image, each inside its tight box alone.

    Attributes:
        boxes: int32 [N, (y1, x1, y2, x2)], orig, half-open; zeros without a pixel.
        masks: N arrays bool [y2 - y1, x2 - x1]; [0, 0] without a pixel.
        class_ids: int32 [N], inside ids from 1; negative for a crowd.
    """

    boxes: np.ndarray
    masks: list[np.ndarray]
    class_ids: np.ndarray
