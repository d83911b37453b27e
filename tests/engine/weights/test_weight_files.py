from __future__ import annotations

import lzma
import pickle
import shutil
import zipfile

import h5py
import keras
import numpy as np
import pytest

from mrcnn.engine.weights.weight_files import read_weights
from mrcnn.engine.weights.weight_loading import load_file
from tests.engine.tiny import assert_same_weights, weights_of
from tests.engine.weight_models import fill, make_model, save


@pytest.fixture(scope="module")
def model():
    """A model of the same structure with other weights; no test changes it."""
    return fill(make_model(), seed=1)


def assert_refused(model, path, *parts):
    before = weights_of(model)
    with pytest.raises(ValueError) as error:
        load_file(model, path)
    assert_same_weights(before, weights_of(model))
    for part in (f"load_weights(filepath={str(path)!r})", *parts):
        assert part in str(error.value)


@pytest.mark.parametrize("tenth", range(10))
def test_a_truncated_file_is_an_error_and_changes_nothing(file, model, tmp_path, tenth):
    whole = file.read_bytes()
    # The first byte, nine tenths, all but the last byte.
    end = (
        [1, len(whole) - 1][tenth // 9] if tenth in (0, 9) else len(whole) * tenth // 10
    )
    (tmp_path / "part.h5").write_bytes(whole[:end])
    assert_refused(model, tmp_path / "part.h5", "cut off", "download or save it again")


@pytest.mark.parametrize("ending", [".weights.h5", ".keras"])
def test_truncated_files_of_keras_3_are_an_error(source, model, tmp_path, ending):
    whole = save(source, tmp_path / f"w{ending}").read_bytes()
    for part in (0.2, 0.9):
        (tmp_path / f"part{ending}").write_bytes(whole[: int(part * len(whole))])
        assert_refused(model, tmp_path / f"part{ending}", "cut off")


FOREIGN = {
    "empty": (b"", "the file is empty"),
    "page": (b"\n<!DOCTYPE html><html><body>404</body></html>", "a web page"),
    "bare page": (b"<HTML>Sign in</HTML>", "a web page"),
    "lfs": (
        b"version https://git-lfs.github.com/spec/v1\noid sha256:4d7a\nsize 257\n",
        "git lfs pull",
    ),
    "pickle": (pickle.dumps({"model": [1.0]}), "a Python pickle"),
    "xz": (lzma.compress(b"weights"), "packed by xz"),
    "gzip": (b"\x1f\x8b\x08\x00rest", "packed by gzip"),
    "json": (b'{"class_name": "Functional"}', "JSON"),
    "noise": (b"Not Found", "begins with b'Not Found'"),
}


@pytest.mark.parametrize(("content", "told"), FOREIGN.values(), ids=FOREIGN)
def test_foreign_files_are_an_error_that_says_what_they_are(
    model, tmp_path, content, told
):
    (tmp_path / "mask_rcnn_coco.h5").write_bytes(content)
    assert_refused(model, tmp_path / "mask_rcnn_coco.h5", told)


def test_archives_without_weights_are_an_error_that_lists_them(model, tmp_path):
    with zipfile.ZipFile(tmp_path / "w.h5", "w") as archive:
        archive.writestr("archive/data.pkl", b"torch")
    told = ("without model.weights.h5", "archive/data.pkl")
    assert_refused(model, tmp_path / "w.h5", *told)


def test_hdf5_without_weights_is_an_error_that_says_what_it_holds(model, tmp_path):
    with h5py.File(tmp_path / "data.h5", "w") as opened:
        opened["measurements"] = np.zeros(3)
    told = ("no weight file of Keras", "measurements")
    assert_refused(model, tmp_path / "data.h5", *told)


def test_the_training_state_is_not_taken_for_the_checkpoint(model, tmp_path):
    with h5py.File(tmp_path / "training_state_0001.h5", "w") as opened:
        opened.attrs["epoch"], opened.attrs["optimizer"] = 1, "SGD"
    assert_refused(
        model, tmp_path / "training_state_0001.h5", "pass the mask_rcnn_*.h5"
    )


def test_no_file_and_a_folder_are_told_apart(model, tmp_path):
    with pytest.raises(FileNotFoundError, match="absent.h5.*no such file"):
        load_file(model, tmp_path / "absent.h5")
    with pytest.raises(FileNotFoundError, match="this is a folder"):
        load_file(model, tmp_path)


def spoil(file, path, edit):
    shutil.copy(file, path)
    with h5py.File(path, "a") as opened:
        edit(opened)
    return path


def test_a_listed_tensor_that_is_not_there_is_an_error(file, model, tmp_path):
    def remove(opened):
        del opened["fpn_p2/fpn_p2/bias:0"]

    path = spoil(file, tmp_path / "w.h5", remove)
    told = ("cut off or damaged", "fpn_p2/fpn_p2/bias:0 is listed and not there")
    assert_refused(model, path, *told)


def test_tensors_of_one_name_are_an_error(file, model, tmp_path):
    def repeat(opened):
        group = opened.create_group("elsewhere")
        for name in ("conv1/kernel:0", "fpn_p2/bias:0"):
            group[name] = np.zeros(3)
        group.attrs["weight_names"] = [b"conv1/kernel:0", b"fpn_p2/bias:0"]
        names = [*opened.attrs["layer_names"], b"elsewhere"]
        opened.attrs["layer_names"] = np.array(names, "S")

    path = spoil(file, tmp_path / "w.h5", repeat)
    assert_refused(model, path, "two tensors in it are called conv1/kernel")


def test_text_in_place_of_numbers_is_an_error(file, model, tmp_path):
    def write_text(opened):
        del opened["fpn_p2/fpn_p2/bias:0"]
        opened["fpn_p2/fpn_p2/bias:0"] = "sixteen numbers"

    path = spoil(file, tmp_path / "w.h5", write_text)
    assert_refused(model, path, "fpn_p2/bias in it holds object, not numbers")


def test_a_number_in_place_of_a_bias_is_told_with_both_shapes(file, model, tmp_path):
    def write_number(opened):
        name = "mrcnn_class_logits/mrcnn_class_logits/bias:0"
        del opened[name]
        opened[name] = 3.0

    path = spoil(file, tmp_path / "w.h5", write_number)
    assert_refused(model, path, "mrcnn_class_logits/bias is () in the file, (3,) in")


@pytest.mark.parametrize("ending", [".weights.h5", ".h5"])
def test_single_damaged_bytes_are_refused_or_harmless(source, file, tmp_path, ending):
    path = tmp_path / f"w{ending}"
    shutil.copy(file, path) if ending == ".h5" else save(source, path)
    whole = path.read_bytes()
    rng = np.random.default_rng(2)
    refused = 0
    for place in rng.integers(0, 20_000, 20):  # where the structure is
        damaged = bytearray(whole)
        damaged[place] ^= 0xFF
        path.write_bytes(damaged)
        try:
            read_weights(path)
        except ValueError as error:
            assert f"load_weights(filepath={str(path)!r}): " in str(error)
            refused += 1
    assert refused


def test_a_name_of_an_unknown_encoding_is_an_error(source, model, tmp_path):
    # Of such a byte (the character set in the type of a text) h5py makes a TypeError.
    whole = save(source, tmp_path / "w.weights.h5").read_bytes()
    damaged = whole.replace(b"\x19\x01\x01\x00", b"\x19\x01\xed\x00")
    (tmp_path / "w.weights.h5").write_bytes(damaged)
    assert_refused(model, tmp_path / "w.weights.h5", "cut off or damaged", "encoding")


def test_a_store_of_texts_without_an_end_is_refused(source, model, tmp_path):
    # The HDF5 library goes round in it for ever.
    path = save(source, tmp_path / "w.weights.h5")
    data = bytearray(path.read_bytes())
    start = data.index(b"GCOL")
    data[start + 16 : start + 32] = bytes(16)
    path.write_bytes(data)
    assert_refused(model, path, "a store of texts without an end")


def test_parts_of_split_weights_are_an_error(source, model, tmp_path):
    keras.Model.save_weights(source, tmp_path / "s.weights.json", max_shard_size=0.0004)
    parts = sorted(tmp_path.glob("s_*.weights.h5"))
    assert len(parts) > 1
    for part in parts:
        assert_refused(model, part, "")


def test_rotated_kernels_are_an_error(file, model, tmp_path):
    def from_theano(opened):
        opened.attrs["backend"] = np.bytes_("theano")

    path = spoil(file, tmp_path / "w.h5", from_theano)
    assert_refused(model, path, "written with Theano", "convert it")
