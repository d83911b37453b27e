"""A folder an image with one file a mask: the layout of Data Science Bowl 2018."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_files, list_folders
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.json_kinds import read_json
from mrcnn.data.formats.label_images import LABEL_ENDINGS
from mrcnn.data.formats.layouts import (
    MASK_SUFFIXES,
    Format,
    Layout,
    Part,
    images_in,
    masks_in,
    some_names,
)
from mrcnn.data.formats.left_out import warn_left_out
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.mask_files import masks_of_file

SOURCE = "mask_folders"
SPLIT_FILE = "split.json"
FILES_OF_SYSTEMS = ("Thumbs.db", "desktop.ini")


class MaskFolderDataset(AnnotatedDataset):
    """Images in <id>/images/ with one mask file an object in <id>/masks/."""

    def load_mask_folders(
        self,
        root: str | Path,
        subset: str | None = None,
        split: str | Path | Mapping[str, Sequence[str]] | None = None,
        class_name: str = "object",
        *,
        source: str = SOURCE,
        separate: bool = False,
    ) -> None:
        """Adds the images of a folder of folders, all objects of one class.

        A mask is what is not 0 in its file, the brighter of two colors (`MaskFile`);
        masks may overlap. Each page of a stack (TIFF, GIF) is a mask. An image without
        the folder masks/, or with an empty one, has no object.

        Args:
            root: holds the folders named by image id, or a folder that holds them.
            subset: a folder in `root`, or a name in the split. "train" and "val" are
                understood where the split has one list of validation ids, by whatever
                longer name: "val" is that list, "train" all others. None: all.
            split: json file (or its content) that maps names of subsets to lists of
                ids; None: split.json in `root` or above it, if there is one.
            class_name: of every object.
            source: name for `add_class` and `add_image`.
            separate: takes each connected part of a mask for an object, where a file
                shows several of them.

        Raises:
            FileNotFoundError: there is no such folder, or an id of the subset has none.
            ValueError: the subset is unknown, or a folder holds several images.
        """
        where = f"load_mask_folders(root={str(root)!r}, subset={subset!r})"
        root = Path(root)
        is_folder = subset is not None and bool(_image_folders(root / subset))
        homes = [root / subset] if is_folder else find_mask_folders(root)
        if not homes:
            raise FileNotFoundError(
                f"{where}: there is no <id>/images/ with an image in it; pass the "
                "folder that holds one folder an image."
            )
        found: dict[str, tuple[Path, list[Path]]] = {}
        for home in homes:
            for folder, images in _image_folders(home).items():
                if folder.name in found:
                    raise ValueError(
                        f"{where}: {folder.name!r} is in {found[folder.name][0].parent}"
                        f" and in {home}; choose one of the folders "
                        f"{', '.join(h.name for h in homes)} by subset=."
                    )
                found[folder.name] = folder, images
        ids = list(found)
        if subset is not None and not is_folder:
            ids = _ids_of_subset(read_split(root, split), subset, ids, where)
        if missing := [image_id for image_id in ids if image_id not in found]:
            some = ", ".join(map(repr, missing[:3]))
            raise FileNotFoundError(
                f"{where}: {len(missing)} of the {len(ids)} ids of this subset have no "
                f"folder, for example {some}; complete the data or the split."
            )
        folders = [found[image_id][0] / "masks" for image_id in ids]
        others = [path for folder in folders for path in _other_files(folder)]
        text = "files in masks/ are no images that can be read, "
        text += f"{some_names(others)}, and are left out; save them as png or tif."
        warn_left_out(where, len(others), text)
        class_id = register_classes(self, source, [class_name], where)[class_name]
        for image_id in ids:
            folder, images = found[image_id]
            self.add_image(
                source,
                image_id,
                str(_choose_image(folder, images, where)),
                annotations=[
                    Annotation(mask, class_id)
                    for path in masks_in(folder / "masks")
                    for mask in masks_of_file(path, separate)
                ],
            )


def _image_folders(home: Path) -> dict[Path, list[Path]]:
    """Returns the folders in a folder that hold images/, each with its image files."""
    found = {folder: images_in(folder / "images") for folder in list_folders(home)}
    return {folder: images for folder, images in found.items() if images}


def _other_files(folder: Path) -> list[Path]:
    """Returns the files in a folder of masks that are none by their ending."""
    if not folder.is_dir():
        return []
    files = [f for f in list_files(folder) if f.name not in FILES_OF_SYSTEMS]
    return [path for path in files if path.suffix.lower() not in MASK_SUFFIXES]


def find_mask_folders(root: str | Path) -> list[Path]:
    """Returns the folder, or those right below it, that hold a folder an image.

    At least one image must have masks, and images/ no more than one file. Where other
    folders beside it hold several, none of its masks may be named as the image: they
    would be subsets of `label_images`.

    Args:
        root: where to look.
    """
    for homes in ([Path(root)], list_folders(root)):
        if found := [home for home in homes if _holds_mask_folders(home)]:
            return found
    return []


def _holds_mask_folders(home: Path) -> bool:
    """Returns True for a folder that holds a folder an image."""
    found = _image_folders(home)
    masked = {
        folder / "masks": images[0].stem
        for folder, images in found.items()
        if len(images) == 1 and (folder / "masks").is_dir()
    }
    if all(len(images) == 1 for images in found.values()):
        return bool(masked)
    return any(
        {path.stem for path in masks_in(masks)}.isdisjoint(
            stem + ending for ending in ("", *LABEL_ENDINGS)
        )
        for masks, stem in masked.items()
    )


def read_split(
    root: str | Path, split: str | Path | Mapping[str, Sequence[str]] | None = None
) -> dict[str, list[str]]:
    """Returns the ids of every named subset; empty if there is no split.

    Args:
        root: folder whose split.json, or that of the folder above, is taken.
        split: the content, or another file.

    Raises:
        FileNotFoundError: the named file does not exist.
        ValueError: the file does not map names to lists of ids.
    """
    if isinstance(split, Mapping):
        return {name: list(ids) for name, ids in split.items()}
    if split is None:
        root = Path(root)
        places = [root / SPLIT_FILE, root.parent / SPLIT_FILE]
        split = next((place for place in places if place.is_file()), None)
        if split is None:
            return {}
    content = read_json(split, "read_split")
    if not isinstance(content, Mapping) or not all(
        isinstance(ids, list) for ids in content.values()
    ):
        raise ValueError(
            f"read_split({str(split)!r}): must map the name of each subset to its list "
            "of image ids."
        )
    return {name: [str(image_id) for image_id in ids] for name, ids in content.items()}


def _ids_of_subset(split: dict, subset: str, ids: list[str], where: str) -> list[str]:
    """Returns the ids of a subset."""
    if subset in split:
        return split[subset]
    validation = [name for name in split if "valid" in name]
    if len(validation) == 1 and subset in ("val", "train"):
        held = dict.fromkeys(split[validation[0]])
        return list(held) if subset == "val" else [i for i in ids if i not in held]
    known = ", ".join(split) or "none (there is no split.json)"
    raise ValueError(
        f"{where}: is neither a folder nor a name in the split; names there: {known}."
    )


def _choose_image(folder: Path, images: list[Path], where: str) -> Path:
    """Returns the image of a folder: its only one, or the one named as the folder."""
    named = [image for image in images if image.stem == folder.name]
    if len(images) > 1 and len(named) != 1:
        raise ValueError(
            f"{where}: {folder / 'images'} holds {len(images)} images; leave one, or "
            "name it as its folder."
        )
    return (named or images)[0]


def _find(folder: Path, json_files) -> Layout:
    """Returns the layout of a folder that holds a folder an image."""
    homes = find_mask_folders(folder)
    subsets = [home.name for home in homes if home != folder]
    # A split that cannot be read is an error for those who ask for a subset of it.
    with contextlib.suppress(ValueError):
        subsets += read_split(folder)
        if any("valid" in name for name in read_split(folder)):
            subsets += ["train", "val"]
    parts = [Part(".", folder)] if homes else []
    return Layout(parts, some_names(homes, folder), subsets)


FORMAT = Format(
    name=SOURCE,
    title="mask folders",
    signs="<id>/images/ with one image and <id>/masks/ with one file an object",
    dataset=MaskFolderDataset,
    find=_find,
    load=MaskFolderDataset.load_mask_folders,
)
