"""Arguments that several commands have."""

from __future__ import annotations

import argparse
import ast
from pathlib import Path

from mrcnn.cli.errors import CommandError
from mrcnn.cli.settings import PRESET_HELP, PRESETS
from mrcnn.cli.weights import WEIGHTS_HELP
from mrcnn.data import FORMATS


def add_weights(command: argparse.ArgumentParser, default: str | None = None) -> None:
    """Adds what tells a trained model: --weights, --logs, --preset, --set ..."""
    add = command.add_argument
    text = WEIGHTS_HELP + (f" (default: {default})" if default else "")
    add("--weights", default=default, required=default is None, help=text)
    add_logs(command)
    add_settings(command)
    add("--classes", metavar="A,B", help="class names, for files that don't tell them")


def add_logs(command: argparse.ArgumentParser) -> None:
    """Adds --logs."""
    text = "folder of the runs (default: logs)"
    command.add_argument("--logs", type=Path, default=Path("logs"), help=text)


def add_settings(command: argparse.ArgumentParser) -> None:
    """Adds --preset and --set."""
    command.add_argument("--preset", choices=PRESETS, help=PRESET_HELP)
    text = "a value of Config, as --set IMAGE_MAX_DIM=512; may be given several times"
    settings = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    command.add_argument("--set", dest="settings", **settings, help=text)


def add_data(command: argparse.ArgumentParser) -> None:
    """Adds what tells a data set: --data, --format, --option."""
    add = command.add_argument
    add(
        "--data", type=Path, required=True, metavar="DIR", help="folder, or a COCO json"
    )
    add("--format", choices=tuple(FORMATS), help="guessed if it isn't given")
    text = "for the loader of the format, as --option class_name=cell"
    options = {"action": "append", "default": [], "metavar": "NAME=VALUE"}
    add("--option", dest="options", **options, help=text)


def class_names(args: argparse.Namespace) -> list[str] | None:
    """Returns the names of --classes, None without it."""
    if args.classes is None:
        return None
    return [name.strip() for name in args.classes.split(",")]


def open_data(args: argparse.Namespace, subset: str | None):
    """Returns a prepared data set of --data, and prints what it was taken for.

    Raises:
        ValueError, FileNotFoundError: see `mrcnn.data.open_dataset`.
        CommandError: it has no images.
    """
    from mrcnn.data import open_dataset

    dataset = open_dataset(args.data, subset, args.format, **_options(args.options))
    if not len(dataset.image_ids):
        raise CommandError(f"--data {args.data}: no image is in it; name other data")
    print(f"{subset or 'data'}: {dataset.format}", flush=True)
    return dataset


def _options(texts: list[str]) -> dict:
    """Keyword arguments of NAME=VALUE texts."""
    options = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        if not equals:
            raise CommandError(f"--option {text}: write NAME=VALUE")
        word = {"true": "True", "false": "False", "none": "None"}.get(value.lower())
        try:
            options[name] = ast.literal_eval(word or value)
        except (ValueError, SyntaxError):
            options[name] = value
    return options


def need_folder(path: Path | None, name: str) -> None:
    """Raises CommandError when a folder to write to is a file."""
    if path is not None and path.exists() and not path.is_dir():
        raise CommandError(f"{name} {path}: is a file; name a folder")
