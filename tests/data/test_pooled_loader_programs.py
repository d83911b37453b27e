"""Programs with a loader end, whatever its workers do."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tests.data.tiny import LOADER_KINDS, wait_until

ROOT = Path(__file__).resolve().parents[2]


def run(code, **kwargs):
    """Runs a script as a user would; it must end by itself."""
    return subprocess.run(
        [sys.executable, "-c", textwrap.dedent(code)],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=30,
        **kwargs,
    )


@pytest.mark.parametrize("kind", ["one thread", "three threads", "two processes"])
@pytest.mark.parametrize("dataset", ["BrokenMaskDataset", "StuckDataset"])
def test_interpreter_ends_after_an_error(kind, dataset):
    timeout = 1 if dataset == "StuckDataset" else 20
    result = run(
        f"""
        from mrcnn.data.generator import DataGenerator
        from mrcnn.data.pooled_loader import PooledLoader
        from tests.data import tiny

        generator = DataGenerator(
            tiny.{dataset}(), tiny.TinyConfig(), shuffle=False
        )
        loader = PooledLoader(generator, timeout={timeout}, **{LOADER_KINDS[kind]!r})
        for index in range(4):
            loader.get(0, index)  # never closed
        """
    )
    error = "LookupError" if dataset == "BrokenMaskDataset" else "TimeoutError"
    assert result.returncode == 1
    assert result.stderr.strip().splitlines()[-1].startswith(error), result.stderr


@pytest.mark.parametrize("kind", ["one thread", "two processes"])
@pytest.mark.parametrize(
    ("ending", "code"),
    [("sys.exit(3)", 3), ("os.kill(os.getpid(), signal.SIGINT)", -signal.SIGINT)],
)
def test_program_ends_while_workers_hang(kind, ending, code):
    result = run(
        f"""
        import os, signal, sys
        from mrcnn.data.generator import DataGenerator
        from mrcnn.data.pooled_loader import PooledLoader
        from tests.data import tiny

        # A shell that starts the tests in the background makes children ignore it.
        signal.signal(signal.SIGINT, signal.default_int_handler)
        generator = DataGenerator(tiny.StuckDataset(), tiny.TinyConfig(), shuffle=False)
        loader = PooledLoader(generator, **{LOADER_KINDS[kind]!r})
        loader.get(0, 0)
        loader.get(0, 1)  # batch 2 comes next, and hangs
        {ending}
        """
    )
    assert result.returncode == code, result.stderr


def test_workers_end_when_the_program_is_killed():
    result = run(
        """
        import os, signal
        from mrcnn.data.generator import DataGenerator
        from mrcnn.data.pooled_loader import PooledLoader
        from tests.data import tiny

        generator = DataGenerator(tiny.TinyDataset(), tiny.TinyConfig())
        loader = PooledLoader(generator, workers=2, use_multiprocessing=True)
        loader.get(0, 0)
        print(*(p.process.pid for p in loader._processes), flush=True)
        os.kill(os.getpid(), signal.SIGKILL)
        """
    )
    assert result.returncode == -signal.SIGKILL

    def alive(pid):
        try:
            os.kill(pid, 0)
        except ProcessLookupError:
            return False
        # An orphan that ended but was not yet collected is as good as gone.
        state = Path(f"/proc/{pid}/stat")
        return not (state.exists() and state.read_text().split()[2] == "Z")

    pids = [int(pid) for pid in result.stdout.split()]
    assert len(pids) == 2
    assert wait_until(lambda: not any(alive(pid) for pid in pids))
