"""Which definitions of the package are used, found by following names in the code.

A definition is a function, a class, a method or a constant at the top of a module. It
is used when code that is used names it. Names are followed through imports, also
through the lazy ones of `mrcnn.data` and `mrcnn.engine`. What cannot be followed, as
`x.method`, is taken for every method of that name.
"""

from __future__ import annotations

import ast
import json
import re
from collections.abc import Iterable
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
PACKAGE = "mrcnn"
Definition = tuple[str, str]  # Module, name; a method is "Class.method".


class Module:
    """The definitions of a file, and what its imported names stand for."""

    def __init__(self, name: str, tree: ast.Module):
        self.name = name
        self.tree = tree
        self.definitions: dict[str, ast.AST] = {}
        self.top_level: list[ast.AST] = []
        for node in tree.body:
            names = _defined(node)
            for each in names:
                self.definitions[each] = node
            if not names:
                self.top_level.append(node)
        self.imports = dict(_imports(tree))
        self.imports |= _lazy_names(name, tree)


def _defined(node: ast.AST) -> list[str]:
    """Names that a statement defines, [] for an import or an action."""
    if isinstance(node, ast.FunctionDef | ast.ClassDef):
        return [node.name]
    targets = getattr(node, "targets", [getattr(node, "target", None)])
    if isinstance(node, ast.Assign | ast.AnnAssign):
        names = [n.id for t in targets for n in ast.walk(t) if isinstance(n, ast.Name)]
        return [name for name in names if not name.startswith("__")]
    return []


def _imports(tree: ast.AST) -> Iterable[tuple[str, tuple[str, str | None]]]:
    """Yields local name -> (module, name in it; None for the module itself)."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                if alias.asname:
                    yield alias.asname, (alias.name, None)
                else:
                    yield alias.name.split(".")[0], (alias.name.split(".")[0], None)
        elif isinstance(node, ast.ImportFrom) and node.module:
            for alias in node.names:
                yield alias.asname or alias.name, (node.module, alias.name)


def _lazy_names(module: str, tree: ast.Module) -> dict:
    """Names that a sub-package hands on by `lazy_loader.attach`."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "submod_attrs":
            table = ast.literal_eval(node.value)
            return {
                n: (f"{module}.{m}", n) for m, names in table.items() for n in names
            }
    return {}


