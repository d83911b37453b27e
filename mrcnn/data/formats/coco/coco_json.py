"""Annotation files of COCO: read, checked, and turned into outlines."""

from __future__ import annotations

import contextlib
import io
import json
import re
import warnings
from collections import Counter
from collections.abc import Container, Iterable, Iterator, Mapping
from pathlib import Path
from typing import Annotated, Any

from pydantic import AfterValidator, BeforeValidator, TypeAdapter
from typing_extensions import NotRequired, TypedDict

from mrcnn.data.formats.coco.coco_outlines import has_outline, look_like_corners
from mrcnn.data.formats.fields import Flag, Id, Name, Side, check_fields
from mrcnn.data.formats.json_kinds import MAX_PARSED_BYTES, read_json
from mrcnn.data.formats.left_out import warn_left_out

ROOT_ID = 0  # of the category that Roboflow adds
LISTS = ("images", "annotations", "categories")


def _name_of(value: Any) -> Any:
    """Returns a number as text: tools name classes by their number, too."""
    return str(value) if type(value) in (int, float) else value


class _Image(TypedDict):
    """What is read of an image."""

    id: Id
    file_name: Name
    width: NotRequired[Side | None]
    height: NotRequired[Side | None]


class _Annotation(TypedDict):
    """What is read of an annotation before its outline is needed."""

    image_id: Id
    category_id: Id
    iscrowd: NotRequired[Annotated[Flag, AfterValidator(int)]]


class _Category(TypedDict):
    """What is read of a category."""

    id: Id
    name: NotRequired[Annotated[str | None, BeforeValidator(_name_of)]]
    supercategory: NotRequired[Any]


class _Content(TypedDict):
    """An annotation file."""

    images: list[_Image]
    annotations: list[_Annotation]
    categories: list[_Category]


_CONTENT, _CATEGORIES = TypeAdapter(_Content), TypeAdapter(list[_Category])
CATEGORIES = re.compile(rb'"categories"\s*:\s*(?=\[)')
MAX_CATEGORIES_BYTES = 1 << 20
OBJECT_OF_ROOT = re.compile(rb'"category_id"\s*:\s*"?0"?\s*[,}]')


def read_coco_json(path: str | Path) -> dict:
    """Returns the content of an annotation file of COCO: three lists of dicts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of COCO; says what is missing.
    """
    where = f"read_coco_json({str(path)!r})"
    content = read_json(path, "read_coco_json")
    lists = content if isinstance(content, Mapping) else {}
    if missing := [key for key in LISTS if not isinstance(lists.get(key), list)]:
        raise ValueError(
            f"{where}: has no list of {' or '.join(missing)}; it is no annotation file "
            "of COCO for objects."
        )
    checked = check_fields(_CONTENT, content, where)
    for key in LISTS:
        for entry, found in zip(content[key], checked[key], strict=True):
            entry.update(found)
    _write_ids_alike(content)
    return content


def _write_ids_alike(content: Mapping) -> None:
    """Gives annotations the ids of images and categories that they mean.

    VIA, for one, writes "image_id": "0" for the image 0. An id that is there as it
    stands, or that several others read like, stays.
    """
    for key, entries in {"image_id": "images", "category_id": "categories"}.items():
        ids = {entry["id"] for entry in content[entries]}
        alike = Counter(map(str, ids))
        meant = {str(each): each for each in ids if alike[str(each)] == 1}
        for annotation in content["annotations"]:
            if annotation[key] not in ids:
                annotation[key] = meant.get(str(annotation[key]), annotation[key])


def is_of_browser(content: Mapping) -> bool:
    """Returns True for an export of VIA: a browser turned the images by EXIF notes."""
    info = content.get("info")
    text = str(info.get("description")) if isinstance(info, Mapping) else ""
    return bool(re.search(r"\bVIA\b|VGG Image Annotator", text))


def category_names(content: Mapping, where: str, used: Container = ()) -> dict:
    """Returns the names of an annotation file's categories by id.

    The id is the name where there is none. Roboflow puts a category before its classes
    that is the supercategory of all and that no object has: it is no class.

    Args:
        content: of `read_coco_json`; only its categories are needed.
        where: begins the message of an error.
        used: ids of categories that objects have.

    Raises:
        ValueError: one id has two names.
    """
    names: dict = {}
    for category in content["categories"]:
        name = category.get("name") or str(category["id"])
        if names.setdefault(category["id"], name) != name:
            raise ValueError(
                f"{where}: category {category['id']!r} is {names[category['id']]!r} "
                f"and {name!r}; give each class an id of its own."
            )
    root = _root(content["categories"])
    if root is not None and root not in used:
        del names[root]
    return names


def _root(categories: Iterable[Mapping]) -> int | None:
    """Returns the id of the category that all others have above them, or None."""
    roots = [each for each in categories if each["id"] == ROOT_ID]
    others = [each for each in categories if each["id"] != ROOT_ID]
    if len(roots) != 1 or not others:
        return None
    name = roots[0].get("name")
    is_above = all(each.get("supercategory") == name for each in others)
    return ROOT_ID if is_above and roots[0].get("supercategory") != name else None


