from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

import mrcnn
from mrcnn.cli import check
from mrcnn.cli.errors import CommandError, need, note
from mrcnn.cli.main import COMMANDS, main
from mrcnn.data.formats.format_table import FORMATS

ROOT = Path(__file__).resolve().parents[2]


def python(*arguments):
    return subprocess.run(
        [sys.executable, *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )


@pytest.mark.parametrize(
    "argv",
    [
        ["--help"],
        ["train", "--help"],
        ["detect", "no_such_file.png", "--weights", "last"],
        ["info", "no_such_file.h5"],
        ["check", "--data", "no_such_folder"],
        ["info", "--preset", "small"],
    ],
)
def test_tensorflow_is_not_imported_before_paths_are_checked(argv):
    code = (
        "import sys, mrcnn.cli.main as m\n"
        f"try: m.main({argv!r})\nexcept SystemExit: pass\n"
        "print([n for n in ('tensorflow', 'keras', 'imgaug') if n in sys.modules])"
    )
    done = python("-c", code)
    assert done.returncode == 0, done.stderr
    assert done.stdout.splitlines()[-1] == "[]"


def test_the_package_runs_as_a_module():
    done = python("-m", "mrcnn", "--version")
    assert done.stdout.strip() == f"mrcnn {mrcnn.__version__}"
    done = python("-m", "mrcnn", "detect", "no_such_file.png", "--weights", "last")
    assert done.returncode == 2
    assert len(done.stderr.splitlines()) == 1
    assert done.stderr.startswith("mrcnn detect: error: no_such_file.png:")


def test_the_console_command_is_the_same_function():
    assert '"mrcnn = mrcnn.cli.main:main"' in (ROOT / "setup.py").read_text("utf-8")


@pytest.mark.parametrize("command", COMMANDS)
def test_every_command_describes_itself(run, command):
    code, out, _ = run(command, "--help")
    assert code == 0
    assert f"mrcnn {command}" in out and "--debug" in out


@pytest.mark.parametrize("argv", [[], ["detct"], ["detect"], ["check", "--data"]])
def test_wrong_arguments_are_reported_in_one_line(run, argv):
    code, out, err = run(*argv)
    assert (code, out, len(err)) == (2, "", 1)
    assert err[0].startswith("mrcnn") and "--help" in err[0]


def test_a_sub_command_names_its_own_help(run):
    code, _, err = run("train", "--data", ".", "--epoch_s", 3)
    assert code == 2 and len(err) == 1
    assert "--epoch_s" in err[0] and err[0].endswith("see mrcnn train --help")


@pytest.mark.parametrize(
    ("argv", "unread"),
    [
        (["info", "--preset", "small"], "1"),
        (["info", "--preset", "small"], "12"),  # also stderr
        (["--help"], "1"),
        (["detect", "--help"], "1"),
        (["--version"], "1"),
        (["detct"], "12"),
        (["info", "no_such_file.h5"], "12"),
    ],
)
def test_a_reader_that_leaves_early_is_no_error(monkeypatch, argv, unread):
    code = (
        "import os, sys, mrcnn.cli.main as m\n"
        "read, write = os.pipe(); os.close(read)\n"
        f"for stream in {unread!r}: os.dup2(write, int(stream))\n"
        f"sys.exit(m.main({argv!r}))"
    )
    # Held back until the exit, as into any pipe.
    monkeypatch.delenv("PYTHONUNBUFFERED", raising=False)
    done = python("-c", code)
    assert (done.returncode, done.stderr) == (141, "")
    if argv[0] == "info":
        done = python("-u", "-c", code)
        assert (done.returncode, done.stderr) == (141, "")


def test_a_closed_output_is_no_error():
    code = "import sys, mrcnn.cli.main as m\nsys.stdout = None\n"
    done = python("-c", code + "sys.exit(m.main(['info', '--preset', 'small']))")
    assert (done.returncode, done.stderr) == (0, "")


def test_debug_shows_where(run):
    code, _, err = run("check", "--data", "nowhere", "--debug")
    assert code == 2
    assert "Traceback" in err[0] and err[-1].startswith("mrcnn check: error:")


def test_an_error_of_our_own_making_names_its_type_and_the_way_to_its_place(
    run, monkeypatch
):
    def fail(args):
        raise KeyError("left")

    monkeypatch.setattr(check, "run", fail)
    code, _, err = run("check", "--data", ".")
    assert code == 2
    assert err == ["mrcnn check: error: KeyError: 'left' (--debug shows where)"]


def test_an_interruption_is_no_error(run, monkeypatch):
    def stop(args):
        raise KeyboardInterrupt

    monkeypatch.setattr(check, "run", stop)
    assert run("check", "--data", ".")[0] == 130


def test_warnings_are_one_line_each(run, monkeypatch):
    import warnings

    def warn(args):
        warnings.warn("look\nhere", UserWarning, stacklevel=1)
        return 0

    monkeypatch.setattr(check, "run", warn)
    assert run("check", "--data", ".") == (0, "", ["mrcnn: warning: look here"])


def test_formats_of_the_command_are_those_of_the_loader(run):
    code, out, _ = run("check", "--help")
    assert code == 0 and "{" + ",".join(FORMATS) + "}" in "".join(out.split())


def test_main_takes_the_arguments_of_the_process(monkeypatch, capsys):
    monkeypatch.setattr(sys, "argv", ["mrcnn", "--version"])
    with pytest.raises(SystemExit) as stop:
        main()
    assert stop.value.code == 0
    assert mrcnn.__version__ in capsys.readouterr().out


def test_need_raises_unless_it_fits():
    need(True, "no")
    with pytest.raises(CommandError, match="^3 is too many$"):
        need(False, "3 is too many")


def test_a_note_is_one_line_on_stderr(capsys):
    note("small overlap")
    assert capsys.readouterr() == ("", "mrcnn: note: small overlap\n")
