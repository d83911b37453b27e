"""Pascal VOC: objects from xml files, their masks from label images."""

from __future__ import annotations

import unicodedata
from collections.abc import Sequence
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.find_images import find_images
from mrcnn.data.files.folders import list_folders
from mrcnn.data.files.image_files import IMAGE_SUFFIXES
from mrcnn.data.files.text_files import read_text
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.layouts import Format, Layout, Part, images_in, some_names
from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.formats.voc.voc_masks import (
    VOC_CLASSES,
    VOID,
    is_mask_folder,
    is_voc_folder,
    mask_class_names,
    unlisted_objects,
)
from mrcnn.data.formats.voc.voc_xml import VocImage, read_voc_xml
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.damaged import Damaged, warn_damaged
from mrcnn.data.outlines.mask_files import LabelValue
from mrcnn.data.outlines.shapes import Rectangle

SOURCE = "voc"


class VocDataset(AnnotatedDataset):
    """The images of a VOC folder with the objects of their xml files.

    Classes are the twenty of the challenge, in its order, if the folder has no other;
    else the names that its xml files have, sorted.
    """

    def load_voc(
        self,
        root: str | Path,
        subset: str | None = None,
        year: str | int | None = None,
        boxes_as_masks: bool = False,
        classes: Sequence[str] | None = None,
    ) -> None:
        """Adds the images of a VOC folder that have a label image of their objects.

        Object k of the xml file is value k of the SegmentationObject image, or color k
        of VOC's palette; 255 (void) belongs to none. An object that the xml file lacks
        takes the class that most of its pixels have in SegmentationClass, whose colors
        are those of `labelmap.txt` (CVAT, datumaro) or VOC's. A folder without any xml
        file is read in that way alone; without SegmentationClass, all its objects are
        of one class, "object". What the xml says of an object besides
        its name is in `Annotation.extra`: `difficult` and `truncated` (0 or 1), `box`
        (float (y1, x1, y2, x2), orig, half-open: the file's pixels count from 1 and
        include the last). Flags that are none ("Unspecified") are left out, with a
        warning. A box without four numbers, and an xml file that cannot be read, are
        warned of and kept: `validate` lists all of them, and `load_mask` raises.

        Args:
            root: folder that holds Annotations or SegmentationObject; or VOCdevkit, or
                what holds that.
            subset: a list of ImageSets/Segmentation, such as "train", "val" or
                "trainval" (a list of ImageSets/Main is taken where Segmentation has no
                such); None: every image with an xml file (without
                any: with a file in SegmentationObject).
            year: which of several folders VOC2007, VOC2012 ...
            boxes_as_masks: takes images without a mask file too (the lists of
                ImageSets/Main, then), with the full rectangle of each box as mask.
                Otherwise such images are left out.
            classes: names in the order of their ids; objects of others are left out.
                Without it, every xml file is read for its names.

        Raises:
            FileNotFoundError: there is no VOC folder, list or xml file.
            ValueError: a choice is missing, no image is left, or no xml file can be
                read.
        """
        where = f"load_voc(root={str(root)!r}, subset={subset!r})"
        folder = _pick_year(find_voc_folders(root), year, where)
        masks, images = (
            _by_stem(images_in(folder / name))
            for name in ("SegmentationObject", "JPEGImages")
        )
        ids = _listed_ids(folder, subset, boxes_as_masks, where)
        if not boxes_as_masks:
            ids = _with_mask(ids, masks, where)
        has_xml = not is_mask_folder(folder)
        parsed = {
            i: _read(folder / "Annotations" / f"{i}.xml")
            if has_xml
            else VocImage(None, None, [])
            for i in ids
        }
        damaged = [image.damage for image in parsed.values() if image.damage]
        if damaged and len(damaged) == len(parsed):
            raise ValueError(damaged[0])
        names = set() if has_xml else mask_class_names(folder)
        names |= {item.name for image in parsed.values() for item in image.objects}
        if classes is None:
            names |= _other_names(folder, parsed)
            classes = VOC_CLASSES if names <= set(VOC_CLASSES) else None
        class_ids = register_classes(self, SOURCE, names, where, classes)
        unread = [
            f"{image_id}.xml: {flag}"
            for image_id, image in parsed.items()
            for flag in image.unread
        ]
        text = "flags of objects are neither 0 nor 1 and are left out: "
        warn_left_out(where, len(unread), text + f"{', '.join(unread[:4])}.")
        # An image of another name than its xml file is the one that <filename> tells.
        other = {i: p.file_name or f"{i}.jpg" for i, p in parsed.items()}
        other = {i: name for i, name in other.items() if i not in images}
        found = find_images(folder / "JPEGImages", other.values(), where)
        images |= dict(zip(other, found, strict=True))
        outlines = []
        for image_id, image in parsed.items():
            annotations = _annotations(image_id, image, masks, class_ids, where)
            if image_id in masks and not image.damage:
                num_listed = len(image.objects)
                path = masks[image_id]
                annotations += unlisted_objects(path, num_listed, class_ids)
            outlines += [annotation.shape for annotation in annotations]
            self.add_image(
                SOURCE,
                image_id,
                str(images[image_id]),
                annotations=annotations,
                height=image.height,
                width=image.width,
            )
        lost = [
            o.damage for image in parsed.values() for o in image.objects if o.damage
        ]
        if lost and not boxes_as_masks:
            text = f"boxes of objects cannot be read and are left out: {lost[0]}"
            warn_left_out(where, len(lost), text)
        warn_damaged([shape for shape in outlines if isinstance(shape, Damaged)])


