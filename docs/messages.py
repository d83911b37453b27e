"""Writes the list of all messages into docs/errors.md: `python docs/messages.py`."""

from __future__ import annotations

import ast
from collections.abc import Iterator, Mapping
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = ROOT / "docs" / "errors.md"
TITLE = "## All messages\n"
HEAD = """
Errors, warnings and notes in alphabetical order, written from the source by
`python docs/messages.py`. `…` stands for what differs.
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


def text_of(node: ast.expr, names: Mapping[str, str]) -> str:
    """Returns the text of a string in the source, with … for what is put into it.

    Args:
        node: an expression.
        names: the texts that variables hold.
    """
    match node:
        case ast.Constant(value=str(text)):
            return text
        case ast.JoinedStr(values=parts):
            return "".join(text_of(part, names) for part in parts)
        case ast.FormattedValue(value=ast.Name(id=name)) | ast.Name(id=name):
            return names.get(name, VARIES)
        case ast.BinOp(left=left, op=ast.Add(), right=right):
            return text_of(left, names) + text_of(right, names)
    return VARIES


def texts_held(function: ast.AST) -> dict[str, str]:
    """Returns the sentences that the variables of a function hold."""
    names: dict[str, str] = {}
    for node in ast.walk(function):
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=value):
                names[name] = text_of(value, names)
            case ast.AugAssign(target=ast.Name(id=name), op=ast.Add(), value=value):
                names[name] = names.get(name, "") + text_of(value, names)
    # Short ones are names of functions and files, which stay as ….
    return {name: text for name, text in names.items() if text.count(" ") > 2}


def messages(source: str) -> Iterator[str]:
    """Yields the messages in the source of a module."""
    tree = ast.parse(source)
    for function in ast.walk(tree):
        if isinstance(function, ast.FunctionDef):
            names = texts_held(function)
            for node in ast.walk(function):
                for text in written_by(node):
                    yield text_of(text, names)
    for node in tree.body:
        match node:
            case ast.Assign(targets=[ast.Name(id=name)], value=ast.Dict() as kinds):
                if name.endswith("_KINDS"):
                    for kind, remedy in zip(kinds.keys, kinds.values, strict=True):
                        yield f"{text_of(kind, {})}: {text_of(remedy, {})}"


def written_by(node: ast.AST) -> list[ast.expr]:
    """Returns the text that a statement or call says to the user, if it does."""
    match node:
        case ast.Raise(exc=ast.Call(args=[text, *_])):
            return [text]
        case ast.Yield(value=ast.Tuple(elts=[_, text])):  # a fault of an attribute
            return [text]
        case ast.Call(func=function, args=args):
            name = ast.unparse(function).rpartition(".")[2]
            place = WRITERS.get(name, len(args))
            return args[place : place + 1]
    return []


def plain(text: str) -> str:
    """Returns a message in one line; "" for what is a fragment only."""
    text = " ".join(text.split())
    while VARIES * 2 in text:
        text = text.replace(VARIES * 2, VARIES)
    return text if sum(letter.isalpha() for letter in text) >= MIN_LETTERS else ""


def part_of(path: str) -> str:
    """Returns the key of PARTS for a file, such as "data/formats/labelme.py"."""
    fitting = [
        part for part in PARTS if f"{path}/".startswith(f"{part}/" if part else "")
    ]
    return max(fitting, key=len)


def page() -> str:
    """Returns the text of the page, with its list of all messages as it should be."""
    by_part: dict[str, set[str]] = {part: set() for part in PARTS}
    for path in sorted((ROOT / "mrcnn").rglob("*.py")):
        source = path.read_text(encoding="utf-8")
        part = part_of(path.relative_to(ROOT / "mrcnn").as_posix())
        by_part[part].update(map(plain, messages(source)))
    text = PAGE.read_text(encoding="utf-8").partition(TITLE)[0] + TITLE + HEAD
    for part, found in by_part.items():
        found.discard("")
        if found:
            lines = sorted(found, key=lambda line: line.strip(f"{VARIES}:'- ").lower())
            text += f"\n### {PARTS[part]}\n\n"
            text += "".join(f"- {escaped(line)}\n" for line in lines)
    return text


def escaped(text: str) -> str:
    """Returns text that Markdown shows as it stands."""
    for sign in "\\`*_<>[]|":
        text = text.replace(sign, f"\\{sign}")
    return text


if __name__ == "__main__":
    PAGE.write_text(page(), encoding="utf-8")
