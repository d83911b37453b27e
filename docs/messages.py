"""Writes docs/messages.md, the list of all messages: `python docs/messages.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "messages.md"
HEAD = """# All messages

Each error, warning and note that the package itself writes, in alphabetical order.
`…` stands for what differs: a file, a number, a name. A message says what is wrong,
where, and what to do; [When something goes wrong](errors.md) explains those met most.
This page is written by `python docs/messages.py` from the source.
"""
# Folder or file of mrcnn/: its heading. The longest that fits is taken.
PARTS = {
    "": "Configuration",
    "data": "Images, objects and batches",
    "data/augmentation": "Augmentation",
    "data/checks": "Found by validate() and `mrcnn check`",
    "data/files": "Files and downloads",
    "data/formats": "Annotation files",
    "data/outlines": "Outlines and mask files",
    "cli": "The command",
    "engine": "The model",
    "engine/detection": "Detection",
    "engine/training": "Training",
    "engine/weights": "Weight files and runs",
    "evaluation": "Evaluation",
    "viz": "Drawing",
    "classic": "Calls of the old package",
    "pretrained": "Models that come with the package",
    "geometry": "Boxes, masks and images as arrays",
    "nn": "Layers",
    "targets": "Training targets",
}
# Functions that write a message; the place of its text among their arguments.
WRITERS = {
    "warn": 0,
    "note": 0,
    "warning": 0,
    "need": 1,
    "warn_left_out": 2,
    "Problem": 4,
}
VARIES = "…"
MIN_LETTERS = 12  # less is a fragment


def text_of(node: ast.expr) -> str:
    """Returns the text of a string in the source, with … for what is put into it."""
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(map(text_of, parts))
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left) + text_of(right)
    return VARIES


def messages(source: str) -> Iterator[str]:
    """Yields the messages in the source of a module."""
    for node in ast.walk(ast.parse(source)):
        found = []
        if isinstance(node, ast.Raise) and isinstance(node.exc, ast.Call):
            found = node.exc.args[:1]
        elif isinstance(node, ast.Call):
            name = ast.unparse(node.func).rpartition(".")[2]
            place = WRITERS.get(name, len(node.args))
            found = node.args[place : place + 1]
        for each in found:
            text = " ".join(text_of(each).split())
            while VARIES * 2 in text:
                text = text.replace(VARIES * 2, VARIES)
            if sum(letter.isalpha() for letter in text) >= MIN_LETTERS:
                yield text


def part_of(path: str) -> str:
    """Returns the key of PARTS for a file, such as "data/formats/labelme.py"."""
    fitting = [
        part for part in PARTS if f"{path}/".startswith(f"{part}/" if part else "")
    ]
    return max(fitting, key=len)


def page() -> str:
    """Returns the text of the page."""
    by_part: dict[str, set[str]] = {part: set() for part in PARTS}
    for path in sorted((ROOT / "mrcnn").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        part = part_of(path.relative_to(ROOT / "mrcnn").as_posix())
        by_part[part].update(messages(source))
    text = HEAD
    for part, found in by_part.items():
        if found:
            lines = sorted(found, key=lambda line: line.strip(f"{VARIES}:'- ").lower())
            text += f"\n## {PARTS[part]}\n\n"
            text += "".join(f"- {escaped(line)}\n" for line in lines)
    return text


def escaped(text: str) -> str:
    """Returns text that Markdown shows as it stands."""
    for sign in "\\`*_<>[]|":
        text = text.replace(sign, f"\\{sign}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
