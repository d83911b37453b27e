"""What the pages in docs/ name is there: modules, functions, attributes, messages."""

from __future__ import annotations

import ast
import functools
import importlib
import re
from pathlib import Path

import pytest

from mrcnn.config import Config
from tests.conftest import load_script
from tests.pages import check_links
from tests.structure.call_graph import CallGraph

ROOT = Path(__file__).resolve().parents[1]
PAGES = sorted((ROOT / "docs").glob("*.md"))
MIGRATION = ROOT / "docs" / "migration.md"
ERRORS = ROOT / "docs" / "errors.md"

# Capitals that are no attribute of Config.
OTHER_CAPITALS = {"MRCNN_CACHE", "HTTPS_PROXY", "MRCNN_SHARED", "CUDA_VISIBLE_DEVICES"}
# Where a page's short names lead.
SHORT = {
    "modellib": "mrcnn.model",
    "utils": "mrcnn.utils",
    "visualize": "mrcnn.visualize",
}
# Of Keras and Python, whose messages they are.
FOREIGN_MESSAGES = {
    "A KerasTensor cannot be used as input to a TensorFlow function",
    "KeyError: 'lr'",
    "KeyError: 'metrics'",
    "TensorBoard.__init__() got an unexpected keyword argument",
    "This optimizer was created with a LearningRateSchedule object",
    "got an unexpected keyword argument 'period'",
    "module 'keras.backend' has no attribute 'get_value'",
    "module 'keras.backend' has no attribute 'set_value'",
    "module 'mrcnn.model' has no attribute 'MeanAveragePrecisionCallback'",
    "object has no attribute 'lr'",
    "object has no attribute 'validation_data'",
    "property 'model' of ... object has no setter",
    "self.params",
    "the filepath provided must end in .weights.h5",
}

on_each_page = pytest.mark.parametrize("page", PAGES, ids=lambda page: page.name)


def code_of(page):
    """All that stands between backticks or in blocks of code."""
    text = page.read_text(encoding="utf-8")
    blocks = re.findall(r"```\w*\n(.*?)```", text, re.DOTALL)
    return blocks + re.findall(
        r"`([^`\n]+)`", re.sub(r"```.*?```", "", text, flags=re.S)
    )


def names_after(prefix, page):
    """The names that follow "prefix." in the page's code."""
    pattern = rf"(?<![\w.]){prefix}\.([A-Za-z_]\w*)"
    return {name for code in code_of(page) for name in re.findall(pattern, code)}


def find(dotted):
    """The module, class or function of a dotted name."""
    parts = dotted.split(".")
    for count in range(len(parts), 0, -1):
        try:
            module = importlib.import_module(".".join(parts[:count]))
        except ModuleNotFoundError:
            continue
        return functools.reduce(getattr, parts[count:], module)
    raise ModuleNotFoundError(dotted)


@on_each_page
def test_names_of_the_package_are_there(page):
    dotted = set()
    for code in code_of(page):
        dotted |= set(re.findall(r"(?<![\w./])mrcnn(?:\.[A-Za-z]\w*)+", code))
        for module, names in re.findall(r"from (mrcnn[\w.]*) import ([\w, ]+)", code):
            dotted |= {f"{module}.{name.strip()}" for name in names.split(",")}
    for short, module in SHORT.items():
        dotted |= {f"{module}.{name}" for name in names_after(short, page)}
    if page == MIGRATION:
        assert {"mrcnn.model", "mrcnn.utils.compute_ap"} <= dotted
    for name in sorted(dotted):
        find(name)


@on_each_page
def test_attributes_of_objects_are_there(page, tmp_path):
    from mrcnn.data import AnnotatedDataset, ValidationReport
    from mrcnn.data.checks.anchor_report import AnchorReport
    from mrcnn.engine.weights.model_weights import WeightsReport
    from mrcnn.evaluation import EvaluationResult
    from mrcnn.model import MaskRCNN
    from mrcnn.utils import Dataset
    from tests.engine.tiny import StubConfig

    model = MaskRCNN("training", StubConfig(), tmp_path)
    model.compile(0.001, 0.9)
    dataset = Dataset()
    dataset.prepare()
    objects = {
        "model": (model, model.keras_model),
        "keras_model": (model.keras_model,),
        r"model\.keras_model": (model.keras_model,),
        "dataset": (dataset,),
        "train": (AnnotatedDataset,),
        "report": (WeightsReport, ValidationReport, AnchorReport),
        "result": (EvaluationResult,),
        "config": (model.config,),
    }
    # What the page says to delete; and a file, config.json.
    gone = {"_losses", "_per_input_losses", "inputs", "json"}
    for prefix, owners in objects.items():
        for name in names_after(prefix, page) - gone:
            assert any(hasattr(owner, name) for owner in owners), f"{prefix}.{name}"


@on_each_page
def test_attributes_of_config_are_there(page):
    named = set()
    for code in code_of(page):
        named |= set(re.findall(r"(?<![\w.\"])([A-Z]{2,}(?:_[A-Z]+)+)\b", code))
    missing = [name for name in named - OTHER_CAPITALS if not hasattr(Config, name)]
    assert not missing


