"""Put the trained network into the package: `--weights nucleus`.

    python samples/nucleus/export_bundled.py logs/nucleus20240131T1200

takes the checkpoint of the highest epoch of a run of train_bundled.py (or the one that
is named), prints which it is, and writes mrcnn/pretrained/nucleus.h5, its numbers in
half precision, and nucleus.json, its Config for whole images; and history.jsonl and
training.png beside this script.
"""

from __future__ import annotations

import argparse
import re
import shutil
import sys
from pathlib import Path

import h5py
import numpy as np
from train_bundled import BundledNucleusInferenceConfig

from mrcnn import visualize
from mrcnn.data import atomic_file
from mrcnn.engine import BUNDLED, write_run_config

HERE = Path(__file__).parent
HISTORY_FILE = "history.jsonl"  # what a run keeps beside its checkpoints
CLASS_NAMES = ["BG", "nucleus"]
MAX_BYTES = 12e6
# Change of a tensor by half precision, of its norm: rounding alone makes 3e-4.
MAX_CHANGE = 1e-3


def halved(name, values):
    """A tensor in float16, and by how much that changed it, as a part of its norm."""
    values = values.astype(np.float64)
    with np.errstate(over="ignore"):
        half = values.astype(np.float16)
    if not np.isfinite(half).all():
        raise ValueError(
            f"{name}: values up to {np.abs(values).max():g} don't fit float16, which "
            f"ends at {np.finfo(np.float16).max:g}"
        )
    norm = np.linalg.norm(values)
    change = np.linalg.norm(half - values) / norm if norm else 0.0
    if change > MAX_CHANGE:
        raise ValueError(
            f"{name}: float16 changes it by {change:.2g} of its norm, more than "
            f"{MAX_CHANGE:g}: its values are too small"
        )
    return half, change


def copy_in_half(source, target):
    """Write a weight file with all tensors in float16; the largest change of one."""
    changes = {}
    with h5py.File(source) as old, h5py.File(target, "w") as new:

        def copy(name, item):
            if isinstance(item, h5py.Dataset):
                half, changes[name] = halved(name, item[()])
                new.create_dataset(name, data=half)
            else:
                new.require_group(name)
            new[name].attrs.update(item.attrs)

        new.attrs.update(old.attrs)
        old.visititems(copy)
    size = Path(target).stat().st_size
    if size > MAX_BYTES:
        raise ValueError(f"{size / 1e6:.1f} MB, more than {MAX_BYTES / 1e6:g} MB")
    return max(changes.values())


def epoch_of(path):
    """After which epoch a checkpoint was written, by its name; 0 for other names."""
    found = re.fullmatch(r"mask_rcnn_nucleus_(\d{4,})\.h5", path.name)
    return int(found[1]) if found else 0


def find_checkpoint(path):
    """The checkpoint of the highest epoch in a folder of a run, or the file itself."""
    if not path.is_dir():
        return path
    newest = max(path.glob("mask_rcnn_*.h5"), key=epoch_of, default=path)
    if not epoch_of(newest):
        raise FileNotFoundError("no checkpoint, mask_rcnn_nucleus_*.h5, lies here")
    return newest


def print_epoch(path):
    """Print after which epoch a checkpoint was written, and warn if not the last."""
    epoch, last = epoch_of(path), BundledNucleusInferenceConfig.EPOCHS
    done = f"epoch {epoch} of {last}" if epoch else "unknown epoch"
    print(f"{path}: {done}")
    if epoch < last:
        text = f"warning: {path}: {done}; the package takes the last one"
        print(text, file=sys.stderr)


def main(argv=None):
    """Export; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    add = parser.add_argument
    add("checkpoint", type=Path, help="a checkpoint, or the folder of its run")
    add("--output", type=Path, default=BUNDLED, help="folder of nucleus.h5")
    add("--notes", type=Path, default=HERE, help="folder of history and curves")
    args = parser.parse_args(argv)
    try:
        source = find_checkpoint(args.checkpoint)
    except FileNotFoundError as error:
        parser.error(f"{args.checkpoint}: {error}")
    history = source.with_name(HISTORY_FILE)
    for path in (source, history):
        if not path.is_file():
            parser.error(f"{path}: no such file")

    print_epoch(source)
    weights = args.output / "nucleus.h5"
    try:
        with atomic_file(weights) as temporary:
            change = copy_in_half(source, temporary)
    except (OSError, ValueError) as error:
        parser.error(f"{source}: {error}")
    size = weights.stat().st_size / 1e6
    print(f"{weights}: {size:.2f} MB, of {source}")
    print(f"float16 changes a tensor by {change:.2g} of its norm at most")
    config = BundledNucleusInferenceConfig()
    print(write_run_config(weights.with_suffix(".json"), config, CLASS_NAMES))
    shutil.copyfile(history, args.notes / HISTORY_FILE)
    curves = args.notes / "training.png"
    visualize.plot_training(history, "Training of nucleus.h5", curves)
    print(curves)
    return 0


if __name__ == "__main__":
    sys.exit(main())