def _by_stem(paths: list[Path]) -> dict[str, Path]:
    """Returns files by their stem, whether its accents are composed or not."""
    forms = ("NFC", "NFD")
    other = {unicodedata.normalize(form, p.stem): p for p in paths for form in forms}
    return other | {path.stem: path for path in paths}


def _read(path: Path) -> VocImage:
    """Returns what an xml file says, or why it cannot be read."""
    try:
        return read_voc_xml(path)
    except ValueError as error:
        return VocImage(None, None, [], damage=str(error))


def find_voc_folders(root: str | Path) -> list[Path]:
    """Returns the folders with VOC's files in or below a folder, sorted.

    Args:
        root: such a folder, the VOCdevkit above it, or one folder further up.
    """
    root = Path(root)
    for places in ([root], list_folders(root), list_folders(root / "VOCdevkit")):
        found = [place for place in places if is_voc_folder(place)]
        if found:
            return found
    return []


def voc_subsets(folder: str | Path) -> list[str]:
    """Returns the names of a VOC folder's image lists, but not those of a class."""
    for kind in ("Segmentation", "Main"):
        files = (Path(folder) / "ImageSets" / kind).glob("*.txt")
        if names := sorted(file.stem for file in files):
            return [name for name in names if "_" not in name] or names
    return []


def _annotations(
    image_id, image: VocImage, masks, class_ids, load: str
) -> list[Annotation]:
    """Returns the objects whose class is wanted, in the order of the xml file."""
    if image.damage:
        return [Annotation(Damaged(image.damage), None)]
    path = masks.get(image_id)
    if path is not None and len(image.objects) >= VOID:
        reason = f"{load}: image {image_id!r} has {len(image.objects)} objects, but a "
        reason += f"VOC label image has numbers for {VOID - 1} only."
        return [Annotation(Damaged(reason), None)]
    annotations = []
    for k, item in enumerate(image.objects, start=1):
        if item.name not in class_ids:
            continue
        where = f"{load}: object {k} ({item.name!r}) of image {image_id!r}: "
        if path is not None:
            shape = LabelValue(str(path), k)
        elif item.box is not None:
            shape = outline_or_damaged(where, Rectangle, *item.box)
        elif item.damage:
            shape = Damaged(item.damage)
        else:
            shape = Damaged(f"{where}has neither a mask nor a <bndbox>; add one.")
        annotations.append(Annotation(shape, class_ids[item.name], extra=item.extra))
    return annotations


