"""`MaskRCNN.train`: data, optimizer, callbacks, `fit`, and what to say on errors."""

from __future__ import annotations

import importlib.util
import logging
import math
import numbers
import re
import warnings
from pathlib import Path

import keras
import numpy as np
import tensorflow as tf

from mrcnn.config_checks import LOSS_NAMES
from mrcnn.data import DataGenerator, PooledLoader
from mrcnn.engine.graph import apply_loss_terms
from mrcnn.engine.inspection import log
from mrcnn.engine.layer_groups import leaf_layers, set_trainable
from mrcnn.engine.training.callbacks import (
    BatchSource,
    CheckpointWriter,
    EpochTracker,
    HistoryWriter,
    StateWriter,
)
from mrcnn.engine.training.evaluation_callback import EvaluationCallback
from mrcnn.engine.training.schedules import make_schedule
from mrcnn.engine.weights import checkpoints, optimizer_state
from mrcnn.engine.weights.model_weights import load_weights, model_tensors
from mrcnn.engine.weights.run_config import write_run_config
from mrcnn.nn.norms import BatchNorm

logger = logging.getLogger("mrcnn")


class NonFiniteLossError(ArithmeticError):
    """Loss or gradient became infinite or NaN; the weights are those before it."""


def run_training(
    mrcnn,
    train_dataset,
    val_dataset,
    learning_rate,
    epochs: int,
    layers: str,
    *,
    augmentation=None,
    custom_callbacks=None,
    no_augmentation_sources=None,
    resume: bool = False,
    optimizer=None,
    workers: int = 1,
    use_multiprocessing: bool = False,
    verbose: int = 1,
) -> keras.callbacks.History:
    """Trains and returns the History; see `MaskRCNN.train` for the arguments."""
    config, model = mrcnn.config, mrcnn.keras_model
    for dataset in (train_dataset, val_dataset):
        if dataset is not None:
            _check_dataset(dataset, config)
    _check_same_classes(train_dataset, val_dataset, custom_callbacks)
    if not config.USE_RPN_ROIS:
        raise ValueError(
            "train(): USE_RPN_ROIS=False takes rois from the input input_rois, which "
            "a Dataset doesn't give; set it to True, or feed keras_model yourself."
        )
    state_file = _load_newest(mrcnn, verbose) if resume else None
    if mrcnn.epoch >= epochs:
        logger.warning(
            "train(epochs=%d): %d epochs are done already, nothing to train; epochs "
            "is the total, counted from the first epoch of the run.",
            epochs,
            mrcnn.epoch,
        )
        history = keras.callbacks.History()
        history.set_model(model)
        history.on_train_begin()
        model.history = history
        return history

    model_tensors(
        model
    )  # layers that can't be saved are refused before the first epoch
    chosen = set_trainable(model, layers)
    logger.info("training %d layers with weights", len(chosen))
    _warn_of_untrained_statistics(model)

    generator = DataGenerator(
        train_dataset,
        config,
        shuffle=True,
        augmentation=augmentation,
        no_augmentation_sources=no_augmentation_sources,
        seed=config.SEED,
        steps=config.STEPS_PER_EPOCH,
    )
    state = checkpoints.RunState(
        epoch=mrcnn.epoch,
        initial_epoch=mrcnn.epoch,
        epochs=epochs,
        layers=layers,
        learning_rate=(float(learning_rate) if _is_number(learning_rate) else math.nan),
    )
    is_same_call, state = _continued_state(state_file, state)
    if optimizer is None:
        total_steps = (epochs - state.initial_epoch) * len(generator)
        rate = shaped_rate(config, learning_rate, total_steps)
        mrcnn.compile(rate, config.LEARNING_MOMENTUM)
    else:
        compile_model(model, config, optimizer, own_optimizer=True)
    if state_file is not None:
        checkpoints.restore_state(model, state_file, with_optimizer=is_same_call)

    # Variables that the first step would have to make are why it is traced twice.
    with model.distribute_strategy.scope():
        optimizer_state.build(model)

    loaders = [PooledLoader(generator, workers, use_multiprocessing, epochs=epochs)]
    train_source = BatchSource(loaders[0], len(generator), epoch=mrcnn.epoch)
    val_source = None
    if val_dataset is not None:
        val_generator = _validation_generator(val_dataset, config)
        loaders.append(PooledLoader(val_generator, epochs=1))
        val_source = BatchSource(loaders[1], len(val_generator))
    tracker = EpochTracker(train_source, val_source)
    # From here on this is the newest run, also if it's killed before its first file.
    run_dir = Path(mrcnn.log_dir)
    run_dir.mkdir(parents=True, exist_ok=True)
    checkpoints.remove_leftovers(run_dir)
    write_run_config(run_dir, config, getattr(train_dataset, "class_names", ()))
    callbacks = [
        tracker,
        CheckpointWriter(mrcnn, run_dir, config.NAME),
        *(custom_callbacks or ()),
        # After them: what they add to the logs is written too.
        *_epoch_logs(run_dir),
        StateWriter(run_dir, config.NAME, state, config.KEEP_CHECKPOINTS),
    ]
    try:
        return model.fit(
            train_source.dataset(model),
            initial_epoch=mrcnn.epoch,
            epochs=epochs,
            validation_data=None if val_source is None else val_source.dataset(model),
            callbacks=callbacks,
            shuffle=False,
            verbose=verbose,
        )
    except tf.errors.OpError as error:
        for source in (train_source, val_source):
            if source is not None and source.error is not None:
                raise source.error from None
        if found := re.search("the (loss|gradient) is not finite", str(error)):
            raise _non_finite_loss(found[0], error, tracker) from None
        raise
    finally:
        for loader in loaders:
            loader.close()


