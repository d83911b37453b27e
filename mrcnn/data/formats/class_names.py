"""Classes known by their name alone: numbered in one way, also over several loads."""

from __future__ import annotations

import warnings
from collections import defaultdict
from collections.abc import Iterable, Sequence

from mrcnn.data.dataset import Dataset


def register_classes(
    dataset: Dataset,
    source: str,
    found: Iterable[str],
    where: str,
    classes: Sequence[str] | None = None,
) -> dict[str, int]:
    """Returns the source class id of each class name: those asked for, else all found.

    Names that the data set has from this source keep their id; new ones are added with
    the next ids, counted from 1: in the order asked for, else by the alphabet. Names
    that differ by case or blanks only are classes of their own, with a warning.

    Args:
        dataset: gets the classes.
        source: that the classes belong to.
        found: the names in the annotations.
        where: begins the message of an error.
        classes: the names asked for, in the order of their ids, or None for all.

    Raises:
        TypeError: `classes` is a text.
        ValueError: one of `classes` is named twice, or none of them occurs, which is a
            slip of spelling or case.
    """
    if isinstance(classes, str):
        raise TypeError(f"{where}: classes is the text {classes!r}; give a list.")
    found = sorted(set(found))
    names = found if classes is None else list(classes)
    if found and not set(found) & set(names):
        raise ValueError(
            f"{where}: none of classes={names} occurs; the annotations have {found}."
        )
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if names.count(name) > 1})
        raise ValueError(
            f"{where}: classes {twice} are named more than once; name each once."
        )
    alike = defaultdict(list)
    for name in sorted({*found, *names}):
        alike["".join(name.split()).casefold()].append(name)
    if doubtful := [each for each in alike.values() if len(each) > 1]:
        some = "; ".join(", ".join(map(repr, each)) for each in doubtful[:4])
        warnings.warn(
            f"{where}: classes differ by case or blanks only: {some}. Each is a class "
            "of its own; where one class is meant, write its name alike everywhere.",
            stacklevel=3,
        )
    own = [info for info in dataset.class_info if info["source"] == source]
    known = {info["name"]: info["id"] for info in own}
    for name in names:
        if name not in known:
            known[name] = len(known) + 1
            dataset.add_class(source, known[name], name)
    return {name: known[name] for name in names}
