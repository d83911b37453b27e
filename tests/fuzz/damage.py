"""Damage done to bytes, json and xml, each by a generator of random numbers.

Every function returns the damaged content and what was done, for people.
"""

from __future__ import annotations

import copy
import json
from random import Random
from typing import Any, NamedTuple
from xml.etree import ElementTree

DEEP = 20_000  # brackets within brackets
# Written in place of text of these names: json.dumps knows no such values.
LITERALS = {"<1e400>": "1e400", "<deep>": "[" * DEEP + "]" * DEEP}
VALUES: list[Any] = [
    *(None, True, False, 0, 1, -1, 0.5, -3.7, 10**30, -(10**30), 2**31, 2**63, 1e308),
    *(float("nan"), float("inf"), -float("inf"), "<1e400>", "<deep>"),
    *("", "text", "12", "-1", "nan", "1e5", "true", "\x00", "\ud800", "x" * 5000),
    *("../../x", "/etc/hostname", "a\nb", "é" * 3, ".", ".."),
    *([], {}, [[]], [[[[]]]], [None], [1], ["text"], {"a": 1}, [{}], [0] * 5),
]
TEXTS = ["", "text", "-1", "nan", "inf", "1e400", "0", "9" * 40, "1.5", "12px", "a/b"]
TEXTS += ["../../x", " ", "é", "true", "1e308"]
ENCODINGS = ("utf-16", "utf-16-le", "utf-32", "cp1252", "utf-8-sig", "cp037")


class Damaged(NamedTuple):
    """Damaged content.

    Attributes:
        content: bytes.
        told: what was done.
        removes: whether fewer objects are right.
    """

    content: bytes
    told: str
    removes: bool = False


