"""Downloads files into a cache folder, and checks them.

A file is written under a temporary name, checked and renamed; an interrupted or wrong
download leaves nothing behind.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import shutil
import string
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

from tqdm import tqdm

from mrcnn.data.files.atomic import atomic_file

COCO_MODEL_URL = (
    "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
)
CACHE_VARIABLE = "MRCNN_CACHE"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SCHEMES = ("http://", "https://", "file://")
_PAGES = (".html", ".htm", ".xhtml", ".xml")
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
_CHUNK_BYTES = 1 << 20
# How long a server may be silent.
_TIMEOUT_SECONDS = 60


# Size (bytes) and checksum of files, from other places than the server that sends them.
# The size is that in HDF5's own superblock, which issue 653 of the repository quotes;
# the digest is that of the installation notes of NVIDIA TensorRT's sampleUffMaskRCNN.
KNOWN_FILES = {
    COCO_MODEL_URL: {"size": 257_557_808, "md5": "e98aaff6f99e307b5e2a8a3ff741a518"},
}


class DownloadError(OSError):
    """A file could not be downloaded; the text says how to put it there by hand."""


def cache_dir() -> Path:
    """Returns the folder of downloads: $MRCNN_CACHE, else ~/.cache/mrcnn."""
    folder = os.environ.get(CACHE_VARIABLE) or Path("~", ".cache", "mrcnn")
    return Path(folder).expanduser()


def cache_path(url: str) -> Path:
    """Returns where `download(url)` keeps its file.

    Known files lie in the cache folder itself; any other in a folder named after its
    address, because two servers may call two files the same.
    """
    name = Path(urllib.parse.unquote(urllib.parse.urlsplit(url).path)).name
    if url in KNOWN_FILES:
        return cache_dir() / name
    folder = hashlib.sha256(url.encode()).hexdigest()[:16]
    return cache_dir() / folder / (name or "file")


def download(
    url: str,
    path: str | os.PathLike | None = None,
    *,
    verbose: int = 1,
    **expected: int | str,
) -> Path:
    """Returns the path of a file from the web; downloads it unless it is there.

    A file in the cache that isn't what size and checksums say is fetched again, and
    replaced when the new one is right. Elsewhere it may be the user's own, and stays.

    Args:
        url: an http, https or file address.
        path: where to put the file; None: `cache_path(url)`.
        verbose: 1 shows a progress bar.
        **expected: `size` (bytes) and hexadecimal digests that the file must have, as
            for `find_fault`; before what KNOWN_FILES says.

    Raises:
        ValueError: the address is of another kind, or `path` is a folder.
        DownloadError: the file could not be fetched, or isn't what it should be; or
            another file is at `path`, outside of the cache.
    """
    if not url.lower().startswith(_SCHEMES):
        raise ValueError(
            f"download(url={url!r}): not an address; it has to begin with "
            f"{', '.join(_SCHEMES)}."
        )
    path = cache_path(url) if path is None else Path(path)
    if path.is_dir():
        raise ValueError(
            f"download(path={str(path)!r}): is a folder; name the file in it."
        )
    expected = KNOWN_FILES.get(url, {}) | expected
    if path.exists():
        fault = find_fault(path, **expected)
        if fault is None:
            return path
        if cache_dir().resolve() not in path.resolve().parents:
            raise DownloadError(
                f"download(path={str(path)!r}): the file there {fault}, so it is not "
                f"that of {url}, and is left alone. Rename or delete it, or give "
                "another path."
            )
        warnings.warn(f"{path}: {fault}; fetching it again from {url}.", stacklevel=2)
    try:
        with atomic_file(path) as temporary:
            _fetch(url, temporary, path.name, verbose)
            fault = find_fault(temporary, **expected) or _wrong_kind(temporary, url)
            if fault:
                raise DownloadError(f"what came {fault}")
    except (OSError, http.client.HTTPException) as error:
        raise DownloadError(
            f"download(url={url!r}): {_reason(error)}. Fetch that address by hand, "
            f"with a browser say, and put the file at {path}"
        ) from error
    return path


def find_fault(
    path: str | os.PathLike, *, size: int | None = None, **digests: str
) -> str | None:
    """Returns in which way a file isn't what it should be, or None if it is.

    Args:
        path: the file.
        size: bytes it must have; None: not compared. An empty file is never right.
        **digests: hexadecimal digests it must have by their kind, as md5 or sha256.
    """
    found = os.path.getsize(path)
    if size is not None and found != size:
        return f"has {found} bytes instead of {size}"
    if not found:
        return "is empty"
    for kind, digest in digests.items():
        if (actual := _digest(path, kind)) != digest.lower():
            return f"has the {kind} checksum {actual} instead of {digest.lower()}"
    return None


def _fetch(url: str, path: Path, name: str, verbose: int) -> None:
    """Writes what an address sends to a file; a short answer is an error."""
    # What may stand in an address stays; blanks and letters beyond ASCII are encoded.
    address = urllib.parse.quote(url, safe=string.punctuation)
    request = urllib.request.Request(address, headers={"User-Agent": "mrcnn"})
    with urllib.request.urlopen(request, timeout=_TIMEOUT_SECONDS) as answer:
        announced = int(answer.headers.get("Content-Length") or 0)
        bar = {"total": announced or None, "desc": name, "disable": not verbose}
        with open(path, "wb") as file, tqdm.wrapattr(answer, "read", **bar) as body:
            shutil.copyfileobj(body, file, _CHUNK_BYTES)
            received = file.tell()
    if announced and received != announced:
        raise DownloadError(
            f"the connection ended after {received} of {announced} bytes"
        )


def is_web_page(head: bytes) -> bool:
    """Returns True if a file that begins with `head` is a web page, or a server's XML.

    A mark of UTF-8 and blanks may come first.
    """
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)


def _wrong_kind(path: Path, url: str) -> str | None:
    """Returns why a file can't be what its address names, or None.

    Servers answer with web pages: of a login, of an error, of a hotel's network.
    """
    suffix = Path(urllib.parse.urlsplit(url).path).suffix.lower()
    with open(path, "rb") as file:
        head = file.read(256)
    if suffix not in _PAGES and is_web_page(head):
        return "is a web page, not the file"
    if suffix in (".h5", ".hdf5") and not head.startswith(HDF5_SIGNATURE):
        return f"is no HDF5 file; it begins with {head[:24]!r}"
    return None


def _digest(path: str | os.PathLike, kind: str) -> str:
    """Returns the hexadecimal checksum of a file."""
    digest = hashlib.new(kind, usedforsecurity=False)
    with open(path, "rb") as file:
        while chunk := file.read(_CHUNK_BYTES):
            digest.update(chunk)
    return digest.hexdigest()


def _reason(error: Exception) -> str:
    """Returns in words why a download failed."""
    if isinstance(error, urllib.error.HTTPError):
        return f"the server answers {error.code} {error.reason}"
    if isinstance(error, urllib.error.URLError):
        return f"no connection ({error.reason})"
    return str(error) or type(error).__name__
