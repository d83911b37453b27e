"""CVAT's own xml: "CVAT for images 1.1", all images of a task in one file."""

from __future__ import annotations

import math
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import NamedTuple
from xml.etree.ElementTree import Element

import numpy as np
from pydantic import TypeAdapter
from typing_extensions import Required, TypedDict

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.find_images import find_images
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.fields import (
    Flag,
    Name,
    Number,
    Side,
    Whole,
    check_fields,
    check_size,
)
from mrcnn.data.formats.layouts import Format, Layout, Part, file_layout
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.formats.voc.voc_xml import parse_xml
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.compound import join_shapes
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.run_lengths import read_counts
from mrcnn.data.outlines.shapes import (
    DEFAULT_LINE_WIDTH,
    Ellipse,
    Polygons,
    Polyline,
    Rectangle,
    Rle,
    Shape,
)

SOURCE = "cvat"
HEAD_BYTES = 1 << 12
SUBSET = re.compile(rb'<image [^>]*\bsubset="([^"]+)"')
MAX_XML_FILES = 20  # of a folder that are looked into: CVAT writes one


class _Image(TypedDict, total=False):
    name: Required[Name]
    width: Side
    height: Side
    subset: str


class _Object(TypedDict, total=False):
    """What every kind of outline has."""

    label: Required[Name]
    group_id: Whole
    occluded: Flag


class _Box(TypedDict, total=False):
    xtl: Required[Number]
    ytl: Required[Number]
    xbr: Required[Number]
    ybr: Required[Number]
    rotation: Number


class _Ellipse(TypedDict, total=False):
    cx: Required[Number]
    cy: Required[Number]
    rx: Required[Number]
    ry: Required[Number]
    rotation: Number


class _Points(TypedDict):
    points: list[tuple[Number, Number]]


class _Mask(TypedDict):
    rle: list[Whole]
    left: Whole
    top: Whole
    width: Side
    height: Side


IMAGE, OBJECT = TypeAdapter(_Image), TypeAdapter(_Object)
OUTLINES = {
    "box": TypeAdapter(_Box),
    "ellipse": TypeAdapter(_Ellipse),
    "polygon": TypeAdapter(_Points),
    "polyline": TypeAdapter(_Points),
    "mask": TypeAdapter(_Mask),
}


class CvatImage(NamedTuple):
    """An <image> of the file.

    Attributes:
        name: of its file, as it stands in the xml.
        subset: "" where the project has none.
        height: px; None when it is not told.
        width: px; None when it is not told.
        elements: its outlines, tags, points ...
    """

    name: str
    subset: str
    height: int | None
    width: int | None
    elements: list[Element]


class CvatDataset(AnnotatedDataset):
    """Images annotated with CVAT, from its xml "CVAT for images 1.1"."""

    def load_cvat(
        self,
        path: str | Path,
        subset: str | None = None,
        classes: Sequence[str] | None = None,
        *,
        image_dir: str | Path | None = None,
        line_width: float = DEFAULT_LINE_WIDTH,
    ) -> None:
        """Adds the images of a CVAT xml, also those without an object.

        Boxes (also turned ones), polygons, polylines, ellipses and masks become
        objects; those of one label and one group become one object. Tags, points,
        skeletons and cuboids are left out, with a warning. `Annotation.extra` holds
        `attributes`, `occluded` and `group_id` where they are set. A damaged outline is
        warned of and kept: `validate` lists all of them, and `load_mask` raises.

        Args:
            path: the xml file, or the folder that holds it.
            subset: of the images in it, as CVAT's projects have them; None for all.
            classes: names in the order of their ids; objects of others are left out.
                None: all labels of the task, by the alphabet.
            image_dir: where the images are; None: in or below the folder of the file.
            line_width: px, with which polylines are drawn.

        Raises:
            FileNotFoundError: there is no such file, or no CVAT xml in the folder.
            ValueError: the file is damaged, of a video, or has no such subset.
        """
        file = _find_file(Path(path))
        where = f"load_cvat({str(file)!r})"
        images, labels = read_cvat(file)
        class_ids = register_classes(self, SOURCE, labels, where, classes)
        subsets = sorted({image.subset for image in images} - {""})
        if subset is not None:
            images = [image for image in images if image.subset == subset]
            if not images:
                raise ValueError(
                    f"{where}: no image is of subset {subset!r}; there is "
                    f"{', '.join(subsets) or 'none'}."
                )
        ids = ["/".join(filter(None, (i.subset, i.name))) for i in images]
        folder = file.parent if image_dir is None else Path(image_dir)
        left_out, outlines = [], []
        paths = find_images(folder, ids, where)
        for image, image_id, image_path in zip(images, ids, paths, strict=True):
            drawn = [e for e in image.elements if e.tag in OUTLINES]
            left_out += [e.tag for e in image.elements if e.tag not in OUTLINES]
            which = f"{where}: image {image.name!r}, "
            annotations = _annotations(drawn, class_ids, image, line_width, which)
            outlines += [annotation.shape for annotation in annotations]
            self.add_image(
                SOURCE,
                image_id,
                image_path,
                width=image.width,
                height=image.height,
                exif="viewer",  # CVAT has turned it
                annotations=annotations,
            )
        text = f"annotations without an outline ({', '.join(sorted(set(left_out)))}) "
        warn_left_out(where, len(left_out), text + "are left out.")
        warn_damaged([shape for shape in outlines if isinstance(shape, Damaged)])


