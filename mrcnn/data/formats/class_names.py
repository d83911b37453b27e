"""Classes known by their name alone: numbered in one way, also over several loads."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from mrcnn.data.dataset import Dataset


def register_classes(
    dataset: Dataset, source: str, names: Sequence[str]
) -> dict[str, int]:
    """Returns the source class id of every class name of a source.

    Names that the data set has from this source keep their id; new ones are added with
    the next ids, counted from 1, in the order given.

    Args:
        dataset: gets the classes.
        source: that the classes belong to.
        names: class names, without repetition.

    Raises:
        ValueError: a name comes twice.
    """
    if len(set(names)) != len(names):
        twice = sorted({name for name in names if list(names).count(name) > 1})
        raise ValueError(
            f"register_classes(source={source!r}): classes {twice} are named more than "
            "once; name each once."
        )
    known = {
        info["name"]: info["id"]
        for info in dataset.class_info
        if info["source"] == source
    }
    for name in names:
        if name not in known:
            known[name] = len(known) + 1
            dataset.add_class(source, known[name], name)
    return known


def choose_names(
    found: Iterable[str], classes: Sequence[str] | None, where: str
) -> list[str]:
    """Returns the class names of a data set: those asked for, else those found, sorted.

    Args:
        found: the names in the annotations.
        classes: the names asked for, in the order of their ids, or None for all.
        where: begins the message of an error.

    Raises:
        ValueError: none of `classes` occurs, which is a slip of spelling or case.
    """
    found = sorted(set(found))
    if classes is None:
        return found
    if isinstance(classes, str):
        raise TypeError(f"{where}: classes is the text {classes!r}; give a list.")
    if found and not set(found) & set(classes):
        raise ValueError(
            f"{where}: none of classes={list(classes)} occurs; the annotations have "
            f"{found}."
        )
    return list(classes)