def damage_bytes(content: bytes, rng: Random) -> Damaged:
    """Returns bytes that were cut, flipped, wiped, repeated or emptied."""
    size, place = len(content), rng.randrange(max(len(content), 1))
    data = bytearray(content)
    match rng.choice(["cut", "cut", "flip", "flip", "wipe", "insert", "twice", "none"]):
        case "cut":
            return Damaged(content[:place], f"cut to {place} of {size} bytes", True)
        case "flip":
            bits = [rng.randrange(size * 8) for _ in range(rng.choice([1, 1, 3, 20]))]
            for bit in bits:
                data[bit // 8] ^= 1 << bit % 8
            return Damaged(bytes(data), f"flipped the bits {bits[:4]}", True)
        case "wipe":
            end = min(size, place + rng.choice([1, 16, 512]))
            data[place:end] = bytes(end - place)
            return Damaged(bytes(data), f"wiped the bytes {place} to {end}", True)
        case "insert":
            data[place:place] = rng.randbytes(rng.choice([1, 7, 100]))
            return Damaged(bytes(data), f"inserted bytes at {place}", True)
        case "twice":
            return Damaged(content * 2, "repeated the file", True)
    return Damaged(b"", "emptied the file", True)


def recode(text: str, rng: Random) -> Damaged:
    """Returns a text in another encoding, or with what its parser may choke on."""
    encoding = rng.choice(ENCODINGS)
    mark = rng.choice(["", "é", "\x00", " "])
    content = (text + mark).encode(encoding, errors="replace")
    return Damaged(content, f"encoded as {encoding}, {mark!r} added")


def damage_json(content: Any, rng: Random) -> Damaged:
    """Returns a json with one entry changed, or with its bytes damaged."""
    text = json.dumps(content)
    if rng.random() < 0.2:
        return damage_bytes(text.encode(), rng)
    if rng.random() < 0.05:
        return recode(text, rng)
    if rng.random() < 0.05:
        deep = rng.choice(["[" * DEEP, '{"a":' * DEEP, LITERALS["<deep>"], " ", "null"])
        return Damaged(deep.encode(), f"replaced all by {deep[:6]!r}...")
    content = copy.deepcopy(content)
    told, removes = "", False
    for i in range(rng.choice([1, 1, 1, 2])):
        one, is_less = _change_entry(content, rng)
        # The second may take away what the first has put in place of an object.
        is_less |= i > 0 and one.startswith("deleted")
        told, removes = told + one + "; ", removes or is_less
    text = json.dumps(content)
    for name, literal in LITERALS.items():
        text = text.replace(f'"{name}"', literal)
    return Damaged(text.encode("utf-8", errors="surrogatepass"), told, removes)


def _change_entry(content: Any, rng: Random) -> tuple[str, bool]:
    """Changes one entry in place; returns what was done, and `removes`."""
    parent, key, path = _pick_entry(content, rng)
    if parent is None:
        return "nothing to change", False
    value, path = parent[key], f"{path}[{key!r}]"
    is_part = isinstance(parent, list) or isinstance(value, list | dict)
    match rng.choice(["delete", "rename", "value", "value", "text", "twice", "swap"]):
        case "delete":
            del parent[key]
            return f"deleted {path}", is_part
        case "rename" if isinstance(parent, dict):
            name = rng.choice([f"{key}x", key.upper(), "", f" {key}"])
            parent[name] = parent.pop(key)
            return f"renamed {path} to {name!r}", False
        case "text" if isinstance(value, int | float):
            parent[key] = rng.choice([str(value), f"{value}px", f" {value} "])
            return f"{path} = {parent[key]!r}", False
        case "twice" if isinstance(parent, list):
            parent.insert(key, copy.deepcopy(value))
            return f"repeated {path}", False
        case "swap":
            other, place, told = _pick_entry(content, rng)
            if other is not None and not isinstance(other[place], list | dict):
                parent[key], other[place] = other[place], value
                return f"swapped {path} and {told}[{place!r}]", True
    parent[key] = rng.choice(VALUES)
    is_less = is_part and parent[key] in ([], {}, [[]], [[[[]]]])
    return f"{path} = {repr(parent[key])[:40]}", is_less or isinstance(parent, list)


def _pick_entry(content: Any, rng: Random) -> tuple[Any, Any, str]:
    """Returns (list or dict, its key, where it is) of an entry at any depth."""
    parent, key, path = None, None, ""
    while isinstance(content, list | dict) and content:
        path = path if parent is None else f"{path}[{key!r}]"
        parent = content
        key = rng.choice(
            list(content) if isinstance(content, dict) else range(len(content))
        )
        content = parent[key]
        if rng.random() < 0.15:
            break
    return parent, key, path


BOMB = "<!DOCTYPE x [<!ENTITY a '{a}'>{more}]>"


def damage_xml(content: bytes, rng: Random) -> Damaged:
    """Returns an xml with one element changed, or with its bytes damaged."""
    if rng.random() < 0.2:
        return damage_bytes(content, rng)
    text = content.decode()
    if rng.random() < 0.05:
        return recode(text, rng)
    if rng.random() < 0.05:
        names = "abcdefghi"
        more = "".join(
            f"<!ENTITY {n} '{f'&{names[i]};' * 10}'>" for i, n in enumerate(names[1:])
        )
        system = "<!DOCTYPE x [<!ENTITY i SYSTEM 'file:///etc/hostname'>]>"
        head = rng.choice([BOMB.format(a="a" * 10, more=more), system])
        return Damaged((head + text.replace(">a<", ">&i;<")).encode(), "entities")
    root = ElementTree.fromstring(text)
    parents = {child: parent for parent in root.iter() for child in parent}
    element = rng.choice(list(parents))
    parent, is_object = parents[element], len(element) > 0
    match rng.choice(
        ["delete", "rename", "text", "text", "twice", "deep", "attribute"]
    ):
        case "delete":
            parent.remove(element)
            told = "deleted"
        case "rename":
            element.tag = rng.choice([f"{element.tag}x", element.tag.upper()])
            told, is_object = "renamed", element.tag.lower().startswith("obj")
        case "twice":
            parent.insert(0, copy.deepcopy(element))
            told = "repeated"
        case "deep":
            for _ in range(rng.choice([3, 3000])):
                element = ElementTree.SubElement(element, "x")
            told = "nested"
        case "attribute" if element.attrib:
            key = rng.choice(list(element.attrib))
            element.set(key, rng.choice(TEXTS))
            told = f"{key} = {element.get(key)!r} of"
        case _:
            element.text = rng.choice(TEXTS)
            told = f"text {element.text[:20]!r} of"
    return Damaged(_xml_bytes(root), f"{told} <{element.tag}>", is_object)


def _xml_bytes(root: ElementTree.Element) -> bytes:
    """Returns the bytes of a tree; written by hand where it is too deep."""
    try:
        return ElementTree.tostring(root)
    except RecursionError:
        return b"<annotation>" + b"<x>" * DEEP + b"</x>" * DEEP + b"</annotation>"
