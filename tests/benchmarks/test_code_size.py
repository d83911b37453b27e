"""benchmarks/code_size.py: what counts as a line of code."""

from __future__ import annotations

import shutil

import pytest

from tests.conftest import ROOT, load_script

SOURCE = '''"""What the module is.

Two lines of it.
"""

import os  # one


# No code.
class Box:
    """Not counted."""

    sides = (
        1,

        2,  # the brackets count, the empty line does not
    )

    async def area(self):
        """Not counted,
        and neither is this."""
        text = """counted
        twice"""
        return text, os
'''


@pytest.fixture(scope="module")
def code_size():
    return load_script(ROOT / "benchmarks" / "code_size.py")


def test_blank_lines_comments_and_docstrings_do_not_count(code_size):
    # import; class; 4 of sides; def; 2 of text; return.
    assert code_size.count_lines(SOURCE) == 1 + 1 + 4 + 1 + 2 + 1


@pytest.mark.parametrize(
    ("source", "count"),
    [
        ("", 0),
        ("# nothing\n", 0),
        ('"""Alone."""\n', 0),
        ("x = 1; y = 2\n", 1),
        ("'a docstring of one quote'\nx = 1\n", 1),
        ("x = 1\n'a text behind code'\n", 2),
        ("f'{x}'\n", 1),
        ("x = (\n    1\n)\n", 3),
        ("x = 1 + \\\n    2\n", 2),
    ],
)
def test_each_case_of_the_rule(code_size, source, count):
    assert code_size.count_lines(source) == count


def test_files_are_summed_by_folder_and_compared(code_size):
    now = {"mrcnn/a.py": 5, "mrcnn/nn/b.py": 7, "mrcnn/nn/c.py": 1}
    before = {"mrcnn/a.py": 9, "mrcnn/old/d.py": 2}
    rows = [line.split() for line in code_size.table(now, before).splitlines()]
    assert rows[1:-1] == [
        ["mrcnn", "1", "5", "-4"],
        ["mrcnn/nn", "2", "8", "+8"],
        ["mrcnn/old", "0", "0", "-2"],
        ["total", "3", "13", "+2"],
    ]
    assert rows[-1][:2] == ["longest:", "mrcnn/nn/b.py,"]


def test_every_file_of_the_package_is_counted(code_size, capsys):
    counts = code_size.count_files()
    files = {p.relative_to(ROOT).as_posix() for p in (ROOT / "mrcnn").rglob("*.py")}
    assert set(counts) == files and counts["mrcnn/__main__.py"] > 1
    assert code_size.main([]) == 0
    total = capsys.readouterr().out.splitlines()[-2].split()
    assert total == ["total", str(len(files)), str(sum(counts.values()))]


def in_git():
    return shutil.which("git") and (ROOT / ".git").exists()


@pytest.mark.skipif(not in_git(), reason="needs a clone of the repository")
def test_a_revision_is_counted_and_an_unknown_one_refused(code_size, capsys):
    assert "mrcnn/__init__.py" in code_size.count_files("HEAD")
    with pytest.raises(SystemExit):
        code_size.main(["--against", "no-such-revision"])
    assert "no-such-revision" in capsys.readouterr().err
