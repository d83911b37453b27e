"""`MaskRCNN.train`: data, optimizer, callbacks, `fit`, and what to say on errors."""

from __future__ import annotations

import importlib.util
import logging
import math
from pathlib import Path

import keras
import tensorflow as tf

from mrcnn.data import DataGenerator, FailureLog, PooledLoader
from mrcnn.engine.graph import apply_loss_terms
from mrcnn.engine.inspection import log
from mrcnn.engine.layer_groups import set_trainable
from mrcnn.engine.training.callbacks import (
    BatchSource,
    CheckpointWriter,
    EpochTracker,
    HistoryWriter,
    StateWriter,
)
from mrcnn.engine.training.run_folder import (
    RunLocks,
    begin_run,
    load_newest_pair,
    locks_runs,
)
from mrcnn.engine.training.schedules import is_number, make_schedule
from mrcnn.engine.training.training_checks import (
    check_arguments,
    check_data,
    warn_of_foreign_norms,
    warn_of_learning_rate,
    warn_of_untrained_statistics,
)
from mrcnn.engine.training.training_model import TrainingModel
from mrcnn.engine.weights import checkpoints, optimizer_state
from mrcnn.engine.weights.model_weights import model_tensors
from mrcnn.engine.weights.run_config import write_run_config

logger = logging.getLogger("mrcnn")


class NonFiniteLossError(ArithmeticError):
    """Loss or gradient became infinite or NaN; the weights are those before it."""


