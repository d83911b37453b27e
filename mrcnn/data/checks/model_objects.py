"""Objects as the network meets them, without loading or resizing their image."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from mrcnn.data.object_crops import ObjectCrops, resize_crops
from mrcnn.geometry.resize_plan import plan_resize


class ModelObjects(NamedTuple):
    """The objects of an image in its model image.

    Attributes:
        objects: ObjectCrops, px, in the order they came in; one that no sampled pixel
            meets has none.
        shape: (height, width) of the model image, px.
    """

    objects: ObjectCrops
    shape: tuple[int, int]


def model_objects(objects: ObjectCrops, shape: Sequence[int], config) -> ModelObjects:
    """Returns where objects lie once their image is resized as `config` says.

    Law: boxes are those of `load_image_gt` without augmentation. Deviation: in the
    mode "crop" the whole scaled image is taken for the model image, as the piece that
    is cut out changes each time.

    Args:
        objects: ObjectCrops, orig.
        shape: (height, width, ...) of the image, orig.
        config: a Config.
    """
    plan = plan_resize(
        shape,
        min_dim=config.IMAGE_MIN_DIM,
        max_dim=config.IMAGE_MAX_DIM,
        min_scale=config.IMAGE_MIN_SCALE,
        mode=config.IMAGE_RESIZE_MODE,
        rng=0,
    )
    (top, bottom), (left, right) = plan.padding[:2]
    height, width = plan.shape
    return ModelObjects(
        resize_crops(objects, shape, plan.scale, plan.padding),
        (top + height + bottom, left + width + right),
    )
