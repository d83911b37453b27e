"""Tables, as HTML in a notebook and as text elsewhere."""

from __future__ import annotations

import html
from collections.abc import Sequence
from typing import Any

from mrcnn.geometry.arguments import as_list


def display_table(table: Sequence[Sequence[Any]]) -> None:
    """Show rows of cells: as HTML in a notebook, printed as text elsewhere.

    Args:
        table: rows; the cells are turned into text.
    """
    where = "display_table(table)"
    rows = [[str(c) for c in as_list(row, where)] for row in as_list(table, where)]
    if _in_notebook():
        from IPython.display import HTML, display

        cells = (
            "".join(f"<td>{html.escape(cell)}</td>" for cell in row) for row in rows
        )
        body = "".join(f"<tr>{row}</tr>" for row in cells)
        display(HTML(f"<table>{body}</table>"))
    else:
        print(table_text(rows))


def table_text(rows: Sequence[Sequence[str]]) -> str:
    """Rows of texts in aligned columns.

    Example:
        >>> print(table_text([["name", "n"], ["P2", "256"]]))
        name  n
        P2    256
    """
    count = max((len(row) for row in rows), default=0)
    full = [[*row, *[""] * (count - len(row))] for row in rows]
    widths = [max(len(row[i]) for row in full) for i in range(count)]
    lines = (
        "  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True))
        for row in full
    )
    return "\n".join(line.rstrip() for line in lines)


def weight_stats(model: Any) -> list[list[str]]:
    """Name, shape, least, largest value and deviation of all trainable weights.

    Values that are all the same are marked with "*": nothing has been learned or
    loaded there. Biases and the shifts of normalization start like that.

    Args:
        model: has `get_trainable_layers()`, as `mrcnn.model.MaskRCNN`.

    Returns:
        Rows of texts, the first is the header.
    """
    rows = [["weight", "shape", "min", "max", "std"]]
    for layer in model.get_trainable_layers():
        values = layer.get_weights()
        for weight, array in zip(layer.weights, values, strict=True):
            name = f"{layer.name}/{weight.name.split('/')[-1]}"
            starts_constant = any(part in name for part in ("bias", "beta", "gamma"))
            if array.size > 1 and array.min() == array.max() and not starts_constant:
                name += " *"
            numbers = [f"{x:+10.4f}" for x in (array.min(), array.max(), array.std())]
            rows.append([name, str(array.shape), *numbers])
    return rows


def display_weight_stats(model: Any) -> None:
    """Show `weight_stats` of a model as a table."""
    display_table(weight_stats(model))


def _in_notebook():
    """True in a kernel that shows HTML."""
    try:
        from IPython import get_ipython
    except ImportError:
        return False
    return hasattr(get_ipython(), "kernel")
