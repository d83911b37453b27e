"""Numbers, flags and texts as annotation tools write them, and the check of a schema.

A format's schema is a TypedDict of these types: it says which keys an entry has and
what each holds. Numbers and flags may be written as text ("12.5", "false"), as many
tools do; what is neither is refused, never guessed.
"""

from __future__ import annotations

import reprlib
from typing import Annotated, Any

from pydantic import (
    AllowInfNan,
    BeforeValidator,
    Field,
    PlainValidator,
    TypeAdapter,
    ValidationError,
)

MAX_SHOWN = 60  # characters of a wrong value
MAX_SIDE = 1_000_000  # px; the largest scans of slides have a third of it
MAX_AREA = 4e9  # px; a mask has a byte for each


def _no_flag(value: Any) -> Any:
    """Returns a value that is no bool: true and false are no numbers in a file."""
    if isinstance(value, bool):
        raise ValueError("true or false is no number")
    return value


def _plain_flag(value: Any) -> Any:
    """Returns False for null and for empty text, 0 or 1 for a text of such a number."""
    if isinstance(value, str):
        value = value.strip()
        value = {"0.0": "0", "1.0": "1"}.get(value, value)
    return False if value is None or value == "" else value


def _plain_id(value: Any) -> Any:
    """Returns a text, or a whole number as an int: 3.0 is 3, as it is in json."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    if isinstance(value, bool) or not isinstance(value, int | str):
        raise ValueError("an id is a whole number or a text")
    return value


def _plain_name(value: Any) -> str:
    """Returns a text that is not empty; pydantic's own refuses names not in UTF-8."""
    if not isinstance(value, str) or not value:
        raise ValueError("a name is a text, not empty")
    return value


Number = Annotated[float, BeforeValidator(_no_flag), AllowInfNan(False)]
Whole = Annotated[int, BeforeValidator(_no_flag)]
Flag = Annotated[bool, BeforeValidator(_plain_flag)]
# Of an image, px; 0 stands for one that is not known.
Side = Annotated[Whole, Field(ge=0, le=MAX_SIDE)]
Name = Annotated[str, PlainValidator(_plain_name)]
Id = Annotated[int | str, PlainValidator(_plain_id)]


def check_fields(schema: TypeAdapter, content: Any, where: str) -> Any:
    """Returns the content of a file with numbers and flags converted from text.

    Args:
        schema: of a TypedDict, a list of them, or any other type pydantic knows.
        content: as json gives it; it is not changed.
        where: begins the message: the function and the file.

    Raises:
        ValueError: names the first entry that does not fit, its value, and how many
            others there are.
    """
    try:
        return schema.validate_python(content)
    except ValidationError as error:
        first, *others = error.errors(include_url=False, include_context=False)
    # reprlib: a damaged value may be nested as deep as no stack reaches.
    shown = first["input"]
    shown = repr(shown) if isinstance(shown, str | float) else reprlib.repr(shown)
    if len(shown) > MAX_SHOWN:
        shown = f"{shown[:MAX_SHOWN]}..."
    entry = _entry_name(first["loc"]) or "the content"
    more = f" (and {len(others)} more)" if others else ""
    message = first["msg"].removeprefix("Value error, ")
    if first["type"] == "missing":
        problem = f"{entry} is missing"
    else:
        problem = f"{entry} is {shown}: {message}"
    raise ValueError(f"{where}: {problem}{more}; correct or remove that entry.")


def check_size(height: int | None, width: int | None, where: str) -> None:
    """Raises for an image that is larger than a mask can be.

    Args:
        height: px; None or 0: not known.
        width: px; None or 0: not known.
        where: begins the message: the function and the file.

    Raises:
        ValueError: names the size.
    """
    if height and width and height * width > MAX_AREA:
        raise ValueError(
            f"{where}: the image is said to be {height} x {width} px (height x width), "
            "more than any mask can be; correct or remove these numbers."
        )


def _entry_name(place: tuple[str | int, ...]) -> str:
    """Returns the way to an entry as in Python: annotations[3].bbox[0]."""
    name = ""
    for part in place:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".")
