"""Names of subsets: which of them is meant by "train" or "val"."""

from __future__ import annotations

import re
from collections.abc import Iterable

VALIDATION = ("val", "valid", "validation")  # names of one and the same subset


def match_subset(names: Iterable[str], subset: str) -> list[str]:
    """Returns the names that a subset may mean: itself, else those with it as a word.

    `val` is a word of `val2017` and `my_val`, not of `minival` or `valminusminival`.
    Where nothing fits, `val`, `valid` and `validation` stand for one another.

    Args:
        names: to choose from.
        subset: as the user calls it.
    """
    names = list(names)
    for call in (subset, *synonyms(subset)):
        if call in names:
            return [call]
        word = re.compile(rf"(?<![a-z]){re.escape(call.lower())}(?![a-z])")
        if found := [name for name in names if word.search(name.lower())]:
            return found
    return []


def synonyms(subset: str) -> list[str]:
    """Returns the other names of a subset."""
    calls = VALIDATION if subset.lower() in VALIDATION else ()
    return [call for call in calls if call != subset.lower()]
