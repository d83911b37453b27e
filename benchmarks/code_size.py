"""How many lines of code each folder of mrcnn/ holds.

    python benchmarks/code_size.py
    python benchmarks/code_size.py --against main    # and what changed since then

A line counts when something of it is code: blank lines, comments and docstrings do not.
"""

from __future__ import annotations

import argparse
import ast
import io
import subprocess
import sys
import tokenize
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).resolve().parents[1]
PACKAGE = "mrcnn"
NO_CODE = (tokenize.COMMENT, tokenize.NL, tokenize.NEWLINE)
NO_CODE += (tokenize.INDENT, tokenize.DEDENT, tokenize.ENDMARKER)
HAS_DOCSTRING = ast.Module | ast.ClassDef | ast.FunctionDef | ast.AsyncFunctionDef


def count_lines(source: str) -> int:
    """Lines of a source with code on them."""
    lines: set[int] = set()
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        if token.type not in NO_CODE:
            lines.update(range(token.start[0], token.end[0] + 1))
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, HAS_DOCSTRING) and ast.get_docstring(node) is not None:
            text = node.body[0]
            lines.difference_update(range(text.lineno, text.end_lineno + 1))
    return len(lines)


def count_files(revision: str | None = None) -> dict[str, int]:
    """Lines of code by file, as it is here or (revision) in git's history."""
    if revision is None:
        paths = sorted((ROOT / PACKAGE).rglob("*.py"))
        files = {p.relative_to(ROOT).as_posix(): p.read_text("utf-8") for p in paths}
    else:
        listed = git("ls-tree", "-r", "--name-only", revision, f"{PACKAGE}/")
        names = [name for name in listed.splitlines() if name.endswith(".py")]
        files = {name: git("show", f"{revision}:{name}") for name in names}
    return {name: count_lines(text) for name, text in files.items()}


def git(*arguments: str) -> str:
    """What a command of git prints."""
    command = ["git", "-C", str(ROOT), *arguments]
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def by_folder(counts: dict[str, int]) -> dict[str, list[int]]:
    """The counts of the files directly in each folder."""
    folders: dict[str, list[int]] = {}
    for name, count in counts.items():
        folders.setdefault(str(PurePosixPath(name).parent), []).append(count)
    return folders


def table(counts: dict[str, int], before: dict[str, int] | None = None) -> str:
    """A line a folder, then the total and the longest file."""
    here, there = by_folder(counts), by_folder(before or {})
    rows = [(f, here.get(f, []), there.get(f, [])) for f in sorted({*here, *there})]
    rows.append(("total", list(counts.values()), list((before or {}).values())))
    lines = [f"{'folder':28}{'files':>6}{'lines':>8}{'change':>8}"]
    for folder, now, then in rows:
        change = "" if before is None else f"{sum(now) - sum(then):+8}"
        lines.append(f"{folder:28}{len(now):6}{sum(now):8}{change}")
    longest = max(counts, key=counts.get)
    return "\n".join([*lines, f"longest: {longest}, {counts[longest]} lines of code"])


def main(argv=None):
    """Print the table; the return value is the exit code."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--against", metavar="REV", help="a revision of git")
    args = parser.parse_args(argv)
    try:
        before = count_files(args.against) if args.against else None
    except subprocess.CalledProcessError as error:
        parser.error(f"--against {args.against}: {error.stderr.strip()}")
    print(table(count_files(), before))
    return 0


if __name__ == "__main__":
    sys.exit(main())