@on_each_page
def test_programs_compile(page):
    text = page.read_text(encoding="utf-8")
    for number, block in enumerate(re.findall(r"```python\n(.*?)```", text, re.DOTALL)):
        compile(block, f"{page.name} block {number}", "exec")


@on_each_page
def test_links_lead_somewhere(page):
    check_links(page)


@on_each_page
def test_the_readme_leads_to_the_page(page):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert f"](docs/{page.name})" in readme


def rows_of(page):
    """What stands between backticks in the first cell of each row of a table."""
    rows = re.findall(r"^\| (`[^|]+`) \|", page.read_text(encoding="utf-8"), re.M)
    return [name for row in rows for name in re.findall(r"`([^`]+)`", row)]


@on_each_page
def test_tables_are_complete(page):
    from mrcnn.data.checks.validation_report import ERROR_KINDS, WARNING_KINDS
    from mrcnn.data.formats.format_table import FORMATS
    from mrcnn.evaluation import METRICS

    if page.name == "data.md":
        assert rows_of(page) == [*FORMATS, *ERROR_KINDS, *WARNING_KINDS]
    elif page.name == "evaluation.md":
        assert rows_of(page) == list(METRICS)


@on_each_page
def test_methods_that_load_are_there(page):
    text = page.read_text(encoding="utf-8")
    for owner, method in re.findall(r"`(\w+Dataset)\.(load_\w+)", text):
        assert callable(getattr(find(f"mrcnn.data.{owner}"), method))


@pytest.mark.parametrize(
    ("page", "count"), [("CONTRIBUTING.md", 10), ("docs/training_step.md", 19)]
)
def test_each_numbered_step_is_a_function_of_the_file_beside_it(page, count):
    text = (ROOT / page).read_text(encoding="utf-8")
    steps = re.findall(r"^\| (\d+) \| `([\w.]+)` \| `([\w/]+)\.py` \|", text, re.M)
    assert [int(number) for number, _, _ in steps] == list(range(1, count + 1))
    graph = CallGraph()
    for _, name, file in steps:
        module = graph.modules["mrcnn." + file.replace("/", ".")]
        owner, _, method = name.partition(".")
        definition = module.definitions[owner]
        names = {getattr(part, "name", None) for part in ast.walk(definition)}
        assert not method or method in names, f"{file}.py: {name}"


@pytest.mark.parametrize("page", ["CONTRIBUTING.md", "docs/training_step.md"])
def test_files_and_folders_of_the_package_are_there(page):
    text = (ROOT / page).read_text(encoding="utf-8")
    named = set(re.findall(r"`((?:[a-z_]+/)+(?:[a-z_]+\.py)?)`", text))
    assert len(named) > 10
    outside = {f"{name}/" for name in ("data", "parity", "site", "mrcnn", "tests")}
    missing = [n for n in named - outside if not (ROOT / "mrcnn" / n).exists()]
    assert [n for n in missing if not (ROOT / n).exists()] == []


def test_messages_are_those_of_the_code():
    text = ERRORS.read_text(encoding="utf-8")
    rows = [line for line in text.splitlines() if line.startswith("| `")]
    quoted = {q for row in rows for q in re.findall(r"`([^`]+)`", row.split(" | ")[0])}
    assert len(quoted) > 50
    said = "\n".join(messages())
    missing = []
    for message in sorted(quoted - FOREIGN_MESSAGES):
        parts = [re.escape(part) for part in message.split("...")]
        if not re.search(r"[^\n]*?".join(parts), said):
            missing.append(message)
    assert not missing


def test_checkpoints_of_other_classes_in_a_run_are_explained(tmp_path):
    from mrcnn.engine.weights.run_config import write_run_config
    from tests.toy_config import ToyConfig

    write_run_config(tmp_path, ToyConfig(), ["BG", "a"])
    (tmp_path / "mask_rcnn_toy_0001.h5").touch()
    with pytest.raises(ValueError, match="of the classes") as refused:
        write_run_config(tmp_path, ToyConfig(), ["BG", "b"])
    text = ERRORS.read_text(encoding="utf-8").partition("\n## All messages")[0]
    (row,) = (line for line in text.splitlines() if "of the classes ..." in line)
    assert "another NAME" in str(refused.value) and "`model.set_log_dir()`" in row


def test_all_messages_are_listed():
    page = load_script(ROOT / "docs" / "messages.py").page()
    assert ERRORS.read_text(encoding="utf-8") == page, "run python docs/messages.py"


def messages():
    """The texts in the package, those of an f-string joined by \\0."""
    for path in (ROOT / "mrcnn").rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Constant) and isinstance(node.value, str):
                yield node.value.replace("\n", " ")
            elif isinstance(node, ast.JoinedStr):
                parts = (getattr(v, "value", "\0") for v in node.values)
                texts = (p if isinstance(p, str) else "\0" for p in parts)
                yield "".join(texts).replace("\n", " ")
