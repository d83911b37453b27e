"""What `MaskRCNN.train` looks at before the first step: data, layers, learning rate."""

from __future__ import annotations

import warnings

import numpy as np

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
    if not config.USE_RPN_ROIS:
        raise ValueError(
            "train(): USE_RPN_ROIS=False takes rois from the input input_rois, which "
            "a Dataset doesn't give; set it to True, or feed keras_model yourself."
        )


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
