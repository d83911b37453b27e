"""Opens HDF5 files of unknown origin without risk, and writes ours with checksums.

An HDF5 file may name other files to take its numbers from, and a few bytes of it may
stand for gigabytes. Such a file is refused before anything is read from it.
"""

from __future__ import annotations

import contextlib
import io
import math
import mmap
import os
import struct
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import h5py
import numpy as np

from mrcnn.data import atomic_file

# Numbers of this many bytes are read from a file of any size, and above that ten times
# as many as the file has: trained weights are hardly compressible.
FREE_BYTES = 64 << 20
MAX_RATIO = 10

# How tensors may be packed; the checksum of HDF5's own is behind the numbers.
_KNOWN_FILTERS = {
    h5py.h5z.FILTER_DEFLATE,
    h5py.h5z.FILTER_SHUFFLE,
    h5py.h5z.FILTER_FLETCHER32,
}
_FLETCHER_BYTES = 4

# What h5py raises for damaged bytes: a string of an unknown encoding is a TypeError, a
# group that became a tensor an AttributeError, a size no memory has a MemoryError.
DAMAGED = (
    OSError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    MemoryError,
)
# A store of texts: signature, version and padding; then its size, and for each text a
# number, a count, padding and a length.
_HEAP, _HEAP_HEADER = b"GCOL\x01\0\0\0", struct.Struct("<H6xQ")
# An attribute of each tensor that we write: "<type> <crc32 of its bytes>". Of another
# type are those that somebody has converted, attributes and all.
_CHECKSUM = "checksum"


class UnreadableError(Exception):
    """Carries "what is wrong with the file; what to do"."""


@contextlib.contextmanager
def open_hdf5(content: str | os.PathLike | io.BytesIO) -> Iterator[h5py.File]:
    """Yields a file opened for reading, in which everything is in the file itself.

    Args:
        content: a path, or the content of a file.

    Raises:
        UnreadableError: it names other files to read from.
        Exception: one of DAMAGED.
    """
    _check_heaps(content)
    with h5py.File(content, "r") as file:
        _refuse_other_files(file)
        yield file


def _check_heaps(content: str | os.PathLike | io.BytesIO) -> None:
    """Refuses a damaged store of texts, in which the HDF5 library loops for ever.

    A store ("global heap", HDF5 file format, III.E) is a chain of texts. What is left
    of it has the number 0 and is as long as it says: of length 0 it never ends.
    """
    if isinstance(content, io.BytesIO):
        return _check_heaps_of(content.getvalue())
    with open(content, "rb") as file:
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as data:
            _check_heaps_of(data)


