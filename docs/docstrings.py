"""Extension of griffe: docstrings as they are written here become sections of a page.

Doctests stand at the end of a docstring without a heading, and what a function returns
may go on in a second line without being indented.
"""

from __future__ import annotations

import re

from griffe import Extension

DOCTEST = re.compile(r"(?:^|\n)((?:>>>.*(?:\n.+)*\n?)(?:\n+>>>.*(?:\n.+)*\n?)*)")
RETURNS = re.compile(r"^(?:Returns|Yields):\n((?:    .*\n?)+)", re.MULTILINE)
NAMED = re.compile(r"    \w+: ")


class DocstringSections(Extension):
    """Rewrites docstrings before they are parsed."""

    def on_object(self, *, obj, **kwargs):
        """Rewrites the docstring of each object when it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = with_sections(obj.docstring.value)


def with_sections(text: str) -> str:
    """Returns a docstring in Google's style to the letter.

    Doctests stand indented below "Examples:", for else `>>>` would be read as quotes in
    quotes; further lines of a returned value are indented, for else each would be taken
    for a value of its own.
    """
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    text = RETURNS.sub(lambda match: continued(match[0]), text)
    return DOCTEST.sub(lambda match: "\n\nExamples:\n" + indented(match[1]), text)


def continued(section: str) -> str:
    """Returns a section whose lines without a name belong to the line before."""
    head, first, *rest = section.splitlines()
    lines = [line if NAMED.match(line) else "    " + line for line in rest]
    return "\n".join([head, first, *lines]) + "\n"


def indented(text: str) -> str:
    """Returns lines moved by four spaces; empty ones stay empty."""
    return "\n".join("    " + line if line else "" for line in text.splitlines())
