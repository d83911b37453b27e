"""open_dataset: finds out the format of a folder, and opens it as a data set."""

from __future__ import annotations

import contextlib
import logging
import os
import warnings
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.files.open_images import is_address
from mrcnn.data.formats import format_hints
from mrcnn.data.formats.cvat import is_cvat
from mrcnn.data.formats.format_table import FORMATS, find_layouts
from mrcnn.data.formats.json_kinds import NO_JSON, json_kind, read_json
from mrcnn.data.formats.layouts import Layout, Part, some_names
from mrcnn.data.formats.other_tools import name_tool
from mrcnn.data.formats.subset_names import match_subset, of_one_set, synonyms

logger = logging.getLogger("mrcnn")

ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")


def open_dataset(
    path: str | Path,
    subset: str | None = None,
    format: str | None = None,
    *,
    verbose: int = 1,
    exif: str | None = None,
    **kwargs,
) -> AnnotatedDataset:
    """Returns the data set in a folder, prepared; its format is found out.

    What it was taken for is printed, logged (logger "mrcnn", level INFO) and kept in
    `format` of the result: "COCO json (annotations/instances_train2017.json): 80
    images, 699 objects, 6 crowds, classes person, bicycle, car and 77 more".

        dataset = open_dataset("balloon", "train")

    Subsets number their classes alike: each registers the classes of all. Json files
    in one folder are subsets of one set if their names differ in the word for it alone
    (cells_train.json, cells_val.json). Opened together, without `subset`, images whose
    ids come in several of them (each json counting from 1) get ids of the form
    "train/1"; to compare with the files' own ids, as a server does, open one subset at
    a time.

    Args:
        path: folder of a data set, with or without its subsets; or one COCO or VIA
            json, or one xml of CVAT.
        subset: such as "train"; a folder, a list of images or a part of the name of an
            annotation file, as the format has it; "val", "valid" and "validation" are
            one. None: all there is.
        format: "coco", "via", "voc", "labelme", "cvat", "mask_folders" or
            "label_images"; needed where several fit.
        verbose: 1 prints what it was taken for, 0 nothing.
        exif: for images with a note to turn them: "apply" if the annotations were drawn
            on the turned image, "ignore" if on the image as stored; None to decide by
            the tool and by the sizes in the files, where they say it.
        **kwargs: for the `load_...` method of the format, such as `image_dir=` for COCO
            and VIA, `boxes_as_masks=True` for COCO and VOC, `class_name="cell"` for
            masks, or `separate=True` for masks that show classes: each connected part
            is an object then.

    Returns:
        CocoDataset, ViaDataset, VocDataset, LabelMeDataset, CvatDataset,
        MaskFolderDataset or LabelImageDataset, prepared.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no format fits, or several do, or the subset is unknown; says what
            there is and what to pass instead.
    """
    where = f"open_dataset({str(path)!r}" + (f", subset={subset!r})" if subset else ")")
    path = Path(path)
    if exif not in (None, "apply", "ignore"):
        raise ValueError(f"{where}: exif={exif!r}; use 'apply' or 'ignore'.")
    if format is not None and format not in FORMATS:
        raise ValueError(
            f"{where}: format={format!r} is unknown; use one of {', '.join(FORMATS)}."
        )
    if path.is_file():
        layout = _layout_of_file(path, subset, where)
    elif path.is_dir():
        layout = _pick_layout(path, subset, format, where)
    else:
        raise FileNotFoundError(
            f"{where}: there is no such folder (relative paths start at {Path.cwd()}); "
            f"{format_hints.nearest(path)}."
        )
    chosen = FORMATS[layout.format]
    everything, layout = layout, _choose_parts(layout, subset, where)
    if len(everything.parts) > 1 and chosen.classes_of_all:
        kwargs |= _classes_of_set(everything, layout, where, kwargs)
    dataset = chosen.dataset()
    parts: list[str] = []  # the part of each image
    for part in layout.parts:
        place = part.place if part.place.is_file() else layout.folder
        chosen.load(dataset, place, part.subset, **kwargs)
        parts += [part.name] * (len(dataset.image_info) - len(parts))
    if exif is not None:
        for info in dataset.image_info:
            info["exif"] = exif
    _tell_images_apart(dataset, parts, where)
    if not chosen.holds_images:
        _warn_missing_images(dataset, where)
    dataset.prepare()
    dataset.format = _describe(dataset, layout, subset)
    logger.info("%s: taken for %s", where, dataset.format)
    if verbose:
        print(f"{where}: taken for {dataset.format}")
    return dataset


