"""Extension of griffe: doctests in docstrings become their "Examples" section."""

from __future__ import annotations

import re

from griffe import Extension

DOCTEST = re.compile(r"(?:^|\n)((?:>>>.*(?:\n.+)*\n?)(?:\n+>>>.*(?:\n.+)*\n?)*)")


class DoctestSections(Extension):
    """Else `>>>` would be read as quotes in quotes."""

    def on_object(self, *, obj, **kwargs):
        """Rewrites the docstring of each object when it has been read."""
        if obj.docstring is not None:
            obj.docstring.value = with_sections(obj.docstring.value)


def with_sections(text: str) -> str:
    """Returns a docstring whose doctests stand indented below "Examples:"."""
    text = re.sub(r"^Example:$", "Examples:", text, flags=re.MULTILINE)
    return DOCTEST.sub(lambda match: "\n\nExamples:\n" + indented(match[1]), text)


def indented(text: str) -> str:
    """Returns lines moved by four spaces; empty ones stay empty."""
    return "\n".join("    " + line if line else "" for line in text.splitlines())
