"""Finds the folder with the images of a COCO json, which does not name it."""

from __future__ import annotations

import contextlib
import itertools
import json
import re
from collections.abc import Iterable
from pathlib import Path

from mrcnn.data.files.find_images import count_found
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.files.text_files import encoding_of
from mrcnn.data.formats.coco.coco_json import read_coco_json, search_file
from mrcnn.data.formats.json_kinds import json_kind
from mrcnn.data.formats.layouts import ANNOTATION_FOLDERS, COCO_PREFIX, images_in
from mrcnn.data.formats.subset_names import match_subset, subset_words

FILE_NAME = re.compile(rb'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')
USUAL_FOLDERS = ("images", "data")


def find_image_dir(annotation_file: str | Path, subset: str) -> Path:
    """Returns the folder that holds most of the first images that a COCO json names.

    Where several folders hold images of these names (train/0001.png, val/0001.png), it
    is the one named as the json or the subset; else that of the json; else images/.
    Folders of other subsets, or with a json of their own, come last; they are not
    looked into where images lie with the json: one that is missing there is missing.

    Args:
        annotation_file: the json.
        subset: that the json is of.

    Raises:
        ValueError: several folders hold them, and no name shows which is meant.
    """
    annotation_file = Path(annotation_file)
    file_names = coco_file_names(annotation_file)
    home = annotation_file.parent
    stem = annotation_file.stem.removeprefix(COCO_PREFIX)
    names = list(dict.fromkeys([stem, subset, *USUAL_FOLDERS]))
    places = [home, *(home / n for n in names), *(home.parent / n for n in names)]
    for above in (home, home.parent):
        places += list_folders(above / "images")
    places += [*list_folders(home), home.parent, *list_folders(home.parent)]
    places = [place for place in places if place.is_dir()]
    places = list({place.resolve(): place for place in reversed(places)}.values())[::-1]

    inner = [place for place in places if home in (place, *place.parents)]
    known = (stem, subset, home.name)
    strange = {p for p in places if p not in inner and _is_of_others(p, known)}
    groups = [inner, [place for place in places if place not in strange]]
    if not any(map(images_in, inner)):
        groups.append(places)
    # Beside the folder other data sets may have images of the same names.
    is_inner = home.name.lower() in ANNOTATION_FOLDERS
    around = {home.parent, *list_folders(home.parent)} if not is_inner else set()
    around -= {home}
    for group in groups:
        places = group
        counts = {p: sum((p / n).is_file() for n in file_names) for p in places}
        most = max(counts.values())
        if most < len(file_names):
            # Named as on another machine, or in folders below.
            found = {p: count_found(p, file_names) for p in places if p not in around}
            if max(found.values()) > most:
                most = max(found.values())
                best = [place.absolute() for place in found if found[place] == most]
                # A folder has what those below it have.
                above = {parent for place in best for parent in place.parents}
                lowest = {
                    p: 0 if p.absolute() in above else n for p, n in found.items()
                }
                counts, places = lowest, list(lowest)
        if 2 * most >= len(file_names):
            break
    if not most:
        return home
    # One image may be missing where it belongs, but not where another one lies.
    named = [
        place
        for place in places
        if 2 * counts[place] >= most
        and match_subset([stem, subset], place.resolve().name)
    ]
    exact = [place for place in named if place.name in (stem, subset)]
    tied = [place for place in places if counts[place] == most]
    usual = [place for place in tied if place.name.lower() in USUAL_FOLDERS]
    beside = [place for place in tied if place == home]
    found = next(choice for choice in (exact, named, beside, usual, tied) if choice)
    if len(found) > 1:
        raise ValueError(
            f"open_dataset(): images with the names in {annotation_file} lie in "
            f"{', '.join(str(place) for place in found[:4])}; pass the folder that is "
            f"meant, image_dir={str(found[0])!r}."
        )
    return found[0]


def _is_of_others(place: Path, names: Iterable[str]) -> bool:
    """Returns whether a folder is of another subset than names say, or has its json."""
    wanted, own = (
        {word for name in each for word in subset_words(name)}
        for each in (names, [place.name])
    )
    if wanted and own and wanted.isdisjoint(own):
        return True
    return any(json_kind(file) == "coco" for file in list_files(place, ".json"))


def coco_file_names(path: str | Path, limit: int = 20) -> list[str]:
    """Returns the file names of the first images of a COCO json, without parsing it.

    Args:
        path: the json file.
        limit: how many names.
    """
    with open(path, "rb") as file:
        is_utf_8 = encoding_of(file.read(4)).startswith("utf-8")
    if not is_utf_8:
        names = (image["file_name"] for image in read_coco_json(path)["images"])
        return list(itertools.islice(names, limit))
    names = []
    for match in itertools.islice(search_file(path, FILE_NAME), limit):
        with contextlib.suppress(ValueError):  # the reader of all says what is wrong
            names.append(json.loads(match[1]))
    return names
