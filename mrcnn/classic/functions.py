"""Old functions on images and tensors that take other arguments than the new ones.

Importing this imports no TensorFlow.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np

from mrcnn.data import COCO_MODEL_URL, download
from mrcnn.geometry.arguments import check_attributes
from mrcnn.geometry.boxes import trim_zeros_tensor
from mrcnn.geometry.images import add_mean, subtract_mean


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


def mold_image(images: np.ndarray, config) -> np.ndarray:
    """Returns images as float32 with MEAN_PIXEL subtracted.

    Args:
        images: number type [..., H, W, channels], 0..255.
        config: a Config.
    """
    check_attributes(config, "mold_image(config)", "MEAN_PIXEL")
    return subtract_mean(images, config.MEAN_PIXEL)


def unmold_image(normalized_images: np.ndarray, config) -> np.ndarray:
    """Returns uint8 images with MEAN_PIXEL added again.

    Args:
        normalized_images: float32 [..., H, W, channels], as `mold_image` gives them.
        config: a Config.
    """
    check_attributes(config, "unmold_image(config)", "MEAN_PIXEL")
    return add_mean(normalized_images, config.MEAN_PIXEL)


def mold_mask(mask: np.ndarray, config):
    """Raises NotImplementedError: the old function was empty and returned None."""
    raise NotImplementedError(
        f"mold_mask(mask={np.shape(mask)}, config): the old package left it empty; "
        "call minimize_mask(bbox, mask, config.MINI_MASK_SHAPE)."
    )


def log2_graph(x):
    """Returns the logarithm of a float tensor to the base of 2."""
    import tensorflow as tf

    x = tf.convert_to_tensor(x)
    return tf.math.log(x) / tf.math.log(tf.constant(2, x.dtype))


def trim_zeros_graph(boxes, name: str | None = "trim_zeros"):
    """Returns the rows that are not all zero, and which rows these are.

    Args:
        boxes: [N, 4]; rows of zeros are padding.
        name: of the first tensor.

    Returns:
        boxes [n, 4] and mask bool [N].
    """
    import tensorflow as tf

    rows, mask = trim_zeros_tensor(tf.convert_to_tensor(boxes))
    return tf.identity(rows, name=name), mask


def batch_pack_graph(x, counts, num_rows: int):
    """Returns the first rows of each image, joined: [sum(counts), ...].

    Args:
        x: [B, N, ...].
        counts: int [B], rows of each image.
        num_rows: B.
    """
    import tensorflow as tf

    return tf.concat([x[i, : counts[i]] for i in range(num_rows)], axis=0)


def batch_slice(
    inputs, graph_fn: Callable, batch_size: int, names: Sequence | None = None
):
    """Returns a function's results on each image, stacked along a new first axis.

    For functions that know one image only. Works eagerly and while tracing; the images
    are unrolled, so `tf.map_fn` is the better choice for new code.

    Args:
        inputs: a tensor [B, ...], or a list of them.
        graph_fn: takes one image's part of each and returns a tensor, or a list or
            tuple of tensors, of the same shapes for every image.
        batch_size: B.
        names: names of the results, or None.

    Returns:
        A tensor, or a list of tensors where graph_fn returned several.

    Raises:
        ValueError: the inputs do not hold `batch_size` images, or `names` has another
            length than the results.
        tf.errors.InvalidArgumentError: the same, found while a traced function runs.
    """
    import tensorflow as tf

    if not isinstance(inputs, list | tuple):
        inputs = [inputs]
    inputs = [tf.convert_to_tensor(x) for x in inputs]
    for ix, x in enumerate(inputs):
        if x.shape[0] not in (None, batch_size):
            raise ValueError(
                f"batch_slice(inputs, batch_size={batch_size}): inputs[{ix}] holds "
                f"{x.shape[0]} images; pass the number of images in the batch."
            )
        shape = [batch_size, *x.shape[1:]]
        inputs[ix] = tf.ensure_shape(x, shape, name=f"batch_slice_inputs_{ix}")

    rows = []
    for i in range(batch_size):
        row = graph_fn(*(x[i] for x in inputs))
        rows.append(row if isinstance(row, list | tuple) else [row])
    columns = list(zip(*rows, strict=True))
    names = [None] * len(columns) if names is None else names
    if len(names) != len(columns):
        raise ValueError(
            f"batch_slice(names={list(names)}): graph_fn returned {len(columns)} "
            "tensors; give one name each, or None."
        )
    result = [
        tf.stack(column, axis=0, name=name)
        for column, name in zip(columns, names, strict=True)
    ]
    return result[0] if len(result) == 1 else result
