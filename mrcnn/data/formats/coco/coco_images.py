"""Where the pictures of a COCO json lie: nothing in the file tells the folder."""

from __future__ import annotations

from pathlib import Path

from mrcnn.data.files.folders import list_folders
from mrcnn.data.formats.json_kinds import coco_file_names
from mrcnn.data.formats.layouts import COCO_PREFIX, match_subset

USUAL_FOLDERS = ("images", "data")


def find_image_dir(annotation_file: str | Path, subset: str, where: str) -> Path:
    """Returns the folder that holds most of the first images that a COCO json names.

    Where several folders hold pictures of these names (train/0001.png, val/0001.png),
    it is the one that the name of the json, or the subset, tells; else that of the
    json; else images/.

    Args:
        annotation_file: the json.
        subset: what the data set calls the part that the json is.
        where: begins the message of an error.

    Raises:
        ValueError: several folders hold them, and no name tells which is meant.
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
    places = list({place.resolve(): place for place in reversed(places)}.values())[::-1]

    counts = [sum((place / n).is_file() for n in file_names) for place in places]
    most = max(counts)
    if not most:
        return home
    # One picture may be missing where it belongs, but not where another one lies.
    named = [
        place
        for place, count in zip(places, counts, strict=True)
        if 2 * count >= most and match_subset([stem, subset], place.resolve().name)
    ]
    exact = [place for place in named if place.name in (stem, subset)]
    tied = [p for p, count in zip(places, counts, strict=True) if count == most]
    usual = [place for place in tied if place.name.lower() in USUAL_FOLDERS]
    beside = [place for place in tied if place == home]
    found = next(choice for choice in (exact, named, beside, usual, tied) if choice)
    if len(found) > 1:
        raise ValueError(
            f"{where}: pictures with the names in {annotation_file} lie in "
            f"{', '.join(str(place) for place in found[:4])}; pass the folder that is "
            f"meant, image_dir={str(found[0])!r}."
        )
    return found[0]