def read_cvat(path: str | Path) -> tuple[list[CvatImage], set[str]]:
    """Returns the images of a CVAT xml, and the labels of its task and objects.

    Raises:
        ValueError: it is no xml of CVAT, or damaged, or of a video.
    """
    where = f"read_cvat({str(path)!r})"
    try:
        root = parse_xml(path)
    except ValueError as error:
        raise ValueError(
            f"{where}: no valid xml: {error}; export it from CVAT again."
        ) from error
    elements = root.findall("image")
    if root.tag != "annotations" or (not elements and root.find("track") is not None):
        raise ValueError(
            f"{where}: no xml of 'CVAT for images 1.1' but of a video (tracks), or of "
            "another tool; export 'COCO 1.0' or 'CVAT for images 1.1' from CVAT."
        )
    images = []
    for i, element in enumerate(elements):
        raw = check_fields(IMAGE, element.attrib, f"{where}: image {i}")
        size = [raw.get(side) or None for side in ("height", "width")]
        check_size(*size, f"{where}: image {i}")
        images.append(CvatImage(raw["name"], raw.get("subset", ""), *size, [*element]))
    names = {(e.text or "").strip() for e in root.findall("meta//label/name")}
    for image in images:
        names |= {e.get("label") for e in image.elements if e.tag in OUTLINES}
    return images, names - {None, ""}


def _annotations(
    elements: Sequence[Element], class_ids, image: CvatImage, line_width, where: str
) -> list[Annotation]:
    """Returns one annotation an object: an outline, or all of a label and a group."""
    groups = defaultdict(list)
    for i, element in enumerate(elements):
        name = f"{where}{element.tag} {i}, "
        label = element.get("label") or None
        try:
            fields = check_fields(OBJECT, element.attrib, f"{name}damaged")
        except ValueError as error:
            fields, shape = {}, Damaged(str(error))
        else:
            shape = outline_or_damaged(name, _outline, element, image, line_width)
        if label in class_ids or label is None:
            key = (label, fields["group_id"]) if fields.get("group_id") else i
            groups[key].append((label, shape, fields, element))
    annotations = []
    for parts in groups.values():
        label, _, fields, element = parts[0]
        shapes = [shape for _, shape, _, _ in parts]
        damaged = [shape for shape in shapes if isinstance(shape, Damaged)]
        attributes = {e.get("name"): e.text for e in element.findall("attribute")}
        extra = {"attributes": attributes} if attributes else {}
        extra |= {k: int(v) for k, v in fields.items() if k != "label" and v}
        shape = damaged[0] if damaged else join_shapes(shapes)
        annotations.append(Annotation(shape, class_ids.get(label), extra=extra))
    return annotations


