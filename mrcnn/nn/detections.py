"""Detections from proposals and the outputs of the box head."""

from __future__ import annotations

import contextlib
import contextvars
from collections.abc import Iterator, Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from mrcnn.geometry.boxes import (
    DELTA_STD_DEV,
    apply_box_deltas_tensor,
    clip_boxes_tensor,
)
from mrcnn.geometry.coordinates import norm_boxes_tensor
from mrcnn.geometry.image_meta import parse_image_meta_tensor
from mrcnn.geometry.nms import non_max_suppression_tensor
from mrcnn.nn.base import Float32Layer, check_choice

CLASS_RULES = ("best", "all")
# With rule "all", so many (roi, class) pairs of an image enter NMS.
MAX_CANDIDATES = 1000
# What stands in for arguments of a DetectionLayer while a function is traced.
_GIVEN: contextvars.ContextVar[dict | None] = contextvars.ContextVar("given")


@contextlib.contextmanager
def given_thresholds(min_confidence, nms_threshold) -> Iterator[None]:
    """Makes layers called in the context take these thresholds, not their own.

    As tensors they are inputs of the function that is traced, which then serves all
    values.

    Args:
        min_confidence: float32 scalar tensor, probability.
        nms_threshold: float32 scalar tensor, ratio.
    """
    given = {"min_confidence": min_confidence, "nms_threshold": nms_threshold}
    token = _GIVEN.set(given)
    try:
        yield
    finally:
        _GIVEN.reset(token)


class Detections(NamedTuple):
    """Every step from proposals to detections.

    K candidates an image: the R rois by rule "best"; (roi, class) pairs by falling
    score by rule "all".

    Attributes:
        class_ids: int32 [B, K], class of each candidate, 0 = background.
        scores: float32 [B, K], its probability.
        refined: float32 [B, K, 4], norm, after that class's deltas, inside the window.
        keep: int32 [B, D], rows of the K that are detected, -1 is padding.
        detections: float32 [B, D, (y1, x1, y2, x2, class_id, score)], norm, by falling
            score, zero rows are padding.
    """

    class_ids: tf.Tensor
    scores: tf.Tensor
    refined: tf.Tensor
    keep: tf.Tensor
    detections: tf.Tensor


def refine_detections(
    rois,
    probs,
    deltas,
    windows_norm,
    *,
    min_confidence: float | None,
    nms_threshold: float,
    max_instances: int,
    bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
    class_rule: str = "best",
) -> Detections:
    """Returns the detections of a batch and all that led to them.

    With `class_rule="all"` a roi may be detected as each class that reaches the score
    (Fast R-CNN, arXiv:1504.08083, sec. 3.1). With "best" it may become one detection,
    of its likeliest class, as in the old package: where that is the background it is
    never detected, which ends the precision-recall curve early. NMS runs within a
    class.

    Args:
        rois: float32 [B, R, (y1, x1, y2, x2)], norm, zero rows are padding and are
            never detected.
        probs: float32 [B, R, C], probability, class 0 is background.
        deltas: float32 [B, R, C, (dy, dx, log dh, log dw)] / std dev.
        windows_norm: float32 [B, (y1, x1, y2, x2)], norm, the image without padding.
        min_confidence: lowest score (probability) detected; 0 or None: any.
        nms_threshold: ratio (IoU) above which the lower score of a class goes.
        max_instances: D, detections of an image.
        bbox_std_dev: the deltas are multiplied by these four numbers.
        class_rule: one of CLASS_RULES.

    Returns:
        Detections(class_ids, scores, refined, keep, detections).

    Raises:
        ValueError: `class_rule` is another word.
    """
    check_choice("refine_detections", "class_rule", class_rule, CLASS_RULES)
    rois, probs, deltas, windows_norm = (
        tf.stop_gradient(tf.cast(x, tf.float32))
        for x in (rois, probs, deltas, windows_norm)
    )

    # 1. The candidates: a class, a score and a box each.
    if class_rule == "all":
        rois, class_ids, scores, deltas = _every_class(rois, probs, deltas)
    else:
        class_ids = tf.argmax(probs, axis=-1, output_type=tf.int32)
        scores = tf.gather(probs, class_ids, batch_dims=2)
        deltas = tf.gather(deltas, class_ids, batch_dims=2)
    refined = apply_box_deltas_tensor(
        rois, deltas * tf.constant(bbox_std_dev, tf.float32)
    )
    refined = clip_boxes_tensor(refined, windows_norm[:, None, :])

    # 2. Who may be detected.
    is_candidate = (class_ids > 0) & tf.reduce_any(rois != 0.0, axis=-1)
    is_candidate &= tf.reduce_all(tf.math.is_finite(refined), axis=-1)
    # Also at 0: a score that is not a number is no detection.
    if min_confidence is not None:
        is_candidate &= scores >= min_confidence

    # 3. NMS within the classes, image by image.
    # No branch depends on a tensor: AutoGraph would only hide these lines.
    @tf.autograph.experimental.do_not_convert
    def one_image(image):
        boxes, scores, class_ids, is_candidate = image
        ix = tf.where(is_candidate)[:, 0]
        keep = non_max_suppression_tensor(
            tf.gather(boxes, ix),
            tf.gather(scores, ix),
            max_instances,
            nms_threshold,
            class_ids=tf.gather(class_ids, ix),
        )
        keep = tf.cast(tf.gather(ix, keep), tf.int32)
        missing = max_instances - tf.shape(keep)[0]
        return tf.pad(keep, [[0, missing]], constant_values=-1)

    keep = tf.map_fn(
        one_image,
        (refined, scores, class_ids, is_candidate),
        fn_output_signature=tf.TensorSpec([max_instances], tf.int32),
    )

    # 4. One row each; a zero row in front, that -1 picks.
    rows = tf.concat(
        [refined, tf.cast(class_ids, tf.float32)[..., None], scores[..., None]], axis=-1
    )
    padded = tf.pad(rows, [[0, 0], [1, 0], [0, 0]])
    detections = tf.gather(padded, keep + 1, batch_dims=1)
    return Detections(class_ids, scores, refined, keep, detections)


