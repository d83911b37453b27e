"""Layouts: which data sets a folder holds, told by what lies where."""

from __future__ import annotations

import contextlib
import re
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.json_kinds import json_kind
from mrcnn.data.formats.label_images import IMAGE_FOLDERS, pair_label_images
from mrcnn.data.formats.mask_folders import find_mask_folders, read_split
from mrcnn.data.formats.voc.voc_dataset import find_voc_folders, voc_subsets

# Format: what people call it, and what it is told by.
FORMATS = {
    "coco": (
        "COCO json",
        "a json file with 'images', 'annotations' and 'categories', here, in "
        "annotations/ or in a folder per subset",
    ),
    "via": (
        "VIA json",
        "a json export or project of the VGG Image Annotator, here or in a folder per "
        "subset",
    ),
    "voc": (
        "Pascal VOC",
        "Annotations/*.xml with JPEGImages/ and SegmentationObject/, here, in VOC2007 "
        "and the like, or in VOCdevkit/",
    ),
    "labelme": (
        "LabelMe",
        "one json a picture with 'shapes' and 'imagePath', here or in a folder per "
        "subset",
    ),
    "mask_folders": (
        "mask folders",
        "<id>/images/ with one picture and <id>/masks/ with one file an object",
    ),
    "label_images": (
        "label images",
        "images/7.jpg with labels/7.png (or masks/7.png), or 7.jpg beside 7.png or "
        "7_labels.png",
    ),
}
# Folders of annotation files that are no subset by themselves.
ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "json")
COCO_PREFIX = "instances_"
# Names of one and the same subset.
SYNONYMS = (("val", "valid", "validation"),)


class Layout(NamedTuple):
    """One reading of a folder.

    Attributes:
        format: a key of FORMATS.
        parts: (name of subset, file or folder) pairs, to be loaded one by one.
        subsets: names that can be chosen; more than the parts where subsets overlap.
        evidence: what it was told by, for people.
        is_weak: True when another layout explains the same files better.
        part_evidence: what each part was told by, by its name.
    """

    format: str
    parts: tuple[tuple[str, Path], ...]
    subsets: tuple[str, ...]
    evidence: str
    is_weak: bool = False
    part_evidence: Mapping[str, str] = {}


def find_layouts(folder: str | Path) -> list[Layout]:
    """Returns all readings of a folder; none if it is no data set.

    Args:
        folder: where to look; folders one level below are looked into too.
    """
    folder = Path(folder)
    found = [*_json_layouts(folder), *_voc_layouts(folder)]
    return [*found, *_mask_folder_layouts(folder), *_label_image_layouts(folder)]


def json_kinds_in(folder: Path) -> dict[Path, str]:
    """Returns the kind of every json file in a folder and right below it."""
    places = [folder, *list_folders(folder)]
    return {
        path: json_kind(path) for place in places for path in list_files(place, ".json")
    }


def match_subset(names, subset: str) -> list[str]:
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
    """Returns what else a subset may be called."""
    calls = next((calls for calls in SYNONYMS if subset.lower() in calls), ())
    return [call for call in calls if call != subset.lower()]


def describe_folder(folder: Path) -> str:
    """Returns what lies in a folder, in a line."""
    folders, files = list_folders(folder), list_files(folder)
    if not folders and not files:
        return "nothing"
    parts = []
    if folders:
        parts.append(f"{_count(folders, 'folder')} ({_some(folders)})")
    by_suffix: dict[str, list[Path]] = {}
    for path in files:
        by_suffix.setdefault(path.suffix.lower(), []).append(path)
    for suffix, paths in sorted(by_suffix.items()):
        kind = f"{suffix} file" if suffix else "file without suffix"
        parts.append(f"{_count(paths, kind)} ({_some(paths)})")
    kinds = [(p, json_kind(p)) for p in by_suffix.get(".json", [])[:3]]
    parts += [f"{path.name} is {kind}" for path, kind in kinds]
    return "; ".join(parts)


