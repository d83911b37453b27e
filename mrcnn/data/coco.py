"""CocoDataset: images annotated in COCO's json, laid out as COCO does or not."""

from __future__ import annotations

import contextlib
import io
import json
import warnings
import zipfile
from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np

from mrcnn.data.annotated import AnnotatedDataset
from mrcnn.data.annotations import Annotation, Polygons, Rectangle, Rle, Shape
from mrcnn.evaluation.coco_format import to_rle

DOWNLOADS = "http://images.cocodataset.org"
EXPLORE_URL = "https://cocodataset.org/#explore?id={}"
# Parts of val2014 that Detectron trained and tested on: their images lie in val2014.
PARTS_OF_VAL = ("minival", "valminusminival")
KEYS = ("images", "annotations", "categories")


class CocoDataset(AnnotatedDataset):
    """Images annotated in COCO's json.

    Crowds come with negative class ids. `image_info[i]["annotations"]` holds the dicts
    of the file; they become outlines when asked.

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
        file = folder / "annotations" / f"instances_{subset}{year}.json"
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
        return_coco: bool = False,
    ):
        """Adds the images of any annotation file in COCO's format.

        Args:
            annotation_file: json with images, annotations and categories; info and
                licenses are not needed.
            image_dir: folder that the file names start from.
            class_ids: ids of the categories to load, and with them of the images that
                have any of them; None for all categories and all images.
            source: name for `add_class` and `add_image`.
            boxes_as_masks: True takes the box for the mask of an object that has no
                segmentation. False gives it a mask without a pixel, with a warning.
            return_coco: True returns the annotations as pycocotools has them.

        Returns:
            A pycocotools.coco.COCO if `return_coco`, else None.

        Raises:
            FileNotFoundError: the annotation file is not there.
            ValueError: it is no annotation file of COCO, or lacks some of `class_ids`.
        """
        where = f"load_json({str(annotation_file)!r})"
        content = read_coco_json(annotation_file)
        names = {c["id"]: c.get("name", str(c["id"])) for c in content["categories"]}
        wanted = sorted(names) if class_ids is None else list(dict.fromkeys(class_ids))
        if unknown := sorted(set(wanted) - names.keys()):
            raise ValueError(
                f"{where}: class_ids {unknown} are no categories of the file; it has "
                f"{sorted(names)}."
            )
        for class_id in wanted:
            self.add_class(source, class_id, names[class_id])
        by_image = _annotations_by_image(content, names, boxes_as_masks, where)
        for image in content["images"]:
            annotations = by_image[image["id"]]
            if class_ids is not None:
                annotations = [a for a in annotations if a["category_id"] in wanted]
                if not annotations:
                    continue
            url = {"coco_url": image["coco_url"]} if "coco_url" in image else {}
            self.add_image(
                source,
                image["id"],
                str(Path(image_dir) / image["file_name"]),
                width=image.get("width"),
                height=image.get("height"),
                annotations=annotations,
                boxes_as_masks=boxes_as_masks,
                **url,
            )
        return as_pycocotools(content) if return_coco else None

    def load_annotations(self, image_id: int) -> list[Annotation]:
        """Returns the objects of an image."""
        info = self.image_info[image_id]
        kept = super().load_annotations(image_id)
        as_masks = info.get("boxes_as_masks", False)
        return [
            _to_annotation(a, as_masks) if isinstance(a, Mapping) else a for a in kept
        ]

    def image_reference(self, image_id: int) -> str:
        """Returns COCO's page of an image that it has; else the path."""
        info = self.image_info[image_id]
        if "coco_url" in info:
            return EXPLORE_URL.format(info["id"])
        return str(info["path"] or "")

    def annToRLE(self, ann: Mapping, height: int, width: int) -> dict:  # noqa: N802
        """Returns an annotation of COCO as compressed run lengths.

        Args:
            ann: a dict with segmentation: polygons, or RLE, compressed or not.
            height: of the image, px.
            width: of the image, px.
        """
        return to_rle(ann["segmentation"], height, width)

    def annToMask(self, ann: Mapping, height: int, width: int) -> np.ndarray:  # noqa: N802
        """Returns an annotation of COCO as a mask: uint8 [height, width], 0 and 1."""
        from pycocotools import mask as coco_mask

        return coco_mask.decode(self.annToRLE(ann, height, width))

    def auto_download(
        self, dataset_dir: str | Path, subset: str, year: str | int
    ) -> None:
        """Fetches and unpacks images and annotations of a subset that are not there.

        Args:
            dataset_dir: folder of the data set; made if need be.
            subset: "train", "val", "minival" or "valminusminival".
            year: "2014" or "2017".

        Raises:
            OSError: a file cannot be fetched; says which, and where it belongs.
        """
        from mrcnn.data.downloads import download

        folder = Path(dataset_dir)
        folder.mkdir(parents=True, exist_ok=True)
        for name, url in _zip_files(subset, year).items():
            if (folder / name).is_dir():
                continue
            packed = download(url, folder / Path(url).name)
            # Under another name until complete: half a folder would count as there.
            unpacked = folder / f"{name}.unpacking"
            with zipfile.ZipFile(packed) as archive:
                archive.extractall(unpacked)
            (unpacked / name).rename(folder / name)
            unpacked.rmdir()
            packed.unlink()


