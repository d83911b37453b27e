"""Finds the weight file that is meant: "coco", "nucleus", an address or a path.

Finding needs no TensorFlow. What has to be downloaded is named by its address first:
`fetch` downloads it, once, into the cache of `mrcnn.data.cache_dir()`.
"""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path

from mrcnn.data import COCO_MODEL_URL, download
from mrcnn.engine.weights.bundled import bundled_file, bundled_names


def find_source(
    source: str | os.PathLike, argument: str, words: Sequence[str]
) -> Path | str:
    """Returns the path of the weight file that is meant, or its address.

    Args:
        source: "coco" (the file of the old package), the name of a model that comes
            with the package, an address or a path.
        argument: "name(argument=value)" of what the user wrote, for the message.
        words: those that the user may write in place of a path, for the message; the
            names of the models that come with the package are added.

    Raises:
        FileNotFoundError: there is no such file.
    """
    if source == "coco":
        return COCO_MODEL_URL
    if "://" in str(source):
        return str(source)
    if source in bundled_names():
        return bundled_file(source)
    path = Path(source)
    if not path.exists():
        raise FileNotFoundError(
            f"{argument}: there is no such file; give its path, its address "
            f"(https://...) or a word: {', '.join((*words, *bundled_names()))}. "
            f"Relative paths start at {Path.cwd()}."
        )
    return path


def fetch(found: Path | str) -> Path:
    """Returns the file behind the answer of `find_source`, downloaded if need be.

    Raises:
        DownloadError: the file could not be downloaded.
    """
    return found if isinstance(found, Path) else download(found)
