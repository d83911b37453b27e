"""AnnotatedDataset: images with outlines that are drawn when a mask is asked for."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np
from PIL import Image

from mrcnn.data.dataset import Dataset
from mrcnn.data.object_crops import ObjectCrops
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import Crop, paste


class AnnotationCounts(NamedTuple):
    """How many objects of each class are annotated, by inside class id.

    Attributes:
        objects: int64 [C], crowds not counted.
        crowds: int64 [C].
    """

    objects: np.ndarray
    crowds: np.ndarray


class AnnotatedDataset(Dataset):
    """A data set that keeps annotations as such: polygons, run lengths, files.

    Give `add_image` its annotations, or override `load_annotations` to read them when
    asked. Laws: `load_object_crops` put into zeros is `load_mask`, bit for bit, and
    both hold the same objects in the same order.

        class Cats(AnnotatedDataset):
            def load_cats(self, folder):
                self.add_class("cats", 1, "cat")
                outline = Polygons.from_xy([[10, 10, 90, 20, 50, 80]])
                self.add_image(
                    "cats", "tom", f"{folder}/tom.jpg", width=640, height=480,
                    annotations=[Annotation(outline, class_id=1)],
                )
    """

    def add_image(
        self,
        source: str,
        image_id,
        path,
        *,
        width: int | None = None,
        height: int | None = None,
        annotations: Iterable | None = None,
        **kwargs,
    ) -> None:
        """Registers an image and its objects.

        Args:
            source: name of the data set that the image comes from.
            image_id: the user's own id of the image.
            path: its file; None when `load_image` is overridden.
            width: px; None when the file is to be asked.
            height: px; None when the file is to be asked.
            annotations: what `load_annotations` will return, a list of Annotation.
            **kwargs: anything else to keep in `image_info`.
        """
        sides = {"width": width, "height": height}
        kwargs |= {side: int(px) for side, px in sides.items() if px is not None}
        if annotations is not None:
            kwargs["annotations"] = list(annotations)
        super().add_image(source, image_id, path, **kwargs)

    def load_annotations(self, image_id: int) -> list[Annotation]:
        """Returns the objects of an image, as given to `add_image`."""
        return list(self.image_info[image_id].get("annotations", ()))

    def image_size(self, image_id: int) -> tuple[int, int]:
        """Returns (height, width) of an image in px, as annotated.

        What `add_image` was not told is read from the header of the file, once.

        Raises:
            ValueError: no size is known, and the image has no path.
            OSError: there is no such file, or it is no picture.
        """
        info = self.image_info[image_id]
        if info.get("height") is None or info.get("width") is None:
            if info["path"] is None:
                raise ValueError(
                    f"image_size(image_id={image_id}): image {info['id']!r} has no "
                    "path; tell add_image its width and height."
                )
            try:
                with Image.open(info["path"]) as picture:
                    width, height = picture.size
            except Image.UnidentifiedImageError:
                # What only scikit-image reads has no header that Pillow knows.
                height, width = self.load_image(image_id).shape[:2]
            info["height"], info["width"] = height, width
            info["size_from_file"] = True  # nobody said what was annotated
        return int(info["height"]), int(info["width"])

    def load_mask(self, image_id: int) -> tuple[np.ndarray, np.ndarray]:
        """Returns the masks and classes of an image's objects.

        Objects of classes that the data set does not have are left out; those
        without a pixel are not, their masks are empty.

        Returns:
            masks: bool [H, W, N], orig.
            class_ids: int32 [N], inside ids from 1; negative for a crowd.

        Raises:
            ValueError, OSError: an annotation is damaged or does not fit its image;
                names both.
        """
        info = self.image_info[image_id]
        crops, class_ids = self._crops(image_id)
        if not crops and info["path"] is None and info.get("height") is None:
            return super().load_mask(image_id)
        # Objects first while drawing: every mask is then one block of memory.
        masks = np.zeros([len(crops), *self.image_size(image_id)], dtype=bool)
        for mask, crop in zip(masks, crops, strict=True):
            paste(mask, crop)
        return masks.transpose(1, 2, 0), class_ids

    def load_object_crops(self, image_id: int) -> ObjectCrops:
        """Returns the same objects as `load_mask`, each inside its tight box alone.

        A subclass that overrides `load_mask` is asked for its masks.

        Returns:
            ObjectCrops(boxes int32 [N, (y1, x1, y2, x2)], orig, zeros without a pixel;
            masks, a list of bool [y2 - y1, x2 - x1]; class_ids int32 [N]).
        """
        if self.overrides_load_mask:
            return super().load_object_crops(image_id)
        crops, class_ids = self._crops(image_id)
        boxes = np.array([crop.box for crop in crops], np.int32).reshape(-1, 4)
        return ObjectCrops(boxes, [crop.mask for crop in crops], class_ids)

    def count_annotations(
        self, image_ids: Iterable[int] | None = None
    ) -> AnnotationCounts:
        """Returns how many objects and crowds each class has; draws nothing.

        Args:
            image_ids: inside ids of the images to count in; None for all.
        """
        objects = np.zeros([len(self.class_info)], np.int64)
        crowds = np.zeros_like(objects)
        for image_id in self.image_ids if image_ids is None else image_ids:
            for annotation, class_id in self.known_annotations(image_id):
                (crowds if annotation.is_crowd else objects)[class_id] += 1
        return AnnotationCounts(objects, crowds)

    @property
    def overrides_load_mask(self) -> bool:
        """True when masks come from a subclass, which may not use annotations."""
        return type(self).load_mask is not AnnotatedDataset.load_mask

    @property
    def draws_annotations(self) -> bool:
        """True when the objects are the annotations, drawn, and no others.

        A subclass that overrides `load_mask` or `load_object_crops` may have objects of
        another size or place than its annotations.
        """
        draws_crops = type(self).load_object_crops is AnnotatedDataset.load_object_crops
        return draws_crops and not self.overrides_load_mask

    def known_annotations(self, image_id: int) -> list[tuple[Annotation, int]]:
        """Returns the annotations of known classes, each with its inside class id.

        They are the objects of `load_mask` in their order, unless a subclass overrides
        it.
        """
        source = self.image_info[image_id]["source"]
        if not hasattr(self, "class_from_source_map"):
            self.map_source_class_id(f"{source}.")  # says that prepare() is missing
        pairs = (
            (a, self.class_from_source_map.get(f"{source}.{a.class_id}"))
            for a in self.load_annotations(image_id)
        )
        return [(a, class_id) for a, class_id in pairs if class_id is not None]

    def _crops(self, image_id: int) -> tuple[list[Crop], np.ndarray]:
        """Returns the crops of an image's objects, and their class ids int32 [N]."""
        crops, class_ids = [], []
        files: dict = {}
        for i, (annotation, class_id) in enumerate(self.known_annotations(image_id)):
            height, width = self.image_size(image_id)
            try:
                crops.append(annotation.shape.crop(height, width, files))
            except (OSError, ValueError) as error:
                info = self.image_info[image_id]
                raise type(error)(
                    f"load_mask(image_id={image_id}): object {i} of image "
                    f"{info['id']!r}, {info['path']}: {error}"
                ) from error
            class_ids.append(-class_id if annotation.is_crowd else class_id)
        return crops, np.array(class_ids, dtype=np.int32)
