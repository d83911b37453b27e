"""The Keras model behind MaskRCNN: Keras 3, with the habits of old scripts kept."""

from __future__ import annotations

import os
import warnings
from collections.abc import Iterable
from pathlib import Path

import keras

from mrcnn.engine.weights import model_weights, optimizer_state, weight_loading
from mrcnn.engine.weights.model_weights import WeightsReport

KERAS_WEIGHTS = ".weights.h5"
OLD_WEIGHTS = (".h5", ".hdf5")


@keras.saving.register_keras_serializable("mrcnn")
class Network(keras.Model):
    """A functional model that reads and writes weights as the old package did.

    `load_weights` matches by layer name and reports; `save_weights("x.h5")` writes the
    old layout; `predict` knows that anchors are no input any more. All else is Keras.
    """

    def save_weights(
        self,
        filepath: str | os.PathLike,
        overwrite: bool = True,
        save_format: str | None = None,
    ) -> None:
        """Writes the weights of all layers.

        Args:
            filepath: "x.h5" gets the old layout, readable by the old packages;
                "x.weights.h5" the one of Keras 3, with the optimizer.
            overwrite: False makes an existing file an error.
            save_format: "h5" writes the old layout whatever the ending.

        Raises:
            FileExistsError: the file exists and `overwrite` is False.
            ValueError: another ending or format.
        """
        path = Path(filepath)
        if not overwrite and path.exists():
            raise FileExistsError(
                f"save_weights(filepath={str(path)!r}): the file exists; pass "
                "overwrite=True or another path."
            )
        if save_format not in (None, "h5"):
            raise ValueError(
                f"save_weights(save_format={save_format!r}): no such format; leave it "
                'out and end the path in ".h5".'
            )
        if save_format is None and path.name.endswith(KERAS_WEIGHTS):
            super().save_weights(path, overwrite=True)
        elif save_format == "h5" or path.name.endswith(OLD_WEIGHTS):
            model_weights.save_weights(self, path)
        else:
            raise ValueError(
                f"save_weights(filepath={str(path)!r}): end the path in .h5 (layout of "
                "the old packages) or in .weights.h5 (that of Keras 3)."
            )

    def load_weights(
        self,
        filepath: str | os.PathLike,
        by_name: bool = False,
        exclude: Iterable[str] | None = None,
        strict: bool | None = None,
        skip_mismatch: bool = False,
    ) -> WeightsReport:
        """Loads a weight file by layer name, all or nothing.

        A compiled model also gets the state of the optimizer from an "x.weights.h5"
        that holds one; where that doesn't fit, it keeps its own, with a warning.

        Args:
            filepath: a file in any layout that `MaskRCNN.load_weights` reads.
            by_name: accepted for old scripts; weights are always matched by name.
            exclude: names of layers that keep their present weights.
            strict: False loads what fits; otherwise a missing or mis-shaped tensor is
                an error.
            skip_mismatch: True is strict=False, in the words of Keras.

        Returns:
            What was loaded, left out, missing, unexpected and mismatched.

        Raises:
            FileNotFoundError: there is no such file.
            ValueError: the file can't be read or doesn't fit; nothing was changed.
        """
        if strict is None:
            strict = not skip_mismatch
        report = weight_loading.load_file(
            self, filepath, exclude=exclude, strict=bool(strict), stacklevel=3
        )
        if getattr(self, "optimizer", None) is not None:
            optimizer_state.restore(self, filepath, stacklevel=3)
        return report

    def __call__(self, *args, **kwargs):
        """Returns the outputs as tensors; the inputs as in `predict`."""
        if args:
            args = (self._without_anchors(args[0]), *args[1:])
        return super().__call__(*args, **kwargs)

    def predict(self, x, *args, **kwargs):
        """Returns the outputs on whole arrays, in the order of the model's outputs.

        Args:
            x: [images, metas], or a dict by input name. Anchors, which the models of
                the old package took as a third input, are left out with a warning.
            *args: of `keras.Model.predict`.
            **kwargs: of `keras.Model.predict`.
        """
        return super().predict(self._without_anchors(x), *args, **kwargs)

    def predict_on_batch(self, x):
        """Returns the outputs on one batch; `x` as in `predict`."""
        return super().predict_on_batch(self._without_anchors(x))

    def _without_anchors(self, x):
        names = [tensor.name for tensor in self.inputs]
        if names != ["input_image", "input_image_meta"]:
            return x
        if isinstance(x, dict) and "input_anchors" in x:
            kept = {name: value for name, value in x.items() if name != "input_anchors"}
        elif isinstance(x, list | tuple) and len(x) == 3:
            shape = getattr(x[2], "shape", ())
            if len(shape) != 3 or shape[2] != 4:
                raise ValueError(
                    f"predict(x): the model takes [images, metas]; received a third "
                    f"input of shape {tuple(shape)}. Pass two."
                )
            kept = list(x[:2])
        else:
            return x
        warnings.warn(
            "predict(x): the anchors given as an input are not used; the model makes "
            "them from its Config (RPN_ANCHOR_*). Pass [images, metas].",
            stacklevel=3,
        )
        return kept

    def _make_predict_function(self) -> None:
        """Prepares `predict`; old scripts call it before they start threads."""
        self.make_predict_function()

    @property
    def metrics_tensors(self) -> list:
        """Returns a list for old scripts to set; Keras 3 has `metrics`."""
        return self.__dict__.setdefault("_old_metrics_tensors", [])

    @metrics_tensors.setter
    def metrics_tensors(self, value) -> None:
        self.__dict__["_old_metrics_tensors"] = value
