"""The step from a checkpoint to the file that comes with the package."""

from __future__ import annotations

import importlib
import sys

import h5py
import numpy as np
import pytest

from mrcnn.engine.weights.run_config import read_run_config, restore_config
from mrcnn.viz.history import append_epoch
from tests.samples.conftest import SAMPLES


@pytest.fixture(scope="module")
def export():
    names = ("export_bundled", "train_bundled", "nucleus", "stains")
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(SAMPLES / "nucleus")
        for name in names:
            patch.delitem(sys.modules, name, raising=False)
        yield importlib.import_module("export_bundled")
        for name in names:
            sys.modules.pop(name, None)


def write_checkpoint(folder, epoch, kernel, bias=(0.5, 0.0)):
    """A file in the layout of save_weights: one layer."""
    folder.mkdir(exist_ok=True)
    path = folder / f"mask_rcnn_nucleus_{epoch:04d}.h5"
    with h5py.File(path, "w") as file:
        file.attrs["layer_names"] = np.array([b"conv1"])
        group = file.create_group("conv1")
        group.attrs["weight_names"] = np.array([b"conv1/kernel:0", b"conv1/bias:0"])
        group["conv1/kernel:0"] = np.asarray(kernel, np.float32)
        group["conv1/bias:0"] = np.asarray(bias, np.float32)
    append_epoch(folder, epoch, {"loss": 2.0 / epoch, "val_loss": 2.5 / epoch})
    return path


@pytest.fixture
def kernel():
    return np.random.default_rng(0).normal(0, 0.05, (3, 3, 3, 8)).astype(np.float32)


def run(export, checkpoint, folder):
    notes = folder / "notes"
    notes.mkdir(exist_ok=True)
    argv = [checkpoint, "--output", folder / "out", "--notes", notes]
    return export.main([str(arg) for arg in argv])


def test_the_newest_checkpoint_becomes_what_load_weights_reads(
    export, tmp_path, kernel, capsys
):
    from mrcnn.engine.weights.weight_files import read_weights

    write_checkpoint(tmp_path / "run", 1, kernel * 2)
    write_checkpoint(tmp_path / "run", 2, kernel)
    assert run(export, tmp_path / "run", tmp_path) == 0
    tensors = read_weights(tmp_path / "out" / "nucleus.h5")
    assert list(tensors) == ["conv1/kernel", "conv1/bias"]
    assert {value.dtype for value in tensors.values()} == {np.dtype(np.float16)}
    np.testing.assert_allclose(tensors["conv1/kernel"], kernel, rtol=5e-4, atol=1e-7)
    assert tensors["conv1/bias"].tolist() == [0.5, 0.0]
    change = np.linalg.norm(tensors["conv1/kernel"] - kernel) / np.linalg.norm(kernel)
    assert f"by {change:.2g} of its norm" in capsys.readouterr().out


def test_newest_means_the_highest_epoch(export, tmp_path, kernel, capsys):
    last = export.BundledNucleusInferenceConfig.EPOCHS
    for epoch in (last, last - 1):  # in this order
        write_checkpoint(tmp_path / "run", epoch, kernel * epoch)
    (tmp_path / "run" / "mask_rcnn_nucleus_best.h5").write_bytes(b"chosen by val")
    assert run(export, tmp_path / "run", tmp_path) == 0
    out, err = capsys.readouterr()
    assert f"epoch {last} of {last}" in out and f"_{last:04d}.h5" in out
    assert err == ""


@pytest.mark.parametrize(
    ("name", "said"),
    [("mask_rcnn_nucleus_0007.h5", "epoch 7 of"), ("other.h5", "unknown epoch")],
)
def test_a_checkpoint_before_the_last_is_warned_of(
    export, tmp_path, kernel, capsys, name, said
):
    path = write_checkpoint(tmp_path / "run", 7, kernel)
    assert run(export, path.rename(path.with_name(name)), tmp_path) == 0
    out, err = capsys.readouterr()
    assert said in out and said in err and "the package takes the last one" in err


def test_a_run_with_nothing_but_the_best_has_no_checkpoint(export, tmp_path, capsys):
    (tmp_path / "run").mkdir()
    (tmp_path / "run" / "mask_rcnn_nucleus_best.h5").touch()
    with pytest.raises(SystemExit):
        run(export, tmp_path / "run", tmp_path)
    assert "no checkpoint" in capsys.readouterr().err


def test_config_history_and_curves_are_kept(export, tmp_path, kernel):
    path = write_checkpoint(tmp_path / "run", 1, kernel)
    run(export, path, tmp_path)
    stored = read_run_config(tmp_path / "out" / "nucleus.h5")
    assert stored.class_names == ["BG", "nucleus"]
    config = restore_config(stored)
    assert (config.IMAGE_RESIZE_MODE, config.BATCH_SIZE) == ("pad64", 1)
    notes = tmp_path / "notes"
    history = (tmp_path / "run" / "history.jsonl").read_text()
    assert (notes / "history.jsonl").read_text() == history
    assert (notes / "training.png").stat().st_size > 0


@pytest.mark.parametrize(
    ("factor", "limit", "said"),
    [
        (1e7, 12e6, "don't fit float16"),
        (1e-5, 12e6, "too small"),
        (1, 100, "more than 0.0001 MB"),
    ],
)
def test_what_float16_or_the_package_cannot_hold_is_refused_and_nothing_left(
    export, tmp_path, kernel, monkeypatch, capsys, factor, limit, said
):
    monkeypatch.setattr(export, "MAX_BYTES", limit)
    path = write_checkpoint(tmp_path / "run", 1, kernel * factor)
    with pytest.raises(SystemExit):
        run(export, path, tmp_path)
    assert said in capsys.readouterr().err
    assert not list((tmp_path / "out").iterdir())
    assert not list((tmp_path / "notes").iterdir())


def test_a_tensor_of_zeros_is_none_of_the_faults(export):
    half, change = export.halved("bias", np.zeros(3, np.float32))
    assert change == 0 and not half.any()


@pytest.mark.parametrize("name", ["nowhere", "run"])
def test_a_missing_checkpoint_is_named(export, tmp_path, capsys, name):
    (tmp_path / "run").mkdir()
    with pytest.raises(SystemExit):
        run(export, tmp_path / name, tmp_path)
    assert f"{tmp_path / name}" in capsys.readouterr().err
