"""MaskRCNN as scripts for Keras 2 use it: what they call on its Keras model works."""

from __future__ import annotations

import inspect
import warnings

import keras

from mrcnn import engine

# Arguments of `fit` in Keras 2 that said how batches are loaded.
KERAS_2_LOADING = ("max_queue_size", "workers", "use_multiprocessing")


class OldLearningRate(keras.callbacks.Callback):
    """Obeys `optimizer.lr = x`, which Keras 3 keeps as an attribute of no effect."""

    def __init__(self):
        super().__init__()
        self.seen = None

    def on_train_batch_begin(self, batch, logs=None):
        """Gives the optimizer a rate that was assigned to `lr`; warns of it."""
        optimizer = self.model.optimizer
        rate = vars(optimizer).get("lr")
        if rate is self.seen:
            return
        self.seen = rate
        result = f"learning_rate is {rate} now"
        try:
            optimizer.learning_rate = rate
        except TypeError:
            result = (
                "nothing was changed: the learning rate follows a schedule, see "
                "LEARNING_RATE_SCHEDULE and LEARNING_RATE_WARMUP_STEPS of the Config"
            )
        warnings.warn(
            f"optimizer.lr = {rate}: Keras 3 knows no lr, write "
            f"optimizer.learning_rate = {rate}; {result}.",
            stacklevel=2,
        )


class OldHabits:
    """What scripts for Keras 2 ask of a model; comes before the model's own class.

    Anchors as a third input, `fit_generator`, dropped arguments of `fit`,
    `metrics_tensors` and `_make_predict_function`.
    """

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
            kept = {name: x[name] for name in x if name != "input_anchors"}
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

    def fit(self, *args, **kwargs) -> keras.callbacks.History:
        """Trains as `keras.Model.fit` does, without the arguments that Keras 3 dropped.

        Args:
            *args: of `keras.Model.fit`.
            **kwargs: of `keras.Model.fit`; max_queue_size, workers and
                use_multiprocessing of Keras 2 are left out with a warning.
        """
        dropped = [name for name in KERAS_2_LOADING if name in kwargs]
        if dropped:
            warnings.warn(
                f"fit({', '.join(dropped)}): Keras 3 has no such arguments, the "
                "batches are loaded as their generator loads them; MaskRCNN.train() "
                "has workers and use_multiprocessing.",
                stacklevel=2,
            )
        kept = {name: kwargs[name] for name in kwargs if name not in dropped}
        call = inspect.signature(super().fit).bind(*args, **kept)
        callbacks = call.arguments.get("callbacks")
        # After those of the user, which may set the rate for the batch to come.
        if isinstance(callbacks, keras.callbacks.CallbackList):
            callbacks.append(OldLearningRate())
        else:
            given = keras.tree.flatten(callbacks) if callbacks is not None else []
            call.arguments["callbacks"] = [*given, OldLearningRate()]
        return super().fit(*call.args, **call.kwargs)

    def fit_generator(
        self, generator, steps_per_epoch=None, epochs=1, **kwargs
    ) -> keras.callbacks.History:
        """Trains as `fit` does, under the name that Keras had for generators."""
        kwargs.update(steps_per_epoch=steps_per_epoch, epochs=epochs)
        return self.fit(generator, **kwargs)

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


@keras.saving.register_keras_serializable("mrcnn", "ClassicNetwork")
class Network(OldHabits, engine.Network):
    """The Keras model of the engine for inference, with the old habits."""


@keras.saving.register_keras_serializable("mrcnn", "ClassicTrainingModel")
class TrainingModel(OldHabits, engine.TrainingModel):
    """The Keras model of the engine for training, with the old habits."""


class CheckpointPath(str):
    """The path of a checkpoint. Its [1] is the path too, with a warning.

    Before mid-2018 the old package returned (folder, path), and scripts wrote
    `find_last()[1]`; of a plain str that is a letter, found to be no file much later.
    """

    def __getitem__(self, index):
        """Returns a letter or a part, as a str does; for 1 the whole path."""
        if isinstance(index, int) and index == 1:
            warnings.warn(
                "find_last()[1]: find_last() returns one path now, not a pair; leave "
                "out the [1].",
                FutureWarning,
                stacklevel=2,
            )
            return str(self)
        return super().__getitem__(index)


class MaskRCNN(engine.MaskRCNN):
    """Mask R-CNN (He et al., arXiv:1703.06870) for one configuration.

    Trains and detects; see `mrcnn.engine.MaskRCNN` for attributes and methods. Scripts
    written for Keras 2 run with it as well.
    """

    network_class = Network
    training_model_class = TrainingModel

    def find_last(self) -> str:
        """Returns the path of the newest checkpoint of this configuration's runs.

        Raises:
            FileNotFoundError: there is none in `model_dir`.
        """
        return CheckpointPath(super().find_last())