class CallGraph:
    """All modules of the package; `reach` follows names from roots."""

    def __init__(self, root: Path = ROOT):
        self.modules: dict[str, Module] = {}
        for path in sorted((root / PACKAGE).rglob("*.py")):
            name = ".".join(path.relative_to(root).with_suffix("").parts)
            name = name.removesuffix(".__init__")
            self.modules[name] = Module(name, ast.parse(path.read_text("utf-8")))
        self.used: set[Definition] = set()
        self.attributes: set[str] = set()
        self._waiting: list[Definition] = []
        self._methods_waiting: dict[str, list[Definition]] = {}
        self._seen_modules: set[str] = set()

    def resolve(self, module: str, name: str) -> Definition | None:
        """The definition behind a name in a module; (module, "") for a module."""
        for _ in range(10):
            if f"{module}.{name}" in self.modules and name not in (
                self.modules[module].definitions if module in self.modules else ()
            ):
                imports = self.modules[module].imports if module in self.modules else {}
                if name not in imports or imports[name] == (module, name):
                    return f"{module}.{name}", ""
            if module not in self.modules:
                return None
            found = self.modules[module]
            if name in found.definitions:
                return module, name
            if name not in found.imports:
                return None
            module, inner = found.imports[name]
            if inner is None:
                return (module, "") if module in self.modules else None
            name = inner
        return None

    def use(self, definition: Definition | None) -> None:
        """Marks a definition as used, to be followed by `reach`."""
        if definition is not None and definition[0] and definition not in self.used:
            self.used.add(definition)
            self._waiting.append(definition)

    def use_attribute(self, name: str) -> None:
        """Marks every method of a name as used."""
        if name not in self.attributes:
            self.attributes.add(name)
            for method in self._methods_waiting.pop(name, ()):
                self.use(method)

    def use_code(self, tree: ast.Module) -> None:
        """Marks what a script outside of the package names."""
        script = Module(
            "", tree if isinstance(tree, ast.Module) else ast.Module([tree])
        )
        self.modules[""] = script
        self._follow("", tree)
        del self.modules[""]

    def reach(self) -> set[Definition]:
        """Follows all names; returns what is used."""
        while self._waiting:
            module, name = self._waiting.pop()
            self._open(module)
            if not name:
                self._hand_over(module)
                continue
            owner, _, method = name.partition(".")
            node = self.modules[module].definitions[owner]
            if method:
                for part in node.body:
                    if getattr(part, "name", None) == method:
                        self._follow(module, part)
            elif isinstance(node, ast.ClassDef):
                self._follow_class(module, node)
            else:
                self._follow(module, node)
        return self.used

    def _open(self, module: str) -> None:
        """Follows what a module does when it is imported."""
        if module not in self._seen_modules:
            self._seen_modules.add(module)
            for node in self.modules[module].top_level:
                if not isinstance(node, ast.Import | ast.ImportFrom | ast.If):
                    self._follow(module, node)

    def _hand_over(self, module: str) -> None:
        """A module that is passed on as a value: `module.name` is like a method."""
        for name in self.modules[module].definitions:
            if name in self.attributes:
                self.use((module, name))
            else:
                self._methods_waiting.setdefault(name, []).append((module, name))

    def _follow_class(self, module: str, node: ast.ClassDef) -> None:
        """A class runs its body; a method waits until something names it.

        Methods of a class with a base from elsewhere are for that library to call.
        """
        for part in (*node.bases, *node.keywords, *node.decorator_list):
            self._follow(module, part)
        is_foreign = any(not self._is_ours(module, base) for base in node.bases)
        for part in node.body:
            if not isinstance(part, ast.FunctionDef):
                self._follow(module, part)
                continue
            method = module, f"{node.name}.{part.name}"
            if is_foreign or part.name in self.attributes or part.name[:2] == "__":
                self.use(method)
            else:
                self._methods_waiting.setdefault(part.name, []).append(method)

    def _is_ours(self, module: str, base: ast.AST) -> bool:
        """Whether a base class, with its own bases, is ours or calls no method."""
        if isinstance(base, ast.Name):
            if base.id in ("NamedTuple", "Exception", "ValueError", "Mapping", "str"):
                return True
            found = self.resolve(module, base.id)
        elif isinstance(base, ast.Attribute) and isinstance(base.value, ast.Name):
            outer = self.resolve(module, base.value.id)
            found = self.resolve(outer[0], base.attr) if outer else None
        else:
            found = None
        if found is None or not found[1]:
            return False
        node = self.modules[found[0]].definitions[found[1]]
        return all(self._is_ours(found[0], each) for each in getattr(node, "bases", ()))

    def _follow(self, module: str, tree: ast.AST) -> None:
        """Marks everything that a piece of code names."""
        for node in ast.walk(tree):
            if isinstance(node, ast.Name):
                self.use(self.resolve(module, node.id))
            elif isinstance(node, ast.Attribute):
                self.use_attribute(node.attr)
                chain = ast.unparse(node).split(".")
                self._use_chain(module, chain)
            elif isinstance(node, ast.ImportFrom) and node.module:
                for alias in node.names:
                    if module == "":
                        self.use(self.resolve(node.module, alias.name))

    def _use_chain(self, module: str, chain: list[str]) -> None:
        """Marks `a.b.c`, where `a` is a module."""
        place = self.resolve(module, chain[0]) if chain[0].isidentifier() else None
        for name in chain[1:]:
            if place is None or place[1]:
                return
            place = self.resolve(place[0], name)
            self.use(place)

    def unused(self) -> list[str]:
        """All definitions that nothing has reached, as "module.name"."""
        names = []
        for module in self.modules.values():
            for name, node in module.definitions.items():
                if (module.name, name) not in self.used:
                    names.append(f"{module.name}.{name}")
                elif isinstance(node, ast.ClassDef):
                    methods = [p for p in node.body if isinstance(p, ast.FunctionDef)]
                    names += [
                        f"{module.name}.{name}.{m.name}"
                        for m in methods
                        if (module.name, f"{name}.{m.name}") not in self.used
                    ]
        return names


def scripts(root: Path = ROOT) -> Iterable[ast.Module]:
    """The code of samples, benchmarks, notebooks and of the pages' scripts."""
    for folder in ("samples", "benchmarks", "docs"):
        for path in (root / folder).rglob("*.py"):
            yield ast.parse(path.read_text("utf-8"))
    for path in (root / "notebooks").glob("*.ipynb"):
        cells = json.loads(path.read_text("utf-8"))["cells"]
        code = ["".join(c["source"]) for c in cells if c["cell_type"] == "code"]
        yield ast.parse(re.sub(r"(?m)^[%!].*$", "", "\n".join(code)))


def documented_words(root: Path = ROOT) -> set[str]:
    """All identifiers in code of README and the guides."""
    words: set[str] = set()
    for path in (root / "README.md", *(root / "docs").glob("*.md")):
        text = path.read_text("utf-8")
        for code in re.findall(r"```.*?```|`[^`\n]+`", text, re.DOTALL):
            words |= set(re.findall(r"[A-Za-z_]\w+", code))
    return words
