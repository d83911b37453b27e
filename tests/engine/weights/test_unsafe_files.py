"""Weight files that read other files, unpack to gigabytes, or are not what was written.

What is refused leaves the model as it was; memory is measured in a process of its own.
"""

from __future__ import annotations

import hashlib
import shutil
import subprocess
import sys
import zipfile
import zlib

import h5py
import keras
import numpy as np
import pytest

from mrcnn.engine.weights import optimizer_state
from mrcnn.engine.weights.model_weights import save_weights
from mrcnn.engine.weights.weight_files import WeightFileError, read_weights
from mrcnn.engine.weights.weight_loading import load_file
from tests.conftest import ROOT
from tests.engine.tiny import assert_same_weights, weights_of
from tests.engine.weight_models import fill, make_model, save, values_of

# In the file of the fixture: float32 [16].
TENSOR = "fpn_p2/fpn_p2/bias:0"


@pytest.fixture(scope="module")
def model():
    """A model of the same structure with other weights; no test changes it."""
    return fill(make_model(), seed=1)


def assert_refused(model, path, *parts):
    before = weights_of(model)
    with pytest.raises(WeightFileError) as error:
        load_file(model, path)
    assert_same_weights(before, weights_of(model))
    for part in (f"load_weights(filepath={str(path)!r})", *parts):
        assert part in str(error.value)


def from_outside(how, secret):
    """Returns what puts the numbers of another file into an open HDF5 file."""

    def external(file, name):
        storage = [(str(secret), 0, 64)]
        file.create_dataset(name, (16,), "<f4", external=storage)

    def virtual(file, name):
        layout = h5py.VirtualLayout((16,), "<f4")
        layout[:] = h5py.VirtualSource(secret, "x", (16,))
        file.create_virtual_dataset(name, layout)

    def link(file, name):
        file[name] = h5py.ExternalLink(str(secret), "x")

    def link_to_link(file, name):
        file["elsewhere"] = h5py.ExternalLink(str(secret), "/")
        file[name] = h5py.SoftLink("/elsewhere/x")

    def link_in_a_circle(file, name):
        file["one/two/one"] = file["/"]
        link(file, name)

    return locals()[how]


OUTSIDE = ["external", "virtual", "link", "link_to_link", "link_in_a_circle"]


@pytest.fixture
def secret(tmp_path):
    with h5py.File(tmp_path / "secret.h5", "w") as file:
        file["x"] = np.full(16, 42, "<f4")
    return tmp_path / "secret.h5"


@pytest.mark.parametrize("how", OUTSIDE)
def test_numbers_from_other_files_are_refused(file, model, tmp_path, secret, how):
    path = shutil.copy(file, tmp_path / "w.h5")
    with h5py.File(path, "a") as opened:
        del opened[TENSOR]
        from_outside(how, secret)(opened, TENSOR)
    assert_refused(model, path, "is not in the file", "secret.h5", "source you trust")


def test_a_whole_group_in_another_file_is_refused(model, tmp_path, secret):
    with h5py.File(tmp_path / "w.h5", "w") as opened:
        opened["model_weights"] = h5py.ExternalLink(str(secret), "/")
    assert_refused(model, tmp_path / "w.h5", "/model_weights in it", "secret.h5")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
@pytest.mark.parametrize("how", OUTSIDE)
def test_files_of_keras_3_may_not_read_others_either(
    source, model, tmp_path, secret, ending, how
):
    path = save(source, tmp_path / f"w{ending}")
    inner = path
    if ending == ".keras":
        with zipfile.ZipFile(path) as archive:
            archive.extractall(tmp_path / "inside")
        inner = tmp_path / "inside" / "model.weights.h5"
    with h5py.File(inner, "a") as opened:
        names = []
        opened.visit(lambda name: names.append(name) if "vars/0" in name else None)
        name = names[0]
        del opened[name]
        from_outside(how, secret)(opened, name)
    if ending == ".keras":
        with zipfile.ZipFile(path, "w") as archive:
            for part in (tmp_path / "inside").iterdir():
                archive.write(part, part.name)
    assert_refused(model, path, "is not in the file", "secret.h5")


def test_the_state_of_an_optimizer_is_not_read_from_other_files(tmp_path, secret):
    model = keras.Sequential([keras.Input([2]), keras.layers.Dense(1)])
    model.compile(optimizer="sgd")
    with h5py.File(tmp_path / "w.weights.h5", "w") as opened:
        opened["optimizer"] = h5py.ExternalLink(str(secret), "/")
    with pytest.warns(UserWarning, match="damaged.*/optimizer in it is not in the"):
        optimizer_state.restore(model, tmp_path / "w.weights.h5")