def _pick_year(folders: list[Path], year, where: str) -> Path:
    """Returns the one folder to load from."""
    if not folders:
        raise FileNotFoundError(
            f"{where}: there is no Annotations/*.xml in it, nor in a folder or in "
            "VOCdevkit/<year> below it, and no SegmentationObject beside JPEGImages; "
            "pass the folder that holds Annotations, JPEGImages and SegmentationObject."
        )
    names = ", ".join(folder.resolve().name for folder in folders)
    if year is not None:
        folders = [f for f in folders if f.resolve().name in (str(year), f"VOC{year}")]
        if not folders:
            raise FileNotFoundError(f"{where}: no year {year}; there is {names}.")
    if len(folders) > 1:
        raise ValueError(
            f"{where}: there is {names}; choose one by year=, or pass that folder."
        )
    return folders[0]


def _listed_ids(folder: Path, subset, boxes_as_masks: bool, where: str) -> list[str]:
    """Returns the image ids of a subset, in the order of its list."""
    if subset is None:
        xml = sorted(path.stem for path in (folder / "Annotations").glob("*.xml"))
        return xml or [path.stem for path in images_in(folder / "SegmentationObject")]
    kinds = ("Main", "Segmentation") if boxes_as_masks else ("Segmentation", "Main")
    for kind in (*kinds, "."):
        path = folder / "ImageSets" / kind / f"{subset}.txt"
        if path.is_file():
            text = read_text(path, f"{where}: {path}")
            rows = [line.split() for line in text.splitlines() if line.strip()]
            # Lists of one class mark the images that do not show it by -1.
            names = dict.fromkeys(
                row[0] if row[1:] in ([], ["0"], ["1"]) else " ".join(row)
                for row in rows
                if row[1:] != ["-1"]
            )
            return [_id_of(name, folder) for name in names]
    known = ", ".join(voc_subsets(folder)) or "none"
    raise FileNotFoundError(
        f"{where}: {folder / 'ImageSets'} has no list {subset}.txt; there is {known}."
    )


def _id_of(name: str, folder: Path) -> str:
    """Returns the id that a line of a list means: the stem of the xml file.

    Other tools list file names, or paths; and accents may be composed or not.
    """
    base = name.replace("\\", "/").rsplit("/", 1)[-1]
    stem = Path(base).stem if Path(base).suffix.lower() in IMAGE_SUFFIXES else base
    texts = [name, base, stem]
    forms = [unicodedata.normalize(form, t) for form in ("NFC", "NFD") for t in texts]
    places = [("Annotations", ".xml"), ("SegmentationObject", ".png")]
    return next(
        (
            text
            for text in dict.fromkeys([*texts, *forms])
            if any((folder / place / f"{text}{end}").is_file() for place, end in places)
        ),
        name,
    )


def _with_mask(ids: list[str], masks: dict, where: str) -> list[str]:
    """Returns the ids that have a SegmentationObject image."""
    kept = [image_id for image_id in ids if image_id in masks]
    if ids and not kept:
        raise ValueError(
            f"{where}: none of its {len(ids)} images has a file in SegmentationObject; "
            "pass boxes_as_masks=True to take the rectangles of the boxes as masks."
        )
    text = f"of {len(ids)} images have no file in SegmentationObject and are left out; "
    text += "boxes_as_masks=True takes them with the rectangles of their boxes."
    warn_left_out(where, len(ids) - len(kept), text)
    return kept


def _other_names(folder: Path, parsed: dict) -> set[str]:
    """Returns the class names in the xml files of other subsets than the one parsed."""
    paths = (folder / "Annotations").glob("*.xml")
    others = [_read(path) for path in paths if path.stem not in parsed]
    return {item.name for image in others for item in image.objects}


def _find(folder: Path, json_files) -> Layout:
    """Returns the layout of a folder with VOC folders, each of them a part."""
    homes = find_voc_folders(folder)
    parts = [Part(home.name, home) for home in homes]
    lists = [name for home in homes for name in voc_subsets(home)]
    return Layout(parts, some_names(homes, folder), lists)


FORMAT = Format(
    name=SOURCE,
    title="Pascal VOC",
    signs="Annotations/*.xml with JPEGImages/ and SegmentationObject/ (or the last two "
    "alone), here, in VOC2007 and the like, or in VOCdevkit/",
    dataset=VocDataset,
    find=_find,
    load=VocDataset.load_voc,
)