def _json_layouts(folder: Path) -> Iterator[Layout]:
    """Layouts that json files tell: COCO, VIA, LabelMe."""
    kinds = json_kinds_in(folder)
    for kind in ("coco", "via"):
        paths = [path for path, other in kinds.items() if other == kind]
        if kind == "coco" and any(p.stem.startswith(COCO_PREFIX) for p in paths):
            # Beside them lie the same images again, with keypoints or stuff.
            paths = [p for p in paths if p.stem.startswith(COCO_PREFIX)]
        if paths:
            parts = tuple(_name_parts(folder, paths))
            yield _layout(
                kind,
                parts,
                _some(paths, folder),
                [str(path.relative_to(folder)) for _, path in parts],
            )
    paths = [path for path, kind in kinds.items() if kind == "labelme"]
    if paths:
        homes = list(dict.fromkeys(path.parent for path in paths))
        parts = tuple((h.name if h != folder else ".", h) for h in homes)
        counts = [sum(path.parent == home for path in paths) for home in homes]
        files = [f"{count} json files" for count in counts]
        yield _layout("labelme", parts, f"{len(paths)} json files", files)


def _layout(format: str, parts, evidence: str, each: list[str], is_weak=False):
    """A layout whose parts are its subsets, with the evidence of each."""
    names = tuple(name for name, _ in parts)
    told = dict(zip(names, each, strict=True))
    return Layout(format, parts, names, evidence, is_weak, told)


def _name_parts(folder: Path, paths: list[Path]) -> Iterator[tuple[str, Path]]:
    """Names annotation files: by their folder where that is a subset's, else stem."""
    for path in paths:
        stem = path.stem.removeprefix(COCO_PREFIX)
        place = path.parent
        if place == folder or place.name.lower() in ANNOTATION_FOLDERS:
            yield stem, path
        elif sum(other.parent == place for other in paths) == 1:
            yield place.name, path
        else:
            yield f"{place.name}/{stem}", path


def _voc_layouts(folder: Path) -> Iterator[Layout]:
    """VOC, each year a layout's part."""
    homes = find_voc_folders(folder)
    if homes:
        subsets = dict.fromkeys(name for home in homes for name in voc_subsets(home))
        parts = tuple((home.name, home) for home in homes)
        yield Layout("voc", parts, tuple(subsets), _some(homes, folder))


def _mask_folder_layouts(folder: Path) -> Iterator[Layout]:
    """A folder a picture."""
    homes = find_mask_folders(folder)
    if homes:
        names = [home.name for home in homes if home != folder]
        # A split that cannot be read matters to who asks for a subset: it is told then.
        with contextlib.suppress(ValueError):
            split = list(read_split(folder))
            if any("valid" in name for name in split):
                split += ["train", "val"]
            names = list(dict.fromkeys([*names, *split]))
        parts = ((".", folder),)
        yield Layout("mask_folders", parts, tuple(names), _some(homes, folder))


def _label_image_layouts(folder: Path) -> Iterator[Layout]:
    """Pictures with label images, in two folders or side by side."""
    pairs, _ = pair_label_images(folder)
    if pairs:
        beside = pairs[0][0].parent == pairs[0][1].parent
        yield Layout("label_images", ((".", folder),), (), _pair(pairs, folder), beside)
        return
    names = {place.name for place in list_folders(folder)}
    for images in IMAGE_FOLDERS:
        if (folder / images).is_dir():
            names |= {place.name for place in list_folders(folder / images)}
    found = {name: pair_label_images(folder, name)[0] for name in sorted(names)}
    found = {name: pairs for name, pairs in found.items() if pairs}
    if found:
        parts = tuple((name, folder) for name in found)
        pairs = next(iter(found.values()))
        beside = pairs[0][0].parent == pairs[0][1].parent
        each = [_pair(pairs, folder) for pairs in found.values()]
        yield _layout("label_images", parts, each[0], each, beside)


def _pair(pairs, folder: Path) -> str:
    """One pair of files, as evidence."""
    image, label = (path.relative_to(folder) for path in pairs[0])
    return f"{image} with {label}"


def _count(things: list, word: str) -> str:
    """Returns "1 folder", "2 folders"."""
    return f"{len(things)} {word}{'s' if len(things) != 1 else ''}"


def _some(paths: list[Path], folder: Path | None = None) -> str:
    """The names of the first paths."""
    names = [
        path.name if folder in (None, path) else str(path.relative_to(folder))
        for path in paths[:4]
    ]
    return ", ".join(names) + (" ..." if len(paths) > 4 else "")
