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
from mrcnn.cli.errors import CommandError, number_of
from mrcnn.cli.quiet import import_tensorflow
from mrcnn.cli.settings import PRESETS, apply_settings, check_config
from mrcnn.config import Config
from mrcnn.engine import is_bundled, set_for_training

TRAIN_NAMES = ("train", "training")
VAL_NAMES = ("val", "valid", "validation", "minival")
AUGMENTATIONS = ("none", "flip", "strong")
# What each preset starts from unless told.
START = {"small": "none", "default": "coco", "paper": "imagenet"}
# Layers whose shapes depend on the number of classes.
CLASS_LAYERS = ["mrcnn_class_logits", "mrcnn_bbox_fc", "mrcnn_bbox", "mrcnn_mask"]


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
    add("--resume", action="store_true", help="go on with the newest run of this name")
    add("--workers", type=int, default=1, help="threads that load images (default: 1)")
    add("--skip-check", action="store_true", help="don't look for faults in the data")
    add("--quiet", action="store_true", help="a line an epoch, no progress bar")


def run(args: argparse.Namespace) -> int:
    """Checks the data and trains."""
    if args.epochs < 1 or args.workers < 0:
        raise CommandError("--epochs: 1 or more; --workers: 0 or more")
    arguments.need_folder(args.logs, "--logs")
    word = args.weights or START[args.preset or "default"]
    found = None
    if word not in ("none", "imagenet"):
        found = weights.find_weights(word, args.logs, args.name)
    if found is None or args.preset is not None:
        # A slip is told before the data is opened.
        apply_settings(PRESETS[args.preset or "default"](), args.settings)
    train_set, val_set = open_subsets(args)
    config, path, names = _config(args, found, train_set)
    if not args.skip_check:
        check_data(train_set, val_set, config)

    import_tensorflow()
    from mrcnn.engine import MaskRCNN

    model = MaskRCNN(mode="training", config=config, model_dir=args.logs)
    if word == "imagenet":
        model.load_weights(word)
    elif path is not None:
        exclude = _other_heads(path, names, train_set.class_names)
        model.load_weights(path, exclude=exclude)
        if exclude or _are_others(names, train_set.class_names):
            # Its run is of other classes: it stays as it is.
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
    names = _subset_names(args)
    subset = args.subset or _pick(names, TRAIN_NAMES)
    val = args.val or (None if subset is None else _pick(names, VAL_NAMES))
    train_set = arguments.open_data(args, subset)
    if val in (None, "none", subset):
        if val is None:
            _note("no validation: no subset is called val; name one by --val")
        return train_set, None
    val_set = arguments.open_data(args, val)
    if list(train_set.class_names) != list(val_set.class_names):
        raise CommandError(
            f"--val {val}: its classes {val_set.class_names[1:]} aren't those of the "
            f"training {train_set.class_names[1:]}; give both the same, as by --option "
            'classes=\'["a", "b"]\''
        )
    return train_set, val_set


def _subset_names(args: argparse.Namespace) -> list[str]:
    """Names of the subsets of --data."""
    from mrcnn.data import find_layouts

    if not args.data.is_dir():
        return []  # open_dataset tells if there is nothing
    layouts = find_layouts(args.data)
    layouts = [x for x in layouts if args.format in (None, x.format)]
    return list(dict.fromkeys(name for x in layouts for name in x.subsets))


def _pick(names: list[str], wanted: tuple[str, ...]) -> str | None:
    """The first of the wanted subsets that is there."""
    from mrcnn.data import match_subset

    return next((word for word in wanted if match_subset(names, word)), None)


def _config(args, found: Path | str | None, train_set):
    """Returns (Config, weight file or None, its class names or None)."""
    path = names = None
    if found is not None:
        path = weights.fetch(found)
    if path is None or args.preset is not None:
        # A preset that is named holds also for weights that bring their own Config.
        config = PRESETS[args.preset or "default"]()
        if path is not None:
            run = weights.read_run_config(path)
            names = run.class_names if run else None
    else:
        config, names = weights.base_config(path, None)
        if is_bundled(path):
            set_for_training(config)
    name = args.name or _name_of(args.data)
    if (config.NAME or "").lower() != name.lower():
        # Not even with weights of another run: that is continued by its NAME.
        config.NAME = name
    config.NUM_CLASSES = train_set.num_classes
    config.STEPS_PER_EPOCH = config.VALIDATION_STEPS = None
    apply_settings(config, args.settings)
    check_config(config, train_set.num_classes)
    return config, path, names


def _name_of(data: Path) -> str:
    """A NAME made of the name of a folder or file."""
    return re.sub(r"[^a-z0-9]+", "", data.resolve().stem.lower()) or "model"


def check_data(train_set, val_set, config: Config) -> None:
    """Prints what is wrong with the data; raises CommandError for errors."""
    for title, dataset, against in (
        ("train", train_set, val_set),
        ("val", val_set, None),
    ):
        if dataset is None:
            continue
        report = dataset.validate(config, against=against, verbose=1)
        if report.errors:
            print(report.table(), file=sys.stderr)
            raise CommandError(
                f"{number_of(len(report.errors), 'error')} in {title}, listed above: "
                "correct the data, or train all the same with --skip-check"
            )
        if report.warnings:
            kinds = ", ".join(f"{n} {kind}" for kind, n in report.counts().items())
            _note(f"{title}: {kinds}; mrcnn check tells which")


def _other_heads(path: Path, names, class_names) -> list[str] | None:
    """Layers that start anew because a weight file is of other classes."""
    if names is None:
        import_tensorflow()
        from mrcnn.engine import config_values, read_weights

        count = config_values(read_weights(path)).get("NUM_CLASSES")
        if count in (None, len(class_names)):
            return None
        names = [f"{count - 1} classes"]
    elif not _are_others(names, class_names):
        return None
    elif len(names) == len(class_names) == 2:
        # Of label images the one class has no name of its own, and is called "object".
        weights.note_renamed(names[1:], class_names[1:])
        return None
    else:
        names = list(names)[1:]
    _note(
        f"{path} was trained on other classes ({weights.some(names)}): their layers "
        "start anew"
    )
    return CLASS_LAYERS


def _are_others(names, class_names) -> bool:
    """Whether the classes of weights are known, and not those of the data."""
    return names is not None and list(names)[1:] != list(class_names)[1:]


def _augmentation(kind: str, dataset, config: Config):
    if kind == "none":
        return None
    if kind == "strong":
        from mrcnn.data import few_photographs

        return few_photographs(dataset, config)
    from imgaug import augmenters as iaa

    return iaa.Fliplr(0.5)


def _note(text: str) -> None:
    print(f"mrcnn: note: {text}", file=sys.stderr, flush=True)
