"""The xml files of Pascal VOC: size of an image and its objects with boxes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

FLAGS = ("difficult", "truncated", "occluded")


class VocObject(NamedTuple):
    """One <object> of an xml file."""

    name: str
    box: tuple[float, float, float, float] | None  # y1, x1, y2, x2, half-open, orig
    extra: dict  # box; difficult, truncated, occluded (int), pose where they are set


class VocImage(NamedTuple):
    """What an xml file says of its image."""

    height: int | None  # px
    width: int | None
    objects: list[VocObject]
    unread: tuple[str, ...] = ()  # flags that are no number, as "<difficult>Unknown"


def read_voc_xml(path: str | Path) -> VocImage:
    """Returns the size of an image and its objects, from a VOC xml file.

    Args:
        path: the file.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no VOC annotation, or declares entities, which no VOC file
            does and by which a small file can fill the memory.
    """
    where = f"read_voc_xml({str(path)!r})"
    if not Path(path).is_file():
        raise FileNotFoundError(f"{where}: there is no such file.")
    parser = ElementTree.XMLParser(target=_PlainTreeBuilder())
    try:
        root = ElementTree.fromstring(Path(path).read_bytes(), parser)
        if root.tag != "annotation":
            raise ValueError(f"its root is <{root.tag}>, not <annotation>")
        height, width = (
            int(_number(root, f"size/{side}"))
            if root.findtext(f"size/{side}")
            else None
            for side in ("height", "width")
        )
        objects = [_read_object(element) for element in root.iterfind("object")]
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{where}: no VOC annotation: {error}.") from error
    unread = tuple(
        f"<{key}>{text}"
        for element in root.iterfind("object")
        for key in FLAGS
        if (text := _text(element, key)) and _flag(text) is None
    )
    return VocImage(height, width, objects, unread)


class _PlainTreeBuilder(ElementTree.TreeBuilder):
    """Refuses a document type, before its entities are read."""

    def doctype(self, name, pubid, system):
        raise ValueError(f"it declares a document type ({name!r}); remove that line")


def _read_object(element: ElementTree.Element) -> VocObject:
    """Parses one <object>."""
    name = _text(element, "name")
    if not name:
        raise ValueError("an <object> has no <name>")
    flags = {key: _flag(_text(element, key)) for key in FLAGS}
    extra = {key: flag for key, flag in flags.items() if flag is not None}
    if pose := _text(element, "pose"):
        extra["pose"] = pose
    box = None
    if element.find("bndbox") is not None:
        sides = [f"bndbox/{side}" for side in ("ymin", "xmin", "ymax", "xmax")]
        if any(element.find(side) is None for side in sides):
            raise ValueError(f"the <bndbox> of a {name!r} lacks a side")
        y1, x1, y2, x2 = (_number(element, side) for side in sides)
        # Pixels count from 1, and ymax and xmax are inside.
        box = extra["box"] = (y1 - 1, x1 - 1, y2, x2)
    return VocObject(name, box, extra)


def _text(element: ElementTree.Element, path: str) -> str:
    """Returns the text in a tag below an element, "" without it."""
    return (element.findtext(path) or "").strip()


def _number(element: ElementTree.Element, path: str) -> float:
    """Returns the number in a tag below an element."""
    text = _text(element, path)
    try:
        return float(text)
    except ValueError:
        raise ValueError(f"<{path}> is {text!r}, no number") from None


def _flag(text: str) -> int | None:
    """Returns the number of a flag; None for an empty one, or a word."""
    try:
        return int(float(text))
    except (OverflowError, ValueError):
        return None
