from __future__ import annotations

import doctest
import importlib
import pkgutil

import pytest

import mrcnn.geometry

MODULES = [module.name for module in pkgutil.iter_modules(mrcnn.geometry.__path__)]


@pytest.mark.parametrize("name", MODULES)
def test_examples_in_docstrings_are_true(name):
    module = importlib.import_module(f"mrcnn.geometry.{name}")
    result = doctest.testmod(module)
    assert result.attempted > 0
    assert result.failed == 0
