"""open_dataset: guesses the format of a folder, opens it, and says what it took."""

from __future__ import annotations

import importlib
import logging
import warnings
from pathlib import Path

from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.formats.coco.coco_images import find_image_dir
from mrcnn.data.formats.coco.coco_json import join_categories
from mrcnn.data.formats.format_hints import (
    expectations,
    nearest,
    nothing_fits,
    refuse_several_data_sets,
)
from mrcnn.data.formats.json_kinds import json_kind
from mrcnn.data.formats.layouts import (
    FORMATS,
    Layout,
    describe_folder,
    find_layouts,
    match_subset,
    synonyms,
)
from mrcnn.data.formats.via.via_classes import via_class_names

logger = logging.getLogger("mrcnn")

# Names in mrcnn.data.
CLASSES = {
    "coco": "CocoDataset",
    "via": "ViaDataset",
    "voc": "VocDataset",
    "labelme": "LabelMeDataset",
    "mask_folders": "MaskFolderDataset",
    "label_images": "LabelImageDataset",
}
# Formats whose subsets are lists of images.
KEEPS_LISTS = ("voc", "mask_folders")
ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")


def open_dataset(
    path: str | Path,
    subset: str | None = None,
    format: str | None = None,
    *,
    verbose: int = 1,
    **kwargs,
) -> AnnotatedDataset:
    """Returns the prepared data set of a folder, whose format is guessed.

    What it was taken for is printed, logged (logger "mrcnn", level INFO) and kept in
    `format` of the result: "COCO json (annotations/instances_train2017.json): 80
    images, 699 objects, 6 crowds, classes person, bicycle, car and 77 more".

        dataset = open_dataset("balloon", "train")

    Subsets number their classes alike: each registers the classes of all. Opened
    together, without `subset`, images whose ids come in several of them (each json
    counting from 1) get ids of the form "train/1"; to compare with the files' own ids,
    as a server does, open one subset at a time.

    Args:
        path: folder of a data set, with or without its subsets; or one COCO or VIA
            json.
        subset: such as "train"; a folder, a list of images or a part of the name of an
            annotation file, as the format has it; "val", "valid" and "validation" are
            one. None: all there is.
        format: "coco", "via", "voc", "labelme", "mask_folders" or "label_images";
            needed where several fit.
        verbose: 1 prints what it was taken for, 0 nothing.
        **kwargs: for the `load_...` method of the format, such as `image_dir=` for COCO
            and VIA, `boxes_as_masks=True` for COCO and VOC or `class_name="cell"` for
            masks.

    Returns:
        CocoDataset, ViaDataset, VocDataset, LabelMeDataset, MaskFolderDataset or
        LabelImageDataset, prepared.

    Raises:
        FileNotFoundError: there is no such folder.
        ValueError: no format fits, or several do, or the subset is unknown; tells what
            there is and what to pass instead.
    """
    where = f"open_dataset({str(path)!r}" + (f", subset={subset!r})" if subset else ")")
    path = Path(path)
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
            f"{nearest(path)}."
        )
    if len(layout.parts) > 1:
        kwargs = {**kwargs, **_classes_of_all(layout, kwargs, where)}
    layout = _choose_parts(layout, subset, where)
    dataset, parts = _load(layout, subset, kwargs, where)
    _tell_images_apart(dataset, parts, where)
    if layout.format != "labelme":  # its json files carry the picture themselves
        _warn_missing_pictures(dataset, where)
    dataset.prepare()
    dataset.format = _describe(dataset, layout, subset)
    logger.info("%s: taken for %s", where, dataset.format)
    if verbose:
        print(f"{where}: taken for {dataset.format}")
    return dataset