def read_coco_json(path: str | Path) -> dict:
    """Returns the content of an annotation file of COCO: three lists of dicts.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: it is no annotation file of COCO; says what is missing.
    """
    if not Path(path).is_file():
        raise FileNotFoundError(f"read_coco_json({str(path)!r}): no such file.")
    try:
        content = json.loads(Path(path).read_text(encoding="utf-8-sig"))
    except ValueError as error:
        raise ValueError(
            f"read_coco_json({str(path)!r}): no valid json ({error})."
        ) from error
    if not isinstance(content, dict):
        content = {}
    missing = [key for key in KEYS if not isinstance(content.get(key), list)]
    if missing:
        raise ValueError(
            f"read_coco_json({str(path)!r}): has no list of {' or '.join(missing)}; "
            "it is no annotation file of COCO for objects."
        )
    return content


def as_pycocotools(content: Mapping):
    """Returns the content of an annotation file as a pycocotools.coco.COCO."""
    from pycocotools.coco import COCO

    coco = COCO()
    # COCO.loadRes copies them, and fails without.
    coco.dataset = {"info": {}, "licenses": [], **content}
    with contextlib.redirect_stdout(io.StringIO()):
        coco.createIndex()
    return coco


def _annotations_by_image(content, names, boxes_as_masks, where) -> dict:
    """Returns the annotations of each image; warns of those that are lost."""
    by_image: dict = {image["id"]: [] for image in content["images"]}
    if len(by_image) != len(content["images"]):
        raise ValueError(
            f"{where}: {len(content['images'])} images have {len(by_image)} ids; an id "
            "names one image."
        )
    lost = masked = 0
    for annotation in content["annotations"]:
        image_id, category = annotation["image_id"], annotation["category_id"]
        if image_id not in by_image or category not in names:
            lost += 1
            continue
        by_image[image_id].append(annotation)
        masked += bool(annotation.get("segmentation"))
    if lost:
        warnings.warn(
            f"{where}: {lost} annotations belong to an image or a category that is "
            "not listed; they are left out.",
            stacklevel=3,
        )
    boxes = len(content["annotations"]) - lost - masked
    if boxes and not boxes_as_masks:
        warnings.warn(
            f"{where}: {boxes} of {boxes + masked} objects have no segmentation, so "
            "their masks have no pixel; load_json(boxes_as_masks=True) takes their "
            "boxes for masks.",
            stacklevel=3,
        )
    return by_image


def _to_annotation(raw: Mapping, boxes_as_masks: bool) -> Annotation:
    """Returns an annotation of a COCO file with its outline."""
    return Annotation(
        _to_shape(raw, boxes_as_masks),
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
        x, y, width, height = raw["bbox"]
        return Rectangle(y, x, y + height, x + width)
    return Polygons.from_xy(segmentation or [])


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
