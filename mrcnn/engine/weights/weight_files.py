"""Reads the tensors of a weight file in any layout; says what is wrong with others."""

from __future__ import annotations

import io
import json
import os
import re
import zipfile
import zlib
from pathlib import Path

import h5py
import keras
import numpy as np

from mrcnn.data import HDF5_SIGNATURE, is_web_page
from mrcnn.engine.weights.weight_layouts import (
    UnreadableError,
    keras_3_entries,
    name_list,
    old_entries,
)

_ZIP_SIGNATURE = b"PK\x03\x04"
_WEIGHTS_MEMBER, _CONFIG_MEMBER = "model.weights.h5", "config.json"  # of a .keras

# What h5py raises for damaged bytes: a string of an unknown encoding is a TypeError, a
# group that became a tensor an AttributeError, a size no memory has a MemoryError.
DAMAGED = (
    OSError,
    KeyError,
    RuntimeError,
    TypeError,
    ValueError,
    AttributeError,
    MemoryError,
)

# First bytes of what people take for a weight file -> (what it is, what to do).
_FOREIGN = (
    (
        rb"version https://git-lfs",
        "a Git LFS pointer, not the file it points to",
        "run `git lfs pull` where it was cloned, or download the file itself",
    ),
    (rb"\x80[\x02-\x05]", "a Python pickle", "convert it to HDF5 first"),
    (rb"\x1f\x8b", "packed by gzip", "unpack it first"),
    (rb"\xfd7zXZ", "packed by xz", "unpack it first"),
    (rb"BZh", "packed by bzip2", "unpack it first"),
    (rb"\x93NUMPY", "a NumPy array", "pass a weight file of Keras"),
    (rb"\s*[{\[]", "text, perhaps JSON", "pass the weights, not a configuration"),
)


def read_weights(
    path: str | os.PathLike, model: keras.Model | None = None
) -> dict[str, np.ndarray]:
    """Returns the tensors of a weight file by "layer/variable".

    Args:
        path: an HDF5 file in the old layout, a `.weights.h5` or a `.keras`; its
            content decides which of them it is.
        model: names layers and variables where the file leaves a choice; a
            `.weights.h5` of an early Keras 3 can't be read without it.

    Raises:
        FileNotFoundError: there is no such file.
        ValueError: the file is empty, cut off, of another kind, or holds no weights.
    """
    path, function = Path(path), f"load_weights(filepath={str(path)!r})"
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise FileNotFoundError(f"{function}: {what}; pass the path of a weight file.")
    cut_off = "that is cut off or damaged ({}); download or save it again"
    try:
        content, config = _unpacked(path)
        with h5py.File(content, "r") as file:
            return _tensors(file, model, config)
    except UnreadableError as error:
        raise ValueError(f"{function}: {error}.") from None
    except (zipfile.BadZipFile, zlib.error, json.JSONDecodeError) as error:
        fault = f"a ZIP archive {cut_off.format(error)}"
        raise ValueError(f"{function}: {fault}.") from error
    except DAMAGED as error:
        fault = f"an HDF5 file {cut_off.format(error)}"
        raise ValueError(f"{function}: {fault}.") from error


def _unpacked(path: Path) -> tuple[Path | io.BytesIO, dict | None]:
    """Returns (HDF5 file, the stored configuration of the model in a `.keras`)."""
    with open(path, "rb") as file:
        head = file.read(64)
    if not head:
        raise UnreadableError("the file is empty; download or save it again")
    if not head.startswith(_ZIP_SIGNATURE):
        if head.startswith(HDF5_SIGNATURE[: len(head)]) or h5py.is_hdf5(path):
            return path, None
        raise UnreadableError(_foreign(head))
    with zipfile.ZipFile(path) as archive:
        members = archive.namelist()
        if _WEIGHTS_MEMBER not in members:
            raise UnreadableError(
                f"a ZIP archive without {_WEIGHTS_MEMBER} (it holds {members[:5]}); "
                "pass a .keras file, or unpack the archive and pass the weights in it"
            )
        has_config = _CONFIG_MEMBER in members
        config = json.loads(archive.read(_CONFIG_MEMBER)) if has_config else None
        return io.BytesIO(archive.read(_WEIGHTS_MEMBER)), config


def _foreign(head: bytes) -> str:
    begin = f"it begins with {head[:24]!r}"
    if is_web_page(head):
        return f"not HDF5 but a web page ({begin}); download the file itself"
    for pattern, what, remedy in _FOREIGN:
        if re.match(pattern, head, re.IGNORECASE):
            return f"not HDF5 but {what} ({begin}); {remedy}"
    return f"not HDF5 ({begin}); pass a weight file of Keras"


def _tensors(
    file: h5py.File, model: keras.Model | None, config: dict | None
) -> dict[str, np.ndarray]:
    root = file["model_weights"] if "model_weights" in file else file
    if name_list(root, "layer_names") is not None:
        entries = old_entries(root, model)
    elif "layers" in file or "_layer_checkpoint_dependencies" in file:
        entries = keras_3_entries(file, model, config)
    elif {"epoch", "optimizer"} <= set(file.attrs):
        raise UnreadableError(
            "the training state beside a checkpoint, not the weights; pass the "
            "mask_rcnn_*.h5 of the same folder"
        )
    else:
        raise UnreadableError(
            f"HDF5, but no weight file of Keras (it holds {list(file)[:5]}, but no "
            "attribute layer_names and no group layers); pass a weight file"
        )
    tensors: dict[str, np.ndarray] = {}
    for name, dataset in entries:
        if name in tensors:
            raise UnreadableError(
                f"two tensors in it are called {name}; give the layers of the model it "
                "was written from different names"
            )
        tensors[name] = _array(name, dataset)
    return tensors


def _array(name: str, dataset: h5py.Dataset) -> np.ndarray:
    if not isinstance(dataset, h5py.Dataset):
        raise KeyError(f"{name} is no tensor")
    value = np.asarray(dataset)
    if dataset.attrs.get("dtype") == "bfloat16":
        # Stored as its two bytes, the upper half of a float32.
        value = (value.view(np.uint16).astype(np.uint32) << 16).view(np.float32)
    if value.dtype.kind not in "fiub":
        raise UnreadableError(
            f"{name} in it holds {value.dtype}, not numbers; save the weights again"
        )
    return value
