"""Errors and notes in one line, for people who see no traceback."""

from __future__ import annotations

import os
import shutil
import sys
from pathlib import Path


class CommandError(Exception):
    """Ends a command with exit code 2 and one line: "what is wrong; what to do"."""


def need(fits: bool, text: str) -> None:
    """Raises CommandError with this text if something doesn't fit."""
    if not fits:
        raise CommandError(text)


def note(text: str) -> None:
    """Prints a note to stderr, in a line of its own also beside a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"mrcnn: note: {text}", file=sys.stderr)


def one_line(error: BaseException) -> str:
    """Returns the message of an error in one line, with its type if it has none."""
    text = " ".join(str(error).split())
    return text or type(error).__name__


def number_of(count: int, word: str) -> str:
    """Returns a count and what is counted: 1 tile, 2 tiles."""
    return f"{count:,} {word}" if count == 1 else f"{count:,} {word}s"


def program() -> str:
    """Returns how this command is called from here, for messages that name it."""
    if shutil.which("mrcnn"):
        return "mrcnn"
    called = Path(sys.argv[0])
    if called.name != "mrcnn":  # python -m mrcnn
        return f"{Path(sys.executable).name} -m mrcnn"
    here = os.path.relpath(called)
    return str(called) if here.startswith(os.pardir) else here
