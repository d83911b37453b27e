"""Whether the box and the area that an annotation states are those of its outline.

COCO files state both beside the outline, and published numbers are measured with what
is stated. Files of other tools have (x1, y1, x2, y2) there, ratios, or the area of the
box; boxes would then be measured with what nobody drew.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

# px that a side may differ: tools round, and count the last pixel or not.
SIDE_SLACK = 2.0
# IoU of the stated box and the outline's. COCO's own stay above 0.9.
MIN_BOX_IOU = 0.75
# Above it a box fits. In (x1, y1, x2, y2) it fits better than in (x, y, width, height).
GOOD_BOX_IOU = 0.95
# Part of its area that an outline's may differ, beside half its box's outline. Of 2,359
# objects of COCO those that are no crowds differ by a third at most, in 8 px.
AREA_SLACK = 0.3
# Part of the box that an object covers, above which it may have the area of the box.
FULL_BOX = 0.8


def box_differs(bbox: Sequence[float], crop: Any, shape: Any = None) -> bool:
    """Returns whether a stated box is not that of the outline.

    Args:
        bbox: (x, y, width, height), orig, px.
        crop: Crop of the object, orig; one without a pixel has no box.
        shape: its outline, of `mrcnn.data.outlines`, or None.
    """
    if not crop.area:
        return False
    boxes = [np.array(crop.box, np.float64)]
    if shape is not None and (extent := shape.extent()) is not None:
        boxes.append(np.array(extent, np.float64))
    x, y, width, height = bbox
    fit = max(_fit((y, x, y + height, x + width), box) for box in boxes)
    by_corners = max(_fit((y, x, height, width), box) for box in boxes)
    return fit < MIN_BOX_IOU or fit < GOOD_BOX_IOU < by_corners


def area_differs(area: float, crop: Any, shape: Any = None) -> bool:
    """Returns whether a stated area is not that of the outline; that of a box may be.

    Args:
        area: px.
        crop: Crop of the object, orig.
        shape: its outline, of `mrcnn.data.outlines`, or None.
    """
    if not crop.area:
        return False
    drawn = _drawn_area(shape)
    if area <= 0:
        return area < 0 or drawn is None or drawn >= 1
    height, width = crop.mask.shape
    own = [crop.area] if drawn is None else [crop.area, drawn]
    is_near = (abs(area - a) <= AREA_SLACK * a + height + width for a in own)
    return not any(is_near) and not is_area_of_box(area, crop)


def is_area_of_box(area: float, crop: Any) -> bool:
    """Returns whether a stated area is that of the box, and the outline's is another.

    Args:
        area: px.
        crop: Crop of the object, orig.
    """
    height, width = crop.mask.shape
    # Boxes of outlines end between pixels, those of masks do not.
    is_box = (height - 1) * (width - 1) <= area <= (height + 1) * (width + 1)
    return is_box and 0 < crop.area < FULL_BOX * (height - 1) * (width - 1)


def _fit(stated: Sequence[float], box: np.ndarray) -> float:
    """Returns the IoU of two boxes; sides within SIDE_SLACK px count as equal."""
    stated = np.array(stated, np.float64)
    stated = np.where(np.abs(stated - box) <= SIDE_SLACK, box, stated)
    both = np.minimum(stated, box)[2:] - np.maximum(stated, box)[:2]
    areas = [np.prod(np.maximum(b[2:] - b[:2], 0)) for b in (stated, box)]
    inter = np.prod(np.maximum(both, 0))
    return float(inter / max(sum(areas) - inter, 1e-9))


def _drawn_area(shape: Any) -> float | None:
    """Returns the sum of the areas within the rings of polygons, None for others."""
    rings = getattr(shape, "rings", None)
    if rings is None:
        return None
    total = 0.0
    for ring in rings:
        y, x = np.asarray(ring, np.float64).reshape(-1, 2).T
        total += abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1))) / 2
    return total
