"""Dataset: the list of images and classes; subclasses say how to load them."""

from __future__ import annotations

import warnings
from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

import numpy as np

from mrcnn.data.files.image_files import read_image
from mrcnn.data.files.open_images import annotated_as
from mrcnn.data.load_checks import check_prepared
from mrcnn.data.objects import Objects, mask_objects

if TYPE_CHECKING:
    from mrcnn.data.checks.validation_report import ValidationReport


class Dataset:
    """A list of images with the masks and classes of their objects.

    Subclass it, register classes and images, and override `load_mask` (and
    `load_image` where the image is not in a file, `image_reference` where there is a
    better link than the path). Call `prepare()` before use:

        class Cats(Dataset):
            def load_cats(self, folder):
                self.add_class("cats", 1, "cat")
                for path in sorted(Path(folder).glob("*.jpg")):
                    self.add_image("cats", image_id=path.stem, path=str(path))

            def load_mask(self, image_id):
                info = self.image_info[image_id]
                ...
                return mask, class_ids

    Several sources may share one data set. Outside ids (`image_info[i]["id"]`, the ids
    given to `add_class`) are the user's own; inside ids count from 0, and class 0 is
    always the background.
    """

    # IMAGE_RANGE with which files are read; None: that of the Config in use, in
    # training, evaluation and validation, and "auto" elsewhere.
    image_range: str | tuple[float, float] | None = None

    def __init__(self, class_map: Mapping | None = None):
        """Starts with the background class and no image.

        Args:
            class_map: kept for old scripts, without effect.
        """
        _warn_class_map(class_map)
        self._image_ids = np.arange(0)
        self.image_info: list[dict] = []
        self.class_info: list[dict] = [{"source": "", "id": 0, "name": "BG"}]
        self.source_class_ids: dict[str, list[int]] = {}

    def add_class(self, source: str, class_id, class_name: str) -> None:
        """Registers a class; a class that is already known is left as it is.

        Args:
            source: name of the data set that the class comes from, without a dot.
            class_id: id within the source. 0 is allowed: `prepare()` numbers all
                classes anew, from 1, in the order of these calls.
            class_name: shown where detections are drawn.
        """
        if "." in source:
            raise ValueError(
                f"add_class(source={source!r}): the name of a source holds no dot "
                "(it separates source and id); use '_' or '-'."
            )
        for info in self.class_info:
            if info["source"] == source and info["id"] == class_id:
                if info["name"] != class_name:
                    warnings.warn(
                        f"add_class({source!r}, {class_id!r}, {class_name!r}): this id "
                        f"is {info['name']!r} already, which is kept; give each class "
                        "of a source its own id.",
                        stacklevel=2,
                    )
                return
        self.class_info.append({"source": source, "id": class_id, "name": class_name})

    def add_image(self, source: str, image_id, path, **kwargs) -> None:
        """Registers an image.

        Args:
            source: name of the data set that the image comes from.
            image_id: the user's own id of the image.
            path: its file; None when `load_image` is overridden.
            **kwargs: whatever `load_mask` will need, kept in `image_info`. From `width`
                and `height` (px) `load_image` also decides whether the annotations
                belong to the image as stored or as turned by its EXIF note; `exif`
                says it where they can't, as "apply" (turned), "ignore" (as stored) or
                "viewer" (see `mrcnn.data.read_image`).
        """
        self.image_info.append(
            {"id": image_id, "source": source, "path": path, **kwargs}
        )

    def image_reference(self, image_id: int) -> str:
        """Returns a link or text that helps a person find the image; "" here."""
        return ""

    def prepare(self, class_map: Mapping | None = None) -> None:
        """Numbers classes and images; call it after the last add_class/add_image.

        Args:
            class_map: kept for old scripts, without effect.

        Raises:
            TypeError: a subclass uses the name `objects` for something else.
        """
        _warn_class_map(class_map)
        if not callable(self.objects):
            raise TypeError(
                f"prepare(): {type(self).__name__}.objects hides the method "
                "Dataset.objects; give this attribute another name."
            )
        self.num_classes = len(self.class_info)
        self.class_ids = np.arange(self.num_classes)
        self.class_names = _shown_names([str(c["name"]) for c in self.class_info])
        self.num_images = len(self.image_info)
        self._image_ids = np.arange(self.num_images)

        self.class_from_source_map = _numbers_of(self.class_info)
        self.image_from_source_map = _numbers_of(self.image_info)
        # Sources of images too: a data set of images without any class is legal.
        self.sources = list(
            dict.fromkeys(i["source"] for i in [*self.class_info, *self.image_info])
        )
        owners = [info["source"] for info in self.class_info]
        # The background belongs to every source.
        self.source_class_ids = {
            source: [0, *(i for i, owner in enumerate(owners) if i and owner == source)]
            for source in self.sources
        }

    def map_source_class_id(self, source_class_id: str) -> int:
        """Returns the inside class id of "source.id", for example "coco.17"."""
        check_prepared(self, f"map_source_class_id({source_class_id!r})")
        if source_class_id not in self.class_from_source_map:
            raise KeyError(
                f"map_source_class_id({source_class_id!r}): no such class; known are "
                f"{', '.join(list(self.class_from_source_map)[1:]) or 'none'}."
            )
        return self.class_from_source_map[source_class_id]

    def get_source_class_id(self, class_id: int, source: str):
        """Returns the id that `source` itself uses for an inside class id."""
        info = self.class_info[class_id]
        if info["source"] != source:
            raise ValueError(
                f"get_source_class_id({class_id}, {source!r}): class {info['name']!r} "
                f"belongs to the source {info['source']!r}."
            )
        return info["id"]

    @property
    def image_ids(self) -> np.ndarray:
        """Inside ids of all images: int [N], empty before `prepare()`."""
        return self._image_ids

    def source_image_link(self, image_id: int) -> str:
        """Returns the path or address of an image."""
        return self.image_info[image_id]["path"]

    def load_image(self, image_id: int) -> np.ndarray:
        """Returns the image: uint8 [H, W, 3], RGB, orig frame.

        The EXIF orientation of a file is applied only if `width` and `height` were
        given to `add_image` and are those of the turned image, or `exif` says so;
        without them, or when they fit the image as stored, it is read as stored. Files
        with more than 8 bits are read as `image_range` says, or the Config in use.

        Raises:
            ValueError: the image has no path, or can't be read as a photograph.
            OSError: no such file, or no readable image; names id and path.
        """
        info = self.image_info[image_id]
        path = info["path"]
        if path is None:
            raise ValueError(
                f"load_image(image_id={image_id}): image {info['id']!r} of source "
                f"{info['source']!r} has no path; override load_image to make it."
            )
        try:
            how = annotated_as(info)
            return read_image(path, **how, image_range=self.image_range)
        except (OSError, ValueError) as error:
            raise type(error)(f"load_image(image_id={image_id}): {error}") from error

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the masks and classes of an image's objects; here, of none.

        Override it. Objects of sources that a subclass does not know are left to this
        method, which returns no object.

        Args:
            image_id: inside id.

        Returns:
            masks: bool [H, W, N], orig frame, the height and width of the image
                (uint8 is taken too; the empty [0, 0, 0] of this method fits any image).
            class_ids: int32 [N], inside ids from 1; negative for a crowd.
        """
        if type(self).load_mask is Dataset.load_mask:
            warnings.warn(
                f"{type(self).__name__}.load_mask is not overridden: every image "
                "counts as one without objects.",
                stacklevel=2,
            )
        return np.empty([0, 0, 0], dtype=bool), np.empty([0], dtype=np.int32)

    def load_object_crops(self, image_id: int) -> Objects:
        """Returns the objects of `load_mask`, each as its box and its mask in that box.

        Override it instead of `load_mask` if full masks are not needed to get the
        objects. To load the objects of any data set, call `objects`, which calls this
        method where it is overridden:

            def load_object_crops(self, image_id):
                crops = [Crop((10, 20, 13, 24), mask)]  # mask: bool [3, 4]
                return Objects(crops, np.array([1], np.int32))

        Args:
            image_id: inside id.

        Returns:
            Objects, orig.
        """
        masks, class_ids = self.load_mask(image_id)
        return mask_objects(masks, class_ids, f"load_mask(image_id={image_id})")

    @property
    def objects_source(self) -> str:
        """Name of the method that gives this data set's objects.

        It is the one that the most derived class has: "load_mask",
        "load_object_crops" (before `load_mask`, in one class), or "drawn_objects" of an
        AnnotatedDataset. A method set on the instance counts before those of classes.
        """
        for place in (self, *type(self).__mro__):
            for name in ("drawn_objects", "load_object_crops", "load_mask"):
                if name in vars(place) and place is not Dataset:
                    return name
        return "load_mask"

    def objects(self, image_id: int) -> Objects:
        """Returns the objects of an image, each as its box and its mask in that box.

        Training, evaluation, checks and export use it. The objects come from the method
        that `objects_source` names; they are not checked yet.

        Args:
            image_id: inside id.

        Returns:
            Objects(crops, class_ids, size, annotations), orig.

        Raises:
            TypeError: `load_object_crops` returned something else.
            Exception: what the method raised.
        """
        source = self.objects_source
        if source == "load_mask":
            return Dataset.load_object_crops(self, image_id)
        objects = getattr(self, source)(image_id)
        if not isinstance(objects, Objects):
            raise TypeError(
                f"{source}(image_id={image_id}): must return mrcnn.data.Objects(crops, "
                f"class_ids); received {type(objects).__name__}."
            )
        # A subclass may have changed crops that its parent drew from annotations.
        drawn = source == "drawn_objects"
        return objects if drawn else objects._replace(annotations=None)

    @property
    def reads_files(self) -> bool:
        """True when `load_image` is that of Dataset: it reads the file at the path."""
        return getattr(self.load_image, "__func__", None) is Dataset.load_image

    def validate(
        self,
        config=None,
        image_ids: Iterable[int] | None = None,
        *,
        against: Dataset | None = None,
        read_images: bool = True,
        verbose: int = 0,
    ) -> ValidationReport:
        """Returns what is wrong with images and objects, errors and warnings apart.

        print(dataset.validate(config))

        Args:
            config: a Config; None leaves out what depends on sizes and anchors.
            image_ids: inside ids of the images to check; None for all.
            against: another data set that must not hold the same images.
            read_images: False looks at the headers of image files only.
            verbose: 1 shows a progress bar.

        Returns:
            ValidationReport; see `mrcnn.data.checks.validation.validate_dataset`.
        """
        from mrcnn.data.checks.validation import validate_dataset

        return validate_dataset(
            self,
            config,
            image_ids,
            against=against,
            read_images=read_images,
            verbose=verbose,
        )


def _shown_names(names: list[str]) -> list[str]:
    """Returns class names up to their comma: "tench" of "tench, Tinca tinca".

    Whole where classes would become one name: "cell, round" and "cell, long".
    """
    owners: dict[str, set[str]] = {}
    for name in names:
        owners.setdefault(name.split(",")[0], set()).add(name)
    shown = (name.split(",")[0] for name in names)
    return [
        short if len(owners[short]) == 1 else name
        for short, name in zip(shown, names, strict=True)
    ]


def _numbers_of(infos: Iterable[Mapping]) -> dict[str, int]:
    """Returns the inside id of each "source.id"."""
    return {f"{info['source']}.{info['id']}": i for i, info in enumerate(infos)}


def _warn_class_map(class_map) -> None:
    """Warns that a class_map has no effect."""
    if class_map is not None:
        warnings.warn(
            "Dataset(class_map=...) has no effect; give classes of several sources "
            "that mean the same the same source and id in add_class().",
            stacklevel=3,
        )
