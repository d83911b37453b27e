"""Show what a weight file holds: layers, classes, the Config it fits.

    mrcnn info logs/shapes20240131T1200/mask_rcnn_shapes_0010.h5
    mrcnn info coco --no-model
    mrcnn info --preset small

Without a file: the values of a preset, which --set changes.
"""

from __future__ import annotations

import argparse
from pathlib import Path

import numpy as np

from mrcnn.cli import arguments, weights
from mrcnn.cli.errors import CommandError
from mrcnn.cli.quiet import import_tensorflow
from mrcnn.cli.settings import PRESETS, apply_settings


def add(command: argparse.ArgumentParser) -> None:
    """Adds the arguments."""
    add = command.add_argument
    add("weights", nargs="?", help=weights.WEIGHTS_HELP)
    arguments.add_logs(command)
    arguments.add_settings(command)
    add("--no-model", action="store_true", help="don't build the model it may fit")
    add("--tensors", action="store_true", help="every tensor, not every layer")


def run(args: argparse.Namespace) -> int:
    """Prints; 1 when the file doesn't fit its Config."""
    if args.weights is None:
        if args.preset is None:
            raise CommandError("name a weight file, or --preset to see its values")
        config = PRESETS[args.preset]()
        apply_settings(config, args.settings)
        config.display()
        return 0
    path = weights.fetch(weights.find_weights(args.weights, args.logs))

    import_tensorflow()
    from mrcnn.engine import read_weights
    from mrcnn.viz.tables import table_text

    tensors = read_weights(path)
    count = sum(array.size for array in tensors.values())
    print(f"{path}: {path.stat().st_size / 2**20:.1f} MiB")
    print(f"{len(tensors)} tensors, {count:,} numbers\n")
    print(table_text(_tensor_rows(tensors) if args.tensors else _layer_rows(tensors)))
    return 0 if _print_config(args, path, tensors) else 1


def _layer_rows(tensors) -> list[list[str]]:
    """Layers, the shapes of their tensors and what they hold."""
    layers: dict[str, list[str]] = {}
    for name in tensors:
        layers.setdefault(name.rsplit("/", 1)[0], []).append(name)
    rows = [["layer", "numbers", "tensors"]]
    for layer, names in layers.items():
        shapes = (f"{n.rsplit('/', 1)[1]} {_shape(tensors[n])}" for n in names)
        count = sum(tensors[name].size for name in names)
        rows.append([layer, f"{count:,}", ", ".join(shapes)])
    return rows


def _tensor_rows(tensors) -> list[list[str]]:
    """Tensors, their shapes and values."""
    rows = [["tensor", "shape", "type", "min", "max", "std"]]
    for name, array in tensors.items():
        with np.errstate(all="ignore"):
            values = (array.min(), array.max(), array.astype(np.float64).std())
        numbers = [f"{value:+.4f}" for value in values]
        rows.append([name, _shape(array), str(array.dtype), *numbers])
    return rows


def _print_config(args, path: Path, tensors) -> bool:
    """Prints which Config the file fits; False when it doesn't fit its own."""
    from mrcnn.engine import anchors_per_cell, config_values, is_applications_file

    if is_applications_file(tensors):
        print('\nImageNet weights of keras.applications: load_weights("imagenet").')
        return True
    known = config_values(tensors)
    print("\nFrom the shapes:", ", ".join(f"{n}={v}" for n, v in known.items()) or "-")
    if anchors := anchors_per_cell(tensors):
        print(
            f"and {anchors} anchors a cell (scales of a level times RPN_ANCHOR_RATIOS)"
        )
    run = weights.read_run_config(path)
    config, names = weights.base_config(path, args.preset)
    if run is not None:
        print(f"{run.path} holds the Config; classes: {', '.join(run.class_names[1:])}")
    elif names:
        print(f"Classes, as COCO's: {', '.join(names[1:])}")
    apply_settings(config, args.settings)
    different = {n: v for n, v in known.items() if getattr(config, n) != v}
    for name, value in different.items():
        print(f"Config says {name}={getattr(config, name)}, the file {value}.")
    return not different if args.no_model else _print_report(config, path)


def _print_report(config, path: Path) -> bool:
    """Prints what becomes of each tensor in a model of this Config."""
    from mrcnn.engine import MaskRCNN, load_file

    config.NAME = config.NAME or "info"
    model = MaskRCNN("inference", config, path.parent)
    report = load_file(model.keras_model, path, strict=False)
    print(f"Loading into a model of this Config: {report.summary()}")
    for title, rows in (
        ("missing in the file", report.missing),
        ("without a place in the model", report.unexpected),
        ("of another shape", [f"{n} {a} for {b}" for n, a, b in report.mismatched]),
    ):
        if rows:
            more = f" and {len(rows) - 10} more" if len(rows) > 10 else ""
            print(f"  {title}: {', '.join(rows[:10])}{more}")
    return not (report.missing or report.mismatched)


def _shape(array) -> str:
    return "x".join(map(str, np.shape(array))) or "1"