def shaped_rate(config, learning_rate, total_steps: int):
    """Returns a learning rate as Config's LEARNING_RATE_* shape it.

    Args:
        config: a Config.
        learning_rate: a number, which they shape; None for LEARNING_RATE; or a Keras
            LearningRateSchedule, taken as it is.
        total_steps: optimizer steps of the whole call.
    """
    if learning_rate is None:
        learning_rate = config.LEARNING_RATE
    if _is_number(learning_rate):
        learning_rate = make_schedule(config, float(learning_rate), total_steps)
    return learning_rate


def make_optimizer(config, learning_rate, momentum: float):
    """Returns the optimizer that Config names; it clips gradients by global norm.

    Args:
        config: a Config.
        learning_rate: a number or a Keras LearningRateSchedule.
        momentum: 0..1, of SGD.
    """
    clipping = config.GRADIENT_CLIP_NORM or None
    if config.OPTIMIZER == "adamw":
        optimizer = keras.optimizers.AdamW(
            learning_rate,
            weight_decay=config.WEIGHT_DECAY,
            global_clipnorm=clipping,
        )
        optimizer.exclude_from_weight_decay(var_names=["gamma", "beta", "bias"])
        return optimizer
    return keras.optimizers.SGD(
        learning_rate, momentum=momentum, global_clipnorm=clipping
    )


def compile_model(model, config, optimizer, own_optimizer: bool = False) -> None:
    """Compiles a training model with the losses and L2 term that Config has now.

    Args:
        model: a TrainingModel.
        config: a Config.
        optimizer: a Keras optimizer.
        own_optimizer: whether it is the user's, not the one Config names.
    """
    # They may have been changed since the model was built.
    apply_loss_terms(model, config, own_optimizer=own_optimizer)
    if not tf.config.get_visible_devices("GPU"):
        # On the CPU the gradient of crop_and_resize loses updates otherwise.
        tf.config.experimental.enable_op_determinism()
    model.compile(optimizer=optimizer, jit_compile=False)


def _is_number(value) -> bool:
    """Tells numbers, those of NumPy included, from schedules."""
    return isinstance(value, numbers.Real)


