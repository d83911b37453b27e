"""Finds the weight file that --weights means, and makes a model of it.

`mrcnn.engine` finds files, and the Config and class names that go with them; here are
what the command adds (the folder of a run, presets, --set) and its errors.
"""

from __future__ import annotations

import contextlib
import io
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from mrcnn.cli.errors import CommandError
from mrcnn.cli.quiet import import_tensorflow
from mrcnn.cli.settings import PRESETS, apply_settings, check_config
from mrcnn.config import Config
from mrcnn.data import COCO_MODEL_URL, COCO_NAMES
from mrcnn.engine import (
    bundled_names,
    fetch,
    find_last,
    find_source,
    list_checkpoints,
    read_run_config,
    restore_config,
)

WEIGHTS_HELP = (
    "a file, the folder of a run, an address, or a word: last (newest checkpoint below "
    f"--logs), {', '.join(('coco', *bundled_names()))}"
)


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
    """Returns the file that a `--weights` argument means, or its address.

    Nothing is downloaded yet (`fetch` does that) and TensorFlow isn't imported.

    Args:
        text: see WEIGHTS_HELP.
        logs: folder of the runs.
        name: NAME of the runs among which "last" is looked for; None for all.

    Raises:
        CommandError: there is no such file.
    """
    if text == "last":
        try:
            return find_last(logs, name)
        except FileNotFoundError as error:
            raise CommandError(
                f"--weights last: no checkpoint{f' of {name!r}' if name else ''} below "
                f"{logs}; train first, or name the folder of the runs by --logs"
            ) from error
    try:
        found = find_source(text, f"--weights {text}", ("coco", "last"))
    except FileNotFoundError as error:
        raise CommandError(str(error)) from error
    if not isinstance(found, Path) or found.is_file():
        return found
    if checkpoints := list_checkpoints(found):
        return checkpoints[-1]
    raise CommandError(
        f"--weights {text}: no checkpoint (mask_rcnn_*.h5) lies in this folder; name "
        "the folder of one run, or a file"
    )


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
    the values that follow from the shapes of its tensors.

    Args:
        found: of `find_weights`.
        preset: key of PRESETS, for files without a Config beside them.
        settings: `--set` arguments.
        class_names: names without the background's; None for those of the training.
        batch: number of images in a batch.

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
                f"--preset {preset}: {run.path} holds the Config of these weights; "
                "leave --preset away, and change values by --set"
            )
        return restore_config(run), list(run.class_names) or None
    return _config_by_shapes(path, preset or "default")


def _config_by_shapes(path: Path, preset: str) -> tuple[Config, list[str] | None]:
    """A preset with the values that follow from the shapes in a weight file."""
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
        read = f"; from its shapes {', '.join(changed)}" if changed else ""
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
