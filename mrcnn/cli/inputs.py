"""Images and videos that a user names: files, folders and patterns."""

from __future__ import annotations

import glob
from collections.abc import Iterable
from pathlib import Path

from mrcnn.cli.errors import need
from mrcnn.data import IMAGE_SUFFIXES

VIDEO_SUFFIXES = (".avi", ".m4v", ".mkv", ".mov", ".mp4", ".mpeg", ".mpg", ".webm")
_SUFFIXES = (*IMAGE_SUFFIXES, *VIDEO_SUFFIXES)


def is_video(path: Path) -> bool:
    """Returns whether a file is a video, by the ending of its name."""
    return path.suffix.lower() in VIDEO_SUFFIXES


def find_inputs(names: Iterable[str]) -> list[Path]:
    """Returns the images and videos behind names, each once, folders in sorted order.

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
    return list(found.values())


def _of(name: str) -> list[Path]:
    """Returns the images and videos behind one name."""
    path, paths = Path(name), []
    if path.is_file():
        return [path]
    if path.is_dir():
        paths = path.iterdir()
        problem = (
            f"no image or video lies in this folder ({' '.join(_SUFFIXES)}); name "
            f"another, or a pattern for those below: '{name}/**/*.png'"
        )
    elif glob.has_magic(name):
        paths = map(Path, glob.glob(name, recursive=True))
        problem = "no image or video fits this pattern; correct it"
    else:
        problem = (
            f"there is no such file or folder (relative paths start at {Path.cwd()}); "
            "correct the path"
        )
    found = sorted(p for p in paths if _is_wanted(p))
    need(found, f"{name}: {problem}")
    return found


def _is_wanted(path: Path) -> bool:
    known = path.suffix.lower() in _SUFFIXES
    return known and path.name[0] != "." and path.is_file()
