"""Classes of VIA regions: by which attribute, and over all files of a data set."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path

from mrcnn.data.formats.via.via_files import read_via

# Names that people give to the attribute that holds the class.
CLASS_ATTRIBUTES = ("class", "label", "category", "name", "object", "type")


def via_class_names(
    files: Iterable[str | Path], class_attribute: str | None, class_name: str
) -> set[str]:
    """Returns the names of the classes that the regions of VIA files have.

    Args:
        files: VIA files.
        class_attribute: as in `ViaDataset.load_via`; files whose regions do not have
            it add no name.
        class_name: of regions without any attribute.

    Raises:
        ValueError: several attributes of a file may name the class.
    """
    names = set()
    for file in files:
        regions = [region for image in read_via(file) for region in image["regions"]]
        attribute = class_attribute or find_attribute(regions, None, f"{file!s}")
        names |= {class_of(region, attribute, class_name) for region in regions}
    return names - {""}


def find_attribute(
    regions: Iterable[Mapping], wanted: str | None, where: str
) -> str | None:
    """Returns the region attribute that names classes, None if there is none.

    Texts go before numbers, and usual names (CLASS_ATTRIBUTES) before others.

    Args:
        regions: of `read_via`.
        wanted: the attribute asked for, or None.
        where: begins the message of an error.

    Raises:
        ValueError: no region has the one that is wanted, or several may be meant.
    """
    values = [item for region in regions for item in region["attributes"].items()]
    known = {name for name, _ in values}
    named = {name for name, value in values if _text_of(value)}
    texts = {n for n, v in values if _text_of(v) and not isinstance(v, int | float)}
    if wanted is not None:
        if wanted not in named:
            raise ValueError(
                f"{where}: class_attribute={wanted!r} names no class in any region; "
                f"the regions have {sorted(known)}."
            )
        return wanted
    usual = {name for name in named if name.lower() in CLASS_ATTRIBUTES}
    choices = [named, usual & texts]
    # A text beside a number with a usual name: either may be the class.
    choices += [texts] if not usual else [] if texts else [usual]
    for choice in choices:
        if len(choice) == 1:
            return next(iter(choice))
    if named:
        raise ValueError(
            f"{where}: several region attributes may name the class, {sorted(named)} "
            f"(all attributes: {sorted(known)}); choose one, "
            f"class_attribute={min(named)!r}."
        )
    return None


def class_of(region: Mapping, attribute: str | None, class_name: str) -> str:
    """Returns the class of a region, "" where it has none.

    Args:
        region: of `read_via`.
        attribute: that names it; None for `class_name`.
        class_name: of a region where no attribute names it.
    """
    if attribute is None:
        return class_name
    return _text_of(region["attributes"].get(attribute))


def _text_of(value) -> str:
    """Returns what an attribute says: a text, a number, the one box that is ticked."""
    if isinstance(value, Mapping):
        ticked = [str(option) for option, is_on in value.items() if is_on]
        return ticked[0] if len(ticked) == 1 else ""
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # 1.0 is 1 in json
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value.strip() if isinstance(value, str) else ""
