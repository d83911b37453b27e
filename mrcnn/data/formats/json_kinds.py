"""Json files: reading one, and which tool wrote it: COCO, VIA, LabelMe or another."""

from __future__ import annotations

import json
import mmap
from collections.abc import Mapping
from pathlib import Path
from typing import BinaryIO

from mrcnn.data.files.text_files import EncodingError, encoding_of, read_text

HEAD_BYTES = 1 << 16
# Larger files are judged by words in their head and tail: parsing takes seconds.
MAX_PARSED_BYTES = 1 << 25
NO_JSON = "no valid json"
UNKNOWN = "a large json of unknown content"
LABELME_KEYS = {"shapes", "imagePath", "imageData"}
# VIA 3 keeps files, views and regions apart.
VIA3_KEYS = {"file", "view", "metadata"}


def read_json(path: str | Path, reader: str):
    """Returns the parsed content of a json file.

    Args:
        path: the file.
        reader: the function that reads it, named in the message of an error.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no json, damaged, or in an encoding that does not show.
    """
    where = f"{reader}({str(path)!r})"
    if not Path(path).is_file():
        raise FileNotFoundError(f"{where}: there is no such file.")
    text = read_text(path, where)
    try:
        return json.loads(text)
    except (ValueError, RecursionError) as error:
        raise ValueError(
            f"{where}: no valid json ({error}); repair or remove it."
        ) from error


def json_kind(path: str | Path) -> str:
    """Returns "coco", "via" or "labelme", else a few words on what a file is.

    Args:
        path: a json file.
    """
    path = Path(path)
    try:
        with path.open("rb") as file:
            head = file.read(HEAD_BYTES)
            encoding = encoding_of(head)
            head = head.decode(encoding, errors="replace")
            # LabelMe files are many and hold their image: the head is enough.
            if '"shapes"' in head and '"imagePath"' in head and '"images"' not in head:
                return "labelme"
            if path.stat().st_size > MAX_PARSED_BYTES:
                file.seek(-HEAD_BYTES, 2)
                tail = file.read().decode(encoding, errors="replace")
                kind = _kind_of_text(head + tail)
                # A long outline or a large picture parts the words of LabelMe.
                return (
                    "labelme" if kind == UNKNOWN and _is_large_labelme(file) else kind
                )
        return _kind_of_content(read_json(path, "json_kind"))
    except OSError as error:
        return f"a file that cannot be read ({error.strerror})"
    except EncodingError as error:
        reason = str(error).removeprefix(f"json_kind({str(path)!r}): ")
        return f"not readable as json ({reason})"
    except ValueError:
        return NO_JSON


def is_labelme(content) -> bool:
    """Returns True for the parsed content of a LabelMe json, a damaged one too."""
    return isinstance(content, Mapping) and len(LABELME_KEYS & content.keys()) > 1


def _kind_of_content(content) -> str:
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
    if isinstance(content.get("images"), list):
        if kind := _kind_of_coco(content):
            return kind
    if "_via_img_metadata" in content or VIA3_KEYS <= set(content):
        return "via"
    entries = list(content.values())
    images = [e for e in entries if isinstance(e, Mapping) and "filename" in e]
    # A damaged entry among others is named by the loader.
    if 2 * len(images) > len(entries) and any("regions" in e for e in images):
        return "via"
    keys = ", ".join(map(repr, list(content)[:4])) or "none"
    return f"json with the keys {keys}{' ...' if len(content) > 4 else ''}"


def _kind_of_coco(content: Mapping) -> str | None:
    """Returns "coco" or what else a file with a list of images is; None: not COCO's."""
    annotations = content.get("annotations")
    if not isinstance(annotations, list):
        if "categories" in content and annotations is None:
            return "COCO json of a test set (images without annotations)"
        return None
    first = annotations[0] if annotations else None
    keys = set(first) if isinstance(first, Mapping) else set()
    if "segments_info" in keys:
        return (
            "COCO json of panoptic segments (their masks are png files); the objects "
            "of the same images are in instances_*.json"
        )
    if "caption" in keys:
        return "COCO json of captions; the objects are in instances_*.json"
    if "categories" in content:
        return "coco"
    return "COCO json without categories"


def _kind_of_text(text: str) -> str:
    """Returns the kind of a file that is too large to parse twice, by head and tail."""

    def has(*words: str) -> bool:
        return all(f'"{word}"' in text for word in words)

    if has("_via_img_metadata") or has("regions", "shape_attributes"):
        return "via"
    if text.lstrip("\ufeff \n\r\t").startswith("["):
        return "a list"
    if has("segments_info"):
        return "COCO json of panoptic segments (their masks are png files)"
    if any(map(has, ("segmentation", "bbox", "category_id"))):
        return "coco"
    if has("categories", "images"):
        return "coco"
    return UNKNOWN


def _is_large_labelme(file: BinaryIO) -> bool:
    """Returns True for a large json with the words of LabelMe anywhere."""
    with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
        words = (b'"shapes"', b'"imagePath"', b'"imageData"')
        return all(content.find(word) >= 0 for word in words)
