"""Errors and notes in one line, for people who see no traceback; signals."""

from __future__ import annotations

import contextlib
import os
import shutil
import signal
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

from mrcnn.data import OwnFiles


class CommandError(Exception):
    """Ends a command with exit code 2 and one line: "what is wrong; what to do"."""


# What our own functions raise.
_OURS = (CommandError, ValueError, OSError, MemoryError, ArithmeticError, ImportError)


class Terminated(KeyboardInterrupt):
    """The process was asked to end (SIGTERM); as after Ctrl-C, work is finished."""


@contextlib.contextmanager
def terminable() -> Iterator[None]:
    """Raises Terminated when the process is asked to end."""

    def stop(*_):
        raise Terminated

    if threading.current_thread() is not threading.main_thread():
        yield  # signals are a matter of the main thread
        return
    before = signal.signal(signal.SIGTERM, stop)
    try:
        yield
    finally:
        signal.signal(signal.SIGTERM, before)


@contextlib.contextmanager
def uninterrupted() -> Iterator[None]:
    """Makes Ctrl-C and SIGTERM wait until a file is written."""
    came: list[int] = []
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    before = {
        number: signal.signal(number, lambda number, _: came.append(number))
        for number in (signal.SIGINT, signal.SIGTERM)
    }
    try:
        yield
    finally:
        for number, handler in before.items():
            signal.signal(number, signal.SIG_DFL if handler is None else handler)
        for number in came[:1]:
            signal.raise_signal(number)


def need(fits: bool, text: str) -> None:
    """Raises CommandError with this text if something doesn't fit."""
    if not fits:
        raise CommandError(text)


def note(text: str) -> None:
    """Prints a note to stderr, in a line of its own also beside a progress bar."""
    from tqdm import tqdm

    tqdm.write(f"mrcnn: note: {plain(text)}", file=sys.stderr)


def one_line(error: BaseException) -> str:
    """Returns the message of an error in one line, with its type if it has none."""
    return plain(" ".join(str(error).split())) or type(error).__name__


def explained(error: Exception) -> str:
    """Returns what to print of an error: its message, with the type if it isn't ours.

    Our own functions say in the message what to do.
    """
    text = one_line(error)
    if isinstance(error, _OURS):
        return text
    return f"{type(error).__name__}: {text} (--debug shows where)"


def note_spared(own: OwnFiles) -> None:
    """Notes which files were in the way of results, and have stayed."""
    if not own.spared:
        return
    kept, written = own.spared[0]
    more = len(own.spared) - 1
    rest = f"; likewise {number_of(more, 'other file')}" if more else ""
    note(
        f"{kept} was not written by this command, or was changed since: it stays, and "
        f"the result is in {written.name}{rest}"
    )


def plain(text: object) -> str:
    r"""Returns a text without what a terminal obeys or can't show, as names may have.

    A line break becomes \n, the byte E9 of a name that isn't UTF-8 \udce9.
    """
    return "".join(
        c if c.isprintable() else c.encode("unicode_escape").decode() for c in str(text)
    )


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
