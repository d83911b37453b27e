"""Hook of mkdocs: pages of the repository that lie outside of docs/ join the site.

Links are written for a reader of the repository. Here they are led to the pages of the
site; what else a page links to, as a notebook, is copied beside them.
"""

from __future__ import annotations

import ast
import os
import posixpath
import re
import textwrap
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
# Page of the repository: its name on the site.
PAGES = {
    "README.md": "index.md",
    "notebooks/README.md": "notebooks.md",
    "benchmarks/balloon.md": "balloon.md",
    "mrcnn/pretrained/nucleus.md": "nucleus.md",
    "CHANGELOG.md": "changes.md",
    "CONTRIBUTING.md": "contributing.md",
}
# Of code in the readthedocs theme, and of the lists that mkdocstrings writes.
STYLE = """
.linenos { display: none; }
.doc-contents { margin-left: 1.5em; }
.doc-section-title { font-weight: bold; }
"""
ATTRIBUTES = (
    "    the attributes of mrcnn.config.Config stand here when the site is built"
)
LINK = re.compile(r"(?<=\]\()([^)\s#]+)(?=[)#])")


def site_path(path: str) -> str:
    """Returns where a file of the repository is on the site, both as "a/b.md"."""
    return PAGES.get(path) or path.removeprefix("docs/")


def linked_files(text: str, folder: str) -> dict[str, str]:
    """Returns the files of the repository that a page links to, by what it writes.

    Args:
        text: of the page.
        folder: of the page in the repository; "" for its root.
    """
    targets = {
        link: posixpath.normpath(f"{folder}/{link}") for link in LINK.findall(text)
    }
    targets = {link: path.removeprefix("/") for link, path in targets.items()}
    return {link: path for link, path in targets.items() if (ROOT / path).is_file()}


def on_files(files, config):
    """Adds the pages, and the files that any page links to."""
    # mkdocs is there while the site is built, and not in the tests.
    from mkdocs.structure.files import File
    from pygments.formatters import HtmlFormatter

    for path, name in PAGES.items():
        if (ROOT / path).is_file():
            files.append(File.generated(config, name, abs_src_path=str(ROOT / path)))
    for page in list(files.documentation_pages()):
        for path in linked_files(page.content_string, folder_of(page)).values():
            name = site_path(path)
            if files.get_file_from_path(name) is None:
                source = str(ROOT / path)
                files.append(File.generated(config, name, abs_src_path=source))
    style = HtmlFormatter(style="default").get_style_defs(".highlight") + STYLE
    files.append(File.generated(config, "code.css", content=style))
    return files


def on_page_markdown(markdown, page, config, files):
    """Returns the text of a page with links that lead to the pages of the site."""
    found = linked_files(markdown, folder_of(page.file))
    here = posixpath.dirname(page.file.src_uri)

    def lead(match):
        path = found.get(match[1])
        return posixpath.relpath(site_path(path), here or ".") if path else match[1]

    text = LINK.sub(lead, markdown)
    return text.replace(ATTRIBUTES, f"```python\n{config_attributes()}\n```")


def config_attributes() -> str:
    """Returns the lines of Config's source that say its attributes, not indented."""
    source = (ROOT / "mrcnn" / "config.py").read_text(encoding="utf-8")
    (config,) = (
        node
        for node in ast.parse(source).body
        if isinstance(node, ast.ClassDef) and node.name == "Config"
    )
    functions = (n for n in config.body if isinstance(n, ast.FunctionDef))
    # A function begins with what decorates it.
    end = min(n.lineno for f in functions for n in (f, *f.decorator_list))
    lines = source.splitlines()[config.body[0].end_lineno : end - 1]
    return textwrap.dedent("\n".join(lines)).strip()


def folder_of(file) -> str:
    """Returns the folder of a page's source in the repository."""
    folder = os.path.relpath(Path(file.abs_src_path).parent, ROOT)
    return "" if folder == "." else Path(folder).as_posix()
