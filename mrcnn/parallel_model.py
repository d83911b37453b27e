"""Door: says what replaced the old ParallelModel."""

from __future__ import annotations


class ParallelModel:
    """Replaced: Keras 3 spreads a model over GPUs by itself."""

    def __init__(self, keras_model, gpu_count: int):
        """Raises NotImplementedError with the present way."""
        raise NotImplementedError(
            "ParallelModel is replaced by tf.distribute: build the MaskRCNN inside "
            "`with tf.distribute.MirroredStrategy().scope():`."
        )