def _layout_of_file(path: Path, subset: str | None, where: str) -> Layout:
    """The layout of a single annotation file."""
    if subset is not None:
        raise ValueError(
            f"{where}: is a file, which has no subsets; leave subset away, or pass the "
            f"folder that holds the files of all, for example {str(path.parent)!r}."
        )
    if path.suffix.lower() in ARCHIVES:
        raise ValueError(f"{where}: is an archive; unpack it and pass the folder.")
    if path.suffix.lower() != ".json":
        raise ValueError(
            f"{where}: is a file; pass the folder of the data set, for example "
            f"{str(path.parent)!r}, or a COCO or VIA json."
        )
    kind = json_kind(path)
    if kind in ("coco", "via"):
        return Layout(kind, ((path.stem, path),), (), path.name)
    if kind == "labelme":
        raise ValueError(
            f"{where}: is a LabelMe json, which tells of one picture; pass its folder "
            f"{str(path.parent)!r}."
        )
    raise ValueError(
        f"{where}: is {kind}, neither COCO nor VIA annotations. {expectations()}"
    )


def _pick_layout(
    folder: Path, subset: str | None, format: str | None, where: str
) -> Layout:
    """The one layout that fits a folder, the subset and the format asked for."""
    layouts = find_layouts(folder)
    if not layouts and subset is not None:
        places = [folder / name for name in (subset, *synonyms(subset))]
        place = next((place for place in places if place.is_dir()), None)
        layouts = [
            layout._replace(subsets=(place.name,))
            for layout in (find_layouts(place) if place else ())
        ]
    if format is not None:
        others = [layout.format for layout in layouts]
        layouts = [layout for layout in layouts if layout.format == format]
        if not layouts:
            seen = f"; it looks like {', '.join(others)}" if others else ""
            raise ValueError(
                f"{where}: format={format!r} looks for {FORMATS[format][1]}; found "
                f"{describe_folder(folder)}{seen}."
            )
    if not layouts:
        raise ValueError(nothing_fits(folder, where))
    fitting = layouts
    if subset is not None:
        fitting = [x for x in layouts if match_subset(x.subsets, subset)]
        if len(layouts) == 1 and layouts[0].format in KEEPS_LISTS:
            fitting = layouts  # the loader itself tells which lists there are
        if not fitting:
            known = "; ".join(
                f"{FORMATS[x.format][0]}: {', '.join(x.subsets) or 'no subsets'}"
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
        refuse_several_data_sets(folder, fitting[0], where)
    return fitting[0]


def _choose_parts(layout: Layout, subset, where: str) -> Layout:
    """The layout with the parts of the subset alone."""
    if subset is None or not any(name in layout.subsets for name, _ in layout.parts):
        return layout
    names = match_subset(layout.subsets, subset)
    if len(names) > 1:
        raise ValueError(
            f"{where}: {', '.join(names)} all fit; choose one of them by subset=."
        )
    parts = tuple(part for part in layout.parts if part[0] in names)
    if not parts:
        return layout
    evidence = layout.part_evidence.get(names[0], layout.evidence)
    return layout._replace(parts=parts, evidence=evidence)


def _load(
    layout: Layout, subset, kwargs: dict, where: str
) -> tuple[AnnotatedDataset, list[str]]:
    """Loads the parts of a layout into one data set; also names each image's part."""
    if layout.format in KEEPS_LISTS:
        dataset = _load_by_its_own_subsets(layout, subset, kwargs, where)
        return dataset, [layout.parts[0][0]] * len(dataset.image_info)
    dataset = _new(layout.format)
    parts: list[str] = []
    for name, place in layout.parts:
        if layout.format == "coco":
            own = dict(kwargs)
            image_dir = own.pop("image_dir", None) or find_image_dir(place, name, where)
            dataset.load_json(place, image_dir, **own)
        elif layout.format == "via":
            dataset.load_via(place, **kwargs)
        elif layout.format == "labelme" and name != ".":
            dataset.load_labelme(place.parent, name, **kwargs)
        elif layout.format == "labelme":
            dataset.load_labelme(place, **kwargs)
        else:
            dataset.load_label_images(place, None if name == "." else name, **kwargs)
        parts += [name] * (len(dataset.image_info) - len(parts))
    return dataset, parts


def _classes_of_all(layout: Layout, kwargs: dict, where: str) -> dict:
    """The keywords that make subsets number their classes alike, of all parts."""
    files = [place for _, place in layout.parts]
    if layout.format == "coco" and "categories" not in kwargs:
        return {"categories": join_categories(files, where)}
    if layout.format == "via" and kwargs.get("classes") is None:
        choices = kwargs.get("class_attribute"), kwargs.get("class_name", "object")
        names = sorted(via_class_names(files, *choices))
        return {"classes": names} if names else {}
    return {}


def _load_by_its_own_subsets(layout, subset, kwargs, where) -> AnnotatedDataset:
    """Loads the formats whose subsets are lists of images."""
    # Where nothing or several fit, the loader tells what there is.
    names = [] if subset is None else match_subset(layout.subsets, subset)
    subset = names[0] if len(names) == 1 else subset
    dataset = _new(layout.format)
    place = layout.parts[0][1]
    if layout.format == "mask_folders":
        dataset.load_mask_folders(place, subset, **kwargs)
        return dataset
    years = [name for name, _ in layout.parts]
    if len(years) > 1 and "year" not in kwargs:
        raise ValueError(
            f"{where}: there is {', '.join(years)}; choose one by year=, or pass that "
            "folder."
        )
    dataset.load_voc(place.parent if len(years) > 1 else place, subset, **kwargs)
    return dataset


def _new(format: str) -> AnnotatedDataset:
    """An empty data set of a format."""
    return getattr(importlib.import_module("mrcnn.data"), CLASSES[format])()


def _tell_images_apart(dataset, parts: list[str], where: str) -> None:
    """Raises for a picture that comes twice; ids that do are named after their part."""
    seen: dict = {}
    is_repeated = False
    for info, part in zip(dataset.image_info, parts, strict=True):
        id_key = ("id", info["source"], info["id"])
        path_key = ("path", str(info["path"] or id_key))
        told = f"{where}: the picture {info['path']} (image {info['id']!r})"
        if part in (seen.get(id_key), seen.get(path_key)):
            raise ValueError(
                f"{told} comes twice in {part}; remove the repetition from the "
                "annotations."
            )
        if path_key in seen:
            raise ValueError(
                f"{told} is in {seen[path_key]} and in {part}; choose one by subset=."
            )
        is_repeated |= id_key in seen
        seen |= {id_key: part, path_key: part}
    if is_repeated:
        for info, part in zip(dataset.image_info, parts, strict=True):
            info["id"] = f"{part}/{info['id']}"


def _warn_missing_pictures(dataset, where: str) -> None:
    """Warns when no picture is there, as with annotations that came alone."""
    paths = [
        str(info["path"])
        for info in dataset.image_info[:20]
        if info["path"] is not None
    ]
    paths = [p for p in paths if not p.startswith(("http://", "https://"))]
    if paths and not any(Path(path).is_file() for path in paths):
        warnings.warn(
            f"{where}: the pictures are not there, for example {paths[0]}; masks can "
            "be drawn, but load_image will fail.",
            stacklevel=3,
        )


def _describe(dataset, layout: Layout, subset: str | None) -> str:
    """What a data set was taken for, and what is in it."""
    name = FORMATS[layout.format][0]
    chosen = f"subset {subset}, " if subset is not None else ""
    text = f"{name} ({layout.evidence}): {chosen}{dataset.num_images} images, "
    # Label images would have to be decoded, all of them.
    if layout.format != "label_images":
        counts = dataset.count_annotations()
        text += f"{counts.objects.sum()} objects, "
        if counts.crowds.sum():
            text += f"{counts.crowds.sum()} crowds, "
    names = dataset.class_names[1:]
    if len(names) <= 1:
        return text + f"class {names[0] if names else '(none)'}"
    more = f" and {len(names) - 3} more" if len(names) > 3 else ""
    return text + f"classes {', '.join(names[:3])}{more}"
