"""The layer that samples RoIs and sets their targets during training."""

from __future__ import annotations

from collections.abc import Sequence

import keras

from mrcnn.geometry.boxes import DELTA_STD_DEV
from mrcnn.nn.base import Float32Layer
from mrcnn.targets.roi_targets import roi_targets_tensor


@keras.saving.register_keras_serializable("mrcnn")
class DetectionTargetLayer(Float32Layer):
    """Samples RoIs among proposals and gt boxes, see `roi_targets_tensor`.

    With `training=True` every call draws a new sample. Otherwise the sample depends on
    `seed` alone: validation losses of two epochs differ by the weights, not by the
    draw, and validation does not disturb the random stream of the training.

    Call arguments: [proposals [B, R, 4] norm, gt_class_ids [B, G], gt_boxes [B, G, 4]
    norm, gt_masks [B, h, w, G]].

    Returns: [rois float32 [B, T, 4] norm, class_ids int32 [B, T], deltas float32
    [B, T, 4], masks float32 [B, T, mh, mw]].
    """

    ARGUMENTS = (
        "num_rois",
        "positive_ratio",
        "positive_iou",
        "mask_shape",
        "use_mini_mask",
        "bbox_std_dev",
        "seed",
    )

    def __init__(
        self,
        *,
        num_rois: int = 200,
        positive_ratio: float = 0.33,
        positive_iou: float = 0.5,
        mask_shape: Sequence[int] = (28, 28),
        use_mini_mask: bool = True,
        bbox_std_dev: Sequence[float] = DELTA_STD_DEV,
        seed: int | None = 0,
        **kwargs,
    ):
        """Sets the numbers of `roi_targets_tensor`; float32 under every policy."""
        super().__init__(**kwargs)
        self.supports_jit = False
        self.num_rois = int(num_rois)
        self.positive_ratio = float(positive_ratio)
        self.positive_iou = float(positive_iou)
        self.mask_shape = tuple(int(side) for side in mask_shape)
        self.use_mini_mask = bool(use_mini_mask)
        self.bbox_std_dev = tuple(float(value) for value in bbox_std_dev)
        self.seed = None if seed is None else int(seed)
        self.seed_generator = keras.random.SeedGenerator(self.seed)

    def call(self, inputs, training=None):
        """Returns [rois, class_ids, deltas, masks]."""
        seed = self.seed_generator.next() if training else [self.seed or 0, 0]
        return list(roi_targets_tensor(*inputs, **self.arguments() | {"seed": seed}))

    def compute_output_shape(self, input_shape):
        """Returns the shapes of rois, class_ids, deltas, masks."""
        rois = input_shape[0][0], self.num_rois
        return [(*rois, 4), rois, (*rois, 4), (*rois, *self.mask_shape)]

    def compute_output_spec(self, inputs, training=None):
        """Returns shapes and types; Keras would take all to be float."""
        shapes = self.compute_output_shape([x.shape for x in inputs])
        dtypes = ["float32", "int32", "float32", "float32"]
        return list(map(keras.KerasTensor, shapes, dtypes))
