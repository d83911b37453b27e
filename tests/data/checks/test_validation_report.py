from __future__ import annotations

import pytest

from mrcnn.data.checks.validation_report import (
    ERROR_KINDS,
    WARNING_KINDS,
    Problem,
    ValidationReport,
)

EMPTY = [Problem("empty object", 3, "a.png", i, "has no pixel") for i in range(7)]
MISSING = Problem("missing file", 1, "b.png", None, "no such file")
UNUSED = Problem("unused class", None, None, None, "class 2 (dog) has no object")


def make(*problems):
    return ValidationReport(list(problems), num_images=5, num_objects=9)


def test_no_kind_is_an_error_and_a_warning():
    assert not set(ERROR_KINDS) & set(WARNING_KINDS)


def test_errors_and_warnings_are_apart_and_keep_their_order():
    report = make(UNUSED, *EMPTY, MISSING)
    assert report.errors == [*EMPTY, MISSING] and report.warnings == [UNUSED]
    assert list(report) == [*EMPTY, MISSING, UNUSED]
    assert not report.ok and make(UNUSED).ok and make().ok


def test_counts_follow_the_order_of_the_table():
    counts = make(UNUSED, *EMPTY, MISSING).counts()
    assert list(counts.items()) == [
        ("missing file", 1),
        ("empty object", 7),
        ("unused class", 1),
    ]


def test_problems_of_a_kind():
    report = make(UNUSED, *EMPTY)
    assert report.of_kind("empty object") == EMPTY
    assert report.of_kind("mask size") == []
    with pytest.raises(ValueError, match="no such kind; kinds are missing file"):
        report.of_kind("empty")


def test_table_names_file_and_object_and_says_what_to_do():
    lines = str(make(UNUSED, *EMPTY, MISSING)).splitlines()
    assert lines[0] == "8 errors and 1 warnings in 5 images with 9 objects"
    assert lines[1].startswith("error: missing file (1). Correct the path")
    assert lines[2] == "    image 1 (b.png): no such file"
    assert lines[3].startswith("error: empty object (7). ")
    assert lines[4] == "    image 3, object 0 (a.png): has no pixel"
    assert lines[-2].startswith("warning: unused class (1). ")
    assert lines[-1] == "    class 2 (dog) has no object"


def test_table_cuts_a_long_kind_and_says_where_the_rest_is():
    report = make(*EMPTY)
    lines = str(report).splitlines()
    assert len(lines) == 2 + 5 + 1
    assert lines[-1] == "    and 2 more: report.of_kind('empty object')"
    assert len(report.table(max_rows=None).splitlines()) == 2 + 7


def test_errors_can_be_raised_and_warnings_are_not():
    make(UNUSED).raise_for_errors()
    with pytest.raises(ValueError) as caught:
        make(UNUSED, *EMPTY).raise_for_errors()
    assert "7 errors" in str(caught.value) and "a.png" in str(caught.value)
    assert "unused class" not in str(caught.value)


def test_kinds_of_errors_can_be_let_pass():
    report = make(*EMPTY, MISSING)
    report.raise_for_errors(ignore=("empty object", "missing file"))
    with pytest.raises(ValueError, match="1 errors"):
        report.raise_for_errors(ignore="empty object")
    with pytest.raises(ValueError, match="no such kind"):
        report.raise_for_errors(ignore="empty objects")
