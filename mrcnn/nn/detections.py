"""From what the box head says about proposals to detections."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from mrcnn.geometry.boxes import apply_box_deltas_tensor, clip_boxes_tensor
from mrcnn.geometry.coordinates import norm_boxes_tensor
from mrcnn.geometry.image_meta import parse_image_meta_tensor
from mrcnn.geometry.nms import non_max_suppression_tensor

DEFAULT_STD_DEV = (0.1, 0.1, 0.2, 0.2)


class Detections(NamedTuple):
    """Every step from proposals to detections.

    Attributes:
        class_ids: int32 [B, R], the likeliest class, 0 = background.
        scores: float32 [B, R], its probability.
        refined: float32 [B, R, 4], norm, after that class's deltas, inside the window.
        keep: int32 [B, D], rows of the R that are detected, -1 is padding.
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
    bbox_std_dev: Sequence[float] = DEFAULT_STD_DEV,
) -> Detections:
    """Returns the detections of a batch and all that led to them.

    Each roi may become one detection, of its likeliest class; NMS runs within a class.

    Deviation: Fast R-CNN (arXiv:1504.08083) sec. 3.1 lets a roi be detected as several
    classes.

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

    Returns:
        Detections(class_ids, scores, refined, keep, detections).
    """
    rois, probs, deltas, windows_norm = (
        tf.stop_gradient(tf.cast(x, tf.float32))
        for x in (rois, probs, deltas, windows_norm)
    )

    # 1. The likeliest class of each roi, its score and its box.
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
    if min_confidence:
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


@keras.saving.register_keras_serializable("mrcnn")
class DetectionLayer(keras.layers.Layer):
    """Turns the box head's output into detections, see `refine_detections`.

    Call arguments: [rois [B, R, 4] norm, probs [B, R, C], deltas [B, R, C, 4],
    image_meta [B, 12 + C]].

    Returns: float32 [B, D, (y1, x1, y2, x2, class_id, score)], norm, zero rows are
    padding.
    """

    def __init__(
        self,
        *,
        min_confidence: float | None = 0.7,
        nms_threshold: float = 0.3,
        max_instances: int = 100,
        bbox_std_dev: Sequence[float] = DEFAULT_STD_DEV,
        **kwargs,
    ):
        """Sets the numbers of `refine_detections`; float32 under every policy."""
        kwargs.setdefault("dtype", "float32")
        super().__init__(**kwargs)
        self.supports_jit = False
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
        # The images of a batch have one shape.
        image_shape = meta["image_shape"][0, :2]
        return refine_detections(
            rois,
            probs,
            deltas,
            norm_boxes_tensor(meta["window"], image_shape),
            min_confidence=self.min_confidence,
            nms_threshold=self.nms_threshold,
            max_instances=self.max_instances,
            bbox_std_dev=self.bbox_std_dev,
        )

    def compute_output_shape(self, input_shape):
        """Returns (B, D, 6)."""
        return (input_shape[0][0], self.max_instances, 6)

    def get_config(self):
        """Returns the constructor's arguments."""
        return {
            **super().get_config(),
            "min_confidence": self.min_confidence,
            "nms_threshold": self.nms_threshold,
            "max_instances": self.max_instances,
            "bbox_std_dev": list(self.bbox_std_dev),
        }
