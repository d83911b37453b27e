"""Weight files that a user names, and the Config and class names that go with them."""

from __future__ import annotations

import contextlib
import io
import re
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mrcnn.cli.errors import CommandError
from mrcnn.cli.quiet import import_tensorflow
from mrcnn.cli.settings import PRESETS, apply_settings, check_config
from mrcnn.config import Config
from mrcnn.data import COCO_MODEL_URL, COCO_NAMES, download
from mrcnn.engine import read_run_config, restore_config, shipped_file, shipped_words

WEIGHTS_HELP = ", ".join(
    (
        "a file, the folder of a run, an address, or a word: last (newest checkpoint "
        "below --logs), coco",
        *shipped_words(),
    )
)
_CHECKPOINT = re.compile(r"mask_rcnn_(.+)_(\d{4,})\.h5")
_RUN = re.compile(r"(.+?)(\d{8}T\d{4})")


class Setup(NamedTuple):
    """What a model is made from.

    Attributes:
        config: a Config.
        class_names: name of class id i at i, the background's first.
        path: of the weight file.
    """

    config: Config
    class_names: list[str]
    path: Path


def find_weights(text: str, logs: Path, name: str | None = None) -> Path | str:
    """Returns the file behind a `--weights` argument; "coco" and addresses as given.

    Nothing is fetched and TensorFlow isn't imported.

    Args:
        text: see WEIGHTS_HELP.
        logs: folder of the runs.
        name: NAME of the runs among which "last" is looked for; None for all.

    Raises:
        CommandError: there is no such file.
    """
    if text == "coco" or "://" in text:
        return text
    if text in shipped_words():
        return shipped_file(text)
    if text == "last":
        return _newest(logs, name)
    path = Path(text)
    if path.is_dir():
        found = _checkpoints(path)
        if not found:
            raise CommandError(
                f"--weights {text}: no checkpoint (mask_rcnn_*.h5) lies in this "
                "folder; name the folder of one run, or a file"
            )
        return found[-1]
    if not path.is_file():
        words = ", ".join(("last", "coco", *shipped_words()))
        raise CommandError(
            f"--weights {text}: there is no such file (relative paths start at "
            f"{Path.cwd()}); correct it, or use a word: {words}"
        )
    return path


def fetch(found: Path | str) -> Path:
    """Returns the file of what `find_weights` gave, fetched if need be."""
    if isinstance(found, Path):
        return found
    return download(COCO_MODEL_URL if found == "coco" else found)


def _checkpoints(folder: Path) -> list[Path]:
    """Checkpoints of a run, by epoch."""
    found = {p: _CHECKPOINT.fullmatch(p.name) for p in folder.glob("mask_rcnn_*.h5")}
    return sorted((p for p in found if found[p]), key=lambda p: int(found[p][2]))


def _newest(logs: Path, name: str | None) -> Path:
    """The last checkpoint of the newest run that has one."""
    runs = []
    for folder in Path(logs).glob("*"):
        parts = _RUN.fullmatch(folder.name)
        is_named = parts and (name is None or name.lower() == parts[1])
        if is_named and (files := _checkpoints(folder)):
            runs.append((parts[2], files[-1].stat().st_mtime_ns, files[-1]))
    if not runs:
        of_name = f" of {name!r}" if name else ""
        raise CommandError(
            f"--weights last: no checkpoint{of_name} below {logs}; train first, or "
            "name the folder of the runs by --logs"
        )
    return max(runs)[2]


