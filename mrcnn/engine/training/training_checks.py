"""What `MaskRCNN.train` looks at before the first step: data, layers, learning rate."""

from __future__ import annotations

import numbers
import warnings

import keras
import numpy as np

from mrcnn.data import AnnotatedDataset, check_has_objects, check_sources
from mrcnn.engine.layer_groups import leaf_layers, unwrapped
from mrcnn.engine.training.evaluation_callback import EvaluationCallback
from mrcnn.engine.training.schedules import is_number
from mrcnn.nn.norms import BatchNorm


def check_arguments(learning_rate, epochs, layers) -> None:
    """Raises ValueError for arguments of `train` that are of no use."""
    if not isinstance(epochs, numbers.Integral):
        raise ValueError(
            f"train(epochs={epochs!r}): a whole number is needed, the total of epochs."
        )
    if not isinstance(layers, str):
        raise ValueError(
            f"train(layers={layers!r}): a word ('heads', '3+', '4+', '5+', 'all') or a "
            "regular expression for names of layers is needed."
        )
    if is_number(learning_rate):
        fits = np.isfinite(learning_rate) and learning_rate >= 0
    else:
        fits = learning_rate is None or callable(learning_rate)
    if not fits:
        raise ValueError(
            f"train(learning_rate={learning_rate!r}): a positive number is needed, a "
            "Keras LearningRateSchedule, or None for LEARNING_RATE of the Config."
        )


def check_data(config, train_dataset, val_dataset, callbacks) -> None:
    """Raises for a data set without images, or whose classes differ from the others."""
    for dataset in (train_dataset, val_dataset):
        if dataset is None:
            continue
        if not len(dataset.image_ids):
            raise ValueError(
                f"train({type(dataset).__name__}): the data set has no images; add "
                "some with add_image() and call prepare()."
            )
        config.validate(num_dataset_classes=dataset.num_classes)
        check_sources(dataset, f"train({type(dataset).__name__})")
    others = {"val_dataset": val_dataset}
    for callback in callbacks or ():
        if isinstance(callback, EvaluationCallback):
            others["EvaluationCallback"] = callback.dataset
    names = list(train_dataset.class_names)
    for where, dataset in others.items():
        if dataset is not None and list(dataset.class_names) != names:
            raise ValueError(
                f"train({where}): its classes {list(dataset.class_names)} are not "
                f"those of train_dataset, {names}, or in another order: a class id "
                "would mean one class in training and another in validation. Register "
                "the same names in the same order in both."
            )
    check_has_objects(train_dataset, "train(train_dataset)")
    if val_dataset is not None:
        try:
            check_has_objects(val_dataset, "train(val_dataset)")
        except ValueError as error:
            warnings.warn(f"{error} The val_ losses will say nothing.", stacklevel=4)
    _tell_empty_classes(config, train_dataset)
    if not config.USE_RPN_ROIS:
        raise ValueError(
            "train(): USE_RPN_ROIS=False takes rois from the input input_rois, which "
            "a Dataset doesn't give; set it to True, or feed keras_model yourself."
        )


def _tell_empty_classes(config, dataset) -> None:
    """Warns of classes without any object, where they can be counted without files.

    Raises:
        ValueError: the same, where Config's ON_DATA_ERROR is "raise".
    """
    kind = type(dataset)
    count = getattr(kind, "count_annotations", None)
    reads = getattr(kind, "load_annotations", None)
    if getattr(dataset, "objects_source", "") != "drawn_objects" or (
        count is AnnotatedDataset.count_annotations
        and reads is not AnnotatedDataset.load_annotations
    ):
        return
    counts = dataset.count_annotations().objects
    names = [dataset.class_names[i] for i in np.flatnonzero(counts[1:] == 0) + 1]
    if not names:
        return
    more = f" and {len(names) - 10} more" if len(names) > 10 else ""
    text = (
        f"train(train_dataset): no object of {len(names)} of {len(counts) - 1} "
        f"classes, {', '.join(map(repr, names[:10]))}{more}: nothing is learned of "
        "them. Compare their names and ids with those in the annotations, or leave the "
        "classes out."
    )
    if config.ON_DATA_ERROR == "raise":
        raise ValueError(text)
    warnings.warn(text, stacklevel=5)


def warn_of_untrained_statistics(model) -> None:
    """Warns of frozen BatchNorm layers that have no statistics: no weights loaded."""
    for _, layer in leaf_layers(model):
        if isinstance(layer, BatchNorm) and layer.train_bn is False:
            if not np.any(layer.moving_mean) and np.all(
                np.equal(layer.moving_variance, 1)
            ):
                warnings.warn(
                    f"train(): TRAIN_BN=False keeps the statistics of {layer.name}, "
                    "which are those of a new layer. Load weights first; or, to start "
                    'from scratch, set NORM="group" or TRAIN_BN=None.',
                    stacklevel=4,
                )
            return


def warn_of_foreign_norms(config, model) -> None:
    """Warns of BatchNormalization layers of Keras, which TRAIN_BN doesn't reach."""
    layers = [unwrapped(layer) for _, layer in leaf_layers(model)]
    names = [
        layer.name
        for layer in layers
        if isinstance(layer, keras.layers.BatchNormalization)
        and not isinstance(layer, BatchNorm)
        and layer.trainable
    ]
    if names and config.TRAIN_BN is not None:
        warnings.warn(
            f"train(): TRAIN_BN={config.TRAIN_BN} does not hold for {len(names)} "
            "BatchNormalization layers of Keras in the backbone, "
            f"{names[0]!r} for one: in training they use the statistics of the batch, "
            "and move their own, even if called with training=False. Make them "
            "mrcnn.model.BatchNorm(name=...), or leave them out of train(layers=...); "
            "TRAIN_BN = None says that it is meant.",
            stacklevel=4,
        )


def warn_of_learning_rate(config, learning_rate, optimizer) -> None:
    """Warns of a learning rate that is not the one that will be trained with."""
    if learning_rate is None:
        return
    if optimizer is not None:
        if not is_number(learning_rate) or not np.isclose(
            float(optimizer.learning_rate), float(learning_rate)
        ):
            warnings.warn(
                f"train(learning_rate={learning_rate!r}, optimizer=...): the optimizer "
                f"has a learning_rate of its own, {float(optimizer.learning_rate):g}, "
                "and trains with that. Pass learning_rate=None beside an optimizer.",
                stacklevel=4,
            )
        return
    shaped = {
        "LEARNING_RATE_SCHEDULE": config.LEARNING_RATE_SCHEDULE != "constant",
        "LEARNING_RATE_WARMUP_STEPS": bool(config.LEARNING_RATE_WARMUP_STEPS),
        "LEARNING_RATE_BATCH": bool(config.LEARNING_RATE_BATCH),
    }
    names = [f"{n}={getattr(config, n)!r}" for n, is_so in shaped.items() if is_so]
    # The number of the Config itself is meant to be shaped by its other attributes.
    if names and is_number(learning_rate) and learning_rate != config.LEARNING_RATE:
        warnings.warn(
            f"train(learning_rate={float(learning_rate):g}): this is not the rate of "
            f"each step: {', '.join(names)} of the Config shape it. For a constant "
            'rate set LEARNING_RATE_SCHEDULE = "constant", LEARNING_RATE_WARMUP_STEPS '
            "= 0 and LEARNING_RATE_BATCH = None.",
            stacklevel=4,
        )
