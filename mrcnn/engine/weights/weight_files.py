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
from mrcnn.engine.layer_groups import leaf_layers, parameters
from mrcnn.engine.weights.hdf5_files import (
    DAMAGED,
    UnreadableError,
    byte_limit,
    check_sizes,
    check_type,
    open_hdf5,
    read_tensor,
)
from mrcnn.engine.weights.weight_layouts import (
    keras_3_entries,
    name_list,
    old_entries,
)

_ZIP_SIGNATURE = b"PK\x03\x04"
_WEIGHTS_MEMBER, _CONFIG_MEMBER = "model.weights.h5", "config.json"  # of a .keras

_MAX_CONFIG_BYTES = 8 << 20
_CHUNK_BYTES = 1 << 20
# May be for another number of channels than the model, and is read all the same.
_FIRST_KERNELS = ("conv1/kernel", "conv1_conv/kernel")

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


class WeightFileError(ValueError):
    """A weight file can't be read, whatever the model: another one is needed."""


def read_weights(
    path: str | os.PathLike, model: keras.Model | None = None
) -> dict[str, np.ndarray]:
    """Returns the tensors of a weight file by "layer/variable".

    Args:
        path: an HDF5 file in the old layout, a `.weights.h5` or a `.keras`; its
            content decides which of them it is.
        model: names layers and variables where the file leaves a choice; a
            `.weights.h5` of an early Keras 3 can't be read without it. Tensors whose
            shape isn't that of the model have no use: instead of their values there
            are zeros, which take no memory.

    Raises:
        FileNotFoundError: there is no such file.
        WeightFileError: a ValueError. The file is empty, cut off, damaged, of another
            kind, holds no weights, takes them from other files, or unpacks to far more
            than weights do.
    """
    path, function = Path(path), f"load_weights(filepath={str(path)!r})"
    if not path.is_file():
        what = "this is a folder" if path.is_dir() else "there is no such file"
        raise FileNotFoundError(f"{function}: {what}; pass the path of a weight file.")
    cut_off = "that is cut off or damaged ({}); download or save it again"
    kind = "an HDF5 file"
    try:
        with open(path, "rb") as file:
            if file.read(len(_ZIP_SIGNATURE)) == _ZIP_SIGNATURE:
                kind = "a ZIP archive"
        content, config = _unpacked(path)
        kind = "an HDF5 file"
        with open_hdf5(content) as file:
            return _tensors(file, model, config, byte_limit(path))
    except UnreadableError as error:
        raise WeightFileError(f"{function}: {error}.") from None
    except (zipfile.BadZipFile, zlib.error, *DAMAGED) as error:
        raise WeightFileError(f"{function}: {kind} {cut_off.format(error)}.") from error


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
        config = None
        if _CONFIG_MEMBER in members:
            text = _unpack(archive, _CONFIG_MEMBER, _MAX_CONFIG_BYTES)
            config = json.loads(text.getvalue())
        return _unpack(archive, _WEIGHTS_MEMBER, byte_limit(path)), config


def _unpack(archive: zipfile.ZipFile, member: str, limit: int) -> io.BytesIO:
    """Returns a file of an archive; one above the limit of bytes is refused."""
    size = archive.getinfo(member).file_size
    if size > limit:
        raise UnreadableError(
            f"a ZIP archive whose {member} is {size:,} bytes unpacked, more than "
            f"{limit:,}: no trained weights. Download it again, from a source you trust"
        )
    content = io.BytesIO()
    with archive.open(member) as packed:
        # In parts: what is packed may be more than the archive says.
        while part := packed.read(_CHUNK_BYTES):
            content.write(part)
    content.seek(0)
    return content


def _foreign(head: bytes) -> str:
    begin = f"it begins with {head[:24]!r}"
    if is_web_page(head):
        return f"not HDF5 but a web page ({begin}); download the file itself"
    for pattern, what, remedy in _FOREIGN:
        if re.match(pattern, head, re.IGNORECASE):
            return f"not HDF5 but {what} ({begin}); {remedy}"
    return f"not HDF5 ({begin}); pass a weight file of Keras"


def _tensors(
    file: h5py.File, model: keras.Model | None, config: dict | None, limit: int
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
    datasets: dict[str, h5py.Dataset] = {}
    for name, dataset in entries:
        if name in datasets:
            raise UnreadableError(
                f"two tensors in it are called {name}; give the layers of the model it "
                "was written from different names"
            )
        if not isinstance(dataset, h5py.Dataset):
            raise KeyError(f"{name} is no tensor")
        check_type(name, dataset)
        datasets[name] = dataset
    shapes = {
        f"{layer.name}/{weight.name}": tuple(weight.shape)
        for _, layer in (() if model is None else leaf_layers(model))
        for weight in parameters(layer)
    }
    unread = {
        name
        for name in shapes.keys() & datasets.keys() - set(_FIRST_KERNELS)
        if shapes[name] != datasets[name].shape
    }
    to_read = {name: datasets[name] for name in datasets if name not in unread}
    # All of them are looked at before the first is read.
    check_sizes(to_read.items(), limit, shapes)
    return {
        name: np.broadcast_to(np.float32(0), dataset.shape)
        if name in unread
        else read_tensor(name, dataset)
        for name, dataset in datasets.items()
    }
