"""EvaluationCallback: adds COCO's metrics to the logs of the epochs while training."""

from __future__ import annotations

import copy
import json
import os
import warnings
from collections.abc import Iterable, Sequence
from pathlib import Path

import keras
import numpy as np

from mrcnn.data import atomic_file
from mrcnn.engine.inspection import log
from mrcnn.engine.weights.model_weights import model_tensors, save_weights
from mrcnn.evaluation.coco import MAX_DETECTIONS, METRICS, format_metrics
from mrcnn.evaluation.evaluator import check_max_detections, evaluate
from mrcnn.evaluation.records import KINDS, check_kinds
from mrcnn.evaluation.report import EvaluationResult


class EvaluationCallback(keras.callbacks.Callback):
    """Evaluates every k epochs, and after the last one, for `custom_callbacks`.

    Numbers join the logs of their epoch as "val_segm_AP", "val_bbox_AP50" and so on, so
    History and TensorBoard have them, and callbacks that come after this one in the
    list can use them, with mode="max":

        evaluation = EvaluationCallback(model, val_dataset, every=5, save_best=True)
        stopping = keras.callbacks.EarlyStopping(
            "val_segm_AP", mode="max", patience=3, restore_best_weights=True
        )
        model.train(..., custom_callbacks=[evaluation, stopping])

    Epochs without an evaluation have no such number. Keras' callbacks warn of that and
    leave these epochs out: `patience` counts evaluations.

    Images that can't be loaded are left out, which a warning says, unless ON_DATA_ERROR
    of the Config is "raise".

    It holds a second model for inference, of the same size, into which the weights are
    copied for each evaluation; training goes on exactly as without it.

    Attributes:
        inference: the MaskRCNN that detects.
        result: the latest EvaluationResult, or None.
        history: (epoch, numbers by name as in the logs) of each evaluation; epochs
            count from 0, as Keras counts them.
        best: (epoch, number) of the run's best evaluation by `monitor`, or None.
    """

    def __init__(
        self,
        mrcnn,
        dataset,
        every: int = 1,
        *,
        image_ids: Iterable[int] | None = None,
        iou_types: Sequence[str] = KINDS,
        min_confidence: float = 0.0,
        max_detections: int = MAX_DETECTIONS,
        metrics: Sequence[str] = METRICS[:3],
        config=None,
        save_best: bool | str | os.PathLike = False,
        monitor: str | None = None,
        verbose: int = 1,
    ):
        """Builds the model for inference.

        Args:
            mrcnn: the MaskRCNN that trains.
            dataset: a prepared Dataset to evaluate on.
            every: epochs from one evaluation to the next.
            image_ids: inside ids of the images to evaluate; None for all.
            iou_types: of "bbox" and "segm".
            min_confidence: see `mrcnn.evaluation.evaluate`.
            max_detections: likewise.
            metrics: names of `mrcnn.evaluation.METRICS` that join the logs.
            config: of the model for inference; None takes that of `mrcnn`.
            save_best: a path, or True for {log_dir}/mask_rcnn_{name}_best.h5: a weight
                file, written when an evaluation is better than all before in this run,
                those of earlier calls of `train` and before an interruption too. The
                number stands beside it in a json file.
            monitor: the number that better means, as "segm_AP50"; None is the AP of
                the last of iou_types.
            verbose: 1 prints AP, AP50 and AP75.

        Raises:
            ValueError: no such metric, or model, data set and config don't fit.
        """
        super().__init__()
        if not (isinstance(every, int | np.integer) and every >= 1):
            raise ValueError(
                f"EvaluationCallback(every={every!r}): a whole number of epochs, 1 or "
                "more."
            )
        check_kinds(f"EvaluationCallback(iou_types={iou_types!r})", iou_types)
        kinds = [kind for kind in KINDS if kind in iou_types]
        self.monitor = monitor or f"{kinds[-1]}_AP"
        known = {f"{kind}_{name}" for kind in kinds for name in METRICS}
        wanted = {f"{kinds[0]}_{name}" for name in metrics} | {self.monitor}
        if wanted - known:
            raise ValueError(
                f"EvaluationCallback(metrics={metrics!r}, monitor={monitor!r}): known "
                f"are {', '.join(METRICS)}; a monitor is one of them after "
                f"{' or '.join(f'{kind}_' for kind in kinds)}."
            )
        config = copy.copy(mrcnn.config if config is None else config)
        if config.IMAGE_RESIZE_MODE == "crop":
            raise ValueError(
                'EvaluationCallback(config): IMAGE_RESIZE_MODE="crop" leaves out part '
                'of an image; give a config that says "square" or "pad64".'
            )
        config.validate(num_dataset_classes=dataset.num_classes)
        self.mrcnn, self.dataset, self.every = mrcnn, dataset, int(every)
        self.metrics, self.save_best, self.verbose = tuple(metrics), save_best, verbose
        self._arguments = {
            "image_ids": None if image_ids is None else [int(i) for i in image_ids],
            "iou_types": tuple(kinds),
            "min_confidence": min_confidence,
            "max_detections": max_detections,
            # One bad image doesn't end the training here either.
            "on_data_error": config.ON_DATA_ERROR,
        }
        self.inference = type(mrcnn)("inference", config, mrcnn.model_dir)
        check_max_detections(self.inference, max_detections)
        self.result: EvaluationResult | None = None
        self.history: list[tuple[int, dict[str, float]]] = []
        self.best: tuple[int, float] | None = None
        self._run: str | None = None

    def on_train_begin(self, logs=None):
        """Drops the best of another run; further stages and `resume` keep theirs."""
        run = str(self.mrcnn.log_dir)
        if run != self._run:
            self._run, self.best = run, self._read_best() if self.save_best else None

    def on_epoch_end(self, epoch, logs=None):
        """Evaluates, if it is time for it, and adds the numbers to the logs."""
        is_last = epoch + 1 == self.params.get("epochs")
        if (epoch + 1) % self.every and not is_last:
            return
        copy_weights(self.model, self.inference.keras_model)
        self.result = evaluate(
            self.inference, self.dataset, verbose=0, **self._arguments
        )
        flat = self.result.flat()
        numbers = {
            f"val_{kind}_{name}": flat[f"{kind}_{name}"]
            for kind in self.result
            for name in self.metrics
        }
        self.history.append((epoch, numbers))
        if logs is not None:
            logs.update(numbers)
        if self.verbose:
            log(f"\nevaluation after epoch {epoch + 1}")
            log(format_metrics(dict(self.result)))
        value = flat[self.monitor]
        if not np.isnan(value) and (self.best is None or value > self.best[1]):
            self.best = (epoch, value)
            if self.save_best:
                save_weights(self.model, self._best_path())
                self._write_best()

    def _best_path(self) -> Path:
        if self.save_best is not True:
            return Path(self.save_best)
        name = f"mask_rcnn_{self.mrcnn.config.NAME.lower()}_best.h5"
        return Path(self.mrcnn.log_dir) / name

    def _write_best(self) -> None:
        """Writes beside the weights which evaluation they come from."""
        epoch, value = self.best
        run = Path(self.mrcnn.log_dir).name
        best = {"run": run, "epoch": epoch, "monitor": self.monitor, "value": value}
        with atomic_file(self._best_path().with_suffix(".json")) as path:
            path.write_text(json.dumps(best) + "\n", encoding="utf-8")

    def _read_best(self) -> tuple[int, float] | None:
        """Returns the best (epoch, number) of this run; None without its weights."""
        weights = self._best_path()
        path = weights.with_suffix(".json")
        if not (weights.is_file() and path.is_file()):
            return None
        try:
            best = json.loads(path.read_text(encoding="utf-8"))
            run = Path(self.mrcnn.log_dir).name
            if (best["run"], best["monitor"]) != (run, self.monitor):
                return None
            return int(best["epoch"]), float(best["value"])
        except (KeyError, TypeError, ValueError) as error:
            warnings.warn(
                f"EvaluationCallback(save_best): {path} can't be read ({error!r}); the "
                f"next evaluation replaces {weights.name}, whatever its number.",
                stacklevel=2,
            )
            return None


def copy_weights(source: keras.Model, target: keras.Model) -> None:
    """Gives a model the weights that another has under the same layer names.

    Args:
        source: a model with all layers of `target`, as a training model has those of
            the model for inference.
        target: changed; or left as it was, when an error is raised.

    Raises:
        ValueError: a layer of `target` isn't in `source`, or has another shape there.
    """
    given, wanted = model_tensors(source), model_tensors(target)
    wrong = [
        name
        for name, variable in wanted.items()
        if name not in given or given[name].shape != variable.shape
    ]
    if wrong:
        raise ValueError(
            f"copy_weights(): {len(wrong)} tensors of the target are not in the source "
            f"or have another shape there, {', '.join(wrong[:5])} for example. Build "
            "both from one config; layers of a backbone of your own need fixed names."
        )
    for name, variable in wanted.items():
        variable.assign(np.asarray(given[name]))