def _layout_of_file(path: Path, subset: str | None, where: str) -> Layout:
    """Returns the layout of a single annotation file."""
    folder, suffix = str(path.parent), path.suffix.lower()
    kind = json_kind(path) if suffix == ".json" else ""
    if kind == NO_JSON:
        read_json(path, "open_dataset")  # raises, and says where it is damaged
    if suffix == ".xml" and is_cvat(path):
        kind = "cvat"
    if subset is not None:
        reason = "is a file, which has no subsets; leave subset away, or pass the "
        reason += f"folder that holds the files of all, for example {folder!r}."
    elif kind not in FORMATS and kind != "labelme" and name_tool(path):
        reason = name_tool(path)
    elif suffix in ARCHIVES:
        reason = "is an archive; unpack it and pass the folder."
    elif not kind:
        reason = "is a file; pass the folder of the data set, for example "
        reason += f"{folder!r}, or a COCO or VIA json."
    elif kind == "labelme":
        reason = f"is a LabelMe json, of one image; pass its folder {folder!r}."
    elif kind not in FORMATS:
        reason = f"is {kind}, neither COCO nor VIA annotations. "
        reason += format_hints.expectations()
    else:
        layout = FORMATS[kind].find(path.parent, [path])
        return layout._replace(format=kind, folder=path.parent)
    raise ValueError(f"{where}: {reason}")


def _pick_layout(
    folder: Path, subset: str | None, format: str | None, where: str
) -> Layout:
    """Returns the one layout of a folder that fits the subset and the format."""
    layouts = find_layouts(folder)
    is_inner = not layouts and subset is not None
    if is_inner:
        places = [folder / name for name in (subset, *synonyms(subset))]
        place = next((place for place in places if place.is_dir()), None)
        layouts = find_layouts(place) if place else []
    if format is not None:
        others = [layout.format for layout in layouts]
        layouts = [layout for layout in layouts if layout.format == format]
        if not layouts:
            seen = f"; it looks like {', '.join(others)}" if others else ""
            raise ValueError(
                f"{where}: format={format!r} looks for {FORMATS[format].signs}; found "
                f"{format_hints.describe_folder(folder)}{seen}."
            )
    if not layouts:
        raise ValueError(format_hints.nothing_fits(folder, where))
    fitting = layouts
    # Of lists alone, the loader itself says which there are.
    has_lists = len(layouts) == 1 and layouts[0].lists is not None
    if subset is not None and not is_inner and not has_lists:
        fitting = [x for x in layouts if match_subset(x.subsets, subset)]
        if not fitting:
            known = "; ".join(
                f"{FORMATS[x.format].title}: {', '.join(x.subsets) or 'no subsets'}"
                for x in layouts
            )
            raise ValueError(
                f"{where}: there is no such subset; choose among {known}, or leave "
                "subset away for all."
            )
    fitting = [x for x in fitting if not x.is_weak] or fitting
    if len(fitting) > 1:
        fits = "; ".join(f"{x.format!r} ({x.evidence})" for x in fitting)
        raise ValueError(
            f"{where}: several formats fit: {fits}. Choose one by format=, for example "
            f"format={fitting[0].format!r}."
        )
    if subset is None:
        format_hints.refuse_several_data_sets(folder, fitting[0], where)
    return fitting[0]


