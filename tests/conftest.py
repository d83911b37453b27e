"""What every test gets: quiet TensorFlow, one seed, the folder of shared data."""

from __future__ import annotations

import importlib.util
import os
import sys
from pathlib import Path

import pytest
from hypothesis import settings

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "2")
os.environ.setdefault("MPLBACKEND", "Agg")

ROOT = Path(__file__).resolve().parents[1]

# The first call of a tensor twin traces or compiles: no deadline. Derandomized, so
# that a failure on one machine is a failure on all.
settings.register_profile("mrcnn", deadline=None, derandomize=True, max_examples=50)
settings.load_profile("mrcnn")


def load_script(path):
    """The module in a file outside of any package, such as a sample or a benchmark."""
    spec = importlib.util.spec_from_file_location(f"script_{path.stem}", path)
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


@pytest.fixture(scope="session")
def shared() -> Path:
    """The folder with real data and outputs of the old package, or a skip."""
    folder = Path(os.environ.get("MRCNN_SHARED", ROOT.parent / "shared"))
    if not (folder / "data").is_dir():
        pytest.skip(
            f"no shared data at {folder}: set MRCNN_SHARED to the folder that holds "
            "data/ and parity/"
        )
    return folder


@pytest.fixture(autouse=True)
def _seed():
    """Seeds Python, NumPy and TensorFlow, without importing Keras for those without."""
    if "keras" in sys.modules:
        sys.modules["keras"].utils.set_random_seed(0)
