"""The methods of `MaskRCNN` and functions of `mrcnn.model`, with right arguments."""

from __future__ import annotations

import functools
import tempfile

import numpy as np

from mrcnn import model as modellib
from mrcnn import utils
from tests.data.photos import Photos, config_of
from tests.engine.tiny import HEIGHT, WIDTH, TinyDataset, make_detector
from tests.fuzz.calls import Call, call_case


@functools.cache
def model_calls() -> dict[str, Call]:
    model = make_detector(tempfile.mkdtemp(), modellib.MaskRCNN)
    images = [TinyDataset().load_image(3)]
    molded, metas, windows = model.mold_inputs(images)
    masks, ids = TinyDataset().load_mask(3)
    boxes = utils.extract_bboxes(masks)
    config = config_of(USE_MINI_MASK=False)
    shape = (HEIGHT, WIDTH, 3)
    truth = {"gt_class_ids": ids, "gt_boxes": boxes}
    raw = np.zeros([6, 28, 28, 3], np.float32)
    detections = np.array([[0.1, 0.1, 0.5, 0.5, 1, 0.9]] * 6, np.float32)
    shapes = {"original_image_shape": shape, "image_shape": (64, 64, 3)}
    anchors = np.array([[0, 0, 20, 20], [5, 5, 25, 16]], np.float64)
    functions = {
        model.detect: {"images": images, "masks": "full"},
        model.detect_molded: {"molded_images": molded, "image_metas": metas},
        model.mold_inputs: {"images": images},
        model.unmold_detections: {
            **{"detections": detections, "mrcnn_mask": raw, **shapes},
            "window": windows[0],
        },
        model.get_anchors: {"image_shape": (64, 64, 3)},
        model.set_trainable: {"layer_regex": "conv1"},
        model.load_weights: {"filepath": "no.h5", "exclude": ["conv1"]},
        model.find_trainable_layer: {"layer": model.keras_model.layers[1]},
        modellib.mold_image: {"images": images[0], "config": config},
        modellib.unmold_image: {"normalized_images": molded[0], "config": config},
        modellib.compute_backbone_shapes: {
            **{"config": config, "image_shape": (128, 128, 3)}
        },
        modellib.build_rpn_targets: {
            **{"image_shape": shape, "anchors": anchors, **truth},
            **{"config": config, "rng": 0},
        },
        modellib.build_detection_targets: {
            **{"rpn_rois": boxes, **truth, "gt_masks": masks},
            **{"config": config, "rng": 0},
        },
        modellib.generate_random_rois: {
            **{"image_shape": shape, "count": 5, **truth, "rng": 0}
        },
        modellib.log: {"text": "boxes", "array": boxes},
        next_batch: {"dataset": Photos(), "config": config, "batch_size": 1},
    }
    also = {
        "detect_molded": ("detect(",),
        "detect": ("read_image(",),
        "mold_inputs": ("detect(", "read_image("),
        "load_weights": ("exclude",),
        "unmold_detections": ("paste_crop(",),
        "mold_image": ("subtract_mean(",),
        "unmold_image": ("add_mean(",),
        "compute_backbone_shapes": ("feature_shapes(",),
        "get_anchors": ("feature_shapes(",),
        "generate_random_rois": ("random_rois(",),
        "build_rpn_targets": ("anchor_targets(",),
        "build_detection_targets": ("class_targets(", "roi_targets("),
        "next_batch": ("data_generator(", "DataGenerator("),
    }
    # Names that the old package gave to functions of ours.
    old_names = {"feature_shapes": "compute_backbone_shapes"}
    return {
        (name := old_names.get(function.__name__, function.__name__)): Call(
            function, arguments, also.get(name, ())
        )
        for function, arguments in functions.items()
    }


def next_batch(dataset, config, batch_size):
    """Returns the images of the first batch."""
    generator = modellib.data_generator(dataset, config, batch_size=batch_size)
    return next(generator)[0][0].shape


KINDS = {"model": functools.partial(call_case, calls=model_calls)}
