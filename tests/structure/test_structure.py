"""The plan of the package: folders, files, circles of imports, names, unused code."""

from __future__ import annotations

import ast
import itertools
import re
from pathlib import Path

import pytest

from tests.structure import old_names
from tests.structure.call_graph import ROOT, CallGraph, documented_words, scripts

PACKAGE = ROOT / "mrcnn"
MAX_FILES = 15
MAX_LINES = 400
# Sub-packages with folders of their own: others import from their front alone.
FRONTS = ("data", "engine")
# It times single steps inside.
LOOKS_INSIDE = {"benchmarks/pipeline.py"}
# Endings that make two names one in the head of a reader.
ENDINGS = re.compile(r"(at)?(ions?|ings?|able|ers?|ors?|ed|es|e|s)$")
# One file a sub-command, named as it.
COMMANDS = {"check", "detect", "evaluate", "info", "train", "weights"}
PUBLIC_MODULES = {
    "model": old_names.MODEL,
    "utils": old_names.UTILS,
    "visualize": old_names.VISUALIZE,
    "parallel_model": old_names.PARALLEL_MODEL,
}
# What the documentation may promise: names that can be imported from here.
PUBLIC = ("config", "model", "utils", "visualize", "pretrained", "data", "engine")
PUBLIC += ("evaluation",)


def package_files() -> list[Path]:
    return sorted(PACKAGE.rglob("*.py"))


def file_imports(graph: CallGraph) -> dict[str, set[str]]:
    """Which modules each module imports, at its top, in functions, through a front."""
    found = {}
    for name, module in graph.modules.items():
        others = set()
        for node in ast.walk(module.tree):
            if isinstance(node, ast.ImportFrom) and node.module:
                places = [graph.resolve(node.module, a.name) for a in node.names]
                others |= {place[0] for place in places if place is not None}
            elif isinstance(node, ast.Import):
                others |= {a.name for a in node.names if a.name in graph.modules}
        found[name] = others - {name}
    return found


def circles(imports: dict[str, set[str]]) -> list[set[str]]:
    """Groups of modules that reach each other."""

    def reached(start):
        seen, waiting = set(), [start]
        while waiting:
            for other in imports[waiting.pop()] - seen:
                seen.add(other)
                waiting.append(other)
        return seen

    reach = {name: reached(name) for name in imports}
    groups = {
        frozenset({n for n in reach[name] if name in reach[n]}) for name in imports
    }
    return [set(group) for group in groups if group]


def stem(name: str) -> str:
    return ENDINGS.sub("", name)


@pytest.fixture(scope="module")
def graph():
    return CallGraph()


def test_a_folder_holds_few_files():
    folders = [PACKAGE, *(p for p in PACKAGE.rglob("*") if p.is_dir())]
    counts = {f.relative_to(ROOT): len(list(f.glob("*.py"))) for f in folders}
    assert {f: n for f, n in counts.items() if n > MAX_FILES} == {}


def test_a_file_holds_one_idea():
    paths = package_files()
    for folder in ("benchmarks", "samples", "tests"):
        paths += sorted((ROOT / folder).rglob("*.py"))
    files = {p.relative_to(ROOT): p.read_text("utf-8") for p in paths}
    lines = {file: len(text.splitlines()) for file, text in files.items()}
    assert {file: n for file, n in lines.items() if n > MAX_LINES} == {}


def test_circles_are_seen():
    imports = {"a": {"b"}, "b": {"c"}, "c": {"b"}, "d": {"a"}}
    assert circles(imports) == [{"b", "c"}]


def test_no_files_import_each_other_in_a_circle(graph):
    assert circles(file_imports(graph)) == []


def test_no_two_files_have_names_that_differ_by_an_ending_only():
    names = [
        path.stem
        for path in package_files()
        if not path.stem.startswith("__") and path.parent.name != "cli"
    ]
    pairs = [
        (one, other)
        for one, other in itertools.combinations(names, 2)
        if stem(one) == stem(other)
    ]
    assert pairs == []


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("loaders", "loading"),
        ("annotated", "annotations"),
        ("curves", "curves"),
        ("generator", "generators"),
    ],
)
def test_names_that_differ_by_an_ending_are_seen(one, other):
    assert stem(one) == stem(other)


def sources_outside(front: str) -> list[Path]:
    """Code and pages that are not of a sub-package; docs/api names addresses."""
    paths = [p for p in package_files() if PACKAGE / front not in p.parents]
    for folder in ("samples", "benchmarks", "notebooks", "docs"):
        for ending in ("*.py", "*.ipynb", "*.md"):
            paths += (ROOT / folder).rglob(ending)
    paths.append(ROOT / "README.md")
    names = {path: path.relative_to(ROOT).as_posix() for path in paths}
    return [
        path
        for path, name in names.items()
        if name not in LOOKS_INSIDE and not name.startswith("docs/api/")
    ]


@pytest.mark.parametrize("front", FRONTS)
def test_a_sub_package_with_folders_is_entered_by_its_front(front):
    inner = re.compile(rf"mrcnn\.{front}\.[a-z_]+[ .]")
    wrong = [
        f"{path.relative_to(ROOT)}: {found[0]}"
        for path in sources_outside(front)
        for found in inner.finditer(path.read_text("utf-8"))
        if f"mrcnn.{front}.{found[0].split('.')[2].strip()}" in CallGraph().modules
    ]
    assert wrong == []


@pytest.mark.parametrize("front", FRONTS)
def test_a_front_hands_on_names_that_exist(front, graph):
    module = graph.modules[f"mrcnn.{front}"]
    names = [n for n, (m, _) in module.imports.items() if m.startswith("mrcnn")]
    assert len(names) > 10
    lost = [n for n in names if graph.resolve(f"mrcnn.{front}", n) is None]
    assert lost == []


def test_nothing_is_there_for_tests_alone(graph):
    """Everything is used by the command, a sample, a page or a script of old users."""
    for module, text in PUBLIC_MODULES.items():
        for name in old_names.heads(text):
            owner, _, method = name.partition(".")
            graph.use(graph.resolve(f"mrcnn.{module}", owner))
            graph.use_attribute(method)
    for name in old_names.MASK_RCNN_ATTRIBUTES:
        graph.use_attribute(name)
    graph.use(("mrcnn.cli.main", "main"))
    graph.use(("mrcnn.__main__", ""))
    for script in scripts():
        graph.use_code(script)
    words = documented_words()
    for name in PUBLIC:
        module = graph.modules[f"mrcnn.{name}"]
        for word in words & {*module.imports, *module.definitions}:
            graph.use(graph.resolve(f"mrcnn.{name}", word))
    for word in words:
        graph.use_attribute(word)
    graph.reach()
    assert graph.unused() == []
