"""Door: says what became of the old ParallelModel."""

from __future__ import annotations


class ParallelModel:
    """Of the old package, which copied a model to several GPUs. Not supported."""

    def __init__(self, keras_model, gpu_count: int):
        """Raises NotImplementedError with what to do instead."""
        raise NotImplementedError(
            f"ParallelModel(gpu_count={gpu_count}): training runs on one device; pass "
            "the model itself on. A batch holds IMAGES_PER_GPU * GPU_COUNT images, "
            "whatever the number of devices."
        )