def _check_dataset(dataset, config) -> None:
    if not len(dataset.image_ids):
        raise ValueError(
            f"train({type(dataset).__name__}): the data set has no images; add some "
            "with add_image() and call prepare()."
        )
    config.validate(num_dataset_classes=dataset.num_classes)


def _check_same_classes(train_dataset, val_dataset, callbacks) -> None:
    """Raises when a data set to measure on numbers its classes in another way."""
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


def _validation_generator(dataset, config) -> DataGenerator:
    """Returns the same batches in every epoch, no image twice."""
    one_pass = math.ceil(len(dataset.image_ids) / config.BATCH_SIZE)
    steps = min(config.VALIDATION_STEPS or one_pass, one_pass)
    return DataGenerator(
        dataset,
        config,
        shuffle=False,
        seed=config.SEED,
        steps=None if steps == one_pass else steps,
    )


def _load_newest(mrcnn, verbose: int):
    """Loads the newest resumable checkpoint; returns its state file or None."""
    found = checkpoints.find_resumable(mrcnn.model_dir, mrcnn.config.NAME)
    if found is None:
        if verbose:
            log(f"resume: the newest run in {mrcnn.model_dir} left no complete epoch")
        return None
    checkpoint, state_file = found
    load_weights(mrcnn.keras_model, checkpoint)
    mrcnn.set_log_dir(checkpoint)
    if verbose:
        log(f"resume: continuing after epoch {mrcnn.epoch}, {checkpoint}")
    return state_file


def _warn_of_untrained_statistics(model) -> None:
    """Warns of frozen BatchNorm that would normalize by nothing: no weights loaded."""
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


def _continued_state(state_file, state):
    """Returns (whether this goes on with the interrupted call, the state of this call).

    The optimizer is restored when it belongs to the same unfinished call. After a
    finished call, or with other layers or another rate, this one starts with a new
    optimizer.
    """
    if state_file is None:
        return False, state
    old = checkpoints.read_run_state(state_file)
    if old.is_finished:
        return False, state
    same_rate = old.learning_rate == state.learning_rate or (
        math.isnan(old.learning_rate) and math.isnan(state.learning_rate)
    )
    if old.layers != state.layers or not same_rate or old.epochs != state.epochs:
        logger.warning(
            "resume: the interrupted call was train(learning_rate=%s, epochs=%d, "
            "layers=%r); this one differs and starts with a new optimizer.",
            old.learning_rate,
            old.epochs,
            old.layers,
        )
        return False, state
    return True, state._replace(initial_epoch=old.initial_epoch)


def _epoch_logs(run_dir) -> list[keras.callbacks.Callback]:
    """Returns what keeps the numbers of the epochs: history.jsonl, and TensorBoard."""
    history = HistoryWriter(run_dir)
    if importlib.util.find_spec("tensorboard") is None:
        logger.info("no TensorBoard logs: pip install tensorboard to have them")
        return [history]
    tensorboard = keras.callbacks.TensorBoard(log_dir=str(run_dir), write_graph=False)
    return [history, tensorboard]


def _non_finite_loss(what: str, error: tf.errors.OpError, tracker: EpochTracker):
    source = tracker.source
    generator = source.loader.generator
    values = []
    for name in LOSS_NAMES:
        if match := re.search(rf"{name}\W+([-\w.+]+)", str(error)):
            values.append(f"{name} {match[1]}")
    images = [
        f"image id {image_id} ({generator.dataset.image_info[image_id].get('path')})"
        for image_id in generator.image_ids_of(source.epoch, tracker.batch)
    ]
    when = "the validation after epoch" if source is tracker.val_source else "epoch"
    return NonFiniteLossError(
        f"train(): {what} in {when} {tracker.train_source.epoch + 1}, step "
        f"{tracker.batch + 1} ({', '.join(values)}), on {'; '.join(images)}. The "
        "weights are those before this step. Check these images and their "
        "annotations, or lower the learning rate or GRADIENT_CLIP_NORM."
    )
