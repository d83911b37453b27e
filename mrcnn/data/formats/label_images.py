"""Label images: files whose values number the objects of an image."""

from __future__ import annotations

import itertools
import unicodedata
from collections import defaultdict
from collections.abc import Iterable
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_folders
from mrcnn.data.files.open_images import open_image
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.layouts import (
    Format,
    Layout,
    Part,
    images_in,
    masks_in,
    some_names,
)
from mrcnn.data.formats.left_out import warn_left_out
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.mask_files import LabelValue, label_values, part_values

SOURCE = "label_images"
IMAGE_FOLDERS = ("images", "image", "imgs", "img")
LABEL_FOLDERS = ("labels", "label", "masks", "mask")
# 7.png or 7_labels.png beside 7.jpg
LABEL_ENDINGS = ("_labels", "_label", "_masks", "_mask", "_instances")
LABEL_MODES = ("1", "L", "P", "I", "I;16", "I;16B", "I;16L", "I;16N")
LOSSY = (".jpg", ".jpeg")
MAX_READ = 20  # label images that look like color are decoded to make sure
Pair = tuple[Path, Path]  # an image and its label image


class LabelImageDataset(AnnotatedDataset):
    """Images with a label image each: 0 is background, any other value an object."""

    def load_label_images(
        self,
        folder: str | Path,
        subset: str | None = None,
        class_name: str = "object",
        ignore: Iterable[int] = (),
        *,
        separate: bool = False,
    ) -> None:
        """Adds the images of a folder that have a label image of the same name.

        The two lie in folders images/ and labels/ (or masks/), or side by side as
        `7.jpg` and `7.png`, or `7.png` and `7_labels.png`. Label images have one
        channel of whole numbers of 8, 16 or 32 bits; in a palette file the index
        counts, not the color, unless it has two colors (the brighter one is the object)
        or those of Pascal VOC (color k is value k). Masks of two values and class maps
        (one value a class) are no label images: all things of a class would be one
        object. `separate` takes them apart.

        Args:
            folder: holds the folders, or the files.
            subset: folder in `folder` that holds them, or that lies in both folders.
            class_name: of every object.
            ignore: values that are no object, such as 255 for void.
            separate: takes each connected part of a value for an object. Masks of two
                values, with soft edges or saved as JPEG can be read as well; things
                that touch are one object.

        Raises:
            FileNotFoundError: there is no such folder, or no pair in it.
            ValueError: label images are in color, or of fractions.
        """
        where = f"load_label_images(folder={str(folder)!r}, subset={subset!r})"
        if not Path(folder).is_dir():
            raise FileNotFoundError(f"{where}: there is no such folder.")
        pairs, alone = pair_label_images(folder, subset)
        if not pairs:
            raise FileNotFoundError(
                f"{where}: no image has a label image; expected images/7.jpg with "
                "labels/7.png (or masks/7.png), or 7.jpg beside 7.png or 7_labels.png."
            )
        text = f"files have no partner of their own, {some_names(alone)}, and are "
        text += "left out; an image without objects needs a label image of zeros."
        warn_left_out(where, len(alone), text)
        read = part_values if separate else label_values
        _refuse_color([label for _, label in pairs], read, where)
        class_id = register_classes(self, SOURCE, [class_name], where)[class_name]
        for image, label in pairs:
            self.add_image(
                SOURCE,
                image.stem if subset is None else f"{subset}/{image.stem}",
                str(image),
                label_path=str(label),
                class_id=class_id,
                ignore=tuple(ignore),
                separate=separate,
            )

    def load_annotations(self, image_id: int) -> list[Annotation]:
        """Returns one annotation a value of the label image, in rising order.

        With `separate`, one a connected part, from the top of the image down. The file
        is read at the first call; its values are kept in `image_info`.
        """
        info = self.image_info[image_id]
        if info["source"] != SOURCE:
            return super().load_annotations(image_id)
        path, separate = info["label_path"], info.get("separate", False)
        if "label_values" not in info:
            read = part_values if separate else label_values
            info["label_values"] = read(path)
        values = info["label_values"]
        # A part has a number of its own: its place in the list of their values.
        numbers = range(1, len(values) + 1) if separate else values
        return [
            Annotation(LabelValue(path, number, separate=separate), info["class_id"])
            for number, value in zip(numbers, values, strict=True)
            if value not in info["ignore"]
        ]


