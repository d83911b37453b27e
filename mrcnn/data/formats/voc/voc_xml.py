"""The xml files of Pascal VOC: size of an image and its objects with boxes."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import NamedTuple

from pydantic import TypeAdapter
from typing_extensions import TypedDict

from mrcnn.data.files.text_files import read_text
from mrcnn.data.formats.fields import Flag, Number, Side, check_fields, check_size

FLAGS = ("difficult", "truncated", "occluded")


class _Box(TypedDict):
    ymin: Number
    xmin: Number
    ymax: Number
    xmax: Number


class _Size(TypedDict, total=False):
    height: Side
    width: Side


BOX, SIZE, FLAG = TypeAdapter(_Box), TypeAdapter(_Size), TypeAdapter(Flag)


class VocObject(NamedTuple):
    """One <object> of an xml file."""

    name: str
    box: tuple[float, float, float, float] | None  # y1, x1, y2, x2, half-open, orig
    extra: dict  # box; difficult, truncated, occluded (int), pose where they are set
    damage: str = ""  # what is wrong with its <bndbox>


class VocImage(NamedTuple):
    """What an xml file says of its image."""

    height: int | None  # px
    width: int | None
    objects: list[VocObject]
    unread: tuple[str, ...] = ()  # flags that are none, as "<difficult>Unknown"
    file_name: str = ""  # of the image
    damage: str = ""  # why nothing of the file can be read


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
    try:
        root = parse_xml(path)
        if root.tag != "annotation":
            raise ValueError(f"its root is <{root.tag}>, not <annotation>")
        size = _numbers(root.find("size"), SIZE, "<size>")
        height, width = (size.get(side) or None for side in ("height", "width"))
        check_size(height, width, "<size>")
        elements = root.findall("object")
        objects = [
            _read_object(element, f"{where}: object {k}")
            for k, element in enumerate(elements, start=1)
        ]
    except ValueError as error:
        raise ValueError(
            f"{where}: no VOC annotation: {str(error).rstrip('.')}."
        ) from error
    unread = tuple(
        f"<{key}>{text}"
        for element in elements
        for key in FLAGS
        if (text := _text(element, key)) and _flag(text) is None
    )
    return VocImage(height, width, objects, unread, _text(root, "filename"))


def parse_xml(path: str | Path) -> ElementTree.Element:
    """Returns the root of an xml file.

    Raises:
        ValueError: it is no xml, or declares a document type, by whose entities a
            small file can fill the memory or read other files.
    """
    text = read_text(path, Path(path).name)
    parser = ElementTree.XMLParser(target=_PlainTreeBuilder())
    try:
        return ElementTree.fromstring(text, parser)
    except ElementTree.ParseError as error:
        raise ValueError(str(error)) from error


class _PlainTreeBuilder(ElementTree.TreeBuilder):
    """Refuses a document type, before its entities are read."""

    def doctype(self, name, pubid, system):
        raise ValueError(f"it declares a document type ({name!r}); remove that line")


def _read_object(element: ElementTree.Element, where: str) -> VocObject:
    """Parses one <object>."""
    name = _text(element, "name")
    if not name:
        raise ValueError("an <object> has no <name>")
    flags = {key: _flag(_text(element, key)) for key in FLAGS}
    extra = {key: flag for key, flag in flags.items() if flag is not None}
    if pose := _text(element, "pose"):
        extra["pose"] = pose
    box, damage = None, ""
    if (bndbox := element.find("bndbox")) is not None:
        try:
            sides = _numbers(bndbox, BOX, f"{where} ({name!r}): <bndbox>")
        except ValueError as error:
            damage = str(error)
        else:
            # Pixels count from 1, and ymax and xmax are inside.
            y1, x1 = sides["ymin"] - 1, sides["xmin"] - 1
            box = extra["box"] = (y1, x1, sides["ymax"], sides["xmax"])
    return VocObject(name, box, extra, damage)


def _text(element: ElementTree.Element, path: str) -> str:
    """Returns the text in a tag below an element, "" without it."""
    return (element.findtext(path) or "").strip()


def _numbers(element, schema: TypeAdapter, where: str) -> dict:
    """Returns the numbers in the tags of an element; an empty tag is not there."""
    texts = {} if element is None else {e.tag: (e.text or "").strip() for e in element}
    texts = {tag: text for tag, text in texts.items() if text}
    return check_fields(schema, texts, where)


def _flag(text: str) -> int | None:
    """Returns 0 or 1 of a flag; None for an empty one, or another word."""
    try:
        return int(check_fields(FLAG, text, "")) if text else None
    except ValueError:
        return None
