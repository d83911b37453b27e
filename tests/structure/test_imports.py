"""The layers of the package: who may import whom, and what imports no TensorFlow."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = ROOT / "mrcnn"

# Importers stand above what they import: `mrcnn/<name>.py` or `mrcnn/<name>/`.
LAYERS = {
    "config": 0,
    "config_checks": 0,
    "config_values": 0,
    "geometry": 1,
    "targets": 2,
    "nn": 2,
    "evaluation": 2,
    "data": 3,
    "viz": 3,
    "engine": 4,
    "classic": 5,
    "model": 6,
    "utils": 6,
    "visualize": 6,
    "parallel_model": 6,
    "pretrained": 6,
    "cli": 7,
    "__main__": 7,
}
# Pairs in one layer, where the second is plainly below the first.
WITHIN_A_LAYER = {
    ("__main__", "cli"),
    ("config", "config_checks"),
    ("config", "config_values"),
    # DetectionTargetLayer is the Keras layer around roi_targets_tensor.
    ("nn", "targets"),
}
# Parts whose import must stay cheap: TensorFlow only inside functions.
WITHOUT_TENSORFLOW = ("config", "config_checks", "config_values", "geometry")
WITHOUT_TENSORFLOW += ("targets", "evaluation", "data", "viz", "utils", "pretrained")
HEAVY = {"tensorflow", "keras"}
# Packages that cost seconds or are optional: imported by the function that needs them.
LAZY = {"albumentations", "imgaug", "pycocotools", "matplotlib"}
# Subclasses of matplotlib's Artist need it; imported by the functions that draw.
NEEDS_LAZY_AT_ITS_TOP = {"viz/labels.py"}
FILES = sorted(PACKAGE.rglob("*.py"))


def part_of(path: Path) -> str:
    """The sub-package or top-level module that a file belongs to."""
    return path.relative_to(PACKAGE).parts[0].removesuffix(".py")


def imported_modules(nodes) -> list[str]:
    """Full names of what the import statements among nodes import."""
    modules = []
    for node in nodes:
        if isinstance(node, ast.Import):
            modules += [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            base = "." * node.level + (node.module or "")
            # `from mrcnn import utils` imports mrcnn.utils.
            modules += [f"{base}.{alias.name}" for alias in node.names]
    return modules


def imported_parts(source: str) -> set[str]:
    """Sub-packages and modules of mrcnn that a source imports, in functions too."""
    modules = imported_modules(ast.walk(ast.parse(source)))
    return {module.split(".")[1] for module in modules if module.startswith("mrcnn.")}


def statements_at_import(tree: ast.Module) -> list[ast.AST]:
    """All nodes that run at import: what is outside of functions and TYPE_CHECKING."""
    found, open_nodes = [], list(tree.body)
    while open_nodes:
        node = open_nodes.pop()
        found.append(node)
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda):
            continue
        if isinstance(node, ast.If) and "TYPE_CHECKING" in ast.unparse(node.test):
            continue
        open_nodes += ast.iter_child_nodes(node)
    return found


def may_import(importer: str, imported: str) -> bool:
    if importer == imported or (importer, imported) in WITHIN_A_LAYER:
        return True
    return LAYERS[importer] > LAYERS[imported]


def top_level_packages(path: Path) -> set[str]:
    tree = ast.parse(path.read_text(encoding="utf-8"))
    return {
        module.split(".")[0] for module in imported_modules(statements_at_import(tree))
    }


def names(paths) -> list[str]:
    return [path.relative_to(PACKAGE).as_posix() for path in paths]


@pytest.mark.parametrize(
    ("importer", "imported", "allowed"),
    [
        ("engine", "data", True),
        ("model", "engine", True),
        ("nn", "targets", True),
        ("targets", "nn", False),  # only one way
        ("geometry", "config", True),
        ("geometry", "nn", False),  # above
        ("data", "viz", False),  # the same layer
        ("engine", "utils", False),  # a public module
        ("classic", "engine", True),
        ("engine", "classic", False),  # above
        ("utils", "classic", True),
    ],
)
def test_the_rule_itself(importer, imported, allowed):
    assert may_import(importer, imported) is allowed


def test_every_form_of_import_is_seen():
    source = """
from mrcnn import utils
import mrcnn.nn.rpn
def late():
    from mrcnn.engine.graph import trunk
"""
    assert imported_parts(source) == {"utils", "nn", "engine"}


def test_imports_under_type_checking_and_in_functions_do_not_run():
    tree = ast.parse(
        """
import numpy
if TYPE_CHECKING:
    import keras
def late():
    import tensorflow
class Table:
    import h5py
"""
    )
    modules = imported_modules(statements_at_import(tree))
    assert set(modules) == {"numpy", "h5py"}


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_file_imports_only_lower_layers(path):
    part = part_of(path)
    imported = imported_parts(path.read_text(encoding="utf-8"))
    if part == "__init__":
        assert not imported, "mrcnn/__init__.py describes the package, no more"
        return
    assert part in LAYERS, f"{part} has no layer: add it to LAYERS and CONTRIBUTING"
    wrong = sorted(other for other in imported if not may_import(part, other))
    assert not wrong, f"{part} (layer {LAYERS[part]}) must not import {wrong}"


def test_the_map_in_contributing_has_the_same_layers():
    text = (ROOT / "CONTRIBUTING.md").read_text(encoding="utf-8")
    table = text.split("| layer | where |")[1].split("\n\n")[0]
    found, layer = {}, None
    for number, names in re.findall(r"^\| (\d?) ?\| (`.+?) \|", table, re.MULTILINE):
        layer = int(number) if number else layer
        for name in re.findall(r"`(\w+)[^`]*`", names):
            assert found.setdefault(name, layer) == layer
    assert found == LAYERS


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_imports_are_absolute(path):
    tree = ast.parse(path.read_text(encoding="utf-8"))
    relative = [m for m in imported_modules(ast.walk(tree)) if m.startswith(".")]
    assert not relative


@pytest.mark.parametrize("path", FILES, ids=names(FILES))
def test_file_imports_no_heavy_package_at_its_top(path):
    packages = top_level_packages(path)
    if part_of(path) in WITHOUT_TENSORFLOW:
        assert not packages & HEAVY, "import it inside the function that needs it"
    if path.relative_to(PACKAGE).as_posix() not in NEEDS_LAZY_AT_ITS_TOP:
        assert not packages & LAZY, "import it inside the function that needs it"


@pytest.mark.parametrize(
    "statement",
    [
        "import mrcnn",
        "from mrcnn.config import Config, PaperConfig",
        "from mrcnn import utils",
        "from mrcnn import visualize",
        "from mrcnn.parallel_model import ParallelModel",
        "from mrcnn import pretrained; pretrained.nucleus_config()",
    ],
)
def test_import_loads_no_heavy_package(statement):
    code = (
        f"import sys; {statement}; "
        f"print([m for m in {sorted(HEAVY | LAZY)} if m in sys.modules])"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert result.returncode == 0, result.stderr
    assert result.stdout.strip() == "[]"


def test_import_mrcnn_loads_nothing_but_itself():
    code = (
        "import sys; before = set(sys.modules); import mrcnn; "
        "print(sorted(set(sys.modules) - before), mrcnn.__version__)"
    )
    result = subprocess.run(
        [sys.executable, "-c", code],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=60,
        check=True,
    )
    assert result.stdout.strip() == "['mrcnn'] 0.1.0"
