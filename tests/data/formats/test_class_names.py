from __future__ import annotations

import pytest

from mrcnn.data.dataset import Dataset
from mrcnn.data.formats.class_names import choose_names, register_classes


def test_second_load_keeps_ids_and_adds_new_names_behind():
    dataset = Dataset()
    assert register_classes(dataset, "x", ["b", "c"]) == {"b": 1, "c": 2}
    assert register_classes(dataset, "x", ["a", "c"]) == {"b": 1, "c": 2, "a": 3}
    assert register_classes(dataset, "y", ["c"]) == {"c": 1}  # another source
    dataset.prepare()
    assert dataset.class_names == ["BG", "b", "c", "a", "c"]
    assert dataset.map_source_class_id("x.3") == 3


def test_name_given_twice_is_an_error():
    with pytest.raises(ValueError, match=r"classes \['a'\] are named more than once"):
        register_classes(Dataset(), "x", ["a", "b", "a"])


def test_names_are_those_found_sorted_else_those_asked_for():
    assert choose_names(["b", "a", "b"], None, "f()") == ["a", "b"]
    assert choose_names(["b", "a"], ["b", "new"], "f()") == ["b", "new"]
    assert choose_names([], ["b"], "f()") == ["b"]
    with pytest.raises(ValueError, match=r"f\(\): none of classes=\['B'\] occurs"):
        choose_names(["b"], ["B"], "f()")
    with pytest.raises(TypeError, match="classes is the text 'b'; give a list"):
        choose_names(["b"], "b", "f()")
