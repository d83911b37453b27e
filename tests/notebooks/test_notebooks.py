"""Every notebook runs on small data, and keeps to the rules that make it readable."""

from __future__ import annotations

import ast
import os
import re
import sys
from pathlib import Path

import nbformat
import pytest
from nbclient import NotebookClient

ROOT = Path(__file__).resolve().parents[2]
NOTEBOOKS = sorted((ROOT / "notebooks").glob("*.ipynb"))
MAX_FUNCTION_LINES = 10
MAX_BYTES = 200_000
PUBLIC_MODULES = {"config", "model", "utils", "visualize", "parallel_model"}

# Runs in the kernel before the notebook: looks at each figure as it is shown.
WATCH = """
from matplotlib.backend_bases import FigureCanvasBase

_figures = []


def _print_figure(canvas, *args, _printed=FigureCanvasBase.print_figure, **kwargs):
    axes = [ax for ax in canvas.figure.axes if ax.get_label() != "<colorbar>"]
    titled = canvas.figure.get_suptitle() or all(
        ax.get_title() or not ax.has_data() for ax in axes
    )
    _figures.append(bool(titled and axes))
    return _printed(canvas, *args, **kwargs)


FigureCanvasBase.print_figure = _print_figure
"""
REPORT = "print(_figures)"

by_name = pytest.mark.parametrize("path", NOTEBOOKS, ids=lambda path: path.stem)


def read(path):
    return nbformat.read(path, as_version=4)


def code_of(notebook):
    """The sources of all code cells, one tree each; lines for IPython are left out."""
    for cell in notebook.cells:
        if cell.cell_type == "code":
            lines = cell.source.splitlines()
            yield ast.parse("\n".join("" if x[:1] in "%!" else x for x in lines))


def imported(notebook):
    """(module, name) of all imports; the name is None for `import module`."""
    for tree in code_of(notebook):
        for node in ast.walk(tree):
            if isinstance(node, ast.Import):
                yield from ((alias.name, None) for alias in node.names)
            elif isinstance(node, ast.ImportFrom):
                yield from ((node.module, alias.name) for alias in node.names)


def parts_of(notebook):
    """Public modules and sub-packages of mrcnn that a notebook imports."""
    for module, name in imported(notebook):
        if module == "mrcnn" and name:
            yield name
        elif module.startswith("mrcnn."):
            yield module.split(".")[1]


def test_there_are_notebooks():
    assert len(NOTEBOOKS) >= 3


@by_name
def test_runs_and_titles_every_figure(path):
    notebook = read(path)
    notebook.cells.insert(0, nbformat.v4.new_code_cell(WATCH))
    notebook.cells.append(nbformat.v4.new_code_cell(REPORT))
    client = NotebookClient(
        notebook,
        timeout=250,
        kernel_name="python3",
        resources={"metadata": {"path": str(path.parent)}},
    )
    env = {
        **os.environ,
        "MRCNN_QUICK": "1",
        "MPLBACKEND": "module://matplotlib_inline.backend_inline",
        "PYTHONPATH": os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]),
    }
    client.execute(env=env)
    figures = ast.literal_eval(notebook.cells[-1].outputs[-1].text)
    assert figures
    assert all(figures), f"figures {figures.index(False) + 1} of {len(figures)}"


@by_name
def test_file_is_small_and_holds_no_outputs(path):
    assert path.stat().st_size < MAX_BYTES
    notebook = read(path)
    nbformat.validate(notebook)
    code = [cell for cell in notebook.cells if cell.cell_type == "code"]
    assert [cell.outputs for cell in code] == [[]] * len(code)
    assert {cell.execution_count for cell in code} == {None}


@by_name
def test_first_cell_says_the_question_the_time_and_the_inputs(path):
    first = read(path).cells[0]
    assert first.cell_type == "markdown"
    assert first.source.startswith("# ")
    assert "?" in first.source
    assert re.search(r"\b(seconds?|minutes?)\b", first.source)
    assert "input" in first.source.lower()


@by_name
def test_imports_are_public_modules_and_what_the_first_cell_names(path):
    notebook = read(path)
    named = set(re.findall(r"`mrcnn\.(\w+)", notebook.cells[0].source))
    assert set(parts_of(notebook)) - PUBLIC_MODULES <= named


@by_name
def test_no_function_is_longer_than_ten_lines(path):
    long = {
        node.name: node.end_lineno - node.lineno + 1
        for tree in code_of(read(path))
        for node in ast.walk(tree)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.end_lineno - node.lineno >= MAX_FUNCTION_LINES
    }
    assert not long


@by_name
def test_ends_with_what_was_seen_and_the_next_notebook(path):
    last = read(path).cells[-1]
    assert last.cell_type == "markdown"
    assert "seen" in last.source.lower()
    links = re.findall(r"\]\((\w+\.ipynb)\)", last.source)
    assert links
    assert all((path.parent / link).is_file() for link in links)


def test_readme_lists_every_notebook_and_no_other():
    text = (ROOT / "notebooks" / "README.md").read_text(encoding="utf-8")
    links = re.findall(r"\]\((\w+\.ipynb)\)", text)
    assert sorted(links) == [path.name for path in NOTEBOOKS]


def test_the_kernel_is_the_python_of_the_tests():
    """What the tests above say, they say about this environment."""
    cells = [nbformat.v4.new_code_cell("import sys; print(sys.prefix)")]
    notebook = nbformat.v4.new_notebook(cells=cells)
    NotebookClient(notebook, kernel_name="python3").execute()
    assert notebook.cells[0].outputs[0].text.strip() == sys.prefix
