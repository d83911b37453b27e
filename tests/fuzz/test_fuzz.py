"""A sample of what `make fuzz` runs, and what the harness takes for a fault."""

from __future__ import annotations

import os
import random
import time

import numpy as np
import pytest

from tests.fuzz import __main__ as fuzz
from tests.fuzz.array_calls import array_calls
from tests.fuzz.calls import call_case, quiet
from tests.fuzz.case import FAILURES, Case, try_case
from tests.fuzz.figure_calls import figure_calls
from tests.fuzz.score_calls import score_calls


def test_of_a_sample_none_fails():
    results = fuzz.run(500)
    assert len(results) > 450
    assert not [r for r in results if r.outcome in FAILURES], fuzz.report(results)


@pytest.mark.parametrize("calls", [array_calls, score_calls, figure_calls])
def test_right_arguments_are_right(calls):
    for name, call in calls().items():
        case = Case(name, lambda call=call: quiet(call.function, **call.arguments), [])
        assert try_case(case).kind in ("right", "warned"), name


def outcome(call, names=("f(",), **kwargs):
    return try_case(Case("", call, names, **kwargs)).kind


def fail(error):
    raise error


def test_errors_for_users_are_told_from_those_that_surface():
    assert outcome(lambda: fail(ValueError("f(x): no"))) == "refused"
    assert outcome(lambda: fail(ValueError("no"))) == "raw"
    assert outcome(lambda: fail(KeyError("f(x)"))) == "raw"
    assert outcome(lambda: b"f(\xff".decode()) == "raw"
    assert outcome(lambda: fail(MemoryError())) == "memory"
    assert outcome(lambda: 1) == "right"
    assert outcome(lambda: 1, fault=lambda result, told: "wrong") == "silent"


def test_a_seed_gives_the_same_case(tmp_path):
    told = []
    for name in ("one", "two"):
        (tmp_path / name).mkdir()
        told += [
            fuzz.make_case(kind, 7, tmp_path / name).told
            for kind in ("coco", "picture", "arrays")
        ]
    assert told[:3] == told[3:]


def bad_function(values):
    """Stands for functions that end, hang, fill the memory, or differ."""
    if np.ndim(values) != 1:
        os._exit(3)
    return values.strides


def test_values_in_another_form_must_give_the_same_result(tmp_path):
    from tests.fuzz.calls import Call

    def calls():
        return {"bad": Call(bad_function, {"values": np.arange(6.0)})}

    kinds = set()
    for seed in range(200):
        rng = random.Random(seed)
        case = call_case(rng, tmp_path, calls)
        if "view of every second" in case.told:
            kinds.add(try_case(case).kind)
    assert kinds == {"silent"}


class Stub(fuzz.Worker):
    """A worker whose process does as it is told, in place of a case."""

    def __init__(self, code):
        super().__init__()
        self.code = code

    def _command(self):
        return [fuzz.sys.executable, "-c", f"import os, time\n{self.code}"]


@pytest.mark.parametrize(
    ("code", "expected"),
    [
        ("print('\"told\"', flush=True); os.abort()", "crash"),
        ("print('\"told\"', flush=True)\nwhile True: pass", "hang"),
        ("print('\"told\"', flush=True); time.sleep(99)", "hang"),
    ],
)
def test_crashes_and_hangs_are_results_of_their_case(code, expected, monkeypatch):
    monkeypatch.setattr(fuzz, "MAX_SECONDS", 1)
    monkeypatch.setattr(fuzz, "MAX_WAIT", 2)
    worker, begin = Stub(code), time.monotonic()
    result = worker.run("arrays", 5)
    worker.close()
    assert (result.outcome, result.kind, result.seed) == (expected, "arrays", 5)
    assert result.told == "told" and time.monotonic() - begin < 20
