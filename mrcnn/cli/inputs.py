"""Images and videos that a user names: files, folders and patterns."""

from __future__ import annotations

import fnmatch
import glob
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

from mrcnn.cli.errors import need, note, number_of
from mrcnn.data import IMAGE_SUFFIXES, without_own

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
_SUFFIXES = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)


def is_video(path: Path) -> bool:
    """Returns whether a file is a video, by the ending of its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(names: Iterable[str]) -> list[Path]:
    """Returns the images and videos behind names, each once, folders in sorted order.

    What an earlier run has drawn is left out.

    Args:
        names: files, folders (what lies in them, not deeper), or patterns with *, ?
            and ** (any folders), for shells that don't expand them.

    Raises:
        CommandError: a name leads to nothing.
    """
    found: dict[Path, Path] = {}
    for name in names:
        for path in _of(name):
            found.setdefault(path.resolve(), path)
    inputs = without_own(found.values())
    if own := len(found) - len(inputs):
        note(f"left out what mrcnn has written itself: {number_of(own, 'file')}")
    need(inputs, "no image or video is left to detect in; name others")
    return inputs


def _of(name: str) -> list[Path]:
    """Returns the images and videos behind one name."""
    path, paths = Path(name), iter(())
    if path.is_file():
        return [path]
    if path.is_dir():
        paths = path.iterdir()
        problem = (
            f"no image or video lies in this folder ({' '.join(_SUFFIXES)}); name "
            f"another, or a pattern for those below: '{name}/**/*.png'"
        )
    elif glob.has_magic(name):
        start = Path(path.anchor)
        paths = _matches(start, path.parts[bool(path.anchor) :])
        problem = "no image or video fits this pattern; correct it"
    else:
        problem = (
            f"there is no such file or folder (relative paths start at {Path.cwd()}); "
            "correct the path"
        )
    found = sorted(p for p in paths if _is_wanted(p))
    need(found, f"{name}: {problem}")
    return found


def _matches(folder: Path, parts: Sequence[str]) -> Iterator[Path]:
    """Yields what fits the parts of a pattern below a folder, without hidden ones.

    `glob.glob` would go around in links that lead to a folder above them.
    """
    if not parts:
        yield folder
        return
    part, *rest = parts
    if not glob.has_magic(part):
        yield from _matches(folder / part, rest)
    elif part == "**":
        for below in _folders(folder, set()):
            yield from _matches(below, rest or ["*"])
    elif folder.is_dir():
        for path in folder.iterdir():
            is_hidden = path.name[0] == "." and part[0] != "."
            if not is_hidden and fnmatch.fnmatch(path.name, part):
                yield from _matches(path, rest)


def _folders(folder: Path, seen: set[Path]) -> Iterator[Path]:
    """Yields a folder and all below it, also behind links, each once."""
    if not folder.is_dir() or (real := folder.resolve()) in seen:
        return
    seen.add(real)
    yield folder
    for path in sorted(folder.iterdir()):
        if path.name[0] != ".":
            yield from _folders(path, seen)


def _is_wanted(path: Path) -> bool:
    known = path.suffix.lower() in _SUFFIXES
    return known and path.name[0] != "." and path.is_file()
