"""The functions of `mrcnn.visualize`, with right arguments."""

from __future__ import annotations

import functools
from collections.abc import Callable

import numpy as np

from mrcnn import utils, visualize
from tests.fuzz.array_calls import HEIGHT, WIDTH, a_mask
from tests.fuzz.calls import Call, call_case

NAMES = ["BG", "leaf", "root"]
# Parts of all of them, which name their argument.
PARTS = ("as_rgb(image)", "caption_of(class_", "captions_of(", "instance_colors(")


@functools.cache
def figure_calls() -> dict[str, Call]:
    mask = a_mask()
    box, ids = utils.extract_bboxes(mask), np.array([1, 2, 1])
    image = np.full([HEIGHT, WIDTH, 3], 90, np.uint8)
    scores = np.array([0.9, 0.8, 0.7])
    objects = {"boxes": box, "masks": mask, "class_ids": ids, "class_names": NAMES}
    lists = {
        visualize.random_colors: {"N": 3},
        visualize.apply_mask: {
            "image": image.copy(),
            "mask": mask[..., 0],
            "color": (1.0, 0.0, 0.5),
            "alpha": 0.5,
        },
        visualize.draw_box: {
            "image": image.copy(),
            "box": box[0],
            "color": (1.0, 0.0, 0.5),
        },
        visualize.draw_instances: {"image": image, **objects, "scores": scores},
        visualize.display_instances: {"image": image, **objects, "scores": scores},
        visualize.display_images: {"images": [image, image], "titles": ["a", "b"]},
        visualize.display_differences: {
            **{"image": image, "gt_box": box, "gt_class_id": ids, "gt_mask": mask},
            **{"pred_box": box, "pred_class_id": ids, "pred_score": scores},
            **{"pred_mask": mask, "class_names": NAMES},
        },
        visualize.display_top_masks: {
            "image": image,
            "mask": mask,
            "class_ids": ids,
            "class_names": NAMES,
            "limit": 2,
        },
        visualize.draw_rois: {
            "image": image,
            "rois": box,
            "refined_rois": box,
            "mask": mask.transpose(2, 0, 1),
            "class_ids": ids,
            "class_names": NAMES,
            "limit": 2,
        },
        visualize.draw_boxes: {
            "image": image,
            "boxes": box,
            "refined_boxes": box,
            "masks": mask,
            "captions": ["a", "b", "c"],
        },
        visualize.plot_precision_recall: {
            "AP": 0.5,
            "precisions": scores,
            "recalls": scores,
        },
        visualize.plot_overlaps: {
            **{"gt_class_ids": ids, "pred_class_ids": ids, "pred_scores": scores},
            **{"overlaps": np.eye(3), "class_names": NAMES},
        },
        visualize.display_table: {"table": [["a", 1], ["b", 2]]},
    }
    painted = dict.fromkeys(("apply_mask", "draw_box"), ("image",))
    painted |= dict.fromkeys(("draw_instances", "display_instances"), ("masks",))
    painted |= {"display_differences": ("gt_mask", "pred_mask")}
    also = {
        "draw_rois": ("draw_boxes(", "unmold_mask("),
        "display_differences": ("display_differences:", "find_outcomes("),
    }
    return {
        (name := function.__name__): Call(
            _closing(function),
            arguments,
            (*also.get(name, ()), *PARTS),
            painted.get(name, ()),
        )
        for function, arguments in lists.items()
    }


def _closing(function: Callable) -> Callable:
    """Returns a function that closes the figures it opened."""

    @functools.wraps(function)
    def call(**arguments):
        from matplotlib import pyplot

        try:
            return function(**arguments)
        finally:
            pyplot.close("all")

    return call


KINDS = {"figures": functools.partial(call_case, calls=figure_calls)}
