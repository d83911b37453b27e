"""What the first bytes of a file tell."""

from __future__ import annotations

HDF5_SIGNATURE = b"\x89HDF\r\n\x1a\n"
_PAGE_STARTS = (b"<!doctype", b"<html", b"<head", b"<body", b"<?xml")


def is_web_page(head: bytes) -> bool:
    """Tells whether a file that begins with `head` is a web page, or XML of a server.

    A mark of UTF-8 and blanks may come first.
    """
    return head.lstrip(b"\xef\xbb\xbf \t\r\n").lower().startswith(_PAGE_STARTS)
