"""Format, Layout, Part: how an annotation format is described to `open_dataset`."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import NamedTuple

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.image_files import IMAGE_SUFFIXES, list_images

# Folders of annotation files that are no subset by themselves.
ANNOTATION_FOLDERS = ("annotations", "annotation", "labels", "json")
COCO_PREFIX = "instances_"
MASK_SUFFIXES = (*IMAGE_SUFFIXES, ".gif")


class Part(NamedTuple):
    """A part of a data set that is loaded by one call.

    Attributes:
        name: of the subset that it is, "." where it is none.
        place: its annotation file, or a folder.
        evidence: the files by which it was recognized, for people.
    """

    name: str
    place: Path
    evidence: str = ""

    @property
    def subset(self) -> str | None:
        """Name of the subset; None where it is none."""
        return None if self.name == "." else self.name


class Layout(NamedTuple):
    """A data set of one format that was found in a folder.

    Attributes:
        parts: what is loaded, one after the other; none where nothing was found.
        evidence: the files by which it was recognized, for people.
        lists: names of lists of images, where these are the subsets; the loader is then
            called once, with the folder and a list. None where each part is a subset.
        is_weak: True when another layout explains the same files better.
        format: name of the format, a key of `format_table.FORMATS`.
        folder: where it was found.
    """

    parts: Sequence[Part]
    evidence: str
    lists: Sequence[str] | None = None
    is_weak: bool = False
    format: str = ""
    folder: Path = Path()

    @property
    def subsets(self) -> tuple[str, ...]:
        """Names that can be chosen."""
        if self.lists is not None:
            return tuple(dict.fromkeys(self.lists))
        return tuple(part.name for part in self.parts if part.subset)


class Format(NamedTuple):
    """An annotation format: how a folder of it is recognized, shown and loaded.

    Each format has one, FORMAT, beside its Dataset class; `format_table` lists all.

    Attributes:
        name: as in `open_dataset(format="coco")`.
        title: as people call it.
        signs: which files a folder of it has, in words.
        dataset: its class.
        find: returns the layout of a folder, one without parts where there is none;
            called with the folder and the json files of this format (`json_kind`) in it
            and right below it.
        load: adds images; called with the data set, an annotation file (the place of a
            part) or the layout's folder, the subset or None, and the keywords given to
            `open_dataset`.
        classes_of_all: returns the keywords for `load` that make all parts number their
            classes alike; called with the annotation files, the beginning of an error
            message, and the keywords. None where the loader does it by itself.
        counts_objects: False when counting the objects takes long.
        holds_images: True when annotation files may hold the images themselves.
    """

    name: str
    title: str
    signs: str
    dataset: type[AnnotatedDataset]
    find: Callable[[Path, Sequence[Path]], Layout]
    load: Callable[..., None]
    classes_of_all: Callable[..., dict] | None = None
    counts_objects: bool = True
    holds_images: bool = False


def file_layout(folder: Path, files: Sequence[Path]) -> Layout:
    """Returns the layout of a data set with one annotation file a subset.

    Args:
        folder: where the files were found.
        files: in the folder or right below it.
    """
    parts = [
        Part(_subset_of(file, folder, files), file, some_names([file], folder))
        for file in files
    ]
    return Layout(parts, some_names(files, folder))


def _subset_of(file: Path, folder: Path, files: Sequence[Path]) -> str:
    """Returns the subset of a file: its folder where that is a subset's, else stem."""
    stem, home = file.stem.removeprefix(COCO_PREFIX), file.parent
    if home == folder or home.name.lower() in ANNOTATION_FOLDERS:
        return stem
    is_alone = sum(other.parent == home for other in files) == 1
    return home.name if is_alone else f"{home.name}/{stem}"


def some_names(paths: Sequence[Path], folder: Path | None = None) -> str:
    """Returns the names of the first paths, as seen from a folder."""
    names = [
        path.name if folder in (None, path) else str(path.relative_to(folder))
        for path in paths[:4]
    ]
    return ", ".join(names) + (" ..." if len(paths) > 4 else "")


def images_in(folder: Path) -> list[Path]:
    """Returns the image files in a folder, sorted; [] where there is no folder."""
    return list_images(folder) if folder.is_dir() else []


def masks_in(folder: Path) -> list[Path]:
    """Returns the files of masks in a folder, sorted; [] where there is no folder."""
    if not folder.is_dir():
        return []
    return sorted(p for p in folder.iterdir() if p.suffix.lower() in MASK_SUFFIXES)
