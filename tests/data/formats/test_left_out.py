from __future__ import annotations

import linecache
import warnings

import pytest

from mrcnn.data.formats.left_out import outline_or_damaged, warn_left_out
from mrcnn.data.outlines.damaged import Damaged


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


def test_outline_that_cannot_be_made_is_damaged_with_the_reason():
    assert outline_or_damaged("a.json, ", dict, [("x", 1)]) == {"x": 1}
    damaged = outline_or_damaged("a.json, ", {}.__getitem__, "y")
    assert damaged == Damaged("a.json, lacks 'y'")
    assert outline_or_damaged("a.json, ", int, "z").reason.startswith("a.json, invalid")
    with pytest.raises(ZeroDivisionError):
        outline_or_damaged("a.json, ", divmod, 1, 0)
