"""Writes files into a folder in which files of the user may lie, and spares those.

What was written is listed in the same folder, with a checksum each. A later run
replaces what is listed and unchanged; whatever else has the name that is wanted stays,
be it a file of the user, a link, or a result that was edited, and the new file gets a
number.
"""

from __future__ import annotations

import contextlib
import hashlib
import itertools
import json
import os
import shutil
import stat
import tempfile
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path
from typing import BinaryIO

try:
    import fcntl
except ImportError:  # Windows, where an open file can't be replaced anyway
    fcntl = None

LIST_NAME = ".written_by_mrcnn.jsonl"
_UNFINISHED = ".mrcnn_unfinished_"


class OwnFiles:
    """Writes files into a folder; a file that isn't ours is never replaced.

        with OwnFiles("results") as own:
            image.save(own.unfinished / "a.png")
            path = own.keep("a.png")  # results/a.png, or results/a_2.png

    Args:
        folder: where the files are written; made if it isn't there.

    Attributes:
        unfinished: folder for files on which work goes on; what is still in it at the
            end is deleted.
        spared: (file that has stayed, file written instead of it).

    Raises:
        BlockingIOError: another process writes into the folder in this way.
    """

    def __init__(self, folder: str | os.PathLike):
        self.folder = Path(folder)
        self.folder.mkdir(parents=True, exist_ok=True)
        self.spared: list[tuple[Path, Path]] = []
        self._list, is_alone = _open_list(self.folder / LIST_NAME)
        self._earlier = _read_list(self.folder)
        self._written: set[str] = set()
        self._counts: dict[str, int] = {}
        if is_alone:  # what a process that was killed has left
            for path in self.folder.glob(f"{_UNFINISHED}*"):
                shutil.rmtree(path, ignore_errors=True)
        self.unfinished = Path(tempfile.mkdtemp(prefix=_UNFINISHED, dir=self.folder))

    def __enter__(self) -> OwnFiles:
        return self

    def __exit__(self, *_) -> None:
        self.close()

    def close(self) -> None:
        """Deletes what isn't finished, and lets others write into the folder."""
        shutil.rmtree(self.unfinished, ignore_errors=True)
        self._list.close()

    def keep(self, unfinished: str, name: str | None = None) -> Path:
        """Moves a finished file into the folder; returns its path.

        Args:
            unfinished: its name in the folder `unfinished`.
            name: the name that it gets, with a number if that is taken; None for the
                same.
        """
        source = self.unfinished / unfinished
        path = self._place(unfinished if name is None else name)
        # First: after a crash a listed file may be missing, but none of ours is
        # taken for one of the user's.
        self.enter(path.name, _checksum(source))
        os.replace(source, path)
        return path

    def keep_all(self) -> list[Path]:
        """Moves all finished files into the folder; returns their paths."""
        names = sorted(os.listdir(self.unfinished))
        return [self.keep(name) for name in names]

    def enter(self, name: str, checksum: str) -> None:
        """Lists a checksum of a file, before the file gets this content."""
        # The line break first: the last line may have been cut by a full disk.
        self._list.write(f"\n{json.dumps({name: checksum})}".encode())

    def _place(self, name: str) -> Path:
        """Returns the path for a file: each one once, and none that isn't ours."""
        stem, suffix = os.path.splitext(name)
        first = self._counts.get(name, 0) + 1
        taken = []
        for number in itertools.count(first):
            path = self.folder / (f"{stem}_{number}{suffix}" if number > 1 else name)
            is_new = path.name not in self._written
            if is_new and _is_free(path, self._earlier):
                break
            if is_new:
                taken.append(path)
        self._counts[name] = number
        self._written.add(path.name)
        self.spared += [(other, path) for other in taken]
        return path


def new_folder(path: str | os.PathLike) -> Path:
    """Makes a folder that wasn't there, results, else results2, ...; returns it."""
    folder, number = Path(path), 1
    while True:
        try:
            folder.mkdir()
            return folder
        except FileExistsError:
            number += 1
            folder = Path(f"{path}{number}")


def without_own(paths: Iterable[Path]) -> list[Path]:
    """Returns the paths without files that `OwnFiles` has written."""
    lists: dict[Path, dict[str, set[str]]] = {}
    kept = []
    for path in paths:
        real = path.resolve()
        if real.parent not in lists:
            lists[real.parent] = _read_list(real.parent)
        if not _is_own(real, lists[real.parent]):
            kept.append(path)
    return kept


def _open_list(path: Path) -> tuple[BinaryIO, bool]:
    """Opens the list of a folder; returns it, and whether no other process can."""
    if path.is_symlink():
        raise FileExistsError(
            f"{path}: is a link, where the list of written files belongs; remove it, "
            "or write into another folder"
        )
    file = path.open("ab", buffering=0)
    if fcntl is None:
        return file, False
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        file.close()
        raise BlockingIOError(
            f"{path.parent}: another process is writing its results into this folder; "
            "wait for it, or name another folder"
        ) from None
    except OSError:  # a file system without locks
        return file, False
    return file, True


def _read_list(folder: Path) -> dict[str, set[str]]:
    """Returns the checksums of what was written into a folder, by name."""
    listed: dict[str, set[str]] = defaultdict(set)
    with contextlib.suppress(OSError):
        for line in (folder / LIST_NAME).read_bytes().splitlines():
            # A line that was cut by a full disk.
            with contextlib.suppress(ValueError, AttributeError):
                for name, checksum in json.loads(line).items():
                    listed[name].add(checksum)
    return dict(listed)


def _is_free(path: Path, listed: dict[str, set[str]]) -> bool:
    """Returns whether nothing of the user's is at a path."""
    return not os.path.lexists(path) or _is_own(path, listed)


def _is_own(path: Path, listed: dict[str, set[str]]) -> bool:
    """Returns whether a file is as it was listed."""
    if path.name not in listed or not stat.S_ISREG(path.lstat().st_mode):
        return False
    return _checksum(path) in listed[path.name]


def _checksum(path: Path) -> str:
    """Returns the checksum of a file."""
    found = hashlib.sha256()
    with path.open("rb") as file:
        while part := file.read(1 << 20):
            found.update(part)
    return found.hexdigest()
