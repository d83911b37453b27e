"""Train on your own data, whatever its format.

    mrcnn train --data balloon --preset small --epochs 60
    mrcnn train --data coco --subset train2017 --val val2017 --weights imagenet
    mrcnn train --data cells --weights last --epochs 40 --set LEARNING_RATE=0.0001

The data is checked first. Checkpoints, config.json and the numbers of each epoch go to
a folder of their own below --logs.
"""

from __future__ import annotations

import argparse
import re
import sys
from pathlib import Path

from mrcnn.cli import arguments, weights
from mrcnn.cli.errors import CommandError, need, note, number_of
from mrcnn.cli.quiet import import_tensorflow
from mrcnn.cli.settings import apply_settings, check_config, preset_config
from mrcnn.config import Config
from mrcnn.engine import is_bundled, set_for_training

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation", "minival")
AUGMENTATIONS = ("none", "flip", "strong")
# What each preset starts from without --weights.
START = {"small": "none", "default": "coco", "paper": "imagenet"}


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    arguments.add_data(command)
    add = command.add_argument
    add("--subset", help="to train on (default: train, if there is one, or all)")
    add("--val", help="subset to validate on, or none (default: val, if there is one)")
    starts = ", ".join(f"{word} for {preset}" for preset, word in START.items())
    text = f"to start from: {weights.WEIGHTS_HELP}, imagenet, none (default: {starts})"
    add("--weights", help=text)
    arguments.add_logs(command)
    arguments.add_settings(command)
    add("--name", help="NAME of the run (default: the folder of the data)")
    add("--epochs", type=int, default=30, help="in total (default: 30)")
    text = "heads, 3+, 4+, 5+, all or a regular expression (default: all)"
    add("--layers", default="all", help=text)
    text = "flip: mirrored; strong: for few photographs (default: flip)"
    add("--augment", choices=AUGMENTATIONS, default="flip", help=text)
    add("--resume", action="store_true", help="continue the newest run of this name")
    add("--workers", type=int, default=1, help="threads that load images (default: 1)")
    add("--skip-check", action="store_true", help="train without checking the data")
    add("--quiet", action="store_true", help="a line an epoch, no progress bar")


def run(args: argparse.Namespace) -> int:
    """Checks the data and trains."""
    fits = args.epochs >= 1 and args.workers >= 0
    need(fits, "--epochs: 1 or more; --workers: 0 or more")
    arguments.need_folder(args.logs, "--logs")
    word = args.weights or START[args.preset or "default"]
    found = None
    if word not in ("none", "imagenet"):
        found = weights.find_weights(word, args.logs, args.name)
    if found is None or args.preset is not None:
        # Errors in --set come before the data is opened.
        apply_settings(preset_config(args.preset), args.settings)
    train_set, val_set = open_subsets(args)
    path = None if found is None else weights.fetch(found)
    config, names = _config(args, path, train_set)
    if not args.skip_check:
        check_data(train_set, val_set, config)

    import_tensorflow()
    from mrcnn.engine import MaskRCNN

    model = MaskRCNN(mode="training", config=config, model_dir=args.logs)
    if word == "imagenet":
        model.load_weights(word)
    elif path is not None:
        exclude = _new_layers(path, names, train_set.class_names)
        model.load_weights(path, exclude=exclude)
        if exclude or names not in (None, train_set.class_names):
            # The run of these weights is of other classes: it stays as it is.
            model.set_log_dir()
    print(f"Training {config.NAME}, to epoch {args.epochs}, into {model.log_dir}")
    model.train(
        train_set,
        val_set,
        learning_rate=config.LEARNING_RATE,
        epochs=args.epochs,
        layers=args.layers,
        augmentation=_augmentation(args.augment, train_set, config),
        resume=args.resume,
        workers=args.workers,
        verbose=2 if args.quiet else 1,
    )
    print(f"Weights: {model.find_last()}")
    print(f"Detect: mrcnn detect IMAGE --weights {model.log_dir}")
    return 0


