"""Curves and matrices."""

from __future__ import annotations

import numpy as np
import pytest

from mrcnn import visualize

NAMES = ["BG", "cat", "dog"]


def test_precision_recall_curve(ax):
    visualize.plot_precision_recall(0.75, [0, 1, 0.5, 0], [0, 0.5, 1, 1], ax=ax)
    assert "0.750" in ax.get_title()
    assert (ax.get_xlabel(), ax.get_ylabel()) == ("recall", "precision")
    np.testing.assert_array_equal(ax.lines[0].get_xdata(), [0, 0.5, 1, 1])


def test_overlaps_name_rows_and_columns_and_mark_matches(ax):
    overlaps = np.array([[0.9, 0.1], [0.2, 0.6]])
    visualize.plot_overlaps(
        np.array([1, -2, 0]),  # the last one is padding
        np.array([1, 1, 0]),
        np.array([0.95, 0.5, 0.0]),
        overlaps,
        NAMES,
        ax=ax,
    )
    assert [t.get_text() for t in ax.get_xticklabels()] == ["cat", "dog (crowd)"]
    assert [t.get_text() for t in ax.get_yticklabels()] == ["cat 0.95", "cat 0.50"]
    cells = [t.get_text() for t in ax.texts]
    assert cells == ["0.90\nmatch", "0.10", "0.20", "0.60\nwrong"]


@pytest.mark.parametrize(("rows", "columns"), [(0, 0), (2, 0), (0, 3)])
def test_overlaps_of_nothing(shows, rows, columns):
    ones = np.ones(5, int)
    visualize.plot_overlaps(
        ones[:columns], ones[:rows], ones[:rows], np.zeros((rows, columns)), NAMES
    )
    shows[0].canvas.draw()


def test_overlaps_must_fit():
    with pytest.raises(ValueError, match=r"\(1, 2\), expected .* \(2, 1\)"):
        visualize.plot_overlaps([1], [1, 1], [1, 1], np.zeros((1, 2)), NAMES)


def test_an_own_figure_is_shown(shows):
    visualize.plot_precision_recall(1, [1, 0], [1, 1])
    assert len(shows) == 1