def join_categories(paths: Iterable[str | Path], where: str) -> dict:
    """Returns the categories of several annotation files together: id to name.

    Args:
        paths: annotation files of one data set, such as its train and val.
        where: begins the message of an error.

    Raises:
        ValueError: one id names two classes, or two ids one class.
    """
    names: dict = {}
    files: dict = {}
    lists: dict = {}
    used: set = set()
    for path in paths:
        try:
            lists[path], uses_root = _read_categories(Path(path))
        except ValueError as error:
            # It may be the one that is wanted, and then its reader raises.
            text = f"{where}: {error} Until then its classes are not counted."
            warnings.warn(text, stacklevel=3)
        else:
            used |= {ROOT_ID} if uses_root else set()
    for path, categories in lists.items():
        found = category_names({"categories": categories}, f"{where}: {path}", used)
        for category, name in found.items():
            files.setdefault(category, path)
            others = [i for i in names if names[i] == name and files[i] != path]
            if names.setdefault(category, name) != name:
                other = f"{names[category]!r} in {files[category]}"
            elif others and category not in others:
                other = f"{others[0]!r} is it in {files[others[0]]}"
            else:
                continue
            raise ValueError(
                f"{where}: category {category!r} is {name!r} in {path}, but {other}; "
                "number the categories alike in all files, or pass one of the files."
            )
    return names


def as_pycocotools(content: Mapping):
    """Returns the content of an annotation file as a pycocotools.coco.COCO."""
    from pycocotools.coco import COCO

    coco = COCO()
    # COCO.loadRes copies them, and fails without.
    coco.dataset = {"info": {}, "licenses": [], **content}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def annotations_by_image(
    content: Mapping, names: Mapping, boxes_as_masks: bool, where: str
) -> dict:
    """Returns the annotations of each image by its id; warns of those that are lost.

    Args:
        content: of `read_coco_json`.
        names: of the categories by id.
        boxes_as_masks: says that objects without segmentation have a mask.
        where: begins the messages.

    Raises:
        ValueError: an id names two images, or no annotation belongs to an image.
    """
    by_image: dict = {image["id"]: [] for image in content["images"]}
    if len(by_image) != len(content["images"]):
        counts = Counter(image["id"] for image in content["images"])
        twice = counts.most_common(1)[0][0]
        files = [i["file_name"] for i in content["images"] if i["id"] == twice]
        raise ValueError(
            f"{where}: {len(content['images'])} images have {len(by_image)} ids; an id "
            f"names one image, but {twice!r} is that of {_some(files)}."
        )
    lost, masked = [], 0
    for annotation in content["annotations"]:
        image_id, category = annotation["image_id"], annotation["category_id"]
        if image_id in by_image and category in names:
            by_image[image_id].append(annotation)
            masked += has_outline(annotation)
        else:
            lost.append((image_id, category))
    kept = len(content["annotations"]) - len(lost)
    if lost:
        text = "belong to an image or a category that is not listed, for example to "
        text += "image {!r} and category {!r}".format(*lost[0])
        if not kept:
            raise ValueError(
                f"{where}: all {len(lost)} annotations {text}; write ids alike "
                f"everywhere: the images have {_some(by_image)}, the categories "
                f"{_some(names)}."
            )
        warn_left_out(where, len(lost), f"annotations {text}; they are left out.")
    sizes = {i["id"]: (i.get("width"), i.get("height")) for i in content["images"]}
    sizes = {image_id: size for image_id, size in sizes.items() if all(size)}
    if boxes_as_masks and look_like_corners(content["annotations"], sizes):
        warnings.warn(
            f"{where}: read as COCO's (x, y, width, height) boxes leave their images, "
            "but not as corners (x1, y1, x2, y2): compare a drawn image, and write "
            "bbox as [x1, y1, x2 - x1, y2 - y1].",
            stacklevel=3,
        )
    if not boxes_as_masks:
        text = f"of {kept} objects have no segmentation, so their masks have no pixel; "
        text += "load_json(boxes_as_masks=True) takes their boxes for masks."
        if any("keypoints" in annotation for annotation in content["annotations"]):
            text += " Keypoints are not read."
        warn_left_out(where, kept - masked, text)
    return by_image


def _read_categories(path: Path) -> tuple[list[dict], bool]:
    """Returns a file's categories, and whether objects have that of ROOT_ID.

    A large file is searched for them, not parsed.
    """
    if path.stat().st_size > MAX_PARSED_BYTES:
        for match in search_file(path, CATEGORIES):
            part = match.string[match.end() : match.end() + MAX_CATEGORIES_BYTES]
            # What is no list of categories, or is cut off, is passed by.
            with contextlib.suppress(ValueError, RecursionError):
                text = part.decode("utf-8", errors="replace")
                found = json.JSONDecoder().raw_decode(text)[0]
                categories = check_fields(_CATEGORIES, found, str(path))
                return categories, any(search_file(path, OBJECT_OF_ROOT))
    content = read_coco_json(path)
    used = {annotation["category_id"] for annotation in content["annotations"]}
    return content["categories"], ROOT_ID in used


def search_file(path: str | Path, pattern: re.Pattern) -> Iterator[re.Match]:
    """Yields the matches of a pattern of bytes in a file, without reading all of it."""
    import mmap

    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        yield from pattern.finditer(content)


def sorted_ids(ids: Iterable) -> list:
    """Returns ids in their order, numbers before texts."""
    return sorted(ids, key=lambda each: (isinstance(each, str), each))


def _some(ids: Iterable) -> str:
    """Returns the first of some ids."""
    ids = list(ids)
    return ", ".join(map(repr, ids[:3])) + (" ..." if len(ids) > 3 else "")
