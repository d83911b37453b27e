"""Check a data set before training: annotations, images and anchors.

    mrcnn check --data balloon --subset train --against val --preset small

The exit code is 1 when there are errors: they stop a training, or teach wrong things.
"""

from __future__ import annotations

import argparse
from pathlib import Path

from mrcnn.cli import arguments, weights
from mrcnn.cli.settings import apply_settings, check_config, preset_config


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    arguments.add_data(command)
    add = command.add_argument
    add("--subset", help="as train; all images without it")
    add("--against", metavar="SUBSET", help="must not hold the same images, as val")
    add("--weights", help="check for the Config of a trained model")
    arguments.add_logs(command)
    arguments.add_settings(command)
    add("--headers", action="store_true", help="don't decode images: much faster")
    add("--all", action="store_true", help="show every problem")


def run(args: argparse.Namespace) -> int:
    """Prints both reports; returns 1 when the data has errors."""
    found = weights.find_weights(args.weights, args.logs) if args.weights else None
    dataset = arguments.open_data(args, args.subset)
    against = arguments.open_data(args, args.against) if args.against else None
    config = _config(args, found, dataset)
    report = dataset.validate(
        config, against=against, read_images=not args.headers, verbose=1
    )
    print(report.table(None if args.all else 5))

    from mrcnn.data import anchor_report

    # Objects that can't be loaded are in the report above, and would stop this one.
    if report.num_objects and not report.errors:
        print()
        print(anchor_report(dataset, config, verbose=1).table())
    elif report.errors:
        print("\nAnchors are looked at when there are no errors.")
    return 0 if report.ok else 1


def _config(args: argparse.Namespace, found: Path | str | None, dataset):
    """Returns the Config that the data is checked for."""
    if found is None:
        config = preset_config(args.preset)
        config.NUM_CLASSES = dataset.num_classes
    else:
        config, _ = weights.base_config(weights.fetch(found), args.preset)
    config.NAME = config.NAME or "check"
    apply_settings(config, args.settings)
    check_config(config)
    return config
