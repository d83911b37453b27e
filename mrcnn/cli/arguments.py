"""Arguments that several commands have."""

from __future__ import annotations

import argparse
from pathlib import Path

from mrcnn.cli import weights
from mrcnn.cli.errors import need
from mrcnn.cli.settings import PRESET_HELP, PRESETS, literal
from mrcnn.data import FORMATS

# An argument that may be given several times.
_REPEATED = {"action": "append", "default": [], "metavar": "NAME=VALUE"}


def add_weights(command: argparse.ArgumentParser) -> None:
    """Adds --weights, --logs, --preset, --set and --classes: a trained model."""
    add = command.add_argument
    add("--weights", required=True, help=weights.WEIGHTS_HELP)
    add_logs(command)
    add_settings(command)
    add("--classes", metavar="A,B", help="class names, for files that don't hold them")


def add_logs(command: argparse.ArgumentParser) -> None:
    """Adds --logs."""
    text = "folder of the runs (default: logs)"
    command.add_argument("--logs", type=Path, default=Path("logs"), help=text)


def add_settings(command: argparse.ArgumentParser) -> None:
    """Adds --preset and --set."""
    command.add_argument("--preset", choices=PRESETS, help=PRESET_HELP)
    text = "a value of Config, as --set IMAGE_MAX_DIM=512; may be given several times"
    command.add_argument("--set", dest="settings", **_REPEATED, help=text)


def add_data(command: argparse.ArgumentParser) -> None:
    """Adds --data, --format and --option: a data set."""
    add = command.add_argument
    text = "folder, or a COCO json"
    add("--data", type=Path, required=True, metavar="DIR", help=text)
    add("--format", choices=tuple(FORMATS), help="guessed if it isn't given")
    text = "for the loader of the format, as --option class_name=cell"
    add("--option", dest="options", **_REPEATED, help=text)


def make_setup(
    args: argparse.Namespace, found: Path | str, settings: list[str]
) -> weights.Setup:
    """Returns what is needed to detect, of --preset, --classes and --batch.

    Args:
        args: of a command with `add_weights` and --batch.
        found: of `weights.find_weights`.
        settings: as those of --set.
    """
    names = args.classes and [name.strip() for name in args.classes.split(",")]
    is_clear = not names or (all(names) and len(set(names)) == len(names))
    need(is_clear, f"--classes {args.classes}: name each class, and each only once")
    return weights.inference_setup(
        found,
        preset=args.preset,
        settings=settings,
        class_names=names,
        batch=args.batch,
    )


def open_data(args: argparse.Namespace, subset: str | None):
    """Returns a prepared data set of --data, and prints its format.

    Raises:
        ValueError, FileNotFoundError: see `mrcnn.data.open_dataset`.
        CommandError: it has no images.
    """
    from mrcnn.data import open_dataset

    dataset = open_dataset(args.data, subset, args.format, **_options(args.options))
    is_full = len(dataset.image_ids) > 0
    need(is_full, f"--data {args.data}: no image is in it; name other data")
    print(f"{subset or 'data'}: {dataset.format}", flush=True)
    return dataset


def _options(texts: list[str]) -> dict:
    """Returns keyword arguments of NAME=VALUE texts."""
    options = {}
    for text in texts:
        name, equals, value = (part.strip() for part in text.partition("="))
        need(equals, f"--option {text}: write NAME=VALUE")
        options[name] = literal(value)
    return options


def need_folder(path: Path | None, name: str) -> None:
    """Raises CommandError when a folder to write to is a file."""
    is_file = path is not None and path.exists() and not path.is_dir()
    need(not is_file, f"{name} {path}: is a file; name a folder")
