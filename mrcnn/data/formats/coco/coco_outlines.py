"""One annotation of a COCO file: checked, and turned into an outline with its class."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Annotated, Any

import numpy as np
from pydantic import Field, TypeAdapter
from typing_extensions import NotRequired, TypedDict

from mrcnn.data.formats.fields import MAX_SIDE, Flag, Number, Side, Whole, check_fields
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.damaged import Damaged
from mrcnn.data.outlines.shapes import Polygons, Rectangle, Rle, Shape


class _Stated(TypedDict):
    """What an annotation says of itself beside its outline."""

    bbox: NotRequired[Annotated[list[Number], Field(min_length=4, max_length=4)] | None]
    area: NotRequired[Number | None]


class _Crowd(TypedDict):
    """Whether it is a group of objects."""

    iscrowd: Flag


class _Rings(TypedDict):
    """An outline of polygons: x and y of one point after the other."""

    segmentation: list[list[Number]]


class _Lengths(TypedDict):
    """Lengths of the runs of a mask, not compressed, and its (height, width)."""

    counts: list[Annotated[Whole, Field(ge=0, le=MAX_SIDE**2)]]
    size: NotRequired[Annotated[list[Side], Field(min_length=2, max_length=2)] | None]


class _Runs(TypedDict):
    """An outline of run lengths."""

    segmentation: _Lengths


class _Turn(TypedDict):
    """CVAT's note on a box: degrees, clockwise around its center."""

    rotation: NotRequired[Number | None]


class _Turned(TypedDict):
    """A box with attributes."""

    attributes: _Turn


SLACK = 2  # px that a box may leave its image: tools round


_STATED, _CROWD, _RINGS, _RUNS, _TURNED = map(
    TypeAdapter, (_Stated, _Crowd, _Rings, _Runs, _Turned)
)


def to_annotation(raw: Mapping, boxes_as_masks: bool, file) -> Annotation:
    """Returns an annotation of a COCO file with its outline, `Damaged` if it has none.

    Args:
        raw: the dict in the file.
        boxes_as_masks: takes the box where there is no outline.
        file: that it stands in, for the message.
    """
    where = f"annotation {raw.get('id')!r} of {file}"
    # The evaluation goes by COCO's own box and area, as published numbers do.
    extra = {"id": raw["id"]} if "id" in raw else {}
    is_crowd = False
    try:
        is_crowd = crowd_flag(raw, where)
        stated = check_fields(_STATED, raw, where)
        stated = {key: value for key, value in stated.items() if value is not None}
        if has_outline(raw) or not boxes_as_masks:
            shape = _outline(raw.get("segmentation") or [], where)
        else:
            shape = _box(raw, stated, where)
            if isinstance(shape, Polygons):  # the box is that before it was turned
                y1, x1, y2, x2 = shape.extent()
                stated["bbox"] = [x1, y1, x2 - x1, y2 - y1]
        extra |= stated
    except (ValueError, RecursionError) as error:
        reason = str(error)
        shape = Damaged(reason if reason.startswith(where) else f"{where}: {reason}")
    return Annotation(shape, raw["category_id"], is_crowd=is_crowd, extra=extra)


def has_outline(raw: Mapping) -> bool:
    """Returns whether an annotation has an outline; `[]` and `[[]]` are none."""
    segmentation = raw.get("segmentation")
    if isinstance(segmentation, list):
        return any(part != [] for part in segmentation)
    return bool(segmentation)


def crowd_flag(raw: Mapping, where: str) -> bool:
    """Returns whether an annotation is a crowd; a text "0" is none.

    Raises:
        ValueError: iscrowd is neither 0 nor 1, nor a word for one of them.
    """
    value = raw.get("iscrowd", 0)
    return (
        check_fields(_CROWD, {"iscrowd": value}, where)["iscrowd"] if value else False
    )


def _outline(segmentation: Any, where: str) -> Shape:
    """Returns the outline of polygons or run lengths."""
    if isinstance(segmentation, Mapping):
        counts, lengths = segmentation.get("counts"), segmentation
        if is_packed := isinstance(counts, str | bytes):
            lengths = {**segmentation, "counts": []}
        runs = check_fields(_RUNS, {"segmentation": lengths}, where)["segmentation"]
        size = runs.get("size")
        counts = counts if is_packed else runs["counts"]
        return Rle(counts, None if size is None else tuple(size))
    if isinstance(segmentation, list):
        if segmentation and not any(isinstance(part, list) for part in segmentation):
            segmentation = [segmentation]  # one ring, as VIA writes it
        elif len(segmentation) > 2 and all(map(_is_point, segmentation)):
            segmentation = [segmentation]  # one ring of points
        segmentation = [_flat(ring) for ring in segmentation]
    rings = check_fields(_RINGS, {"segmentation": segmentation}, where)
    return Polygons.from_xy(rings["segmentation"])


def _box(raw: Mapping, stated: Mapping, where: str) -> Shape:
    """Returns the outline of a box, also of one that CVAT has turned."""
    if "bbox" not in stated:
        raise ValueError("lacks 'bbox'")
    x, y, width, height = stated["bbox"]
    if width < 0 or height < 0:
        raise ValueError(
            f"bbox is {stated['bbox']}: a box is x, y, width and height, and neither "
            "of these is below 0"
        )
    degrees = None
    if isinstance(attributes := raw.get("attributes"), Mapping):
        found = check_fields(_TURNED, {"attributes": attributes}, where)
        degrees = found["attributes"].get("rotation")
    box = Rectangle(y, x, y + height, x + width)
    return box.turned(degrees) if degrees else box


def look_like_corners(annotations: Iterable[Mapping], sizes: Mapping) -> bool:
    """Returns whether boxes seem to be (x1, y1, x2, y2), not (x, y, width, height).

    So they are if some leave their images as the one, and none does as the other.

    Args:
        annotations: of a COCO file; those with an outline are not looked at.
        sizes: (width, height) of images by their ids, px.
    """
    found = [
        (raw["bbox"], sizes[raw["image_id"]])
        for raw in annotations
        if not has_outline(raw) and "bbox" in raw and raw["image_id"] in sizes
    ]
    try:
        boxes = np.array([box for box, _ in found], np.float64).reshape(-1, 4)
    except (OverflowError, TypeError, ValueError):  # damaged ones are named elsewhere
        return False
    limits = np.array([size for _, size in found], np.float64).reshape(-1, 2) + SLACK
    starts, ends = boxes[:, :2], boxes[:, 2:]
    is_inside = (starts < ends).all() and (ends <= limits).all()
    return bool(is_inside and (starts + ends > limits).any())


def _is_point(part: Any) -> bool:
    """Returns whether a part of a segmentation is one point."""
    return (
        isinstance(part, list)
        and len(part) == 2
        and not any(isinstance(number, list) for number in part)
    )


def _flat(ring: Any) -> Any:
    """Returns a ring of points as a ring of numbers, anything else as it is."""
    if isinstance(ring, list) and ring and all(map(_is_point, ring)):
        return [number for point in ring for number in point]
    return ring
