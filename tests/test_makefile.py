"""`make venv` looks at the interpreter first, and the demos are commands that exist."""

from __future__ import annotations

import os
import shlex
import shutil
import subprocess
import sys

import pytest

from mrcnn.cli.main import make_parser
from mrcnn.engine.weights.bundled import is_example
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


def make(*arguments):
    # `make test` hands its own arguments down.
    env = {name: os.environ[name] for name in os.environ if "MAKE" not in name}
    return subprocess.run(
        ["make", *arguments],
        cwd=ROOT,
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
    )


def make_venv(folder, python):
    return make("venv", f"PYTHON={python}", f"VENV={folder / 'venv'}")


def recipe(target, folder):
    """The last command of a target, without its program, as it would be called."""
    result = make("-n", target, f"VENV={folder / 'venv'}")
    assert result.returncode == 0, result.stderr
    return shlex.split(result.stdout.splitlines()[-1])


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


def test_the_demo_detects_in_the_images_of_the_package(tmp_path):
    program, *argv = recipe("demo", tmp_path)
    assert program == str(tmp_path / "venv" / "bin" / "mrcnn")
    args = make_parser().parse_args(argv)
    assert (args.command, args.weights, str(args.output)) == (
        *("detect", "nucleus", "demo"),
    )
    (folder,) = args.inputs
    images = sorted((ROOT / folder).glob("*.png"))
    assert len(images) == 4 and all(map(is_example, images))
    assert "/demo/" in (ROOT / ".gitignore").read_text().splitlines()


def test_the_training_demo_is_that_of_the_shapes(tmp_path):
    _, script, *argv = recipe("demo-train", tmp_path)
    assert (ROOT / script).is_file() and argv == ["demo"]
    assert "shapes" in script


def test_help_names_every_target_in_aligned_columns():
    lines = make("help").stdout.splitlines()
    targets = [line.split()[1] for line in lines]
    known = {"help", "venv", "demo", "demo-train", "test", "lint", "fuzz"}
    assert known <= set(targets)
    starts = {line.index(line.split(maxsplit=2)[2]) for line in lines}
    assert len(starts) == 1


def test_the_fuzzer_takes_another_seed(tmp_path):
    program, *argv = recipe("fuzz", tmp_path)
    assert program == str(tmp_path / "venv" / "bin" / "python")
    assert argv == ["-m", "tests.fuzz", "--cases", "10000", "--first", "0"]
    lines = make("-n", "fuzz", f"VENV={tmp_path / 'venv'}", "SEED=7").stdout
    assert lines.splitlines()[-1].endswith("--first 7")
