"""The old way to fetch the weights that were trained on COCO."""

from __future__ import annotations

import os
from pathlib import Path

from mrcnn.data import COCO_MODEL_URL, download


def download_trained_weights(
    coco_model_path: str | os.PathLike, verbose: int = 1
) -> Path:
    """Returns the path of the COCO weights after fetching them there if need be.

    Args:
        coco_model_path: where the file is to be; a good one is not fetched again.
        verbose: 0 shows no progress.

    Raises:
        OSError: the file could not be fetched, or another file is there; says what
            to do.
    """
    return download(COCO_MODEL_URL, path=coco_model_path, verbose=verbose)
