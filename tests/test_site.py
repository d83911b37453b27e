"""What `make docs` will need is there; the site itself is not built here."""

from __future__ import annotations

import ast
import importlib
import re
import sys
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import yaml

from tests.conftest import ROOT, load_script
from tests.structure.call_graph import scripts

DOCS = ROOT / "docs"
SETTINGS = yaml.safe_load((ROOT / "mkdocs.yml").read_text(encoding="utf-8"))
PUBLIC = {
    *("config", "model", "utils", "visualize"),
    *("data", "evaluation", "geometry", "pretrained", "cli"),
}
API = sorted((DOCS / "api").glob("*.md"))

on_each_api_page = pytest.mark.parametrize("page", API, ids=lambda page: page.stem)


def pages_of(nav):
    """The pages of a table of contents, from top to bottom."""
    for item in nav:
        for value in item.values():
            yield from pages_of(value) if isinstance(value, list) else [value]


def described(page):
    """What a page of the API describes: dotted names."""
    return re.findall(r"^::: (\S+)$", page.read_text(encoding="utf-8"), re.MULTILINE)


@pytest.fixture
def site_pages():
    return load_script(DOCS / "site_pages.py")


def test_every_page_is_listed_and_every_listed_page_is_there(site_pages):
    listed = list(pages_of(SETTINGS["nav"]))
    outside = {name: path for path, name in site_pages.PAGES.items()}
    assert all((ROOT / path).is_file() for path in outside.values())
    inside = {path.relative_to(DOCS).as_posix() for path in DOCS.rglob("*.md")}
    assert len(listed) == len(set(listed))
    assert set(listed) == inside | set(outside)
    assert not inside & set(outside)


def test_every_public_module_has_a_page():
    assert {page.stem for page in API} == PUBLIC
    for page in API:
        assert described(page)[0] == f"mrcnn.{page.stem}"


@on_each_api_page
def test_what_a_page_describes_is_there_and_has_a_docstring(page):
    for name in described(page):
        try:
            thing = importlib.import_module(name)
        except ModuleNotFoundError:
            module, _, attribute = name.rpartition(".")
            thing = getattr(importlib.import_module(module), attribute)
        assert thing.__doc__, name


def named_in_pages_and_programs(module):
    """Names that README, guides, samples and notebooks take from a module."""
    found = set()
    for page in (ROOT / "README.md", *DOCS.glob("*.md")):
        text = page.read_text(encoding="utf-8")
        found |= set(re.findall(rf"{module}\.(\w+)", text))
        for names in re.findall(rf"from {module} import ([\w, ]+)", text):
            found |= set(re.findall(r"\w+", names))
    for tree in scripts():
        for node in ast.walk(tree):
            if isinstance(node, ast.ImportFrom) and node.module == module:
                found |= {alias.name for alias in node.names}
    return found


def test_names_of_data_that_users_read_of_are_described():
    import mrcnn.data

    named = named_in_pages_and_programs("mrcnn.data") & set(mrcnn.data.__all__)
    assert {"Dataset", "open_dataset", "Polygons", "few_photographs"} <= named
    described_names = set()
    for name in described(DOCS / "api" / "data.md"):
        try:
            described_names |= set(vars(importlib.import_module(name)))
        except ModuleNotFoundError:
            described_names.add(name.rpartition(".")[2])
    # For the scripts that make the bundled model and the figures.
    described_names |= {"atomic_file", "COCO_NAMES", "PARTS_OF_VAL", "VOC_CLASSES"}
    assert named <= described_names


def test_every_file_of_geometry_and_every_command_is_described():
    from mrcnn.cli.main import COMMANDS

    files = (ROOT / "mrcnn" / "geometry").glob("[a-z]*.py")
    there = set(described(DOCS / "api" / "geometry.md"))
    assert {f"mrcnn.geometry.{path.stem}" for path in files} <= there
    there = set(described(DOCS / "api" / "cli.md"))
    assert {f"mrcnn.cli.{name}" for name in COMMANDS} <= there


def test_hooks_and_extensions_are_there():
    (python,) = (p["mkdocstrings"] for p in SETTINGS["plugins"] if isinstance(p, dict))
    extensions = python["handlers"]["python"]["options"]["extensions"]
    assert all((ROOT / path).is_file() for path in [*SETTINGS["hooks"], *extensions])


def test_links_lead_to_pages_of_the_site_and_to_files_beside_them(site_pages):
    file = SimpleNamespace(
        abs_src_path=str(DOCS / "peers.md"), src_uri="guides/peers.md"
    )
    text = (
        "[a](../README.md#measured) [b](data.md) [c](../LICENSE) ![d](../notebooks) "
        "[e](https://a.b/README.md) [f](#top) [g](../notebooks/README.md)"
    )
    page = SimpleNamespace(file=file)
    assert site_pages.on_page_markdown(text, page, None, None) == (
        "[a](../index.md#measured) [b](../data.md) [c](../LICENSE) ![d](../notebooks) "
        "[e](https://a.b/README.md) [f](#top) [g](../notebooks.md)"
    )


def test_the_page_of_config_lists_every_attribute_with_its_comment(site_pages):
    from mrcnn.config import Config

    source = (DOCS / "api" / "config.md").read_text(encoding="utf-8")
    file = SimpleNamespace(
        abs_src_path=str(DOCS / "api" / "config.md"), src_uri="api/config.md"
    )
    text = site_pages.on_page_markdown(source, SimpleNamespace(file=file), None, None)
    block = text.split("```python\n")[1].split("\n```")[0]
    values = {"np": np, "Callable": Callable, "Any": Any}
    exec(block, values)
    derived = {"BATCH_SIZE", "IMAGE_SHAPE", "IMAGE_META_SIZE"}
    named = {name for name in vars(Config) if name.isupper()} - derived
    assert named == {name for name in values if name.isupper()}
    assert "# Batches an epoch; None = one pass over the training set." in block


@pytest.fixture
def with_sections(monkeypatch):
    """What rewrites docstrings; the package that calls it may not be installed."""
    monkeypatch.setitem(sys.modules, "griffe", SimpleNamespace(Extension=object))
    return load_script(DOCS / "docstrings.py").with_sections


def test_returned_values_go_on_in_the_next_line(with_sections):
    text = "Gives.\n\nReturns:\n    A list:\n    of dicts.\n\nRaises:\n    E: no."
    assert with_sections(text) == (
        "Gives.\n\nReturns:\n    A list:\n        of dicts.\n\nRaises:\n    E: no."
    )
    text = "Gives.\n\nReturns:\n    boxes: int [n,\n        4].\n    masks: [n].\n"
    assert "    boxes: int [n,\n            4].\n    masks: [n].\n" in with_sections(
        text
    )


def test_doctests_become_a_section_with_all_their_lines(with_sections):
    text = (
        "Returns a sum.\n\nReturns:\n    int.\n\n"
        ">>> add(1,\n...     2)\n3\n\n>>> add(2, 2)\n4\n"
    )
    assert with_sections(text) == (
        "Returns a sum.\n\nReturns:\n    int.\n\n\nExamples:\n"
        "    >>> add(1,\n    ...     2)\n    3\n\n    >>> add(2, 2)\n    4"
    )
    assert with_sections("Says a >>> b.") == "Says a >>> b."
    assert with_sections("Example:\n    >>> 1\n    1") == "Examples:\n    >>> 1\n    1"