def test_names_for_what_is_in_the_file_are_no_harm(file, model, tmp_path):
    path = shutil.copy(file, tmp_path / "w.h5")
    with h5py.File(path, "a") as opened:
        opened.move(TENSOR, "kept")
        opened[TENSOR] = h5py.SoftLink("/kept")
    np.testing.assert_array_equal(
        read_weights(path)["fpn_p2/bias"], read_weights(file)["fpn_p2/bias"]
    )


# Each makes a file of some MB, or less, that unpacks to 1.6 GB.
ZEROS = 1_600_000_000


def zip_of_zeros(path, size=ZEROS):
    packed = {"compression": zipfile.ZIP_DEFLATED, "compresslevel": 1}
    with zipfile.ZipFile(path, "w", **packed) as archive:
        with archive.open("model.weights.h5", "w") as member:
            for _ in range(size // 10**7):
                member.write(bytes(10**7))


def zip_that_lies(path):
    """The size that the archive says is a hundredth."""
    zip_of_zeros(path, ZEROS // 4)
    content = path.read_bytes()
    size, told = (n.to_bytes(4, "little") for n in (ZEROS // 4, ZEROS // 400))
    path.write_bytes(content.replace(size, told))


def config_of_zeros(path):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("model.weights.h5", b"")
        with archive.open("config.json", "w") as member:
            for _ in range(10):
                member.write(bytes(10**7))


def old_layout(path, name="conv1", key="kernel", **dataset):
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([name], "S")
        group = file.create_group(name)
        group.attrs["weight_names"] = np.array([f"{name}/{key}:0"], "S")
        group.create_dataset(f"{name}/{key}:0", **dataset)


def packed_zeros(path):
    old_layout(path, shape=(ZEROS // 4,), dtype="<f4", chunks=(10**6,), **PACKED)


PACKED = {"compression": "gzip", "fillvalue": 0}


def zeros_that_were_never_written(path):
    old_layout(path, shape=(ZEROS // 4,), dtype="<f4")


def large_chunk(path):
    """16 numbers, for which a chunk of 1.6 GB would be unpacked."""
    shape = {"shape": (16,), "maxshape": (None,), "chunks": (ZEROS // 4,)}
    old_layout(path, "fpn_p2", "bias", dtype="<f4", **shape, **PACKED)


def long_type(path):
    """One number, made of many."""
    old_layout(path, shape=(1,), dtype=np.dtype(("<f4", (ZEROS // 4,))))


def chunk_that_lies(path):
    """What is packed for one chunk of 40 KB is 1.6 GB."""
    old_layout(path, shape=(10**4,), dtype="<f4", chunks=(10**4,), **PACKED)
    packer = zlib.compressobj(1)
    parts = [packer.compress(bytes(10**7)) for _ in range(ZEROS // 10**7)]
    with h5py.File(path, "a") as file:
        content = b"".join([*parts, packer.flush()])
        file["conv1/conv1/kernel:0"].id.write_direct_chunk((0,), content)


def first_kernel(path):
    old_layout(path, shape=(10**4, 10**4, 1, 4), dtype="<f4", chunks=True, **PACKED)


BOMBS = [
    zip_of_zeros,
    zip_that_lies,
    config_of_zeros,
    packed_zeros,
    zeros_that_were_never_written,
    large_chunk,
    long_type,
    chunk_that_lies,
    first_kernel,
]

MEASURE = """
import resource, sys
from mrcnn.engine.weights.weight_files import WeightFileError, read_weights
from tests.engine.weight_models import make_model

def peak():
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # KB on Linux

model = make_model()
before = peak()
for path in sys.argv[1:]:
    for given in (None, model):
        try:
            tensors = read_weights(path, given)
        except WeightFileError as error:
            print(error, file=sys.stderr)
        else:
            # Of another shape than the model's: it is known, and not read.
            assert given is not None and all(not t.any() for t in tensors.values())
print(peak() - before)
"""


@pytest.mark.skipif(sys.platform != "linux", reason="measures as Linux does")
def test_files_of_zeros_take_little_memory(tmp_path):
    paths = []
    for make in BOMBS:
        ending = ".keras" if "zip" in make.__name__ or "config" in make.__name__ else ""
        path = tmp_path / f"{make.__name__}{ending or '.h5'}"
        make(path)
        assert path.stat().st_size < 16e6
        paths.append(path)
    done = subprocess.run(
        [sys.executable, "-c", MEASURE, *paths],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=250,
    )
    assert done.returncode == 0, done.stderr[-3000:]
    assert int(done.stdout.split()[-1]) < 100_000  # KB
    for path in paths:
        assert path.name in done.stderr  # refused, without a model at least


def test_what_the_model_has_room_for_is_read_however_it_is_packed(tmp_path):
    model = keras.Sequential([keras.Input([4000]), keras.layers.Dense(5000, name="d")])
    with h5py.File(tmp_path / "w.h5", "w") as file:
        file.attrs["layer_names"] = np.array(["d"], "S")
        group = file.create_group("d")
        group.attrs["weight_names"] = np.array(["d/kernel:0", "d/bias:0"], "S")
        kernel = np.zeros((4000, 5000), np.float32)
        kernel[0, 0] = 3
        group.create_dataset("d/kernel:0", data=kernel, compression="gzip")
        group["d/bias:0"] = np.ones(5000, np.float32)
    load_file(model, tmp_path / "w.h5")
    assert values_of(model)["d/kernel"][0, 0] == 3
    with pytest.raises(WeightFileError, match="MB unpacked"):
        read_weights(tmp_path / "w.h5")


# What we write has a checksum.


@pytest.mark.parametrize(
    ("packing", "is_read"),
    [
        ({"compression": "gzip", "shuffle": True, "fletcher32": True}, True),
        ({"shuffle": True, "fletcher32": True}, True),
        ({"compression": "lzf"}, False),
    ],
)
def test_tensors_may_be_packed_by_gzip(tmp_path, packing, is_read):
    path, values = tmp_path / "w.h5", np.arange(30, dtype=np.float32)
    old_layout(path, data=values, chunks=(16,), **packing)
    if is_read:
        np.testing.assert_array_equal(read_weights(path)["conv1/kernel"], values)
        return
    with pytest.raises(WeightFileError, match="packed otherwise than by gzip; save"):
        read_weights(path)


def place_of(path, name):
    with h5py.File(path) as file:
        return file[name].id.get_offset()


@pytest.mark.parametrize("change", ["bit", "zeros"])
def test_numbers_that_are_not_what_was_written_are_refused(
    file, model, tmp_path, change
):
    content = bytearray(file.read_bytes())
    place = place_of(file, TENSOR)
    content[place : place + 64] = (
        bytes(64) if change == "zeros" else bytes([content[place] ^ 1, *content[1:64]])
    )
    path = tmp_path / "w.h5"
    path.write_bytes(content)
    told = ("fpn_p2/bias in it is not what was written", "an earlier checkpoint")
    assert_refused(model, path, *told)


def test_files_without_checksums_and_converted_ones_load(file, tmp_path):
    old = shutil.copy(file, tmp_path / "old.h5")
    with h5py.File(old, "a") as opened:
        del opened[TENSOR].attrs["checksum"]
        opened[TENSOR][0] = 7
    assert read_weights(old)["fpn_p2/bias"][0] == 7
    half = shutil.copy(file, tmp_path / "half.h5")
    with h5py.File(half, "a") as opened:
        values, attributes = opened[TENSOR][()], dict(opened[TENSOR].attrs)
        del opened[TENSOR]
        opened[TENSOR] = values.astype(np.float16)
        opened[TENSOR].attrs.update(attributes)
    assert read_weights(half)["fpn_p2/bias"].dtype == np.float16


def test_a_file_is_the_same_each_time(source, file, tmp_path):
    save_weights(source, tmp_path / "again.h5")
    digests = {hashlib.sha256(p.read_bytes()).digest() for p in tmp_path.iterdir()}
    assert digests == {hashlib.sha256(file.read_bytes()).digest()}


def test_a_disk_that_is_full_is_an_error_with_the_file(source, tmp_path, monkeypatch):
    def full(*args, **kwargs):
        raise OSError(28, "No space left on device")

    path = tmp_path / "w.h5"
    path.write_bytes(b"old")
    monkeypatch.setattr(h5py.Group, "__setitem__", full)
    with pytest.raises(
        OSError, match=r"save_weights\(.*No space left.*written before are whole"
    ):
        save_weights(source, path)
    assert [p.name for p in tmp_path.iterdir()] == ["w.h5"]
    assert path.read_bytes() == b"old"