def pair_label_images(
    folder: str | Path, subset: str | None = None
) -> tuple[list[Pair], list[Path]]:
    """Returns pairs (image, label image), and the files that have no partner.

    Args:
        folder: holds a folder of images and one of label images, or both kinds of
            files side by side (files without a partner are then not returned).
        subset: folder that holds them, or that lies in both folders.
    """
    folder, inner = Path(folder), subset or ""
    for image_name in IMAGE_FOLDERS:
        for label_name in LABEL_FOLDERS:
            for outer, below in dict.fromkeys([(inner, ""), ("", inner)]):
                images = folder / outer / image_name / below
                labels = folder / outer / label_name / below
                if images.is_dir() and labels.is_dir():
                    pairs, alone = _pair_folders(images, labels)
                    if pairs:
                        return pairs, alone
    return _pair_files(folder / inner), []


def _pair_folders(images: Path, labels: Path) -> tuple[list[Pair], list[Path]]:
    """Pairs the files of two folders; `7_labels.png` belongs to 7 too."""
    by_stem, labels_by_stem = defaultdict(list), defaultdict(list)
    for found, files in (
        (by_stem, images_in(images)),
        (labels_by_stem, masks_in(labels)),
    ):
        for path in files:
            # Accents are composed or not, as the computer has it.
            found[unicodedata.normalize("NFC", path.stem)].append(path)
    pairs, alone = [], []
    for stem, found in by_stem.items():
        names = (stem, *(stem + ending for ending in LABEL_ENDINGS))
        partners = next(
            (labels_by_stem.pop(n) for n in names if n in labels_by_stem), []
        )
        if not partners:
            alone += found
            continue
        # Of a.jpg and a.png one is taken, as their labels are one; the other is told.
        pairs.append((found[-1], partners[-1]))
        alone += [*found[:-1], *partners[:-1]]
    return pairs, [*alone, *itertools.chain(*labels_by_stem.values())]


def _pair_files(folder: Path) -> list[Pair]:
    """Pairs the files of one folder: a label image has one channel and no loss."""
    files = masks_in(folder)
    by_stem, pairs = defaultdict(list), []
    for path in files:
        by_stem[path.stem].append(path)
    for path in files:
        names = [path.stem + ending for ending in LABEL_ENDINGS]
        labels = [p for name in names for p in by_stem[name]]
        if not labels and path.suffix.lower() in LOSSY:
            labels = [p for p in by_stem[path.stem] if p.suffix.lower() not in LOSSY]
        if len(labels) == 1 and _is_label_image(labels[0]):
            pairs.append((path, labels[0]))
    return pairs


def _refuse_color(labels: list[Path], read, where: str) -> None:
    """Raises for label images in color; grey ones, saved in color, can be read."""
    doubtful = [path for path in labels if not _is_label_image(path)]
    for path in doubtful[:MAX_READ]:
        try:
            read(path)
        except ValueError as error:
            raise ValueError(
                f"{where}: {error} {len(doubtful)} of {len(labels)} label images "
                "are not of one channel of whole numbers. Give every object a number "
                "of its own and save them so, for example by skimage.io.imsave("
                "path, labels.astype(numpy.uint16)); where each object has its own "
                "color, numpy.unique(pixels.reshape(-1, 3), axis=0, "
                "return_inverse=True)[1] numbers the colors."
            ) from error
        except OSError:
            continue  # damaged: load_mask and validate say so


def _is_label_image(path: Path) -> bool:
    """Returns True for a file of one channel of whole numbers, by its header."""
    try:
        with open_image(path, max_pixels=None) as image:
            return image.mode in LABEL_MODES
    except OSError:
        return False


def _find(folder: Path, json_files) -> Layout:
    """Returns the layout of images with label images, in two folders or one."""
    found = {".": pair_label_images(folder)[0]}
    if not found["."]:
        homes = (folder, *(folder / name for name in IMAGE_FOLDERS))
        names = {place.name for home in homes for place in list_folders(home)}
        found = {name: pair_label_images(folder, name)[0] for name in sorted(names)}
    found = {name: pairs[0] for name, pairs in found.items() if pairs}
    parts = [
        Part(name, folder, " with ".join(str(p.relative_to(folder)) for p in pair))
        for name, pair in found.items()
    ]
    is_weak = next((one.parent == two.parent for one, two in found.values()), False)
    return Layout(parts, parts[0].evidence if parts else "", is_weak=is_weak)


FORMAT = Format(
    name=SOURCE,
    title="label images",
    signs="images/7.jpg with labels/7.png (or masks/7.png), or 7.jpg beside 7.png or "
    "7_labels.png",
    dataset=LabelImageDataset,
    find=_find,
    load=LabelImageDataset.load_label_images,
    counts_objects=False,
)
