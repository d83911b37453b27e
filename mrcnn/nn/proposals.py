"""Proposals from anchors and the outputs of the RPN."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import keras
import tensorflow as tf

from mrcnn.geometry.boxes import (
    DELTA_STD_DEV,
    apply_box_deltas_tensor,
    clip_boxes_tensor,
)
from mrcnn.geometry.nms import non_max_suppression_tensor
from mrcnn.nn.base import Float32Layer

_INDICES = ("keep", "post_nms_ix")


class Proposals(NamedTuple):
    """Every step from anchors to proposals; K = min(pre_nms_limit, A).

    Attributes:
        pre_nms_anchors: float32 [B, K, 4], norm, by falling score.
        pre_nms_scores: float32 [B, K], probability of an object.
        refined_anchors: float32 [B, K, 4], norm, after the deltas.
        refined_anchors_clipped: float32 [B, K, 4], norm, inside 0..1.
        keep: int32 [B, n], rows of the K that survive NMS, -1 is padding.
        rois: float32 [B, n, 4], norm, zero rows are padding.
    """

    pre_nms_anchors: tf.Tensor
    pre_nms_scores: tf.Tensor
    refined_anchors: tf.Tensor
    refined_anchors_clipped: tf.Tensor
    keep: tf.Tensor
    rois: tf.Tensor


def proposal_steps(
    probs,
    deltas,
    anchors,
    *,
    proposal_count: int,
    nms_threshold: float,
    pre_nms_limit: int = 6000,
    bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
) -> Proposals:
    """Returns the proposals of a batch and all that led to them.

    Faster R-CNN (arXiv:1506.01497) sec. 3.3: the best-scoring refined and clipped
    anchors, thinned by NMS. No gradient flows through it.

    Deviation: all levels are ranked together; FPN (1612.03144) ranks each level alone.

    Args:
        probs: float32 [B, A, (background, object)], probability.
        deltas: float32 [B, A, (dy, dx, log dh, log dw)] / std dev.
        anchors: float32 [B, A, (y1, x1, y2, x2)], norm.
        proposal_count: n, rows returned for each image.
        nms_threshold: ratio (IoU) above which the lower score goes.
        pre_nms_limit: anchors that enter NMS.
        bbox_std_dev: the deltas are multiplied by these four numbers.

    Returns:
        Proposals(pre_nms_anchors, pre_nms_scores, refined_anchors,
        refined_anchors_clipped, keep, rois).
    """
    scores = tf.stop_gradient(tf.cast(probs, tf.float32)[:, :, 1])
    deltas = tf.stop_gradient(tf.cast(deltas, tf.float32))
    anchors = tf.stop_gradient(tf.cast(anchors, tf.float32))

    # 1. The best anchors.
    limit = tf.minimum(pre_nms_limit, tf.shape(scores)[1])
    scores, ix = tf.math.top_k(scores, k=limit, sorted=True)
    deltas = tf.gather(deltas, ix, batch_dims=1)
    anchors = tf.gather(anchors, ix, batch_dims=1)

    # 2. Refine and clip. A network that has diverged must not crash what samples at
    # these boxes before its loss can be seen to be NaN.
    refined = apply_box_deltas_tensor(
        anchors, deltas * tf.constant(bbox_std_dev, tf.float32)
    )
    clipped = clip_boxes_tensor(refined, tf.constant([0.0, 0.0, 1.0, 1.0]))
    is_finite = tf.reduce_all(tf.math.is_finite(clipped), axis=-1, keepdims=True)
    clipped = tf.where(is_finite, clipped, 0.0)

    # 3. NMS, image by image.
    # No branch depends on a tensor: AutoGraph would only hide these lines.
    @tf.autograph.experimental.do_not_convert
    def one_image(image):
        boxes, scores = image
        keep = non_max_suppression_tensor(boxes, scores, proposal_count, nms_threshold)
        missing = proposal_count - tf.shape(keep)[0]
        return tf.pad(tf.cast(keep, tf.int32), [[0, missing]], constant_values=-1)

    keep = tf.map_fn(
        one_image,
        (clipped, scores),
        fn_output_signature=tf.TensorSpec([proposal_count], tf.int32),
    )
    # A zero row in front: -1 picks it.
    padded = tf.pad(clipped, [[0, 0], [1, 0], [0, 0]])
    rois = tf.gather(padded, keep + 1, batch_dims=1)
    return Proposals(anchors, scores, refined, clipped, keep, rois)


@keras.saving.register_keras_serializable("mrcnn")
class ProposalLayer(Float32Layer):
    """Picks the proposals of a batch among its anchors, see `proposal_steps`.

    Call arguments: [probs [B, A, 2], deltas [B, A, 4], anchors [B, A, 4] norm].

    Returns: rois, float32 [B, proposal_count, (y1, x1, y2, x2)], norm, zero rows are
    padding.
    """

    ARGUMENTS = ("proposal_count", "nms_threshold", "pre_nms_limit", "bbox_std_dev")

    def __init__(
        self,
        proposal_count: int,
        nms_threshold: float,
        *,
        pre_nms_limit: int = 6000,
        bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
        **kwargs,
    ):
        """Sets the numbers of `proposal_steps`; float32 under every policy."""
        super().__init__(**kwargs)
        self.supports_jit = False
        self.proposal_count = int(proposal_count)
        self.nms_threshold = float(nms_threshold)
        self.pre_nms_limit = int(pre_nms_limit)
        self.bbox_std_dev = tuple(float(value) for value in bbox_std_dev)

    def call(self, inputs):
        """Returns rois, float32 [B, n, 4], norm."""
        return self.steps(inputs).rois

    def steps(self, inputs) -> Proposals:
        """Returns the rois with all intermediates, see `proposal_steps`."""
        return proposal_steps(*inputs, **self.arguments())

    def compute_output_shape(self, input_shape):
        """Returns (B, n, 4)."""
        return (input_shape[0][0], self.proposal_count, 4)


@keras.saving.register_keras_serializable("mrcnn")
class ProposalSteps(ProposalLayer):
    """All that leads to the proposals, for looking inside a model.

    Arguments and call arguments as `ProposalLayer`.

    Returns: a dict of the fields of `Proposals`, and post_nms_ix, int32 [n]: the rows
    of pre_nms_anchors that survive NMS in the first image of the batch, no padding.
    """

    def call(self, inputs):
        """Returns the dict."""
        steps = self.steps(inputs)
        first = steps.keep[0]
        return {**steps._asdict(), "post_nms_ix": tf.boolean_mask(first, first >= 0)}

    def compute_output_shape(self, input_shape):
        """Returns the shapes by name."""
        batch, anchor_count, _ = input_shape[0]
        count = None if anchor_count is None else min(self.pre_nms_limit, anchor_count)
        shapes = {name: (batch, count, 4) for name in Proposals._fields}
        shapes["pre_nms_scores"] = (batch, count)
        shapes["keep"] = (batch, self.proposal_count)
        shapes["rois"] = (batch, self.proposal_count, 4)
        return {**shapes, "post_nms_ix": (None,)}

    def compute_output_spec(self, inputs):
        """Returns shapes and types; Keras would take all to be float."""
        shapes = self.compute_output_shape([x.shape for x in inputs])
        return {
            name: keras.KerasTensor(shape, "int32" if name in _INDICES else "float32")
            for name, shape in shapes.items()
        }
