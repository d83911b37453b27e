"""CocoDataset: images annotated in COCO's json, laid out as COCO does or not."""

from __future__ import annotations

import shutil
import warnings
import zipfile
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data.annotated_dataset import AnnotatedDataset, AnnotationCounts
from mrcnn.data.files.downloads import download
from mrcnn.data.files.find_images import find_images
from mrcnn.data.formats.coco.coco_images import find_image_dir
from mrcnn.data.formats.coco.coco_json import (
    annotations_by_image,
    as_pycocotools,
    category_names,
    is_of_browser,
    join_categories,
    read_coco_json,
    sorted_ids,
)
from mrcnn.data.formats.coco.coco_outlines import crowd_flag, to_annotation
from mrcnn.data.formats.layouts import COCO_PREFIX, Format, Layout, file_layout
from mrcnn.data.outlines.annotation import Annotation

DOWNLOADS = "http://images.cocodataset.org"
EXPLORE_URL = "https://cocodataset.org/#explore?id={}"
# Parts of val2014 that Detectron trained and tested on: their images lie in val2014.
PARTS_OF_VAL = ("minival", "valminusminival")


class CocoDataset(AnnotatedDataset):
    """Images annotated in COCO's json.

    Crowds come with negative class ids. `image_info[i]["annotations"]` holds the dicts
    of the file; they become outlines when asked. Damaged ones are found only then:
    `validate` lists all of them, and `load_mask` raises.

        dataset = CocoDataset()
        dataset.load_coco("coco", "val", year="2017")
        dataset.prepare()
    """

    def load_coco(
        self,
        dataset_dir: str | Path,
        subset: str,
        year: str | int = "2014",
        class_ids: Iterable[int] | None = None,
        class_map: Mapping | None = None,
        return_coco: bool = False,
        auto_download: bool = False,
    ):
        """Adds a subset of COCO, laid out as its zip files are.

        Reads `annotations/instances_{subset}{year}.json`; the images are in
        `{subset}{year}/`.

        Args:
            dataset_dir: folder of the data set.
            subset: "train", "val", or "minival" and "valminusminival" of 2014.
            year: "2014" or "2017".
            class_ids: COCO's ids of the classes to load, and with them of the images
                that have any of them; None for all classes and all images.
            class_map: kept for old scripts, without effect.
            return_coco: True returns the annotations as pycocotools has them.
            auto_download: True fetches what is missing (up to 19 GB).

        Returns:
            A pycocotools.coco.COCO if `return_coco`, else None.

        Raises:
            FileNotFoundError: the annotation file is not there.
            ValueError: it is no annotation file of COCO, or lacks some of `class_ids`.
        """
        if class_map is not None:
            warnings.warn(
                "load_coco(class_map=...) has no effect; choose classes by class_ids.",
                stacklevel=2,
            )
        folder = Path(dataset_dir)
        if auto_download is True:
            self.auto_download(folder, subset, year)
        image_subset = "val" if subset in PARTS_OF_VAL else subset
        file = folder / "annotations" / f"{COCO_PREFIX}{subset}{year}.json"
        image_dir = folder / f"{image_subset}{year}"
        if not file.is_file():
            raise FileNotFoundError(
                f"load_coco({str(dataset_dir)!r}, {subset!r}, year={year!r}): there is "
                f"no {file}; {_how_to_get(subset, year)}"
            )
        return self.load_json(file, image_dir, class_ids, return_coco=return_coco)

    def load_json(
        self,
        annotation_file: str | Path,
        image_dir: str | Path,
        class_ids: Iterable[int] | None = None,
        *,
        source: str = "coco",
        boxes_as_masks: bool = False,
        categories: Mapping | None = None,
        return_coco: bool = False,
    ):
        """Adds the images of any annotation file in COCO's format.

        Args:
            annotation_file: json with images, annotations and categories; info and
                licenses are not needed.
            image_dir: folder that the file names start from; names as another machine
                has them are looked for in it and below it, see `find_images`.
            class_ids: ids of the categories to load, and with them of the images that
                have any of them; None for all categories and all images.
            source: name for `add_class` and `add_image`.
            boxes_as_masks: True takes the box for the mask of an object that has no
                segmentation. False gives it a mask without a pixel, with a warning.
            categories: names by id of more categories than the file lists, so that
                files with different lists (train, val) number their classes alike, see
                `mrcnn.data.formats.coco.coco_json.join_categories`.
            return_coco: True returns the annotations as pycocotools has them.

        Returns:
            A pycocotools.coco.COCO if `return_coco`, else None.

        Raises:
            FileNotFoundError: the annotation file is not there.
            ValueError: it is no annotation file of COCO, lacks some of `class_ids`, or
                none of its annotations belongs to an image.
        """
        where = f"load_json({str(annotation_file)!r})"
        content = read_coco_json(annotation_file)
        used = {annotation["category_id"] for annotation in content["annotations"]}
        wanted = None if class_ids is None else list(dict.fromkeys(class_ids))
        own = category_names(content, where, used | set(wanted or ()))
        names = {**(categories or {}), **own}
        wanted = sorted_ids(names) if wanted is None else wanted
        if unknown := sorted_ids(set(wanted) - names.keys()):
            raise ValueError(
                f"{where}: class_ids {unknown} are no categories of the file; it has "
                f"{sorted_ids(names)}."
            )
        _refuse_one_name([i for i in wanted if i in used], names, where)
        for class_id in wanted:
            self.add_class(source, class_id, names[class_id])
        by_image = annotations_by_image(content, names, boxes_as_masks, where)
        file_names = [image["file_name"] for image in content["images"]]
        paths = find_images(image_dir, file_names, where)
        drawn = {"exif": "viewer"} if is_of_browser(content) else {}
        for image, path in zip(content["images"], paths, strict=True):
            annotations = by_image[image["id"]]
            if class_ids is not None:
                annotations = [a for a in annotations if a["category_id"] in wanted]
                if not annotations:
                    continue
            url = {"coco_url": image["coco_url"]} if "coco_url" in image else {}
            self.add_image(
                source,
                image["id"],
                path,
                width=image.get("width") or None,
                height=image.get("height") or None,
                annotations=annotations,
                boxes_as_masks=boxes_as_masks,
                annotation_file=str(annotation_file),
                **url,
                **drawn,
            )
        return as_pycocotools(content) if return_coco else None

    def load_annotations(self, image_id: int) -> list[Annotation]:
        """Returns the objects of an image."""
        info = self.image_info[image_id]
        kept = super().load_annotations(image_id)
        as_masks, file = info.get("boxes_as_masks", False), info.get("annotation_file")
        return [
            to_annotation(a, as_masks, file) if isinstance(a, Mapping) else a
            for a in kept
        ]

    def count_annotations(
        self, image_ids: Iterable[int] | None = None
    ) -> AnnotationCounts:
        """Returns how many objects and crowds each class has; makes no outline."""
        if type(self).load_annotations is not CocoDataset.load_annotations:
            return super().count_annotations(image_ids)
        objects = np.zeros([len(self.class_info)], np.int64)
        crowds = np.zeros_like(objects)
        for image_id in self.image_ids if image_ids is None else image_ids:
            source = self.image_info[image_id]["source"]
            for kept in super().load_annotations(image_id):
                if isinstance(kept, Mapping):
                    where = f"count_annotations(): image {image_id}"
                    category, is_crowd = kept["category_id"], crowd_flag(kept, where)
                else:
                    category, is_crowd = kept.class_id, kept.is_crowd
                class_id = self.class_from_source_map.get(f"{source}.{category}")
                if class_id is not None:
                    (crowds if is_crowd else objects)[class_id] += 1
        return AnnotationCounts(objects, crowds)

    def image_reference(self, image_id: int) -> str:
        """Returns COCO's page of an image that it has; else the path."""
        info = self.image_info[image_id]
        if "coco_url" in info:
            return EXPLORE_URL.format(info["id"])
        return str(info["path"] or "")

    def auto_download(
        self, dataset_dir: str | Path, subset: str, year: str | int
    ) -> None:
        """Fetches and unpacks images and annotations of a subset that are not there.

        Args:
            dataset_dir: folder of the data set; made if need be.
            subset: "train", "val", "minival" or "valminusminival".
            year: "2014" or "2017".

        Raises:
            OSError: a file cannot be fetched, or is no zip file with what it should
                have; says which, and where it belongs.
        """
        folder = Path(dataset_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for name, url in _zip_files(subset, year).items():
            if (folder / name).is_dir():
                continue
            packed = download(url, folder / Path(url).name)
            # Under another name until complete: half a folder would count as there.
            unpacked = folder / f"{name}.unpacking"
            try:
                with zipfile.ZipFile(packed) as archive:
                    archive.extractall(unpacked)
                (unpacked / name).rename(folder / name)
            except (FileNotFoundError, zipfile.BadZipFile) as error:
                packed.unlink()  # or it would be taken for complete the next time
                raise OSError(
                    f"auto_download({str(folder)!r}, {subset!r}, {year!r}): what "
                    f"{url} sends is no zip file with the folder {name} ({error}); "
                    f"put that folder into {folder} by hand."
                ) from error
            finally:
                shutil.rmtree(unpacked, ignore_errors=True)
            packed.unlink()


def _refuse_one_name(ids: Iterable, names: Mapping, where: str) -> None:
    """Raises ValueError for two categories with objects and one name."""
    first: dict = {}
    for i in ids:
        if first.setdefault(names[i], i) != i:
            raise ValueError(
                f"{where}: categories {first[names[i]]!r} and {i!r} are both named "
                f"{names[i]!r}, and both have objects; give each class a name of its "
                "own, or their annotations one category_id."
            )


def _zip_files(subset: str, year: str | int) -> dict[str, str]:
    """Returns what a subset needs: folder to address of the zip file that has it."""
    images = f"{'val' if subset in PARTS_OF_VAL else subset}{year}"
    return {
        images: f"{DOWNLOADS}/zips/{images}.zip",
        "annotations": f"{DOWNLOADS}/annotations/annotations_trainval{year}.zip",
    }


def _how_to_get(subset: str, year: str | int) -> str:
    """Returns where the annotations of a subset come from."""
    if subset in PARTS_OF_VAL:
        return (
            f"{subset} is no part of COCO's own zip files: put a json with these 2014 "
            "images there, or use the year 2017, where 'val' are the same 5000 images."
        )
    addresses = " and ".join(_zip_files(subset, year).values())
    return f"unpack {addresses} there, or use auto_download=True."


def _find(folder: Path, files: Sequence[Path]) -> Layout:
    """Returns the layout of a folder with COCO files in it or right below it."""
    # Beside them lie files of the same images, with keypoints or stuff.
    instances = [path for path in files if path.stem.startswith(COCO_PREFIX)]
    return file_layout(folder, instances or files)


def _load(
    dataset: CocoDataset, file: Path, subset: str, image_dir=None, **kwargs
) -> None:
    """Adds the images of a file; their folder is looked for if it is not given."""
    image_dir = image_dir or find_image_dir(file, subset)
    dataset.load_json(file, image_dir, **kwargs)


def _classes_of_all(files, where: str, **kwargs) -> dict:
    """Returns the categories of all files, if they are not given."""
    given = "categories" in kwargs
    return {} if given else {"categories": join_categories(files, where)}


FORMAT = Format(
    name="coco",
    title="COCO json",
    signs="a json file with 'images', 'annotations' and 'categories', here, in "
    "annotations/ or in a folder per subset",
    dataset=CocoDataset,
    find=_find,
    load=_load,
    classes_of_all=_classes_of_all,
)
