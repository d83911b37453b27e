"""open_dataset: guesses the format of a folder, opens it, and says what it took."""

from __future__ import annotations

import logging
import warnings
from pathlib import Path

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.folders import list_folders
from mrcnn.data.format_hints import (
    expectations,
    nearest,
    nothing_fits,
    refuse_several_data_sets,
)
from mrcnn.data.json_kinds import coco_file_names, json_kind
from mrcnn.data.layouts import (
    FORMATS,
    Layout,
    describe_folder,
    find_layouts,
    match_subset,
)

logger = logging.getLogger("mrcnn")

# Formats whose subsets are lists of images.
KEEPS_LISTS = ("voc", "mask_folders")
ARCHIVES = (".zip", ".gz", ".tgz", ".tar", ".7z", ".rar")


def open_dataset(
    path: str | Path, subset: str | None = None, format: str | None = None, **kwargs
) -> AnnotatedDataset:
    """Returns the prepared data set of a folder, whose format is guessed.

    What it was taken for is logged (logger "mrcnn", level INFO) and kept in `format`
    of the result: "COCO json (annotations/instances_train2017.json): 80 images, 699
    objects, 6 crowds, 80 classes".

        dataset = open_dataset("balloon", "train")
        print(dataset.format)

    Args:
        path: folder of a data set, with or without its subsets; or one COCO or VIA
            json.
        subset: such as "train"; a folder, a list of images or a part of the name of an
            annotation file, as the format has it. None: all there is.
        format: "coco", "via", "voc", "labelme", "mask_folders" or "label_images";
            needed where several fit.
        **kwargs: for the `load_...` method of the format, such as
            `boxes_as_masks=True` for VOC or `class_name="cell"` for masks.

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
        layout = _layout_of_file(path, where)
    elif path.is_dir():
        layout = _pick_layout(path, subset, format, where)
    else:
        raise FileNotFoundError(
            f"{where}: there is no such folder (relative paths start at {Path.cwd()}); "
            f"{nearest(path)}."
        )
    if layout.format == "via" and "classes" not in kwargs and len(layout.parts) > 1:
        kwargs = {**kwargs, "classes": _via_classes(layout.parts, kwargs)}
    layout = _choose_parts(layout, subset, path, where)
    dataset = _load(layout, subset, kwargs, where)
    _refuse_repeated(dataset, layout, where)
    _warn_missing_pictures(dataset, where)
    dataset.prepare()
    dataset.format = _describe(dataset, layout, subset)
    logger.info("%s: taken for %s", where, dataset.format)
    return dataset


def _layout_of_file(path: Path, where: str) -> Layout:
    """The layout of a single annotation file."""
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
    if not layouts and subset is not None and (folder / subset).is_dir():
        layouts = [
            layout._replace(subsets=(subset,))
            for layout in find_layouts(folder / subset)
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


def _choose_parts(layout: Layout, subset, folder: Path, where: str) -> Layout:
    """The layout with the parts of the subset alone."""
    if subset is None or not any(name in layout.subsets for name, _ in layout.parts):
        return layout
    names = match_subset(layout.subsets, subset)
    if len(names) > 1:
        raise ValueError(
            f"{where}: {', '.join(names)} all fit; choose one of them by subset=."
        )
    parts = tuple(part for part in layout.parts if part[0] in names)
    if not parts or layout.format not in ("coco", "via"):
        return layout._replace(parts=parts or layout.parts)
    files = ", ".join(str(place.relative_to(folder)) for _, place in parts)
    return layout._replace(parts=parts, evidence=files)


def _load(layout: Layout, subset, kwargs: dict, where: str) -> AnnotatedDataset:
    """Loads the parts of a layout into one data set."""
    if layout.format in KEEPS_LISTS:
        return _load_by_its_own_subsets(layout, subset, kwargs, where)
    dataset = _new(layout.format)
    for name, place in layout.parts:
        if layout.format == "coco":
            dataset.load_json(place, _find_image_dir(place, name), **kwargs)
        elif layout.format == "via":
            dataset.load_via(place, **kwargs)
        elif layout.format == "labelme" and name != ".":
            dataset.load_labelme(place.parent, name, **kwargs)
        elif layout.format == "labelme":
            dataset.load_labelme(place, **kwargs)
        else:
            dataset.load_label_images(place, None if name == "." else name, **kwargs)
    return dataset


def _via_classes(parts, kwargs: dict) -> list[str]:
    """Names of the classes of all VIA files, so that subsets number them alike."""
    names = set()
    for _, place in parts:
        dataset = _new("via")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # told when the subset itself is loaded
            dataset.load_via(place, **kwargs)
        names |= {info["name"] for info in dataset.class_info[1:]}
    return sorted(names)


def _load_by_its_own_subsets(layout, subset, kwargs, where) -> AnnotatedDataset:
    """Loads the formats whose subsets are lists of images."""
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
    if format == "coco":
        from mrcnn.data.coco import CocoDataset

        return CocoDataset()
    if format == "via":
        from mrcnn.data.via import ViaDataset

        return ViaDataset()
    if format == "voc":
        from mrcnn.data.voc import VocDataset

        return VocDataset()
    if format == "labelme":
        from mrcnn.data.labelme import LabelMeDataset

        return LabelMeDataset()
    if format == "mask_folders":
        from mrcnn.data.mask_folders import MaskFolderDataset

        return MaskFolderDataset()
    from mrcnn.data.label_images import LabelImageDataset

    return LabelImageDataset()


def _find_image_dir(annotation_file: Path, name: str) -> Path:
    """The folder that holds most of the first images that a COCO json names."""
    file_names = coco_file_names(annotation_file)
    home = annotation_file.parent
    stem = annotation_file.stem.removeprefix("instances_")
    names = list(dict.fromkeys([stem, name, "images", "data"]))
    places = [home, *(home / n for n in names), *(home.parent / n for n in names)]
    for above in (home, home.parent):
        places += [above / "images" / n for n in (stem, name)]
    places += [*list_folders(home), home.parent, *list_folders(home.parent)]
    counts = [sum((place / n).is_file() for n in file_names) for place in places]
    return places[counts.index(max(counts))]


def _refuse_repeated(dataset, layout: Layout, where: str) -> None:
    """Raises when two parts of a data set hold one image, or use one id twice."""
    seen: dict = {}
    for info in dataset.image_info:
        keys = [("id", info["source"], info["id"])]
        if info["path"] is not None:
            keys.append(("path", str(info["path"])))
        for key in keys:
            if key in seen:
                raise ValueError(
                    f"{where}: image {info['id']!r} ({info['path']}) comes twice"
                    + (
                        f" in the parts {', '.join(name for name, _ in layout.parts)}; "
                        "choose one by subset=."
                        if len(layout.parts) > 1
                        else "; remove the repetition from the annotations."
                    )
                )
            seen[key] = True


def _warn_missing_pictures(dataset, where: str) -> None:
    """Warns when no picture is there, as with annotations that came alone."""
    # LabelMe's json files carry the picture themselves.
    paths = [
        str(info["path"])
        for info in dataset.image_info[:20]
        if info["path"] is not None and "annotation_file" not in info
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
