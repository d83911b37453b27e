"""Finds the image files that an annotation file names as another machine had them."""

from __future__ import annotations

import os
import re
import unicodedata
import warnings
from collections import Counter, defaultdict
from collections.abc import Iterable, Iterator
from pathlib import Path
from urllib.parse import unquote

from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.files.image_files import is_address

MAX_DEPTH = 4  # levels of folders that are looked into
MAX_ENTRIES = 100_000  # files and folders
# Label Studio serves files at .../data/local-files/?d=FOLDER/NAME and at
# .../data/upload/PROJECT/HASH-NAME, and exports these addresses.
SERVED_PATH = re.compile(r"[?&]d=([^&]+)")
SERVED_HERE = re.compile(r"https?://(localhost|127\.0\.0\.1|[^/]*/data/)")
UPLOAD_HASH = re.compile(r"[0-9a-f]{8}-(?=.)")

Parts = tuple[str, ...]


def find_images(folder: str | Path, names: Iterable[str], where: str) -> list[str]:
    r"""Returns the path of each image that an annotation file names.

    A name that is a file as it stands, from `folder` on, is that file. Any other may
    have been written on another machine: with backslashes or a drive (Windows), as the
    path of a folder that is elsewhere now, quoted as in an address or with the prefix
    of an upload (Label Studio), with the letters of another file system (composed or
    not, another case, `_` for blanks), or without its sub-folder. Such a name is looked
    for in `folder` and in the folders below it; the file is taken whose path agrees
    with most of the name. An http(s) address stays one.

        find_images("data", [r"C:\cells\images\a b.JPG"], "load()")
        # ["data/images/a b.jpg"]

    Where several files fit equally, or two names would get one file, none is taken:
    a warning names them.

    Args:
        folder: that the names start from.
        names: as they stand in the annotation file, also with folders.
        where: begins the message of the warning: the function and the file.

    Returns:
        Paths or addresses, in the order of `names`; `folder / name` for what was not
        found (`load_image` then raises, `validate` lists it).
    """
    paths, unclear = _find(Path(folder), list(names))
    if unclear:
        warnings.warn(
            f"{where}: {len(unclear)} names of images fit several files in {folder}, "
            f"or a file fits several names; they count as missing: {unclear[0]}. Write "
            "the path of each image from that folder on, or pass the folder that is "
            "meant (image_dir).",
            stacklevel=3,
        )
    return paths


def count_found(folder: str | Path, names: Iterable[str]) -> int:
    """Returns how many of some names `find_images` finds a file for."""
    paths, _ = _find(Path(folder), list(names))
    return sum(map(os.path.isfile, paths))


def _find(folder: Path, names: list[str]) -> tuple[list[str], list[str]]:
    """Returns what `find_images` does, and what is unclear, a line a name."""
    paths = [name if is_address(name) else str(folder / name) for name in names]
    missing = [
        i
        for i, path in enumerate(paths)
        if (SERVED_HERE.match(path) if is_address(path) else not os.path.isfile(path))
    ]
    unclear: list[str] = []
    if not missing:
        return paths, unclear
    index = _index_of(folder)
    fitting = {i: _fitting(names[i], index) for i in missing}
    found = {
        i: str(folder.joinpath(*files[0])) for i, files in fitting.items() if files
    }
    # By its name before it is changed: one image may be listed twice.
    takers = {(path, name) for path, name in zip(paths, names, strict=True)}
    takers |= {(path, names[i]) for i, path in found.items()}
    counts = Counter(path for path, _ in takers)
    for i, path in found.items():
        if len(fitting[i]) > 1:
            files = [str(Path(*parts)) for parts in fitting[i][:4]]
            unclear.append(f"{names[i]!r} fits {', '.join(files)}")
        elif counts[path] > 1:
            unclear.append(f"{names[i]!r} fits {path}, as another name does")
        else:
            paths[i] = path
    return paths, unclear


def _index_of(folder: Path) -> dict[str, list[Parts]]:
    """Returns the files in and below a folder by `_key` of their name, as its parts."""
    index = defaultdict(list)
    places: list[tuple[Path, Parts]] = [(folder, ())]
    count = 0
    for place, parts in places:  # grows: folders come after those they lie in
        if len(parts) > MAX_DEPTH or count > MAX_ENTRIES:
            break
        try:
            files, folders = list_files(place), list_folders(place)
        except OSError:  # not there, or locked: it has no file that could be read
            continue
        count += len(files) + len(folders)
        for file in files:
            index[_key(file.name)].append((*parts, file.name))
        # All of a machine is below its root: no place to look for one image.
        if place.resolve() != Path(place.anchor).resolve():
            places += [(inner, (*parts, inner.name)) for inner in folders]
    return index


def _fitting(name: str, index: dict[str, list[Parts]]) -> list[Parts]:
    """Returns the files that fit a name best: one, none or several."""
    for parts in _readings(name):
        files = index.get(_key(parts[-1]), [])
        for alike in (_composed, _with_small_ending):
            same = [f for f in files if alike(f[-1]) == alike(parts[-1])]
            files = same or files
        depths = [_common_end(file, parts) for file in files]
        files = [
            file
            for file, depth in zip(files, depths, strict=True)
            if depth == max(depths)
        ]
        # Without its first folders the name is a path from the folder on.
        whole = [file for file in files if len(file) == max(depths)]
        if files:
            return whole or files
    return []


def _readings(name: str) -> Iterator[Parts]:
    """Yields what a name may mean, as the parts of a path; the likeliest first."""
    served = SERVED_PATH.search(name)
    plain = served[1] if served else name
    texts = [plain, unquote(plain)]
    if not served:
        texts.append(unquote(plain.split("?")[0]))
    for text in dict.fromkeys(texts):
        parts = tuple(
            p for p in text.replace("\\", "/").split("/") if p not in ("", ".")
        )
        if parts:
            yield parts
            if hash_of_upload := UPLOAD_HASH.match(parts[-1]):
                yield (*parts[:-1], parts[-1][hash_of_upload.end() :])


def _common_end(one: Parts, other: Parts) -> int:
    """Returns how many of the last parts of two paths are alike."""
    count = 0
    for a, b in zip(reversed(one), reversed(other), strict=False):
        if _key(a) != _key(b):
            break
        count += 1
    return count


def _composed(name: str) -> str:
    """Returns a name with its accents composed (NFC), as Windows and Linux have it."""
    return unicodedata.normalize("NFC", name)


def _with_small_ending(name: str) -> str:
    """Returns a composed name with its ending in lower case."""
    stem, ending = os.path.splitext(_composed(name))
    return stem + ending.lower()


def _key(name: str) -> str:
    """Returns what names have in common that mean one file on different machines."""
    return _composed(_composed(name).casefold()).replace(" ", "_")
