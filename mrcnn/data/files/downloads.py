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
import time
import unicodedata
import urllib.error
import urllib.parse
import urllib.request
import warnings
from pathlib import Path

from tqdm import tqdm

from mrcnn.data.files.atomic import atomic_file, remove_leftovers

COCO_MODEL_URL = (
    "https://github.com/matterport/Mask_RCNN/releases/download/v2.0/mask_rcnn_coco.h5"
)
CACHE_VARIABLE = "MRCNN_CACHE"
HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_SCHEMES = ("http://", "https://", "file://")
_PAGES = (".html", ".htm", ".xhtml", ".xml")
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")
_CHUNK_BYTES = 1 << 20
# How long a server may be silent, and how long a file may take: 250 MB at 20 KB/s.
_TIMEOUT_SECONDS = 60
_TOTAL_SECONDS = 4 * 3600
# Of a file whose size nobody says.
_MOST_BYTES = 16 << 30
# Of a name; a file system allows 255, and a temporary file has more than its name.
_NAME_BYTES = 160


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
    name = "".join(c for c in name if unicodedata.category(c) not in ("Cc", "Cs"))
    if len(name.encode()) > _NAME_BYTES:  # no system could write it
        name = name[-_NAME_BYTES // 4 :]
    name = name if name.strip(".") else ""
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
    A redirection from https to http is refused, and so is more than the known size.

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
    try:
        path = cache_path(url) if path is None else Path(path)
        is_folder = path.is_dir()
    except (OSError, ValueError, RuntimeError) as error:
        raise DownloadError(
            f"download(url={url!r}): {_reason(error)}. Correct the address, or the "
            "path to write to."
        ) from error
    if is_folder:
        raise ValueError(
            f"download(path={str(path)!r}): is a folder; name the file in it."
        )
    expected = KNOWN_FILES.get(url, {}) | expected
    try:
        return _download(url, path, expected, verbose)
    except _NotOursError as error:
        raise DownloadError(str(error)) from None
    except (OSError, ValueError, http.client.HTTPException) as error:
        raise DownloadError(
            f"download(url={url!r}): {_reason(error)}. Fetch that address by hand, "
            f"with a browser say, and put the file at {path}"
        ) from error


class _NotOursError(Exception):
    """Another file is where the new one should go; carries the whole message."""


def _download(url: str, path: Path, expected: dict, verbose: int) -> Path:
    if path.exists():
        fault = find_fault(path, **expected)
        if fault is None:
            return path
        if cache_dir().resolve() not in path.resolve().parents:
            raise _NotOursError(
                f"download(path={str(path)!r}): the file there {fault}, so it is not "
                f"that of {url}, and is left alone. Rename or delete it, or give "
                "another path."
            )
        warnings.warn(f"{path}: {fault}; fetching it again from {url}.", stacklevel=3)
    # Of downloads that were killed: in the cache all, elsewhere those of this file.
    remove_leftovers(path.parent, path.name)
    for folder in (cache_dir(), *cache_dir().glob("*/")):
        remove_leftovers(folder)
    with atomic_file(path) as temporary:
        has_length = _fetch(url, temporary, path.name, expected.get("size"), verbose)
        fault = find_fault(temporary, **expected) or _wrong_kind(temporary, url)
        if fault:
            raise DownloadError(f"what came {fault}")
        if not (expected or has_length) and _hdf5_size(temporary) is None:
            warnings.warn(
                f"{url}: the server does not say how long the file is, so nobody can "
                "tell whether it came whole; compare its size with that on the web "
                "page.",
                stacklevel=3,
            )
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


class _SafeRedirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection, but not to where everybody can read and change it."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        """Returns the request for the new address."""
        allowed = ("https",) if req.type == "https" else ("http", "https")
        if urllib.parse.urlsplit(newurl).scheme.lower() not in allowed:
            raise DownloadError(
                f"the server sends on from {req.type} to {newurl}, which isn't safe"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)


class _Body:
    """What an address sends, read in parts of any size until its limits are reached."""

    def __init__(self, answer, limit: int, end: float, bar: tqdm):
        self.answer, self.limit, self.end, self.bar = answer, limit, end, bar
        self.received = 0

    def read(self, size: int) -> bytes:
        """Returns what has come, at most `size` bytes; none at the end."""
        # What has come, not `size` bytes: a slow server would keep us there.
        part = self.answer.read1(size)
        self.received += len(part)
        self.bar.update(len(part))
        if self.received > self.limit:
            raise DownloadError(f"the server sends more than {self.limit:,} bytes")
        if time.monotonic() > self.end:
            raise DownloadError(
                f"only {self.received:,} bytes came in {_TOTAL_SECONDS} seconds"
            )
        return part


def _fetch(url: str, path: Path, name: str, size: int | None, verbose: int) -> bool:
    """Writes what an address sends to a file; too much or too little is an error.

    Args:
        url: the address.
        path: the file.
        name: for the progress bar.
        size: bytes that it must have, if that is known.
        verbose: 1 shows a progress bar.

    Returns:
        Whether the server said how long it is: a shorter answer was an error.
    """
    end = time.monotonic() + _TOTAL_SECONDS
    # What may stand in an address stays; blanks and letters beyond ASCII are encoded.
    address = urllib.parse.quote(url, safe=string.punctuation)
    request = urllib.request.Request(address, headers={"User-Agent": "mrcnn"})
    opener = urllib.request.build_opener(_SafeRedirects)
    with opener.open(request, timeout=_TIMEOUT_SECONDS) as answer:
        length = answer.headers.get("Content-Length")
        announced = None if length is None else int(length)
        if None not in (size, announced) and announced != size:
            raise DownloadError(f"what comes has {announced} bytes instead of {size}")
        limit = next((n for n in (size, announced) if n is not None), _MOST_BYTES)
        bar = tqdm(
            total=announced or size,
            desc=name,
            disable=not verbose,
            unit="B",
            unit_scale=True,
            unit_divisor=1024,
            miniters=1,
        )
        with open(path, "wb") as file, bar:
            body = _Body(answer, limit, end, bar)
            shutil.copyfileobj(body, file, _CHUNK_BYTES)
    if announced is not None and body.received != announced:
        raise DownloadError(
            f"the connection ended after {body.received} of {announced} bytes"
        )
    # Of a chunked answer http.client notices the missing end.
    return announced is not None or bool(getattr(answer, "chunked", False))


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
    size, own = os.path.getsize(path), _hdf5_size(path)
    if own is not None and size < own:
        return f"is cut off: {size} of {own} bytes"
    return None


def _hdf5_size(path: Path) -> int | None:
    """Returns how long a file says that it is, None for other kinds than HDF5."""
    with open(path, "rb") as file:
        head = file.read(64)
    # The superblock: its version, the size of addresses, and where the address of the
    # end of the file lies (HDF5 File Format Specification, sec. II.A).
    version = head[8:9]
    places = {b"\0": (13, 40), b"\1": (13, 44), b"\2": (9, 28), b"\3": (9, 28)}
    if not head.startswith(HDF5_SIGNATURE) or version not in places or len(head) < 64:
        return None
    width, end = places[version]
    if head[width : width + 2] != b"\x08\x08":
        return None
    return int.from_bytes(head[end : end + 8], "little")


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
    if isinstance(error, http.client.IncompleteRead):
        return "the connection ended before the file did"
    return str(error) or type(error).__name__
