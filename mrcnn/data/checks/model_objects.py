"""model_objects: where objects lie in the model image; the image is not loaded."""

from __future__ import annotations

from collections.abc import Sequence

from mrcnn.data.image_gt import resize_settings
from mrcnn.data.objects import Objects, resize_objects
from mrcnn.geometry.resize_plan import plan_resize


def model_objects(objects: Objects, shape: Sequence[int], config) -> Objects:
    """Returns the objects of an image when it is resized as `config` says.

    Law: boxes are those of `load_image_gt` without augmentation. Deviation: in the
    mode "crop" the whole scaled image is taken for the model image, as the piece that
    is cut out changes each time.

    Args:
        objects: Objects, orig.
        shape: (height, width, ...) of the image, orig.
        config: a Config.

    Returns:
        Objects, px, in the same order; one that no sampled pixel meets has no pixel.
        Their size is (height, width) of the model image.
    """
    plan = plan_resize(shape, **resize_settings(config), rng=0)
    return resize_objects(objects, shape, plan.scale, plan.padding)