class Trainable:
    """The part of MaskRCNN that trains; MaskRCNN sets the attributes."""

    config: object
    keras_model: TrainingModel
    run_locks: RunLocks
    # The folder that was trained in last: a further call goes on there.
    begun_run: Path | None = None

    def compile(self, learning_rate, momentum: float) -> None:
        """Makes `keras_model` ready for `fit`, as `train` does.

        SGD with this momentum, or AdamW where Config's OPTIMIZER says so; gradients
        clipped to GRADIENT_CLIP_NORM. `train` calls it unless it is given an optimizer,
        so a subclass may override it.

        Args:
            learning_rate: a number or a Keras LearningRateSchedule.
            momentum: 0..1, of SGD.
        """
        self._need("training", "compile")
        optimizer = make_optimizer(self.config, learning_rate, momentum)
        compile_model(self.keras_model, self.config, optimizer)

    @locks_runs
    def train(
        self,
        train_dataset,
        val_dataset,
        learning_rate,
        epochs: int,
        layers: str,
        augmentation=None,
        custom_callbacks=None,
        no_augmentation_sources=None,
        *,
        resume: bool = False,
        optimizer: keras.optimizers.Optimizer | None = None,
        workers: int = 1,
        use_multiprocessing: bool = False,
        verbose: int = 1,
    ) -> keras.callbacks.History:
        """Trains up to a total number of epochs and returns the History.

        May be called several times, each call with its own layers and rate: heads to
        epoch 20, then all to epoch 40.

        Args:
            train_dataset: a prepared Dataset.
            val_dataset: a prepared Dataset, or None for no validation.
            learning_rate: a number, which Config's LEARNING_RATE_* shape; None for
                LEARNING_RATE; or a Keras LearningRateSchedule.
            epochs: the total, counted from the first epoch of the run.
            layers: "heads", "3+" (ResNet stage 3 and up), "4+", "5+", "all" or a
                regular expression for full layer names.
            augmentation: an imgaug augmenter, an albumentations transform, or a
                callable (image, mask, rng) -> (image, mask); see
                `mrcnn.data.augment`.
            custom_callbacks: Keras callbacks; at the end of an epoch they find its
                checkpoint written.
            no_augmentation_sources: sources whose images are not augmented.
            resume: continue the newest run in `model_dir` after its last complete
                epoch, with optimizer, learning rate and data order; a new run where
                there is none.
            optimizer: any Keras optimizer, which goes without `learning_rate`; None
                is the one Config's OPTIMIZER names, with its clipping and schedule.
            workers: threads or processes that load training batches; 0 loads each one
                when it is wanted. Validation has one thread of its own.
            use_multiprocessing: whether the workers are processes.
            verbose: 0 silent, 1 progress bar, 2 a line an epoch.

        Returns:
            The History: the five losses and `loss`, plain and `val_`; and
            `weighted_` ones when LOSS_WEIGHTS differ from 1.

        Raises:
            ValueError: mode isn't training, or data set and Config don't fit.
            RunLockedError: another process trains in the folder of the run.
            NonFiniteLossError: the loss became infinite or NaN; names the images.
            BadDataError: more than a quarter of the images can't be loaded. Fewer are
                left out, warned of, and listed at the end.
            Exception: with ON_DATA_ERROR = "raise" whatever a worker raised, with the
                image's id and path added.
        """
        self._need("training", "train")
        config, model = self.config, self.keras_model
        check_arguments(learning_rate, epochs, layers)
        self.follow_config("train")
        check_data(config, train_dataset, val_dataset, custom_callbacks)
        state_file = self._load_newest(verbose) if resume else None
        if done := self._is_done(state_file, epochs):
            logger.warning("train(epochs=%d): %s", epochs, done)
            model.history = history = keras.callbacks.History()
            history.set_model(model)
            history.on_train_begin()
            return history

        # Layers that can't be saved are refused before the first epoch.
        model_tensors(model)
        chosen = set_trainable(model, layers)
        logger.info("training %d layers with weights", len(chosen))
        warn_of_untrained_statistics(model)
        warn_of_foreign_norms(config, model)
        warn_of_learning_rate(config, learning_rate, optimizer)

        generator = DataGenerator(
            train_dataset,
            config,
            augmentation=augmentation,
            no_augmentation_sources=no_augmentation_sources,
            seed=config.SEED,
            steps=config.STEPS_PER_EPOCH,
            on_error=config.ON_DATA_ERROR,
        )
        number = float(learning_rate) if is_number(learning_rate) else math.nan
        state = optimizer_state.RunState(self.epoch, self.epoch, epochs, layers, number)
        is_same_call, state = _continued_state(state_file, state)
        if optimizer is None:
            total_steps = (epochs - state.initial_epoch) * len(generator)
            rate = make_schedule(config, learning_rate, total_steps)
            self.compile(rate, config.LEARNING_MOMENTUM)
        else:
            compile_model(model, config, optimizer, own_optimizer=True)
        if state_file is not None:
            optimizer_state.restore_state(model, state_file, is_same_call)
        # Variables that the first step would have to make are why it is traced twice.
        with model.distribute_strategy.scope():
            optimizer_state.build(model)

        loader = PooledLoader(generator, workers, use_multiprocessing, epochs=epochs)
        failures = FailureLog("train(train_dataset)", len(train_dataset.image_ids))
        sources = [BatchSource(loader, self.epoch, failures)]
        if val_dataset is not None:
            loader = PooledLoader(_validation_generator(val_dataset, config), epochs=1)
            failures = FailureLog("train(val_dataset)", len(val_dataset.image_ids))
            sources.append(BatchSource(loader, failures=failures))
        tracker = EpochTracker(*sources)
        batches, *validation = (source.dataset(model) for source in sources)
        # From here on this is the newest run, also when killed before its first file.
        run_dir = begin_run(self)
        checkpoints.remove_leftovers(run_dir)
        write_run_config(run_dir, config, getattr(train_dataset, "class_names", ()))
        callbacks = [
            tracker,
            CheckpointWriter(self, run_dir, config.NAME),
            *(custom_callbacks or ()),
            # After them: what they add to the logs is written too.
            *_epoch_logs(run_dir),
            StateWriter(run_dir, config.NAME, state, config.KEEP_CHECKPOINTS),
        ]
        try:
            history = model.fit(
                batches,
                initial_epoch=self.epoch,
                epochs=epochs,
                validation_data=validation[0] if validation else None,
                callbacks=callbacks,
                shuffle=False,
                verbose=verbose,
            )
            if custom_callbacks:
                callbacks[-1].finish(any(map(_has_stopped, custom_callbacks)))
            return history
        except tf.errors.OpError:
            for source in sources:
                if source.error is not None:
                    raise source.error from None
            if fault := model.failed_check():
                raise _non_finite_loss(*fault, tracker) from None
            raise
        finally:
            for source in sources:
                source.loader.close()
                if summary := source.failures.summary():
                    logger.warning("%s", summary)

    def _is_done(self, state_file: Path | None, epochs: int) -> str:
        """Returns why there is nothing to train, "" where there is."""
        if self.epoch >= epochs:
            return (
                f"{self.epoch} epochs are done already, nothing to train; epochs is "
                "the total, counted from the first epoch of the run."
            )
        old = state_file and optimizer_state.read_run_state(state_file)
        if old and old.stopped and epochs <= old.epochs:
            return (
                f"EarlyStopping has stopped this run after epoch {old.epoch} of "
                f"{old.epochs}, so it is finished, nothing to train. To train on, ask "
                f"for more than {old.epochs} epochs; or load_weights('last') and train "
                "without resume."
            )
        return ""

    def _load_newest(self, verbose: int) -> Path | None:
        """Loads the newest resumable checkpoint; returns its state file or None."""
        found = None
        run_dirs = checkpoints.list_runs(self.model_dir, self.config.NAME)
        for run_dir in list(filter(checkpoints.is_begun, run_dirs))[-1:]:
            # Before reading: what is read is what will be continued.
            self.run_locks.take(run_dir)
            found = load_newest_pair(self.keras_model, run_dir, self.config.NAME)
        if found is None:
            text = f"the newest run in {self.model_dir} left no complete epoch"
        else:
            self.set_log_dir(found[0])
            text = f"continuing after epoch {self.epoch}, {found[0]}"
        if verbose:
            log(f"resume: {text}")
        return found and found[1]


