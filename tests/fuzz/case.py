"""One case: an input that was damaged, the code that takes it, and what came of it."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from typing import Any, NamedTuple

# What code may raise for a wrong input. Sub-classes that a library raises
# (UnicodeDecodeError, JSONDecodeError ...) surface from below: they are not in it.
PUBLIC_ERRORS = (ValueError, TypeError, OSError, FileNotFoundError)
PUBLIC_ERRORS += (IsADirectoryError, NotADirectoryError, PermissionError)
FAILURES = ("raw", "silent", "crash", "hang", "memory")
OUTCOMES = ("right", "warned", "refused", *FAILURES)


class Case(NamedTuple):
    """A case that is ready to run.

    Attributes:
        told: what was done to the good input, for people.
        call: runs the code under test.
        names: the message of an error must hold one of them: files of the case, or the
            function and its arguments.
        fault: says what is wrong with a result that came with some warnings, or None.
    """

    told: str
    call: Callable[[], Any]
    names: Sequence[str]
    fault: Callable[[Any, list[str]], str | None] = lambda result, told: None


class Outcome(NamedTuple):
    """What came of a case: one of OUTCOMES, and why."""

    kind: str
    text: str


def error_fault(error: Exception, names: Sequence[str]) -> str | None:
    """Returns why an error is not one for users, or None if it is one."""
    shown = f"{type(error).__name__}: {error}"
    is_ours = type(error).__module__.startswith("mrcnn.")
    if not is_ours and type(error) not in PUBLIC_ERRORS:
        return f"not of a public kind: {shown}"
    if not any(name in str(error) for name in names):
        return f"names none of {list(names)[:4]}: {shown}"
    return None


def try_case(case: Case) -> Outcome:
    """Runs a case; an error that is none for users keeps its traceback."""
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        try:
            result = case.call()
        except MemoryError as error:
            return Outcome("memory", f"{type(error).__name__}: {error}")
        except Exception as error:
            fault = error_fault(error, case.names)
            if fault is None:
                return Outcome("refused", str(error))
            return Outcome("raw", f"{fault} ({place_of(error)})")
        told = [
            str(one.message) for one in caught if issubclass(one.category, UserWarning)
        ]
        fault = case.fault(result, told)
    if fault is not None:
        return Outcome("silent", fault)
    return Outcome("warned", told[0]) if told else Outcome("right", "")


def place_of(error: BaseException) -> str:
    """Returns the last line of the package that an error went through."""
    place, trace = "outside of mrcnn", error.__traceback__
    while trace is not None:
        path = trace.tb_frame.f_code.co_filename
        if "/mrcnn/" in path and "/tests/" not in path:
            place = f"mrcnn/{path.rpartition('/mrcnn/')[2]}:{trace.tb_lineno}"
        trace = trace.tb_next
    return place
