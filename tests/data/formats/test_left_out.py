from __future__ import annotations

import linecache
import warnings

import pytest

from mrcnn.data.formats.left_out import warn_left_out


def load(count):
    warn_left_out("load()", count, "points are left out.")


def test_things_left_out_are_counted_and_the_line_that_loads_is_named():
    text = r"^load\(\): 3 points are left out\.$"
    with pytest.warns(UserWarning, match=text) as all_warnings:
        load(3)
    (warning,) = all_warnings
    line = linecache.getline(warning.filename, warning.lineno)
    assert line.strip() == "load(3)"


def test_nothing_left_out_is_no_warning():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        load(0)
