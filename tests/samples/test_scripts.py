"""What holds for every sample script, and for the files beside them."""

from __future__ import annotations

import ast
import os
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for path in (ROOT / "samples").glob("*/*.py") if path.stem != "__init__"]
# Public modules, and sub-packages that hand their names on.
PUBLIC = {"config", "model", "utils", "visualize", "pretrained"}
PUBLIC = {f"mrcnn.{name}" for name in PUBLIC | {"data", "evaluation", "engine"}}
SCRIPTS = [path for path in FILES if '"__main__"' in path.read_text(encoding="utf-8")]


@pytest.mark.parametrize("path", SCRIPTS, ids=lambda path: path.stem)
def test_script_runs_from_anywhere_and_without_tensorflow_so_far(path, tmp_path):
    # A module that raises when it is imported stands in for TensorFlow.
    (tmp_path / "tensorflow.py").write_text("raise RuntimeError('too early')")
    folders = [str(tmp_path), str(ROOT)]
    result = subprocess.run(
        [sys.executable, str(path), "--help"],
        cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(folders)},
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert "train" in result.stdout


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_imports_what_users_may_import(path):
    modules = set()
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.ImportFrom) and node.module == "mrcnn":
            modules |= {f"mrcnn.{alias.name}" for alias in node.names}
        elif isinstance(node, ast.ImportFrom):
            modules.add(node.module)
        elif isinstance(node, ast.Import):
            modules |= {alias.name for alias in node.names}
    inner = {name for name in modules if name.startswith("mrcnn.")}
    assert inner - PUBLIC == set()


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_file_stays_short(path):
    assert len(path.read_text(encoding="utf-8").splitlines()) < 300