def _outline(element: Element, image: CvatImage, line_width: float) -> Shape:
    """Returns the outline that an element of CVAT describes."""
    kind, raw = element.tag, dict(element.attrib)
    if "points" in raw:
        raw["points"] = [p.split(",") for p in raw["points"].split(";") if p.strip()]
    if "rle" in raw:
        raw["rle"] = raw["rle"].split(",")
    fields = check_fields(OUTLINES[kind], raw, "damaged")
    if kind == "polygon":
        return Polygons.from_xy([fields["points"]])
    if kind == "polyline":
        return Polyline.from_xy(fields["points"], line_width)
    if kind == "mask":
        return _mask(fields, image)
    # Degrees, clockwise on the screen, around the center.
    theta = math.radians(fields.get("rotation", 0.0) % 360)
    if kind == "ellipse":
        return Ellipse(*(fields[key] for key in ("cy", "cx", "ry", "rx")), theta)
    y1, x1, y2, x2 = (fields[key] for key in ("ytl", "xtl", "ybr", "xbr"))
    if not theta:
        return Rectangle(y1, x1, y2, x2)
    cy, cx = (y1 + y2) / 2, (x1 + x2) / 2
    corners = np.array([(x1, y1), (x2, y1), (x2, y2), (x1, y2)]) - (cx, cy)
    cos, sin = math.cos(theta), math.sin(theta)
    return Polygons.from_xy([corners @ [[cos, sin], [-sin, cos]] + (cx, cy)])


def _mask(fields: Mapping, image: CvatImage) -> Rle:
    """Returns the outline of a mask: run lengths of a box, row by row."""
    height, width = fields["height"], fields["width"]
    if image.height is None or image.width is None:
        raise ValueError("its image has no height and width; add them.")
    if height > image.height or width > image.width:
        raise ValueError(
            f"damaged: is {height} x {width} px (height x width), larger than its "
            f"image ({image.height} x {image.width}); correct or remove it."
        )
    runs = read_counts(fields["rle"])
    if runs.sum() != height * width:
        raise ValueError(
            f"damaged: its runs are {runs.sum()} px long together, its box of {height} "
            f"x {width} has {height * width}; correct or remove it."
        )
    part = np.repeat(np.arange(len(runs)) % 2 == 1, runs).reshape(height, width)
    return Rle.from_part(part, fields["top"], fields["left"], image.height, image.width)


def is_cvat(path: Path) -> bool:
    """Returns True for a file that begins as CVAT's xml does."""
    with path.open("rb") as file:
        head = file.read(HEAD_BYTES).replace(b"\0", b"")  # of UTF-16
    words = (b"<meta", b"<version", b"<image ", b"<track ")
    return b"<annotations" in head and any(word in head for word in words)


def _cvat_files(folder: Path) -> list[Path]:
    """Returns the xml files of CVAT in a folder and right below it."""
    places = [folder, *list_folders(folder)] if folder.is_dir() else []
    files = [f for place in places for f in list_files(place, ".xml")[:MAX_XML_FILES]]
    return [file for file in files if is_cvat(file)]


def _find_file(path: Path) -> Path:
    """Returns the xml file that a path is, or the only one of CVAT in a folder."""
    if path.is_file():
        return path
    found = _cvat_files(path)
    if len(found) != 1:
        kind = ValueError if found else FileNotFoundError
        names = ", ".join(map(str, found)) or "no xml file of CVAT"
        raise kind(f"load_cvat({str(path)!r}): there is {names}; name the one to read.")
    return found[0]


def _find(folder: Path, files: Sequence[Path]) -> Layout:
    """Returns the layout of a folder with CVAT's xml in it or right below it."""
    if files:
        return file_layout(folder, files)
    files = _cvat_files(folder)
    layout = file_layout(folder, files)
    if len(files) != 1:
        return layout
    found = sorted(set(SUBSET.findall(files[0].read_bytes().replace(b"\0", b""))))
    subsets = [name.decode("utf-8", errors="replace") for name in found]
    part = Part(".", folder if subsets else files[0], layout.evidence)
    return layout._replace(parts=[part], lists=subsets or None)


def _load(dataset: CvatDataset, place: Path, subset: str | None, **kwargs) -> None:
    """Adds the images of a file; of a subset in it, where a folder is given."""
    dataset.load_cvat(place, None if place.is_file() else subset, **kwargs)


def _classes_of_all(files: Iterable[Path], where, classes=None, **kwargs) -> dict:
    """Returns the classes of all files, if they are not given."""
    if classes is not None:
        return {}
    return {"classes": sorted(set().union(*(read_cvat(file)[1] for file in files)))}


FORMAT = Format(
    name=SOURCE,
    title="CVAT xml",
    signs="an xml file of 'CVAT for images 1.1', here or in a folder per subset",
    dataset=CvatDataset,
    find=_find,
    load=_load,
    classes_of_all=_classes_of_all,
)
