"""The callback of the shapes sample that ends a training by the clock."""

from __future__ import annotations

import types

import pytest

from samples.shapes import time_budget
from samples.shapes.time_budget import TimeBudget


def test_the_clock_lowers_the_rate_and_stops(monkeypatch, capsys):
    now = [100.0]
    monkeypatch.setattr(time_budget.time, "monotonic", lambda: now[0])
    clock = TimeBudget(minutes=2)
    optimizer = types.SimpleNamespace(learning_rate=0.1, iterations=7)
    clock.set_model(types.SimpleNamespace(optimizer=optimizer, stop_training=False))
    clock.on_train_begin()
    rates = []
    for now[0] in (100, 160, 219):  # of 120 seconds
        clock.on_train_batch_end(0)
        rates.append(optimizer.learning_rate)
        assert not clock.model.stop_training
    assert rates == pytest.approx([0.1, 0.05, 0.0], abs=1e-3)
    now[0] = 221
    clock.on_train_batch_end(0)
    assert clock.model.stop_training
    clock.on_epoch_end(0, {"loss": 1.25})
    assert "2.0 min, 7 steps, loss 1.250" in capsys.readouterr().out


@pytest.mark.parametrize("minutes", [0, -1, float("nan")])
def test_a_budget_without_time_is_an_error(minutes):
    with pytest.raises(ValueError, match="more than 0"):
        TimeBudget(minutes)