def _check_heaps_of(data: bytes | mmap.mmap) -> None:
    start = data.find(_HEAP)
    while start >= 0:
        (size,) = struct.unpack_from("<Q", data, start + len(_HEAP))
        place, end = start + len(_HEAP) + 8, min(start + size, len(data))
        while place + _HEAP_HEADER.size <= end:
            number, length = _HEAP_HEADER.unpack_from(data, place)
            if number == length == 0:
                raise UnreadableError(
                    "an HDF5 file that is damaged (a store of texts without an end); "
                    "download or save it again"
                )
            # Texts begin at multiples of 8 bytes.
            place += length if number == 0 else _HEAP_HEADER.size + -(-length // 8) * 8
        start = data.find(_HEAP, start + 1)


def _refuse_other_files(file: h5py.File) -> None:
    """Looks at every link and dataset, and follows only what stays in the file."""
    waiting, seen = [file["/"]], set()
    while waiting:
        group = waiting.pop()
        for name in group:
            where = f"{group.name.rstrip('/')}/{name}"
            link = group.get(name, getlink=True)
            if isinstance(link, h5py.ExternalLink):
                raise UnreadableError(_elsewhere(where, f"a link to {link.filename!r}"))
            if not isinstance(link, h5py.HardLink):
                continue  # a name for something else in this file
            item = group[name]
            if isinstance(item, h5py.Dataset):
                if item.is_virtual:
                    others = sorted({s.file_name for s in item.virtual_sources()})
                    text = f"put together from {', '.join(map(repr, others))}"
                    raise UnreadableError(_elsewhere(where, text))
                if item.external:
                    text = f"kept in {item.external[0][0]!r}"
                    raise UnreadableError(_elsewhere(where, text))
            elif isinstance(item, h5py.Group):
                # Groups may hold each other.
                info = h5py.h5o.get_info(item.id)
                if (info.fileno, info.addr) not in seen:
                    seen.add((info.fileno, info.addr))
                    waiting.append(item)


def _elsewhere(where: str, text: str) -> str:
    return (
        f"{where} in it is not in the file but {text}: a weight file that reads other "
        "files is not loaded. Take one from a source you trust, or, if it is yours, "
        "save the weights again into one file"
    )


def byte_limit(path: str | os.PathLike) -> int:
    """Returns how many bytes may be unpacked from a file."""
    return max(FREE_BYTES, MAX_RATIO * os.path.getsize(path))


def check_sizes(
    datasets: Iterable[tuple[str, h5py.Dataset]],
    limit: int,
    expected: Mapping[str, tuple] | None = None,
) -> None:
    """Checks, from their shapes, that tensors have room in memory.

    Args:
        datasets: (name, dataset) of each tensor that is to be read.
        limit: bytes, of `byte_limit`; tensors of expected shapes don't count.
        expected: shapes by name of tensors that there is room for anyway.

    Raises:
        UnreadableError: they would be larger than the limit.
    """
    total = 0
    for name, dataset in datasets:
        item = dataset.dtype.itemsize
        own = item * math.prod(dataset.shape or ())
        # Whole chunks are unpacked, also for a few numbers of one.
        total += max(own, item * math.prod(dataset.chunks or ()))
        if expected is not None and expected.get(name) == dataset.shape:
            total -= own
        if total > limit:
            raise UnreadableError(
                f"at {name}, {dataset.shape} of {dataset.dtype}, its tensors are more "
                f"than {limit >> 20} MB unpacked, {MAX_RATIO} times the file or more: "
                "no trained weights. Download it again, from a source you trust"
            )


def check_type(name: str, dataset: h5py.Dataset) -> None:
    """Checks that a dataset holds numbers.

    Raises:
        UnreadableError: it holds other things.
    """
    kind, size = dataset.dtype.kind, dataset.dtype.itemsize
    if not (size == 2 if _is_bfloat16(dataset) else kind in "fiub"):
        raise UnreadableError(
            f"{name} in it holds {dataset.dtype}, not numbers; save the weights again"
        )


def _is_bfloat16(dataset: h5py.Dataset) -> bool:
    kind = dataset.attrs.get("dtype")
    return isinstance(kind, str) and kind == "bfloat16"


def _check_packing(name: str, dataset: h5py.Dataset) -> None:
    """Checks that packed chunks unpack to the size that a chunk has.

    HDF5 itself unpacks to the end, however much that is, and takes the beginning.
    """
    filters = dataset.id.get_create_plist()
    kinds = [filters.get_filter(i)[0] for i in range(filters.get_nfilters())]
    if kinds.count(h5py.h5z.FILTER_DEFLATE) > 1 or not _KNOWN_FILTERS.issuperset(kinds):
        raise UnreadableError(
            f"{name} in it is packed otherwise than by gzip; save the weights again, "
            "without compression"
        )
    if h5py.h5z.FILTER_DEFLATE not in kinds:
        return
    place = kinds.index(h5py.h5z.FILTER_DEFLATE)
    size = dataset.dtype.itemsize * math.prod(dataset.chunks)
    for i in range(dataset.id.get_num_chunks()):
        offset = dataset.id.get_chunk_info(i).chunk_offset
        left_out, packed = dataset.id.read_direct_chunk(offset)
        if left_out >> place & 1:
            continue  # this chunk was not packed
        found = len(zlib.decompressobj().decompress(packed, size + _FLETCHER_BYTES + 1))
        if not size <= found <= size + _FLETCHER_BYTES:
            raise UnreadableError(
                f"{name} in it does not unpack to its {size:,} bytes: it is damaged, "
                "or made to fill the memory. Download it again, from a source you trust"
            )


def read_tensor(name: str, dataset: h5py.Dataset) -> np.ndarray:
    """Returns the numbers of a dataset, compared with its checksum if it has one.

    Args:
        name: for messages.
        dataset: of an open file.

    Raises:
        UnreadableError: it holds no numbers, or others than were written; or more
            than it says is packed in it.
    """
    check_type(name, dataset)
    _check_packing(name, dataset)
    value = np.asarray(dataset)
    written, found = dataset.attrs.get(_CHECKSUM), _checksum(value)
    if isinstance(written, bytes) and written.startswith(found[:-8]):
        if written != found:
            raise UnreadableError(
                f"{name} in it is not what was written: its checksum differs, the file "
                "is damaged. Take a copy of it or an earlier checkpoint; if a program "
                f"of yours changed the numbers, delete the attribute {_CHECKSUM!r} of "
                "the tensor"
            )
    if _is_bfloat16(dataset):
        # Stored as its two bytes, the upper half of a float32.
        value = (value.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    return value


def _checksum(value: np.ndarray) -> bytes:
    return f"{value.dtype.str} {zlib.crc32(value.tobytes()):08x}".encode()


def write_tensor(group: h5py.Group, name: str, value: np.ndarray) -> None:
    """Writes an array as a dataset with a checksum."""
    group[name] = value
    # Bytes of a fixed length: texts would make each file a little different.
    group[name].attrs[_CHECKSUM] = np.bytes_(_checksum(value))


@contextlib.contextmanager
def write_hdf5(path: str | os.PathLike, function: str) -> Iterator[h5py.File]:
    """Yields an empty file to be filled, which replaces `path` at the end.

    Args:
        path: the file; it stays as it was if anything goes wrong.
        function: "name(argument=value)" of what writes, for the message.

    Raises:
        OSError: it could not be written: the disk is full, say.
    """
    try:
        with atomic_file(path) as temporary, h5py.File(temporary, "w") as file:
            yield file
    except (OSError, RuntimeError) as error:  # h5py has both for a full disk
        number = getattr(error, "errno", None)
        # HDF5's own text is some lines long.
        reason = os.strerror(number) if number else " ".join(str(error).split())
        raise OSError(
            f"{function}: {Path(path).name} could not be written to "
            f"{Path(path).parent} ({reason}). Files written before are whole: make "
            "room or choose another folder, then go on with train(..., resume=True)."
        ) from error
