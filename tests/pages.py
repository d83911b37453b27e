"""What pages of markdown name: commands with their arguments, files behind links."""

from __future__ import annotations

import re
import shlex

from tests.conftest import ROOT


def read(page):
    """The text of a page, named from the root of the repository."""
    return (ROOT / page).read_text(encoding="utf-8")


def commands(page, start):
    """Lines of a page that are commands, in blocks or between backticks, as words."""
    text = read(page).replace("\\\n", " ")
    fenced = re.findall(r"```(\w*)\n(.*?)```", text, re.DOTALL)
    plain = "\n".join(block for language, block in fenced if not language)
    text = re.sub(r"```.*?```", "", text, flags=re.DOTALL)
    # A command may go on behind the end of a line.
    inline = [" ".join(code.split()) for code in re.findall(r"`([^`]+)`", text)]
    indented = re.findall(r"^    (\S.*)$", text, re.MULTILINE)
    for lines in (plain.splitlines(), indented, inline):
        for line in lines:
            if line.startswith(start + " "):
                yield shlex.split(line, comments=True)


def check_mrcnn(page):
    """Names of the commands of `mrcnn` on a page, once their arguments are parsed."""
    from mrcnn.cli.main import make_parser

    named = set()
    for _, *words in commands(page, "mrcnn"):
        if "--help" in words or len(words) < 2 or words[-1] == "FILE":
            continue
        named.add(make_parser().parse_args(words).command)
    return named


def check_scripts(page):
    """Scripts that a page runs, once they are there and know the arguments."""
    scripts = set()
    for _, script, *words in commands(page, "python"):
        if script == "-m":
            continue
        scripts.add(script)
        path = ROOT / script
        assert path.is_file(), f"{page}: {script}"
        known = set(re.findall(r'"(--[a-z-]+)"', path.read_text(encoding="utf-8")))
        options = {word for word in words if word.startswith("--")}
        assert options <= known | {"--set"}, f"{page}: {script}"
    return scripts


def check_links(page):
    """The links of a page, once each leads to a file, and to a heading in it."""
    targets = re.findall(r"\]\(([^)]+)\)", read(page))
    for target in targets:
        if "://" in target:
            continue
        path, _, anchor = target.partition("#")
        file = (ROOT / page).parent / path if path else ROOT / page
        assert file.exists(), f"{page}: {target}"
        if anchor:
            text = file.read_text(encoding="utf-8")
            headings = re.findall(r"^#+ (.+)$", text, re.MULTILINE)
            slugs = [re.sub(r"[^\w -]", "", h).lower() for h in headings]
            found = [slug.replace(" ", "-") for slug in slugs]
            assert anchor in found, f"{page}: {target}"
    return targets
