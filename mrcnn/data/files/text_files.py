"""Reads text files in the encodings that tools and editors write."""

from __future__ import annotations

import codecs
import re
from pathlib import Path

# Longer marks first: that of UTF-32 begins as that of UTF-16 does.
BYTE_ORDER_MARKS = {
    codecs.BOM_UTF8: "utf-8-sig",
    codecs.BOM_UTF32_LE: "utf-32",
    codecs.BOM_UTF32_BE: "utf-32",
    codecs.BOM_UTF16_LE: "utf-16",
    codecs.BOM_UTF16_BE: "utf-16",
}
DECLARED = re.compile(rb"<\?xml[^>]{0,100}encoding\s*=\s*[\"']([A-Za-z][\w.:-]*)")


class EncodingError(ValueError):
    """A text file is in an encoding that its content does not show."""


def read_text(path: str | Path, where: str) -> str:
    """Returns the text of a file in UTF-8, or in what its first bytes say.

    They say it by a byte order mark, by the zeros of UTF-16 or UTF-32, or in the first
    line of an xml file. Code pages (cp1252 and others) do not show, and are never
    guessed: class names would be wrong.

    Args:
        path: the file.
        where: begins the message of an error: the function and the file.

    Raises:
        OSError: the file cannot be read.
        EncodingError: a ValueError; it is in another encoding, or damaged.
    """
    data = Path(path).read_bytes()
    encoding = encoding_of(data)
    if encoding == "utf-8" and (declared := DECLARED.match(data.lstrip())):
        encoding = declared[1].decode("ascii")
    try:
        return data.decode(encoding)
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise EncodingError(
            f"{where}: byte {data[error.start]:#04x} in line {line} is not "
            f"{encoding.upper()}; the file is damaged or in another encoding, often "
            "cp1252 (Windows, 'ANSI'). Save it as UTF-8 in an editor, or in Python: "
            "text = Path(file).read_text('cp1252'), look at the names in it, then "
            "Path(file).write_text(text, 'utf-8')."
        ) from error
    except (LookupError, UnicodeError) as error:
        raise EncodingError(
            f"{where}: its first line declares the encoding {encoding!r}, which is "
            "none; write the one that it has."
        ) from error


def encoding_of(data: bytes) -> str:
    """Returns the encoding that the first bytes of a json file show, else utf-8.

    Args:
        data: the file, or its first bytes.
    """
    for mark, encoding in BYTE_ORDER_MARKS.items():
        if data.startswith(mark):
            return encoding
    # Json and xml begin with a character of ASCII.
    zeros = [byte == 0 for byte in data[:4]]
    for encoding, pattern in {
        "utf-32-be": [True, True, True, False],
        "utf-32-le": [False, True, True, True],
        "utf-16-be": [True, False],
        "utf-16-le": [False, True],
    }.items():
        if zeros[: len(pattern)] == pattern:
            return encoding
    return "utf-8"
