"""What open_dataset says of a folder that it cannot open, and what to pass instead."""

from __future__ import annotations

from pathlib import Path

from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.layouts import FORMATS, Layout, describe_folder, find_layouts

MAX_NEIGHBORS = 50  # folders that are looked into for a hint


def refuse_several_data_sets(folder: Path, layout: Layout, where: str) -> None:
    """Raises when a folder fits by one of its folders, and another fits as well.

    Args:
        folder: that was given.
        layout: the reading of it that was chosen.
        where: begins the message.

    Raises:
        ValueError: names the data sets in the folder.
    """
    several = _several_data_sets(folder, layout)
    if several:
        names = ", ".join(place.name for place in several)
        raise ValueError(
            f"{where}: holds several data sets: {names}; pass one of these folders, "
            f"for example {str(several[0])!r}."
        )


def _several_data_sets(folder: Path, layout: Layout) -> list[Path]:
    """The folders in a folder that are data sets beside the layout found; or none."""
    places = [place for _, place in layout.parts]
    if any(p == folder or (p.parent == folder and p.is_file()) for p in places):
        return []
    own = {folder / place.relative_to(folder).parts[0] for place in places}
    others = {
        place
        for place in list_folders(folder)[:MAX_NEIGHBORS]
        if place not in own and _layouts_near(place)
    }
    return sorted(own | others) if others else []


def nothing_fits(folder: Path, where: str) -> str:
    """Returns the message for a folder that is no data set, with what to pass instead.

    Args:
        folder: that was given.
        where: begins the message.
    """
    hints = []
    for place in list_folders(folder)[:MAX_NEIGHBORS]:
        hints += [_hint(place, layout) for layout in _layouts_near(place)[:1]]
    # What lies in the folder itself tells more than what lies above it.
    xml = None if hints else _voc_xml_in(folder)
    if not hints and xml is None:
        hints = _hints_above(folder)
    hint = f" Near it is a data set; pass {' or '.join(hints[:4])}." if hints else ""
    if xml is not None:
        hint = (
            f" {xml.relative_to(folder)} is Pascal VOC's, but not where VOC has it: "
            "move the xml files into a folder Annotations, the pictures into "
            "JPEGImages beside it, and pass the folder that holds both."
        )
    return (
        f"{where}: no known data set; found {describe_folder(folder)}.{hint} "
        f"{expectations()}"
    )


def _hints_above(folder: Path) -> list[str]:
    """The nearest data set one or two levels above a folder, if it is one alone."""
    for place in list(folder.resolve().parents)[:2]:
        layouts = _layouts_near(place)
        if layouts and not _several_data_sets(place, layouts[0]):
            return [_hint(place, layouts[0])]
    return []


def _voc_xml_in(folder: Path) -> Path | None:
    """An xml file of VOC in a folder or right below it."""
    for place in [folder, *list_folders(folder)[:MAX_NEIGHBORS]]:
        for path in list_files(place, ".xml")[:1]:
            with path.open("rb") as file:
                if b"<annotation" in file.read(1024):
                    return path
    return None


def _layouts_near(place: Path) -> list[Layout]:
    """The readings of a folder that nobody asked for, and that may be closed to us."""
    try:
        return find_layouts(place)
    except OSError:
        return []


def _hint(place: Path, layout: Layout) -> str:
    """A folder to pass instead."""
    if _several_data_sets(place, layout):
        return f"a folder in {str(place)!r}"
    subsets = f", subset {' or '.join(layout.subsets[:4])}" if layout.subsets else ""
    return f"{str(place)!r} ({FORMATS[layout.format][0]}{subsets})"


def expectations() -> str:
    """Returns what each format is told by, a line each."""
    lines = [f"\n  {key}: {sign}" for key, (_, sign) in FORMATS.items()]
    return "Formats and what they are told by:" + "".join(lines)


def nearest(path: Path) -> str:
    """Returns what the deepest existing folder of a path holds."""
    above = next(parent for parent in path.absolute().parents if parent.is_dir())
    return f"{str(above)!r} holds {describe_folder(above)}"
