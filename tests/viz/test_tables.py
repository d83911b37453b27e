"""Tables as text and as HTML."""

from __future__ import annotations

import doctest
import sys
import types

import numpy as np

from mrcnn import visualize
from mrcnn.viz import tables


class Weight:
    def __init__(self, name):
        self.name = name


class Layer:
    def __init__(self, name, **weights):
        self.name = name
        self.weights = [Weight(key) for key in weights]
        self.get_weights = lambda: list(weights.values())


class Model:
    def get_trainable_layers(self):
        return [
            Layer("conv1", kernel=np.array([[-1.0, 3.0]]), bias=np.zeros(2)),
            Layer("empty", kernel=np.full((2, 3), 0.5)),
        ]


def test_text_columns_are_aligned(capsys):
    visualize.display_table([["a", "long name"], ["bbb", 1], ["c"]])
    assert capsys.readouterr().out == "a    long name\nbbb  1\nc\n"
    assert tables.table_text([]) == ""


def test_weights_that_never_changed_are_marked(capsys):
    visualize.display_weight_stats(Model())
    lines = capsys.readouterr().out.splitlines()
    assert lines[0].split() == ["weight", "shape", "min", "max", "std"]
    assert lines[1].split() == [
        "conv1/kernel",
        "(1,",
        "2)",
        "-1.0000",
        "+3.0000",
        "+2.0000",
    ]
    assert lines[2].startswith("conv1/bias ") and "*" not in lines[2]
    assert lines[3].startswith("empty/kernel *")


def test_notebooks_get_html(monkeypatch):
    shown = []
    module = types.ModuleType("IPython")
    module.get_ipython = lambda: types.SimpleNamespace(kernel=True)
    display = types.ModuleType("IPython.display")
    display.HTML = str
    display.display = shown.append
    monkeypatch.setitem(sys.modules, "IPython", module)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    visualize.display_table([["<b>", 1]])
    assert shown == ["<table><tr><td>&lt;b&gt;</td><td>1</td></tr></table>"]


def test_without_ipython_tables_are_text(monkeypatch, capsys):
    monkeypatch.setitem(sys.modules, "IPython", None)
    visualize.display_table([["x"]])
    assert capsys.readouterr().out == "x\n"


def test_examples_in_docstrings_hold():
    result = doctest.testmod(tables)
    assert result.attempted > 0 and result.failed == 0
