"""The model card: its figures are there, its links and commands lead somewhere."""

from __future__ import annotations

import re

import pytest

from benchmarks.nucleus import END, KINDS, START, filled
from tests.pages import check_links, check_mrcnn, check_scripts, read

CARD = "mrcnn/pretrained/nucleus.md"


def table_below(text, head):
    """Rows of the table that begins with a word, as lists of cells, its head first."""
    lines = text[text.index(f"| {head} |") :].split("\n\n")[0].splitlines()
    rows = [[c.strip() for c in line.strip("|").split("|")] for line in lines]
    return [row for row in rows if not set("".join(row)) <= set("-:")]


def check_figures(text):
    """The figures between the marks have each kind, with as many pictures as told."""
    filled(text, "")  # the marks are there
    block = text.split(START)[1].split(END)[0]
    assert "| kind |" in block, "python benchmarks/nucleus.py --markdown writes them"
    head, *rows = table_below(block, "kind")
    assert [row[0] for row in rows] == ["all", *KINDS]
    assert {len(row) for row in rows} == {len(head)}
    assert all(re.fullmatch(r"[\d.]+( %)?", cell) for row in rows for cell in row[1:])
    told = table_below(text.split(END)[1], "kind")[1:]
    assert [int(row[2]) for row in told[:4]] == [int(row[1]) for row in rows[1:]]
    totals = {row[0]: int(row[2]) for row in told[4:]}
    assert [totals["images"], totals["nuclei"]] == [int(x) for x in rows[0][1:3]]


def test_the_figures_are_those_of_the_benchmark():
    check_figures(read(CARD))


def test_figures_are_missed_where_there_are_none_or_others():
    lines = ["| kind | pictures | nuclei | DSB 2018 |", "|---|--:|--:|--:|"]
    counts = {"all": (25, 1502), **dict.fromkeys(KINDS, (0, 9))}
    counts |= zip(KINDS, [(9, 1), (5, 1), (10, 1), (1, 1)], strict=True)
    lines += [f"| {kind} | {a} | {b} | 0.500 |" for kind, (a, b) in counts.items()]
    good = filled(read(CARD), "\n".join(lines) + "\n\nNotes.")
    check_figures(good)
    for bad in (
        filled(good, "To be measured."),
        filled(good, "\n".join(lines[:-1])),
        good.replace("| 25 | 1502 |", "| 25 | 1501 |"),
        good.replace("0.500", "nan"),
    ):
        with pytest.raises(AssertionError):
            check_figures(bad)


def test_links_lead_to_files():
    assert len(check_links(CARD)) >= 5


def test_commands_take_the_arguments_that_it_gives():
    assert check_mrcnn(CARD) == {"detect", "evaluate", "train"}
    assert check_scripts(CARD) == {
        "benchmarks/nucleus.py",
        "samples/nucleus/train_shipped.py",
        "samples/nucleus/export_shipped.py",
    }


def test_programs_compile():
    blocks = re.findall(r"```python\n(.*?)```", read(CARD), re.DOTALL)
    assert len(blocks) == 2
    for block in blocks:
        compile(block, CARD, "exec")
