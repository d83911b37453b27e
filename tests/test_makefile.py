"""`make venv` looks at the interpreter before it makes anything."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys

import pytest

from tests.conftest import ROOT

pytestmark = pytest.mark.skipif(shutil.which("make") is None, reason="needs make")

# Answers as a Python of the version would; `-m venv` only says that it was called.
INTERPRETER = """#!/bin/sh
case "$1" in
--version) echo "Python {version}.1" ;;
-m) echo "called venv" ;;
-c) {python} -c "import sys; sys.version_info = ({numbers}, 1); $2" ;;
esac
"""


def make_venv(folder, python):
    command = ["make", "venv", f"PYTHON={python}", f"VENV={folder / 'venv'}"]
    # `make test` hands its own arguments down.
    env = {name: os.environ[name] for name in os.environ if "MAKE" not in name}
    return subprocess.run(
        command, cwd=ROOT, env=env, capture_output=True, text=True, timeout=60
    )


def interpreter(folder, version):
    python = folder / "python"
    numbers = version.replace(".", ", ")
    python.write_text(
        INTERPRETER.format(version=version, numbers=numbers, python=sys.executable)
    )
    python.chmod(0o755)
    return python


@pytest.mark.parametrize("version", ["3.9", "3.14", "2.7"])
def test_other_versions_are_refused_in_one_line(tmp_path, version):
    result = make_venv(tmp_path, interpreter(tmp_path, version))
    assert result.returncode != 0
    assert "called venv" not in result.stdout
    line, *rest = result.stderr.splitlines()
    assert f"is Python {version}.1" in line and "3.10 to 3.13" in line
    assert "PYTHON=python3.12" in line
    assert len(rest) == 1 and rest[0].startswith("make")


@pytest.mark.parametrize("version", ["3.10", "3.13"])
def test_versions_that_setup_names_make_the_environment(tmp_path, version):
    assert "called venv" in make_venv(tmp_path, interpreter(tmp_path, version)).stdout


def test_a_missing_interpreter_is_refused(tmp_path):
    result = make_venv(tmp_path, "no-such-python")
    assert result.returncode != 0 and "PYTHON=python3.12" in result.stderr
