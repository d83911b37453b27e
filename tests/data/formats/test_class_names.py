from __future__ import annotations

import pytest

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.class_names import register_classes


def register(found, classes=None, dataset=None):
    return register_classes(dataset or Dataset(), "x", found, "f()", classes)


def test_second_load_keeps_ids_and_adds_new_names_behind():
    dataset = Dataset()
    assert register(["b", "c"], dataset=dataset) == {"b": 1, "c": 2}
    assert register(["a", "c"], dataset=dataset) == {"a": 3, "c": 2}
    assert register_classes(dataset, "y", ["c"], "f()") == {"c": 1}  # another source
    dataset.prepare()
    assert dataset.class_names == ["BG", "b", "c", "a", "c"]
    assert dataset.map_source_class_id("x.3") == 3


def test_name_given_twice_is_an_error():
    with pytest.raises(ValueError, match=r"f\(\): classes \['a'\] are named more than"):
        register(["a", "b"], classes=["a", "b", "a"])


def test_names_are_those_found_sorted_else_those_asked_for():
    assert register(["b", "a", "b"]) == {"a": 1, "b": 2}
    assert register(["b", "a"], ["b", "new"]) == {"b": 1, "new": 2}
    assert register([], ["b"]) == {"b": 1}
    with pytest.raises(ValueError, match=r"f\(\): none of classes=\['B'\] occurs"):
        register(["b"], ["B"])
    with pytest.raises(TypeError, match="classes is the text 'b'; give a list"):
        register(["b"], "b")


@pytest.mark.parametrize(
    ("found", "classes", "said"),
    [
        (["cell", "Cell"], None, "'Cell', 'cell'"),
        (["cell", "cell "], None, "'cell', 'cell '"),
        (["red cell", "redcell", "dog"], None, "'red cell', 'redcell'"),
        (["Cell", "bud"], ["cell", "bud"], "'Cell', 'cell'"),
    ],
)
def test_names_that_differ_by_case_or_blanks_are_told(found, classes, said):
    with pytest.warns(
        UserWarning, match=rf"f\(\): classes differ by .*: {said}\. Each"
    ):
        ids = register(found, classes)
    assert len(ids) == len(classes or found)


def test_other_names_are_not_told_of(recwarn):
    register(["cell", "cells", "cell_2", "bud"])
    assert not recwarn.list
