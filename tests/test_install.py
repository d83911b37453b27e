"""What pip installs: name, requirements and extras, and every `pip install` line."""

from __future__ import annotations

import ast
import functools
import importlib
import json
import re
import sys

import pytest
import setuptools

from tests.conftest import ROOT, load_script

NAME = "keras-mask-rcnn"
# What pages say to install and no requirement or extra names.
TOOLS = {"jupyterlab", "opencv-python-headless", "datumaro", "fiftyone"}
# Import name to the name that pip knows, where they differ.
DISTRIBUTIONS = {
    "PIL": "pillow",
    "cv2": "opencv-python",
    "imgaug": "imaug",
    "skimage": "scikit-image",
    "yaml": "pyyaml",
}
# Used where it is there already: inside a notebook; when the site is built.
OPTIONAL = {"IPython", "griffe", "mkdocs", "pygments"}
OURS = {"mrcnn", "samples", "benchmarks", "tests"}
WORD = r"""(?:'[^'\n]+'|"[^"\n]+"|[\w.\[\]{}<>=~,/:-]+)"""
COMMAND = re.compile(rf"\bpip3? install((?: +{WORD})+)")
CODE = re.compile(r"```.*?```|`[^`]+`", re.DOTALL)


def listed_files():
    """Code, pages, notebooks and settings, without what is built or installed."""
    folders = ("mrcnn", "samples", "benchmarks", "docs", "notebooks", "tests", ".ci")
    for folder in (ROOT, *(ROOT / name for name in folders)):
        paths = folder.glob("*") if folder == ROOT else folder.rglob("*")
        for path in paths:
            endings = (".py", ".md", ".ipynb", ".yml", ".toml", ".txt")
            if path.suffix in endings or path.name in ("Makefile", "run"):
                yield path


def text_of(path, kinds=("code", "markdown")):
    """The text of a file; of a notebook, that of its cells of these kinds."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".ipynb":
        cells = [c for c in json.loads(text)["cells"] if c["cell_type"] in kinds]
        text = "\n\n".join("".join(cell["source"]) for cell in cells)
    return text


FILES = {path.relative_to(ROOT).as_posix(): path for path in listed_files()}
WITH_PIP = [name for name, path in FILES.items() if "pip install" in text_of(path)]


@functools.cache
def described():
    """The arguments of `setup` in setup.py."""
    found = {}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(setuptools, "setup", lambda **arguments: found.update(arguments))
        load_script(ROOT / "setup.py")
    return found


def name_of(requirement):
    """The distribution of a requirement: "mkdocs" of "mkdocs>=1.6,<2"."""
    return re.match(r"[\w.-]+", requirement)[0].lower()


def required(*extras):
    """The distributions that the package asks for, with these extras."""
    lists = [described()["extras_require"][extra] for extra in extras]
    lines = [*described()["install_requires"], *sum(lists, [])]
    return {name_of(line) for line in lines}


def pip_lines(text):
    """The arguments of each `pip install` in a text; commands may wrap in backticks."""

    def joined(code):
        return code[0] if code[0].startswith("```") else " ".join(code[0].split())

    for found in COMMAND.finditer(CODE.sub(joined, text)):
        words = [word.strip("'\"") for word in found[1].split()]
        yield [word.rstrip(".,:") or word for word in words]


def wrong_words(words):
    """What `pip install` would not find, or would take from a stranger."""
    extras, known = described()["extras_require"], TOOLS | {NAME}
    known |= required(*extras)
    for word in words:
        package, _, inside = word.rstrip("]").partition("[")
        asked = [extra for extra in inside.split(",") if extra]
        is_ours = package.rstrip("/") in (".", NAME)
        if word.startswith("-"):
            continue
        if not (is_ours or name_of(package or "?") in known):
            yield word
        elif asked and is_ours and not set(asked) <= set(extras):
            yield word


def test_the_distribution_has_a_name_of_its_own_and_brings_the_command():
    assert described()["name"] == NAME
    assert described()["version"] == importlib.import_module("mrcnn").__version__
    (script,) = described()["entry_points"]["console_scripts"]
    name, module, function = re.fullmatch(r"(\w+) = ([\w.]+):(\w+)", script).groups()
    assert name == "mrcnn" and callable(
        getattr(importlib.import_module(module), function)
    )


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("pip install mrcnn", ["mrcnn"]),  # a package of somebody else
        ("`pip install 'mrcnn[dev]'` adds", ["mrcnn[dev]"]),
        ("pip install -e '.[dev]'", []),
        ('python -m pip install --quiet ".[dev,docs]"', []),
        ("`pip install\n    '.[video]'` in the clone", [".[video]"]),
        (f"pip install {NAME}[albumentations].", []),
        (f"pip install {NAME}[video]", [f"{NAME}[video]"]),
        ("pip install . jupyterlab\njupyter lab", []),
        ("pip install tensorboard\\n", []),
        ("pip install tensorflw", ["tensorflw"]),
    ],
)
def test_the_rule_for_pip_lines_itself(text, wrong):
    (words,) = pip_lines(text)
    assert list(wrong_words(words)) == wrong


def test_lines_are_found_where_there_are_some():
    assert {"README.md", "Makefile", "docs/data.md", "notebooks/README.md"} <= set(
        WITH_PIP
    )


@pytest.mark.parametrize("name", sorted(set(WITH_PIP) - {"tests/test_install.py"}))
def test_pip_lines_install_this_package_or_what_it_names(name):
    lines = list(pip_lines(text_of(FILES[name])))
    wrong = [(" ".join(words), list(wrong_words(words))) for words in lines]
    assert [pair for pair in wrong if pair[1]] == []


def test_no_extra_is_asked_of_the_package_of_somebody_else():
    pattern = re.compile(rf"\bmrcnn\[({'|'.join(described()['extras_require'])})\b")
    found = [name for name, path in FILES.items() if pattern.search(text_of(path))]
    assert set(found) <= {"tests/test_install.py"}


def test_augmenters_are_those_that_work_with_numpy_2():
    assert "imaug>=0.4.3" in described()["install_requires"]


def third_party(paths):
    """Distributions that files import, inside functions too."""
    modules = set()
    for path in paths:
        lines = text_of(path, ("code",)).splitlines()
        source = "\n".join("" if line[:1] in ("%", "!") else line for line in lines)
        for node in ast.walk(ast.parse(source)):
            if isinstance(node, ast.Import):
                modules |= {alias.name.split(".")[0] for alias in node.names}
            elif isinstance(node, ast.ImportFrom) and not node.level:
                modules.add(node.module.split(".")[0])
    # A script finds what lies in its folder.
    modules -= {path.stem for path in paths} | OURS | OPTIONAL
    modules -= set(sys.stdlib_module_names)
    return {DISTRIBUTIONS.get(name, name) for name in modules}


@pytest.mark.parametrize(
    ("folder", "extras"),
    [
        ("mrcnn", ["albumentations"]),
        ("samples", []),
        ("benchmarks", ["tensorboard"]),
        ("docs", []),
        ("notebooks", ["notebooks"]),
        ("tests", ["dev"]),
    ],
)
def test_every_third_party_import_is_a_requirement(folder, extras):
    paths = [path for path in (ROOT / folder).rglob("*") if path.suffix == ".py"]
    paths += (ROOT / folder).glob("*.ipynb")
    assert third_party(paths) - required(*extras) == set()