def open_subsets(args: argparse.Namespace):
    """Returns the data sets to train and to validate on, None for no validation.

    Raises:
        CommandError: their classes differ.
    """
    from mrcnn.data import find_layouts, match_subset

    names = []  # open_dataset raises an error if there is nothing
    if args.data.is_dir():
        found = find_layouts(args.data)
        found = [layout for layout in found if args.format in (None, layout.format)]
        names = list(dict.fromkeys(name for one in found for name in one.subsets))

    def first_of(words):
        return next((word for word in words if match_subset(names, word)), None)

    subset = args.subset or first_of(TRAIN_NAMES)
    val = args.val or (None if subset is None else first_of(VAL_NAMES))
    train_set = arguments.open_data(args, subset)
    if val is None:
        note("no validation: no subset is called val; name one by --val")
    if val in (None, "none", subset):
        return train_set, None
    val_set = arguments.open_data(args, val)
    need(
        train_set.class_names == val_set.class_names,
        f"--val {val}: its classes {val_set.class_names[1:]} aren't those of the "
        f"training {train_set.class_names[1:]}; give both the same, as by --option "
        'classes=\'["a", "b"]\'',
    )
    return train_set, val_set


def _config(args, path: Path | None, train_set) -> tuple[Config, list[str] | None]:
    """Returns a Config, and the class names of the weights to start from if known."""
    if path is None or args.preset is not None:
        # A preset that is named holds also for weights that bring their own Config.
        run = None if path is None else weights.read_run_config(path)
        names = (run and list(run.class_names)) or None
        config = preset_config(args.preset)
    else:
        config, names = weights.base_config(path, None)
        if is_bundled(path):
            set_for_training(config)
    stem = args.data.resolve().stem.lower()
    name = args.name or re.sub(r"[^a-z0-9]+", "", stem) or "model"
    if (config.NAME or "").lower() != name.lower():
        # Not even with weights of another run: that is continued by its NAME.
        config.NAME = name
    config.NUM_CLASSES = train_set.num_classes
    config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = None
    apply_settings(config, args.settings)
    check_config(config, train_set.num_classes)
    return config, names


def check_data(train_set, val_set, config: Config) -> None:
    """Prints what is wrong with the data; raises CommandError for errors."""
    sets = [("train", train_set, val_set), ("val", val_set, None)]
    for title, dataset, against in sets[: 1 if val_set is None else 2]:
        report = dataset.validate(config, against=against, verbose=1)
        if report.errors:
            print(report.table(), file=sys.stderr)
            raise CommandError(
                f"{number_of(len(report.errors), 'error')} in {title}, listed above: "
                "correct the data, or train all the same with --skip-check"
            )
        if report.warnings:
            kinds = ", ".join(f"{n} {kind}" for kind, n in report.counts().items())
            note(f"{title}: {kinds}; mrcnn check lists them")


def _new_layers(path: Path, names, class_names) -> list[str] | None:
    """Returns the layers that start anew because a weight file is of other classes."""
    import_tensorflow()
    from mrcnn.engine import CLASS_LAYERS, config_values, read_weights

    if names is None:
        count = config_values(read_weights(path)).get("NUM_CLASSES")
        if count in (None, len(class_names)):
            return None
        trained = f"{count - 1} classes"
    elif names == class_names:
        return None
    elif len(names) == len(class_names) == 2:
        # Of label images the one class has no name of its own, and is called "object".
        weights.note_renamed(names[1:], class_names[1:])
        return None
    else:
        trained = weights.some(names[1:])
    note(f"{path} was trained on other classes ({trained}): their layers start anew")
    return CLASS_LAYERS


def _augmentation(kind: str, dataset, config: Config):
    """Returns the augmentation of this name, None for none."""
    if kind == "none":
        return None
    if kind == "strong":
        from mrcnn.data import few_photographs

        return few_photographs(dataset, config)
    from imgaug import augmenters as iaa

    return iaa.Fliplr(0.5)