def inference_setup(
    found: Path | str,
    *,
    preset: str | None = None,
    settings: Sequence[str] = (),
    class_names: Sequence[str] | None = None,
    batch: int = 1,
) -> Setup:
    """Returns what is needed to detect with a weight file.

    The Config of its training, where that lies beside it; otherwise a preset, with
    what the shapes of its tensors tell.

    Args:
        found: of `find_weights`.
        preset: key of PRESETS, for files that nothing tells the Config of.
        settings: `--set` arguments.
        class_names: names without the background's; None for those of the training.
        batch: images that are detected in at once.

    Raises:
        CommandError: values that can't work, or names that don't fit.
    """
    path = fetch(found)
    config, names = base_config(path, preset)
    if config.NAME is None:
        config.NAME = "detect"
    config.GPU_COUNT, config.IMAGES_PER_GPU, config.BATCH_SIZE = 1, batch, batch
    if config.IMAGE_RESIZE_MODE == "crop":
        # Crops are taken at the scale that "pad64" keeps for the whole image.
        config.IMAGE_RESIZE_MODE = "pad64"
    apply_settings(config, settings)
    check_config(config)
    if class_names is not None:
        names = ["BG", *class_names]
    names = names or [f"class {i}" for i in range(config.NUM_CLASSES)]
    if len(names) != config.NUM_CLASSES:
        raise CommandError(
            f"{len(names) - 1} class names for {config.NUM_CLASSES - 1} classes; name "
            "each by --classes, the background left out"
        )
    return Setup(config, names, path)


def base_config(path: Path, preset: str | None) -> tuple[Config, list[str] | None]:
    """Returns the Config and class names of a weight file; None for unknown names.

    Raises:
        CommandError: a preset is named for a file that brings its own Config.
    """
    run = read_run_config(path)
    if run is not None:
        if preset is not None:
            raise CommandError(
                f"--preset {preset}: {run.path} tells the Config of these weights; "
                "leave --preset away, and change values by --set"
            )
        return restore_config(run), list(run.class_names) or None
    return _config_by_shapes(path, preset or "default")


def _config_by_shapes(path: Path, preset: str) -> tuple[Config, list[str] | None]:
    """A preset with the values that a weight file's shapes tell."""
    import_tensorflow()
    from mrcnn.engine import config_values, read_weights

    config, changed = PRESETS[preset](), []
    for name, value in config_values(read_weights(path)).items():
        if getattr(config, name) != value:
            setattr(config, name, value)
            changed.append(f"{name}={value}")
    if config.IMAGE_CHANNEL_COUNT != len(config.MEAN_PIXEL):
        config.MEAN_PIXEL = config.MEAN_PIXEL[: config.IMAGE_CHANNEL_COUNT]
    is_coco = path.name == Path(COCO_MODEL_URL).name
    if not is_coco:
        read = f"; its shapes tell {', '.join(changed)}" if changed else ""
        print(
            f"mrcnn: note: no config.json lies beside {path}: preset {preset}{read}; "
            "give what else it was trained with (sizes, anchors, MEAN_PIXEL) by --set",
            file=sys.stderr,
        )
    names = list(COCO_NAMES) if config.NUM_CLASSES == len(COCO_NAMES) else None
    return config, names


def note_renamed(trained: Sequence[str], present: Sequence[str]) -> None:
    """Says which classes of a model are taken for classes of other names in the data.

    Args:
        trained: names, as many as in `present`, the background's left out.
        present: names in the data.
    """
    pairs = zip(trained, present, strict=True)
    other = [f"{one!r} as {two!r}" for one, two in pairs if one != two]
    print(f"mrcnn: note: taken for the same class: {some(other)}", file=sys.stderr)


def some(names: Sequence[str]) -> str:
    """Returns the first few names as a text."""
    return ", ".join(names[:4]) + (" ..." if len(names) > 4 else "")


def load_model(setup: Setup, logs: Path, quiet: bool = False):
    """Returns a MaskRCNN for detection with the weights of a setup.

    Args:
        setup: of `inference_setup`.
        logs: folder of the runs.
        quiet: leaves out the line that says what was loaded.
    """
    import_tensorflow()
    from mrcnn.model import MaskRCNN

    model = MaskRCNN(mode="inference", config=setup.config, model_dir=logs)
    with contextlib.redirect_stdout(io.StringIO() if quiet else sys.stdout):
        model.load_weights(setup.path)
    return model
