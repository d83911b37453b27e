"""Writes a file whole or not at all, and removes what killed processes left behind."""

from __future__ import annotations

import contextlib
import glob
import hashlib
import os
import re
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

# The ending of a temporary file: machine, process and thread that write it. The first
# versions did not name the machine.
_TEMPORARY = re.compile(r"\..+?\.(?:([0-9a-f]{8})\.)?(\d+)\.\d+\.tmp")
# Whoever writes a file adds to it more often than that, slow downloads included.
STALE_SECONDS = 3600


@contextlib.contextmanager
def atomic_file(path: str | os.PathLike) -> Iterator[Path]:
    """Yields a temporary path; what is written there replaces `path` at the end.

    After an error the old file stays. Whoever reads `path` finds the old file or the
    whole new one, also if the process is killed meanwhile, or the power fails. Missing
    folders are made.
    """
    path = Path(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    unique = f"{_machine()}.{os.getpid()}.{threading.get_ident()}"
    temporary = path.with_name(f".{path.name}.{unique}.tmp")
    try:
        yield temporary
        # Without it the new name may reach the disk before the content does.
        _flush_to_disk(temporary)
        os.replace(temporary, path)
        _flush_folder(path.parent)
    finally:
        temporary.unlink(missing_ok=True)


def remove_leftovers(folder: str | os.PathLike, name: str | None = None) -> None:
    """Deletes temporary files of processes that were killed while they wrote.

    Those of a process of this machine that runs no more, and those that nothing was
    added to for an hour; files of others that are being written stay.

    Args:
        folder: where to look; not in its sub-folders.
        name: of the file that they were to become; None for all.
    """
    begin = ".*" if name is None else f".{glob.escape(name)}"
    for path in Path(folder).glob(f"{begin}.*.tmp"):
        found = _TEMPORARY.fullmatch(path.name)
        # Another process may have removed it, or ended its writing, just now.
        with contextlib.suppress(OSError):
            if found and _is_abandoned(path, *found.groups()):
                path.unlink()


def _is_abandoned(path: Path, machine: str | None, process: str) -> bool:
    if machine == _machine() and os.name == "posix":
        try:
            os.kill(int(process), 0)  # sends nothing
        except ProcessLookupError:
            return True
        except (OSError, OverflowError):
            pass  # of another user, or no number of a process
    return time.time() - path.stat().st_mtime > STALE_SECONDS


def _machine() -> str:
    """Returns eight letters for what numbers the processes: machine and container."""
    name = socket.gethostname()
    with contextlib.suppress(OSError):  # Linux has it
        name += f" {os.stat('/proc/self/ns/pid').st_ino}"
    return hashlib.sha256(name.encode("utf-8", "replace")).hexdigest()[:8]


def _flush_to_disk(path: Path) -> None:
    # Windows flushes only what is open for writing.
    with open(path, "rb+") as file:
        os.fsync(file.fileno())


def _flush_folder(folder: Path) -> None:
    """Makes the new name last as well, where the system can do that to a folder."""
    # Windows opens no folders; some network drives can't flush them.
    with contextlib.suppress(OSError):
        descriptor = os.open(folder, os.O_RDONLY)
        try:
            os.fsync(descriptor)
        finally:
            os.close(descriptor)
