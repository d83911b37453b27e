"""The old package's run, and the same chain computed by ours, step by step.

The files are described in parity/README.md of the shared folder. `benchmarks/parity.py`
prints what the tests here compare.
"""

from __future__ import annotations

import json
import lzma
from pathlib import Path
from typing import NamedTuple

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config import Config
from mrcnn.data.files.image_files import read_image
from mrcnn.engine.detection.run_detection import unmold_detections
from mrcnn.evaluation.coco_format import masks_to_rles
from mrcnn.geometry.box_masks import unmold_mask
from mrcnn.model import MaskRCNN
from tests.parity.compare import RTOL, align, allowance

IMAGES = {
    "000000047112": "data/coco_tiny/val2017/000000047112.jpg",
    "square": "parity/square.png",
    "14898532020_ba6199dd22_k": "data/balloon/val/14898532020_ba6199dd22_k.jpg",
}
# Coordinates of proposals differ by up to so many units of their last place.
LAST_BITS = 8
LEVELS = ("fpn_p2", "fpn_p3", "fpn_p4", "fpn_p5", "fpn_p6")


def old_config(shared: Path) -> Config:
    """Returns the Config of the old run."""
    config = Config()
    for name, value in json.loads((shared / "parity/config.json").read_text()).items():
        setattr(config, name, value)
    return config


def unpack_weights(shared: Path, folder: Path) -> Path:
    """Returns the path of the weight file, unpacked into a folder."""
    path = Path(folder) / "weights.h5"
    path.write_bytes(lzma.decompress((shared / "parity/weights.h5.xz").read_bytes()))
    return path


def layout(shared: Path) -> dict[str, tuple[int, ...]]:
    """Returns the shapes of the file's tensors by "layer/variable"."""
    shapes = {}
    for line in (shared / "parity/layout.txt").read_text().splitlines():
        path, shape = line.split(" ", 1)
        _, layer, variable = path.rsplit("/", 2)
        sides = shape.strip("()").split(",")
        key = f"{layer}/{variable.removesuffix(':0')}"
        shapes[key] = tuple(int(side) for side in sides if side)
    return shapes


class Heads(NamedTuple):
    """What follows from proposals, and which of their samples fell where.

    Attributes:
        probs: [R, C].
        detections: [D, (y1, x1, y2, x2, class_id, score)], norm.
        reads: [R, 7, 7], the pyramid level that each sample was read from; 0 where it
            lay outside the map.
    """

    probs: np.ndarray
    detections: np.ndarray
    reads: np.ndarray


class Run(NamedTuple):
    """One image: what the old package computed, and what ours does.

    Attributes:
        expected: the arrays of the expected_*.npz by name.
        window, image_meta, molded_shape: of the molded image.
        anchors: [A, 4], norm.
        feature_maps: P2..P6 [h, w, 256].
        rpn_class, rpn_bbox: [A, 2], [A, 4].
        rois: [R, 4], norm, in our order; roi_scores [R] of the RPN.
        heads: what our heads make of our proposals.
        given: what our heads make of the old package's proposals.
        fragile: bool [R], which of these read elsewhere when moved by a few last bits;
            see `read_elsewhere`.
        given_masks: [D, 28, 28], each of its own class, of its detections.
        given_result: its detections and these masks, unmolded; masks as RLE.
        result: what `detect` returns for the image; with `areas` and RLE masks added.
    """

    expected: dict[str, np.ndarray]
    original_shape: tuple[int, ...]
    window: np.ndarray
    image_meta: np.ndarray
    molded_shape: tuple[int, ...]
    anchors: np.ndarray
    feature_maps: list[np.ndarray]
    rpn_class: np.ndarray
    rpn_bbox: np.ndarray
    rois: np.ndarray
    roi_scores: np.ndarray
    heads: Heads
    given: Heads
    fragile: np.ndarray
    given_masks: np.ndarray
    given_result: dict
    result: dict


