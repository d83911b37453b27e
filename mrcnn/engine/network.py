"""The Keras model behind MaskRCNN: reads and writes weights in the old layout."""

from __future__ import annotations

import os
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
    old layout. All else is Keras.
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
