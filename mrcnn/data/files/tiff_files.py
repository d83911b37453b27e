"""TIFF files: how many images they hold, and a part of one without the rest."""

from __future__ import annotations

import re
from collections import OrderedDict
from pathlib import Path

import numpy as np

# Compressions that tifffile decodes without further packages: none and deflate.
COMPRESSIONS = (1, 8, 32946)
GREY_OR_RGB = (0, 1, 2)  # photometric interpretation
WHITE_IS_ZERO = 0
ASSOCIATED_ALPHA = 1  # colors are multiplied by it; Pillow divides them
# Bytes of decoded pieces of a file that are kept: tiles overlap.
MAX_KEPT = 1 << 28


def count_tiff_images(path: str | Path) -> int:
    """Returns how many images a TIFF holds; 1 where smaller ones go with the first.

    Smaller ones are thumbnails, or the levels of a pyramid. ImageJ may keep a stack
    as one page with the number in its description.
    """
    import tifffile

    with tifffile.TiffFile(path) as file:
        series = file.series
        first = series[0]
        count = int(np.prod([n for n, axis in _axes(first) if axis not in "YXS"]))
        if count > 1:
            return count
        size = sorted(n for n, axis in _axes(first) if axis in "YX")
        others = [sorted(n for n, axis in _axes(s) if axis in "YX") for s in series[1:]]
        pixels = np.prod(size)
        return 1 + sum(np.prod(other) >= pixels for other in others if len(other) == 2)


def _axes(series) -> list[tuple[int, str]]:
    return list(zip(series.shape, series.axes, strict=True))


class TiffImage:
    """The first image of a TIFF, read in parts.

    Attributes:
        path: of the file.
        size: (height, width), px, as stored.
        channels: values of a pixel.
        dtype: of the values.
        is_inverted: True where 0 is white.
        declared: bits that are used, where the file says so; or None.
        can_be_parted: True when a part is read without the rest.
    """

    def __init__(self, path: str | Path):
        import tifffile

        self.path = path
        with tifffile.TiffFile(path) as file:
            page = file.pages[0]
            self.size = (int(page.imagelength), int(page.imagewidth))
            self.channels = int(page.samplesperpixel)
            self.dtype = np.dtype(page.dtype) if page.dtype else None
            self.is_inverted = page.photometric == WHITE_IS_ZERO
            self.declared = _declared_bits(page)
            self.can_be_parted = (
                page.compression in COMPRESSIONS
                and page.photometric in GREY_OR_RGB
                and page.imagedepth == 1
                and len(page.dataoffsets) == np.prod(page.chunked)
                and ASSOCIATED_ALPHA not in page.extrasamples
                and self.dtype is not None
                and page.bitspersample == 8 * self.dtype.itemsize
            )
        self._kept: OrderedDict[int, np.ndarray] = OrderedDict()

    def whole(self) -> np.ndarray:
        """Returns the image as stored: [H, W] or [H, W, channels]."""
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            page = file.pages[0]
            array = page.asarray()
            return np.moveaxis(array, 0, -1) if page.axes == "SYX" else array

    def part(self, y1: int, x1: int, y2: int, x2: int) -> np.ndarray:
        """Returns a part of the image, as stored: [y2 - y1, x2 - x1, channels]."""
        import tifffile

        with tifffile.TiffFile(self.path) as file:
            page = file.pages[0]
            if page.is_memmappable:
                array = page.asarray(out="memmap")
                array = np.moveaxis(array, 0, -1) if page.axes == "SYX" else array
                part = np.array(array[y1:y2, x1:x2], self.dtype)
                return part.reshape(y2 - y1, x2 - x1, self.channels)
            return self._pieces(file, page, y1, x1, y2, x2)

    def _pieces(self, file, page, y1, x1, y2, x2) -> np.ndarray:
        """Puts a part together from strips or tiles of the file."""
        high, wide = page.chunks[:2]
        rows, columns = -(-self.size[0] // high), -(-self.size[1] // wide)
        planes = self.channels if page.axes == "SYX" else 1
        part = np.zeros([y2 - y1, x2 - x1, self.channels], self.dtype)
        for plane in range(planes):
            for row in range(y1 // high, -(-y2 // high)):
                for column in range(x1 // wide, -(-x2 // wide)):
                    number = (plane * rows + row) * columns + column
                    piece = self._piece(file, page, number)
                    if piece is None:  # left out by the writer: zeros
                        continue
                    top, left = row * high, column * wide
                    bottom = min(top + len(piece), y2)
                    right = min(left + piece.shape[1], x2)
                    y, x = max(top, y1), max(left, x1)
                    target = part[y - y1 : bottom - y1, x - x1 : right - x1]
                    if planes > 1:
                        target = target[..., plane : plane + 1]
                    target[:] = piece[y - top : bottom - top, x - left : right - left]
        return part

    def _piece(self, file, page, number: int) -> np.ndarray | None:
        """Returns a strip or tile, [h, w, channels], or None if nothing is stored."""
        if number in self._kept:
            self._kept.move_to_end(number)
            return self._kept[number]
        count = page.databytecounts[number]
        if not count:
            return None
        file.filehandle.seek(page.dataoffsets[number])
        stored = file.filehandle.read(count)
        if len(stored) < count:
            raise OSError("the file ends too early")
        piece, _, shape = page.decode(stored, number)
        piece = piece[0, : shape[1], : shape[2]]
        self._kept[number] = piece
        while len(self._kept) > 1:
            if sum(kept.nbytes for kept in self._kept.values()) <= MAX_KEPT:
                break
            self._kept.popitem(last=False)
        return piece


def _declared_bits(page) -> int | None:
    """Returns how many bits a page says that it uses, None if it doesn't say."""
    bits = page.bitspersample
    if isinstance(bits, int) and 8 < bits < 16:
        return bits
    # OME-XML: cameras of 12 bits in files of 16.
    found = re.search(r'SignificantBits="(\d+)"', page.description or "")
    return int(found[1]) if found else None