class Chain:
    """The model of the old run and three views of it, to enter it at any step."""

    def __init__(self, shared: Path, folder: Path):
        """Builds the model and loads the weights; `report` says what was loaded."""
        self.shared = Path(shared)
        self.model = MaskRCNN("inference", old_config(self.shared), folder)
        self.weights_path = unpack_weights(self.shared, folder)
        self.report = self.model.load_weights(self.weights_path)
        net = self.model.keras_model
        maps = [net.get_layer(name).output for name in LEVELS]
        anchors, rois = (net.get_layer(name).output for name in ("anchors", "ROI"))
        detections, probs, _, masks, _, rpn_class, rpn_bbox = net.outputs
        meta = net.inputs[1]
        self._trunk = keras.Model(
            net.inputs, [anchors, rpn_class, rpn_bbox, rois, *maps]
        )
        self._heads = keras.Model([rois, meta, *maps[:4]], [probs, detections])
        self._masks = keras.Model([detections, meta, *maps[:4]], masks)

    def run(self, name: str) -> Run:
        """Returns what the chain makes of one of IMAGES."""
        expected = dict(np.load(self.shared / f"parity/expected_{name}.npz"))
        image = read_image(self.shared / IMAGES[name])
        images, metas, windows = self.model.mold_inputs([image])
        meta = tf.constant(metas)
        anchors, rpn_class, rpn_bbox, rois, *maps = self._trunk(
            [tf.constant(images), meta], training=False
        )
        rest = [meta, *maps[:4]]
        given_detections = expected["detections"]
        given_masks = self._masks(
            [tf.constant(given_detections[None]), *rest], training=False
        )
        class_ids = given_detections[:, 4].astype(int)
        given_masks = np.asarray(given_masks)[0][
            np.arange(len(class_ids)), ..., class_ids
        ]
        result = self.model.detect([image])[0]
        masks = result.pop("masks")
        return Run(
            expected=expected,
            original_shape=image.shape,
            window=windows[0],
            image_meta=metas[0],
            molded_shape=images.shape[1:],
            anchors=np.asarray(anchors)[0],
            feature_maps=[np.asarray(x)[0] for x in maps],
            rpn_class=np.asarray(rpn_class)[0],
            rpn_bbox=np.asarray(rpn_bbox)[0],
            rois=np.asarray(rois)[0],
            roi_scores=self._roi_scores(rpn_class, rpn_bbox, anchors),
            heads=self._after(rois, rest),
            given=self._after(tf.constant(expected["rpn_rois"][None]), rest),
            fragile=self._fragile(expected["rpn_rois"], rest),
            given_masks=given_masks,
            given_result=unmold_detections(
                given_detections,
                given_masks,
                image.shape,
                images.shape[1:],
                windows[0],
                form="rle",
            ),
            result={
                **result,
                "areas": masks.sum(axis=(0, 1)),
                "rles": masks_to_rles(masks),
            },
        )

    def _roi_scores(self, rpn_class, rpn_bbox, anchors) -> np.ndarray:
        """Returns what the RPN says of each of our proposals."""
        layer = self.model.keras_model.get_layer("ROI")
        steps = layer.steps([rpn_class, rpn_bbox, anchors])
        return steps.pre_nms_scores.numpy()[0, steps.keep.numpy()[0]]

    def _after(self, rois, rest) -> Heads:
        """Returns what the heads make of proposals."""
        probs, detections = self._heads([rois, *rest], training=False)
        return Heads(
            np.asarray(probs)[0], np.asarray(detections)[0], self._reads(rois, rest)
        )

    def _fragile(self, rois, rest) -> np.ndarray:
        """Returns bool [R]: proposals that read elsewhere if their last bits differ."""
        reads = self._reads(tf.constant(rois[None]), rest)
        found = np.zeros(len(rois), bool)
        for side in range(4):
            for step in range(1, LAST_BITS + 1):
                for towards in (-step, step):
                    moved = rois.copy()
                    moved[:, side] += towards * np.spacing(moved[:, side])
                    # A side on the border of the image was put there: it is exact.
                    moved = np.where(np.isin(rois, (0, 1)), rois, moved)
                    other = self._reads(tf.constant(moved[None]), rest)
                    found |= (other != reads).any(axis=(1, 2))
        return found

    def _reads(self, rois, rest) -> np.ndarray:
        """Returns where the box head samples: maps are filled with their level."""
        meta, *maps = rest
        levels = [
            tf.fill([1, *x.shape[1:3], 1], float(level))
            for level, x in enumerate(maps, start=2)
        ]
        pool = self.model.keras_model.get_layer("roi_align_classifier")
        return np.asarray(pool([rois, meta, *levels]))[0, ..., 0].round().astype(int)


def rows_of_expected(run: Run) -> np.ndarray:
    """Returns int [R]: the row of our proposals that is each of the old ones."""
    return align(run.rois, run.roi_scores, run.expected["rpn_rois"])


def read_elsewhere(run: Run) -> np.ndarray:
    """Returns bool [R]: old proposals of which ours read other cells of the maps.

    A proposal on the right or lower border has its last sample exactly on the last
    cell of the map. `crop_and_resize` computes that position in float32, and what
    rounds to beyond the cell, by a millionth of a cell, is 0 instead of the value
    there. So the features of such a proposal can depend on the last bit of its other
    coordinate; and the last bits of what convolutions add up differ with processor,
    threads and version. In the old run it happened to one proposal of 541 on a border
    (row 888 of 000000047112). No tolerance covers a jump: tests name such rows by what
    they read, and `given`, which starts from the old bits, has to have all rows.
    """
    ours = run.heads.reads[rows_of_expected(run)]
    return (ours != run.given.reads).any(axis=(1, 2))


def mask_bounds(run: Run, i: int) -> tuple[np.ndarray, np.ndarray]:
    """Returns two masks that the mask of the old detection i has to lie between.

    A pixel belongs to an object from the probability 0.5 on. Where a probability is as
    near to that as the tolerance, the pixel may be one or the other.

    Returns:
        bool [H0, W0] each: pixels that must be in the mask, pixels that may be.
    """
    mask, box = run.given_masks[i], run.expected["rois"][i]
    slack = RTOL * 0.5 + allowance(run.expected["mask_of_class"])
    return tuple(
        unmold_mask(mask, box, run.original_shape, threshold=0.5 + side * slack)
        for side in (1, -1)
    )
