"""docs/configurations.md: its table tells the differences, its program the calls."""

from __future__ import annotations

import inspect
import re
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
PAGE = (ROOT / "docs" / "configurations.md").read_text(encoding="utf-8")


def test_the_table_lists_every_attribute_that_differs_and_no_other():
    from mrcnn.config import Config, PaperConfig

    table = PAGE.split("| `Config` | `PaperConfig` |")[1].split("\n\n")[0]
    named = re.findall(r"`([A-Z]+_[A-Z_]+)`", table)
    differ = [name for name in vars(PaperConfig) if name.isupper()]
    assert sorted(named) == sorted(differ)
    for name in named:
        assert getattr(Config, name) != getattr(PaperConfig, name), name


def test_starting_from_coco_calls_the_model_as_it_is():
    """Run with a model that checks its calls: the real one would fetch 257 MB."""
    from mrcnn.engine import CLASS_LAYERS
    from mrcnn.model import MaskRCNN

    calls = []

    class Recorder:
        def __getattr__(self, name):
            def call(*args, **kwargs):
                signature = inspect.signature(getattr(MaskRCNN, name))
                calls.append((name, signature.bind(self, *args, **kwargs).arguments))

            return call

    (program,) = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)
    exec(
        compile(program, "configurations.md", "exec"),
        {"model": Recorder(), "train": None, "val": None},
    )
    assert [name for name, _ in calls] == ["load_weights", "train", "train"]
    assert calls[0][1]["exclude"] == CLASS_LAYERS
    assert [a.get("layers") for _, a in calls] == [None, "heads", "all"]
