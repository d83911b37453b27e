"""Images with objects of every kind, and configs of every mode of resizing."""

from __future__ import annotations

import numpy as np

from mrcnn.config import Config
from mrcnn.data.annotated_dataset import AnnotatedDataset
from mrcnn.data.outlines.annotation import Annotation
from mrcnn.data.outlines.shapes import Ellipse, Polygons, Rectangle

HEIGHT, WIDTH = 150, 210  # not square


class Photos(AnnotatedDataset):
    """Noise with shapes of every kind, some of them hardly or not to be seen."""

    def __init__(self):
        super().__init__()
        self.add_class("a", 1, "cat")
        self.add_class("a", 2, "dog")
        shapes = [
            Polygons.from_xy([[20, 10, 120, 30, 60, 140], [150, 99, 190, 90, 170, 99]]),
            Ellipse(70, 100, 30.5, 61, 0.4),
            Rectangle(0, 0, HEIGHT, WIDTH),
            Rectangle(3, 3, 4, 4),  # lost when the image is reduced
            Rectangle(500, 500, 600, 600),  # outside
            Rectangle(100, 208, 150, 210),
        ]
        objects = [Annotation(s, i % 2 + 1, i == 2) for i, s in enumerate(shapes)]
        size = {"height": HEIGHT, "width": WIDTH}
        for i, those in enumerate((objects, objects[3:5], [])):
            self.add_image("a", i, None, annotations=those, **size)
        self.prepare()

    def load_image(self, image_id):
        rng = np.random.default_rng(image_id)
        return rng.integers(0, 256, [HEIGHT, WIDTH, 3]).astype(np.uint8)


def config_of(**settings):
    defaults = {"NUM_CLASSES": 3, "IMAGE_MIN_DIM": 64, "IMAGE_MAX_DIM": 128}
    return type("C", (Config,), {"NAME": "c", **defaults, **settings})()


CONFIGS = {
    "reduced": config_of(),
    "enlarged": config_of(IMAGE_MIN_DIM=320, IMAGE_MAX_DIM=384),
    "pad64": config_of(IMAGE_RESIZE_MODE="pad64", IMAGE_MIN_SCALE=1.3),
    "crop": config_of(IMAGE_RESIZE_MODE="crop", IMAGE_MIN_DIM=128),
}