def _every_class(rois, probs, deltas):
    """Returns the (roi, class) pairs with the best scores, background left out.

    Returns:
        rois float32 [B, K, 4], class_ids int32 [B, K], scores float32 [B, K] and
        deltas float32 [B, K, 4]; K = MAX_CANDIDATES, or all where these are fewer.
        Pairs with a zero roi come last, with the score -1.
    """
    batch, num_rois, num_classes = tf.unstack(tf.shape(probs))
    is_roi = tf.reduce_any(rois != 0.0, axis=-1, keepdims=True)
    scores = tf.reshape(tf.where(is_roi, probs[..., 1:], -1.0), [batch, -1])
    limit = tf.minimum(num_rois * (num_classes - 1), MAX_CANDIDATES)
    scores, ix = tf.math.top_k(scores, k=limit)
    roi_ix, class_ids = ix // (num_classes - 1), ix % (num_classes - 1) + 1
    rois = tf.gather(rois, roi_ix, batch_dims=1)
    deltas = tf.gather(tf.gather(deltas, roi_ix, batch_dims=1), class_ids, batch_dims=2)
    return rois, class_ids, scores, deltas


@keras.saving.register_keras_serializable("mrcnn")
class DetectionLayer(Float32Layer):
    """Turns the box head's output into detections, see `refine_detections`.

    Call arguments: [rois [B, R, 4] norm, probs [B, R, C], deltas [B, R, C, 4],
    image_meta [B, 12 + C]].

    Returns: float32 [B, D, (y1, x1, y2, x2, class_id, score)], norm, zero rows are
    padding.
    """

    ARGUMENTS = (
        "min_confidence",
        "nms_threshold",
        "max_instances",
        "bbox_std_dev",
        "class_rule",
    )

    def __init__(
        self,
        *,
        min_confidence: float | None = 0.7,
        nms_threshold: float = 0.3,
        max_instances: int = 100,
        bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
        class_rule: str = "best",
        **kwargs,
    ):
        """Sets the numbers of `refine_detections`; float32 under every policy."""
        check_choice("DetectionLayer", "class_rule", class_rule, CLASS_RULES)
        super().__init__(**kwargs)
        self.supports_jit = False
        self.class_rule = class_rule
        self.min_confidence = None if min_confidence is None else float(min_confidence)
        self.nms_threshold = float(nms_threshold)
        self.max_instances = int(max_instances)
        self.bbox_std_dev = tuple(float(value) for value in bbox_std_dev)

    def call(self, inputs):
        """Returns detections, float32 [B, D, 6], norm."""
        return self.steps(inputs).detections

    def steps(self, inputs) -> Detections:
        """Returns the detections with all intermediates, see `refine_detections`."""
        rois, probs, deltas, image_meta = inputs
        meta = parse_image_meta_tensor(image_meta)
        arguments = self.arguments() | (_GIVEN.get(None) or {})
        # The images of a batch have one shape.
        windows_norm = norm_boxes_tensor(meta["window"], meta["image_shape"][0, :2])
        return refine_detections(rois, probs, deltas, windows_norm, **arguments)

    def compute_output_shape(self, input_shape):
        """Returns (B, D, 6)."""
        return (input_shape[0][0], self.max_instances, 6)
