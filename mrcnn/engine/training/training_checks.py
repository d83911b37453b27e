"""What `MaskRCNN.train` looks at before the first step: data, layers, learning rate."""

from __future__ import annotations

import warnings

import numpy as np

from mrcnn.data import AnnotatedDataset, check_has_objects, check_sources
from mrcnn.engine.layer_groups import leaf_layers
from mrcnn.engine.training.evaluation_callback import EvaluationCallback
from mrcnn.nn.norms import BatchNorm


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
    warnings.warn(text, stacklevel=4)


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
                    stacklevel=3,
                )
            return
