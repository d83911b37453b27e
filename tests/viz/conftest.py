"""Figures are drawn without a display and closed after each test."""

from __future__ import annotations

import pytest


@pytest.fixture(autouse=True)
def close_figures():
    from matplotlib import pyplot as plt

    plt.switch_backend("Agg")
    yield
    plt.close("all")


@pytest.fixture
def ax():
    from matplotlib import pyplot as plt

    return plt.subplots()[1]


@pytest.fixture
def shows(monkeypatch):
    """The calls of plt.show()."""
    from matplotlib import pyplot as plt

    calls = []
    monkeypatch.setattr(plt, "show", lambda *a, **k: calls.append(plt.gcf()))
    return calls
