"""Numbers, flags and texts as annotation tools write them, and the check of a schema.

A format's schema is a TypedDict of these types: it says which keys an entry has and
what each holds. Numbers and flags may be written as text ("12.5", "false"), as many
tools do; what is neither is refused, never guessed.
"""

from __future__ import annotations

from typing import Annotated, Any

from pydantic import AllowInfNan, BeforeValidator, TypeAdapter, ValidationError

MAX_SHOWN = 60  # characters of a wrong value


def _no_flag(value: Any) -> Any:
    """Returns a value that is no bool: true and false are no numbers in a file."""
    if isinstance(value, bool):
        raise ValueError("true or false is no number")
    return value


def _missing_is_false(value: Any) -> Any:
    """Returns False for null and for empty text."""
    return False if value is None or value == "" else value


Number = Annotated[float, BeforeValidator(_no_flag), AllowInfNan(False)]
Whole = Annotated[int, BeforeValidator(_no_flag)]
Flag = Annotated[bool, BeforeValidator(_missing_is_false)]


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
    shown = repr(first["input"])
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


def _entry_name(place: tuple[str | int, ...]) -> str:
    """Returns the way to an entry as in Python: annotations[3].bbox[0]."""
    name = ""
    for part in place:
        name += f"[{part}]" if isinstance(part, int) else f".{part}"
    return name.removeprefix(".")