def _choose_parts(layout: Layout, subset: str | None, where: str) -> Layout:
    """Returns the layout with those parts alone that are of the subset."""
    names = [] if subset is None else match_subset(layout.subsets, subset)
    if layout.lists is not None:
        # Where no list or several fit, the loader says which there are.
        name = names[0] if len(names) == 1 else subset
        return layout._replace(parts=[Part(name or ".", layout.folder)])
    if len(names) > 1:
        raise ValueError(
            f"{where}: {', '.join(names)} all fit; choose one of them by subset=."
        )
    parts = [part for part in layout.parts if part.name in names]
    if not parts:
        return layout
    return layout._replace(parts=parts, evidence=parts[0].evidence)


def _classes_of_set(everything: Layout, chosen: Layout, where: str, kwargs) -> dict:
    """Returns the keywords that number classes alike in the subsets of one data set.

    A file beside the chosen one is a subset of the same set if their names say so.
    """
    names = [part.place.stem for part in chosen.parts]
    own, others = [], []
    for part in everything.parts:
        is_own = part in chosen.parts or of_one_set(part.place.stem, names)
        (own if is_own else others).append(part.place)
    find = FORMATS[chosen.format].classes_of_all
    found = find(own, where, **kwargs)
    is_other = False
    # Where the numbers contradict each other, they are two data sets for certain.
    with warnings.catch_warnings(), contextlib.suppress(ValueError):
        warnings.simplefilter("ignore")
        is_other = bool(others) and find([*own, *others], where, **kwargs) != found
    if is_other:
        warnings.warn(
            f"{where}: {some_names(others)} has other classes and is taken for another "
            "data set by its name. If it is a subset of this one, name them alike "
            "(cells_train.json, cells_val.json), so that both number their classes "
            "alike.",
            stacklevel=3,
        )
    return found


def _tell_images_apart(dataset, parts: list[str], where: str) -> None:
    """Raises for an image that comes twice; an id that does is named after its part."""
    seen: dict = {}
    is_repeated = False
    for info, part in zip(dataset.image_info, parts, strict=True):
        id_key = ("id", info["source"], info["id"])
        path_key = ("path", str(info["path"] or id_key))
        image = f"{where}: the file {info['path']} (image {info['id']!r})"
        if part in (seen.get(id_key), seen.get(path_key)):
            raise ValueError(
                f"{image} comes twice in {part}; remove the repetition from the "
                "annotations."
            )
        if path_key in seen:
            raise ValueError(
                f"{image} is in {seen[path_key]} and in {part}; choose one by subset=."
            )
        is_repeated |= id_key in seen
        seen |= {id_key: part, path_key: part}
    if is_repeated:
        for info, part in zip(dataset.image_info, parts, strict=True):
            info["id"] = f"{part}/{info['id']}"


def _warn_missing_images(dataset, where: str) -> None:
    """Warns when no image file is there, as with annotations that came alone."""
    paths = [str(info["path"]) for info in dataset.image_info[:20] if info["path"]]
    paths = [p for p in paths if not is_address(p)]
    if paths and not any(map(os.path.isfile, paths)):
        warnings.warn(
            f"{where}: the image files are not there, for example {paths[0]}; masks "
            "can be drawn, but load_image will fail.",
            stacklevel=3,
        )


def _describe(dataset, layout: Layout, subset: str | None) -> str:
    """Returns what a data set was taken for, and what is in it."""
    format = FORMATS[layout.format]
    text = f"{format.title} ({layout.evidence}): "
    text += f"subset {subset}, " if subset is not None else ""
    text += f"{dataset.num_images} images, "
    if format.counts_objects:
        counts = dataset.count_annotations()
        text += f"{counts.objects.sum()} objects, "
        text += f"{counts.crowds.sum()} crowds, " if counts.crowds.any() else ""
    names = dataset.class_names[1:]
    if len(names) <= 1:
        return text + f"class {names[0] if names else '(none)'}"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return text + f"classes {', '.join(names[:3])}{more}"
