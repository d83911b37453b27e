"""What open_dataset says of a folder that it cannot open, and what to pass instead."""

from __future__ import annotations

import contextlib
from collections import Counter
from collections.abc import Iterator
from pathlib import Path

from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.format_table import FORMATS, find_layouts
from mrcnn.data.formats.json_kinds import NO_JSON, json_kind
from mrcnn.data.formats.layouts import Layout, some_names
from mrcnn.data.formats.other_tools import name_tool, other_tool

MAX_NEIGHBORS = 50  # folders that are looked into for a hint
MAX_DEPTH = 3  # levels of folders that are looked into for a hint
MAX_FILES = 20  # of each kind in a folder that are looked into for a hint


def refuse_several_data_sets(folder: Path, layout: Layout, where: str) -> None:
    """Raises when a folder fits by one of its folders, and another fits as well.

    Args:
        folder: that was given.
        layout: of it, the one that was chosen.
        where: begins the message.

    Raises:
        ValueError: names the data sets in the folder.
    """
    if several := _several_data_sets(folder, layout):
        names = ", ".join(place.name for place in several)
        raise ValueError(
            f"{where}: holds several data sets: {names}; pass one of these folders, "
            f"for example {str(several[0])!r}."
        )


def _several_data_sets(folder: Path, layout: Layout) -> list[Path]:
    """Returns the data sets in a folder, if there are others than the one found."""
    places = [part.place for part in layout.parts]
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
    hints: list[str] = []
    for places in _levels_below(folder):
        near = [(place, _layouts_near(place)) for place in places]
        hints = hints or [_hint(place, found[0]) for place, found in near if found]
    # What lies in the folder itself says more than what lies above it.
    other = "" if hints else _other_tool_in(folder)
    xml = None if hints or other else _voc_xml_in(folder)
    hint = ""
    if other:
        hint = f" {other}"
    elif xml is not None:
        hint = (
            f" {xml.relative_to(folder)} is Pascal VOC's, but not where VOC has it: "
            "move the xml files into a folder Annotations, the images into "
            "JPEGImages beside it, and pass the folder that holds both."
        )
    elif hints := hints or _hints_above(folder):
        hint = f" Near it is a data set; pass {' or '.join(hints[:4])}."
    return (
        f"{where}: no known data set; found {describe_folder(folder)}.{hint} "
        f"{expectations()}"
    )


def _levels_below(folder: Path) -> Iterator[list[Path]]:
    """Yields the folders of each level below a folder, the nearest first."""
    places = [folder]
    for _ in range(MAX_DEPTH):
        above, places = places, []
        for place in above:
            with contextlib.suppress(OSError):  # a locked folder gives no hint
                places += list_folders(place)
        places = places[:MAX_NEIGHBORS]
        yield places


def _other_tool_in(folder: Path) -> str:
    """Returns which file in or below a folder is of another tool, and what to do."""
    for places in ([folder], *_levels_below(folder)):
        for path in (path for place in places for path in _some_files(place)):
            if named := name_tool(path):
                return f"{path.relative_to(folder)} {named}"
    return ""


def _some_files(folder: Path) -> Iterator[Path]:
    """Yields the first files of each kind in a folder; none if it is locked."""
    counts: Counter = Counter()
    with contextlib.suppress(OSError):
        for path in list_files(folder):
            counts[path.suffix.lower()] += 1
            if counts[path.suffix.lower()] <= MAX_FILES:
                yield path


def _hints_above(folder: Path) -> list[str]:
    """Returns the data set one or two levels above a folder, if it is one alone."""
    for place in list(folder.resolve().parents)[:2]:
        layouts = _layouts_near(place)
        if layouts and not _several_data_sets(place, layouts[0]):
            return [_hint(place, layouts[0])]
    return []


def _voc_xml_in(folder: Path) -> Path | None:
    """Returns an xml file of VOC in a folder or right below it."""
    for place in [folder, *list_folders(folder)[:MAX_NEIGHBORS]]:
        for path in list_files(place, ".xml")[:1]:
            with path.open("rb") as file:
                if b"<annotation" in file.read(1024):
                    return path
    return None


def _layouts_near(place: Path) -> list[Layout]:
    """Returns the layouts of a folder that the user did not name; none if locked."""
    try:
        return find_layouts(place)
    except OSError:
        return []


def _hint(place: Path, layout: Layout) -> str:
    """Returns a folder to pass instead."""
    if _several_data_sets(place, layout):
        return f"a folder in {str(place)!r}"
    subsets = f", subset {' or '.join(layout.subsets[:4])}" if layout.subsets else ""
    return f"{str(place)!r} ({FORMATS[layout.format].title}{subsets})"


def expectations() -> str:
    """Returns the files that each format has, a line each."""
    lines = [f"\n  {format.name}: {format.signs}" for format in FORMATS.values()]
    return "Formats and their files:" + "".join(lines)


def nearest(path: Path) -> str:
    """Returns what the deepest existing folder of a path holds."""
    above = next(parent for parent in path.absolute().parents if parent.is_dir())
    return f"{str(above)!r} holds {describe_folder(above)}"


def describe_folder(folder: Path) -> str:
    """Returns what lies in a folder, in a line."""
    by_kind: dict[str, list[Path]] = {"folder": list_folders(folder)}
    files = list_files(folder)
    for path in sorted(files, key=lambda path: path.suffix.lower()):
        suffix = path.suffix.lower()
        kind = f"{suffix} file" if suffix else "file without suffix"
        by_kind.setdefault(kind, []).append(path)
    parts = [
        f"{len(paths)} {kind}{'s' if len(paths) != 1 else ''} ({some_names(paths)})"
        for kind, paths in by_kind.items()
        if paths
    ]
    jsons = by_kind.get(".json file", [])[:3]
    parts += [f"{path.name} is {_kind_of(path)}" for path in jsons]
    return "; ".join(parts) or "nothing"


def _kind_of(path: Path) -> str:
    """Returns a few words on what a json file is."""
    kind = json_kind(path)
    if kind == NO_JSON:
        return f"{NO_JSON}, it is damaged: repair or restore it"
    tool = None if kind in FORMATS else other_tool(path)
    return kind if tool is None else f"{tool.title}'s"
