"""Annotation files of COCO: read, checked, and turned into outlines."""

from __future__ import annotations

import contextlib
import io
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from mrcnn.data.formats.json_kinds import MAX_PARSED_BYTES, read_json
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import Polygons, Rectangle, Rle, Shape

# The lists of an annotation file, and what each of their entries must have.
KEYS = {
    "images": ("id", "file_name"),
    "annotations": ("image_id", "category_id"),
    "categories": ("id",),
}
CATEGORIES = re.compile(rb'"categories"\s*:\s*(?=\[)')
MAX_CATEGORIES_BYTES = 1 << 20


def read_coco_json(path: str | Path) -> dict:
    """Returns the content of an annotation file of COCO: three lists of dicts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of COCO; says what is missing.
    """
    where = f"read_coco_json({str(path)!r})"
    content = read_json(path, "read_coco_json")
    lists = content if isinstance(content, Mapping) else {}
    if missing := [key for key in KEYS if not isinstance(lists.get(key), list)]:
        raise ValueError(
            f"{where}: has no list of {' or '.join(missing)}; it is no annotation file "
            "of COCO for objects."
        )
    for name, keys in KEYS.items():
        for i, entry in enumerate(content[name]):
            known = entry if isinstance(entry, Mapping) else ()
            if lacks := [key for key in keys if key not in known]:
                raise ValueError(
                    f"{where}: entry {i} of {name} has no {' and no '.join(lacks)}; "
                    "complete or remove it."
                )
    return content


def category_names(categories: Iterable[Mapping]) -> dict:
    """Returns the names of COCO's categories by id; the id where there is none."""
    return {c["id"]: c.get("name", str(c["id"])) for c in categories}


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
    for path in paths:
        for category, name in category_names(_read_categories(Path(path))).items():
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
        raise ValueError(
            f"{where}: {len(content['images'])} images have {len(by_image)} ids; an id "
            "names one image."
        )
    lost, masked = [], 0
    for annotation in content["annotations"]:
        image_id, category = annotation["image_id"], annotation["category_id"]
        if image_id in by_image and category in names:
            by_image[image_id].append(annotation)
            masked += bool(annotation.get("segmentation"))
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
    if not boxes_as_masks:
        text = f"of {kept} objects have no segmentation, so their masks have no pixel; "
        text += "load_json(boxes_as_masks=True) takes their boxes for masks."
        warn_left_out(where, kept - masked, text)
    return by_image


def to_annotation(raw: Mapping, boxes_as_masks: bool, file) -> Annotation:
    """Returns an annotation of a COCO file with its outline, `Damaged` if it has none.

    Args:
        raw: the dict in the file.
        boxes_as_masks: takes the box where there is no segmentation.
        file: that it stands in, for the message.
    """
    where = f"annotation {raw.get('id')!r} of {file}: "
    shape = outline_or_damaged(where, _to_shape, raw, boxes_as_masks)
    return Annotation(
        shape,
        raw["category_id"],
        is_crowd=bool(raw.get("iscrowd", 0)),
        # The evaluation goes by COCO's own box and area, as published numbers do.
        extra={key: raw[key] for key in ("id", "bbox", "area") if key in raw},
    )


def _to_shape(raw: Mapping, boxes_as_masks: bool) -> Shape:
    """Returns the outline of an annotation of a COCO file."""
    segmentation = raw.get("segmentation")
    if isinstance(segmentation, Mapping):
        size = segmentation.get("size")
        return Rle(segmentation["counts"], None if size is None else tuple(size))
    if not segmentation and boxes_as_masks:
        if len(raw["bbox"]) != 4:
            raise ValueError(f"bbox {raw['bbox']} is not x, y, width and height")
        x, y, width, height = raw["bbox"]
        return Rectangle(y, x, y + height, x + width)
    return Polygons.from_xy(segmentation or [])


def _read_categories(path: Path) -> list[dict]:
    """Returns the categories of an annotation file, without parsing a large one."""
    if path.stat().st_size > MAX_PARSED_BYTES:
        for match in search_file(path, CATEGORIES):
            part = match.string[match.end() : match.end() + MAX_CATEGORIES_BYTES]
            # What is no list of categories, or is cut off, is passed by.
            with contextlib.suppress(ValueError):
                text = part.decode("utf-8", errors="replace")
                found = json.JSONDecoder().raw_decode(text)[0]
                if all(isinstance(each, Mapping) and "id" in each for each in found):
                    return found
    return read_coco_json(path)["categories"]


def search_file(path: str | Path, pattern: re.Pattern) -> Iterator[re.Match]:
    """Yields the matches of a pattern of bytes in a file, without reading all of it."""
    import mmap

    with (
        open(path, "rb") as file,
        mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content,
    ):
        yield from pattern.finditer(content)


def _some(ids: Iterable) -> str:
    """Returns the first of some ids."""
    ids = list(ids)
    return ", ".join(map(repr, ids[:3])) + (" ..." if len(ids) > 3 else "")
