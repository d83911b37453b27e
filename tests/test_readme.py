"""The README's programs are run as they stand there, and all it names is there."""

from __future__ import annotations

import re

import numpy as np
import pytest
from skimage.draw import disk
from skimage.io import imsave

from tests.conftest import ROOT
from tests.pages import check_links, check_mrcnn, check_scripts, commands, read
from tests.samples.test_balloon import write_subset

README = read("README.md")
BLOCKS = re.findall(r"```python\n(.*?)```", README, re.DOTALL)
# All that is changed of the programs, to be done in seconds: each stands there once.
SHORTER = {"epochs=30": "epochs=1", "IMAGE_MAX_DIM = 512": "IMAGE_MAX_DIM = 128"}
# Pages with commands.
PAGES = ["README.md", "docs/command.md", "docs/samples.md", "CONTRIBUTING.md"]


def write_cells(folder, count, seed):
    """Photographs of bright discs, each beside its labels, as the README has them."""
    folder.mkdir(parents=True)
    rng = np.random.default_rng(seed)
    for name in "abc"[:count]:
        photo = rng.integers(0, 60, (90, 120, 3), dtype=np.uint8)
        labels = np.zeros((90, 120), np.uint8)
        for label, center in enumerate([(25, 30), (60, 80)], start=1):
            labels[disk(center, 18)] = label
        photo[labels > 0] += 150
        imsave(folder / f"{name}.jpg", photo, check_contrast=False)
        imsave(folder / f"{name}.png", labels, check_contrast=False)
    return photo


@pytest.fixture
def working_folder(tmp_path, monkeypatch):
    """What the programs find where they run."""
    write_cells(tmp_path / "cells" / "train", 3, seed=0)
    write_cells(tmp_path / "cells" / "val", 2, seed=1)
    photo = write_cells(tmp_path / "others", 1, seed=2)
    imsave(tmp_path / "photo.jpg", photo, check_contrast=False)
    write_subset(tmp_path / "balloon" / "train")
    write_subset(tmp_path / "balloon" / "val", seed=1)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def run(block, names):
    """Run one of the blocks in the names of those before it."""
    for long, short in SHORTER.items():
        block = block.replace(long, short)
    exec(compile(block, "README.md", "exec"), names)


def test_shortening_changes_what_it_says_and_nothing_else():
    text = "".join(BLOCKS)
    assert [text.count(long) for long in SHORTER] == [1] * len(SHORTER)


def test_all_programs_run_one_after_the_other(working_folder, capsys):
    names = {}
    bundled, own, opened = BLOCKS

    run(bundled, names)
    count = len(names["found"]["scores"])
    assert count > 5  # nuclei
    assert names["found"]["masks"].shape == (*names["image"].shape[:2], count)
    assert (working_folder / "found.png").stat().st_size > 10_000

    run(own, names)
    masks, class_ids = names["train"].load_mask(0)
    assert (masks.shape, masks.dtype) == ((90, 120, 2), bool)
    assert class_ids.tolist() == [1, 1]
    assert names["val"].num_images == 2
    (weights,) = (working_folder / "logs").glob("cells*/mask_rcnn_cells_0001.h5")
    assert "AP50" in capsys.readouterr().out
    assert names["found"]["masks"].shape[:2] == (90, 120)

    run(opened, names)
    out = capsys.readouterr().out
    assert "taken for VIA json" in out and "RPN_ANCHOR_SCALES" in out


def test_own_data_takes_twenty_lines_below_the_imports():
    lines = [line for line in BLOCKS[1].splitlines() if line.strip()]
    imports = [line for line in lines if line.startswith(("import ", "from "))]
    assert 20 <= len(lines) - len(imports) <= 22


def test_is_short_enough_to_read():
    assert len(README.splitlines()) < 400


def test_links_lead_somewhere():
    assert check_links("README.md")


def test_make_has_the_targets_that_pages_name():
    makefile = read("Makefile")
    targets = set(re.findall(r"^([a-z-]+):.*## ", makefile, re.MULTILINE))
    named = {words[1] for page in PAGES for words in commands(page, "make")}
    assert {"demo", "demo-train", "test", "test-slow", "docs"} <= named
    assert named <= targets


@pytest.mark.parametrize("page", PAGES[:2])
def test_the_command_takes_the_arguments_that_pages_give(page):
    from mrcnn.cli.main import COMMANDS

    assert check_mrcnn(page) == set(COMMANDS)


@pytest.mark.parametrize("page", PAGES)
def test_scripts_that_pages_run_are_there_and_know_the_arguments(page):
    check_scripts(page)


def test_every_sample_is_listed():
    listed = set(re.findall(r"python (samples/\S+\.py)", read("docs/samples.md")))
    programs = {
        path.relative_to(ROOT).as_posix()
        for path in ROOT.glob("samples/*/*.py")
        if "__main__" in path.read_text(encoding="utf-8")
    }
    assert listed == programs


def test_every_notebook_is_listed():
    listed = re.findall(r"\]\(notebooks/(\w+)\.ipynb\)", README)
    there = [path.stem for path in ROOT.glob("notebooks/*.ipynb")]
    assert sorted(listed) == sorted(there)


def test_formats_are_those_that_are_opened():
    from mrcnn.data.formats.format_table import FORMATS

    table = README.split("| class in `mrcnn.data` |")[1].split("\n\n")[0]
    assert re.findall(r"`(\w+Dataset)`", table) == [
        f.dataset.__name__ for f in FORMATS.values()
    ]


def test_figures_come_from_commands():
    table = README.split("| what | figure | command |")[1].split("\n\n")[0]
    rows = table.strip().splitlines()[1:]
    assert len(rows) > 8
    for row in rows:
        command = row.rstrip(" |").split(" | ")[-1]
        assert re.search(r"`(python|make) \S+|\]\(benchmarks/", command), row
