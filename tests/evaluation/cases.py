"""Records whose masks fill their boxes, so that both kinds of overlap agree."""

from __future__ import annotations

import numpy as np

from mrcnn.evaluation.coco_format import crop_to_rle

HEIGHT, WIDTH = 120, 200  # not square
LEFT, MIDDLE, RIGHT = (10, 10, 60, 60), (10, 70, 60, 100), (10, 110, 60, 160)


def rles_of(boxes):
    """Masks that fill boxes (y1, x1, y2, x2), as RLE dicts."""
    return [
        crop_to_rle(np.ones((y2 - y1, x2 - x1), bool), (y1, x1, y2, x2), HEIGHT, WIDTH)
        for y1, x1, y2, x2 in boxes
    ]


def record(image_id, gt, pred, **changes):
    """A record of [(class_id, box)] and [(class_id, score, box)]."""
    boxes = [box for *_, box in pred]
    return {
        "image_id": image_id,
        "height": HEIGHT,
        "width": WIDTH,
        "gt_rles": rles_of([box for _, box in gt]),
        "gt_class_ids": np.array([class_id for class_id, _ in gt], np.int32),
        "rois": np.array(boxes, np.int32).reshape(-1, 4),
        "class_ids": np.array([class_id for class_id, *_ in pred], np.int32),
        "scores": np.array([score for _, score, _ in pred], np.float32),
        "rles": rles_of(boxes),
        **changes,
    }


class TinyDataset:
    """Three images; the second shows nothing, the third a crowd beside an object."""

    class_names = ("BG", "cat", "dog", "cow")
    num_classes = 4
    image_ids = np.arange(3)
    truth = (
        [(1, LEFT), (2, RIGHT)],
        [],
        [(1, LEFT), (-2, RIGHT)],
    )

    def load_image(self, image_id):
        # The first pixel tells TinyModel which image it sees.
        return np.full((HEIGHT, WIDTH, 3), image_id, np.uint8)

    def load_mask(self, image_id):
        rows = self.truth[image_id]
        masks = np.zeros((HEIGHT, WIDTH, len(rows)), bool)
        for i, (_, (y1, x1, y2, x2)) in enumerate(rows):
            masks[y1:y2, x1:x2, i] = True
        return masks, np.array([class_id for class_id, _ in rows], np.int32)


class CutLayer:
    """What `evaluate` sees of a DetectionLayer."""

    def __init__(self, min_confidence):
        self.min_confidence = min_confidence


class TinyModel:
    """Detects what it was told, from the cut of its layer on."""

    found = (
        [(1, 0.9, LEFT), (2, 0.2, RIGHT)],  # the second is unsure, and right
        [(1, 0.1, MIDDLE)],
        [(1, 0.8, LEFT), (2, 0.7, RIGHT), (1, 0.6, MIDDLE)],
    )

    def __init__(self, cut=0.7, batch_size=2):
        self.layer = CutLayer(cut)
        self.keras_model = type("Graph", (), {"layers": (object(), self.layer)})()
        self.config = type("Tiny", (), {"NUM_CLASSES": 4, "BATCH_SIZE": batch_size})()
        self.batches = []

    def detect(self, images, verbose=0, masks="full"):
        self.batches.append((len(images), masks))
        results = []
        for image in images:
            rows = self.found[image[0, 0, 0]]
            rows = [row for row in rows if row[1] >= self.layer.min_confidence]
            found = record(0, [], rows)
            result = {key: found[key] for key in ("rois", "class_ids", "scores")}
            results.append({**result, "masks": found["rles"] if masks else None})
        return results
