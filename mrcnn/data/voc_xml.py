"""The xml files of Pascal VOC: size of an image and its objects with boxes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple


class VocObject(NamedTuple):
    """One <object> of an xml file."""

    name: str
    box: tuple[float, float, float, float] | None  # y1, x1, y2, x2, half-open, orig
    extra: (
        dict  # difficult, truncated, occluded (int) and pose, as far as they are told
    )


class VocImage(NamedTuple):
    """What an xml file tells of its image."""

    height: int | None  # px
    width: int | None
    objects: list[VocObject]


def read_voc_xml(path: str | Path) -> VocImage:
    """Returns the size and the objects that a VOC xml file tells.

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
        sides = [root.findtext(f"size/{side}") for side in ("height", "width")]
        height, width = (int(float(side)) if side else None for side in sides)
        objects = [_read_object(element) for element in root.iterfind("object")]
    except (ElementTree.ParseError, ValueError) as error:
        raise ValueError(f"{where}: no VOC annotation: {error}.") from error
    return VocImage(height, width, objects)


class _PlainTreeBuilder(ElementTree.TreeBuilder):
    """Refuses a document type, before its entities are read."""

    def doctype(self, name, pubid, system):
        raise ValueError(f"it declares a document type ({name!r}); remove that line")


def _read_object(element: ElementTree.Element) -> VocObject:
    """Parses one <object>."""
    name = (element.findtext("name") or "").strip()
    if not name:
        raise ValueError("an <object> has no <name>")
    extra = {}
    for key in ("difficult", "truncated", "occluded"):
        text = (element.findtext(key) or "").strip()
        if text:
            extra[key] = int(float(text))
    pose = (element.findtext("pose") or "").strip()
    if pose:
        extra["pose"] = pose
    box = None
    if element.find("bndbox") is not None:
        sides = [
            element.findtext(f"bndbox/{k}") for k in ("ymin", "xmin", "ymax", "xmax")
        ]
        if None in sides:
            raise ValueError(f"the <bndbox> of a {name!r} lacks a side")
        y1, x1, y2, x2 = (float(side) for side in sides)
        # Pixels count from 1, and ymax and xmax are inside.
        box = (y1 - 1, x1 - 1, y2, x2)
        extra["box"] = box
    return VocObject(name, box, extra)
