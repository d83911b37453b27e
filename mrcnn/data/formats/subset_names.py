"""Names of subsets: which of them is meant by "train" or "val"."""

from __future__ import annotations

import re
from collections.abc import Iterable

from mrcnn.geometry.arguments import as_list

VALIDATION = ("val", "valid", "validation")  # names of one and the same subset
WORDS_OF = {
    **dict.fromkeys(("train", "training"), ("train",)),
    **dict.fromkeys((*VALIDATION, "minival", "valminusminival"), ("val",)),
    **dict.fromkeys(("test", "testing"), ("test",)),
    "trainval": ("train", "val"),
}
# What the names of annotation files have for their subset, with what parts it off.
SUBSET_WORD = re.compile(
    r"[ ._-]*(?<![a-z])(train(ing)?|val(id(ation)?)?|test(ing)?|dev|trainval|minival|"
    r"valminusminival|(fold|split|part|subset)[ ._-]?\d+)(?![a-z])"
)


def match_subset(names: Iterable[str], subset: str) -> list[str]:
    """Returns the names that a subset may mean: itself, else those with it as a word.

    `val` is a word of `val2017` and `my_val`, not of `minival` or `valminusminival`.
    Where nothing fits, `val`, `valid` and `validation` stand for one another.

    Args:
        names: to choose from.
        subset: as the user calls it.
    """
    names = as_list(names, "match_subset(names)")
    if not all(isinstance(name, str) for name in (subset, *names)):
        raise TypeError(
            f"match_subset(names={names!r}, subset={subset!r}): texts are needed."
        )
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


def subset_words(name: str) -> set[str]:
    """Returns which of train, val and test the name of a file or folder says.

    Parts of COCO's val2014 (minival) count as val, trainval as both.
    """
    words = re.findall(r"(?<![a-z])[a-z]+(?![a-z])", name.lower())
    return {kind for word in words for kind in WORDS_OF.get(word, ())}


def of_one_set(stem: str, others: Iterable[str]) -> bool:
    """Returns whether an annotation file is of the same data set as others.

    Args:
        stem: of the file's name.
        others: stems of the other files.
    """
    return _without_subset(stem) in map(_without_subset, others)


def _without_subset(stem: str) -> str:
    """Returns the stem of an annotation file without the word for its subset."""
    return SUBSET_WORD.sub("", stem.lower()).strip(" ._-")
