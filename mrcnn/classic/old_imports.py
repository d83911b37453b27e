"""Names that the modules of the old package imported, and scripts read through them.

`visualize.plt`, `modellib.np` and `from mrcnn.visualize import *` work as before: each
name is imported when it is asked for.
"""

from __future__ import annotations

import importlib
import os
from collections.abc import Callable

_COMMON = {
    "logging": "logging",
    "math": "math",
    "np": "numpy",
    "os": "os",
    "random": "random",
    "utils": "mrcnn.utils",
}
_KERAS = {
    # That of `keras` has lost get_value, shape and most others; this one has them.
    "K": "tensorflow:keras.backend",
    "KB": "tensorflow:keras.backend",
    # keras.engine is no more: old scripts take Layer and InputSpec from it.
    "KE": "keras.layers",
    "KI": "keras.initializers",
    "KL": "keras.layers",
    "KM": "keras.models",
    "keras": "keras",
    "tf": "tensorflow",
}
# Module -> name -> "module" or "module:attribute".
_NAMES = {
    "model": _COMMON
    | _KERAS
    | {
        "LooseVersion": "packaging.version:Version",
        "OrderedDict": "collections:OrderedDict",
        "datetime": "datetime",
        "itertools": "itertools",
        "json": "json",
        "multiprocessing": "multiprocessing",
        "re": "re",
        "sys": "sys",
    },
    "parallel_model": {name: _KERAS[name] for name in ("K", "KL", "KM", "tf")},
    "utils": {
        **{name: _COMMON[name] for name in ("logging", "math", "np", "os", "random")},
        "LooseVersion": "packaging.version:Version",
        "scipy": "scipy",
        "shutil": "shutil",
        "skimage": "skimage",
        "sys": "sys",
        "tf": "tensorflow",
        "urllib": "urllib",
        "warnings": "warnings",
    },
    "visualize": _COMMON
    | {
        "Polygon": "matplotlib.patches:Polygon",
        "colorsys": "colorsys",
        "find_contours": "skimage.measure:find_contours",
        "itertools": "itertools",
        "lines": "matplotlib.lines",
        "patches": "matplotlib.patches",
        "plt": "matplotlib.pyplot",
        "sys": "sys",
    },
}
# Not for `import *`, which fails where one of all names is not there.
_OPTIONAL = {"visualize": {"IPython": "IPython"}}
# What `import x` made known of x besides itself.
_WITH_PARTS = {
    "skimage": ("skimage.color", "skimage.io", "skimage.transform"),
    "urllib": ("urllib.request",),
    "IPython": ("IPython.display",),
}
# Names of copies and forks of the old package, and what is here for them.
_INSTEAD = {
    "MeanAveragePrecisionCallback": (
        "a fork of the old package had it; use EvaluationCallback(model, dataset_val, "
        "every=5) in custom_callbacks, which adds val_segm_AP and others to the logs"
    ),
}


def attach(module: str, listed: list[str]) -> tuple[Callable, Callable]:
    """Returns `__getattr__` and `__dir__` of a public module.

    Args:
        module: its full name, "mrcnn.model".
        listed: its `__all__`; the names are added, for `import *`.
    """
    part = module.rpartition(".")[2]
    names = _NAMES[part]
    known = names | _OPTIONAL.get(part, {})
    listed[:] = sorted({*listed, *names})

    def __getattr__(name: str):
        if name == "ROOT_DIR" and part == "visualize":
            return os.path.abspath("../")
        if name not in known:
            instead = _INSTEAD.get(name)
            raise AttributeError(
                f"module {module!r} has no attribute {name!r}"
                + (f": {instead}." if instead else "")
            )
        target, _, attribute = known[name].partition(":")
        try:
            for extra in _WITH_PARTS.get(target, ()):
                importlib.import_module(extra)
            value = importlib.import_module(target)
        except ImportError as error:
            raise AttributeError(
                f"{module}.{name}: {target} is not installed ({error}); install it, "
                "or import it yourself."
            ) from error
        for step in attribute.split(".") if attribute else ():
            value = getattr(value, step)
        return value

    def __dir__() -> list[str]:
        return listed

    return __getattr__, __dir__