def _has_stopped(callback) -> bool:
    """Returns whether a callback is an EarlyStopping that has ended the training."""
    is_stopper = isinstance(callback, keras.callbacks.EarlyStopping)
    return is_stopper and callback.stopped_epoch > 0


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
        on_error=config.ON_DATA_ERROR,
    )


def _continued_state(state_file, state):
    """Returns (whether this goes on with the interrupted call, the state of this call).

    The optimizer is restored when it belongs to the same unfinished call. After a
    finished call, or with other layers or another rate, this one starts with a new
    optimizer.
    """
    if state_file is None:
        return False, state
    old = optimizer_state.read_run_state(state_file)
    if old.is_finished:
        if old.stopped:
            logger.warning(
                "resume: EarlyStopping had stopped the run after epoch %d of %d; it is "
                "trained on to epoch %d with a new optimizer.",
                old.epoch,
                old.epochs,
                state.epochs,
            )
        return False, state
    # A schedule or an optimizer has the rate nan, which is not equal to itself.
    calls = [(s.epochs, s.layers, str(s.learning_rate)) for s in (old, state)]
    if calls[0] != calls[1]:
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
        logger.info("no TensorBoard logs; to have them: pip install tensorboard")
        return [history]
    tensorboard = keras.callbacks.TensorBoard(log_dir=str(run_dir), write_graph=False)
    return [history, tensorboard]


def _non_finite_loss(what: str, losses: dict[str, float], tracker: EpochTracker):
    """Returns the error for a loss or gradient that is not finite."""
    source = tracker.source
    images = source.image_labels(tracker.batch)
    values = ", ".join(f"{name} {value:g}" for name, value in losses.items())
    when = "the validation after epoch" if source is tracker.val_source else "epoch"
    return NonFiniteLossError(
        f"train(): the {what} is not finite in {when} "
        f"{tracker.train_source.epoch + 1}, step {tracker.batch + 1} ({values}), on "
        f"{images}. The weights are those before this step. Check these images and "
        "their annotations, or lower the learning rate or GRADIENT_CLIP_NORM."
    )
