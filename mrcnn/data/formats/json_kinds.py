"""What a json file is: of COCO, VIA, LabelMe, or something else."""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from pathlib import Path

from mrcnn.data.formats.labelme import is_labelme

HEAD_BYTES = 1 << 16
# Larger files are judged by words in their head and tail: parsing takes seconds.
MAX_PARSED_BYTES = 1 << 25
ANNOTATION_KINDS = ("coco", "via", "labelme")
# VIA 3 keeps files, views and regions apart.
VIA3_KEYS = {"file", "view", "metadata"}
FILE_NAME = re.compile(r'"file_name"\s*:\s*("(?:[^"\\]|\\.)*")')


def json_kind(path: str | Path) -> str:
    """Returns "coco", "via" or "labelme", else a few words that tell what a file is.

    Args:
        path: a json file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES).decode("utf-8", errors="replace")
        # LabelMe files are many and carry their picture: the head is enough.
        if '"shapes"' in head and '"imagePath"' in head and '"images"' not in head:
            return "labelme"
        if path.stat().st_size > MAX_PARSED_BYTES:
            return _kind_of_text(head + _tail(path))
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"
    except (ValueError, RecursionError):
        return "no valid json"
    return kind_of_content(content)


def kind_of_content(content) -> str:
    """Returns what `json_kind` does, of the parsed content of a file."""
    if isinstance(content, list):
        first = content[0] if content else None
        if isinstance(first, Mapping) and {"image_id", "score"} <= set(first):
            return "a list of COCO results (detections, not annotations)"
        return "a list"
    if not isinstance(content, Mapping):
        return f"a single {type(content).__name__}"
    if is_labelme(content):
        return "labelme"
    if all(isinstance(content.get(key), list) for key in ("images", "annotations")):
        if "categories" in content:
            return "coco"
        return "COCO json without categories (captions?)"
    if "_via_img_metadata" in content or VIA3_KEYS <= set(content):
        return "via"
    entries = list(content.values())
    if entries and all(
        isinstance(e, Mapping) and {"filename", "regions"} <= set(e) for e in entries
    ):
        return "via"
    keys = ", ".join(map(repr, list(content)[:4])) or "none"
    return f"json with the keys {keys}{' ...' if len(content) > 4 else ''}"


def coco_file_names(path: str | Path, limit: int = 20) -> list[str]:
    """Returns the file names of the first images of a COCO json, without parsing all.

    Args:
        path: the json file.
        limit: how many names.
    """
    names, rest = [], ""
    with Path(path).open(encoding="utf-8-sig") as file:
        while len(names) < limit and (chunk := file.read(HEAD_BYTES)):
            text = rest + chunk
            end = 0
            for match in FILE_NAME.finditer(text):
                names.append(json.loads(match[1]))
                end = match.end()
            # A name may be cut in two by the end of what was read.
            rest = text[max(end, len(text) - 1024) :]
    return names[:limit]


def _tail(path: Path) -> str:
    """The last bytes of a file, as text."""
    with path.open("rb") as file:
        file.seek(-HEAD_BYTES, 2)
        return file.read().decode("utf-8", errors="replace")


def _kind_of_text(text: str) -> str:
    """Judges the head and tail of a file that is too large to parse twice."""
    if '"_via_img_metadata"' in text or (
        '"regions"' in text and '"shape_attributes"' in text
    ):
        return "via"
    if text.lstrip("\ufeff \n\r\t").startswith("["):
        return "a list"
    if '"segmentation"' in text or '"bbox"' in text or '"category_id"' in text:
        return "coco"
    if '"categories"' in text and '"images"' in text:
        return "coco"
    return "a large json of unknown content"
