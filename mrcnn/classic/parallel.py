"""ParallelModel: stands in for the model it was given."""

from __future__ import annotations

import warnings
from typing import Any


class ParallelModel:
    """The old wrapper that copied a model to several GPUs; here, the model itself.

    Every attribute and method is that of `inner_model`: compiling, fitting, predicting,
    saving and loading this object is doing it to that model, on one device. A batch
    still holds IMAGES_PER_GPU * GPU_COUNT images, so results are those of the old way.

    Attributes:
        inner_model: the Keras model.
        gpu_count: as given; changes nothing.
    """

    def __init__(self, keras_model, gpu_count: int):
        """Warns that there is no speed to be gained.

        Args:
            keras_model: a Keras model.
            gpu_count: number of devices that the old wrapper would have used.

        Raises:
            ValueError: gpu_count is below 1.
        """
        if gpu_count < 1:
            raise ValueError(
                f"ParallelModel(gpu_count={gpu_count}): must be 1 or more; leave the "
                "wrapper out for one device."
            )
        self.inner_model = keras_model
        self.gpu_count = gpu_count
        warnings.warn(
            f"ParallelModel(gpu_count={gpu_count}): the model runs on one device, with "
            "the whole batch; use the model itself.",
            UserWarning,
            stacklevel=2,
        )

    def make_parallel(self) -> list:
        """Returns the outputs of `inner_model`, which need no merging."""
        return list(self.inner_model.outputs)

    def summary(self, *args: Any, **kwargs: Any) -> None:
        """Prints the summary of `inner_model`."""
        self.inner_model.summary(*args, **kwargs)

    def __call__(self, *args: Any, **kwargs: Any):
        """Returns what `inner_model` makes of the inputs."""
        return self.inner_model(*args, **kwargs)

    def __getattr__(self, name: str):
        if name == "inner_model":  # not set yet: while being unpickled or copied
            raise AttributeError(name)
        return getattr(self.inner_model, name)

    def __setattr__(self, name: str, value: Any) -> None:
        """Sets `inner_model` and `gpu_count` here and everything else on the model."""
        if name in ("inner_model", "gpu_count"):
            super().__setattr__(name, value)
        else:
            setattr(self.inner_model, name, value)
