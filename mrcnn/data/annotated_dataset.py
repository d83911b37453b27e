"""AnnotatedDataset: a data set that draws its masks from annotations."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import NamedTuple

import numpy as np
from PIL import UnidentifiedImageError

from mrcnn.data.dataset import Dataset
from mrcnn.data.files.open_images import (
    annotated_as,
    open_image,
    orientation_of,
    turned_size,
)
from mrcnn.data.load_checks import check_prepared
from mrcnn.data.objects import Objects
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.damaged import Damaged
from mrcnn.geometry.crops import Crop, stack_crops

# Run lengths of COCO count pixels in 32 bits.
MAX_PIXELS = 1 << 32


class AnnotationCounts(NamedTuple):
    """How many objects of each class are annotated, by inside class id.

    Attributes:
        objects: int64 [C], crowds not counted.
        crowds: int64 [C].
    """

    objects: np.ndarray
    crowds: np.ndarray


class DrawnAnnotation(NamedTuple):
    """An annotation, and its pixels.

    Attributes:
        annotation: Annotation.
        class_id: inside id; None: its class is not one of the data set's.
        crop: Crop, orig; None when there is no class or an error.
        error: why it could not be drawn, or None.
    """

    annotation: Annotation
    class_id: int | None
    crop: Crop | None
    error: Exception | None


class AnnotatedDataset(Dataset):
    """A data set that keeps annotations as such: polygons, run lengths, files.

    Give `add_image` its annotations, or override `load_annotations` to read them when
    they are needed. Laws: the crops of `objects` put into zeros are the masks of
    `load_mask`, bit for bit, and both have the same objects in the same order.

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
            width: px; None: read from the file.
            height: px; None: read from the file.
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

        If `add_image` was not given both, they are read once from the file's header.

        Raises:
            ValueError: no size is known, and the image has no path; or the size is one
                that no mask can have.
            OSError: there is no such file, or it is no image.
        """
        info = self.image_info[image_id]
        if info.get("height") is None or info.get("width") is None:
            if info["path"] is None:
                raise ValueError(
                    f"image_size(image_id={image_id}): image {info['id']!r} has no "
                    "path; give width and height to add_image()."
                )
            try:
                with open_image(info["path"], None) as image:
                    size, orientation = image.size[::-1], orientation_of(image)
                height, width = turned_size(orientation, size, **annotated_as(info))
            except UnidentifiedImageError:
                # What only scikit-image reads has no header that Pillow knows.
                height, width = self.load_image(image_id).shape[:2]
            # The size that was annotated stays unknown.
            info |= {"height": height, "width": width, "size_from_file": True}
        height, width = int(info["height"]), int(info["width"])
        if height * width >= MAX_PIXELS:
            raise ValueError(
                f"image_size(image_id={image_id}): image {info['id']!r} has height and "
                f"width {(height, width)}, 2**32 px or more; correct them, they come "
                f"from {info.get('annotation_file') or 'add_image()'}."
            )
        return height, width

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
        objects = self.drawn_objects(image_id)
        if objects.size is None:
            return super().load_mask(image_id)
        return stack_crops(objects.crops, objects.size), objects.class_ids

    def drawn_objects(self, image_id: int) -> Objects:
        """Returns the objects of an image, drawn from its annotations.

        Returns:
            Objects, orig. Their size is None for an image without objects that has
            neither a path nor a size.

        Raises:
            ValueError, OSError: as `load_mask`.
        """
        info = self.image_info[image_id]
        crops, class_ids, annotations = [], [], []
        for i, drawn in enumerate(self.draw_annotations(image_id)):
            annotation, class_id, crop, error = drawn
            if isinstance(error, OSError | ValueError):
                raise type(error)(
                    f"load_mask(image_id={image_id}): object {i} of image "
                    f"{info['id']!r}, {info['path']}: {error}"
                ) from error
            if error is not None:
                raise error
            if class_id is not None:
                crops.append(crop)
                class_ids.append(-class_id if annotation.is_crowd else class_id)
                annotations.append(annotation)
        is_foreign = not crops and info["path"] is None and info.get("height") is None
        size = None if is_foreign else self.image_size(image_id)
        return Objects(crops, np.array(class_ids, np.int32), size, annotations)

    def draw_annotations(self, image_id: int) -> Iterator[DrawnAnnotation]:
        """Returns an iterator that draws the annotations of an image one by one.

        An annotation that cannot be drawn comes with its error, and does not stop it.

        Raises:
            ValueError: the data set is not prepared.
            Exception: what `load_annotations` or, when iterating, `image_size` raised.
        """
        pairs = self.inside_annotations(image_id)
        files: dict = {}

        def draw(annotation, class_id):
            crop = error = None
            # A damaged annotation may have lost its class; it is no less an object.
            if class_id is not None or isinstance(annotation.shape, Damaged):
                height, width = self.image_size(image_id)
                try:
                    crop = annotation.shape.crop(height, width, files)
                except Exception as caught:  # a user's own shape may raise anything
                    error = caught
            return DrawnAnnotation(annotation, class_id, crop, error)

        return (draw(*pair) for pair in pairs)

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
            for annotation, class_id in self.inside_annotations(image_id):
                if class_id is not None:
                    (crowds if annotation.is_crowd else objects)[class_id] += 1
        return AnnotationCounts(objects, crowds)

    def inside_annotations(self, image_id: int) -> list[tuple[Annotation, int | None]]:
        """Returns `load_annotations`, each with the inside id of its class.

        None stands for a class that the data set does not have. The others are the
        objects of `load_mask` in their order, unless a subclass overrides it.
        """
        check_prepared(self, f"load_annotations(image_id={image_id})")
        source = self.image_info[image_id]["source"]
        inside_ids = self.class_from_source_map
        return [
            (annotation, inside_ids.get(f"{source}.{annotation.class_id}"))
            for annotation in self.load_annotations(image_id)
        ]
