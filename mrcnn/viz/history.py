"""The history of a run: the numbers of each epoch, in a text file.

Each epoch adds one line of JSON, as {"epoch": 3, "loss": 1.25, "val_loss": 1.5}. A run
that is killed leaves the lines before; an epoch may have numbers that others have not;
neither TensorFlow nor TensorBoard is needed to read it.
"""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from pathlib import Path

import numpy as np

HISTORY_FILE = "history.jsonl"
"""Its name in the folder of a run."""


def append_epoch(log_dir: str | Path, epoch: int, numbers: Mapping[str, float]) -> None:
    """Adds a line to the history of a run.

    Args:
        log_dir: folder of the run.
        epoch: number of epochs done, from 1 on.
        numbers: by their names in Keras' logs; what isn't finite is written as null,
            what isn't a number is left out.
    """
    row = {"epoch": int(epoch)}
    for name, value in numbers.items():
        # Custom callbacks may put anything into the logs.
        if np.ndim(value) == 0 and np.asarray(value).dtype.kind in "fiub":
            row[name] = float(value) if math.isfinite(value) else None
    path = Path(log_dir) / HISTORY_FILE
    # A run that was killed while writing leaves a line without its end.
    is_torn = path.exists() and not path.read_bytes().endswith(b"\n")
    with path.open("a", encoding="utf-8") as file:
        file.write(("\n" if is_torn else "") + json.dumps(row) + "\n")


def read_history(log_dir: str | Path) -> dict[str, np.ndarray]:
    """Returns the numbers of a run by name, one for each epoch.

    Args:
        log_dir: folder of a run (`model.log_dir`), or its history file. Of an epoch
            that was trained twice, because a run was resumed before it, the latest
            line counts.

    Returns:
        "epoch": int [E], rising; and float64 [E] by name, nan where an epoch has no
        such number.

    Raises:
        FileNotFoundError: there is no history.
        ValueError: a line in the middle of the file isn't what `append_epoch` writes.
    """
    path = Path(log_dir)
    path = path / HISTORY_FILE if path.is_dir() else path
    if not path.is_file():
        raise FileNotFoundError(
            f"read_history(log_dir={str(log_dir)!r}): no {HISTORY_FILE} there. Give "
            "the folder of one run, as model.log_dir; runs of other packages are shown "
            "by tensorboard --logdir."
        )
    rows: dict[int, dict] = {}
    lines = path.read_text(encoding="utf-8").split("\n")
    for number, line in enumerate(lines, start=1):
        # Zeros are what a power cut leaves of a line that was not on the disk yet.
        if not line.strip().strip("\0"):
            continue
        try:
            row = json.loads(line)
            epoch = int(row["epoch"])
        except (ValueError, KeyError, TypeError) as error:
            if _is_torn(line):
                continue
            raise ValueError(
                f"read_history({str(path)!r}), line {number}: not the numbers of an "
                f"epoch ({error}); remove the line."
            ) from error
        # What was trained after this epoch before was trained anew as well.
        rows = {old: values for old, values in rows.items() if old < epoch}
        rows[epoch] = row
    history = {"epoch": np.array(list(rows), int)}
    names = dict.fromkeys(name for row in rows.values() for name in row)
    for name in [name for name in names if name != "epoch"]:
        history[name] = np.array([row.get(name) for row in rows.values()], float)
    return history


def _is_torn(line):
    """Returns whether a line was not written to its end."""
    return line.startswith("{") and not line.rstrip().endswith("}")
