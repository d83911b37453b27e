"""A folder per picture with one file a mask: the layout of Data Science Bowl 2018."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.folders import list_folders
from mrcnn.data.files.image_files import list_images
from mrcnn.data.formats.class_names import register_classes
from mrcnn.data.formats.label_images import LABEL_ENDINGS
from mrcnn.data.outlines.annotation import Annotation, MaskFile

SOURCE = "mask_folders"
SPLIT_FILE = "split.json"


class MaskFolderDataset(AnnotatedDataset):
    """Pictures in <id>/images/ with one mask file an object in <id>/masks/."""

    def load_mask_folders(
        self,
        root: str | Path,
        subset: str | None = None,
        split: str | Path | Mapping[str, Sequence[str]] | None = None,
        class_name: str = "object",
        *,
        source: str = SOURCE,
    ) -> None:
        """Adds the pictures of a folder of folders, all objects of one class.

        A mask is what is not 0 in its file; masks may overlap. A picture without the
        folder masks/, or with an empty one, has no object.

        Args:
            root: holds the folders named by image id, or a folder that holds them.
            subset: a folder in `root`, or a name in the split. "train" and "val" are
                understood where the split has one list of validation ids, by whatever
                longer name: "val" is that list, "train" all others. None: all.
            split: json file (or its content) that maps names of subsets to lists of
                ids; None: split.json in `root` or above it, if there is one.
            class_name: of every object.
            source: name for `add_class` and `add_image`.

        Raises:
            FileNotFoundError: there is no such folder, or an id of the subset has none.
            ValueError: the subset is unknown, or a folder holds several pictures.
        """
        where = f"load_mask_folders(root={str(root)!r}, subset={subset!r})"
        root = Path(root)
        inside = subset is not None and bool(image_folders(root / subset))
        homes = [root / subset] if inside else find_mask_folders(root)
        if not homes:
            raise FileNotFoundError(
                f"{where}: there is no <id>/images/ with a picture in it; pass the "
                "folder that holds one folder a picture."
            )
        folders: dict[str, Path] = {}
        for home in homes:
            for folder in image_folders(home):
                if folder.name in folders:
                    raise ValueError(
                        f"{where}: {folder.name!r} is in {folders[folder.name].parent} "
                        f"and in {home}; choose one of the folders "
                        f"{', '.join(h.name for h in homes)} by subset=."
                    )
                folders[folder.name] = folder
        ids = list(folders)
        if subset is not None and not inside:
            ids = _ids_of_subset(read_split(root, split), subset, ids, where)
        missing = [image_id for image_id in ids if image_id not in folders]
        if missing:
            some = ", ".join(map(repr, missing[:3]))
            raise FileNotFoundError(
                f"{where}: {len(missing)} of the {len(ids)} ids of this subset have no "
                f"folder, for example {some}; complete the data or the split."
            )
        class_id = register_classes(self, source, [class_name])[class_name]
        for image_id in ids:
            masks = folders[image_id] / "masks"
            self.add_image(
                source,
                image_id,
                str(_picture(folders[image_id], where)),
                annotations=[
                    Annotation(MaskFile(str(path)), class_id)
                    for path in (list_images(masks) if masks.is_dir() else [])
                ],
            )


def image_folders(home: str | Path) -> list[Path]:
    """Returns the folders in a folder that hold images/ with a picture, sorted."""
    home = Path(home)
    if not home.is_dir():
        return []
    return [
        folder
        for folder in list_folders(home)
        if (folder / "images").is_dir() and list_images(folder / "images")
    ]


def find_mask_folders(root: str | Path) -> list[Path]:
    """Returns the folder, or those right below it, that hold a folder per picture.

    At least one picture must have masks, and images/ no more than one picture. Where
    other folders beside it hold several, none of its masks may be named as the picture:
    they would be subsets of `label_images`.

    Args:
        root: where to look.
    """
    root = Path(root)
    if not root.is_dir():
        return []
    for homes in ([root], list_folders(root)):
        found = [home for home in homes if _holds_mask_folders(home)]
        if found:
            return found
    return []


def _holds_mask_folders(home: Path) -> bool:
    """True for a folder that holds a folder per picture."""
    folders = image_folders(home)
    pictures = [list_images(folder / "images") for folder in folders]
    masked = [
        (folder / "masks", files[0].stem)
        for folder, files in zip(folders, pictures, strict=True)
        if len(files) == 1 and (folder / "masks").is_dir()
    ]
    if all(len(files) == 1 for files in pictures):
        return bool(masked)
    stems = [{path.stem for path in list_images(masks)} for masks, _ in masked]
    return any(
        not any(stem + ending in names for ending in ("", *LABEL_ENDINGS))
        for names, (_, stem) in zip(stems, masked, strict=True)
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
    root = Path(root)
    places = [root / SPLIT_FILE, root.parent / SPLIT_FILE]
    if split is not None:
        places = [Path(split)]
    path = next((place for place in places if place.is_file()), None)
    if path is None:
        if split is not None:
            raise FileNotFoundError(f"read_split(split={str(split)!r}): no such file.")
        return {}
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(
            f"read_split({str(path)!r}): no valid json ({error})."
        ) from error
    if not isinstance(content, Mapping) or not all(
        isinstance(ids, list) for ids in content.values()
    ):
        raise ValueError(
            f"read_split({str(path)!r}): must map the name of each subset to its list "
            "of image ids."
        )
    return {name: [str(image_id) for image_id in ids] for name, ids in content.items()}


def _ids_of_subset(split: dict, subset: str, ids: list[str], where: str) -> list[str]:
    """The ids that a subset stands for."""
    if subset in split:
        return list(split[subset])
    validation = [name for name in split if "valid" in name]
    if len(validation) == 1 and subset in ("val", "train"):
        held = set(split[validation[0]])
        if subset == "val":
            return list(split[validation[0]])
        return [image_id for image_id in ids if image_id not in held]
    known = ", ".join(split) or "none (there is no split.json)"
    raise ValueError(
        f"{where}: is neither a folder nor a name in the split; names there: {known}."
    )


def _picture(folder: Path, where: str) -> Path:
    """The one picture of an image's folder."""
    pictures = list_images(folder / "images")
    named = [picture for picture in pictures if picture.stem == folder.name]
    if len(pictures) > 1 and len(named) != 1:
        raise ValueError(
            f"{where}: {folder / 'images'} holds {len(pictures)} pictures; leave one, "
            "or name it as its folder."
        )
    return (named or pictures)[0]
